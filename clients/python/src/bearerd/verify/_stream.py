"""Following GET /auth/revocations: Server-Sent Events into the log, under its lease."""

from __future__ import annotations

import datetime
import http.client
import logging
import random
import threading
import urllib.parse
from typing import Any, Callable, Optional

from ._confirm import Confirmer, Registration
from ._issuer import Bearer, Connection, Issuer, IssuerError, refused_status
from ._log import KINDS, Log
from ._strict import Malformed, integer, parse_object, text

logger = logging.getLogger("bearerd.verify")

_MAX_LINE = 8 << 10
_MAX_EVENT = 16 << 10
_MAX_AS_OF = 10**12  # microseconds
_FIRST_PAUSE, _LAST_PAUSE = 0.05, 1.0
_KEYS_AGE = 300.0  # seconds after which the JWK Set is read again
# How often the set is read after the log said that there is news: another node may not
# have heard of it yet.
_NEWS_READS = 3


class _Bad(Exception):
    """A part of the stream can't be trusted: begin again with a snapshot."""


class _Turn(Exception):
    """A connection's own end."""


class Follower(threading.Thread):
    """Keeps the log up with the issuer's, until it is stopped, and confirms what it has
    applied if there is a label for that."""

    def __init__(self, issuer: Issuer, log: Log, staleness: Optional[float], label: str = "") -> None:
        super().__init__(name="bearerd.verify", daemon=True)
        self._issuer, self._log, self._staleness, self._label = issuer, log, staleness, label
        self._stopped = threading.Event()
        self._connection: Optional[Connection] = None
        self._afresh = True  # the next connection begins with a snapshot
        self._bearer = Bearer(issuer, log.clock)
        self._confirmer = Confirmer(issuer, self._bearer, self._lost) if label else None
        self._reading: Optional[Registration] = None  # of the connection that is read
        self._silent = False  # it was logged that the issuer accepts no confirmations
        self._keys_due = 0.0
        self._keys_news = 0
        self._error: Optional[Exception] = None  # why following fails now

    @property
    def error(self) -> Optional[Exception]:
        """Why following the log, or confirming it, fails now."""
        return self._error or (self._confirmer.error if self._confirmer is not None else None)

    def close(self) -> None:
        """Stops, gives up the lease, and then says goodbye where this process confirms."""
        self._stopped.set()
        if self._connection is not None:
            self._connection.abort()
        self.join(5)
        if self.is_alive():
            return  # it may still renew the lease, and nobody may believe that it won't
        self._log.lease_end = 0.0
        if self._confirmer is not None:
            self._confirmer.stop()
            self._confirmer.join(5)

    def run(self) -> None:
        if self._confirmer is not None:
            self._confirmer.start()
        pause, discover = _FIRST_PAUSE, True
        while not self._stopped.is_set():
            wait = 0.0
            try:
                if discover or not self._issuer.metadata:
                    self._discover()
                self._connect()
                discover = False
            except _Turn:
                pause, discover = _FIRST_PAUSE, False
                continue
            except Exception as err:  # whatever it is, nothing is accepted once the lease ends
                if self._stopped.is_set():
                    return  # close has ended the connection
                self._report(err)
                discover = True
                wait = max(pause, getattr(err, "retry_after", 0.0))
                pause = min(2 * pause, _LAST_PAUSE)
            self._stopped.wait(wait / 2 + random.random() * wait)

    def _discover(self) -> None:
        try:
            self._issuer.discover()
        except IssuerError:
            if not self._issuer.metadata:
                raise  # else what was known stays, and connecting says what is wrong

    def _report(self, err: Optional[Exception]) -> None:
        if err is not None and str(err) != str(self._error):
            logger.warning("following the issuer's revocations: %s", err)
        elif err is None and self._error is not None:
            logger.info("following the issuer's revocations again, at %d", self._log.applied)
        self._error = err

    def _tend_keys(self) -> None:
        """Reads the JWK Set when that is due."""
        now = self._log.clock()
        if now < self._keys_due and not self._keys_news:
            return
        self._keys_news = max(0, self._keys_news - 1)
        try:
            self._issuer.fetch_keys()
            self._keys_due = now + _KEYS_AGE
        except IssuerError as err:
            if not self._issuer.keys:
                raise
            logger.warning("reading the issuer's keys; those known before stay: %s", err)
            self._keys_due = now + 10

    def _connect(self) -> None:
        """Reads one connection to its end."""
        self._tend_keys()
        log, staleness = self._log, self._staleness or self._issuer.staleness
        if staleness < self._issuer.staleness:
            raise IssuerError("max_staleness is less than the issuer's own")
        place = _Place(log, staleness, snapshot=self._afresh, confirms=bool(self._label))
        if self._afresh:
            log.restart()
        url = self._issuer.metadata["revocations_endpoint"]
        bearer = self._bearer.value()
        connection = self._connection = Connection(url, self._issuer.tls, max(1.0, staleness))
        try:
            self._read(connection, bearer, place)
        except (OSError, http.client.HTTPException) as err:
            raise IssuerError(f"reading the revocations: {type(err).__name__}: {err}") from None
        except _Bad:
            self._afresh = True
            raise
        finally:
            self._reading = None
            connection.close()
            self._afresh = self._afresh and not place.renewed

    def _read(self, connection: Connection, bearer: str, place: "_Place") -> None:
        headers = {
            "Authorization": "Bearer " + bearer, "Accept": "text/event-stream", "Accept-Encoding": "identity",
        }
        log = self._log
        place.sent = log.clock()
        # A new connection is made before the margin for the clocks' rates takes a
        # twelfth of L, and before the token ends.
        turn = place.sent + max(10.0, min(80 * place.staleness, self._bearer.renew_at - place.sent))
        query = {} if place.snapshot else {"after": str(place.last)}
        if self._label:
            query["confirm"] = self._label
        response = connection.send("GET", headers, query=urllib.parse.urlencode(query))
        if response.status == 410:
            raise _Bad("the issuer has purged what comes next")
        if response.status != 200 or not response.headers.get_content_type() == "text/event-stream":
            if response.status in (401, 403):
                self._bearer.drop()
            raise refused_status(self._issuer.metadata["revocations_endpoint"], response)
        connection.settimeout(max(place.staleness, 1.0))  # twice as long as the issuer is ever silent
        for name, id_, data in events(response.readline):
            if self._stopped.is_set():
                return
            if place.take(name, id_, data):
                self._keys_news = _NEWS_READS
            if place.renewed:
                self._report(None)
                if name == "heartbeat":
                    self._confirm(place)
                    self._tend_keys()
            if log.clock() > turn:
                raise _Turn
        if place.hello is not None and place.hello.lost:
            raise IssuerError(place.hello.lost)
        if place.renewed:
            raise _Turn
        raise IssuerError("the stream of revocations ended before its first heartbeat")

    def _confirm(self, place: "_Place") -> None:
        """Has a heartbeat confirmed that was applied."""
        if self._confirmer is None:
            return
        if place.hello is None:
            if not self._silent:
                logger.warning("the issuer accepts no confirmations: its version is too old")
            self._silent = True
            return
        self._silent, self._reading = False, place.hello
        self._confirmer.saw(place.hello, place.last, place.as_of >= self._log.as_of)

    def _lost(self, r: Registration) -> None:
        """Ends the connection of a stream whose entries can no longer be confirmed."""
        connection = self._connection
        if self._reading is r and connection is not None:
            connection.abort()


