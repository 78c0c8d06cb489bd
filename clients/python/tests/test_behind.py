"""Applications behind a real bearerd as proxy."""

import json
import os
import unittest
import urllib.parse

import django
import django.conf

import bearerd.wsgi

from . import applications
from .bearerd_server import Server, get

UPSTREAM = """
upstream:
  url: %s
  routes:
    - {path: /open/, require: optional}
"""


def configure_django(directory):
    """Configures Django once a process, with a database in a file."""
    settings = django.conf.settings
    if settings.configured:
        return
    settings.configure(
        SECRET_KEY="a secret of these tests",
        ROOT_URLCONF="tests.django_urls",
        ALLOWED_HOSTS=["*"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.path.join(directory, "django.db")}},
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "rest_framework"],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "bearerd.django.BearerdMiddleware",
        ],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
    )
    django.setup()


class Behind(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.upstream = applications.Upstream()
        cls.addClassCleanup(cls.upstream.close)
        cls.server = Server(more=UPSTREAM % cls.upstream.url)
        cls.addClassCleanup(cls.server.stop)
        configure_django(cls.server.directory)
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        from django.contrib.auth.models import User

        User.objects.get_or_create(username="ada")
        User.objects.get_or_create(username="Müller")

    def ask(self, path, raw=None, **more):
        headers = {"Authorization": "Bearer " + raw} if raw else {}
        status, got, body = get(self.server.url + path, {**headers, **more.pop("headers", {})}, **more)
        return status, json.loads(body) if got.get_content_type().endswith("json") else body

    def test_wsgi_and_flask_know_who_asks(self):
        for app in (bearerd.wsgi.BearerdMiddleware(applications.plain_wsgi), applications.flask_application()):
            self.upstream.app = app
            status, body = self.ask("/api/x", self.server.issue("Müller"))
            self.assertEqual((status, body["user"], body["name"]), (200, "Müller", "Jörg Müller"))
            status, body = self.ask("/api/x", self.server.issue("ada", "--collection", "4"))
            self.assertEqual((body["groups"], body["collection"]), (["curators", "staff"], 4))
            self.assertEqual(self.ask("/open/x"), (200, {"user": None}))
            self.assertEqual(self.ask("/open/x", headers={"Remote-User": "root", "X-Bearerd-Subject": "1"}), (200, {"user": None}))
            self.assertEqual(self.ask("/api/x")[0], 401)

    def django(self):
        from django.core.handlers.wsgi import WSGIHandler

        self.upstream.app = WSGIHandler()

    def test_django_acts_as_the_user_without_a_session(self):
        from django.contrib.sessions.models import Session

        self.django()
        raw = self.server.issue("Müller")
        for path in ("/api/plain", "/api/rest"):
            for method in ("GET", "POST"):
                status, body = self.ask(path, raw, method=method, data=b"x=1" if method == "POST" else None)
                self.assertEqual((status, body), (200, {"user": "Müller", "scope": ["read"]}), path)
        self.assertEqual(Session.objects.count(), 0)

    def test_django_refuses_whom_it_doesnt_know(self):
        from django.contrib.auth.models import User

        self.django()
        status, body = self.ask("/api/plain", self.server.issue("stranger"))
        self.assertEqual((status, body["detail"]), (403, "You have no account here."))
        self.assertFalse(User.objects.filter(username="stranger").exists())
        answer = self.server.post(
            "/oauth2/token", {"grant_type": "client_credentials", "scope": "read", "client_id": "service", "client_secret": "a-secret-of-the-service-in-the-tests"}
        )
        status, body = self.ask("/api/plain", answer["access_token"])
        self.assertEqual(status, 403)
        self.assertIn("client", body["detail"])
        status, page = self.ask("/api/plain", self.server.issue("stranger"), headers={"Accept": "text/html"})
        self.assertIn("<h1>Not allowed</h1>", page)

    def test_django_keeps_its_own_login_for_others(self):
        from django.contrib.auth.models import User

        self.django()
        user = User.objects.get(username="ada")
        user.set_password("django's own")
        user.save()
        status, headers, _ = get(
            self.server.url + "/open/login", data=urllib.parse.urlencode({"username": "ada", "password": "django's own"}).encode(), method="POST"
        )
        self.assertEqual(status, 200)
        cookie = "; ".join(c.split(";")[0] for c in headers.get_all("Set-Cookie"))
        self.assertEqual(self.ask("/open/plain", headers={"Cookie": cookie})[1]["user"], "ada")
        self.assertEqual(self.ask("/open/plain")[1]["user"], "")
        # The CSRF check stays for a session of Django's.
        self.assertEqual(self.ask("/open/plain", headers={"Cookie": cookie}, method="POST", data=b"x=1")[0], 403)

    def test_a_revoked_token_opens_nothing_afterwards(self):
        self.django()
        raw = self.server.issue("ada")
        status, headers, _ = get(self.server.url + "/api/plain", {"Authorization": "Bearer " + raw})
        self.assertEqual((status, headers.get("Set-Cookie")), (200, None))
        self.server.revoke(raw)
        self.assertEqual(self.ask("/api/plain", raw)[0], 401)
