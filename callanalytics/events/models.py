"""The outbox: one row per thing that happened, for whoever delivers it later."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from uuid6 import uuid7

from callanalytics.people.models import Team


class Event(models.Model):
    """Written in the transaction of the change it tells of, so that neither exists without the other."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    type = models.CharField(max_length=60)
    subject = models.CharField(max_length=64, help_text="Public id of what it happened to.")
    team = models.ForeignKey(Team, null=True, on_delete=models.SET_NULL, related_name="+")
    payload = models.JSONField(default=dict)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    relayed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("created_at", "id")
        indexes = [
            models.Index(name="event_subject", fields=("subject",)),
            models.Index(name="event_unrelayed", fields=("created_at",), condition=models.Q(relayed_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.subject}"
