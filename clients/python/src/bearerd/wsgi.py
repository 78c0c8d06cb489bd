"""WSGI (PEP 3333): who sent a request, in ``environ["bearerd.identity"]``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Callable, Optional

from .identity import AssertionReader, Forbidden, Untrusted, identify

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]


class BearerdMiddleware:
    """Puts the Identity of a request, or None, into ``environ["bearerd.identity"]``.

    With ``assertion`` (the audience of bearerd's assertions, ``upstream.assertion_audience``)
    only ``Bearerd-Assertion`` counts, and ``issuer`` is needed. Without it the identity
    headers count, and every request must come through bearerd or a proxy that asks it.
    A request whose identity can't be trusted is answered with 401.
    """

    def __init__(
        self, app: Application, issuer: str = "", audience: str = "", assertion: str = "", **reader: Any
    ) -> None:
        self.app, self.audience = app, audience
        self.reader = assertion_reader(issuer, assertion, **reader)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        try:
            environ["bearerd.identity"] = identify(header_of(environ), self.reader, self.audience)
        except Untrusted as err:
            return refuse(start_response, "401 Unauthorized", str(err))
        except Forbidden as err:
            return refuse(start_response, "403 Forbidden", str(err))
        return self.app(environ, start_response)


def assertion_reader(issuer: str, assertion: str, **options: Any) -> Optional[AssertionReader]:
    """Returns a reader of assertions, or None if none are expected."""
    if not assertion:
        return None
    from .assertion import Reader

    return Reader(issuer, assertion, **options)


def header_of(environ: Environ) -> Callable[[str], str]:
    """Returns a function that returns a header's value."""
    return lambda name: str(environ.get("HTTP_" + name.upper().replace("-", "_"), ""))


def problem(text: str, status: int) -> bytes:
    """Returns a body that says what is wrong (RFC 9457)."""
    return json.dumps({"status": status, "title": "Forbidden" if status == 403 else "Unauthorized", "detail": text}).encode()


def refuse(start_response: StartResponse, status: str, text: str) -> Iterable[bytes]:
    body = problem(text, int(status[:3]))
    headers = [
        ("Content-Type", "application/problem+json"), ("Content-Length", str(len(body))), ("Cache-Control", "no-store"),
    ]
    if status.startswith("401"):
        headers.append(("WWW-Authenticate", 'Bearer realm="bearerd"'))
    start_response(status, headers)
    return [body]
