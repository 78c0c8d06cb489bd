"""Tokens of bearerd, verified in the process.

    from bearerd.verify import Verifier, Refused, Unavailable

    verifier = Verifier("https://auth.example.org", "https://api.example.org", "my-service", SECRET)

    try:
        token = verifier.verify(raw)
    except (Refused, Unavailable) as err:
        ...  # answer err.status, with err.challenge() in WWW-Authenticate

Verifying a token that was seen before needs no request. A thread follows the issuer's
revocation log; if it has no recent news, every token is Unavailable. The
thread starts at the first use in each process, and again after a fork.

The client needs the scope ``revocations``, and ``introspect`` for API tokens and for
tokens that are limited to a collection.
"""

from __future__ import annotations

import atexit
import os
import ssl
import threading
import time
import weakref
from collections.abc import Iterable, Mapping
from typing import Callable, Optional

from ..identity import plain_audience
from ._address import check_address, client_address
from ._confirm import check_label
from ._errors import MALFORMED, NO_NEWS, Error, Refused, Unavailable
from ._issuer import Issuer, IssuerError
from ._log import Log, boot_clock
from ._strict import Malformed
from ._stream import Follower
from ._token import MAX_TOKEN, SKEW, Forms, Token, key_id_of, read_jwt, shared_key, split_jwt

__all__ = ["Error", "Refused", "Token", "Unavailable", "Verifier", "client_address"]

_REACH = 2.0  # seconds to wait for the entries before a token was issued
_FACT_AGE = 300.0  # seconds for which the issuer's answer about an opaque token is kept
_UNKNOWN_KEY_EVERY = 1.0  # seconds between readings of the JWK Set for unknown key ids
_NEGATIVE = 2.0  # seconds for which "not active" is remembered
_ATTEMPTS = 6


