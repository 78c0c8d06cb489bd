"""Confirming revocations: wait=all waits for this verifier, and no longer than it must."""

import base64
import signal
import subprocess
import sys
import threading
import time
import unittest

from bearerd.verify import Refused, Unavailable, Verifier
from bearerd.verify._confirm import Confirmer, Registration
from bearerd.verify._issuer import IssuerError
from bearerd.verify._log import Log
from bearerd.verify._stream import _Bad, _Place

from .bearerd_server import CLIENT, SECRET, Server
from .two_nodes import Front, second_node

STALENESS = 1
BASIC = {"Authorization": "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()}


def own_token(server):
    return server.post("/oauth2/token", {"grant_type": "client_credentials"}, BASIC)["access_token"]


def revoke(server, raw, wait="all"):
    """Revokes a token. Returns how many verifiers there are, have confirmed and have expired, and the seconds."""
    begun = time.monotonic()
    answer = server.post("/oauth2/revoke", {"token": raw, "wait": wait}, BASIC)
    took = time.monotonic() - begun
    return tuple(answer.get(name) for name in ("verifiers", "verifiers_confirmed", "verifiers_expired")), took


class Confirming(unittest.TestCase):
    """A real server, and verifiers that confirm to it."""

    issuer, staleness = "", STALENESS

    def setUp(self):
        self.server = Server(staleness=f"{self.staleness}s", issuer=self.issuer)
        self.addCleanup(self.server.stop)

    def verifier(self, **more):
        url = self.issuer or self.server.url
        v = Verifier(url, url, CLIENT, SECRET, **{"confirm": "tests", **more})
        self.addCleanup(v.close)
        return v

    def service(self, raw):
        """Returns a process that has accepted a token."""
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.confirming_service", self.server.url],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )
        self.addCleanup(self.end, process)
        self.assertEqual(self.ask(process, raw), "accepted")
        return process

    def end(self, process):
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()

    def ask(self, process, raw):
        process.stdin.write(raw + "\n")
        return process.stdout.readline().strip()


class Waiting(Confirming):
    def test_an_acknowledged_revocation_is_refused_at_once(self):
        v = self.verifier()
        for _ in range(10):
            raw = own_token(self.server)
            v.verify(raw)
            counts, _ = revoke(self.server, raw)
            with self.assertRaises(Refused):
                v.verify(raw)
            self.assertEqual(counts, (1, 1, 0))
        self.assertIsNone(v.health)

    def test_who_applies_slowly_is_waited_for(self):
        v, raw = self.verifier(), own_token(self.server)
        v.verify(raw)
        apply = v._log.apply

        def slowly(*entry):
            time.sleep(0.3)
            apply(*entry)

        v._log.apply = slowly
        counts, took = revoke(self.server, raw)
        with self.assertRaises(Refused):
            v.verify(raw)
        self.assertEqual(counts, (1, 1, 0))
        self.assertGreaterEqual(took, 0.3)

    def test_who_does_not_confirm_is_not_waited_for(self):
        v = self.verifier(confirm="")
        raw = own_token(self.server)
        v.verify(raw)
        self.assertEqual(revoke(self.server, raw)[0], (0, 0, 0))

    def test_a_process_that_is_paused_has_expired_after_the_staleness(self):
        raw = own_token(self.server)
        process = self.service(raw)
        process.send_signal(signal.SIGSTOP)
        counts, took = revoke(self.server, raw)
        self.assertEqual(counts, (1, 0, 1))
        self.assertLess(took, 2 * STALENESS)
        process.send_signal(signal.SIGCONT)
        self.assertIn(self.ask(process, raw), ("refused", "unavailable"))

    def test_a_process_that_was_killed_has_expired_after_the_staleness(self):
        raw, other = own_token(self.server), own_token(self.server)
        process = self.service(raw)
        process.kill()
        process.wait()
        counts, took = revoke(self.server, raw)
        self.assertIn(counts, ((1, 0, 1), (0, 0, 0)))
        self.assertLess(took, 2 * STALENESS)
        time.sleep(1.1 * STALENESS)
        self.assertEqual(revoke(self.server, other)[0], (0, 0, 0))

    def test_each_process_is_a_verifier_of_its_own(self):
        raw = own_token(self.server)
        v, process = self.verifier(), self.service(raw)
        v.verify(raw)
        self.assertEqual(revoke(self.server, raw)[0], (2, 2, 0))
        self.assertEqual(self.ask(process, raw), "refused")

    def test_the_lease_is_the_issuers_own_whatever_the_verifier_takes(self):
        v, raw = self.verifier(max_staleness=60.0), own_token(self.server)
        v.verify(raw)
        self.server.kill()
        end = time.monotonic() + STALENESS
        time.sleep(STALENESS)
        self.assertGreaterEqual(time.monotonic(), end)
        with self.assertRaises(Unavailable):
            v.verify(raw)


class Goodbye(Confirming):
    """Without a goodbye a revocation would take nearly L."""

    staleness = 10

    def test_a_closed_verifier_is_not_waited_for(self):
        v, raw = self.verifier(), own_token(self.server)
        v.verify(raw)
        v.close()
        counts, took = revoke(self.server, raw)
        self.assertEqual(counts, (0, 0, 0))
        self.assertLess(took, self.staleness / 2)
        with self.assertRaises(Unavailable):
            v.verify(raw)

    def test_a_process_that_exits_says_goodbye_by_itself(self):
        raw = own_token(self.server)
        process = self.service(raw)
        process.stdin.close()
        self.assertEqual(process.wait(10), 0)
        counts, took = revoke(self.server, raw)
        self.assertEqual(counts, (0, 0, 0))
        self.assertLess(took, self.staleness / 2)


class TwoNodes(Confirming):
    """Two nodes behind one address, which leads each kind of request where a test says."""

    def setUp(self):
        self.front = Front()
        self.addCleanup(self.front.stop)
        self.issuer = self.front.url
        super().setUp()
        self.other = second_node(self.server)
        self.addCleanup(self.other.kill)
        self.front.lead(self.server.address, self.server.address)

    def follow(self, stream, confirmations):
        """Has the verifier's stream, and apart its confirmations, come to a node, by a new connection."""
        self.front.lead(stream.address, confirmations.address)
        self.front.cut()

    def confirmed(self, v, counts):
        """Revokes until the verifiers are counted so, at most twice L: those of the connection before expire."""
        end = time.monotonic() + 2 * STALENESS
        while True:
            raw = own_token(self.server)
            v.verify(raw)
            seen, _ = revoke(self.server, raw)
            with self.assertRaises((Refused, Unavailable)):
                v.verify(raw)
            if seen == counts:
                return
            self.assertLess(time.monotonic(), end, seen)

    def test_after_the_connection_has_moved_it_confirms_to_the_other_node(self):
        v = self.verifier()
        v.verify(own_token(self.server))
        self.confirmed(v, (1, 1, 0))
        first = v._follower._confirmer._held[-1]
        self.follow(self.other, self.other)
        end = time.monotonic() + 10
        while v._follower._confirmer._held[-1] is first:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.01)
        self.assertNotEqual(v._follower._confirmer._held[-1].node, first.node)
        self.confirmed(v, (1, 1, 0))

    def test_a_confirmation_may_reach_another_node_than_the_stream_comes_from(self):
        self.front.lead(self.server.address, self.other.address)
        v = self.verifier()
        v.verify(own_token(self.server))
        self.confirmed(v, (1, 1, 0))
        v.close()
        self.confirmed_without()

    def confirmed_without(self):
        """The goodbye was passed on too: within L the verifier is counted no more."""
        end = time.monotonic() + 2 * STALENESS
        while revoke(self.server, own_token(self.server))[0] != (0, 0, 0):
            self.assertLess(time.monotonic(), end)


