from django.contrib import admin

from .models import Collection, Specimen

admin.site.register(Collection)
admin.site.register(Specimen)
