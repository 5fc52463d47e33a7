"""A call, its recording, its analyses, and the rows that pages and the API read.

Text that is not known is "" (as Django has it), numbers and links that are not known are null.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from uuid6 import uuid7

from callanalytics.people.models import Agent, Queue, ScoringChoice, Team, User


class Recording(models.Model):
    """Stored audio: calls of one team with the same bytes share it. Nothing is matched across teams."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="recordings")
    sha256 = models.CharField(max_length=64)
    size = models.BigIntegerField(help_text="Bytes.")
    file = models.CharField(max_length=200, help_text="Path below MEDIA_ROOT.")
    original_name = models.CharField(max_length=255, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(name="recording_once_a_team", fields=("team", "sha256"))]

    def __str__(self) -> str:
        return f"{self.original_name} ({self.sha256[:12]})"


class CallStatus(models.TextChoices):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Notice(models.TextChoices):
    """Whether the caller was told that the call is analysed (EU AI Act Art. 50(3))."""

    UNKNOWN = "unknown", "Not known"
    GIVEN = "given", "Given"
    NOT_GIVEN = "not_given", "Not given"


class Direction(models.TextChoices):
    UNKNOWN = "", "Not known"
    INBOUND = "inbound", "Inbound"
    OUTBOUND = "outbound", "Outbound"


