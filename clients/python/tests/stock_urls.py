"""Views of an application that uses Django's own middleware."""

from django.contrib.auth import login
from django.contrib.auth.backends import RemoteUserBackend
from django.contrib.auth.middleware import PersistentRemoteUserMiddleware
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.urls import path


class XRemoteUserMiddleware(PersistentRemoteUserMiddleware):
    header = "HTTP_X_REMOTE_USER"

    def process_request(self, request):
        # The account of ada alone is made by the first request; others have none.
        RemoteUserBackend.create_unknown_user = request.META.get(self.header) == "ada"
        super().process_request(request)


def who(request, **_):
    return HttpResponse(request.user.get_username())


def seen(request):
    return HttpResponse(request.META["HTTP_X_REMOTE_USER"])


def sign_in(request, name):
    login(request, User.objects.get(username=name), "django.contrib.auth.backends.ModelBackend")
    return HttpResponse()


urlpatterns = [path("x", who), path("open/x", who), path("seen", seen), path("open/sign-in/<name>", sign_in)]
