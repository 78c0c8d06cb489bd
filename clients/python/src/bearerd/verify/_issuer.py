"""Requests to the issuer, except the stream: metadata, keys, tokens."""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
import threading
import urllib.parse
from typing import Any, Callable, Optional

from .._url import check_url
from ._errors import CANT_ASK, Unavailable
from ._strict import Malformed, parse_object, text
from ._token import Key, Token, read_introspection, read_jwks

TIMEOUT = 3.0  # seconds for one question
_MAX_BODY = 1 << 20
_WELL_KNOWN = "/.well-known/oauth-authorization-server"


class IssuerError(Exception):
    """The issuer can't be used; the text says why and holds no secret."""

    def __init__(self, text: str, status: int = 0, retry_after: float = 0.0) -> None:
        super().__init__(text)
        self.status, self.retry_after = status, retry_after


class Connection:
    """One connection to a URL's host; requests on it come one after another."""

    def __init__(self, url: str, tls: Optional[ssl.SSLContext], timeout: float) -> None:
        self._url = urllib.parse.urlsplit(url)
        host = self._url.netloc
        if self._url.scheme == "https":
            self._http: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, timeout=timeout, context=tls or ssl.create_default_context()
            )
        else:
            self._http = http.client.HTTPConnection(host, timeout=timeout)

    def send(self, method: str, headers: dict[str, str], body: Optional[bytes] = None, query: str = "") -> http.client.HTTPResponse:
        target = self._url.path or "/"
        query = query or self._url.query
        self._http.request(method, target + ("?" + query if query else ""), body, headers)
        return self._http.getresponse()

    def settimeout(self, seconds: float) -> None:
        if self._http.sock is not None:
            self._http.sock.settimeout(seconds)

    def abort(self) -> None:
        """Ends what another thread waits for on this connection."""
        sock = self._http.sock
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self) -> None:
        self._http.close()


