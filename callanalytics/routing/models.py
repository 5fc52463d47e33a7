"""Where events go and what became of each on its way there; how flags reach people, and what came of that."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce
from uuid6 import uuid7

from callanalytics.calls.models import Call, Flag
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
    digest_minutes = models.PositiveSmallIntegerField(default=0, help_text="One mail gathers what came within so long; 0 to send at once.")
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

    def due(self, at: datetime) -> datetime:
        """When something that could go at a time is to go: then, or at the end of the digest's window, which is the same for all."""
        window_s = self.digest_minutes * 60
        return datetime.fromtimestamp((at.timestamp() // window_s + 1) * window_s, UTC) if window_s else at


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
            models.Index(name="delivery_failed", fields=("endpoint", "id"), condition=Q(status=DeliveryStatus.FAILED)),
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
        indexes = [models.Index(name="attempt_at", fields=("at",))]

    def __str__(self) -> str:
        return f"{self.delivery_id}: {self.status_code or self.error}"


class SeverityChoice(models.TextChoices):
    """Mildest first."""

    MEDIUM = "medium", "Medium"
    HIGH = "high", "High"


class RoutingPlan(models.Model):
    """Which flags of a team are handed to people, and to whom. The one without a team holds for every team that has none of its own."""

    team = models.ForeignKey(Team, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    enabled = models.BooleanField(default=True)
    severity = models.CharField(max_length=10, choices=SeverityChoice, default=SeverityChoice.MEDIUM, help_text="Least severity.")
    rules = models.JSONField(default=list, blank=True, help_text="Rules whose flags are handed over; empty for all.")
    max_age_hours = models.PositiveIntegerField(default=24, help_text="Flags of calls that were longer ago open nothing.")
    debounce_seconds = models.PositiveIntegerField(default=10, help_text="A flag has to stand unchanged this long.")
    cool_down_minutes = models.PositiveIntegerField(default=60, help_text="After a handover, further calls of that customer open none.")
    quiet_from = models.TimeField(null=True, blank=True)
    quiet_to = models.TimeField(null=True, blank=True)
    quiet_days = models.JSONField(default=list, blank=True, help_text="Days that are quiet as a whole: 0 for Monday to 6.")
    quiet_zone = models.CharField(max_length=60, default="UTC", help_text="Time zone of the quiet hours, as in Europe/Berlin.")
    changed_at = models.DateTimeField(auto_now=True)
    changed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(Coalesce("team", 0), name="plan_once_a_team"),
            models.CheckConstraint(name="plan_severity_known", condition=Q(severity__in=SeverityChoice.values)),
            models.CheckConstraint(
                name="plan_quiet_from_and_to",
                condition=Q(quiet_from__isnull=True, quiet_to__isnull=True) | Q(quiet_from__isnull=False, quiet_to__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"Plan of {self.team or 'every other team'}"


class TargetChoice(models.TextChoices):
    QUEUE = "queue", "The team's board"
    PERSON = "person", "A person"
    ENDPOINT = "endpoint", "Another system"


class EscalationStep(models.Model):
    """Whom a plan tells, one after another, and how long each has to claim. One whose person or system is gone is the board's."""

    plan = models.ForeignKey(RoutingPlan, on_delete=models.CASCADE, related_name="steps")
    number = models.PositiveSmallIntegerField(help_text="From 1.")
    target = models.CharField(max_length=10, choices=TargetChoice, default=TargetChoice.QUEUE)
    person = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    endpoint = models.ForeignKey(Endpoint, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    claim_within_minutes = models.PositiveIntegerField(default=15)

    class Meta:
        ordering = ("plan", "number")
        constraints = [
            models.UniqueConstraint(name="step_once_a_plan", fields=("plan", "number")),
            models.CheckConstraint(name="step_numbered_from_1", condition=Q(number__gte=1)),
            models.CheckConstraint(name="step_gives_time", condition=Q(claim_within_minutes__gte=1)),
            models.CheckConstraint(name="step_target_known", condition=Q(target__in=TargetChoice.values)),
        ]

    def __str__(self) -> str:
        return f"{self.number}: {self.person or self.endpoint or 'the board'}, {self.claim_within_minutes} min"


class HandoverStatus(models.TextChoices):
    WAITING = "waiting", "Not open yet"
    OPEN = "open", "Open"
    CLAIMED = "claimed", "Claimed"
    RESOLVED = "resolved", "Resolved"
    WITHDRAWN = "withdrawn", "Withdrawn"


class Outcome(models.TextChoices):
    CALLED_BACK = "called_back", "Called the customer back"
    SOLVED = "solved", "Solved without a call"
    NOT_REACHED = "not_reached", "Customer not reached"
    HANDED_ON = "handed_on", "Handed on to someone else"
    COACHED = "coached", "Agent coached"
    NO_ACTION = "no_action", "Nothing to be done"
    FALSE_ALARM = "false_alarm", "False alarm"
    OTHER = "other", "Something else, see the note"


class Handover(models.Model):
    """A flag given to a human. A call has one at most, ever, and a customer one at a time: so the same conversation never pages twice."""

    UNDER_WAY: ClassVar[tuple[str, ...]] = (HandoverStatus.WAITING, HandoverStatus.OPEN, HandoverStatus.CLAIMED)

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    flag = models.OneToOneField(Flag, on_delete=models.CASCADE, related_name="handover")
    call = models.OneToOneField(Call, on_delete=models.CASCADE, related_name="handover")
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="+")
    customer_reference = models.CharField(max_length=120, blank=True, help_text="The call's, when it was opened.")
    segment_ended_at = models.DateTimeField(help_text="When the flagged stretch was over: the start of the call and the flag's end.")
    status = models.CharField(max_length=10, choices=HandoverStatus, default=HandoverStatus.WAITING)
    opens_at = models.DateTimeField(help_text="When the flag has stood unchanged for long enough.")
    opened_at = models.DateTimeField(null=True)
    step = models.PositiveSmallIntegerField(default=0, help_text="The plan's step that was reached; 0 before anybody is told.")
    target = models.CharField(max_length=10, choices=TargetChoice, default=TargetChoice.QUEUE)
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", help_text="Whom it is for."
    )
    told = models.JSONField(default=list, help_text="Ids of the endpoints that were addressed; they hear what becomes of it.")
    paged_at = models.DateTimeField(null=True, help_text="When the first step was told; after the quiet hours.")
    claim_by = models.DateTimeField(null=True, help_text="Deadline of this step; null in quiet hours.")
    overdue = models.BooleanField(default=False, help_text="The last step's deadline has passed.")
    claimed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    external_reference = models.CharField(max_length=200, blank=True, help_text="Who claimed it in another system, as that system says.")
    claimed_at = models.DateTimeField(null=True)
    claimed_after_s = models.FloatField(null=True, help_text="Seconds from the end of the stretch to the claim.")
    resolved_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    resolved_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=20, choices=Outcome, blank=True)
    note = models.CharField(max_length=1000, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)
        constraints = [
            models.CheckConstraint(name="handover_status_known", condition=Q(status__in=HandoverStatus.values)),
            models.UniqueConstraint(
                name="handover_one_a_customer",
                fields=("team", "customer_reference"),
                condition=Q(status__in=("waiting", "open", "claimed")) & ~Q(customer_reference=""),
            ),
            models.CheckConstraint(
                name="handover_claimed_at_some_time",
                condition=Q(status__in=("claimed", "resolved"), claimed_at__isnull=False, claimed_after_s__isnull=False)
                | Q(status__in=("waiting", "open", "withdrawn"), claimed_at__isnull=True, claimed_after_s__isnull=True),
            ),
            models.CheckConstraint(
                name="handover_resolved_with_outcome",
                condition=(Q(status="resolved", resolved_at__isnull=False) & ~Q(outcome=""))
                | (~Q(status="resolved") & Q(resolved_at__isnull=True, outcome="")),
            ),
        ]
        indexes = [
            models.Index(name="handover_to_open", fields=("opens_at",), condition=Q(status="waiting")),
            models.Index(name="handover_deadline", fields=("claim_by",), condition=Q(status="open")),
            models.Index(name="handover_under_way", fields=("team", "status"), condition=Q(status__in=("waiting", "open", "claimed"))),
            models.Index(name="handover_of_customer", fields=("team", "customer_reference"), condition=~Q(customer_reference="")),
            models.Index(name="handover_resolved", fields=("team", "-resolved_at"), condition=Q(status="resolved")),
            models.Index(name="handover_claimed", fields=("team", "claimed_at"), condition=Q(claimed_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.flag_id}: {self.status}"


class SuppressedReason(models.TextChoices):
    OFF = "off", "Handovers are switched off in the plan"
    RULE = "rule", "The plan does not hand over flags of this rule"
    MILD = "mild", "Milder than the plan asks for"
    OLD = "old", "The call was too long ago"
    BRIEF = "brief", "Taken back before it had stood long enough"
    JOINED = "joined", "The same conversation has a handover that is under way"
    AGAIN = "again", "The call was handed over before"
    COOL_DOWN = "cool_down", "The customer was handed over shortly before"


class Suppression(models.Model):
    """Why a flag has no handover of its own. Written anew whenever the flag changes."""

    flag = models.OneToOneField(Flag, on_delete=models.CASCADE, related_name="suppression")
    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="suppressions")
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=10, choices=SuppressedReason)
    handover = models.ForeignKey(Handover, null=True, on_delete=models.SET_NULL, related_name="joined", help_text="The one that it joined.")
    at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("-at", "-id")
        constraints = [models.CheckConstraint(name="suppression_reason_known", condition=Q(reason__in=SuppressedReason.values))]
        indexes = [models.Index(name="suppression_newest", fields=("team", "-at"))]

    def __str__(self) -> str:
        return f"{self.flag_id}: {self.reason}"
