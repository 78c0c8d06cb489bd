"""Django REST framework."""

from __future__ import annotations

from typing import Any, Optional

from rest_framework.authentication import BaseAuthentication

from ..identity import Identity


class BearerdAuthentication(BaseAuthentication):  # type: ignore[misc]
    """Authenticates requests that bearerd accepted: the user is the middleware's, and
    ``request.auth`` is the Identity. ``bearerd.django.BearerdMiddleware`` is needed."""

    def authenticate(self, request: Any) -> Optional[tuple[Any, Identity]]:
        who = getattr(request._request, "bearerd", None)
        return None if who is None else (request._request.user, who)

    def authenticate_header(self, request: Any) -> str:
        return 'Bearer realm="bearerd"'
