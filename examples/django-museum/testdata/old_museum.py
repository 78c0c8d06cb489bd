"""An application with its own token table: Django REST framework's authtoken. It takes
users from bearerd beside it, as docs/switch-over.md says.

    old_museum.py DATABASE PORT            serves
    old_museum.py DATABASE token USER KEY  creates a user, and a token of theirs
"""

import socketserver
import sys
import wsgiref.simple_server

import django
from django.conf import settings

DATABASE = sys.argv[1]

settings.configure(
    SECRET_KEY="of a test", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": DATABASE, "OPTIONS": {"timeout": 30}}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "rest_framework", "rest_framework.authtoken"],
    MIDDLEWARE=["bearerd.django.BearerdMiddleware"],
    BEARERD_ISSUER="http://localhost", BEARERD_ASSERTION="",
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": ["bearerd.django.BearerdAuthentication", "rest_framework.authentication.TokenAuthentication"],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
        "UNAUTHENTICATED_USER": None,
    },
)
django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.urls import path  # noqa: E402
from rest_framework.authtoken.models import Token  # noqa: E402
from rest_framework.decorators import api_view  # noqa: E402
from rest_framework.response import Response  # noqa: E402


@api_view(["GET"])
def whoami(request):
    by = type(request.successful_authenticator).__name__
    return Response({"user": request.user.get_username(), "by": by, "authorization": request.META.get("HTTP_AUTHORIZATION", "")})


urlpatterns = [path("api/whoami/", whoami)]


class Server(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    daemon_threads = True


class Handler(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, *_):
        pass


if __name__ == "__main__":
    if sys.argv[2] == "token":
        call_command("migrate", verbosity=0)
        user, _ = User.objects.get_or_create(username=sys.argv[3])
        Token.objects.create(user=user, key=sys.argv[4])
    else:
        wsgiref.simple_server.make_server("127.0.0.1", int(sys.argv[2]), get_wsgi_application(), Server, Handler).serve_forever()
