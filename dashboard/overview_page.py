"""What the first page prints: figures, trend, reasons, newest flags, states and what went wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone

from callanalytics.calls.models import CallStatus, Flag
from callanalytics.calls.overview import overview
from callanalytics.calls.selectors import CallFilters, call_list
from callanalytics.review.selectors import coaching_unread_count, misses_estimated, precision_measured
from dashboard import charts
from dashboard.presenting import CLIP_MARGIN_S, gist
from dashboard.words import plain, spoken_duration

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from callanalytics.calls.models import Call
    from callanalytics.calls.overview import Counted, Frustration, Overview
    from callanalytics.people.models import User
    from callanalytics.people.selectors import Access
    from callanalytics.review.selectors import Measured, Misses

PERIODS = (7, 30, 90)
DEFAULT_DAYS = 30
FAILURES = 5
FEW_VERDICTS = 10
"""Below it a measured share says little, and is not printed as large as the others."""


@dataclass(frozen=True, slots=True)
class Figure:
    label: str
    value: str
    note: str
    unit: str = ""
    rests_on_few: bool = False
    url: str = ""
    """Where the calls behind it are listed."""


@dataclass(frozen=True, slots=True)
class Bar:
    code: str
    label: str
    count: int
    share: float


@dataclass(frozen=True, slots=True)
class NewestFlag:
    url: str
    quote: str
    rule: str
    call: str
    where: str
    started_at: datetime
    severity: str
    status: str


@dataclass(frozen=True, slots=True)
class OverviewPage:
    days: int
    periods: tuple[int, ...]
    is_empty: bool
    sees_emotion: bool
    may_upload: bool
    may_judge: bool
    figures: tuple[Figure, ...]
    chart: charts.Figure | None
    trend_summary: str
    reasons: tuple[Bar, ...]
    abstentions: tuple[Bar, ...]
    newest: tuple[NewestFlag, ...]
    states: tuple[Bar, ...]
    failures: tuple[Call, ...]
    miss_text: str


def period(text: str) -> int:
    """The days asked for, or the default where that is none of the periods."""
    return int(text) if text in map(str, PERIODS) else DEFAULT_DAYS


def build(user: User, access: Access, *, days: int) -> OverviewPage:
    found = overview(user=user, days=days)
    frustration = found.frustration
    return OverviewPage(
        days=days,
        periods=PERIODS,
        is_empty=not found.calls and not call_list(user=user).exists(),
        sees_emotion=frustration is not None,
        may_upload=access.is_supervisor,
        may_judge=access.is_reader,
        figures=_figures(user, found),
        chart=None if frustration is None else charts.trend([charts.Day(day.day, day.calls, day.flagged) for day in frustration.trend]),
        trend_summary="" if frustration is None else _trend_summary(frustration, days),
        reasons=() if frustration is None else _bars(frustration.parts, "part"),
        abstentions=() if frustration is None else _bars(frustration.abstentions, "abstained")[:5],
        newest=() if frustration is None else tuple(map(_newest, frustration.newest)),
        states=_states(found),
        failures=tuple(call_list(user=user, filters=CallFilters(status=CallStatus.FAILED))[:FAILURES]),
        miss_text="" if frustration is None else _miss_text(misses_estimated(user=user)),
    )


def _figures(user: User, found: Overview) -> tuple[Figure, ...]:
    done = found.by_status[CallStatus.DONE]
    calls = Figure("Calls", f"{found.calls:,}", f"{done:,} analysed")
    if found.frustration is None:
        return (calls, Figure("Unread notes", str(coaching_unread_count(user=user)), "from people who listened"))
    return (calls, *_frustration_figures(found.frustration, found.days), _precision(precision_measured(user=user)))


def _frustration_figures(found: Frustration, days: int) -> tuple[Figure, ...]:
    share = found.frustrated_s / found.seconds if found.seconds else None
    withheld = found.abstained / found.moments if found.moments else None
    return (
        Figure("Flagged calls", _percent(found.share), f"{found.flagged:,} of {found.done:,} analysed, scored or not"),
        Figure(
            "Frustrated share",
            _percent(share, 1),
            f"{spoken_duration(found.frustrated_s)} of {spoken_duration(found.seconds)} in all analysed calls",
        ),
        Figure(
            "Calls not scored",
            f"{found.unscored:,}",
            f"of {found.done:,} analysed: no customer made out, scoring off, or too little evidence",
            url=f"{reverse('call-list')}?{urlencode({'flagged': 'unscored', 'since': _since(days)})}" if found.unscored else "",
        ),
        Figure("Scores withheld", _percent(withheld), f"{found.abstained:,} of {found.moments:,} customer utterances"),
    )


def _since(days: int) -> str:
    """The first day of the period (UTC), as the list's filter takes it."""
    return (timezone.now() - timedelta(days=days)).date().isoformat()


def _precision(measured: Measured) -> Figure:
    label = "Measured precision"
    if measured.value is None or measured.low is None or measured.high is None:
        return Figure(label, "–", "judge flags to measure it")
    note = f"n = {measured.n}, 95 % interval {measured.low:.0%} to {measured.high:.0%}"
    return Figure(label, _percent(measured.value), note, rests_on_few=measured.n < FEW_VERDICTS)


def _miss_text(misses: Misses) -> str:
    if misses.rate is None or misses.low is None or misses.high is None:
        return "Not measured yet. Judge random unflagged stretches, blind, and the share that the rules miss is estimated here."
    return (
        f"An estimated {misses.rate:.1%} of unflagged customer speech is frustrated (95 % interval {misses.low:.1%} to {misses.high:.1%}), "
        f"from {misses.n} stretch{'' if misses.n == 1 else 'es'} judged blind, each weighted by its chance of being drawn."
    )


def _trend_summary(found: Frustration, days: int) -> str:
    return f"Flagged calls by day over {days} days: {found.flagged} of {found.done} calls in all."


def _bars(counts: Sequence[Counted], table: str) -> tuple[Bar, ...]:
    top = max((entry.count for entry in counts), default=1)
    return tuple(Bar(entry.name, _capital(plain(entry.name, table)), entry.count, entry.count / top) for entry in counts)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _states(found: Overview) -> tuple[Bar, ...]:
    top = max(found.calls, 1)
    return tuple(Bar(state, plain(state, "status"), count, count / top) for state, count in found.by_status.items())


def _newest(flag: Flag) -> NewestFlag:
    call = flag.call
    where = " · ".join(str(part) for part in (call.agent, call.queue) if part)
    return NewestFlag(
        url=f"{reverse('call-detail', args=[call.id])}?t={max(0.0, flag.start - CLIP_MARGIN_S):.1f}#flag-{flag.id}",
        quote=gist(flag),
        rule=plain(flag.rule, "rule"),
        call=str(call),
        where=where,
        started_at=flag.started_at,
        severity=flag.severity,
        status=flag.status,
    )


def _percent(share: float | None, digits: int = 0) -> str:
    return "–" if share is None else f"{share * 100:.{digits}f}\N{NO-BREAK SPACE}%"
