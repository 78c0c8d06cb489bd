"""Assertions of a real bearerd, read by the middlewares of every framework."""

import base64
import json
import threading
import time
import unittest

import bearerd.asgi
import bearerd.wsgi
from bearerd.assertion import Reader
from bearerd.identity import Untrusted

from . import applications
from .bearerd_server import Server, get
from .test_behind import configure_django

UPSTREAM = """
upstream:
  url: %s
  assertion_audience: museum
  routes:
    - {path: /open/, require: optional}
"""


def show_assertion(environ, start_response):
    """An application that answers with the assertion it got."""
    body = environ.get("HTTP_BEARERD_ASSERTION", "").encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def over_wsgi(app):
    """Serves an ASGI application by WSGI: one request, without a body."""

    def wsgi(environ, start_response):
        headers = [
            (name[5:].replace("_", "-").lower().encode(), value.encode("latin-1"))
            for name, value in environ.items() if name.startswith("HTTP_")
        ]
        status, got, body = applications.answer_of_asgi(app, headers)
        start_response(f"{status} .", [(name.decode().title(), value.decode()) for name, value in got])
        return [body]

    return wsgi


class Assertions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.upstream = applications.Upstream()
        cls.addClassCleanup(cls.upstream.close)
        cls.server = Server(more=UPSTREAM % cls.upstream.url)
        cls.addClassCleanup(cls.server.stop)

    def assertion(self, token):
        """Returns the assertion that bearerd sends with a token."""
        self.upstream.app = show_assertion
        status, _, raw = get(self.server.url + "/x", {"Authorization": "Bearer " + token})
        self.assertEqual((status, raw.count(".")), (200, 2))
        return raw

    def reader(self, audience="museum", **more):
        return Reader(self.server.url, audience, **more)

    def refused(self, raw, reader=None):
        with self.assertRaises(Untrusted) as caught:
            (reader or self.reader())(raw)
        return str(caught.exception)

    def applications(self):
        """Returns an application of each framework that believes assertions alone."""
        arguments = {"issuer": self.server.url, "assertion": "museum"}
        return {
            "wsgi": bearerd.wsgi.BearerdMiddleware(applications.plain_wsgi, **arguments),
            "asgi": over_wsgi(bearerd.asgi.BearerdMiddleware(applications.plain_asgi, **arguments)),
            "flask": applications.flask_application(BEARERD_ISSUER=self.server.url, BEARERD_ASSERTION="museum"),
            "django": self.django(),
        }

    def django(self):
        configure_django(self.server.directory)
        from django.core.handlers.wsgi import WSGIHandler
        from django.core.management import call_command
        from django.test import override_settings

        call_command("migrate", verbosity=0)
        from django.contrib.auth.models import User

        for name in ("ada", "Müller"):
            User.objects.get_or_create(username=name)
        with override_settings(BEARERD_ISSUER=self.server.url, BEARERD_ASSERTION="museum"):
            return WSGIHandler()  # its middleware reads the settings here

    def ask(self, path, token="", headers=None):
        more = {"Authorization": "Bearer " + token} if token else {}
        status, _, body = get(self.server.url + path, {**(headers or {}), **more})
        return status, json.loads(body)

    def test_every_framework_knows_who_asks(self):
        ada, mueller = self.server.issue("ada", "--collection", "4"), self.server.issue("Müller")
        for name, app in self.applications().items():
            with self.subTest(name):
                self.upstream.app = app
                paths = ("/api/plain", "/open/plain") if name == "django" else ("/api/x", "/open/x")
                status, body = self.ask(paths[0], ada)
                self.assertEqual((status, body["user"], body["scope"]), (200, "ada", ["read"]))
                if name != "django":
                    self.assertEqual(body["collection"], 4)
                self.assertEqual(self.ask(paths[0], mueller)[1]["user"], "Müller")
                status, body = self.ask(paths[1])
                self.assertEqual((status, body["user"]), (200, "" if name == "django" else None))

    def test_no_framework_believes_anything_else(self):
        """The application is asked directly, as somebody on its network can."""
        token = self.server.issue("ada")
        good, other = self.assertion(token), self.server.issue("Müller")
        header, claims, signature = good.split(".")
        swapped = ".".join([header, self.assertion(other).split(".")[1], signature])
        for name, app in self.applications().items():
            with self.subTest(name):
                self.upstream.app = app
                url = self.upstream.url + ("/open/plain" if name == "django" else "/open/x")
                self.assertEqual(get(url, {"Bearerd-Assertion": good})[0], 200)
                for what, raw in {
                    "an access token": token, "forged": swapped, "cut short": good[:-4], "unsigned": f"{header}.{claims}.", "junk": "junk",
                }.items():
                    status, headers, _ = get(url, {"Bearerd-Assertion": raw})
                    self.assertEqual((status, headers["WWW-Authenticate"]), (401, 'Bearer realm="bearerd"'), what)
                # Identity headers are nobody's.
                status, _, body = get(url, {"Remote-User": "ada", "X-Bearerd-Subject": "1"})
                self.assertIn(json.loads(body)["user"], (None, ""))

    def test_it_is_for_one_application(self):
        raw = self.assertion(self.server.issue("ada"))
        who = self.reader()(raw)
        self.assertEqual((who.username, sorted(who.scope), who.collection), ("ada", ["read"], None))
        self.assertTrue(who.subject and who.token_id)
        self.assertIn("for another application", self.refused(raw, self.reader("library")))
        self.assertIn("for another application", self.refused(raw, self.reader("museum2")))

    def test_it_expires(self):
        raw = self.assertion(self.server.issue("ada"))
        now = time.time()
        self.assertEqual(self.reader(now=lambda: now)(raw).username, "ada")
        self.assertIn("expired", self.refused(raw, self.reader(now=lambda: now + 31)))
        self.assertIn("not yet valid", self.refused(raw, self.reader(now=lambda: now - 60)))

    def test_another_issuer_is_another(self):
        with Server(more=UPSTREAM % self.upstream.url) as other:
            self.upstream.app = show_assertion
            _, _, raw = get(other.url + "/x", {"Authorization": "Bearer " + other.issue("ada")})
            self.assertEqual(Reader(other.url, "museum")(raw).username, "ada")
            self.refused(raw)

    def test_an_assertion_is_no_token(self):
        raw = self.assertion(self.server.issue("ada"))
        self.assertEqual(get(self.server.url + "/x", {"Authorization": "Bearer " + raw})[0], 401)
        self.assertEqual(get(self.server.url + "/auth/verify", {"Authorization": "Bearer " + raw})[0], 401)

    def test_a_key_that_is_rotated_meanwhile(self):
        reader = self.reader()
        before = self.assertion(self.server.issue("ada"))
        self.assertEqual(reader(before).username, "ada")
        self.server.run("keys", "rotate", "--now")
        # The server signs with the new key as soon as it has heard of it. Tokens of both
        # keys are asked with, so that none is signed for from memory.
        end = time.monotonic() + 30
        while (after := self.assertion(self.server.issue("ada"))).split(".")[0] == before.split(".")[0]:
            self.assertLess(time.monotonic(), end, "the new key isn't used")
        self.assertEqual(reader(after).username, "ada")
        self.assertEqual(reader(before).username, "ada")
        # Key ids that nobody has don't make it read for ever.
        _, _, rest = after.partition(".")
        readings = []
        fetch = reader._issuer.fetch_keys
        reader._issuer.fetch_keys = lambda: (readings.append(1), fetch())
        for number in range(50):
            invented = json.dumps({"alg": "EdDSA", "typ": "bearerd-assertion+jwt", "kid": f"invented{number}"}).encode()
            self.refused(base64.urlsafe_b64encode(invented).rstrip(b"=").decode() + "." + rest, reader)
        self.assertLess(len(readings), 25)
        self.assertEqual(reader(after).username, "ada")
        # Many threads of a reader that knows no key yet all learn it.
        fresh, answers = self.reader(), []
        threads = [threading.Thread(target=lambda: answers.append(fresh(after).username)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(answers, ["ada"] * 8)
