from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from bearerd.django import check_password, sign_in

from . import api, views

urlpatterns = [
    path("", views.front, name="front"),
    path("collections/<int:pk>/", views.collection, name="collection"),
    path("login/", LoginView.as_view(template_name="museum/login.html"), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("admin/", admin.site.urls),
    path("bearerd-sign-in", sign_in),
    path("bearerd-check-password", check_password),
    path("api/whoami/", api.whoami),
    path("api/collections/<int:collection>/specimens/", api.specimens),
    path("api/specimens/<int:pk>/", api.specimen),
]
