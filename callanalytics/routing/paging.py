"""Who is told of an open handover and when: the first step once the quiet hours are over, the next when nobody claims in time."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from callanalytics.calls.services import flag_payload
from callanalytics.events.services import event_record
from callanalytics.routing.models import Handover, HandoverStatus
from callanalytics.routing.plans import is_quiet, plans_read, step_next, steps_of

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models import QuerySet

    from callanalytics.people.models import User
    from callanalytics.routing.models import EscalationStep, RoutingPlan
    from callanalytics.routing.plans import Plans

UNTIMED = Q(status=HandoverStatus.OPEN, claim_by__isnull=True)
LATE = Q(status=HandoverStatus.OPEN, overdue=False, claim_by__lte=Now())


def handover_tell(type: str, handover_id: UUID, *, actor: User | None = None, **more: Any) -> None:
    """Write an event about a handover, with its flag as subject. `told` stays inside: which endpoints it is for, whatever they ask for."""
    handover = Handover.objects.select_related("flag__call", "flag__team").get(id=handover_id)
    claim_by = None if handover.claim_by is None else handover.claim_by.isoformat()
    payload = flag_payload(handover.flag) | {"handover": str(handover.id), "claim_by": claim_by, "told": handover.told, **more}
    event_record(type=type, subject=handover.flag_id, team=handover.flag.team, payload=payload, actor=actor)


def handovers_sweep() -> int:
    """Tell whom it is time to tell, by the database's clock; how many handovers changed. Any number of relays may do it at once."""
    if not Handover.objects.filter(UNTIMED | LATE).exists():
        return 0
    plans = plans_read()
    # In quiet hours no time runs: it is given again when they end.
    paused = Handover.objects.filter(LATE).exclude(_awake(plans)).update(claim_by=None)
    return paused + handovers_page(plans) + _late_escalate(plans)


def handovers_page(plans: Plans) -> int:
    """Give open handovers without a deadline one, outside quiet hours; those that nobody was told of yet are told to the first step."""
    changed = 0
    for handover in Handover.objects.filter(UNTIMED & _awake(plans)):
        plan = plans.of(handover.team_id)
        untimed = Handover.objects.filter(UNTIMED, id=handover.id)
        if handover.paged_at is None:
            changed += _advance(untimed.filter(paged_at__isnull=True), handover, steps_of(plan)[0], "handover.opened")
        else:
            changed += untimed.update(claim_by=Now() + _time(_reached(plan, handover)))
    return changed


def _late_escalate(plans: Plans) -> int:
    changed = 0
    for handover in Handover.objects.filter(LATE & _awake(plans)):
        late = Handover.objects.filter(LATE, id=handover.id, step=handover.step)
        following = step_next(plans.of(handover.team_id), handover.step)
        changed += late.update(overdue=True) if following is None else _advance(late, handover, following, "handover.escalated")
    return changed


def _awake(plans: Plans) -> Q:
    """Handovers of teams whose quiet hours do not run."""
    quiet = {team_id: is_quiet(plan, plans.now) for team_id, plan in plans.by_team.items()}
    asleep = Q(team__in=[team_id for team_id, is_so in quiet.items() if is_so])
    return Q(team__in=[team_id for team_id, is_so in quiet.items() if not is_so]) if is_quiet(plans.default, plans.now) else ~asleep


def _advance(still: QuerySet[Handover], handover: Handover, step: EscalationStep, event: str) -> int:
    """Reach a step and tell it, unless another relay or a claim came first; 1 where it is done."""
    to = str(step.endpoint_id) if step.endpoint_id else ""
    told = handover.told if not to or to in handover.told else [*handover.told, to]
    target = step.target if step.person_id or step.endpoint_id else "queue"
    facts = {"step": step.number, "target": target, "person_id": step.person_id, "told": told}
    first = {} if handover.paged_at else {"paged_at": Now()}
    with transaction.atomic():
        if not still.update(**facts, **first, claim_by=Now() + _time(step)):
            return 0
        handover_tell(event, handover.id, step=step.number, target=target, told=[to] if to else [])
    return 1


def _reached(plan: RoutingPlan, handover: Handover) -> EscalationStep:
    """The step that it is at, or the last one where the plan has become shorter."""
    steps = steps_of(plan)
    return next((step for step in steps if step.number >= handover.step), steps[-1])


def _time(step: EscalationStep) -> timedelta:
    return timedelta(minutes=step.claim_within_minutes)
