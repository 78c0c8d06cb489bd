"""The application's side of a sign-in source, without a framework: what a page of Plone,
or of anything else, is made of."""

import hmac
import json
import os
import re
import tempfile
import unittest
import urllib.parse
from unittest import mock

import jwt

from bearerd import sign_in
from bearerd.sign_in import Person, Source

SECRET = b"a secret of thirty-two bytes, and of some more"
SOURCE = Source("https://auth.example.org", "museum", SECRET, "https://museum.example.org")
REQUEST = "Zm9yIGEgdGVzdA-_"
NOW = 1_800_000_000
ADA = Person("17", "ada", "Ada Lovelace", "ada@example.org", ("curators", "staff"), NOW - 100)


def login(query):
    return "/login/?next=" + urllib.parse.quote("/bearerd-sign-in?" + query)


def asked(person=ADA, now=NOW, **query):
    return sign_in.answer(SOURCE, {"request": REQUEST, **query}, person, login, now)


def field(answer):
    return re.search(r'name="assertion" value="([^"]+)"', answer.body.decode()).group(1)


def claims(raw, **options):
    """Reads an assertion with another library."""
    options = {"verify_exp": False, "verify_iat": False, **options}
    return jwt.decode(raw, SECRET, algorithms=["HS256"], audience="https://auth.example.org", issuer="https://museum.example.org", options=options)


class Assertion(unittest.TestCase):
    def test_it_says_who_is_signed_in(self):
        raw = sign_in.assertion(SOURCE, ADA, REQUEST, NOW)
        self.assertEqual(jwt.get_unverified_header(raw), {"alg": "HS256", "typ": "bearerd-sign-in+jwt"})
        read = claims(raw)
        self.assertGreaterEqual(len(read.pop("jti")), 32)
        self.assertEqual(read, {
            "iss": "https://museum.example.org", "aud": "https://auth.example.org", "sub": "17", "nonce": REQUEST,
            "iat": NOW, "exp": NOW + 60, "auth_time": NOW - 100,
            "preferred_username": "ada", "name": "Ada Lovelace", "email": "ada@example.org", "groups": ["curators", "staff"],
        })

    def test_no_two_are_the_same(self):
        self.assertEqual(len({claims(sign_in.assertion(SOURCE, ADA, REQUEST, NOW))["jti"] for _ in range(20)}), 20)

    def test_what_is_not_known_is_left_out(self):
        read = claims(sign_in.assertion(SOURCE, Person("17"), REQUEST, NOW))
        self.assertEqual(set(read), {"iss", "aud", "sub", "nonce", "iat", "exp", "jti"})

    def test_nobody_and_no_request_get_none(self):
        for person, request in ((Person(""), REQUEST), (ADA, ""), (ADA, "a b"), (ADA, "x" * 201)):
            with self.assertRaises(ValueError):
                sign_in.assertion(SOURCE, person, request)

    def test_names_beyond_ascii(self):
        self.assertEqual(claims(sign_in.assertion(SOURCE, Person("1", "Müller", "鈴木"), REQUEST, NOW))["name"], "鈴木")


class Agreed(unittest.TestCase):
    def test_a_source_that_cant_be_used_is_refused(self):
        good = {"issuer": "https://auth.example.org", "name": "museum", "secret": SECRET, "origin": "https://m.example.org"}
        for bad in (
            {"issuer": "http://auth.example.org"}, {"issuer": "auth.example.org"}, {"issuer": ""},
            {"name": ""}, {"name": "a/b"}, {"name": "../x"}, {"name": "Museum"}, {"secret": SECRET[:31]}, {"origin": ""},
        ):
            with self.assertRaises(ValueError, msg=str(bad)):
                Source(**{**good, **bad})
        Source(**{**good, "issuer": "http://localhost:8080"})

    def test_the_secret_is_not_shown(self):
        self.assertNotIn("thirty-two", repr(SOURCE))

    def test_a_file_of_the_secret_may_end_with_one_newline(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "secret")
            for text, want in ((b"x" * 32 + b"\n", b"x" * 32), (b"x\n\n", b"x\n"), (b"x\r\n", b"x\r"), (b"x", b"x"), (b" x ", b" x ")):
                with open(path, "wb") as f:
                    f.write(text)
                self.assertEqual(sign_in.read_secret(path), want)

    def test_origins(self):
        for url, want in (
            ("https://Museum.example.org:443/x", "https://museum.example.org"), ("http://localhost:8080/", "http://localhost:8080"),
            ("http://[::1]:80/", "http://[::1]"),
        ):
            self.assertEqual(sign_in.origin_for("", url), want)
        self.assertEqual(sign_in.origin_for("museum", "https://x/"), "museum")


