"""The assertion: a signed header that says who sent a request.

``Bearerd-Assertion`` is a JWT of type ``bearerd-assertion+jwt`` that lasts 30 seconds,
signed with bearerd's key and meant for one application. It needs PyJWT.
"""

from __future__ import annotations

import ssl
import threading
import time
import urllib.parse
from typing import Any, Callable, Optional

from .identity import Identity, Untrusted

# For an unknown key id the JWK Set is read again, once a second, and a few times at once, so
# that a key that is rotated right after a reading is found, too.
_EVERY = 1.0
_AT_ONCE = 4
_KEYS_AGE = 300.0
_SKEW = 5


class Reader:
    """Reads assertions of one issuer for one application. Safe for use by many threads."""

    def __init__(
        self,
        issuer: str,
        audience: str,
        *,
        tls: Optional[ssl.SSLContext] = None,
        allow_http: bool = False,
        now: Callable[[], float] = time.time,
    ) -> None:
        from .verify._issuer import Issuer

        if not issuer or not audience:
            raise ValueError("issuer and audience are needed")
        self._issuer = Issuer(issuer, None, tls=tls, allow_http=allow_http)
        self._audience, self._now = audience, now
        self._read_at = float("-inf")
        self._paid_until = float("-inf")  # readings for unknown key ids are used up until then
        self._lock = threading.Lock()

    def __call__(self, raw: str) -> Identity:
        """Returns the identity that an assertion names. Raises Untrusted."""
        from .verify._strict import Malformed, decode_part, parse_object
        from .verify._token import MAX_TOKEN, key_id_of, split_jwt

        try:
            parts = split_jwt(raw) if len(raw) <= MAX_TOKEN and raw.isascii() else None
            if parts is None:
                raise Malformed("it is not a JWT")
            algorithm, type_, kid = key_id_of(parts[0])
            key = self._key(kid)
            signed = f"{parts[0]}.{parts[1]}".encode("ascii")
            if (
                key is None
                or type_ != "bearerd-assertion+jwt"
                or algorithm != key.algorithm
                or not key.verifies(signed, decode_part(parts[2]))
            ):
                raise Malformed("not signed by the issuer")
            return self._identity(parse_object(decode_part(parts[1])))
        except Malformed as err:
            raise Untrusted(f"the assertion is refused: {err}") from None

    def _identity(self, claims: dict[str, Any]) -> Identity:
        from .verify._strict import Malformed, integer, text

        now = self._now()
        audience = claims.get("aud")
        if claims.get("iss") != self._issuer.url or audience not in (self._audience, [self._audience]):
            raise Malformed("it is of another issuer or for another application")
        if now >= integer(claims.get("exp"), "exp", 1 << 53) or integer(claims.get("iat"), "iat", 1 << 53) > now + _SKEW:
            raise Malformed("it has expired, or is not yet valid")
        collection = claims.get("collection")
        return Identity(
            subject=text(claims.get("sub"), "sub"),
            username=text(claims.get("username", ""), "username", empty=True),
            token_id=text(claims.get("token_id", ""), "token_id", empty=True),
            scope=frozenset(text(claims.get("scope", ""), "scope", empty=True).split()),
            collection=None if collection is None else integer(collection, "collection"),
        )

    def _key(self, kid: str) -> Any:
        from .verify._issuer import IssuerError

        issuer = self._issuer
        if kid not in issuer.keys or time.monotonic() - self._read_at > _KEYS_AGE:
            with self._lock:
                if self._must_read(kid):
                    try:
                        issuer.discover()
                        issuer.fetch_keys()
                    except IssuerError as err:
                        if kid not in issuer.keys:
                            raise Untrusted(f"the issuer's keys can't be read: {err}") from None
        return issuer.keys.get(kid) if kid else None

    def _must_read(self, kid: str) -> bool:
        """Reports whether the JWK Set is to be read now, and notes that it is."""
        now = time.monotonic()
        if kid in self._issuer.keys:
            due = now - self._read_at > _KEYS_AGE
        else:
            due = self._paid_until <= now + (_AT_ONCE - 1) * _EVERY
        if due:
            self._read_at, self._paid_until = now, max(now, self._paid_until) + _EVERY
        return due
