"""The log, its lease, and what the stream may say."""

import io
import unittest

from bearerd.verify._issuer import IssuerError
from bearerd.verify._log import Log
from bearerd.verify._stream import _Bad, _Place, events, instant
from bearerd.verify._token import Token


class Clocks:
    """Two clocks that the tests set."""

    def __init__(self):
        self.boot, self.wall = 1000.0, 1_800_000_000.0

    def log(self):
        return Log(lambda: self.boot, lambda: self.wall)

    def pass_(self, seconds):
        self.boot += seconds
        self.wall += seconds


def token(**more):
    return Token(**{"kind": "access", "id": "a", "subject": "ada", "audience": ("x",), "expires": None, "key_id": "k", "seq": 5, **more})


class TheLog(unittest.TestCase):
    def test_every_kind_of_entry_before_at_and_after_a_tokens_sequence(self):
        for what, id_, of_any_sequence in (
            ("token", "a", True), ("token", "parent", True), ("end", "a", True), ("key", "k", True),
            ("subject", "ada", False), ("client", "c", False), ("all", "*", False),
        ):
            for seq in (4, 5, 6):
                clocks = Clocks()
                log = clocks.log()
                log.apply(what, id_, seq, None, clocks.wall)
                t = token(client_id="c", chain=("parent",))
                self.assertEqual(log.revoked(t, clocks.wall), of_any_sequence or seq > 5, (what, id_, seq))
                self.assertFalse(log.revoked(token(id="b", subject="bob", key_id="l", seq=6), clocks.wall), what)

    def test_a_client_in_the_chain_counts_like_the_tokens_own(self):
        for seq in (4, 5, 6):
            log = Clocks().log()
            log.apply("client", "dashboard", seq, None, 0.0)
            self.assertEqual(log.revoked(token(client_id="job", chain=("parent", "client:dashboard")), 0.0), seq > 5)

    def test_every_actor_counts_as_a_subject_and_as_a_client(self):
        for what in ("subject", "client"):
            for actor in ("agent", "relay", "first"):
                for seq in (4, 5, 6):
                    log = Clocks().log()
                    log.apply(what, actor, seq, None, 0.0)
                    at = (what, actor, seq)
                    self.assertEqual(log.revoked(token(actors=("agent", "relay", "first")), 0.0), seq > 5, at)
                    self.assertFalse(log.revoked(token(actors=("another",)), 0.0), at)
                    self.assertFalse(log.revoked(token(), 0.0), at)

    def test_access_is_asked_for_again_after_entries_about_it(self):
        for what, id_ in (("access", "ada"), ("role", "r"), ("group", "g"), ("collection", "4")):
            log = Clocks().log()
            log.apply(what, id_, 6, None, 0.0)
            self.assertEqual(log.access_changed(token(collection=4)), 6, what)
            self.assertFalse(log.revoked(token(collection=4), 0.0), what)

    def test_an_end_counts_from_its_time_on(self):
        clocks = Clocks()
        log = clocks.log()
        log.apply("end", "a", 1, None, clocks.wall + 10)
        self.assertFalse(log.revoked(token(), clocks.wall + 9.9))
        self.assertTrue(log.revoked(token(), clocks.wall + 10))

    def test_what_was_forgotten_stays_expired_when_the_clock_goes_back(self):
        clocks = Clocks()
        log = clocks.log()
        log.apply("token", "a", 1, clocks.wall + 100, clocks.wall)
        clocks.pass_(200)
        log.renew(clocks.boot, 2.0)
        self.assertNotIn("a", log.killed)
        clocks.wall -= 3600
        self.assertEqual(log.wall(), 1_800_000_200.0)

    def test_a_pause_that_the_boot_clock_missed_ends_the_lease(self):
        clocks = Clocks()
        log = clocks.log()
        log.renew(clocks.boot, 2.0)
        log.wall()
        self.assertTrue(log.lease_end)
        asked = clocks.boot
        clocks.wall += 1.5
        log.wall()
        self.assertEqual(log.lease_end, 0.0)
        log.renew(asked - 0.1, 2.0)  # an answer of before the pause
        self.assertEqual(log.lease_end, 0.0)
        clocks.pass_(0.1)
        log.renew(clocks.boot, 2.0)
        self.assertTrue(log.lease_end)


HEARTBEAT = b'event: heartbeat\nid: 0\ndata: {"seq":0,"as_of":0}\n\n'


