"""Which collections a request reaches: a rule of the museum, which bearerd can't know."""

from .models import Collection


def collections_of(request):
    """Returns the collections that the request's user curates (a superuser: all), and of a
    request with a token for one collection that one at most."""
    user = request.user
    found = Collection.objects.all() if user.is_superuser else Collection.objects.filter(curators=user)
    who = request.bearerd
    if who is not None and who.collection is not None:
        found = found.filter(pk=who.collection)
    return found
