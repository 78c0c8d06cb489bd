"""The application's side of a sign-in source, against a real bearerd."""

import json
import os
import tempfile
import unittest
import urllib.parse

from bearerd import sign_in
from bearerd.sign_in import Person, Source
from bearerd.sync import SourceUsers

from . import applications
from .bearerd_server import Server, get

SECRET = b"a secret of thirty-two bytes, and of some more"
SYNC = "a secret of the client that disables users"
MORE = """
sign_in:
  password: false
  sources:
    - {name: museum, type: app, url: "http://localhost/bearerd-sign-in", secret_file: %s, password_url: "%s/check", unknown: create, link: username}
"""
ADA = Person("17", "augusta", "Ada Lovelace", "ada@museum.example.org")
KIM = Person("18", "kim")


class WithBearerd(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        file = os.path.join(directory.name, "secret")
        with open(file, "wb") as f:
            f.write(SECRET + b"\n")
        cls.application = applications.Upstream(cls.check)
        cls.addClassCleanup(cls.application.close)
        cls.server = Server(more=MORE % (file, cls.application.url))
        cls.addClassCleanup(cls.server.stop)
        cls.server._write("more.yaml", "users: [{username: kim}]\nclients: [{id: sync, secret: %s, grants: [client_credentials], scopes: ['source:museum']}]" % SYNC)
        cls.server.run("apply", "-f", "more.yaml")
        cls.source = Source(cls.server.url, "museum", sign_in.read_secret(file), "http://localhost")
        cls.users = SourceUsers(cls.server.url, "museum", "sync", SYNC)

    @classmethod
    def check(cls, environ, start_response):
        """Answers bearerd's question about a password."""
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))

        def authenticate(username, password):
            return ADA if (username, password) == ("augusta", "right") else None

        headers = lambda name: environ.get("HTTP_" + name.upper().replace("-", "_"), "")  # noqa: E731
        answer = sign_in.check_password(cls.source, headers, body, authenticate)
        start_response(f"{answer.status} ", list(answer.headers))
        return [answer.body]

    def begin(self):
        """Begins a sign-in, and returns the query that bearerd asks with and the browser's cookie."""
        status, headers, _ = get(self.server.url + "/auth/sign-in/museum?next=/auth/tokens")
        self.assertIn(status, (302, 303))
        at = urllib.parse.urlsplit(headers["Location"])
        self.assertEqual(at.path, "/bearerd-sign-in")
        return dict(urllib.parse.parse_qsl(at.query)), headers["Set-Cookie"].split(";")[0]

    def post(self, raw, cookie, origin="http://localhost"):
        form = urllib.parse.urlencode({"assertion": raw}).encode()
        return get(self.source.endpoint, {"Cookie": cookie, "Origin": origin}, "POST", form)

    def sign_in(self, person):
        """Signs a person in, and returns the cookie of their session."""
        query, cookie = self.begin()
        page = sign_in.answer(self.source, query, person, lambda back: self.fail("no login is needed"))
        raw = page.body.decode().split('name="assertion" value="')[1].split('"')[0]
        status, headers, body = self.post(raw, cookie)
        self.assertEqual((status, headers["Location"]), (303, "/auth/tokens"), body)
        return next(c.split(";")[0] for c in headers.get_all("Set-Cookie") if "bearerd_session" in c)

    def who(self, cookie):
        status, _, body = get(self.server.url + "/auth/api/v1/me", {"Cookie": cookie, "Sec-Fetch-Site": "same-origin"})
        return json.loads(body)["username"] if status == 200 else status


class SignIn(WithBearerd):
    def test_a_person_is_created_owned_and_disabled_by_the_source(self):
        cookie = self.sign_in(ADA)
        self.assertEqual(self.who(cookie), "augusta")
        user = next(u for u in self.users if u.external_id == "17")
        self.assertEqual((user.username, user.owner, user.disabled), ("augusta", "museum", False))
        raw = self.server.create("augusta")
        self.assertTrue(self.users.set_disabled("17").disabled)
        self.assertEqual(self.who(cookie), 401)
        self.assertEqual(get(self.server.url + "/auth/api/v1/me", {"Authorization": "Bearer " + raw})[0], 401)
        # And whatever the application says, a disabled user stays out.
        query, cookie = self.begin()
        self.assertEqual(self.post(sign_in.assertion(self.source, ADA, query["request"]), cookie)[0], 403)
        self.assertFalse(self.users.set_disabled("17", False).disabled)
        self.assertEqual(self.who(self.sign_in(ADA)), "augusta")

    def test_of_a_user_whom_nobody_owns_the_sessions_end(self):
        cookie, raw = self.sign_in(KIM), self.server.create("kim")
        self.assertEqual(self.who(cookie), "kim")
        user = self.users.set_disabled("18")
        self.assertEqual((user.owner, user.disabled), ("", False))
        self.assertEqual(self.who(cookie), 401)
        self.assertEqual(get(self.server.url + "/auth/api/v1/me", {"Authorization": "Bearer " + raw})[0], 200)

    def test_an_assertion_is_good_once_and_in_one_browser(self):
        query, cookie = self.begin()
        raw = sign_in.assertion(self.source, KIM, query["request"])
        _, other = self.begin()
        self.assertEqual(self.post(raw, other)[0], 401)
        self.assertEqual(self.post(raw, cookie, "https://evil.example")[0], 403)
        self.assertEqual(self.post(raw, cookie, "null")[0], 303)
        self.assertEqual(self.post(raw, cookie)[0], 401)

    def test_bearerd_asks_for_passwords(self):
        for password, want in (("right", 303), ("wrong", 401)):
            form = urllib.parse.urlencode({"username": "augusta", "password": password, "next": "/auth/tokens"}).encode()
            status, _, body = get(self.server.url + "/auth/login", {"Origin": self.server.url}, "POST", form)
            self.assertEqual(status, want, body)


if __name__ == "__main__":
    unittest.main()
