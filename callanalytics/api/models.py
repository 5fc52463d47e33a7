"""What the API remembers of requests, so that one that is sent twice is done once."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class IdempotentRequest(models.Model):
    """A request that came with an `Idempotency-Key`. What it made is named, not kept: an erased call leaves nothing here."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 over the request.")
    subject = models.CharField(max_length=64, blank=True, help_text="Id of what it made; empty while it is under way.")
    status_code = models.PositiveSmallIntegerField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(name="idempotent_once", fields=("user", "key"))]
        indexes = [models.Index(name="idempotent_age", fields=("created_at",))]

    def __str__(self) -> str:
        return f"{self.key}: {self.subject or 'under way'}"
