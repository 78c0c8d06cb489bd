"""What the identity headers say, and what they can't."""

import json
import unittest

import bearerd.asgi
import bearerd.wsgi
from bearerd import Forbidden, Untrusted
from bearerd.identity import from_headers, identify

from . import applications

SENT = {"Remote-User": "Müller", "X-Bearerd-Subject": "17", "Remote-Groups": "curators,staff", "X-Bearerd-Scope": "read write", "X-Bearerd-Collection": "4", "X-Bearerd-Audience": "a b"}


def headers(**more):
    """Returns headers as a WSGI server reads them: UTF-8 taken for latin-1."""
    sent = {**SENT, **{k.replace("_", "-"): v for k, v in more.items()}}
    return lambda name: sent.get(name, "").encode().decode("latin-1")


class Headers(unittest.TestCase):
    def test_names_beyond_ascii_arrive_as_they_were_sent(self):
        who = from_headers(headers(Remote_Name="Jörg 鈴木"))
        self.assertEqual((who.username, who.name), ("Müller", "Jörg 鈴木"))
        self.assertEqual((who.groups, who.scope, who.collection), (("curators", "staff"), {"read", "write"}, 4))

    def test_empty_headers_are_nobody(self):
        self.assertIsNone(from_headers(lambda name: ""))

    def test_what_bearerd_never_sends_is_refused(self):
        for get in (
            headers(X_Bearerd_Subject=""),
            headers(X_Bearerd_Collection="-4"),
            headers(X_Bearerd_Collection="4 "),
            headers(X_Bearerd_Collection="٤"),
            lambda name: "\xff" if name == "Remote-User" else "1",
            lambda name: "鈴" if name == "Remote-User" else "1",
        ):
            with self.assertRaises(Untrusted):
                from_headers(get)

    def test_a_token_for_other_audiences_is_forbidden(self):
        self.assertEqual(identify(headers(), None, "b").subject, "17")
        with self.assertRaises(Forbidden):
            identify(headers(), None, "c")
        slashed = headers(X_Bearerd_Audience="https://api.example.org/")
        self.assertEqual(identify(slashed, None, "https://api.example.org").subject, "17")
        for other in ("https://api.example.org//", "https://api.example.org/x", "https://api.example.org/?"):
            with self.assertRaises(Forbidden):
                identify(slashed, None, other)

    def test_with_assertions_identity_headers_mean_nothing(self):
        self.assertIsNone(identify(headers(), lambda raw: self.fail("there was none")))


class Middlewares(unittest.TestCase):
    def test_wsgi(self):
        app = bearerd.wsgi.BearerdMiddleware(applications.plain_wsgi)
        started = []
        environ = {"HTTP_" + k.upper().replace("-", "_"): v.encode().decode("latin-1") for k, v in SENT.items()}
        body = b"".join(app(environ, lambda *a: started.append(a)))
        self.assertEqual(json.loads(body)["user"], "Müller")
        body = b"".join(app({"HTTP_REMOTE_USER": "root"}, lambda *a: started.append(a)))
        self.assertEqual(started[1][0], "401 Unauthorized")
        self.assertNotIn(b"root", body)

    def test_asgi(self):
        app = bearerd.asgi.BearerdMiddleware(applications.plain_asgi)
        sent = [(k.lower().encode(), v.encode()) for k, v in SENT.items()]
        status, body = applications.call_asgi(app, sent)
        self.assertEqual((status, json.loads(body)["user"]), (200, "Müller"))
        self.assertEqual(applications.call_asgi(app, [*sent, (b"Remote-User", b"root")])[0], 401)
        self.assertEqual(json.loads(applications.call_asgi(app, [])[1]), {"user": None})

    def test_asgi_refuses_a_websocket_before_it_is_accepted(self):
        import asyncio

        app = bearerd.asgi.BearerdMiddleware(applications.plain_asgi)
        sent = []

        async def send(message):
            sent.append(message)

        asyncio.run(app({"type": "websocket", "headers": [(b"remote-user", b"root")]}, None, send))
        self.assertEqual([m["type"] for m in sent], ["websocket.close"])