class Page(unittest.TestCase):
    def test_it_posts_to_the_address_of_the_settings(self):
        page = asked(next="https://evil.example", issuer="https://evil.example", action="https://evil.example")
        self.assertEqual(page.status, 200)
        text = page.body.decode()
        self.assertEqual(re.findall(r'<form method="post" action="([^"]+)"', text), ["https://auth.example.org/auth/sign-in/museum"])
        self.assertEqual(claims(field(page))["nonce"], REQUEST)
        self.assertNotIn("evil", text)

    def test_its_policy_lets_its_own_script_run_and_nothing_else(self):
        import base64
        import hashlib

        page = asked()
        headers = dict(page.headers)
        script = re.search(r"<script>(.*)</script>", page.body.decode()).group(1)
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        self.assertIn(f"script-src 'sha256-{digest}';", headers["Content-Security-Policy"])
        self.assertIn("default-src 'none'", headers["Content-Security-Policy"])
        self.assertIn("frame-ancestors 'none'", headers["Content-Security-Policy"])
        self.assertIn("<button>Continue</button>", page.body.decode())  # where no script runs
        self.assertEqual((headers["Cache-Control"], headers["Referrer-Policy"]), ("no-store", "strict-origin"))

    def test_names_are_no_markup(self):
        self.assertIn("&lt;b&gt;", asked(Person("1", "<b>")).body.decode())

    def test_what_bearerd_never_asks_is_refused(self):
        for query in (
            {"request": ""}, {"request": "a b"}, {"request": "x" * 201}, {"request": "<script>"}, {"request": REQUEST + "\n"}, {"request": "ü"},
            {"max_age": "-1"}, {"max_age": "x"}, {"max_age": "1" * 11}, {"max_age": "٣"}, {"again": "2"},
            {"request": [REQUEST, REQUEST]}, {"max_age": 900},
        ):
            page = asked(**query)
            self.assertEqual(page.status, 400, query)
            self.assertNotIn(b"assertion", page.body)

    def test_nobody_is_sent_to_the_login_page_and_back(self):
        page = asked(None, max_age="900")
        self.assertEqual(page.status, 302)
        back = urllib.parse.parse_qs(urllib.parse.urlsplit(dict(page.headers)["Location"]).query)["next"][0]
        self.assertEqual(back, f"/bearerd-sign-in?request={REQUEST}&max_age=900&again=1")

    def test_who_comes_back_as_nobody_is_not_sent_in_circles(self):
        page = asked(None, again="1")
        self.assertEqual(page.status, 403)
        self.assertIn("/login/", page.body.decode())

    def test_a_login_that_is_too_old_is_asked_for_again(self):
        self.assertEqual(asked(max_age="100").status, 200)
        self.assertEqual(asked(max_age="99").status, 302)
        self.assertEqual(asked(max_age="99", again="1").status, 403)  # the login page let them pass
        unknown = Person("17", "ada")
        self.assertEqual(asked(unknown).status, 200)
        self.assertEqual(asked(unknown, max_age="900").status, 302)
        back = asked(unknown, max_age="900", again="1")  # bearerd says what is missing
        self.assertNotIn("auth_time", claims(field(back)))

    def test_max_age_0_is_a_login_now(self):
        just = Person("17", signed_in_at=NOW - 3)
        self.assertEqual(asked(just, max_age="0").status, 302)
        self.assertEqual(asked(just, max_age="0", again="1").status, 200)


