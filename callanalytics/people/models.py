"""Who there is: users, teams, agents, queues, and what a user is in a team."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import Q
from django.utils import timezone
from uuid6 import uuid7

if TYPE_CHECKING:
    from callanalytics.people.selectors import Access

UNASSIGNED = "Unassigned"
"""The team of calls that name none."""


class User(AbstractUser):
    """Django's own user, as a model of ours so that it can grow without a rewrite of the tables."""

    access_kept: Access | None = None
    """Rights that were looked up for this object; see selectors.with_access_kept."""


class Team(models.Model):
    name = models.CharField(max_length=120, unique=True)
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="children")

    class Meta:
        ordering = ("name",)
        constraints = [models.CheckConstraint(name="team_not_its_own_parent", condition=~Q(parent=models.F("id")))]

    def __str__(self) -> str:
        return self.name


class Agent(models.Model):
    code = models.CharField(max_length=60, unique=True, help_text="The agent's id in the contact center, as in A17.")
    name = models.CharField(max_length=120, blank=True)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="agents")
    user = models.OneToOneField(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="agent")

    class Meta:
        ordering = ("code",)

    def __str__(self) -> str:
        return f"{self.name} ({self.code})" if self.name else self.code


class ScoringChoice(models.TextChoices):
    """How far calls may be scored; the values are those of analysis.values.ScoringMode, loosest first."""

    FULL = "full", "Full: voice and words"
    WORDS = "words", "Words only"
    MEASURES = "measures", "Measures only, no emotion"
    NONE = "none", "Transcript only"


class Queue(models.Model):
    """A line that calls come in on, with the one switch that stops scoring for it."""

    name = models.CharField(max_length=120, unique=True)
    team = models.ForeignKey(Team, null=True, blank=True, on_delete=models.SET_NULL, related_name="queues")
    scoring = models.CharField(max_length=10, choices=ScoringChoice, default=ScoringChoice.FULL)

    class Meta:
        ordering = ("name",)
        constraints = [models.CheckConstraint(name="queue_scoring_known", condition=Q(scoring__in=ScoringChoice.values))]

    def __str__(self) -> str:
        return self.name


class RoleChoice(models.TextChoices):
    OWNER = "owner"
    SUPERVISOR = "supervisor"
    REVIEWER = "reviewer"


class Membership(models.Model):
    """A user's role: in one team, or everywhere for an owner. Being an agent is having an Agent row instead."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=RoleChoice)
    team = models.ForeignKey(Team, null=True, blank=True, on_delete=models.CASCADE, related_name="memberships")

    class Meta:
        constraints = [
            models.UniqueConstraint(name="membership_once", fields=("user", "role", "team")),
            models.UniqueConstraint(name="membership_owner_once", fields=("user",), condition=Q(role=RoleChoice.OWNER)),
            models.CheckConstraint(
                name="membership_team_unless_owner",
                condition=Q(role=RoleChoice.OWNER, team__isnull=True)
                | Q(role__in=(RoleChoice.SUPERVISOR, RoleChoice.REVIEWER), team__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} as {self.role} of {self.team or 'everything'}"


class ApiKey(models.Model):
    """Opens the API for a program. Its text is shown once; what is kept is a digest, and the role of a user of its own."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=120)
    membership = models.OneToOneField(Membership, on_delete=models.CASCADE, related_name="api_key")
    prefix = models.CharField(max_length=12, unique=True, help_text="The beginning of its text, to tell keys apart.")
    digest = models.CharField(max_length=64, unique=True, help_text="SHA-256 of its text.")
    scopes = models.JSONField(default=list)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-created_at", "-id")

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def state(self) -> str:
        """good, expired or revoked."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= timezone.now() else "good"