class Call(models.Model):
    """A conversation. Its row is the queue of record: state, lease, attempts and reason."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="calls")
    external_id = models.CharField(max_length=120, blank=True, help_text="The call's id in the contact center; unique in its team.")
    recording = models.ForeignKey(
        Recording, null=True, on_delete=models.PROTECT, related_name="calls", help_text="Null until it is fetched from where it lies."
    )
    source_url = models.TextField(
        blank=True, help_text="Where the recording is to be fetched from; empty once it is. It may hold a signature: shown to nobody."
    )
    source = models.CharField(max_length=500, blank=True, help_text="The same without what may be secret, for people to read.")
    source_digest = models.CharField(
        max_length=64, blank=True, help_text="Of the address without its signature: the same one again is the same call."
    )
    agent = models.ForeignKey(Agent, null=True, blank=True, on_delete=models.SET_NULL, related_name="calls")
    queue = models.ForeignKey(Queue, null=True, blank=True, on_delete=models.SET_NULL, related_name="calls")
    direction = models.CharField(max_length=10, choices=Direction, default=Direction.UNKNOWN, blank=True)
    started_at = models.DateTimeField(default=timezone.now)
    created_at = models.DateTimeField(auto_now_add=True)
    file_name = models.CharField(max_length=255)
    channels = models.JSONField(default=list, blank=True, help_text="Who is on which channel, in order; empty where nobody said.")
    voices = models.JSONField(default=list, blank=True, help_text="Who each voice is, by a person's correction; empty where there is none.")
    language = models.CharField(max_length=16, blank=True, help_text="As given or as heard.")
    language_given = models.CharField(
        max_length=16, blank=True, help_text="Told by who handed the call in; empty lets the analysis hear it."
    )
    notice = models.CharField(max_length=10, choices=Notice, default=Notice.UNKNOWN)
    objected = models.BooleanField(default=False, help_text="The caller objected: transcribed and measured, never scored for emotion.")
    scoring = models.CharField(
        max_length=10, choices=ScoringChoice, blank=True, help_text="Stricter than the queue's; empty for none of its own."
    )
    customer_reference = models.CharField(max_length=120, blank=True)
    tags = models.JSONField(default=list, blank=True)

    status = models.CharField(max_length=10, choices=CallStatus, default=CallStatus.QUEUED)
    step = models.CharField(max_length=20, blank=True)
    percent = models.PositiveSmallIntegerField(default=0)
    reason = models.CharField(max_length=500, blank=True, help_text="Why it failed, or why it is tried again, in plain words.")
    permanent = models.BooleanField(default=False, help_text="It failed for a reason that another attempt alone does not change.")
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_token = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    next_attempt_at = models.DateTimeField(null=True, blank=True, help_text="Not tried before then.")
    nudged_at = models.DateTimeField(null=True, blank=True, help_text="When a worker was last told of it.")

    seconds = models.FloatField(null=True, blank=True)
    frustrated_s = models.FloatField(default=0)
    peak_frustration = models.FloatField(null=True, blank=True)
    flag_count = models.PositiveIntegerField(default=0, help_text="Flags that stand: neither retracted nor rejected.")
    moment_count = models.PositiveIntegerField(default=0, help_text="Customer utterances.")
    abstained_count = models.PositiveIntegerField(default=0, help_text="Customer utterances whose score is withheld.")

    class Meta:
        ordering = ("-started_at", "-id")
        constraints = [
            models.UniqueConstraint(name="call_once_a_team", fields=("team", "external_id"), condition=~Q(external_id="")),
            models.CheckConstraint(name="call_status_known", condition=Q(status__in=CallStatus.values)),
            models.CheckConstraint(name="call_percent_0_100", condition=Q(percent__lte=100)),
            models.CheckConstraint(name="call_recorded_or_to_fetch", condition=Q(recording__isnull=False) | ~Q(source_url="")),
            models.CheckConstraint(
                name="call_lease_while_running",
                condition=Q(status=CallStatus.RUNNING, lease_token__isnull=False, lease_until__isnull=False)
                | (~Q(status=CallStatus.RUNNING) & Q(lease_token__isnull=True, lease_until__isnull=True)),
            ),
        ]
        indexes = [
            models.Index(name="call_newest", fields=("-started_at", "-id")),
            models.Index(name="call_team_newest", fields=("team", "-started_at", "-id")),
            models.Index(name="call_agent_newest", fields=("agent", "-started_at", "-id")),
            models.Index(name="call_waiting", fields=("next_attempt_at", "nudged_at"), condition=Q(status=CallStatus.QUEUED)),
            models.Index(name="call_source", fields=("team", "source_digest"), condition=~Q(source_digest="")),
            models.Index(name="call_leased", fields=("lease_until",), condition=Q(status=CallStatus.RUNNING)),
        ]

    def __str__(self) -> str:
        return self.external_id or self.file_name

    @property
    def told(self) -> dict[str, object]:
        """How events name the call."""
        return {"call": str(self.id), "external_id": self.external_id}


class Upload(models.Model):
    """A recording that arrives in parts (tus). What it holds of a call becomes one once its last byte is there."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    length = models.BigIntegerField(help_text="Bytes of the whole recording.")
    offset = models.BigIntegerField(default=0, help_text="Bytes that are safely on the disk; what lies behind them is written again.")
    fields = models.JSONField(default=dict, help_text="What is known of the call, as the API takes it; empty once there is one.")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    call = models.ForeignKey(Call, null=True, on_delete=models.CASCADE, related_name="uploads")

    class Meta:
        constraints = [
            models.CheckConstraint(name="upload_offset_within", condition=Q(offset__gte=0, offset__lte=F("length"))),
            models.CheckConstraint(name="upload_whole_with_call", condition=Q(call__isnull=True) | Q(offset=F("length"))),
        ]
        indexes = [models.Index(name="upload_expires", fields=("expires_at",))]

    def __str__(self) -> str:
        return f"{self.id}: {self.offset} of {self.length}"


