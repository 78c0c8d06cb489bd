"""Flask's login as a sign-in source of bearerd's, with Flask-Login and without."""

import hmac
import json
import os
import re
import tempfile
import time
import unittest
import urllib.parse
from unittest import mock

import flask
import flask_login
import jwt

from bearerd.flask import Bearerd, SignIn
from bearerd.sign_in import Person

SECRET = b"a secret of thirty-two bytes, and of some more"
REQUEST = "cmVxdWVzdA"
PAGE = "/bearerd-sign-in?request=" + REQUEST
ORIGIN = "https://museum.example.org"


class Account(flask_login.UserMixin):
    def __init__(self, id, username):
        self.id, self.username, self.name, self.email, self.active = id, username, "", "", True

    def get_id(self):
        return f"alternative-token-of-{self.id}"  # as Flask-Login's manual advises

    @property
    def is_active(self):
        return self.active


def setUpModule():
    global directory, secret
    directory = tempfile.TemporaryDirectory()
    secret = os.path.join(directory.name, "secret")
    with open(secret, "wb") as f:
        f.write(SECRET + b"\n")


def tearDownModule():
    directory.cleanup()


def application():
    app = flask.Flask(__name__)
    app.config.update(
        SECRET_KEY="of these tests", BEARERD_ISSUER="https://auth.example.org", BEARERD_SIGN_IN_SOURCE="museum",
        BEARERD_SIGN_IN_SECRET_FILE=secret,
    )
    return app


def claims(raw):
    return jwt.decode(raw, SECRET, algorithms=["HS256"], audience="https://auth.example.org")


class Base(unittest.TestCase):
    def get(self, path, **headers):
        return self.client.get(path, base_url=ORIGIN, headers={k.replace("_", "-"): v for k, v in headers.items()})

    def posted(self, response):
        self.assertEqual(response.status_code, 200, response.text)
        self.assertIn('action="https://auth.example.org/auth/sign-in/museum"', response.text)
        return claims(re.search('name="assertion" value="([^"]+)"', response.text).group(1))


