"""Reads handovers for a user: what waits, who has what, how fast it was claimed, and what was held back. Agents find none."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db.models import Case, IntegerField, Q, QuerySet, Value, When
from django.utils import timezone

from callanalytics.calls.selectors import judgeable
from callanalytics.errors import NotFoundError
from callanalytics.events.models import Event
from callanalytics.people.selectors import access_for
from callanalytics.routing.models import Handover, HandoverStatus, SeverityChoice, Suppression

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from django.contrib.auth.models import AnonymousUser

    from callanalytics.people.models import User

RELATED = ("flag", "call__agent", "call__queue", "team", "person", "claimed_by", "resolved_by")
BEHIND = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class HandoverFilters:
    """What the board is narrowed to; the defaults narrow nothing."""

    statuses: tuple[str, ...] = ()
    team_id: int | None = None
    severity: str = ""
    mine: bool = False
    """Those that the user has claimed, and open ones that are for them."""


@dataclass(frozen=True, slots=True)
class ClaimTimes:
    """Seconds from the end of the stretch to the claim: half were faster than the median, nine of ten than p90."""

    team: str
    n: int
    median_s: float
    p90_s: float


def handover_list(*, user: User | AnonymousUser, filters: HandoverFilters = HandoverFilters()) -> QuerySet[Handover]:
    """Handovers of the teams that the user judges, newest first."""
    found = Handover.objects.filter(judgeable(access_for(user))).select_related(*RELATED)
    narrowed = Q(status__in=filters.statuses) if filters.statuses else Q()
    if filters.team_id is not None:
        narrowed &= Q(team_id=filters.team_id)
    if filters.severity:
        narrowed &= Q(flag__severity=filters.severity)
    if filters.mine:
        narrowed &= Q(claimed_by_id=user.pk) | Q(status=HandoverStatus.OPEN, person_id=user.pk)
    return found.filter(narrowed)


def handover_get(*, user: User | AnonymousUser, handover_id: UUID) -> Handover:
    """Raises NotFoundError, for agents too."""
    found = handover_list(user=user).filter(id=handover_id).first()
    if found is None:
        raise NotFoundError("handover")
    return found


def worst_first(handovers: QuerySet[Handover]) -> QuerySet[Handover]:
    """The worst before the milder, and of those the oldest first."""
    worst = [When(flag__severity=severity, then=Value(rank)) for rank, severity in enumerate(SeverityChoice.values, 1)]
    rank = Case(*worst, default=Value(0), output_field=IntegerField())
    return handovers.alias(rank=rank).order_by("-rank", "segment_ended_at", "id")


def open_count(*, user: User | AnonymousUser) -> int:
    return Handover.objects.filter(judgeable(access_for(user)), status=HandoverStatus.OPEN).count()


def suppression_list(*, user: User | AnonymousUser, team_id: int | None = None) -> QuerySet[Suppression]:
    """Flags that were handed to nobody, newest first, and why."""
    found = Suppression.objects.filter(judgeable(access_for(user))).select_related("flag", "call", "team", "handover")
    return found if team_id is None else found.filter(team_id=team_id)


def claim_times(*, user: User | AnonymousUser, days: int, team_id: int | None = None) -> list[ClaimTimes]:
    """Of the handovers claimed in the last days: over all of them first, then by team; empty where there is none."""
    claimed = Handover.objects.filter(judgeable(access_for(user)), claimed_at__gte=timezone.now() - timedelta(days=days))
    if team_id is not None:
        claimed = claimed.filter(team_id=team_id)
    by_team: defaultdict[str, list[float]] = defaultdict(list)
    for team, seconds in claimed.values_list("team__name", "claimed_after_s"):
        by_team[team].append(seconds or 0.0)
    every = [seconds for times in by_team.values() for seconds in times]
    return [_times("", every), *(_times(team, by_team[team]) for team in sorted(by_team))] if every else []


def relay_is_behind() -> bool:
    """Whether events wait for a relay for longer than one that runs would let them: nothing is handed over then."""
    return Event.objects.filter(relayed_at__isnull=True, created_at__lt=timezone.now() - BEHIND).exists()


def _times(team: str, seconds: Sequence[float]) -> ClaimTimes:
    """The 90th percentile by nearest rank, so that it is a time that somebody really waited."""
    ordered = sorted(seconds)
    return ClaimTimes(team, len(ordered), statistics.median(ordered), ordered[math.ceil(0.9 * len(ordered)) - 1])
