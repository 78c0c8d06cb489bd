"""The middleware, which sets a request's user."""

from __future__ import annotations

import html
from typing import Any, Optional

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin

from ..identity import Forbidden, Identity, Untrusted, identify
from ..wsgi import assertion_reader, header_of, problem


class BearerdMiddleware(MiddlewareMixin):  # type: ignore[misc]
    """Sets ``request.user`` from bearerd's headers, and ``request.bearerd``.

    ``request.bearerd`` is the Identity, or None if the request has no valid token. No session
    is begun, and none is read for the user. Django's CSRF check is skipped, because bearerd
    has checked the origin of every request that it accepted.

    A user without an account here, or with a disabled one, gets 403; so does a
    client's own token, because a client has no account.
    """

    def __init__(self, get_response: Any = None) -> None:
        super().__init__(get_response)
        issuer, assertion = getattr(settings, "BEARERD_ISSUER", ""), getattr(settings, "BEARERD_ASSERTION", "")
        if assertion and not issuer:
            raise ImproperlyConfigured("BEARERD_ASSERTION needs BEARERD_ISSUER")
        self.reader = assertion_reader(issuer, assertion)
        self.audience: str = getattr(settings, "BEARERD_AUDIENCE", "")

    def process_request(self, request: HttpRequest) -> Optional[HttpResponse]:
        try:
            who = identify(header_of(request.META), self.reader, self.audience)
            request.bearerd = who
            if who is not None:
                _act_as(request, user_of(who))
        except Untrusted as err:
            return _refusal(request, 401, str(err))
        except Forbidden as err:
            return _refusal(request, 403, str(err))
        return None


def user_of(who: Identity) -> Any:
    """Returns the account of an identity. Raises Forbidden if there is none, or if it
    is disabled."""
    if not who.username:
        raise Forbidden("This token is a client's own, and clients have no account here.")
    model = get_user_model()
    try:
        user = model._default_manager.get_by_natural_key(who.username)
    except model.DoesNotExist:
        if not getattr(settings, "BEARERD_CREATE_USERS", False):
            raise Forbidden("You have no account here.") from None
        user, _ = model._default_manager.get_or_create(**{model.USERNAME_FIELD: who.username})
    if not user.is_active:
        raise Forbidden("Your account here is disabled.")
    return user


def _act_as(request: HttpRequest, user: Any) -> None:
    async def auser() -> Any:
        return user

    request.user = request._cached_user = user
    request.auser = auser  # Django 5
    request._dont_enforce_csrf_checks = True


def _refusal(request: HttpRequest, status: int, text: str) -> HttpResponse:
    accept = request.META.get("HTTP_ACCEPT", "")
    if "text/html" in accept:
        title = "Not allowed" if status == 403 else "Not signed in"
        page = f"<!doctype html><title>{title}</title><h1>{title}</h1><p>{html.escape(text)}</p>"
        response = HttpResponse(page, status=status)
    else:
        response = HttpResponse(problem(text, status), status=status, content_type="application/problem+json")
    response["Cache-Control"] = "no-store"
    if status == 401:
        response["WWW-Authenticate"] = 'Bearer realm="bearerd"'
    return response
