"""Users of a Django application, disabled at a real bearerd when they are disabled here."""

import io
import json
import os
import tempfile
import unittest

import django
import django.conf

from bearerd.sync import SourceUsers, SyncError

from .bearerd_server import Server, get

SECRET = "a secret + of the sync: client/in tests"
CLIENTS = """
clients:
  - {id: museum-sync, secret: "%s", grants: [client_credentials], scopes: ["source:museum"]}
  - {id: other-sync, secret: "%s", grants: [client_credentials], scopes: ["source:other"]}
"""


def setUpModule():
    global directory
    directory = tempfile.TemporaryDirectory()
    django.conf.settings.configure(
        SECRET_KEY="a secret of these tests",
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.path.join(directory.name, "django.db")}},
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "bearerd.django"],
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        LOGGING_CONFIG=None,
        BEARERD_SIGN_IN_SOURCE="museum",
        BEARERD_CLIENT_ID="museum-sync",
        BEARERD_CLIENT_SECRET_FILE=os.path.join(directory.name, "secret"),
    )
    with open(django.conf.settings.BEARERD_CLIENT_SECRET_FILE, "w") as f:
        f.write(SECRET + "\n")
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def tearDownModule():
    directory.cleanup()


class Sync(unittest.TestCase):
    def setUp(self):
        from django.contrib.auth.models import User
        from django.test import override_settings

        self.server = Server()
        self.addCleanup(self.server.stop)
        self.server._write("clients.yaml", CLIENTS % (SECRET, SECRET))
        self.server.run("apply", "-f", "clients.yaml")
        settings = override_settings(BEARERD_ISSUER=self.server.url)
        settings.enable()
        self.addCleanup(settings.disable)
        with override_settings(BEARERD_CLIENT_ID=""):
            User.objects.all().delete()
            self.users = {name: User.objects.create_user(name) for name in ("bob", "eve", "kim")}
        self.own(*self.users.values())

    def own(self, *users):
        """Makes bearerd's users of users here, owned by the source."""
        file = {"users": [{"username": u.get_username(), "external_id": str(u.pk)} for u in users]}
        self.server._write("users.json", json.dumps(file))
        self.server.run("apply", "-f", "users.json", "--source", "museum")

    def here(self, **kwargs):
        return SourceUsers(self.server.url, "museum", "museum-sync", SECRET, **kwargs)

    def state(self):
        return {u.username: u.disabled for u in self.here()}

    def accepted(self, raw):
        return get(self.server.url + "/auth/api/v1/me", {"Authorization": "Bearer " + raw})[0] == 200

    def sync(self, *arguments):
        from django.core.management import call_command

        out = io.StringIO()
        call_command("bearerd_sync", *arguments, stdout=out)
        return out.getvalue()

    def test_the_client_reads_and_disables(self):
        bob = self.users["bob"]
        raw = self.server.create("bob")
        user = self.here().set_disabled(str(bob.pk))
        self.assertEqual((user.external_id, user.username, user.disabled, user.owner), (str(bob.pk), "bob", True, "museum"))
        self.assertFalse(self.accepted(raw))
        self.assertEqual(self.state(), {"bob": True, "eve": False, "kim": False})
        self.assertFalse(self.here().set_disabled(str(bob.pk), False).disabled)
        self.assertIsNone(self.here().set_disabled("nobody/here"))

    def test_every_page_is_read(self):
        from unittest import mock

        with mock.patch("bearerd.sync._PAGE", 2):
            self.assertEqual(sorted(u.username for u in self.here()), ["bob", "eve", "kim"])

    def test_a_token_that_ended_is_replaced(self):
        users = self.here()
        self.assertEqual(len(list(users)), 3)
        self.server.run("token", "revoke", "--file", "-", given=users._token + "\n")
        self.assertEqual(len(list(users)), 3)

    def test_what_is_refused_says_why(self):
        for bad, words in (
            (SourceUsers(self.server.url, "museum", "museum-sync", "x" * 40), "401: invalid_client"),
            (SourceUsers(self.server.url, "museum", "other-sync", SECRET), "400: invalid_scope"),
            (SourceUsers("http://127.0.0.1:1", "museum", "museum-sync", SECRET), "ConnectionRefusedError"),
        ):
            with self.assertRaisesRegex(SyncError, words):
                list(bad)
        with self.assertRaises(ValueError):
            SourceUsers("http://auth.example.org", "museum", "museum-sync", SECRET)

    def test_saving_an_inactive_user_disables_at_once(self):
        raw = self.server.create("bob")
        bob = self.users["bob"]
        bob.save()
        self.assertTrue(self.accepted(raw))
        bob.is_active = False
        bob.save(update_fields=["last_login"])  # which doesn't write it
        self.assertTrue(self.accepted(raw))
        bob.save()
        self.assertFalse(self.accepted(raw))
        self.assertEqual(self.state(), {"bob": True, "eve": False, "kim": False})

    def test_deleting_a_user_disables_at_once(self):
        raw = self.server.create("eve")
        self.users["eve"].delete()
        self.assertFalse(self.accepted(raw))

    def test_a_proxy_of_the_users_model_counts(self):
        from django.contrib.auth.models import User

        class Curator(User):
            class Meta:
                proxy = True
                app_label = "auth"

        raw = self.server.create("kim")
        kim = Curator.objects.get(username="kim")
        kim.is_active = False
        kim.save()
        self.assertFalse(self.accepted(raw))

    def test_what_is_rolled_back_disables_nobody(self):
        from django.db import transaction

        raw = self.server.create("bob")
        with self.assertRaises(ZeroDivisionError), transaction.atomic():
            self.users["bob"].is_active = False
            self.users["bob"].save()
            1 / 0
        self.assertTrue(self.accepted(raw))

    def test_bearerd_away_breaks_nothing_and_the_sync_catches_up(self):
        from django.core.management import CommandError

        raw = self.server.create("bob")
        self.server.kill()
        bob, eve = self.users["bob"], self.users["eve"]
        bob.is_active = False
        with self.assertLogs("bearerd", "ERROR") as logged:
            bob.save()
            gone = eve.pk
            eve.delete()
        self.assertEqual(len(logged.output), 2)
        self.assertIn(f"user {bob.pk} couldn't be disabled at bearerd, run bearerd_sync", logged.output[0])
        self.assertNotIn(SECRET, str(logged.output))
        with self.assertRaisesRegex(CommandError, "ConnectionRefusedError"):
            self.sync()

        self.server.start()
        self.assertTrue(self.accepted(raw))
        dry = self.sync("--dry-run")
        self.assertIn(f"bob ({bob.pk}): disable, inactive here\n", dry)
        self.assertTrue(self.accepted(raw))
        said = self.sync()
        self.assertIn(f"eve ({gone}): disable, gone here\n", said)
        self.assertIn("3 users of museum at bearerd: 2 disabled, 0 enabled, 0 of another owner\n", said)
        self.assertFalse(self.accepted(raw))
        self.assertEqual(self.state(), {"bob": True, "eve": True, "kim": False})
        self.assertEqual(self.sync(), "3 users of museum at bearerd: 0 disabled, 0 enabled, 0 of another owner\n")

    def test_the_sync_enables_when_asked_to(self):
        self.here().set_disabled(str(self.users["kim"].pk))
        self.assertEqual(self.sync(), "3 users of museum at bearerd: 0 disabled, 0 enabled, 0 of another owner\n")
        self.assertIn("0 disabled, 1 enabled", self.sync("--enable"))
        self.assertEqual(self.state(), {"bob": False, "eve": False, "kim": False})

    def test_the_process_fails_where_bearerd_cant_be_reached(self):
        import subprocess
        import sys

        settings = (
            "import django, django.conf, sys\n"
            "django.conf.settings.configure(**%r)\n"
            "from django.core.management import execute_from_command_line as run\n"
            "run(['manage.py', 'bearerd_sync'])\n"
        ) % {
            "DATABASES": {"default": {k: django.conf.settings.DATABASES["default"][k] for k in ("ENGINE", "NAME")}},
            "INSTALLED_APPS": django.conf.settings.INSTALLED_APPS, "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
            "BEARERD_ISSUER": "http://127.0.0.1:1", "BEARERD_SIGN_IN_SOURCE": "museum", "BEARERD_CLIENT_ID": "museum-sync",
            "BEARERD_CLIENT_SECRET_FILE": django.conf.settings.BEARERD_CLIENT_SECRET_FILE,
        }
        done = subprocess.run([sys.executable, "-W", "ignore", "-c", settings], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("CommandError: bearerd: http://127.0.0.1:1: ConnectionRefusedError", done.stderr)


if __name__ == "__main__":
    unittest.main()