HELLO = {"node": "n", "stream": "s", "staleness": 1, "pace_ms": 0}


class Sent(Confirmer):
    """A confirmer whose messages are kept, and answered by the statuses that a test says."""

    def __init__(self, *statuses):
        self.lost, self.now = [], 0.0
        super().__init__(None, None, self.lost.append, lambda: self.now)
        self.statuses, self.messages = list(statuses), []
        self.came = threading.Condition()

    def _send(self, message, timeout):
        with self.came:
            self.now += 0.25  # what a confirmation that fails takes
            self.messages.append(message)
            self.came.notify_all()
            if self.statuses:
                status = self.statuses.pop(0)
                if status != 204:
                    raise IssuerError(f"answered {status}", status)

    def wait(self, count):
        with self.came:
            if not self.came.wait_for(lambda: len(self.messages) >= count, 10):
                raise AssertionError(self.messages)
            return self.messages

    def end(self):
        self.stop()
        self.join(10)


class TheConfirmer(unittest.TestCase):
    def confirmer(self, *statuses):
        c = Sent(*statuses)
        c.start()
        self.addCleanup(c.end)
        return c

    def test_the_first_heartbeat_needs_no_confirmation_and_the_next_ones_one(self):
        c, r = self.confirmer(), Registration(HELLO)
        c.saw(r, 5, True)
        c.saw(r, 5, True)
        c.saw(r, 7, True)
        self.assertEqual(c.wait(1), [{"node": "n", "stream": "s", "seq": 7}])
        c.end()
        self.assertEqual(c.messages[1:], [{"node": "n", "stream": "s", "seq": 7, "bye": True}])

    def test_what_failed_is_sent_again_and_said_until_then(self):
        c, r = self.confirmer(503, 503), Registration(HELLO)
        c.saw(r, 0, True)
        c.saw(r, 1, True)
        c.wait(2)
        self.assertIn("503", str(c.error))
        self.assertEqual([m["seq"] for m in c.wait(3)], [1, 1, 1])
        c.end()
        self.assertIsNone(c.error)

    def test_a_stream_that_the_issuer_forgot_is_ended_and_not_confirmed_again(self):
        c, r = self.confirmer(404), Registration(HELLO)
        c.saw(r, 0, True)
        c.saw(r, 1, True)
        c.wait(1)
        c.saw(r, 2, True)
        after = Registration({**HELLO, "stream": "t"})
        c.saw(after, 2, False)
        c.saw(after, 3, False)
        self.assertEqual(c.wait(2)[1], {"node": "n", "stream": "t", "seq": 3})
        self.assertEqual(c.lost, [r])

    def test_another_stream_is_begun_when_confirmations_have_failed_for_three_times_the_staleness(self):
        c, r = self.confirmer(*[503] * 7), Registration({**HELLO, "staleness": 0.5})
        c.saw(r, 0, True)
        c.saw(r, 1, True)
        self.assertEqual(len(c.wait(7)), 7)  # the seventh ends 1.5 seconds after the first
        after = Registration({**HELLO, "stream": "t"})
        c.saw(after, 1, False)
        c.saw(after, 2, False)
        self.assertEqual(c.wait(8)[7]["stream"], "t")
        self.assertEqual(c.lost, [r])

    def test_failures_with_a_success_in_between_do_not_end_a_stream(self):
        c, r = self.confirmer(*[503, 503, 503, 503, 204] * 3), Registration({**HELLO, "staleness": 0.5})
        c.saw(r, 0, True)
        for seq in (1, 2, 3):
            c.saw(r, seq, True)
            c.wait(5 * seq)
        self.assertEqual(c.lost, [])

    def test_goodbye_is_said_to_a_stream_when_the_lease_rests_on_a_later_one(self):
        c, r, after = self.confirmer(), Registration(HELLO), Registration({**HELLO, "stream": "t"})
        c.saw(r, 3, True)
        c.saw(after, 3, False)
        c.saw(after, 4, False)
        self.assertEqual(c.wait(1), [{"node": "n", "stream": "t", "seq": 4}])
        c.saw(after, 4, True)
        self.assertEqual(c.wait(2)[1], {"node": "n", "stream": "s", "seq": 3, "bye": True})

    def test_confirmations_keep_the_pace(self):
        c, r = self.confirmer(), Registration({**HELLO, "pace_ms": 100})
        c.saw(r, 0, True)
        begun, seq = time.monotonic(), 0
        while time.monotonic() < begun + 0.5:
            seq += 1
            c.saw(r, seq, True)
            time.sleep(0.001)
        self.assertTrue(2 <= len(c.messages) <= 11, c.messages)  # 5 periods, and each may be cut at both ends
        self.assertEqual(sorted(m["seq"] for m in c.messages), [m["seq"] for m in c.messages])


