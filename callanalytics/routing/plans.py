"""The plans by which flags are handed over: which holds for a team, whether its quiet hours run, and how it is changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, available_timezones

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from callanalytics.errors import ApplicationError, NotFoundError
from callanalytics.events.services import event_record
from callanalytics.people.selectors import access_for, reviewers_of, teams_uploadable
from callanalytics.routing.models import Endpoint, EscalationStep, RoutingPlan, TargetChoice

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from django.db.models import QuerySet

    from callanalytics.people.models import Team, User

MOST_STEPS = 6
FIELDS = (
    "enabled",
    "severity",
    "rules",
    "max_age_hours",
    "debounce_seconds",
    "cool_down_minutes",
    "quiet_from",
    "quiet_to",
    "quiet_days",
    "quiet_zone",
)


@dataclass(frozen=True, slots=True)
class Plans:
    """Every plan with its steps, and the database's time at which they were read."""

    default: RoutingPlan
    by_team: Mapping[int, RoutingPlan]
    now: datetime

    def of(self, team_id: int) -> RoutingPlan:
        return self.by_team.get(team_id, self.default)


@dataclass(frozen=True, slots=True)
class NewStep:
    """A step as it is asked for: its person or endpoint by id, for a target that has one."""

    claim_within_minutes: int
    target: str = TargetChoice.QUEUE
    person_id: int | None = None
    endpoint_id: Any = None


def plans_read() -> Plans:
    """The default plan is made where there is none: the board, and nobody outside."""
    if not RoutingPlan.objects.filter(team__isnull=True).exists():
        plan_default_make()
    found = list(RoutingPlan.objects.prefetch_related("steps__person", "steps__endpoint").annotate(now=Now()))
    default = next(plan for plan in found if plan.team_id is None)
    return Plans(default, {plan.team_id: plan for plan in found if plan.team_id is not None}, default.now)


def plan_default_make() -> RoutingPlan:
    with transaction.atomic():
        plan, made = RoutingPlan.objects.get_or_create(team=None)
        if made:
            EscalationStep.objects.create(plan=plan, number=1)
    return plan


def openings_serialize() -> None:
    """Let one relay or erasure at a time decide what is opened, until the end of its transaction. SQLite has one writer anyway.

    Call it first in the transaction: a relay goes on from events to calls, an erasure from its call to the events.
    """
    if not list(RoutingPlan.objects.filter(team__isnull=True).select_for_update()):
        plan_default_make()


def steps_of(plan: RoutingPlan) -> list[EscalationStep]:
    """In order; the board alone where a plan has lost all its steps."""
    return list(plan.steps.all()) or [EscalationStep(plan=plan, number=1)]


def step_next(plan: RoutingPlan, number: int) -> EscalationStep | None:
    """The first step after one; None at the end of the chain."""
    return next((step for step in steps_of(plan) if step.number > number), None)


def is_quiet(plan: RoutingPlan, at: datetime) -> bool:
    """Whether nobody is told of anything now, by the clock of the plan's time zone."""
    local = at.astimezone(ZoneInfo(plan.quiet_zone))
    if local.weekday() in plan.quiet_days:
        return True
    start, end = plan.quiet_from, plan.quiet_to
    if start is None or end is None:
        return False
    now = local.time()
    return start <= now < end if start < end else now >= start or now < end


def plan_list(*, user: User) -> list[tuple[Team | None, RoutingPlan]]:
    """The plan of each team that the user supervises, which may be the default; the default first for an owner."""
    plans = plans_read()
    own: list[tuple[Team | None, RoutingPlan]] = [(None, plans.default)] if access_for(user).is_owner else []
    return [*own, *((team, plans.of(team.id)) for team in teams_uploadable(user))]


def plan_get(*, user: User, team: Team | None) -> RoutingPlan:
    """The plan that holds for a team. Raises NotFoundError where the user does not supervise it; the default is an owner's."""
    access = access_for(user)
    if not (access.is_owner if team is None else access.can_supervise(team.id)):
        raise NotFoundError("plan")
    plans = plans_read()
    return plans.default if team is None else plans.of(team.id)


def endpoints_for(team: Team | None) -> QuerySet[Endpoint]:
    """Endpoints that a plan may address: those of the team and those of none."""
    allowed = Q(teams__isnull=True) if team is None else Q(teams__isnull=True) | Q(teams=team)
    return Endpoint.objects.filter(allowed).distinct()


def plan_save(*, user: User, team: Team | None, values: Mapping[str, Any], steps: Sequence[NewStep]) -> RoutingPlan:
    """Write the plan of a team, or the default. Raises NotFoundError, or ApplicationError `invalid` with the field."""
    plan_get(user=user, team=team)
    _check(team, values, steps)
    with transaction.atomic():
        known = {name: values[name] for name in FIELDS if name in values}
        plan, _ = RoutingPlan.objects.update_or_create(team=team, defaults={**known, "changed_by": user})
        plan.steps.all().delete()
        EscalationStep.objects.bulk_create(
            EscalationStep(
                plan=plan,
                number=number,
                target=step.target,
                person_id=step.person_id,
                endpoint_id=step.endpoint_id,
                claim_within_minutes=step.claim_within_minutes,
            )
            for number, step in enumerate(steps, 1)
        )
        event_record(type="plan.changed", subject=str(plan.id), team=team, payload={"enabled": plan.enabled}, actor=user)
    return plan


def plan_drop(*, user: User, team: Team) -> None:
    """Let the default hold for a team again."""
    plan_get(user=user, team=team)
    with transaction.atomic():
        RoutingPlan.objects.filter(team=team).delete()
        event_record(type="plan.dropped", subject=str(team.id), team=team, actor=user)


def _check(team: Team | None, values: Mapping[str, Any], steps: Sequence[NewStep]) -> None:
    if not 1 <= len(steps) <= MOST_STEPS:
        raise ApplicationError(f"A plan has 1 to {MOST_STEPS} steps; the board alone is one.", field="steps")
    if (values.get("quiet_from") is None) != (values.get("quiet_to") is None):
        raise ApplicationError("Quiet hours have a beginning and an end; leave both empty for none.", field="quiet_to")
    if values.get("quiet_zone", "UTC") not in available_timezones():
        raise ApplicationError("There is no such time zone.", field="quiet_zone")
    for step in steps:
        _check_step(team, step)


def _check_step(team: Team | None, step: NewStep) -> None:
    given = (step.person_id is not None, step.endpoint_id is not None)
    if given != (step.target == TargetChoice.PERSON, step.target == TargetChoice.ENDPOINT):
        raise ApplicationError("A step names whom it is for: the board, one person, or one endpoint.", field="steps")
    if step.person_id is not None and not reviewers_of(team).filter(id=step.person_id).exists():
        raise ApplicationError("This person cannot see the team's calls, and so could not claim.", field="steps")
    if step.endpoint_id is not None and not endpoints_for(team).filter(id=step.endpoint_id).exists():
        raise ApplicationError("There is no such endpoint for this team.", field="steps")
