"""Reads judgements: what is measured and refitted from them, and the notes and samples a user may see."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from math import sqrt
from typing import TYPE_CHECKING

from django.db.models import Max, Q, QuerySet
from django.utils import timezone

from callanalytics.calls.models import Flag
from callanalytics.calls.selectors import judgeable
from callanalytics.errors import NotFoundError
from callanalytics.people.selectors import access_for
from callanalytics.review.models import Answer, BlindSample, Calibration, CoachingNote, Verdict

if TYPE_CHECKING:
    from uuid import UUID

    from django.contrib.auth.models import AnonymousUser

    from analysis.config import Config, FuseConfig
    from callanalytics.people.models import User

Z_95 = 1.959964
"""Standard normal quantile of a two-sided 95 % interval."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Precision from verdicts on flags: confirmed / (confirmed + rejected), with its Wilson 95 % interval; None without a clear verdict."""

    n: int
    """Flags with a clear latest verdict."""
    confirmed: int
    rejected: int
    unsure: int
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Misses:
    """How often random unflagged stretches turn out frustrated, each weighted by 1 / its chance; None without a clear verdict."""

    n: int
    """Stretches with a clear verdict."""
    missed: int
    unsure: int
    rate: float | None
    low: float | None
    high: float | None


def precision_measured(*, user: User | AnonymousUser, days: int | None = None) -> Measured:
    """Over flags for frustration in calls the user may judge, by each flag's latest verdict; of the last `days` days where given."""
    latest = (
        _judged(user, days)
        .filter(flag__isnull=False)
        .exclude(flag__rule=Flag.EFFORT)
        .values("flag_id")
        .annotate(latest=Max("id"))
        .values("latest")
    )
    answers = list(Verdict.objects.filter(id__in=latest).order_by().values_list("answer", flat=True))
    confirmed, rejected = answers.count(Answer.CONFIRM), answers.count(Answer.REJECT)
    n = confirmed + rejected
    low, high = wilson(confirmed, n)
    return Measured(n, confirmed, rejected, answers.count(Answer.UNSURE), confirmed / n if n else None, low, high)


def misses_estimated(*, user: User | AnonymousUser, days: int | None = None) -> Misses:
    """The share of unflagged customer speech that a reviewer calls frustrated, from blind samples.

    A Hajek estimate: sum(missed / p) / sum(1 / p). The interval is Wilson's over Kish's effective number of samples,
    (sum w)^2 / sum w^2 (Kish, Survey Sampling, 1965), since unequal weights tell less than their count.
    """
    sampled = _judged(user, days).filter(flag__isnull=True, sampling_probability__isnull=False)
    rows = [(answer, 1.0 / probability) for answer, probability in sampled.values_list("answer", "sampling_probability") if probability]
    clear = [(answer == Answer.CONFIRM, weight) for answer, weight in rows if answer != Answer.UNSURE]
    total = sum(weight for _, weight in clear)
    missed = sum(1 for hit, _ in clear if hit)
    if not total:
        return Misses(0, 0, len(rows), None, None, None)
    rate = sum(weight for hit, weight in clear if hit) / total
    effective = total**2 / sum(weight**2 for _, weight in clear)
    low, high = wilson(rate * effective, effective)
    return Misses(len(clear), missed, len(rows) - len(clear), rate, low, high)


def wilson(hits: float, n: float) -> tuple[float | None, float | None]:
    """Wilson's 95 % score interval of a share (Wilson, JASA 22, 1927); None, None for n = 0."""
    if not n:
        return None, None
    share, z2 = hits / n, Z_95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 / (1 + z2 / n) * sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def verdicts_of(*, user: User | AnonymousUser, call_id: UUID) -> QuerySet[Verdict]:
    """Judgements of one call, newest first; none for who may not judge it."""
    return _judged(user, None).filter(call_id=call_id).select_related("reviewer", "flag").order_by("-created_at", "-id")


def coaching_notes(*, user: User | AnonymousUser, call_id: UUID | None = None) -> QuerySet[CoachingNote]:
    """Notes addressed to the user, and those on calls of teams that they supervise; newest first, of one call where given."""
    access = access_for(user)
    found = CoachingNote.objects.select_related("call", "flag", "agent", "author")
    if call_id is not None:
        found = found.filter(call_id=call_id)
    if access.is_owner:
        return found
    own = Q(agent_id=access.agent_id) if access.agent_id is not None else Q(pk__in=[])
    return found.filter(Q(call__team_id__in=access.supervised_team_ids) | own)


def coaching_unread_count(*, user: User | AnonymousUser) -> int:
    """Notes addressed to the user that they have not read."""
    access = access_for(user)
    return CoachingNote.objects.filter(agent_id=access.agent_id, read_at=None).count() if access.agent_id is not None else 0


def blind_sample_get(*, user: User | AnonymousUser, sample_id: int) -> BlindSample:
    """A stretch drawn for this user, of a call that they may judge still. Raises NotFoundError."""
    mine = BlindSample.objects.filter(judgeable(access_for(user), "call__"), id=sample_id, reviewer_id=user.pk)
    found = mine.select_related("call", "run", "verdict").first()
    if found is None:
        raise NotFoundError("random stretch")
    return found


def calibration_active() -> Calibration | None:
    """What new analyses are made with; None for the weights as configured."""
    return Calibration.objects.filter(active=True).first()


def fuse_calibrated(fuse: FuseConfig, calibration: Calibration | None) -> FuseConfig:
    """The configured fusion with what a calibration refitted, named after it. A voice alone gets no higher from the refitted prior."""
    if calibration is None:
        return fuse
    fitted = {name: getattr(calibration, name) for name in Calibration.FUSE_FIELDS}
    voice_limit = max(0.0, round(fuse.voice_limit + fuse.prior - calibration.prior, 4))
    return replace(fuse, calibration=str(calibration), voice_limit=voice_limit, **fitted)


def config_calibrated(config: Config) -> Config:
    """The configuration that an analysis which begins now is made with."""
    return replace(config, fuse=fuse_calibrated(config.fuse, calibration_active()))


def _judged(user: User | AnonymousUser, days: int | None) -> QuerySet[Verdict]:
    found = Verdict.objects.filter(judgeable(access_for(user), "call__")).order_by()
    return found if days is None else found.filter(created_at__gte=timezone.now() - timedelta(days=days))
