"""The JSON API. GET needs the scope read of a token, every change the scope write."""

import functools
import json

from django.core.exceptions import ValidationError
from django.http import HttpResponse, JsonResponse

from .access import collections_of
from .models import Specimen

SAFE = ("GET", "HEAD", "OPTIONS")


def problem(status, detail, **headers):
    """Returns an answer that says what is wrong (RFC 9457)."""
    answer = JsonResponse({"status": status, "detail": detail}, status=status, content_type="application/problem+json")
    for name, value in headers.items():
        answer[name.replace("_", "-")] = value
    return answer


def api(*methods):
    """Lets in who is signed in, for these methods, with the scope that the method needs.

    bearerd may have asked for the same scope already (methods and scope of a route). The
    view asks again, so that a route that is too wide opens nothing.
    """

    def decorate(view):
        @functools.wraps(view)
        def checked(request, *args, **kwargs):
            if request.method not in methods:
                return problem(405, "This method isn't offered here.", Allow=", ".join(methods))
            if not request.user.is_authenticated:
                return problem(401, "Sign in, or send a token.", WWW_Authenticate='Bearer realm="museum"')
            scope = "read" if request.method in SAFE else "write"
            if request.bearerd is not None and not request.bearerd.may(scope):
                challenge = f'Bearer realm="museum", error="insufficient_scope", scope="{scope}"'
                return problem(403, f"The token needs the scope {scope}.", WWW_Authenticate=challenge)
            return view(request, *args, **kwargs)

        return checked

    return decorate


def described(specimen):
    return {
        "id": specimen.pk, "collection": specimen.collection_id, "catalog_number": specimen.catalog_number,
        "name": specimen.name, "catalogued_by": specimen.catalogued_by.get_username(),
    }


@api("GET", "HEAD")
def whoami(request):
    who = request.bearerd
    return JsonResponse({
        "user": request.user.get_username(),
        "by": "session" if who is None else who.token_kind or "assertion",
        "scope": [] if who is None else sorted(who.scope),
        "collections": [c.pk for c in collections_of(request)],
    })


def _reached(request, collection):
    """Returns the collection, or None where the request doesn't reach it."""
    return collections_of(request).filter(pk=collection).first()


@api("GET", "HEAD", "POST")
def specimens(request, collection):
    """Lists the specimens of a collection, or adds one."""
    reached = _reached(request, collection)
    if reached is None:
        return problem(403, f"You have no access to collection {collection}, or the token is for another one.")
    if request.method != "POST":
        return JsonResponse({"items": [described(s) for s in reached.specimens.select_related("catalogued_by")]})
    specimen = Specimen(collection=reached, catalogued_by=request.user)
    return _change(request, specimen, 201)


@api("GET", "HEAD", "PUT", "DELETE")
def specimen(request, pk):
    """Shows, changes or removes one specimen."""
    found = Specimen.objects.filter(pk=pk, collection__in=collections_of(request)).select_related("catalogued_by").first()
    if found is None:
        return problem(404, "No such specimen in a collection of yours.")
    if request.method == "DELETE":
        found.delete()
        return HttpResponse(status=204)
    return _change(request, found, 200) if request.method == "PUT" else JsonResponse(described(found))


def _change(request, specimen, status):
    try:
        sent = json.loads(request.body)
        specimen.catalog_number, specimen.name = sent["catalog_number"], sent["name"]
        specimen.full_clean()
    except (ValueError, KeyError, TypeError):
        return problem(400, "Send JSON with catalog_number and name.")
    except ValidationError as err:
        return problem(400, "; ".join(err.messages))
    specimen.save()
    return JsonResponse(described(specimen), status=status)
