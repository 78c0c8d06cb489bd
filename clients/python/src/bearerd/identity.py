"""Who sent a request, from the headers that bearerd added to it.

Trust identity headers only if every request comes through bearerd, or through a proxy that
asks it and removes these headers from what clients send. The assertion, a signed header, can
be trusted wherever it comes from.
"""

from __future__ import annotations

import dataclasses
from typing import Callable, Optional, Protocol


class Untrusted(Exception):
    """What the request says about its sender can't be trusted; answer with 401."""


class Forbidden(Exception):
    """The sender is known, but not allowed here; answer with 403."""


@dataclasses.dataclass(frozen=True)
class Identity:
    """Who sent a request.

    ``subject`` is the user's id, or the client's id if a client acts for itself;
    then ``username`` is empty. ``scope`` holds the token's scopes; for a session it is
    empty. ``collection`` is the collection to which the token is limited, or None.
    """

    subject: str
    username: str = ""
    name: str = ""
    email: str = ""
    groups: tuple[str, ...] = ()
    token_id: str = ""
    token_kind: str = ""
    scope: frozenset[str] = frozenset()
    collection: Optional[int] = None
    audience: tuple[str, ...] = ()

    def may(self, scope: str) -> bool:
        """Reports whether the token has a scope."""
        return scope in self.scope


# The identity headers as bearerd names them (the names that Authelia and nginx use, and
# bearerd's own), and the header of the assertion.
HEADERS = (
    "Remote-User", "Remote-Name", "Remote-Email", "Remote-Groups",
    "X-Bearerd-Subject", "X-Bearerd-Token-Id", "X-Bearerd-Token-Kind",
    "X-Bearerd-Scope", "X-Bearerd-Collection", "X-Bearerd-Audience",
)
ASSERTION = "Bearerd-Assertion"


class AssertionReader(Protocol):
    """Reads a ``Bearerd-Assertion``; see ``bearerd.assertion``."""

    def __call__(self, raw: str) -> Identity: ...


def plain_audience(audience: str) -> str:
    """Returns an audience without one slash at the end of a URL, which doesn't count:
    libraries that parse http://host turn it into http://host/."""
    if audience.endswith("/") and "://" in audience and "?" not in audience and "#" not in audience:
        return audience[:-1]
    return audience


def from_headers(get: Callable[[str], str]) -> Optional[Identity]:
    """Returns the sender that the identity headers name, or None if they name nobody.

    ``get`` returns a header's value as the server read it, in latin-1 (PEP 3333), and
    "" if there is none. Raises Untrusted for values that bearerd never sends.
    """
    read = {name: _text(get(name), name) for name in HEADERS}
    subject, username = read["X-Bearerd-Subject"], read["Remote-User"]
    if not subject:
        if username:
            raise Untrusted("Remote-User without X-Bearerd-Subject is not from bearerd")
        return None
    return Identity(
        subject=subject,
        username=username,
        name=read["Remote-Name"],
        email=read["Remote-Email"],
        groups=tuple(g for g in read["Remote-Groups"].split(",") if g),
        token_id=read["X-Bearerd-Token-Id"],
        token_kind=read["X-Bearerd-Token-Kind"],
        scope=frozenset(read["X-Bearerd-Scope"].split()),
        collection=_collection(read["X-Bearerd-Collection"]),
        audience=tuple(read["X-Bearerd-Audience"].split()),
    )


def identify(
    get: Callable[[str], str], assertion: Optional[AssertionReader], audience: str = ""
) -> Optional[Identity]:
    """Returns who sent a request, or None.

    With a reader of assertions only the assertion counts, without one the identity
    headers. Raises Forbidden if they say that the token is not for ``audience``.
    """
    if assertion is not None:
        raw = get(ASSERTION)
        return assertion(raw) if raw else None
    who = from_headers(get)
    if who is not None and audience and who.audience and plain_audience(audience) not in map(plain_audience, who.audience):
        raise Forbidden("the token is for another audience")
    return who


def _text(value: str, name: str) -> str:
    """Undoes the reading in latin-1: bearerd sends UTF-8."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except (UnicodeEncodeError, UnicodeDecodeError):
        raise Untrusted(f"{name} isn't UTF-8") from None


def _collection(value: str) -> Optional[int]:
    if not value:
        return None
    if not (value.isascii() and value.isdigit() and len(value) <= 19):
        raise Untrusted("X-Bearerd-Collection isn't a number")
    return int(value)