class WithFlaskLogin(Base):
    def setUp(self):
        app = application()
        manager = flask_login.LoginManager(app)
        manager.login_view = "login"
        self.ada, self.bob = Account(17, "ada"), Account(18, "bob")
        accounts = {a.get_id(): a for a in (self.ada, self.bob)}
        manager.user_loader(accounts.get)

        @manager.request_loader
        def by_bearerd(request):  # as docs/beside-flask.md has it
            who = flask.g.get("bearerd")
            return next((a for a in accounts.values() if who and a.username == who.username), None)

        @app.route("/login", methods=["GET", "POST"])
        def login():
            flask_login.login_user(accounts["alternative-token-of-" + flask.request.args["id"]], remember="remember" in flask.request.args)
            return "in"

        @app.route("/logout")
        def logout():
            flask_login.logout_user()
            return "out"

        @app.route("/whoami")
        def whoami():
            return flask_login.current_user.username

        def authenticate(username, password):
            return self.ada if (username, password) == ("ada", "right") else None

        Bearerd(app)
        SignIn(app, authenticate=authenticate)
        self.app, self.client = app, app.test_client()

    def test_who_is_signed_in_is_told_to_bearerd(self):
        self.get("/login?id=17")
        read = self.posted(self.get(PAGE))
        self.assertEqual((read["iss"], read["sub"], read["preferred_username"], read["nonce"]), (ORIGIN, "17", "ada", REQUEST))
        self.assertLess(abs(read["auth_time"] - time.time()), 10)

    def test_the_login_page_is_told_the_way_back(self):
        response = self.get(PAGE + "&max_age=60")
        self.assertEqual(response.status_code, 302)
        to = urllib.parse.urlsplit(response.headers["Location"])
        self.assertEqual((to.path, urllib.parse.parse_qs(to.query)), ("/login", {"next": [PAGE + "&max_age=60&again=1"]}))

    def test_whom_bearerd_let_in_is_not_signed_in_here(self):
        said = {"Remote_User": "ada", "X_Bearerd_Subject": "1", "X_Bearerd_Token_Kind": "api-token"}
        self.assertEqual(self.get("/whoami", **said).text, "ada")
        self.assertEqual(self.get(PAGE, **said).status_code, 302)
        self.get("/login?id=18")
        self.assertEqual(self.posted(self.get(PAGE, **said))["sub"], "18")

    def test_a_remembered_user_is_signed_in_but_not_since_when(self):
        self.get("/login?id=17")
        self.get("/logout")
        self.get("/login?id=18&remember=1")
        with self.client.session_transaction(base_url=ORIGIN) as session:
            session["bearerd_signed_in"] = ["alternative-token-of-17", int(time.time())]
            for key in ("_user_id", "_fresh", "_id"):
                del session[key]
        read = self.posted(self.get(PAGE))
        self.assertEqual((read["sub"], "auth_time" in read), ("18", False))
        self.assertEqual(self.get(PAGE + "&max_age=900").status_code, 302)

    def test_an_old_login_is_asked_for_again(self):
        with mock.patch("bearerd.flask.time.time", return_value=time.time() - 1000):
            self.get("/login?id=17")
        self.assertEqual(self.get(PAGE + "&max_age=1100").status_code, 200)
        self.assertEqual(self.get(PAGE + "&max_age=900").status_code, 302)
        self.get("/login?id=17")
        self.assertEqual(self.get(PAGE + "&max_age=900&again=1").status_code, 200)

    def test_a_disabled_user_is_refused(self):
        self.get("/login?id=17")
        self.ada.active = False
        response = self.get(PAGE)
        self.assertEqual((response.status_code, "assertion" in response.text), (403, False))

    def test_other_methods_and_junk_are_refused(self):
        self.get("/login?id=17")
        for method in ("post", "put", "head"):
            self.assertEqual(getattr(self.client, method)(PAGE, base_url=ORIGIN).status_code, 405, method)
        self.assertEqual(self.get("/bearerd-sign-in?request=a+b").status_code, 400)

    def check(self, body=None, **question):
        body = body or json.dumps({"username": "ada", "password": "right", "request": REQUEST, **question}).encode()
        at = str(int(time.time()))
        digest = hmac.new(SECRET, f"bearerd-password\n{at}\n".encode() + body, "sha256").hexdigest()
        headers = {"X-Bearerd-Time": at, "X-Bearerd-Signature": "sha256=" + digest, "Content-Type": "application/json"}
        return self.client.post("/bearerd-check-password", data=body, headers=headers, base_url=ORIGIN)

    def test_passwords_are_checked(self):
        self.assertEqual(claims(self.check().json["assertion"])["sub"], "17")
        self.assertEqual(self.check(password="wrong").status_code, 401)
        self.ada.active = False
        self.assertEqual(self.check().status_code, 401)
        self.assertEqual(self.check(b"x" * 70000).status_code, 413)
        self.assertEqual(self.client.post("/bearerd-check-password", base_url=ORIGIN, data=b"{}").status_code, 403)


class Without(Base):
    def test_the_application_says_who_is_signed_in(self):
        app = application()
        app.config["BEARERD_SIGN_IN_ISSUER"] = "the-museum"
        app.add_url_rule("/sign/in/here", "enter", lambda: "")
        signed_in = []
        SignIn(
            app, user=lambda: signed_in[0] if signed_in else None, login="enter",
            person=lambda user: Person(str(user["key"]), user["name"], groups=("staff",), signed_in_at=1_700_000_000),
        )
        self.client = app.test_client()
        self.assertTrue(self.get(PAGE).headers["Location"].startswith("/sign/in/here?next="))
        signed_in.append({"key": 5, "name": "Müller"})
        read = self.posted(self.get(PAGE))
        self.assertEqual((read["sub"], read["preferred_username"], read["groups"]), ("5", "Müller", ["staff"]))
        self.assertEqual((read["iss"], read["auth_time"]), ("the-museum", 1_700_000_000))
        self.assertEqual(self.client.post("/bearerd-check-password").status_code, 404)


if __name__ == "__main__":
    unittest.main()
