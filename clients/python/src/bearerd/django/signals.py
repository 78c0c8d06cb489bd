"""What is done when something happens in Django."""

from __future__ import annotations

import time
from typing import Any

from django.contrib.auth.signals import user_logged_in

SIGNED_IN_AT = "bearerd_signed_in_at"


def connect() -> None:
    """Begins to listen."""
    user_logged_in.connect(note_sign_in, dispatch_uid="bearerd.note_sign_in")


def note_sign_in(sender: Any, request: Any = None, **_: Any) -> None:
    """Remembers in the session when its user signed in, for bearerd's ``max_age``."""
    session = getattr(request, "session", None)
    if session is not None:
        session[SIGNED_IN_AT] = int(time.time())
