"""The pages, for people who sign in with Django's own login."""

from django.contrib.auth.decorators import login_required
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from .access import collections_of
from .models import Specimen


def front(request):
    collections = collections_of(request) if request.user.is_authenticated else []
    return render(request, "museum/front.html", {"collections": collections})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def collection(request, pk):
    found = collections_of(request).filter(pk=pk).first()
    if found is None:
        return render(request, "museum/refused.html", status=403)
    if request.method == "POST":
        if request.bearerd is not None and not request.bearerd.may("write"):
            return render(request, "museum/refused.html", status=403)
        number, name = request.POST.get("catalog_number", "")[:50], request.POST.get("name", "")[:200]
        if number and name and not found.specimens.filter(catalog_number=number).exists():
            Specimen.objects.create(collection=found, catalog_number=number, name=name, catalogued_by=request.user)
        return redirect("collection", pk=pk)
    return render(request, "museum/collection.html", {"collection": found})
