"""The numbers of the first page, from the columns kept on each call: no analysis is opened for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import CharField, Count, Q, Sum
from django.db.models.functions import Cast, Left
from django.utils import timezone

from callanalytics.calls.models import Call, CallStatus, EffortSign, Flag, Utterance
from callanalytics.calls.selectors import UNSCORED, judgeable, visible
from callanalytics.people.selectors import access_for

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser
    from django.db.models import QuerySet

    from callanalytics.people.models import User
    from callanalytics.people.selectors import Access

NEWEST = 10


@dataclass(frozen=True, slots=True)
class Day:
    day: date
    calls: int
    """Analysed calls that began on this day (UTC)."""
    flagged: int


@dataclass(frozen=True, slots=True)
class Counted:
    name: str
    count: int


@dataclass(frozen=True, slots=True)
class Frustration:
    """Emotion numbers over the analysed calls that the user may see them of."""

    done: int
    unscored: int
    """Of those, without a single score; they count in `done` and `seconds` all the same."""
    flagged: int
    """Calls with a flag that stands."""
    share: float | None
    """flagged / done; None where nothing is done."""
    seconds: float
    frustrated_s: float
    moments: int
    abstained: int
    trend: list[Day]
    rules: list[Counted]
    """Standing flags by rule."""
    parts: list[Counted]
    """Standing flags by the part that adds the most."""
    effort: list[Counted]
    """Calls by kind of effort."""
    abstentions: list[Counted]
    """Customer utterances without a score, by reason."""
    newest: list[Flag]


@dataclass(frozen=True, slots=True)
class Overview:
    days: int
    calls: int
    by_status: dict[str, int]
    """Every state has a number, 0 included."""
    frustration: Frustration | None
    """None for a user who may see no emotion values."""


def overview(*, user: User | AnonymousUser, days: int = 30) -> Overview:
    """Counts over the calls of the last `days` days that the user may read."""
    access = access_for(user)
    since = timezone.now() - timedelta(days=days)
    counts = Call.objects.filter(visible(access), started_at__gte=since).order_by().values_list("status").annotate(number=Count("id"))
    by_status = dict.fromkeys(CallStatus.values, 0) | dict(counts)
    frustration = _frustration(access, since, days) if access.is_reader else None
    return Overview(days=days, calls=sum(by_status.values()), by_status=by_status, frustration=frustration)


def _frustration(access: Access, since: datetime, days: int) -> Frustration:
    recent = judgeable(access) & Q(started_at__gte=since)
    totals = Call.objects.filter(recent, status=CallStatus.DONE).aggregate(
        done=Count("id"),
        unscored=Count("id", filter=UNSCORED),
        flagged=Count("id", filter=Q(flag_count__gt=0)),
        seconds=Sum("seconds", default=0.0),
        frustrated_s=Sum("frustrated_s", default=0.0),
        moments=Sum("moment_count", default=0),
        abstained=Sum("abstained_count", default=0),
    )
    standing = Flag.objects.filter(recent, status__in=Flag.STANDING)
    return Frustration(
        **totals,
        share=totals["flagged"] / totals["done"] if totals["done"] else None,
        trend=_trend(recent, days),
        rules=_counted(standing, "rule"),
        parts=_counted(standing.exclude(main_part=""), "main_part"),
        effort=_counted(EffortSign.objects.filter(recent), "kind", of="call"),
        abstentions=_counted(Utterance.objects.filter(recent).exclude(abstained=""), "abstained"),
        newest=list(standing.select_related("call__agent", "call__queue", "team").order_by("-started_at", "-id")[:NEWEST]),
    )


def _trend(recent: Q, days: int) -> list[Day]:
    """One entry per day, days without calls included, oldest first."""
    rows = (
        Call.objects.filter(recent, status=CallStatus.DONE)
        .order_by()
        # The text begins with the UTC date in SQLite and PostgreSQL alike; TruncDate calls Python for every row of SQLite (69 of 145 ms).
        .annotate(day=Left(Cast("started_at", CharField()), 10))
        .values("day")
        .annotate(calls=Count("id"), flagged=Count("id", filter=Q(flag_count__gt=0)))
    )
    found = {date.fromisoformat(row["day"]): row for row in rows}
    today = timezone.now().date()
    shown = [today - timedelta(days=back) for back in range(days, -1, -1)]
    return [Day(day, found[day]["calls"], found[day]["flagged"]) if day in found else Day(day, 0, 0) for day in shown]


def _counted(rows: QuerySet[Any], field: str, *, of: str = "id") -> list[Counted]:
    """How many of each, most first."""
    counts = rows.order_by().values_list(field).annotate(number=Count(of, distinct=of != "id"))
    return sorted((Counted(name, number) for name, number in counts), key=lambda item: (-item.count, item.name))
