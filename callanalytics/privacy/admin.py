"""Receipts in the admin, to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin

from callanalytics.calls.admin import ReadOnly
from callanalytics.privacy.models import Erasure

if TYPE_CHECKING:
    ErasureAdminBase = admin.ModelAdmin[Erasure]
else:  # Django's classes take no type arguments at run time
    ErasureAdminBase = admin.ModelAdmin


@admin.register(Erasure)
class ErasureAdmin(ReadOnly, ErasureAdminBase):
    list_display = ("call_public_id", "external_id", "team", "actor", "reason", "created_at")
    list_filter = ("team",)
    list_select_related = ("team", "actor")
    search_fields = ("external_id", "call_public_id", "reason")
