"""Django's own login as a sign-in source of bearerd's."""

import hmac
import json
import os
import re
import tempfile
import time
import unittest
import urllib.parse
from unittest import mock

import django
import django.conf
import jwt

SECRET = b"a secret of thirty-two bytes, and of some more"
REQUEST = "cmVxdWVzdA"
PAGE = "/bearerd-sign-in?request=" + REQUEST


def setUpModule():
    global directory
    directory = tempfile.TemporaryDirectory()
    secret = os.path.join(directory.name, "secret")
    with open(secret, "wb") as f:
        f.write(SECRET + b"\n")
    django.conf.settings.configure(
        SECRET_KEY="a secret of these tests",
        ROOT_URLCONF="tests.sign_in_urls",
        ALLOWED_HOSTS=["museum.example.org", "testserver"],
        SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"),
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.path.join(directory.name, "django.db")}},
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "bearerd.django"],
        MIDDLEWARE=[
            "django.middleware.security.SecurityMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "bearerd.django.BearerdMiddleware",
            "django.middleware.clickjacking.XFrameOptionsMiddleware",
        ],
        AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.AllowAllUsersModelBackend"],
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        TEMPLATES=[{
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {"loaders": [("django.template.loaders.locmem.Loader", {"login.html": "{{ form }}"})]},
        }],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        BEARERD_ISSUER="https://auth.example.org",
        BEARERD_SIGN_IN_SOURCE="museum",
        BEARERD_SIGN_IN_SECRET_FILE=secret,
    )
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def tearDownModule():
    directory.cleanup()


def claims(raw):
    return jwt.decode(raw, SECRET, algorithms=["HS256"], audience="https://auth.example.org")


class WithAda(unittest.TestCase):
    def setUp(self):
        from django.contrib.auth.models import Group, User
        from django.test import Client

        User.objects.all().delete()
        Group.objects.all().delete()
        self.ada = User.objects.create_user("ada", "ada@example.org", "right", first_name="Ada", last_name="Lovelace")
        self.ada.groups.add(Group.objects.create(name="staff"), Group.objects.create(name="curators"))
        self.client = Client(HTTP_HOST="museum.example.org", HTTP_X_FORWARDED_PROTO="https")


class SignIn(WithAda):
    def log_in(self, at="/accounts/login/", username="ada"):
        return self.client.post(at, {"username": username, "password": "right"})

    def posted(self, response):
        """Returns the claims that the page posts."""
        self.assertEqual(response.status_code, 200, response.content)
        text = response.content.decode()
        self.assertIn('action="https://auth.example.org/auth/sign-in/museum"', text)
        return claims(re.search('name="assertion" value="([^"]+)"', text).group(1))

    def test_who_is_signed_in_is_told_to_bearerd(self):
        self.log_in()
        read = self.posted(self.client.get(PAGE))
        self.assertEqual((read["iss"], read["nonce"]), ("https://museum.example.org", REQUEST))
        self.assertEqual((read["sub"], read["preferred_username"]), (str(self.ada.pk), "ada"))
        self.assertEqual((read["name"], read["email"], read["groups"]), ("Ada Lovelace", "ada@example.org", ["curators", "staff"]))
        self.assertLess(abs(read["auth_time"] - time.time()), 10)

    def test_the_setting_of_the_issuer_of_assertions_counts(self):
        from django.test import override_settings

        self.log_in()
        with override_settings(BEARERD_SIGN_IN_ISSUER="the-museum"):
            self.assertEqual(self.posted(self.client.get(PAGE))["iss"], "the-museum")

    def test_the_login_page_leads_back(self):
        response = self.client.get(PAGE + "&max_age=900")
        self.assertEqual(response.status_code, 302)
        self.assertTrue(response["Location"].startswith("/accounts/login/?next="), response["Location"])
        response = self.log_in(response["Location"])
        self.assertEqual(response["Location"], PAGE + "&max_age=900&again=1")
        self.assertEqual(self.posted(self.client.get(response["Location"]))["sub"], str(self.ada.pk))

    def test_an_old_login_is_asked_for_again_without_a_logout(self):
        with mock.patch("bearerd.django.signals.time.time", return_value=time.time() - 1000):
            self.log_in()
        old = self.posted(self.client.get(PAGE + "&max_age=1100"))["auth_time"]
        response = self.client.get(PAGE + "&max_age=900")
        self.assertEqual(response.status_code, 302)
        self.assertEqual(self.client.get("/whoami").content, b"ada")  # still signed in
        self.assertEqual(self.client.get(response["Location"]).status_code, 200)  # Django shows the form
        response = self.log_in(response["Location"])
        self.assertGreater(self.posted(self.client.get(response["Location"]))["auth_time"], old + 900)

    def test_a_session_from_before_the_note_has_no_auth_time(self):
        self.log_in()
        session = self.client.session
        del session["bearerd_signed_in_at"]
        session.save()
        self.assertNotIn("auth_time", self.posted(self.client.get(PAGE)))
        self.assertEqual(self.client.get(PAGE + "&max_age=900").status_code, 302)

    def test_whom_bearerd_let_in_is_not_signed_in_here(self):
        """A token would become a session otherwise."""
        said = {"HTTP_REMOTE_USER": "ada", "HTTP_X_BEARERD_SUBJECT": "1", "HTTP_X_BEARERD_TOKEN_KIND": "api-token"}
        self.assertEqual(self.client.get("/whoami", **said).content, b"ada")
        response = self.client.get(PAGE, **said)
        self.assertEqual(response.status_code, 302)
        # And somebody else's session counts as whose it is.
        from django.contrib.auth.models import User

        bob = User.objects.create_user("bob", password="right")
        self.log_in(username="bob")
        self.assertEqual(self.posted(self.client.get(PAGE, **said))["sub"], str(bob.pk))

    def test_a_disabled_user_is_refused(self):
        self.log_in()
        self.ada.is_active = False
        self.ada.save()
        response = self.client.get(PAGE)
        self.assertEqual(response.status_code, 403)
        self.assertNotIn(b"assertion", response.content)

    def test_a_user_who_is_gone_is_nobody(self):
        self.log_in()
        self.ada.delete()
        self.assertEqual(self.client.get(PAGE).status_code, 302)

    def test_other_methods_and_junk_are_refused(self):
        self.log_in()
        for method in ("post", "put", "head", "options", "delete"):
            response = getattr(self.client, method)(PAGE)
            self.assertEqual((response.status_code, response["Allow"]), (405, "GET"))
        for request in ("", "a b", "x" * 201, "<b>"):
            self.assertEqual(self.client.get("/bearerd-sign-in", {"request": request}).status_code, 400)

    def test_the_applications_headers_leave_the_page_alone(self):
        self.log_in()
        response = self.client.get(PAGE)
        self.assertEqual(response["Referrer-Policy"], "strict-origin")  # Django's default hides the origin
        self.assertIn("script-src 'sha256-", response["Content-Security-Policy"])
        self.assertEqual(response["Cache-Control"], "no-store")

    def test_what_is_missing_in_the_settings_is_named(self):
        from django.core.exceptions import ImproperlyConfigured
        from django.test import override_settings

        self.log_in()
        for change in (
            {"BEARERD_ISSUER": ""}, {"BEARERD_SIGN_IN_SOURCE": ""}, {"BEARERD_SIGN_IN_SECRET_FILE": "/nowhere"},
            {"BEARERD_ISSUER": "http://auth.example.org"}, {"BEARERD_SIGN_IN_SECRET_FILE": os.devnull},
        ):
            with override_settings(**change), self.assertRaises(ImproperlyConfigured, msg=str(change)):
                self.client.get(PAGE)


