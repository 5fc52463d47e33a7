"""From a flag to its handover: opened once, joined by what belongs to the same conversation, or held back with the reason."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce, Now

from callanalytics.calls.models import Flag
from callanalytics.routing.models import Handover, HandoverStatus, SeverityChoice, SuppressedReason, Suppression
from callanalytics.routing.paging import handover_tell, handovers_page
from callanalytics.routing.plans import openings_serialize, plans_read

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from callanalytics.calls.models import Call
    from callanalytics.events.models import Event
    from callanalytics.routing.models import RoutingPlan
    from callanalytics.routing.plans import Plans

STANDS = ("flag.raised", "flag.updated")
FALLS = "flag.retracted"
FOLLOWED = (*STANDS, FALLS)
SEVERITIES = SeverityChoice.values


class Held(NamedTuple):
    """Why a flag gets no handover of its own, and the one that it joins."""

    reason: SuppressedReason
    handover: Handover | None = None


def flags_follow(events: Sequence[Event]) -> None:
    """Open, join, hold back or withdraw handovers as events of flags ask for. Call it serialized, as the events are marked relayed.

    It looks at what the flags are by now, not at what the events say: so it may run twice, late, and in any order.
    """
    raised = [flag_id for event in events if event.type in STANDS and (flag_id := _uuid(event.subject))]
    if not raised and not any(event.type == FALLS for event in events):
        return
    plans = plans_read()
    _fallen_settle(plans)
    for flag in _standing(raised):
        _consider(flag, plans)
    handovers_open(plans.now)
    handovers_page(plans)


def handovers_open(at: datetime | None = None) -> int:
    """Open what has stood unchanged for long enough, by now or at a time; how many."""
    due = Handover.objects.filter(status=HandoverStatus.WAITING, opens_at__lte=at or Now(), flag__status__in=Flag.STANDING)
    return due.update(status=HandoverStatus.OPEN, opened_at=Coalesce("opened_at", Now()))


def handovers_settle() -> int:
    """Withdraw, or move to another flag, open handovers whose flag was taken back while two relays were at work; how many."""
    if not _fallen().exists():
        return 0
    with transaction.atomic():
        openings_serialize()
        return _fallen_settle(plans_read())


def call_leave(call: Call) -> None:
    """Let the open handover of a call that is about to be deleted stand on another call's flag that joined it, where there is one.

    Call it serialized.
    """
    handover = Handover.objects.filter(call=call, status__in=(HandoverStatus.WAITING, HandoverStatus.OPEN)).first()
    if handover is not None:
        _moved(handover, [heir for heir in _heirs(handover) if heir.call_id != call.id], plans_read())


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _standing(ids: Sequence[UUID]) -> list[Flag]:
    """Those that stand, the worst first: it is the one that a conversation's handover is to show."""
    found = Flag.objects.filter(id__in=ids, status__in=Flag.STANDING).select_related("call", "team")
    return sorted(found, key=lambda flag: (-_rank(flag.severity), flag.started_at, flag.start))


def _rank(severity: str) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else -1


def _ended_at(flag: Flag) -> datetime:
    """A recording that came in holds nothing that was still to come: where nobody said when the call began, it began before that."""
    return min(flag.started_at + timedelta(seconds=flag.end), flag.call.created_at)


def _consider(flag: Flag, plans: Plans) -> None:
    plan = plans.of(flag.team_id)
    opens_at = plans.now + timedelta(seconds=plan.debounce_seconds)
    own = Handover.objects.filter(call_id=flag.call_id).first()
    if own is not None and own.flag_id == flag.id and own.status != HandoverStatus.WITHDRAWN:
        Handover.objects.filter(id=own.id).exclude(status=HandoverStatus.RESOLVED).update(segment_ended_at=_ended_at(flag))
        Handover.objects.filter(id=own.id, status=HandoverStatus.WAITING).update(opens_at=opens_at)
        return
    held = _held_back(flag, plan, own, plans.now)
    if held is None and not _made(flag, own, opens_at):
        held = Held(SuppressedReason.JOINED, _of_customer(flag).filter(status__in=Handover.UNDER_WAY).first())
    if held is not None:
        Suppression.objects.update_or_create(flag=flag, defaults={"call": flag.call, "team": flag.team, **held._asdict()})


def _made(flag: Flag, own: Handover | None, opens_at: datetime) -> bool:
    """Make the call's handover, or take up again the one that was withdrawn; False where the database holds one of the customer already."""
    facts = {
        "flag": flag,
        "customer_reference": flag.call.customer_reference,
        "segment_ended_at": _ended_at(flag),
        "opens_at": opens_at,
        "status": HandoverStatus.WAITING,
    }
    try:
        with transaction.atomic():
            if own is None:
                Handover.objects.create(call=flag.call, team=flag.team, **facts)
            else:
                Handover.objects.filter(id=own.id, status=HandoverStatus.WITHDRAWN).update(**facts)
            Suppression.objects.filter(flag=flag).delete()
    except IntegrityError:
        return False
    return True


