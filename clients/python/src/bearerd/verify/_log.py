"""What one process knows of the issuer's revocation log, and its lease.

The lease is the permission to accept tokens on that knowledge. It is measured on the
boot clock, which nobody can set and which counts suspension. One thread feeds the log;
readers take no lock: who judges a token reads ``lease_end`` first, then looks up, and
compares the clock with what was read first last.
"""

from __future__ import annotations

import threading
import time
from typing import Any, Callable, Optional

from ._token import Token

KINDS = frozenset(
    ("token", "end", "subject", "client", "key", "all", "access", "role", "group", "collection")
)
# The least jump of the wall clock that is taken for a pause of the whole machine.
_MIN_PAUSE = 0.010


def boot_clock() -> float:
    """Returns the seconds since the machine started, suspension included."""
    return time.clock_gettime(_BOOT)


_BOOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Log:
    """Entries in force, the lease, and the clocks by which both are judged."""

    def __init__(self, clock: Callable[[], float], now: Callable[[], float]) -> None:
        self.clock, self.now = clock, now
        self.lease_end = 0.0  # on the boot clock; 0: no lease
        self.applied = 0  # every entry up to it counts here
        self.as_of = clock()  # applied was all that the log held then
        self.epoch = 0  # grows when entries may have been missed
        self.floor = 0.0  # the wall clock shows no earlier time (Unix seconds)
        self.voided = 0  # the latest entry about everything
        self.decided = 0  # the latest entry about a role or a group
        self.killed: dict[str, float] = {}  # a token's id: until when that matters
        self.ends: dict[str, tuple[float, float]] = {}  # a token's id: when it ends, until when
        self.cut: dict[tuple[str, str], int] = {}  # what and id: the latest sequence
        self.changed = threading.Condition()
        self._until: dict[tuple[str, str], float] = {}
        self._staleness = 0.0
        self._paused = 0.0  # on the boot clock: when a pause was last noticed
        self._offset = now() - clock()
        self._advanced = 0.0  # on the boot clock: when applied last grew
        self._forget_at = 0.0

    # --- for who judges a token ---

    def wall(self) -> float:
        """Returns the wall clock's time, which never goes back behind what was forgotten.

        A wall clock that has run ahead of the boot clock since the last look shows that
        the machine was stopped: that ends the lease.
        """
        now = self.now()
        offset = now - self.clock()
        if offset - self._offset > max(_MIN_PAUSE, self._staleness / 2):
            self._paused = self.clock()
            self.lease_end = 0.0
            self._offset = offset
        elif offset < self._offset:
            self._offset = offset  # it was set back; a later jump counts from here
        return now if now > self.floor else self.floor

    def revoked(self, t: Token, at: float) -> bool:
        """Reports whether the log says that a token is revoked, as of a wall time."""
        cut, killed, ends = self.cut, self.killed, self.ends
        if t.id in killed or self.voided > t.seq or cut.get(("subject", t.subject), 0) > t.seq:
            return True
        if t.client_id and cut.get(("client", t.client_id), 0) > t.seq:
            return True
        for client in t.chain_clients:
            if cut.get(("client", client), 0) > t.seq:
                return True
        for actor in t.actors:  # a user or a client: the token doesn't say which
            if cut.get(("subject", actor), 0) > t.seq or cut.get(("client", actor), 0) > t.seq:
                return True
        if t.key_id is not None and ("key", t.key_id) in cut:
            return True
        for id_ in t.chain:
            if id_ in killed:
                return True
        if ends:
            for id_ in (t.id, *t.chain):
                end = ends.get(id_)
                if end is not None and end[0] <= at:
                    return True
        return False

    def access_changed(self, t: Token) -> int:
        """Returns the latest entry that may have changed a token's access to its collection."""
        cut = self.cut
        return max(
            self.decided, cut.get(("access", t.subject), 0), cut.get(("collection", str(t.collection)), 0)
        )

    def subject_changed(self, t: Token) -> int:
        """Returns the latest entry about what a token's owner may do."""
        return self.cut.get(("access", t.subject), 0)

    # --- for the one thread that feeds it ---

    def apply(self, what: str, id_: str, seq: int, until: Optional[float], at: float) -> None:
        """Makes an entry count."""
        matters = float("inf") if until is None else until
        if what == "token":
            self.killed[id_] = max(matters, self.killed.get(id_, 0.0))
        elif what == "end":
            before = self.ends.get(id_)
            self.ends[id_] = (min(at, before[0]), max(matters, before[1])) if before else (at, matters)
        else:
            key = (what, id_)
            self._until[key] = max(matters, self._until.get(key, 0.0))
            self.cut[key] = max(seq, self.cut.get(key, 0))
            if what == "all":
                self.voided = max(self.voided, seq)
            elif what in ("role", "group"):
                self.decided = max(self.decided, seq)

    def advance(self, seq: int) -> None:
        """Records that every entry up to seq was applied."""
        with self.changed:
            if seq > self.applied:
                self.applied = seq
                self._advanced = self.clock()
            self.changed.notify_all()

    def renew(self, as_of: float, staleness: float) -> None:
        """Lets the lease run until the staleness after an instant of the boot clock."""
        self._forget()
        self._staleness = staleness
        self.wall()  # notices a pause before the lease is written
        if as_of < self._paused or as_of < self.as_of and self.lease_end:
            return
        self.as_of = as_of
        self.lease_end = as_of + staleness
        if as_of < self._paused:  # a reader noticed one meanwhile
            self.lease_end = 0.0
        with self.changed:
            self.changed.notify_all()

    def purged(self, until: float) -> None:
        """Records until when at most mattered what the log has lost."""
        self.floor = max(self.floor, until)

    def restart(self) -> None:
        """Records that the log is read from its beginning: entries may have been missed."""
        self.epoch += 1

    def distrust(self) -> None:
        """Ends the lease: the log isn't the one that was read so far."""
        self.restart()
        self.lease_end = 0.0

    def knew_before(self, instant: float) -> bool:
        """Reports whether ``applied`` had its value before an instant of the boot clock."""
        return self._advanced < instant

    def _forget(self) -> None:
        """Drops what matters no more, once a minute. The time is recorded first."""
        now = self.wall()
        if now < self._forget_at:
            return
        self._forget_at = now + 60
        self.floor = max(self.floor, now)
        lists: tuple[tuple[dict[Any, Any], Callable[[Any], float]], ...] = (
            (self.killed, lambda v: float(v)), (self.ends, lambda v: float(v[1])),
        )
        for entries, until in lists:
            for id_ in [i for i, v in entries.items() if until(v) <= now]:
                del entries[id_]
        for key in [k for k, v in self._until.items() if v <= now]:
            del self._until[key], self.cut[key]
