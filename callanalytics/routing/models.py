"""Where events go, and what became of each on its way there."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from uuid6 import uuid7

from callanalytics.events.models import Event
from callanalytics.people.models import Team


class EndpointKind(models.TextChoices):
    WEBHOOK = "webhook", "Webhook"
    SLACK = "slack", "Slack-compatible webhook"
    PAGERDUTY = "pagerduty", "PagerDuty"
    EMAIL = "email", "E-mail"


class DisabledReason(models.TextChoices):
    GONE = "gone", "It answered 410 Gone"
    FAILING = "failing", "Every delivery failed for days"
    BY_HAND = "by_hand", "Switched off by a person"


class Endpoint(models.Model):
    """Somewhere that events are sent to. `secrets` of a webhook are tried in order of age; the newest signs first."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=10, choices=EndpointKind)
    address = models.CharField(max_length=2000, help_text="A URL, an e-mail address, or a PagerDuty routing key.")
    secrets = models.JSONField(default=list, help_text="Signing secrets with the time until which each signs; null for ever.")
    types = models.JSONField(default=list, help_text="Types of events it gets; empty for all.")
    teams = models.ManyToManyField(Team, blank=True, related_name="+", help_text="Teams whose events it gets; none for all.")
    severity = models.CharField(max_length=10, blank=True, help_text="Least severity of the flags it gets; empty for all.")
    ordered = models.BooleanField(default=False, help_text="Events of one call or flag come one after another, in order.")
    enabled = models.BooleanField(default=True)
    disabled_reason = models.CharField(max_length=10, choices=DisabledReason, blank=True)
    disabled_at = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0, help_text="Failed attempts in a row.")
    failing_since = models.DateTimeField(null=True)
    resting_until = models.DateTimeField(null=True, help_text="Nothing is sent before then: it failed several times in a row.")
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ("name", "id")
        constraints = [
            models.CheckConstraint(name="endpoint_kind_known", condition=Q(kind__in=EndpointKind.values)),
            models.CheckConstraint(
                name="endpoint_disabled_with_reason",
                condition=Q(enabled=True, disabled_reason="") | (Q(enabled=False) & ~Q(disabled_reason="")),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class DeliveryStatus(models.TextChoices):
    WAITING = "waiting", "Waiting"
    SENDING = "sending", "Being sent"
    DELIVERED = "delivered", "Delivered"
    FAILED = "failed", "Failed for good"
    DROPPED = "dropped", "Not sent"


class Delivery(models.Model):
    """One event on its way to one endpoint. The row is its own queue: status, lease, attempts, and when it is due."""

    UNDER_WAY: ClassVar[tuple[str, ...]] = (DeliveryStatus.WAITING, DeliveryStatus.SENDING)

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="deliveries")
    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="deliveries")
    subject = models.CharField(max_length=64, help_text="The event's.")
    status = models.CharField(max_length=10, choices=DeliveryStatus, default=DeliveryStatus.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField()
    lease_token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    delivered_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(name="delivery_once", fields=("endpoint", "event")),
            models.CheckConstraint(name="delivery_status_known", condition=Q(status__in=DeliveryStatus.values)),
            models.CheckConstraint(
                name="delivery_lease_while_sending",
                condition=Q(status=DeliveryStatus.SENDING, lease_token__isnull=False, lease_until__isnull=False)
                | (~Q(status=DeliveryStatus.SENDING) & Q(lease_token__isnull=True, lease_until__isnull=True)),
            ),
        ]
        indexes = [
            models.Index(name="delivery_due", fields=("endpoint", "due_at"), condition=Q(status=DeliveryStatus.WAITING)),
            models.Index(name="delivery_leased", fields=("lease_until",), condition=Q(status=DeliveryStatus.SENDING)),
            models.Index(name="delivery_subject", fields=("endpoint", "subject", "id"), condition=Q(status__in=("waiting", "sending"))),
            models.Index(name="delivery_log", fields=("endpoint", "-id")),
        ]

    def __str__(self) -> str:
        return f"{self.event_id} to {self.endpoint_id}: {self.status}"


class Attempt(models.Model):
    """One try at a delivery: what was sent and what came back, cut to a length and without secrets."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="tries")
    at = models.DateTimeField(auto_now_add=True)
    milliseconds = models.PositiveIntegerField()
    status_code = models.PositiveSmallIntegerField(null=True, help_text="Null where nothing came back.")
    error = models.CharField(max_length=300, blank=True, help_text="Why nothing came back, or what was wrong with what did.")
    request: models.JSONField[Any, Any] = models.JSONField(default=dict)
    response: models.JSONField[Any, Any] = models.JSONField(default=dict)

    class Meta:
        ordering = ("-at", "-id")

    def __str__(self) -> str:
        return f"{self.delivery_id}: {self.status_code or self.error}"