class Password(WithAda):
    def check(self, username="ada", password="right", at=None, secret=SECRET, **more):
        body = json.dumps({"username": username, "password": password, "request": REQUEST}).encode()
        at = str(int(time.time()) if at is None else at)
        digest = hmac.new(secret, f"bearerd-password\n{at}\n".encode() + body, "sha256").hexdigest()
        from django.test import Client

        client = Client(enforce_csrf_checks=True, **more)
        return client.post(
            "/bearerd-check-password", body, "application/json", HTTP_X_BEARERD_TIME=at, HTTP_X_BEARERD_SIGNATURE="sha256=" + digest
        )

    def test_djangos_own_backends_judge(self):
        response = self.check()
        self.assertEqual(response.status_code, 200)
        read = claims(response.json()["assertion"])
        self.assertEqual((read["sub"], read["nonce"]), (str(self.ada.pk), REQUEST))
        self.assertLess(abs(read["auth_time"] - time.time()), 10)
        self.assertNotIn("Set-Cookie", response)
        self.assertEqual(self.check(password="wrong").status_code, 401)
        self.assertEqual(self.check("nobody").status_code, 401)

    def test_a_disabled_user_has_no_password(self):
        self.ada.is_active = False
        self.ada.save()
        self.assertEqual(self.check().status_code, 401)  # although the backend accepts it

    def test_others_may_not_ask(self):
        self.assertEqual(self.check(secret=b"x" * 40).status_code, 403)
        self.assertEqual(self.check(at=time.time() - 120).status_code, 403)
        self.assertEqual(self.client.get("/bearerd-check-password").status_code, 405)

    def test_no_error_report_shows_the_password(self):
        from django.views.debug import ExceptionReporter

        def fail(*_, **__):
            raise RuntimeError("the directory is away")

        shown = {}
        with mock.patch("django.contrib.auth.backends.ModelBackend.authenticate", fail):
            try:
                self.check(password="a-password-to-hide")
            except RuntimeError as error:
                for frame in ExceptionReporter(None, type(error), error, error.__traceback__).get_traceback_frames():
                    if os.sep + "bearerd" + os.sep in frame["filename"] and "tests" not in frame["filename"]:
                        shown[frame["function"]] = str(frame["vars"])
        self.assertIn("person", shown)
        self.assertNotIn("a-password-to-hide", str(shown))


if __name__ == "__main__":
    unittest.main()