class Issuer:
    """The issuer's endpoints, found by its metadata (RFC 8414), and its keys."""

    def __init__(
        self, url: str, client: Optional[tuple[str, str]], *, tls: Optional[ssl.SSLContext], allow_http: bool
    ) -> None:
        self.url, self.allow_http, self.tls = url, allow_http, tls
        self._client = client
        self._check_url(url)
        self.keys: dict[str, Key] = {}
        self.shared: dict[str, Key] = {}
        self.metadata: dict[str, Any] = {}
        self.lock = threading.Lock()

    def discover(self) -> None:
        """Reads the metadata. Raises IssuerError."""
        at = urllib.parse.urlsplit(self.url)
        path = at.path.rstrip("/")
        origin = f"{at.scheme}://{at.netloc}"
        try:
            body = self._ask("GET", origin + _WELL_KNOWN + path)
        except IssuerError as err:
            if err.status != 404 or not path:
                raise
            body = self._ask("GET", origin + path + _WELL_KNOWN)
        try:
            read = parse_object(body)
            if read.get("issuer") != self.url:
                raise Malformed(f"it belongs to another issuer, {read.get('issuer')!r}")
            for name in ("jwks_uri", "token_endpoint", "introspection_endpoint", "revocations_endpoint"):
                self._check_url(text(read.get(name), name))
        except (Malformed, ValueError) as err:
            raise IssuerError(f"the metadata of {self.url}: {err}") from None
        self.metadata = read

    @property
    def staleness(self) -> float:
        """L, in seconds. Raises IssuerError."""
        value = self.metadata.get("revocations_max_staleness")
        if type(value) is not int or not 0 < value <= 86400:
            raise IssuerError("the metadata has no revocations_max_staleness")
        return float(value)

    def fetch_keys(self) -> None:
        """Reads the JWK Set. Raises IssuerError; then the keys stay as they were."""
        body = self._ask("GET", self.metadata["jwks_uri"])
        try:
            # An issuer that shows keys doesn't sign with the secret, or no longer: anyone who
            # has the secret could sign in its place.
            self.keys = read_jwks(body) if parse_object(body)["keys"] else dict(self.shared)
        except Malformed as err:
            raise IssuerError(f"the JWK Set: {err}") from None

    def introspect(self, raw: str) -> Optional[Token]:
        """Asks about a token (RFC 7662). Returns None for what isn't active; raises Unavailable."""
        if self._client is None or not self.metadata:
            raise Unavailable(CANT_ASK)
        try:
            body = self._ask("POST", self.metadata["introspection_endpoint"], {"token": raw})
            answer = parse_object(body)
            if answer.get("active") is not True:
                return None
            token = read_introspection(answer)
            if token.issuer != self.url:
                raise Malformed("it is about another issuer's token")
            return token
        except (IssuerError, Malformed) as err:
            raise Unavailable(CANT_ASK) from err

    def access_token(self) -> tuple[str, float]:
        """Asks for an access token for the stream: its value and the seconds it is good for."""
        body = self._ask(
            "POST", self.metadata["token_endpoint"], {"grant_type": "client_credentials", "scope": "revocations"}
        )
        try:
            answer = parse_object(body)
            raw, life = text(answer.get("access_token"), "access_token"), answer.get("expires_in")
            if type(life) is not int or life <= 0 or str(answer.get("token_type")).lower() != "bearer":
                raise Malformed("it has no Bearer token with a lifetime")
        except Malformed as err:
            raise IssuerError(f"the answer of the token endpoint: {err}") from None
        return raw, float(min(life, 86400))

    def _ask(self, method: str, url: str, form: Optional[dict[str, str]] = None) -> bytes:
        headers = {"Accept": "application/json"}
        body = None
        if form is not None:
            body = urllib.parse.urlencode(form).encode("ascii")
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            headers["Authorization"] = self._basic()
        connection = Connection(url, self.tls, TIMEOUT)
        try:
            response = connection.send(method, headers, body)
            read = response.read(_MAX_BODY + 1)
        except (OSError, http.client.HTTPException) as err:
            raise IssuerError(f"asking {_place(url)}: {type(err).__name__}: {err}") from None
        finally:
            connection.close()
        if response.status != 200:
            raise refused_status(url, response)
        if len(read) > _MAX_BODY:
            raise IssuerError(f"the answer of {_place(url)} is too long")
        return read

    def _basic(self) -> str:
        """Returns the client's credentials (RFC 6749 §2.3.1)."""
        if self._client is None:
            raise IssuerError("no client was given")
        pair = ":".join(urllib.parse.quote_plus(part) for part in self._client)
        return "Basic " + base64.b64encode(pair.encode("ascii")).decode()

    def _check_url(self, url: str) -> None:
        check_url(url, self.allow_http)


class Bearer:
    """The client's own access token, which is replaced before it ends. Safe for use by many threads."""

    def __init__(self, issuer: Issuer, clock: Callable[[], float]) -> None:
        self._issuer, self._clock = issuer, clock
        self._lock = threading.Lock()
        self._value = ""
        self.renew_at = 0.0  # on the clock

    def value(self) -> str:
        """Returns the token. Raises IssuerError."""
        with self._lock:
            if not self._value or self._clock() >= self.renew_at:
                self._value, life = self._issuer.access_token()
                self.renew_at = self._clock() + life * 0.8
            return self._value

    def drop(self) -> None:
        """Has the next question ask for another token: the issuer has refused this one."""
        with self._lock:
            self._value = ""


def refused_status(url: str, response: http.client.HTTPResponse) -> IssuerError:
    """Returns the error of an answer that isn't the one wanted."""
    after = response.headers.get("Retry-After", "")
    seconds = float(after) if after.isdigit() and len(after) < 6 else 0.0
    return IssuerError(f"{_place(url)} answered {response.status}", response.status, min(seconds, 30.0))


def _place(url: str) -> str:
    """Returns a URL as it may stand in a message."""
    at = urllib.parse.urlsplit(url)
    return f"{at.scheme}://{at.netloc}{at.path}"