class Verifier:
    """Verifies tokens of one issuer for one audience. Safe for use by many threads.

    ``audience`` is the only one accepted. ``client_id`` and ``client_secret`` are of a
    client that lists the scopes ``revocations`` and ``introspect``. ``max_staleness``, in
    seconds, is the longest time for which a revocation may be unknown here; by default the
    issuer's own. ``shared_secret`` is for an issuer that signs with HS256.
    ``foreign_tokens`` are the shapes of other systems' tokens that the issuer has imported,
    as its configuration declares them: ``{"pattern": "[0-9a-f]{40}"}`` or
    ``{"prefix": "nbt_"}``. The issuer is asked about tokens of these shapes.

    ``confirm`` is a label for this process. With it the process confirms each revocation to the
    issuer after it has applied it: a revocation with ``wait=all`` is acknowledged only when this
    process refuses what was revoked, or refuses everything. The label is shown to people and
    need not be unique. Its lease is then at most the issuer's own, whatever ``max_staleness``
    says. ``close`` says goodbye, so that no revocation waits for it; Python calls it at its exit.

    ``asks_per_second`` limits the requests about tokens that were not seen before.
    """

    def __init__(
        self,
        issuer: str,
        audience: str,
        client_id: str,
        client_secret: str,
        *,
        max_staleness: Optional[float] = None,
        shared_secret: Optional[bytes] = None,
        api_token_prefix: str = "bda_",
        foreign_tokens: Iterable[Mapping[str, str]] = (),
        confirm: str = "",
        tls: Optional[ssl.SSLContext] = None,
        allow_http: bool = False,
        cache_size: int = 65536,
        asks_per_second: int = 50,
        start_timeout: float = 5.0,
        clock: Callable[[], float] = boot_clock,
        now: Callable[[], float] = time.time,
    ) -> None:
        if not (issuer and audience and client_id and client_secret):
            raise ValueError("issuer, audience, client_id and client_secret are needed")
        self._audience = plain_audience(audience)
        self._forms = Forms(api_token_prefix, foreign_tokens)
        self._issuer = Issuer(issuer, (client_id, client_secret), tls=tls, allow_http=allow_http)
        if shared_secret is not None:
            key = shared_key(shared_secret)
            self._issuer.shared = {"": key, key.id: key}
            self._issuer.keys = dict(self._issuer.shared)
        check_label(confirm)
        self._confirm = confirm
        self._staleness, self._start_timeout = max_staleness, start_timeout
        self._cache_size, self._asks_per_second = cache_size, max(1, asks_per_second)
        self._clock, self._now = clock, now
        self._start_lock = threading.Lock()
        self._closed = False
        self._begin()
        _verifiers.add(self)

    def _begin(self) -> None:
        """Creates the state of one process: nothing is known yet."""
        self._start_lock = threading.Lock()
        self._log = Log(self._clock, self._now)
        self._facts: dict[str, tuple[Token, float, int]] = {}  # value: token, kept at, epoch
        self._access: dict[str, int] = {}  # a JWT's value: as of which entry it has access
        self._negatives: dict[str, float] = {}
        self._asks: list[float] = []
        self._keys_read = float("-inf")
        self._follower: Optional[Follower] = None
        self._starting = 0.0  # until when the first lease is waited for; 0: no more

    def verify(
        self,
        token: str,
        address: Optional[str] = None,
        *,
        scope: Iterable[str] = (),
        collection: Optional[int] = None,
    ) -> Token:
        """Returns what a token says, if it may be used now.

        ``address`` is the client's: a token that is limited to networks is refused from
        elsewhere, and without an address. See client_address. ``scope`` holds required scopes,
        ``collection`` the collection to which the token must be limited.

        Raises Refused (RFC 6750: ``status`` 401 or 403) or Unavailable (503).
        """
        log = self._log
        if self._follower is None or self._starting:
            self._start()
            log = self._log
        lease_end = log.lease_end  # before the first look into the log
        at = log.wall()
        kept = self._facts.get(token)
        if kept is None or kept[2] != log.epoch:
            t = self._read(token)
        else:
            t = kept[0]
            if t.key_id is None and (at - kept[1] > _FACT_AGE or log.subject_changed(t) > t.as_of):
                t = self._read(token)
        for attempt in range(_ATTEMPTS):
            if t.seq > log.applied:
                self._reach(t.seq)
            self._judge(t, at, log)
            if t.networks is not None:
                check_address(t, address)
            for name in scope:
                if name not in t.scope:
                    raise Refused(f"the scope {name} is needed", 403)
            if t.collection is not None or collection is not None:
                self._judge_access(token, t, collection)
            if log.floor > at:  # entries were forgotten as of a later time: judge again
                at = log.wall()
                continue
            if log.clock() < lease_end and not self._closed:  # after the last look
                return t
            lease_end, at = log.lease_end, log.wall()
            if not log.clock() < lease_end:
                break
        raise Unavailable(NO_NEWS)

    def close(self) -> None:
        """Stops following the log. The verifier accepts nothing from then on. If this process
        confirms, it says goodbye to the issuer."""
        self._closed = True
        follower, self._follower = self._follower, None
        self._log.lease_end = 0.0
        if follower is not None:
            follower.close()
            _confirming.discard(follower)

    def __enter__(self) -> Verifier:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def health(self) -> Optional[Exception]:
        """Why following the revocation log, or confirming it, fails now, or None."""
        follower = self._follower
        return follower.error if follower is not None else None

    # --- the checks, in their order ---

    def _judge(self, t: Token, at: float, log: Log) -> None:
        """Checks type, issuer, times, audience and revocation (DESIGN: in this order)."""
        if t.key_id is not None:
            if t.key_id not in self._issuer.keys:
                raise Refused(MALFORMED)
            if t.type != "at+jwt":
                raise Refused("wrong type")
            if t.issuer != self._issuer.url:
                raise Refused("wrong issuer")
        if t.expires is not None and at >= t.expires:
            raise Refused("expired")
        if t.issued_at > at + SKEW or t.not_before > at + SKEW:
            raise Refused("not yet valid")
        if self._audience not in t.audience:
            raise Refused("wrong audience")
        if log.revoked(t, at):
            raise Refused("revoked")

    def _judge_access(self, raw: str, t: Token, collection: Optional[int]) -> None:
        """Checks that the token's user still has access to its collection."""
        if t.collection is None:
            raise Refused("the token is for no collection", 403)
        changed = self._log.access_changed(t)
        if changed > max(t.seq, t.as_of, self._access.get(raw, -1)):
            found = self._ask(raw, known=True)
            if found is None:
                raise Refused("no access to the collection", 403)
            if found.id != t.id or found.subject != t.subject:
                raise Unavailable("the issuer's answer is about another token")
            if self._log.access_changed(t) > found.as_of:
                raise Unavailable("the issuer's nodes don't agree yet")
            if len(self._access) >= self._cache_size:
                self._access.clear()
            self._access[raw] = found.as_of
        if collection is not None and collection != t.collection:
            raise Refused("the token is for another collection", 403)

    # --- facts: what a token says ---

    def _read(self, raw: str) -> Token:
        """Reads a token and checks that it is genuine. A genuine token is kept."""
        log = self._log
        epoch = log.epoch
        if not isinstance(raw, str) or len(raw) > MAX_TOKEN or not raw.isascii():
            raise Refused(MALFORMED)
        if self._forms.is_opaque(raw):
            t = self._read_opaque(raw)
        else:
            try:
                t = self._read_jwt(raw)
            except Malformed:
                raise Refused(MALFORMED) from None
        if epoch == log.epoch:
            if len(self._facts) >= self._cache_size:
                self._facts.clear()
            self._facts[raw] = (t, log.wall(), epoch)
        return t

    def _read_jwt(self, raw: str) -> Token:
        parts = split_jwt(raw)
        if parts is None:
            raise Refused(MALFORMED)
        header = key_id_of(parts[0])
        key = self._issuer.keys.get(header[2])
        if key is None:
            self._look_for_key(header[2])
            key = self._issuer.keys.get(header[2])
        if key is None:
            raise Refused(MALFORMED)
        return read_jwt(parts, header, key)

    def _look_for_key(self, kid: str) -> None:
        """Reads the JWK Set once more for a key id that isn't in it, once a second at most."""
        if not kid:
            return
        with self._issuer.lock:
            if kid in self._issuer.keys or self._clock() - self._keys_read < _UNKNOWN_KEY_EVERY:
                return
            self._keys_read = self._clock()
            if not self._issuer.metadata:
                raise Unavailable(NO_NEWS)
            try:
                self._issuer.fetch_keys()
            except IssuerError as err:
                raise Unavailable("the issuer's keys can't be read now") from err

    def _read_opaque(self, raw: str) -> Token:
        if not self._forms.is_api_token(raw):
            raise Refused(MALFORMED)
        known = raw in self._facts
        if not known and not self._clock() < self._log.lease_end:
            raise Unavailable(NO_NEWS)
        found = self._ask(raw, known=known)
        if found is None:
            self._facts.pop(raw, None)
            raise Refused("revoked" if known else MALFORMED)
        if found.kind != "api-token":
            raise Unavailable("the issuer's answer is about another token")
        if self._log.subject_changed(found) > found.as_of:
            raise Unavailable("the issuer's nodes don't agree yet")
        return found

    def _ask(self, raw: str, *, known: bool) -> Optional[Token]:
        """Introspects, within limits. Returns None for a token that isn't active."""
        now = self._clock()
        if not known and now < self._negatives.get(raw, 0.0):
            return None
        limit = self._asks_per_second * (10 if known else 1)
        with self._start_lock:
            self._asks = [then for then in self._asks if now - then < 1.0]
            if len(self._asks) >= limit:
                raise Unavailable("too many tokens are being asked about")
            self._asks.append(now)
        found = self._issuer.introspect(raw)
        if found is None:
            if len(self._negatives) >= 4096:
                self._negatives.clear()
            self._negatives[raw] = self._clock() + _NEGATIVE
        return found

    def _reach(self, seq: int) -> None:
        """Waits for the entries up to the one as of which a token was decided. A sequence that the
        log has not reached at a later time than this call is not from the issuer's log."""
        log, arrived = self._log, self._clock()
        end = arrived + _REACH
        with log.changed:
            while log.applied < seq:
                if log.as_of > arrived:
                    raise Refused(MALFORMED)
                left = end - self._clock()
                if left <= 0 or not log.changed.wait(left):
                    raise Unavailable(NO_NEWS)

    # --- the follower ---

    def _start(self) -> None:
        """Starts following the log, and waits until there is a lease, for a while."""
        with self._start_lock:
            if self._closed:
                raise Unavailable("the verifier is closed")
            if self._follower is None:
                follower = Follower(self._issuer, self._log, self._staleness, self._confirm)
                follower.start()
                if self._confirm:
                    _confirming.add(follower)
                self._starting = self._clock() + self._start_timeout
                self._follower = follower
            log, end = self._log, self._starting
        with log.changed:
            while not self._clock() < log.lease_end:
                left = end - self._clock()
                if left <= 0 or self._closed:
                    break
                log.changed.wait(min(left, 0.5))
        self._starting = 0.0


_verifiers: weakref.WeakSet[Verifier] = weakref.WeakSet()
_confirming: set[Follower] = set()  # what the issuer waits for, whether its verifier is still used or not


def _after_fork() -> None:
    """In the child no thread follows the log, and no lock may be held by a thread that doesn't
    exist there."""
    _confirming.clear()
    for verifier in list(_verifiers):
        verifier._issuer.lock = threading.Lock()
        verifier._begin()


def _at_exit() -> None:
    """Says goodbye for this process, so that no revocation waits for it."""
    for follower in list(_confirming):
        follower.close()


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
