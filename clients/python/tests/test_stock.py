"""What Django's own middleware for such headers does with tokens (docs/beside-django.md),
and that bearerd's proxy keeps it from the client."""

import os
import unittest

import django
import django.conf

from . import applications
from .bearerd_server import Server, get

UPSTREAM = """
upstream:
  url: %s
  headers: {X-Remote-User: username}
  encoding: %s
  cookies: %s
  routes:
    - {path: /open/, require: optional}
"""


def configure(directory):
    django.conf.settings.configure(
        SECRET_KEY="a secret of these tests",
        ROOT_URLCONF="tests.stock_urls",
        ALLOWED_HOSTS=["*"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.path.join(directory, "django.db")}},
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
        AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.ModelBackend", "django.contrib.auth.backends.RemoteUserBackend"],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "tests.stock_urls.XRemoteUserMiddleware",
        ],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
    )
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


class Stock(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.upstream = applications.Upstream()
        cls.addClassCleanup(cls.upstream.close)
        cls.keep = Server(more=UPSTREAM % (cls.upstream.url, "utf-8", "keep"))
        cls.addClassCleanup(cls.keep.stop)
        cls.drop = Server(more=UPSTREAM % (cls.upstream.url, "ascii", "drop"))
        cls.addClassCleanup(cls.drop.stop)
        configure(cls.keep.directory)
        from django.core.handlers.wsgi import WSGIHandler

        cls.upstream.app = WSGIHandler()

    def ask(self, server, path, token="", cookie="", method="GET"):
        headers = {"Authorization": "Bearer " + token} if token else {}
        if cookie:
            headers["Cookie"] = cookie
        status, got, body = get(server.url + path, headers, method=method, data=b"x=1" if method == "POST" else None)
        cookies = [c.split(";")[0] for c in got.get_all("Set-Cookie", [])]
        return status, next((c for c in cookies if c.startswith("sessionid=")), "".join(cookies)), body

    def test_a_session_outlives_the_token(self):
        token = self.keep.issue("ada")
        status, cookie, body = self.ask(self.keep, "/x", token)
        self.assertEqual((status, body), (200, "ada"))
        self.assertRegex(cookie, "^sessionid=")
        self.keep.revoke(token)
        self.assertEqual(self.ask(self.keep, "/x", token)[0], 401)
        self.assertEqual(self.ask(self.keep, "/open/x", cookie=cookie)[2], "ada")  # the leak
        token = self.drop.issue("ada")
        self.assertEqual(self.ask(self.drop, "/x", token), (200, "", "ada"))  # closed

    def test_the_session_of_a_cookie_counts_for_a_name_without_account(self):
        from django.contrib.auth.models import User

        User.objects.get_or_create(username="bob")
        _, cookie, _ = self.ask(self.keep, "/open/sign-in/bob")
        self.assertRegex(cookie, "^sessionid=")
        self.assertEqual(self.ask(self.keep, "/x", self.keep.issue("stranger"), cookie)[2], "bob")
        self.assertEqual(self.ask(self.drop, "/x", self.drop.issue("stranger"), cookie)[2], "")

    def test_names_are_read_as_latin_1(self):
        self.assertEqual(self.ask(self.keep, "/seen", self.keep.issue("Müller"))[2], "MÃ¼ller")
        status, _, body = self.ask(self.drop, "/seen", self.drop.issue("Müller"))
        self.assertEqual(status, 403)
        self.assertIn("ASCII", body)

    def test_a_post_with_a_token_lacks_the_csrf_cookie(self):
        self.assertEqual(self.ask(self.drop, "/x", self.drop.issue("ada"), method="POST")[0], 403)
