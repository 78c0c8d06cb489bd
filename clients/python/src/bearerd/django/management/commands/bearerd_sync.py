"""Disables users at bearerd who are inactive or deleted here.

    python3 manage.py bearerd_sync --dry-run
    python3 manage.py bearerd_sync

Run it every few minutes: most users are disabled at bearerd at the moment when they are
disabled here, but not those that ``QuerySet.update`` or another program disables, and none
while bearerd doesn't answer.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from ....sync import SourceUser, SourceUsers, SyncError
from ...signals import source_users


class Command(BaseCommand):  # type: ignore[misc]
    help = "Disable at bearerd the users who are inactive or gone here."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="print what would be done, and do nothing")
        parser.add_argument("--enable", action="store_true", help="enable at bearerd the users who are active here")

    def handle(self, *args: Any, dry_run: bool = False, enable: bool = False, **options: Any) -> None:
        try:
            users = source_users(timeout=30.0)
            if users is None:
                raise CommandError("BEARERD_CLIENT_ID is not set")
            self._sync(users, dry_run, enable)
        except ImproperlyConfigured as err:
            raise CommandError(str(err)) from None
        except SyncError as err:
            raise CommandError(f"bearerd: {err}") from None

    def _sync(self, users: SourceUsers, dry_run: bool, enable: bool) -> None:
        active = {str(user.pk): bool(user.is_active) for user in get_user_model()._default_manager.iterator()}
        done = {"disabled": 0, "enabled": 0, "of another owner": 0}
        known = list(users)
        for user in known:
            here = active.get(user.external_id, False)
            ours = user.owner == users.source
            if not here and not user.disabled:
                why = "inactive here" if user.external_id in active else "gone here"
                done["disabled" if ours else "of another owner"] += 1
                self._say(user, f"disable, {why}" if ours else f"end sessions, {why}; {user.owner or 'an administrator'} is the owner")
            elif here and user.disabled and ours and enable:
                done["enabled"] += 1
                self._say(user, "enable, active here")
            else:
                continue
            if not dry_run:
                users.set_disabled(user.external_id, not here)
        summary = ", ".join(f"{n} {what}" for what, n in done.items())
        self.stdout.write(f"{len(known)} users of {users.source} at bearerd: {summary}{' (dry run)' if dry_run else ''}")

    def _say(self, user: SourceUser, what: str) -> None:
        self.stdout.write(f"{user.username} ({user.external_id}): {what}")
