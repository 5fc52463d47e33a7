"""What the board prints: handovers that wait, that somebody has, that are done, and how fast they were claimed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING

from django.db.models import Count
from django.urls import reverse
from django.utils import timezone

from callanalytics.calls.models import Flag
from callanalytics.people.selectors import reviewers_of
from callanalytics.routing import board
from callanalytics.routing.handovers import holder
from callanalytics.routing.models import Handover, HandoverStatus, Outcome, SuppressedReason
from callanalytics.routing.plans import plans_read, steps_of
from dashboard.overview_page import Figure
from dashboard.presenting import CLIP_MARGIN_S, gist
from dashboard.words import plain, rough_duration, waited

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from uuid import UUID

    from django.db.models import QuerySet

    from callanalytics.people.models import Team, User
    from callanalytics.people.selectors import Access
    from callanalytics.routing.board import ClaimTimes
    from callanalytics.routing.models import Suppression
    from callanalytics.routing.plans import Plans
    from dashboard.board_forms import BoardFilterForm

MOST_OPEN, MOST_CLAIMED, MOST_RESOLVED, MOST_HELD = 100, 50, 15, 30
SOON = timedelta(minutes=3)
"""Before a deadline, from which it is shown as urgent."""
RESOLVED_WITHIN = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Due:
    """When it is to be claimed, in words, and how urgent that is: a class of the chip."""

    text: str
    kind: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One handover on the board."""

    id: UUID
    url: str
    quote: str
    rule: str
    severity: str
    call: str
    where: str
    customer: str
    ended: str
    joined: int
    due: Due
    step: str
    for_whom: str
    holder: str
    claimed_after: str
    fallen: bool
    """Its flag was taken back since somebody claimed it."""
    is_mine: bool
    may_end: bool
    may_be_given_to: Sequence[User]
    outcome: str
    note: str
    done: str


@dataclass(frozen=True, slots=True)
class HeldBack:
    url: str
    quote: str
    call: str
    team: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class BoardPage:
    open: list[Entry]
    open_total: int
    claimed: list[Entry]
    resolved: list[Entry]
    figures: tuple[Figure, ...]
    times: list[ClaimTimes]
    held: list[HeldBack]
    held_total: int
    is_new: bool
    """Nothing was ever handed over here."""
    relay_is_behind: bool
    outcomes: list[tuple[str, str]]


def build(user: User, access: Access, form: BoardFilterForm, *, days: int, with_held: bool) -> BoardPage:
    now, plans = timezone.now(), plans_read()
    people: Callable[[Team], list[User]] = cache(lambda team: list(reviewers_of(team)))

    def shown(found: QuerySet[Handover], most: int) -> list[Entry]:
        return [_entry(each, user, access, plans, now, people) for each in found.annotate(joined_count=Count("joined"))[:most]]

    def of(*statuses: str) -> QuerySet[Handover]:
        return board.handover_list(user=user, filters=form.filters(*statuses))

    waiting = of(HandoverStatus.OPEN)
    times = board.claim_times(user=user, days=days, team_id=form.team_id)
    held = board.suppression_list(user=user, team_id=form.team_id)
    resolved = of(HandoverStatus.RESOLVED).filter(resolved_at__gt=now - RESOLVED_WITHIN)
    claimed = of(HandoverStatus.CLAIMED)
    return BoardPage(
        open=shown(board.worst_first(waiting), MOST_OPEN),
        open_total=waiting.count(),
        claimed=shown(claimed.order_by("claimed_at"), MOST_CLAIMED),
        resolved=shown(resolved.order_by("-resolved_at"), MOST_RESOLVED),
        figures=_figures(waiting, claimed, times, days),
        times=times,
        held=[_held(each) for each in held[:MOST_HELD]] if with_held else [],
        held_total=held.count(),
        is_new=not board.handover_list(user=user).exists(),
        relay_is_behind=board.relay_is_behind(),
        outcomes=list(Outcome.choices),
    )


