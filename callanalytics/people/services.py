"""Finds or makes the teams, agents and queues that an incoming call names."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from callanalytics.errors import ApplicationError
from callanalytics.people.models import UNASSIGNED, Agent, Queue, Team

if TYPE_CHECKING:
    from django.db.models import QuerySet

Named = TypeVar("Named", Agent, Queue)


def team_unassigned() -> Team:
    """The team of calls that name none."""
    return Team.objects.get_or_create(name=UNASSIGNED)[0]


def team_named(name: str) -> Team | None:
    """The team of this name, None for an empty one. Raises ApplicationError where there is none: a slip must not make one."""
    if not name.strip():
        return None
    team = Team.objects.filter(name__iexact=name.strip()).first()
    if team is None:
        raise ApplicationError(f"There is no team {name!r}; an administrator can add it under /admin/.", field="team")
    return team


def agent_and_queue(agent: str, queue: str, team: Team | None) -> tuple[Agent | None, Queue | None]:
    """Both by name. Where no team is given, the one that is new joins the team of the one that is known."""
    for known in (agent_known(agent), queue_known(queue)):
        team = team or (known.team if known else None)
    return agent_named(agent, team), queue_named(queue, team)


def agent_named(code: str, team: Team | None) -> Agent | None:
    """The agent with this code, made in the team where it is new; None for an empty code."""
    if not code.strip():
        return None
    return agent_known(code) or Agent.objects.get_or_create(code=code.strip()[:60], defaults={"team": team or team_unassigned()})[0]


def queue_named(name: str, team: Team | None) -> Queue | None:
    """The queue of this name, made in the team where it is new; None for an empty name."""
    if not name.strip():
        return None
    return queue_known(name) or Queue.objects.get_or_create(name=name.strip()[:120], defaults={"team": team})[0]


def agent_known(code: str) -> Agent | None:
    """The agent with this code, in capitals or not."""
    return _known(Agent.objects.select_related("team"), "code", code.strip())


def queue_known(name: str) -> Queue | None:
    """The queue of this name, in capitals or not: `Billing` must not slip past a switch that is set on `billing`."""
    return _known(Queue.objects.select_related("team"), "name", name.strip())


def _known(rows: QuerySet[Named], field: str, value: str) -> Named | None:
    """The exact one before one that differs in capitals; both may be there."""
    return rows.filter(**{field: value}).first() or rows.filter(**{f"{field}__iexact": value}).first() if value else None
