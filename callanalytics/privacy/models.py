"""Receipts of what was erased."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from uuid6 import uuid7

from callanalytics.people.models import Team


class Erasure(models.Model):
    """What remains of an erased call: that it was, who erased it and why, and how much there was of what."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    call_public_id = models.UUIDField()
    external_id = models.CharField(max_length=120, blank=True)
    team = models.ForeignKey(Team, null=True, on_delete=models.SET_NULL, related_name="+")
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    reason = models.CharField(max_length=500)
    counts = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-created_at", "-id")

    def __str__(self) -> str:
        return f"{self.call_public_id} erased"