def on_board(user: User, call_id: UUID) -> str:
    """What the board says of a call, in words; empty where it says nothing, and for the call's agent."""
    handover = board.handover_list(user=user).filter(call_id=call_id).first()
    if handover is None or handover.status not in (HandoverStatus.OPEN, HandoverStatus.CLAIMED):
        return ""
    if handover.status == HandoverStatus.OPEN:
        return "Waits on the board"
    return "You have claimed it" if handover.claimed_by_id == user.pk else f"Claimed by {holder(handover)}"


def _figures(waiting: QuerySet[Handover], claimed: QuerySet[Handover], times: list[ClaimTimes], days: int) -> tuple[Figure, ...]:
    overdue = waiting.filter(overdue=True).count()
    late = Figure("Overdue", f"{overdue:,}", "the last step’s time is over" if overdue else "none waits past its last step")
    counts = (
        Figure("Waiting", f"{waiting.count():,}", "for somebody to claim"),
        late,
        Figure("Claimed", f"{claimed.count():,}", "under way"),
    )
    if not times:
        return (*counts, Figure("Time to claim", "–", "measured from the end of the stretch, once something was claimed"))
    every = times[0]
    note = f"median; 9 of 10 within {waited(every.p90_s)}, {every.n:,} claimed in {days} days"
    return (*counts, Figure("Time to claim", waited(every.median_s), note))


def _entry(handover: Handover, user: User, access: Access, plans: Plans, now: datetime, people: Callable[[Team], list[User]]) -> Entry:
    flag, call = handover.flag, handover.call
    is_mine = handover.claimed_by_id == user.pk
    may_assign = handover.status == HandoverStatus.OPEN and access.can_supervise(handover.team_id)
    others = [person for person in people(handover.team) if person != user] if may_assign else []
    return Entry(
        id=handover.id,
        url=_url(flag),
        quote=gist(flag),
        rule=plain(flag.rule, "rule"),
        severity=flag.severity,
        call=str(call),
        where=" · ".join(str(part) for part in (call.agent, call.queue, handover.team) if part),
        customer=call.customer_reference,
        ended=rough_duration((now - handover.segment_ended_at).total_seconds()),
        joined=handover.joined_count,  # type: ignore[attr-defined]  # annotated
        due=_due(handover, now),
        step=_step(handover, plans),
        for_whom="" if handover.person is None else handover.person.get_full_name() or handover.person.username,
        holder="you" if is_mine and not handover.external_reference else holder(handover),
        claimed_after="" if handover.claimed_after_s is None else waited(handover.claimed_after_s),
        fallen=flag.status not in Flag.STANDING,
        is_mine=is_mine,
        may_end=is_mine or access.can_supervise(handover.team_id),
        may_be_given_to=others,
        outcome=str(Outcome(handover.outcome).label) if handover.outcome else "",
        note=handover.note,
        done="" if handover.resolved_at is None else rough_duration((now - handover.resolved_at).total_seconds()),
    )


def _due(handover: Handover, now: datetime) -> Due:
    if handover.claim_by is None:
        return Due("nobody told yet" if handover.status == HandoverStatus.OPEN else "", "")
    left = handover.claim_by - now
    words = rough_duration(abs(left).total_seconds())
    if handover.overdue or left < timedelta(0):
        return Due(f"{words} overdue", "bad")
    return Due(f"{words} left to claim", "warn" if left < SOON else "")


def _step(handover: Handover, plans: Plans) -> str:
    """Where in its chain it is; nothing where the chain has one step."""
    most = len(steps_of(plans.of(handover.team_id)))
    return f"step {handover.step} of {most}" if handover.step and 1 < most >= handover.step else ""


def _held(suppression: Suppression) -> HeldBack:
    return HeldBack(
        url=_url(suppression.flag),
        quote=gist(suppression.flag),
        call=str(suppression.call),
        team=str(suppression.team),
        reason=str(SuppressedReason(suppression.reason).label),
        at=suppression.at,
    )


def _url(flag: Flag) -> str:
    """The call at the flag, with its evidence and its clip."""
    return f"{reverse('call-detail', args=[flag.call_id])}?t={max(0.0, flag.start - CLIP_MARGIN_S):.1f}#flag-{flag.id}"