def entry(seq, what="token", **more):
    fields = {"seq": seq, "what": f'"{what}"', "id": '"x"', "until": "null", "at": '"2026-11-28T10:00:00Z"', **more}
    data = ",".join(f'"{k}":{v}' for k, v in fields.items())
    return f"event: revocation\nid: {seq}\ndata: {{{data}}}\n\n".encode()


def beat(seq, as_of=0, more=""):
    return f'event: heartbeat\nid: {seq}\ndata: {{"seq":{seq},"as_of":{as_of}{more}}}\n\n'.encode()


class TheStream(unittest.TestCase):
    def setUp(self):
        self.clocks = Clocks()
        self.log = self.clocks.log()

    def feed(self, body, snapshot=True):
        place = _Place(self.log, 2.0, snapshot=snapshot)
        place.sent = self.clocks.boot
        self.clocks.pass_(0.5)
        for name, id_, data in events(io.BytesIO(body).readline):
            place.take(name, id_, data)
        return place

    def test_the_lease_counts_from_when_the_request_was_sent(self):
        sent = self.clocks.boot
        self.feed(entry(1) + beat(1))
        self.assertAlmostEqual(self.log.lease_end, sent + 2.0 - 0.0005, places=5)
        self.assertEqual(self.log.applied, 1)
        sent = self.clocks.boot
        self.feed(beat(1, 300_000), snapshot=False)
        self.assertAlmostEqual(self.log.lease_end, sent + 0.3 + 2.0 - 0.0005, places=5)

    def test_what_cannot_be_trusted_gives_no_lease(self):
        for body in (
            entry(1) + entry(1) + beat(1),
            entry(2) + entry(1) + beat(2),
            entry(1, "planet") + beat(1),
            entry(1, id='""') + beat(1),
            entry(1, id="7") + beat(1),
            entry(1, at='"yesterday"') + beat(1),
            entry(1, at='"2026-11-28T10:00:00+01:00"') + beat(1),
            entry(1, until="1") + beat(1),
            entry(1).replace(b"id: 1\n", b"id: 2\n") + beat(1),
            b'event: heartbeat\ndata: {"seq":0}\n\n',
            b'event: heartbeat\ndata: {"seq":0,"as_of":0,"seq":1}\n\n',
            b'event: heartbeat\ndata: {"seq":0,"as_of":1e3}\n\n',
            beat(0, 10**13),
            beat(0, 900_000),  # a time to come
            beat(-1),
            b"event: surprise\ndata: {}\n\n",
            b"event: heartbeat\ndata: " + b"x" * 9000 + b"\n\n",
            b"event: heart\rbeat\ndata: {}\n\n",
            HEARTBEAT.replace(b"{", b"[{", 1),
        ):
            self.setUp()
            with self.assertRaises(_Bad, msg=body):
                self.feed(body)
            self.assertEqual(self.log.lease_end, 0.0, body)

    def test_what_the_end_cuts_short_is_no_event(self):
        for n in range(len(HEARTBEAT)):
            self.setUp()
            self.feed(HEARTBEAT[:n])
            self.assertEqual(self.log.lease_end, 0.0, n)

    def test_after_a_snapshot_no_sequence_may_be_missing(self):
        self.feed(entry(3) + beat(7))
        self.assertEqual(self.log.applied, 7)
        for body in (entry(9) + beat(9), beat(8)):
            with self.assertRaises(_Bad):
                self.feed(body, snapshot=False)
        self.feed(entry(8) + beat(8), snapshot=False)

    def test_a_log_that_went_back_ends_the_lease(self):
        self.feed(entry(3) + beat(3))
        self.clocks.pass_(1)
        with self.assertRaises(_Bad):
            self.feed(beat(2), snapshot=False)
        self.assertEqual(self.log.lease_end, 0.0)

    def test_a_node_that_is_behind_changes_nothing(self):
        self.feed(entry(3) + beat(3))
        lease = self.log.lease_end
        with self.assertRaises(IssuerError):
            self.feed(beat(2, -900_000), snapshot=False)
        self.assertEqual(self.log.lease_end, lease)

    def test_the_wall_clock_shows_no_earlier_time_than_what_was_purged(self):
        self.feed(beat(3, 0, ',"purged_until":"2030-01-01T00:00:00.5Z"'))
        self.assertEqual(self.log.wall(), instant("2030-01-01T00:00:00.5Z"))