class TheHello(unittest.TestCase):
    def place(self, confirms=True):
        return _Place(Log(lambda: 1000.0, lambda: 1_800_000_000.0), 2.0, snapshot=True, confirms=confirms)

    def test_it_bounds_the_lease(self):
        for text, staleness in ((b"0.5", 0.5), (b"1", 1.0), (b"3", 2.0)):
            place = self.place()
            place.take("hello", "", b'{"node":"n","stream":"s","staleness":' + text + b',"pace_ms":20}')
            self.assertEqual((place.staleness, place.hello.pace), (staleness, 0.02))

    def test_what_cannot_be_meant_is_refused(self):
        good = b'{"node":"n","stream":"s","staleness":2,"pace_ms":20}'
        for body in (
            b"{}", good.replace(b'"n"', b'""'), good.replace(b'"s"', b"7"), good.replace(b"2,", b"0,"), good.replace(b"2,", b"-1,"),
            good.replace(b"2,", b"1e300,"), good.replace(b"2,", b"true,"), good.replace(b"20", b"-1"), good.replace(b"20", b"2.5"),
            good.replace(b'"n"', b'"' + b"n" * 201 + b'"'),
        ):
            with self.assertRaises(_Bad, msg=body):
                self.place().take("hello", "", body)
        with self.assertRaises(_Bad):
            self.place(confirms=False).take("hello", "", good)
        twice = self.place()
        twice.take("hello", "", good)
        with self.assertRaises(_Bad):
            twice.take("hello", "", good)

    def test_a_label_that_cannot_be_shown_is_no_label(self):
        for label in (" x", "x ", "ü", "a\nb", "x" * 101):
            with self.assertRaises(ValueError, msg=label):
                Verifier("https://a.example.org", "b", "c", "d", confirm=label)


if __name__ == "__main__":
    unittest.main()