def _held_back(flag: Flag, plan: RoutingPlan, own: Handover | None, now: datetime) -> Held | None:
    """`own` is the handover of the flag's call, if it ever had one."""
    asked = _not_asked_for(flag, plan, now)
    if asked is not None:
        return Held(asked)
    if own is not None and own.status == HandoverStatus.RESOLVED:
        return Held(SuppressedReason.AGAIN, own)
    if own is not None and own.status != HandoverStatus.WITHDRAWN:
        return Held(SuppressedReason.JOINED, own)
    others = _of_customer(flag)
    under_way = others.filter(status__in=Handover.UNDER_WAY).first()
    if under_way is not None:
        return Held(SuppressedReason.JOINED, under_way)
    since = now - timedelta(minutes=plan.cool_down_minutes)
    recent = others.filter(Q(paged_at__gt=since) | Q(claimed_at__gt=since)).first()
    return None if recent is None else Held(SuppressedReason.COOL_DOWN, recent)


def _not_asked_for(flag: Flag, plan: RoutingPlan, now: datetime) -> SuppressedReason | None:
    """Why the plan hands this flag over to nobody, whatever else there is."""
    if not plan.enabled:
        return SuppressedReason.OFF
    if plan.rules and flag.rule not in plan.rules:
        return SuppressedReason.RULE
    if _rank(flag.severity) < _rank(plan.severity):
        return SuppressedReason.MILD
    return SuppressedReason.OLD if now - _ended_at(flag) > timedelta(hours=plan.max_age_hours) else None


def _of_customer(flag: Flag) -> QuerySet[Handover]:
    """Handovers of the customer's other calls in this team; none where nobody says who the customer is."""
    reference = flag.call.customer_reference
    if not reference:
        return Handover.objects.none()
    return Handover.objects.filter(team_id=flag.team_id, customer_reference=reference).exclude(call_id=flag.call_id)


def _fallen() -> QuerySet[Handover]:
    """Handovers that wait for somebody although their flag stands no more. One that somebody has claimed is theirs to end."""
    waiting = Handover.objects.filter(status__in=(HandoverStatus.WAITING, HandoverStatus.OPEN))
    return waiting.exclude(flag__status__in=Flag.STANDING)


def _fallen_settle(plans: Plans) -> int:
    fallen = list(_fallen().select_related("flag"))
    for handover in fallen:
        with transaction.atomic():
            if not _moved(handover, _heirs(handover), plans):
                _withdrawn(handover)
    return len(fallen)


def _moved(handover: Handover, heirs: Sequence[Flag], plans: Plans) -> bool:
    """Let it stand on another flag of the conversation. Who was told of it is not told of another, but that it is another flag now."""
    plan = plans.of(handover.team_id)
    for heir in heirs:
        if _not_asked_for(heir, plan, plans.now) is not None:
            continue
        same = Handover.objects.filter(id=handover.id, status=handover.status, flag_id=handover.flag_id)
        if not same.update(flag=heir, call=heir.call, segment_ended_at=_ended_at(heir)):
            return True
        Suppression.objects.filter(flag=heir).delete()
        if handover.paged_at is not None:
            handover_tell("handover.moved", handover.id, from_flag=str(handover.flag_id))
        return True
    return False


def _heirs(handover: Handover) -> list[Flag]:
    """Standing flags of its call, and those that joined it; none of a call that has a handover of its own."""
    belongs = Q(call_id=handover.call_id) | Q(suppression__handover=handover, suppression__reason=SuppressedReason.JOINED)
    free = Q(call__handover__isnull=True) | Q(call_id=handover.call_id)
    return _standing(list(Flag.objects.filter(belongs & free, status__in=Flag.STANDING).values_list("id", flat=True)))


def _withdrawn(handover: Handover) -> None:
    same = Handover.objects.filter(id=handover.id, status=handover.status, flag_id=handover.flag_id)
    if handover.opened_at is None:
        if same.delete()[0]:
            flag = handover.flag
            brief = {"call_id": flag.call_id, "team_id": flag.team_id, "reason": SuppressedReason.BRIEF, "handover": None}
            Suppression.objects.update_or_create(flag=flag, defaults=brief)
    elif same.update(status=HandoverStatus.WITHDRAWN, claim_by=None, overdue=False) and handover.paged_at is not None:
        handover_tell("handover.withdrawn", handover.id)
