"""Handlers of Django's signals."""

from __future__ import annotations

import logging
import time
from typing import Any, Optional

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.db.models.signals import post_delete, post_save

from ..sign_in import read_secret
from ..sync import SourceUsers, SyncError

SIGNED_IN_AT = "bearerd_signed_in_at"

_log = logging.getLogger("bearerd")


def connect() -> None:
    """Connects the handlers."""
    user_logged_in.connect(note_sign_in, dispatch_uid="bearerd.note_sign_in")
    # Without a sender: a proxy of the user's model sends signals of its own.
    post_save.connect(saved, dispatch_uid="bearerd.saved")
    post_delete.connect(deleted, dispatch_uid="bearerd.deleted")


def note_sign_in(sender: Any, request: Any = None, **_: Any) -> None:
    """Records in the session when its user signed in, for bearerd's ``max_age``."""
    session = getattr(request, "session", None)
    if session is not None:
        session[SIGNED_IN_AT] = int(time.time())


def saved(sender: Any, instance: Any, using: str, raw: bool = False, update_fields: Any = None, **_: Any) -> None:
    """Disables a user at bearerd who is saved as inactive."""
    if raw or not isinstance(instance, get_user_model()) or instance.is_active:
        return
    if update_fields is None or "is_active" in update_fields:
        _disable_after_commit(instance, using)


def deleted(sender: Any, instance: Any, using: str, **_: Any) -> None:
    """Disables a user at bearerd who is deleted here."""
    if isinstance(instance, get_user_model()):
        _disable_after_commit(instance, using)


def _disable_after_commit(user: Any, using: str) -> None:
    external_id = str(user.pk)  # after the deletion the object doesn't have it any more
    transaction.on_commit(lambda: disable(external_id), using=using)


def disable(external_id: str) -> None:
    """Disables a user at bearerd. The request that changed the user goes on in any
    case: a failure is logged, and ``bearerd_sync`` repeats it."""
    try:
        users = source_users(timeout=5.0)
        if users is not None:
            users.set_disabled(external_id)
    except (SyncError, ImproperlyConfigured) as err:
        _log.error("user %s couldn't be disabled at bearerd, run bearerd_sync: %s", external_id, err)


def source_users(timeout: float) -> Optional[SourceUsers]:
    """Returns the source's users at bearerd, or None if no client is configured for
    that. Raises ImproperlyConfigured."""
    client = getattr(settings, "BEARERD_CLIENT_ID", "")
    if not client:
        return None
    try:
        return SourceUsers(
            setting("BEARERD_ISSUER"), setting("BEARERD_SIGN_IN_SOURCE"), client,
            read_secret(setting("BEARERD_CLIENT_SECRET_FILE")).decode(), timeout=timeout,
        )
    except (OSError, ValueError) as err:
        raise ImproperlyConfigured(f"the client of the sign-in source: {err}") from None


def setting(name: str) -> str:
    """Returns a required setting."""
    value = str(getattr(settings, name, "") or "")
    if not value:
        raise ImproperlyConfigured(f"{name} is not set")
    return value