def events(readline: Callable[[int], bytes]) -> Any:
    """Yields the Server-Sent Events that have data: name, id, data. An event that the
    stream's end cuts short is none. Raises _Bad for what bearerd never sends."""
    name, id_, data = "", "", b""
    while True:
        line = readline(_MAX_LINE + 1)
        if not line or not line.endswith(b"\n"):
            if len(line) > _MAX_LINE:
                raise _Bad("a line that is too long")
            return
        line = line[:-2] if line.endswith(b"\r\n") else line[:-1]
        if b"\r" in line or b"\0" in line:
            raise _Bad("a line with a carriage return or a NUL in it")
        if not line:
            if data:
                yield name, id_, data
            name, id_, data = "", "", b""
            continue
        field, _, value = line.partition(b":")
        value = value[1:] if value.startswith(b" ") else value
        if field == b"event":
            name = value.decode("latin-1")
        elif field == b"id":
            id_ = value.decode("latin-1")
        elif field == b"data":
            data = data + b"\n" + value if data else value
            if len(data) > _MAX_EVENT:
                raise _Bad("an event that is too long")


class _Place:
    """One connection's place in the log. Its events come one after another."""

    def __init__(self, log: Log, staleness: float, *, snapshot: bool, confirms: bool = False) -> None:
        self.log, self.staleness, self.snapshot, self.confirms = log, staleness, snapshot, confirms
        self.last = 0 if snapshot else log.applied
        self.sent = 0.0  # on the boot clock, just before the request
        self.as_of = 0.0  # on the boot clock, of the last heartbeat
        self.renewed = False
        self.hello: Optional[Registration] = None  # what the first event of a confirmed stream says
        self._begun = False

    def take(self, name: str, id_: str, data: bytes) -> bool:
        """Applies an event, and reports whether the issuer's keys have changed."""
        first, self._begun = not self._begun, True
        try:
            members = parse_object(data)
            if name == "hello" and first and self.confirms:
                self.hello = Registration(members)
                self.staleness = min(self.staleness, self.hello.staleness)  # the issuer waits no longer
                return False
            if name == "revocation":
                return self._entry(id_, members)
            if name == "heartbeat":
                self._heartbeat(members)
                return False
        except (Malformed, KeyError, ValueError, OverflowError) as err:
            raise _Bad(f"refusing the revocations: {err}") from None
        raise _Bad(f"an event with the unknown name {name[:40]!r}")

    def _entry(self, id_: str, members: dict[str, Any]) -> bool:
        seq, what = integer(members.get("seq"), "seq"), text(members.get("what"), "what")
        name = text(members.get("id"), "id")
        if what not in KINDS:
            raise _Bad(f"entry {seq} is of a kind that this version doesn't know ({what[:40]!r})")
        if id_ != str(seq) or seq <= self.last or len(name) > 512:
            raise _Bad(f"entry {seq} comes as event {id_[:40]!r} after {self.last}")
        if not self.snapshot and seq != self.last + 1:
            raise _Bad(f"entry {self.last + 1} is missing")
        until = members.get("until")
        self.log.apply(what, name, seq, None if until is None else instant(until), instant(members.get("at")))
        self.last = seq
        if not self.snapshot:
            self.log.advance(seq)
        return what == "key"

    def _heartbeat(self, members: dict[str, Any]) -> None:
        """Renews the lease.

        The log held nothing after seq at the start of a question that the issuer put
        ``as_of`` after it had received the request, which had left before. Clocks that
        nobody can set differ by at most a thousandth of the time between.
        """
        seq, micros = integer(members.get("seq"), "seq"), members.get("as_of")
        if type(micros) is not int or abs(micros) > _MAX_AS_OF:
            raise _Bad("a heartbeat without its time")
        log, now = self.log, self.log.clock()
        as_of = self.sent + micros / 1e6 - max(abs(micros) / 1e6, now - self.sent) / 1000
        if as_of > now:
            raise _Bad("a heartbeat from the future")
        if seq < self.last or seq < log.applied:
            if log.knew_before(as_of):
                log.distrust()
                raise _Bad("the log went back; was the issuer's store restored without raising the sequence?")
            raise IssuerError("this node of the issuer is behind another")
        if seq > self.last and not self.snapshot:
            raise _Bad(f"entry {self.last + 1} is missing before the heartbeat at {seq}")
        if members.get("purged_until") is not None:
            log.purged(instant(members["purged_until"]))
        self.snapshot, self.last, self.renewed, self.as_of = False, seq, True, as_of
        log.advance(seq)
        log.renew(as_of, self.staleness)


def instant(value: Any) -> float:
    """Reads a time of RFC 3339 with a Z, as Unix seconds."""
    raw = text(value, "a time")
    if not raw.endswith("Z"):
        raise Malformed("a time that isn't in UTC")
    whole, _, fraction = raw[:-1].partition(".")
    if fraction and not (fraction.isascii() and fraction.isdigit()):
        raise Malformed("a time with no digits after its point")
    at = datetime.datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=datetime.timezone.utc)
    return at.timestamp() + float("0." + (fraction or "0"))
