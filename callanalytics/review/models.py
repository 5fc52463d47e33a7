"""Judgements by people: verdicts on flags and on random unflagged stretches, notes that coach, and what is refitted from verdicts."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from callanalytics.calls.models import AnalysisRun, Call, Flag
from callanalytics.people.models import Agent


class Answer(models.TextChoices):
    CONFIRM = "confirm", "Yes, frustrated"
    REJECT = "reject", "No, not frustrated"
    UNSURE = "unsure", "Can't tell"


class Verdict(models.Model):
    """A person's judgement of one stretch. It names the run it judged; later verdicts do not erase earlier ones."""

    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="verdicts")
    flag = models.ForeignKey(Flag, null=True, on_delete=models.CASCADE, related_name="verdicts")
    run = models.ForeignKey(AnalysisRun, null=True, on_delete=models.SET_NULL, related_name="verdicts")
    start = models.FloatField()
    end = models.FloatField()
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="verdicts")
    answer = models.CharField(max_length=10, choices=Answer)
    reason = models.CharField(max_length=1000, blank=True)
    sampling_probability = models.FloatField(null=True, help_text="Of a random stretch: the chance with which it was drawn.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-created_at", "-id")
        constraints = [
            models.CheckConstraint(name="verdict_in_order", condition=Q(end__gte=F("start"))),
            models.CheckConstraint(
                name="verdict_of_flag_or_sample",
                condition=Q(flag__isnull=False, sampling_probability__isnull=True)
                | Q(flag__isnull=True, sampling_probability__gt=0, sampling_probability__lte=1),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.answer} by {self.reviewer}"


class BlindSample(models.Model):
    """A random unflagged stretch of customer speech, drawn for one reviewer."""

    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="blind_samples")
    run = models.ForeignKey(AnalysisRun, null=True, on_delete=models.SET_NULL, related_name="+")
    start = models.FloatField()
    end = models.FloatField()
    probability = models.FloatField()
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="blind_samples")
    created_at = models.DateTimeField(auto_now_add=True)
    verdict = models.OneToOneField(Verdict, null=True, on_delete=models.SET_NULL, related_name="blind_sample")

    class Meta:
        ordering = ("-created_at", "-id")
        constraints = [
            models.CheckConstraint(name="sample_in_order", condition=Q(end__gt=F("start"))),
            models.CheckConstraint(name="sample_probability_0_1", condition=Q(probability__gt=0, probability__lte=1)),
        ]

    def __str__(self) -> str:
        return f"{self.call_id} {self.start:.1f}-{self.end:.1f} s"


class CoachingNote(models.Model):
    """What a supervisor tells the agent of a call, and whether the agent has read it."""

    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="coaching_notes")
    flag = models.ForeignKey(Flag, null=True, blank=True, on_delete=models.SET_NULL, related_name="coaching_notes")
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="coaching_notes")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="coaching_notes")
    text = models.TextField(max_length=4000)
    created_at = models.DateTimeField(auto_now_add=True)
    read_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-created_at", "-id")

    def __str__(self) -> str:
        return self.text[:60]


class Calibration(models.Model):
    """Prior and weights of the fusion, refitted from verdicts; fields that share a name with analysis.config.FuseConfig replace its values.

    The history is kept. At most one is active; none means that the weights are as configured.
    """

    FUSE_FIELDS: ClassVar[tuple[str, ...]] = (
        "prior",
        "tone_weight",
        "wording_weight",
        "effort_weight",
        "measures_weight",
        "context_weight",
    )

    prior = models.FloatField(help_text="Log-odds that a reviewer would call any customer utterance frustrated.")
    tone_weight = models.FloatField()
    wording_weight = models.FloatField()
    effort_weight = models.FloatField()
    measures_weight = models.FloatField()
    context_weight = models.FloatField()
    stretches = models.PositiveIntegerField(help_text="Judged stretches that it was fitted to.")
    metrics = models.JSONField(default=dict, help_text="What was measured before and after, cross-validated.")
    replaced = models.ForeignKey(
        "self", null=True, on_delete=models.PROTECT, related_name="+", help_text="Active before it; null where the configured weights were."
    )
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    undone_at = models.DateTimeField(null=True)
    active = models.BooleanField(default=True)

    class Meta:
        ordering = ("-id",)
        constraints = [
            models.UniqueConstraint(name="calibration_one_active", fields=("active",), condition=Q(active=True)),
            models.CheckConstraint(name="calibration_active_unless_undone", condition=Q(active=False) | Q(undone_at__isnull=True)),
            models.CheckConstraint(
                name="calibration_weights_not_negative",
                condition=Q(tone_weight__gte=0, wording_weight__gte=0, effort_weight__gte=0, measures_weight__gte=0, context_weight__gte=0),
            ),
        ]

    def __str__(self) -> str:
        return f"verdicts-{self.pk}"
