"""Views of the test application in Django."""

from django.contrib.auth import authenticate, login
from django.http import JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response

from bearerd.django import BearerdAuthentication


def shown(request, who):
    return {"user": request.user.username, "scope": sorted(who.scope) if who else []}


def plain(request):
    return JsonResponse(shown(request, request.bearerd))


@api_view(["GET", "POST"])
@authentication_classes([BearerdAuthentication])
@permission_classes([IsAuthenticated])
def rest(request):
    return Response(shown(request, request.auth))


@csrf_exempt
def sign_in(request):
    user = authenticate(request, username=request.POST["username"], password=request.POST["password"])
    login(request, user)
    return JsonResponse({})


urlpatterns = [
    path("api/plain", plain), path("open/plain", plain), path("api/rest", rest), path("open/login", sign_in),
]
