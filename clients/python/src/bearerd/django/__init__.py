"""Django: sets the request's user to the user that bearerd names.

    MIDDLEWARE = [
        ...
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "bearerd.django.BearerdMiddleware",
        ...
    ]

Requests that bearerd didn't accept keep the user of Django's own session. Settings:

- ``BEARERD_ISSUER``: bearerd's URL, needed for assertions
- ``BEARERD_ASSERTION``: the audience of its assertions (``upstream.assertion_audience``);
  unset, the identity headers count, and every request must come through bearerd
- ``BEARERD_AUDIENCE``: an audience that a token must have, in addition to bearerd's own check
- ``BEARERD_CREATE_USERS``: True creates an account for a user who has none (default False)

Django's own login as a way to sign in to bearerd: ``sign_in`` and ``check_password`` are
views, and ``bearerd.django`` is in INSTALLED_APPS. Settings: ``BEARERD_ISSUER``,
``BEARERD_SIGN_IN_SOURCE`` (the source's name at bearerd), ``BEARERD_SIGN_IN_SECRET_FILE``, and
``BEARERD_SIGN_IN_ISSUER`` if assertions have another ``iss`` than the site's origin.
"""

from __future__ import annotations

from typing import Any

from .middleware import BearerdMiddleware

__all__ = ["BearerdAuthentication", "BearerdMiddleware", "check_password", "sign_in"]


def __getattr__(name: str) -> Any:
    # Only applications that use Django REST framework need it.
    if name == "BearerdAuthentication":
        from .rest import BearerdAuthentication

        return BearerdAuthentication
    if name in ("check_password", "sign_in"):
        from . import views

        return getattr(views, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
