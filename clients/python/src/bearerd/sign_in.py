"""The application's side of a sign-in source of type ``app``.

People sign in to bearerd with the application's own login: bearerd sends the browser to a
page of the application, and the application answers with a form that posts an *assertion*
to bearerd, a signed statement of who is signed in there. ``bearerd.django`` and
``bearerd.flask`` have that page; this module has what they share, for any other framework:

- ``Source``: the configuration that the application and bearerd share.
- ``answer``: the whole page, from the query of the request and the person who is signed in.
- ``check_password``: the answer to bearerd's request to check a password.
- ``assertion``: only the statement.

It needs only the standard library.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import html
import json
import re
import secrets
import time
import urllib.parse
from collections.abc import Mapping
from typing import Any, Callable, Optional

from ._url import check_url, origin_of

TYPE = "bearerd-sign-in+jwt"
LIFETIME = 60  # seconds for which an assertion is valid, the most that bearerd accepts
MIN_SECRET = 32  # bytes
MAX_BODY = 1 << 16  # bytes of a request to check a password
_CLOCKS = 60  # seconds that such a request may be old
_JUST_NOW = 60  # seconds that a login which bearerd asked for may be old, however short max_age is

_REQUEST = re.compile(r"[A-Za-z0-9_-]{1,200}")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_SECONDS = re.compile(r"[0-9]{1,10}")


@dataclasses.dataclass(frozen=True)
class Source:
    """The configuration that the application and bearerd share.

    ``issuer`` is bearerd's URL and ``name`` the source's name there. ``origin`` is the
    ``iss`` of the assertions: the origin of the source's ``url``, or its ``source_issuer``.
    Raises ValueError for what can't be used.
    """

    issuer: str
    name: str
    secret: bytes = dataclasses.field(repr=False)
    origin: str

    def __post_init__(self) -> None:
        check_url(self.issuer)
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is not a name of a source")
        if len(self.secret) < MIN_SECRET:
            raise ValueError(f"the secret of the source {self.name} has fewer than {MIN_SECRET} bytes")
        if not self.origin:
            raise ValueError("the origin of the sign-in page is needed")

    @property
    def endpoint(self) -> str:
        """The URL to which assertions are posted: from the settings, never from a request."""
        return f"{self.issuer.rstrip('/')}/auth/sign-in/{self.name}"


def read_secret(path: str) -> bytes:
    """Returns the secret in a file: its bytes without one newline at the end, as bearerd reads it."""
    with open(path, "rb") as f:
        secret = f.read(1 << 16)
    return secret[:-1] if secret.endswith(b"\n") else secret


@dataclasses.dataclass(frozen=True)
class Person:
    """Somebody who is signed in at the application.

    ``subject`` never changes and never becomes another person's: a primary key, not a name
    and not an email address. ``signed_in_at`` is when the person proved who they are, in
    Unix seconds, or None if that isn't known.
    """

    subject: str
    username: str = ""
    name: str = ""
    email: str = ""
    groups: tuple[str, ...] = ()
    signed_in_at: Optional[float] = None


@dataclasses.dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""


def assertion(source: Source, person: Person, request: str, now: Optional[float] = None) -> str:
    """Returns the signed statement that a person is signed in, for one request of bearerd."""
    if not _REQUEST.fullmatch(request):
        raise ValueError("the request is not from bearerd")
    if not person.subject:
        raise ValueError("a person without a subject")
    issued = int(time.time() if now is None else now)
    claims: dict[str, Any] = {
        "iss": source.origin, "aud": source.issuer, "sub": person.subject, "nonce": request,
        "iat": issued, "exp": issued + LIFETIME, "jti": secrets.token_urlsafe(24),
    }
    more = {"preferred_username": person.username, "name": person.name, "email": person.email, "groups": list(person.groups)}
    claims.update({name: value for name, value in more.items() if value})
    if person.signed_in_at is not None:
        claims["auth_time"] = int(person.signed_in_at)
    signed = f"{_encoded({'alg': 'HS256', 'typ': TYPE})}.{_encoded(claims)}"
    return f"{signed}.{_base64url(hmac.digest(source.secret, signed.encode('ascii'), 'sha256'))}"


def answer(
    source: Source,
    query: Mapping[str, Any],
    person: Optional[Person],
    login: Callable[[str], str],
    now: Optional[float] = None,
) -> Answer:
    """Answers a GET of the sign-in page.

    ``query`` has bearerd's ``request`` and perhaps ``max_age``. ``person`` is who is signed in with
    the application's own login, never the one that bearerd named, or a token would become
    a session. ``login`` returns the URL of the application's login page, which must redirect
    to the sign-in page with the query that ``login`` is called with.
    """
    now = time.time() if now is None else now
    asked = _asked(query)
    if asked is None:
        return page(400, "Not a sign-in", "<p>This address is for those whom bearerd sends here. Begin at the page that you want to use.")
    request, max_age, again = asked
    if person is not None and _recent(person, max_age, again, now):
        return _posting(source, person, assertion(source, person, request, now))
    back = {"request": request, **({"max_age": max_age} if max_age else {}), "again": "1"}
    to = login(urllib.parse.urlencode(back))
    if not again:
        return Answer(302, (("Location", to), ("Cache-Control", "no-store")))
    # The login page redirected without asking for a login: this prevents a loop.
    if person is None:
        text = f'<p>You are not signed in here. <a href="{html.escape(to)}">Sign in</a>'
    else:
        text = "<p>You signed in here too long ago for what you want to do. Sign out here, then begin again."
    return page(403, "Please sign in", text)


def inactive() -> Answer:
    """Answers a person whose account at the application is disabled."""
    return page(403, "Not allowed", "<p>Your account here is disabled.")


def _recent(person: Person, max_age: str, again: bool, now: float) -> bool:
    """Reports whether a person signed in as recently as bearerd requires. bearerd checks
    the assertion's auth_time itself, and refuses if there is none; checking here only saves a
    useless redirect."""
    if not max_age:
        return True
    if person.signed_in_at is None:
        return again  # the application doesn't know; asking again would not help
    return now - person.signed_in_at <= (max(int(max_age), _JUST_NOW) if again else int(max_age))


def _asked(query: Mapping[str, Any]) -> Optional[tuple[str, str, bool]]:
    """Returns request, max_age and again; None if they are not what bearerd sends."""
    request, max_age, again = (query.get(name, "") for name in ("request", "max_age", "again"))
    if not all(isinstance(value, str) for value in (request, max_age, again)):
        return None  # some frameworks return a list if a parameter is repeated
    if not _REQUEST.fullmatch(request) or max_age and not _SECONDS.fullmatch(max_age) or again not in ("", "1"):
        return None
    return request, max_age, again == "1"


_SCRIPT = "document.forms[0].submit()"

# The page loads nothing and runs only this script. The policy has no form-action: browsers
# apply it to redirects after a form, too, and a sign-in may end at an OAuth client anywhere. The page has one form, whose address is from the settings.
_POLICY = "default-src 'none'; script-src 'sha256-{}'; img-src data:; base-uri 'none'; frame-ancestors 'none'".format(
    base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
)


def _posting(source: Source, person: Person, made: str) -> Answer:
    """Answers with the form that posts an assertion, by itself or by its button."""
    host = html.escape(urllib.parse.urlsplit(source.issuer).netloc)
    known = html.escape(person.username or person.name or person.subject)
    return page(200, f"Sign in to {host}", f"""<p>You are signed in here as <strong>{known}</strong>.
