"""The verifier against a real bearerd."""

import base64
import multiprocessing
import os
import threading
import time
import unittest

from bearerd.verify import Refused, Unavailable, Verifier

from .bearerd_server import CLIENT, SECRET, Server


def verifier(server, **more):
    return Verifier(server.url, more.pop("audience", server.url), CLIENT, SECRET, **more)


class Verify(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.stop)
        cls.verifier = verifier(cls.server)
        cls.addClassCleanup(cls.verifier.close)

    def refused(self, status, text, raw, **more):
        with self.assertRaises(Refused) as caught:
            self.verifier.verify(raw, **more)
        self.assertEqual((caught.exception.status, str(caught.exception)), (status, text))

    def wait_refused(self, raw):
        """Returns the seconds until a token is refused."""
        begun = time.monotonic()
        while True:
            try:
                self.verifier.verify(raw)
            except Refused as err:
                self.assertEqual(str(err), "revoked")
                return time.monotonic() - begun
            self.assertLess(time.monotonic() - begun, 1.5)

    def test_what_a_token_says_is_returned(self):
        token = self.verifier.verify(self.server.issue("Müller"))
        self.assertEqual((token.kind, token.username, token.scope), ("access", "Müller", {"read"}))
        self.assertTrue(token.may("read"))
        token = self.verifier.verify(self.server.create())
        self.assertEqual((token.kind, token.username, token.expires), ("api-token", "ada", None))

    def test_a_revoked_token_is_refused_within_the_staleness(self):
        for make in (self.server.issue, self.server.create):
            raw = make()
            self.verifier.verify(raw)
            self.server.revoke(raw)
            self.wait_refused(raw)
            self.refused(401, "revoked", raw)

    def own(self, client):
        """Returns a client's own token."""
        return self.token(client, grant_type="client_credentials")

    def token(self, client, **form):
        """Returns the access token that the token endpoint answers with."""
        basic = base64.b64encode(f"{client}:{SECRET}".encode()).decode()
        return self.server.post("/oauth2/token", form, {"Authorization": "Basic " + basic})["access_token"]

    def acting(self, subject, actor):
        """Returns a token with which an actor acts for a subject (RFC 8693)."""
        kind = "urn:ietf:params:oauth:token-type:access_token"
        return self.token(
            "agent", grant_type="urn:ietf:params:oauth:grant-type:token-exchange",
            subject_token=subject, subject_token_type=kind, actor_token=actor, actor_token_type=kind,
        )

    def test_who_acts_for_a_user_is_named_and_ends_with_every_actor(self):
        own = self.own("agent")
        by_agent = self.acting(self.server.issue(), own)
        by_relay = self.acting(self.acting(self.server.issue(), self.own("relay")), self.own("agent"))
        token = self.verifier.verify(by_agent)
        self.assertEqual((token.username, token.client_id, token.actors), ("ada", "agent", ("agent",)))
        self.assertEqual(self.verifier.verify(by_relay).actors, ("agent", "relay"))
        self.assertEqual(self.verifier.verify(self.server.issue()).actors, ())
        self.server.revoke(own)
        self.wait_refused(by_agent)
        self.verifier.verify(by_relay)
        self.server.run("client", "delete", "relay")
        self.wait_refused(by_relay)

    def test_all_tokens_of_a_user_are_refused_after_revoke_all(self):
        raw, opaque = self.server.issue("stranger"), self.server.create("stranger")
        self.verifier.verify(raw), self.verifier.verify(opaque)
        self.server.run("revoke-all", "stranger")
        self.wait_refused(raw)
        self.wait_refused(opaque)
        self.verifier.verify(self.server.issue("stranger"))

    def test_a_retired_key_ends_what_it_signed_and_the_next_one_is_found(self):
        raw = self.server.issue()
        kid = self.verifier.verify(raw).key_id
        self.server.run("keys", "retire", kid)
        with self.assertRaises(Refused):
            while True:
                self.verifier.verify(raw)
        self.assertNotEqual(self.verifier.verify(self.server.issue()).key_id, kid)

    def test_a_token_of_a_collection_is_refused_when_its_user_loses_it(self):
        raw = self.server.issue("ada", "--collection", "4")
        self.assertEqual(self.verifier.verify(raw, collection=4).collection, 4)
        self.refused(403, "the token is for another collection", raw, collection=5)
        with open(os.path.join(self.server.directory, "access.yaml"), encoding="utf-8") as f:
            access = f.read()
        with open(os.path.join(self.server.directory, "less.yaml"), "w", encoding="utf-8") as f:
            f.write(access.replace("- {user: ada, role: curator, path: /collections/4}", "").replace("bindings:", "bindings: []"))
        self.server.run("apply", "-f", "less.yaml", "--prune")
        begun = time.monotonic()
        with self.assertRaises(Refused) as caught:
            while time.monotonic() < begun + 5:
                self.verifier.verify(raw, collection=4)
        self.assertEqual((caught.exception.status, str(caught.exception)), (403, "no access to the collection"))
        self.server.run("apply", "-f", "access.yaml")

    def test_refusals_say_why_only_of_what_is_genuine(self):
        raw = self.server.issue()
        self.refused(403, "the scope write is needed", raw, scope=["write"])
        self.refused(403, "the token is for no collection", raw, collection=4)
        head, payload, signature = raw.split(".")
        for forged in (
            "", "x", "a.b.c", raw[:-1], raw + "=", f"{head}.{payload}.{signature[::-1]}", f"{head}.{payload[:-2]}AA.{signature}",
            "bda_" + "0" * 36, "bds_" + "0" * 36, "ü" * 40, raw + "." + raw, "x" * 9000, head + "." * 2,
        ):
            self.refused(401, "malformed or unknown token", forged)
        other = verifier(self.server, audience="https://other.example.org")
        self.addCleanup(other.close)
        with self.assertRaises(Refused) as caught:
            other.verify(raw)
        self.assertEqual(str(caught.exception), "wrong audience")
        self.assertEqual(caught.exception.challenge(), 'Bearer realm="api", error="invalid_token", error_description="wrong audience"')

    def test_a_child_of_a_fork_follows_the_log_by_itself(self):
        raw = self.server.issue()
        self.verifier.verify(raw)
        context = multiprocessing.get_context("fork")
        ours, theirs = context.Pipe()

        def child():
            self.verifier.verify(raw)
            theirs.send("accepted")
            theirs.recv()
            begun = time.monotonic()
            try:
                while time.monotonic() < begun + 5:
                    self.verifier.verify(raw)
            except Refused as err:
                theirs.send(str(err))
            os._exit(0)

        process = context.Process(target=child)
        process.start()
        self.assertEqual(ours.recv(), "accepted")
        self.server.revoke(raw)
        ours.send("revoked now")
        self.assertEqual(ours.recv(), "revoked")
        process.join()

    def test_all_who_come_first_wait_for_the_log(self):
        fresh, raw, answers = verifier(self.server), self.server.issue(), []
        self.addCleanup(fresh.close)
        ready = threading.Barrier(8)

        def ask():
            ready.wait()
            try:
                answers.append(fresh.verify(raw).username)
            except Unavailable as err:
                answers.append(str(err))

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(answers, ["ada"] * 8)

    def test_a_wrong_secret_accepts_nothing(self):
        wrong = Verifier(self.server.url, self.server.url, CLIENT, "wrong", start_timeout=0.5)
        self.addCleanup(wrong.close)
        with self.assertRaises(Unavailable):
            wrong.verify(self.server.issue())
        self.assertIn("401", str(wrong.health))

    def test_a_closed_verifier_accepts_nothing(self):
        closed = verifier(self.server)
        raw = self.server.issue()
        closed.verify(raw)
        closed.close()
        with self.assertRaises(Unavailable):
            closed.verify(raw)


