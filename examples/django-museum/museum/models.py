"""What the museum keeps."""

from django.conf import settings
from django.db import models


class Collection(models.Model):
    """A collection, with the people who may see and change what is in it."""

    id = models.PositiveIntegerField(primary_key=True)
    name = models.CharField(max_length=200)
    curators = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="collections", blank=True)

    class Meta:
        ordering = ["id"]

    def __str__(self):
        return self.name


class Specimen(models.Model):
    """One catalogued thing."""

    collection = models.ForeignKey(Collection, models.CASCADE, related_name="specimens")
    catalog_number = models.CharField(max_length=50)
    name = models.CharField(max_length=200)
    catalogued_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["collection", "catalog_number"], name="one_number_a_collection")]

    def __str__(self):
        return f"{self.catalog_number} {self.name}"