<form method="post" action="{html.escape(source.endpoint)}">
<input type="hidden" name="assertion" value="{made}">
<button>Continue</button>
</form>
<script>{_SCRIPT}</script>""")


def page(status: int, title: str, body: str) -> Answer:
    """Answers with a page; title and body are HTML."""
    text = f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,">
<title>{title}</title>
<main>
<h1>{title}</h1>
{body}
</main>
</html>
"""
    return Answer(status, (
        ("Content-Type", "text/html; charset=utf-8"),
        ("Cache-Control", "no-store"),
        ("Content-Security-Policy", _POLICY),
        # The browser sends bearerd this origin, but sends nobody the query.
        ("Referrer-Policy", "strict-origin"),
        ("X-Content-Type-Options", "nosniff"),
    ), text.encode())


def check_password(
    source: Source,
    get: Callable[[str], str],
    body: bytes,
    authenticate: Callable[[str, str], Optional[Person]],
    now: Optional[float] = None,
) -> Answer:
    """Answers whether a username and a password are right.

    ``get`` returns a header's value, or "". ``authenticate`` returns the person, or None
    if the password is wrong or the account disabled; it should take as long for an unknown
    name. A request that bearerd didn't sign is answered with 403 without
    looking at it.
    """
    now = time.time() if now is None else now
    sent_at = get("X-Bearerd-Time")
    signed = b"\n".join((b"bearerd-password", sent_at.encode("utf-8", "replace"), body))
    want = "sha256=" + hmac.new(source.secret, signed, "sha256").hexdigest()
    if not hmac.compare_digest(want.encode(), get("X-Bearerd-Signature").encode("utf-8", "replace")):
        return _problem(403, "The signature is missing or wrong.")
    if not _SECONDS.fullmatch(sent_at) or abs(now - int(sent_at)) > _CLOCKS:
        return _problem(403, f"The question is older than {_CLOCKS} seconds, or the clocks differ.")
    try:
        asked = json.loads(body) if len(body) <= MAX_BODY else None
        username, password, request = (_text(asked[name]) for name in ("username", "password", "request"))
    except (ValueError, KeyError, TypeError, RecursionError):
        return _problem(400, "JSON with username, password and request is needed.")
    if not _REQUEST.fullmatch(request):
        return _problem(400, "The request is not from bearerd.")
    # A NUL in a name would be an error of the database.
    person = None if "\0" in username + password else authenticate(username, password)
    if person is None:
        return _problem(401, "Wrong username or password.")
    made = assertion(source, dataclasses.replace(person, signed_in_at=now), request, now)
    return Answer(200, _JSON, json.dumps({"assertion": made}).encode())


_JSON = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))


def _problem(status: int, detail: str) -> Answer:
    headers = (("Content-Type", "application/problem+json"), ("Cache-Control", "no-store"))
    return Answer(status, headers, json.dumps({"status": status, "detail": detail}).encode())


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("no text")
    value.encode("utf-8")  # refuses lone surrogates
    return value


def _encoded(value: Mapping[str, Any]) -> str:
    return _base64url(json.dumps(value, separators=(",", ":")).encode())


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def origin_for(configured: str, address: str) -> str:
    """Returns the ``iss`` of assertions: as configured, otherwise the origin of the address
    at which the sign-in page is requested."""
    return configured or origin_of(address)
