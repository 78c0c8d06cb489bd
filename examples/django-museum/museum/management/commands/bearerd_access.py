"""Writes the museum's users as an access file for bearerd.

    python3 manage.py bearerd_access >access.json
    bearerd apply -f access.json --source museum --prune

Run it again whenever users changed: external_id is the primary key, so that a user who
was renamed keeps their tokens, and who was deleted and created again inherits none. There
are no passwords in it: people sign in to bearerd by the museum's own login.
"""

import json

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand

from ...models import Collection


class Command(BaseCommand):
    help = "Write users, collections and who curates them as an access file for bearerd."

    def handle(self, *args, **options):
        users = get_user_model().objects.order_by("pk").prefetch_related("groups")
        bindings = [
            {"user": user.get_username(), "permission": {"action": "*", "path": "/"}} for user in users if user.is_superuser
        ]
        for collection in Collection.objects.prefetch_related("curators"):
            for user in collection.curators.order_by("pk"):
                path = f"/collections/{collection.pk}"
                bindings.append({"user": user.get_username(), "permission": {"action": "access", "path": path}})
        # JSON is YAML, so that this needs no library.
        file = {
            "collections": [{"id": c.pk, "name": c.name} for c in Collection.objects.all()],
            "users": [self.user(user) for user in users],
            "bindings": bindings,
        }
        self.stdout.write(json.dumps(file, indent=1, ensure_ascii=False))

    def user(self, user):
        return {
            "username": user.get_username(),
            "external_id": str(user.pk),
            "name": user.get_full_name(),
            "email": user.email,
            "groups": [group.name for group in user.groups.all()],
            "disabled": not user.is_active,
        }
