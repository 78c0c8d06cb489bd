"""The application ``bearerd.django`` for INSTALLED_APPS."""

from __future__ import annotations

from django.apps import AppConfig


class BearerdConfig(AppConfig):  # type: ignore[misc]
    """Records when people sign in, disables users at bearerd who are disabled here, and adds the
    command ``bearerd_sync``."""

    name = "bearerd.django"
    label = "bearerd"
    verbose_name = "bearerd"

    def ready(self) -> None:
        from .signals import connect

        connect()
