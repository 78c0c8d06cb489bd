"""Confirming to the issuer what was applied here of its revocation log.

A revocation with ``wait=all`` is acknowledged only when every verifier that confirms has
applied it, has said goodbye, or can hold no lease any more. Three rules keep that true:

1. A sequence is confirmed after everything up to it was applied, and counts for readers.
2. A stream's lease is no longer than its hello says (_stream).
3. Goodbye is said to a stream after the lease rests on a later one, or was given up.
"""

from __future__ import annotations

import http.client
import json
import logging
import random
import threading
import time
from typing import Any, Callable, Optional

from ._issuer import TIMEOUT, Bearer, Connection, Issuer, IssuerError, refused_status
from ._strict import Malformed, integer, seconds, text

logger = logging.getLogger("bearerd.verify")

_MAX_LABEL = 100
_MAX_NAME = 200  # of a node or a stream
_MAX_STALENESS = 86400.0
_MAX_PACE = 60_000  # milliseconds
_FIRST_PAUSE, _LAST_PAUSE = 0.05, 5.0
_DEAF_AFTER = 3  # times L: then another stream is begun, perhaps at another node; after 5 L the node would end it
_BYE_TIMEOUT = 2.0  # seconds for the last words of a verifier that is closed


def check_label(label: str) -> None:
    """Raises ValueError unless a label can be sent and shown."""
    printable = all(" " <= c <= "~" for c in label)
    if not printable or len(label) > _MAX_LABEL or label.strip() != label:
        raise ValueError(
            f"the label in confirm must be at most {_MAX_LABEL} printable ASCII characters, without spaces at its ends"
        )


class Registration:
    """A stream that the issuer waits for, as its hello says."""

    def __init__(self, hello: dict[str, Any]) -> None:
        self.node, self.stream = text(hello.get("node"), "node"), text(hello.get("stream"), "stream")
        self.staleness = seconds(hello.get("staleness"), "staleness", _MAX_STALENESS)
        self.pace = integer(hello.get("pace_ms"), "pace_ms", _MAX_PACE) / 1000
        if max(len(self.node), len(self.stream)) > _MAX_NAME:
            raise Malformed("a hello with a name that is too long")
        self.seq = 0  # of the last heartbeat that was applied
        self.confirmed = 0
        self.failing: Optional[float] = None  # on the clock: since when its confirmations fail
        self.lost = ""  # why it must be ended; "": it goes on


