"""The application's side of a sign-in source: who is signed in, and whether a password is right."""

from __future__ import annotations

from typing import Any, Optional

from django.conf import settings
from django.contrib.auth import authenticate, get_user
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.views.decorators.debug import sensitive_variables

from .. import sign_in as source_side
from ..wsgi import header_of
from .signals import SIGNED_IN_AT, setting


def source_of(request: HttpRequest) -> source_side.Source:
    """Returns the configured source. Raises ImproperlyConfigured."""
    from django.apps import apps

    if not apps.is_installed("bearerd.django"):
        raise ImproperlyConfigured("bearerd.django must be in INSTALLED_APPS, to record when people sign in")
    file = setting("BEARERD_SIGN_IN_SECRET_FILE")
    origin = source_side.origin_for(getattr(settings, "BEARERD_SIGN_IN_ISSUER", ""), request.build_absolute_uri("/"))
    try:
        return source_side.Source(
            setting("BEARERD_ISSUER"), setting("BEARERD_SIGN_IN_SOURCE"), source_side.read_secret(file), origin
        )
    except (OSError, ValueError) as err:
        raise ImproperlyConfigured(f"the sign-in source: {err}") from None


def sign_in(request: HttpRequest) -> HttpResponse:
    """Answers with a form with which the browser posts to bearerd who is signed in here.

    The person is the user of Django's own session, not the one that bearerd names: a token
    must not become a session. If nobody is signed in, or not as recently as bearerd requires,
    it redirects to LOGIN_URL first.
    """
    if request.method != "GET":
        return HttpResponseNotAllowed(["GET"])
    source = source_of(request)
    user = get_user(request)
    if user.is_authenticated and not user.is_active:
        return _response(source_side.inactive())
    person = person_of(user, request.session.get(SIGNED_IN_AT)) if user.is_authenticated else None

    def login(query: str) -> str:
        from django.contrib.auth.views import redirect_to_login

        return str(redirect_to_login(f"{request.path}?{query}").url)

    return _response(source_side.answer(source, request.GET, person, login))


def check_password(request: HttpRequest) -> HttpResponse:
    """Answers whether a password is right, by asking all of
    AUTHENTICATION_BACKENDS. It is for ``password_url`` of the source."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])

    def person(username: str, password: str) -> Optional[source_side.Person]:
        user = authenticate(request, username=username, password=password)
        return person_of(user, None) if user is not None and user.is_active else None

    # An error report from here must not show the password.
    check = sensitive_variables()(source_side.check_password)
    return _response(check(source_of(request), header_of(request.META), request.body, person))


# The signature protects it, and nobody is signed in there (Django 5.1's
# LoginRequiredMiddleware reads the second).
check_password.csrf_exempt = True  # type: ignore[attr-defined]
check_password.login_required = False  # type: ignore[attr-defined]


def person_of(user: Any, signed_in_at: Optional[float]) -> source_side.Person:
    """Returns what an assertion says about a user. The subject is the primary key, because a
    username can change and be given to somebody else."""
    groups = getattr(user, "groups", None)
    return source_side.Person(
        subject=str(user.pk),
        username=user.get_username(),
        name=str(getattr(user, "get_full_name", str)()),
        email=str(getattr(user, user.get_email_field_name(), "") or ""),
        groups=tuple(groups.order_by("name").values_list("name", flat=True)) if groups is not None else (),
        signed_in_at=signed_in_at,
    )


def _response(made: source_side.Answer) -> HttpResponse:
    response = HttpResponse(made.body, status=made.status)
    del response["Content-Type"]
    for name, value in made.headers:
        response[name] = value
    return response