class Trouble(unittest.TestCase):
    """The server stops, and comes back."""

    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.stop)
        self.verifier = verifier(self.server)
        self.addCleanup(self.verifier.close)

    def last_yes(self, raw, until):
        """Returns when a token was last accepted, of many tries until a time."""
        last = 0.0
        while (now := time.monotonic()) < until:
            try:
                self.verifier.verify(raw)
                last = now
            except Unavailable:
                pass
        return last

    def test_without_news_nothing_is_accepted_after_the_staleness(self):
        raw = self.server.issue()
        self.verifier.verify(raw)
        for end, again in ((self.server.kill, self.server.start), (self.server.pause, self.server.resume)):
            end()
            ended = time.monotonic()
            last = self.last_yes(raw, ended + 2)
            self.assertLess(last - ended, 1.0)  # the staleness
            again()
            end_of_wait = time.monotonic() + 15
            while True:
                try:
                    self.verifier.verify(raw)
                    break
                except Unavailable:
                    self.assertLess(time.monotonic(), end_of_wait)

    def test_what_was_revoked_while_the_server_was_away_is_refused_afterwards(self):
        raw, other = self.server.issue(), self.server.issue()
        self.verifier.verify(raw), self.verifier.verify(other)
        self.server.kill()
        self.server.revoke(raw)
        self.server.start()
        end = time.monotonic() + 15
        while True:
            try:
                self.verifier.verify(other)
                break
            except Unavailable:
                self.assertLess(time.monotonic(), end)
        with self.assertRaises(Refused):
            self.verifier.verify(raw)

    def test_many_threads_see_one_revocation(self):
        raw = self.server.issue()
        self.verifier.verify(raw)
        stop, lasts = threading.Event(), []

        def ask():
            last = 0.0
            while not stop.is_set():
                now = time.monotonic()
                try:
                    self.verifier.verify(raw)
                    last = now
                except (Refused, Unavailable):
                    pass
            lasts.append(last)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        self.server.revoke(raw)
        acknowledged = time.monotonic()
        time.sleep(1.2)
        stop.set()
        for thread in threads:
            thread.join()
        self.assertTrue(all(lasts))
        self.assertLess(max(lasts) - acknowledged, 1.0)


if __name__ == "__main__":
    unittest.main()
