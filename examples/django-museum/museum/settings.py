"""Settings of the example. Those of bearerd stand together at the end."""

import os
import pathlib

BASE_DIR = pathlib.Path(__file__).resolve().parent.parent

SECRET_KEY = os.environ.get("MUSEUM_SECRET_KEY", "an example's key: use your own")
DEBUG = False
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "museum.example.org"]
ROOT_URLCONF = "museum.urls"
WSGI_APPLICATION = "museum.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
LOGIN_URL, LOGIN_REDIRECT_URL, LOGOUT_REDIRECT_URL = "/login/", "/", "/"
STATIC_URL = "/static/"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "bearerd.django",
    "museum",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "bearerd.django.BearerdMiddleware",  # the one line that an application needs
    "django.contrib.messages.middleware.MessageMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "museum.sqlite3"}}

# With BEARERD_ASSERTION set, nothing but the signed header counts. Without it the identity
# headers do, and nobody may reach this application but through bearerd or a proxy that asks it.
BEARERD_ISSUER = os.environ.get("BEARERD_ISSUER", "http://localhost:8080")
BEARERD_ASSERTION = os.environ.get("MUSEUM_ASSERTION", "")

# People sign in to bearerd by the museum's own login (run.sh makes the secrets). Statements
# are from the address that people use, also where bearerd asks for a password at another.
BEARERD_SIGN_IN_SOURCE = "museum"
BEARERD_SIGN_IN_SECRET_FILE = BASE_DIR / "museum.secret"
BEARERD_SIGN_IN_ISSUER = BEARERD_ISSUER

# Who is disabled here is disabled there, by this client.
BEARERD_CLIENT_ID = "museum-sync"
BEARERD_CLIENT_SECRET_FILE = BASE_DIR / "sync.secret"