class Plone(unittest.TestCase):
    """The view of docs/sign-in-app.md, with the calls of Plone that it makes imitated."""

    def view(self, query, user=None, **headers):
        import sys
        import types

        request = types.SimpleNamespace(form=query, get_header=headers.get, response=self)
        site = types.SimpleNamespace(absolute_url=lambda: "https://museum.example.org")
        modules = {name: types.ModuleType(name) for name in ("plone", "Products", "Products.Five")}
        modules["Products.Five"].BrowserView = type("BrowserView", (), {"request": request})
        modules["plone"].api = types.SimpleNamespace(
            user=types.SimpleNamespace(get_current=lambda: user, is_anonymous=lambda: user is None),
            portal=types.SimpleNamespace(get=lambda: site),
        )
        page = os.path.join(os.path.dirname(__file__), "..", "..", "..", "docs", "sign-in-app.md")
        with open(page, encoding="utf-8") as f:
            block = re.search(r"```python\n((?:(?!```).)*BrowserView\n.*?)```", f.read(), re.DOTALL).group(1)
        statuses, self.headers = [], {}
        self.setStatus, self.setHeader = statuses.append, self.headers.__setitem__
        names = {}
        with mock.patch.dict(sys.modules, modules), mock.patch.object(sign_in, "read_secret", lambda path: SECRET):
            exec(block, names)
        body = names["SignIn"]()()
        return statuses, self.headers, body.decode()

    def member(self):
        class Member:
            def getId(self):
                return "2f1c"

            def getUserName(self):
                return "ada"

            def getProperty(self, name, default):
                return {"fullname": "Ada Lovelace"}.get(name, default)

        return Member()

    def test_a_member_is_told_to_bearerd(self):
        statuses, headers, body = self.view({"request": REQUEST}, self.member())
        self.assertEqual((statuses, headers["Cache-Control"]), ([200], "no-store"))
        read = claims(re.search('value="([^"]+)"', body).group(1))
        self.assertEqual((read["sub"], read["preferred_username"], read["name"], "auth_time" in read), ("2f1c", "ada", "Ada Lovelace", False))

    def test_nobody_and_whom_a_token_let_in_go_to_the_login_page(self):
        back = f"https://museum.example.org/bearerd-sign-in?request={REQUEST}&again=1"
        for user, said in ((None, {}), (self.member(), {"X-Bearerd-Subject": "7"})):
            statuses, headers, body = self.view({"request": REQUEST}, user, **said)
            self.assertEqual((statuses, body), ([302], ""))
            to = urllib.parse.urlsplit(headers["Location"])
            self.assertEqual((to.path, urllib.parse.parse_qs(to.query)), ("/login", {"came_from": [back]}))


class Password(unittest.TestCase):
    def ask(self, body=None, now=NOW, secret=SECRET, **headers):
        if not isinstance(body, bytes):
            body = json.dumps({"username": "ada", "password": "right", "request": REQUEST, **(body or {})}).encode()
        time = headers.pop("time", str(NOW))
        digest = hmac.new(secret, b"bearerd-password\n" + time.encode() + b"\n" + body, "sha256").hexdigest()
        sent = {"X-Bearerd-Time": time, "X-Bearerd-Signature": headers.pop("signature", "sha256=" + digest)}
        self.tried = []

        def authenticate(username, password):
            self.tried.append(username)
            return ADA if (username, password) == ("ada", "right") else None

        return sign_in.check_password(SOURCE, lambda name: sent.get(name, ""), body, authenticate, now)

    def test_a_right_password_is_answered_with_an_assertion_of_now(self):
        answer = self.ask()
        self.assertEqual((answer.status, dict(answer.headers)["Content-Type"]), (200, "application/json"))
        read = claims(json.loads(answer.body)["assertion"])
        self.assertEqual((read["sub"], read["nonce"], read["auth_time"]), ("17", REQUEST, NOW))

    def test_a_wrong_one_is_401(self):
        self.assertEqual(self.ask({"password": "wrong"}).status, 401)
        self.assertEqual((self.ask({"username": "a\0da"}).status, self.tried), (401, []))

    def test_what_bearerd_didnt_sign_is_not_looked_at(self):
        for wrong in (
            {"secret": b"x" * 40}, {"signature": ""}, {"signature": "sha256="}, {"signature": "sha256=ü"},
            {"time": ""}, {"time": "x"}, {"time": str(NOW - 61)}, {"time": str(NOW + 61)}, {"now": NOW + 61},
        ):
            answer = self.ask(**wrong)
            self.assertEqual((answer.status, self.tried), (403, []), wrong)

    def test_the_time_is_signed_too(self):
        body = json.dumps({"username": "ada", "password": "right", "request": REQUEST}).encode()
        digest = hmac.new(SECRET, b"bearerd-password\n%d\n" % (NOW - 3600) + body, "sha256").hexdigest()
        self.assertEqual(self.ask(body, signature="sha256=" + digest).status, 403)

    def test_what_is_no_question_is_400(self):
        for body in (b"", b"[]", b"{}", b"x" * (1 << 17), b"[" * 60000, b'{"username": 1, "password": "right", "request": "r"}', b'{"username": "\\ud800", "password": "x", "request": "r"}'):
            self.assertEqual((self.ask(body).status, self.tried), (400, []), body[:50])
        self.assertEqual(self.ask({"request": "a b"}).status, 400)


if __name__ == "__main__":
    unittest.main()
