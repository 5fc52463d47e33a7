"""Calibrations in the admin, to look at: what makes one or takes it back is the command `recalibrate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin

from callanalytics.calls.admin import ReadOnly
from callanalytics.review.models import Calibration

if TYPE_CHECKING:
    CalibrationAdminBase = admin.ModelAdmin[Calibration]
else:  # Django's classes take no type arguments at run time
    CalibrationAdminBase = admin.ModelAdmin


@admin.register(Calibration)
class CalibrationAdmin(ReadOnly, CalibrationAdminBase):
    list_display = ("__str__", "active", *Calibration.FUSE_FIELDS, "stretches", "made_by", "created_at", "undone_at")
    list_select_related = ("made_by",)