class WatchedFile(models.Model):
    """What came of a file of a watched place, so that none is handed in twice; no name of it is kept, and it outlives the call."""

    key = models.CharField(primary_key=True, max_length=64, help_text="SHA-256 of where it lies.")
    version = models.CharField(max_length=200, help_text="Its size and time, or its tag, and those of what lies beside it.")
    refused = models.BooleanField(default=False, help_text="It was not taken; why is in the log alone, since a reason may tell of a call.")
    call = models.ForeignKey(Call, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return "refused" if self.refused else str(self.call_id)


class AnalysisRun(models.Model):
    """One analysis of a call: what made it and where its whole document lies. One of a call's runs is current."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="runs")
    attempt = models.PositiveSmallIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)
    engines = models.JSONField(default=dict)
    config_digest = models.CharField(max_length=80)
    code_version = models.CharField(max_length=40)
    schema = models.CharField(max_length=60)
    scoring = models.CharField(max_length=10, choices=ScoringChoice)
    document = models.CharField(max_length=200, blank=True, help_text="Path of the gzipped JSON below MEDIA_ROOT; empty once withdrawn.")
    summary = models.JSONField(
        default=dict,
        help_text="The document without what it says of single utterances, for pages to read fast; empty once withdrawn.",
    )
    current = models.BooleanField(default=True)

    class Meta:
        ordering = ("-created_at", "-id")
        constraints = [models.UniqueConstraint(name="run_one_current_a_call", fields=("call",), condition=Q(current=True))]

    def __str__(self) -> str:
        return f"{self.call_id} #{self.attempt}"


class CleanerCopy(models.Model):
    """A copy of a call's recording with its noise taken out, for listening only. Its row is its queue, as a call's is."""

    call = models.OneToOneField(Call, primary_key=True, on_delete=models.CASCADE, related_name="cleaner_copy")
    created_at = models.DateTimeField(auto_now_add=True)
    status = models.CharField(max_length=10, choices=CallStatus, default=CallStatus.QUEUED)
    percent = models.PositiveSmallIntegerField(default=0)
    reason = models.CharField(max_length=500, blank=True, help_text="Why none could be made, in plain words.")
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_token = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    nudged_at = models.DateTimeField(null=True, blank=True, help_text="When a worker was last told of it.")

    class Meta:
        verbose_name_plural = "cleaner copies"
        constraints = [
            models.CheckConstraint(name="cleaner_status_known", condition=Q(status__in=CallStatus.values)),
            models.CheckConstraint(
                name="cleaner_lease_while_running",
                condition=Q(status=CallStatus.RUNNING, lease_token__isnull=False, lease_until__isnull=False)
                | (~Q(status=CallStatus.RUNNING) & Q(lease_token__isnull=True, lease_until__isnull=True)),
            ),
        ]
        indexes = [
            models.Index(name="cleaner_under_way", fields=("status",), condition=Q(status__in=(CallStatus.QUEUED, CallStatus.RUNNING))),
        ]

    def __str__(self) -> str:
        return f"{self.call_id}: {self.status}"


class PartyChoice(models.TextChoices):
    AGENT = "agent"
    CUSTOMER = "customer"
    UNKNOWN = "unknown"


class Utterance(models.Model):
    """One party's stretch of speech in the current run. `number` is its id in the document."""

    EMOTION_FIELDS: ClassVar[tuple[str, ...]] = ("tone", "wording", "frustration", "contributions", "disagreement")

    run = models.ForeignKey(AnalysisRun, on_delete=models.CASCADE, related_name="utterances")
    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="utterances")
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="+")
    started_at = models.DateTimeField(help_text="Of the call, for lists over many calls.")
    number = models.PositiveIntegerField()
    voice = models.PositiveSmallIntegerField()
    party = models.CharField(max_length=10, choices=PartyChoice)
    start = models.FloatField()
    end = models.FloatField()
    text = models.TextField()
    language = models.CharField(max_length=16, blank=True)
    asr_confidence = models.FloatField()
    words = models.JSONField(default=list)
    measures = models.JSONField(null=True)
    tone = models.JSONField(null=True)
    tone_abstained = models.CharField(max_length=30, blank=True)
    wording = models.JSONField(null=True)
    frustration = models.FloatField(null=True)
    abstained = models.CharField(max_length=30, blank=True, help_text="Why there is no frustration score; empty where there is one.")
    contributions = models.JSONField(null=True)
    disagreement = models.FloatField(null=True)

    class Meta:
        ordering = ("call", "number")
        constraints = [
            models.UniqueConstraint(name="utterance_once_a_run", fields=("run", "number")),
            models.CheckConstraint(name="utterance_in_order", condition=Q(end__gte=F("start"))),
            models.CheckConstraint(
                name="utterance_emotion_of_customer_only",
                condition=Q(party=PartyChoice.CUSTOMER)
                | Q(tone__isnull=True, frustration__isnull=True, contributions__isnull=True, disagreement__isnull=True),
            ),
        ]
        indexes = [
            models.Index(name="utterance_abstained", fields=("team", "started_at", "abstained"), condition=~Q(abstained="")),
            # Whole in the index, so that looking for calls in which voice and words disagree opens no utterance.
            models.Index(name="utterance_disagreement", fields=("call", "disagreement")),
        ]

    def __str__(self) -> str:
        return f"{self.party}: {self.text[:60]}"


