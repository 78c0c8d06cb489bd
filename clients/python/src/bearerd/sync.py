"""Disables users at bearerd who are disabled or deleted in the application.
``bearerd.django`` does that by itself, with this module. It needs only the standard
library.
"""

from __future__ import annotations

import base64
import dataclasses
import http.client
import json
import ssl
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any, Optional

from ._url import check_url

_MAX_BODY = 1 << 22
_PAGE = 1000


class SyncError(Exception):
    """bearerd can't be reached, or refuses; the text says why and holds no secret."""


@dataclasses.dataclass(frozen=True)
class SourceUser:
    """A user at bearerd who is linked to an external id of the source.

    ``owner`` is the source that created and maintains the user, this one or another. Only the
    owner can disable the user.
    """

    external_id: str
    id: str
    username: str
    disabled: bool
    owner: str


class SourceUsers:
    """The users of one source, by a client that has the scope ``source:NAME``."""

    def __init__(
        self,
        issuer: str,
        source: str,
        client_id: str,
        client_secret: str,
        *,
        tls: Optional[ssl.SSLContext] = None,
        timeout: float = 10.0,
    ) -> None:
        check_url(issuer)
        if not source or not client_id or not client_secret:
            raise ValueError("source, client_id and client_secret are needed")
        self.source = source
        self._base = urllib.parse.urlsplit(issuer.rstrip("/"))
        self._client, self._tls, self._timeout = (client_id, client_secret), tls, timeout
        self._token = ""

    def __iter__(self) -> Iterator[SourceUser]:
        """Reads all users of the source. Raises SyncError."""
        cursor: Optional[str] = ""
        while cursor is not None:
            query = {"limit": str(_PAGE), **({"cursor": cursor} if cursor else {})}
            status, answer = self._call("GET", f"{self._path()}?{urllib.parse.urlencode(query)}")
            if status != 200:
                raise SyncError(f"the request for the list of users was answered with {status}{_reason(answer)}")
            try:
                users = [_read(item) for item in answer["items"]]
                cursor = answer["next"]
            except (KeyError, TypeError, ValueError):
                raise SyncError("the answer isn't a list of users") from None
            yield from users

    def set_disabled(self, external_id: str, disabled: bool = True) -> Optional[SourceUser]:
        """Disables or enables a user and returns the new state; None if nobody is linked
        to the id. It returns when everything of a disabled user is refused everywhere. If
        the user has another owner, it only ends the sessions that began with this source.
        Raises SyncError."""
        path = f"{self._path()}/{urllib.parse.quote(external_id, safe='')}"
        status, answer = self._call("PATCH", path, {"disabled": disabled})
        if status == 404:
            return None
        if status != 200:
            raise SyncError(f"the request to disable was answered with {status}{_reason(answer)}")
        try:
            return _read(answer)
        except (KeyError, TypeError, ValueError):
            raise SyncError("the answer to the request to disable isn't a user") from None

    def _path(self) -> str:
        return f"/auth/api/v1/sources/{urllib.parse.quote(self.source, safe='')}/users"

    def _call(self, method: str, path: str, body: Optional[Mapping[str, Any]] = None) -> tuple[int, Any]:
        """Sends a request with an access token, with a new one if it has ended."""
        fresh = not self._token
        headers = {"Authorization": f"Bearer {self._access_token()}"}
        data = None
        if body is not None:
            headers["Content-Type"], data = "application/json", json.dumps(body).encode()
        status, answer = self._send(method, path, headers, data)
        if status == 401 and not fresh:
            self._token = ""
            return self._call(method, path, body)
        return status, answer

    def _access_token(self) -> str:
        if not self._token:
            pair = ":".join(urllib.parse.quote_plus(part) for part in self._client)
            form = {"grant_type": "client_credentials", "scope": f"source:{self.source}"}
            status, answer = self._send("POST", "/oauth2/token", {
                "Authorization": "Basic " + base64.b64encode(pair.encode()).decode(),
                "Content-Type": "application/x-www-form-urlencoded",
            }, urllib.parse.urlencode(form).encode())
            raw = answer.get("access_token") if status == 200 and isinstance(answer, dict) else None
            if not isinstance(raw, str) or not raw:
                raise SyncError(f"the request for a token was answered with {status}{_reason(answer)}")
            self._token = raw
        return self._token

    def _send(self, method: str, path: str, headers: dict[str, str], body: Optional[bytes]) -> tuple[int, Any]:
        at = self._base
        if at.scheme == "https":
            tls = self._tls or ssl.create_default_context()
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(at.netloc, timeout=self._timeout, context=tls)
        else:
            connection = http.client.HTTPConnection(at.netloc, timeout=self._timeout)
        try:
            connection.request(method, at.path + path, body, {"Accept": "application/json", **headers})
            response = connection.getresponse()
            read = response.read(_MAX_BODY + 1)
        except (OSError, http.client.HTTPException) as err:
            raise SyncError(f"{at.scheme}://{at.netloc}: {type(err).__name__}: {err}") from None
        finally:
            connection.close()
        try:
            return response.status, json.loads(read) if read else None
        except ValueError:
            return response.status, None


def _read(item: Any) -> SourceUser:
    user = SourceUser(*(item[field.name] for field in dataclasses.fields(SourceUser)))
    if type(user.disabled) is not bool or not isinstance(user.external_id, str):
        raise ValueError("no user")
    return user


def _reason(answer: Any) -> str:
    """Returns what an error response says (RFC 9457, RFC 6749 §5.2)."""
    if not isinstance(answer, dict):
        return ""
    texts = [str(answer[name]) for name in ("detail", "error", "error_description") if answer.get(name)]
    return ": " + ", ".join(texts)[:300] if texts else ""
