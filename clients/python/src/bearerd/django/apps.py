"""What ``bearerd.django`` in INSTALLED_APPS begins."""

from __future__ import annotations

from django.apps import AppConfig


class BearerdConfig(AppConfig):  # type: ignore[misc]
    """Notes when people sign in, disables at bearerd who is disabled here, and adds the
    command ``bearerd_sync``."""

    name = "bearerd.django"
    label = "bearerd"
    verbose_name = "bearerd"

    def ready(self) -> None:
        from .signals import connect

        connect()
