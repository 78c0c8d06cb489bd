"""URLs of an application whose own login is a sign-in source."""

from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpResponse
from django.urls import path

from bearerd.django import check_password, sign_in

urlpatterns = [
    path("accounts/login/", LoginView.as_view(template_name="login.html")),
    path("accounts/logout/", LogoutView.as_view(next_page="/")),
    path("bearerd-sign-in", sign_in),
    path("bearerd-check-password", check_password),
    path("whoami", lambda request: HttpResponse(request.user.get_username())),
]