class Confirmer(threading.Thread):
    """Sends what the thread that follows the log says, until it is stopped."""

    def __init__(
        self, issuer: Issuer, bearer: Bearer, lost: Callable[[Registration], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(name="bearerd.verify.confirm", daemon=True)
        self._issuer, self._bearer, self._lost, self._clock = issuer, bearer, lost, clock
        self._changed = threading.Condition()
        self._stopped = threading.Event()
        self._held: list[Registration] = []  # the issuer may wait for them, the latest last
        self._left: list[Registration] = []  # goodbye is to be said to them
        self._connection: Optional[Connection] = None
        self._url = ""
        self.error: Optional[Exception] = None  # why confirming fails now

    def saw(self, r: Registration, seq: int, rests: bool) -> None:
        """Takes notice of a heartbeat of the latest stream, after it was applied.

        With its first one the issuer has registered the stream, at that sequence. ``rests``
        says that the lease rests on it: then those before need no longer be waited for.
        """
        with self._changed:
            if not self._held or self._held[-1] is not r:
                self._held.append(r)
                r.confirmed = seq
            r.seq = seq
            if rests:
                self._left += self._held[:-1]
                self._held = [r]
            self._changed.notify()

    def stop(self) -> None:
        """Has the thread say goodbye to every stream and end. The caller has given up the lease."""
        self._stopped.set()
        with self._changed:
            self._changed.notify()

    def run(self) -> None:
        pause = _FIRST_PAUSE
        while not self._stopped.is_set():
            with self._changed:
                while not (self._stopped.is_set() or self._left or self._due()):
                    self._changed.wait()
                left, self._left = self._left, []
                latest = self._held[-1] if self._due() else None
            for r in left:
                self._leave(r, TIMEOUT)
            if latest is None:
                continue
            early = random.random() * latest.pace
            if self._stopped.wait(early):
                break
            err = self._confirm()
            self._report(err)
            if err is None:
                pause = _FIRST_PAUSE
                self._stopped.wait(latest.pace - early)
            elif not latest.lost:
                wait = min(max(pause, getattr(err, "retry_after", 0.0)), latest.staleness / 4)
                pause = min(2 * pause, _LAST_PAUSE)
                self._stopped.wait(wait / 2 + random.random() * wait)
        self._leave_all()

    def _due(self) -> bool:
        r = self._held[-1] if self._held else None
        return r is not None and r.seq > r.confirmed and not r.lost

    def _confirm(self) -> Optional[Exception]:
        """Confirms what the latest stream has brought by now."""
        with self._changed:
            r = self._held[-1]
            seq = r.seq
        try:
            self._send({"node": r.node, "stream": r.stream, "seq": seq}, TIMEOUT)
        except IssuerError as err:
            now = self._clock()
            r.failing = now if r.failing is None else r.failing
            if err.status == 404:
                r.lost = "the issuer no longer knows the stream whose entries are confirmed"
            elif now - r.failing >= _DEAF_AFTER * r.staleness:
                r.lost = "the issuer has taken no confirmation of this stream for too long"
            if r.lost:
                self._lost(r)
            return err
        r.confirmed, r.failing = seq, None
        return None

    def _leave_all(self) -> None:
        end = time.monotonic() + _BYE_TIMEOUT
        for r in self._left + self._held:
            left = end - time.monotonic()
            if left > 0:
                self._leave(r, left)
        self._close()

    def _leave(self, r: Registration, timeout: float) -> None:
        """Says goodbye. Where that fails, the issuer waits until the lease would have ended."""
        try:
            self._send({"node": r.node, "stream": r.stream, "seq": r.seq, "bye": True}, timeout)
        except IssuerError as err:
            logger.info("saying goodbye to the issuer; it waits until the lease would have ended: %s", err)

    def _report(self, err: Optional[Exception]) -> None:
        if err is not None and str(err) != str(self.error):
            logger.warning("confirming the issuer's revocations: %s", err)
        self.error = err

    # --- one connection, which stays open between two revocations ---

    def _send(self, message: dict[str, Any], timeout: float) -> None:
        """Posts a message. Raises IssuerError."""
        url = self._issuer.metadata["revocations_endpoint"] + "/confirm"
        headers = {"Authorization": "Bearer " + self._bearer.value(), "Content-Type": "application/json"}
        body = json.dumps(message).encode()
        reused = self._connection is not None and url == self._url
        try:
            try:
                status = self._post(url, headers, body, timeout)
            except (OSError, http.client.HTTPException):
                if not reused:
                    raise
                status = self._post(url, headers, body, timeout)  # the issuer had closed it while it was idle
        except (OSError, http.client.HTTPException) as err:
            raise IssuerError(f"asking {url}: {type(err).__name__}: {err}") from None
        if status is not None:
            if status.status == 401:
                self._bearer.drop()
            raise status

    def _post(self, url: str, headers: dict[str, str], body: bytes, timeout: float) -> Optional[IssuerError]:
        """Returns the error of an answer that isn't 204."""
        if url != self._url or self._connection is None:
            self._close()
            self._connection, self._url = Connection(url, self._issuer.tls, timeout), url
        done = False
        try:
            self._connection.settimeout(timeout)
            response = self._connection.send("POST", headers, body)
            response.read(1 << 16)
            done = response.status == 204 and not response.will_close
            return None if response.status == 204 else refused_status(url, response)
        finally:
            if not done:
                self._close()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