class FrustrationSegment(models.Model):
    run = models.ForeignKey(AnalysisRun, on_delete=models.CASCADE, related_name="segments")
    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="segments")
    start = models.FloatField()
    end = models.FloatField()
    peak = models.FloatField()
    mean = models.FloatField()
    utterances = models.JSONField(default=list, help_text="Numbers of its utterances.")

    class Meta:
        ordering = ("call", "start")

    def __str__(self) -> str:
        return f"{self.start:.1f}-{self.end:.1f} s, peak {self.peak:.2f}"


class EffortSign(models.Model):
    """One sign that the customer has to work, in the current run."""

    run = models.ForeignKey(AnalysisRun, on_delete=models.CASCADE, related_name="effort")
    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="effort")
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="+")
    started_at = models.DateTimeField(help_text="Of the call.")
    kind = models.CharField(max_length=30)
    at = models.FloatField()
    quote = models.TextField(blank=True)
    utterance = models.PositiveIntegerField(null=True)

    class Meta:
        ordering = ("call", "at")
        indexes = [models.Index(name="effort_kinds", fields=("team", "started_at", "kind"))]

    def __str__(self) -> str:
        return f"{self.kind} at {self.at:.1f} s"


class FlagStatus(models.TextChoices):
    OPEN = "open", "Open"
    CONFIRMED = "confirmed", "Confirmed"
    REJECTED = "rejected", "Rejected"
    UNSURE = "unsure", "Can't tell"
    RETRACTED = "retracted", "Retracted"


class Flag(models.Model):
    """Something in a call that someone should look at, with its evidence. Kept through re-analysis, with its verdicts."""

    STANDING: ClassVar[tuple[str, ...]] = (FlagStatus.OPEN, FlagStatus.CONFIRMED, FlagStatus.UNSURE)
    EFFORT: ClassVar[str] = "high_effort"
    """The rule that stands on signs of effort, not on a score: it may cover half a call, asks another question, and counts apart."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="flags")
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="+")
    started_at = models.DateTimeField(help_text="Of the call, for lists over many calls.")
    run = models.ForeignKey(AnalysisRun, on_delete=models.CASCADE, related_name="flags")
    segment = models.ForeignKey(FrustrationSegment, null=True, on_delete=models.SET_NULL, related_name="flags")
    rule = models.CharField(max_length=60)
    severity = models.CharField(max_length=10)
    start = models.FloatField()
    end = models.FloatField()
    evidence = models.JSONField(default=dict)
    peak = models.FloatField(null=True, help_text="Highest P(frustrated) in it; null for rules without emotion.")
    main_part = models.CharField(max_length=20, blank=True, help_text="The part that adds the most log-odds: tone, wording, effort ...")
    status = models.CharField(max_length=10, choices=FlagStatus, default=FlagStatus.OPEN)
    retracted_from = models.CharField(
        max_length=10, choices=FlagStatus, blank=True, help_text="What it was before, should it be found again."
    )
    retracted_reason = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("call", "start")
        constraints = [
            models.CheckConstraint(name="flag_in_order", condition=Q(end__gte=F("start"))),
            models.CheckConstraint(
                name="flag_retracted_with_reason",
                condition=(Q(status=FlagStatus.RETRACTED) & ~Q(retracted_reason=""))
                | (~Q(status=FlagStatus.RETRACTED) & Q(retracted_reason="")),
            ),
        ]
        indexes = [
            models.Index(name="flag_newest", fields=("-started_at", "-id")),
            models.Index(name="flag_team_newest", fields=("team", "-started_at", "-id")),
            models.Index(name="flag_open", fields=("team", "-started_at"), condition=Q(status=FlagStatus.OPEN)),
        ]

    def __str__(self) -> str:
        return f"{self.rule} {self.start:.1f}-{self.end:.1f} s"
