"""Finds the teams, agents and queues that an incoming call names, and keeps those that are new once the call is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from callanalytics.errors import ApplicationError
from callanalytics.people.models import UNASSIGNED, Agent, Queue, Team

if TYPE_CHECKING:
    from django.db.models import QuerySet

Named = TypeVar("Named", Team, Agent, Queue)


def team_unassigned() -> Team:
    """The team of calls that name none."""
    return Team.objects.get_or_create(name=UNASSIGNED)[0]


def team_named(name: str) -> Team | None:
    """The team of this name, None for an empty one. Raises ApplicationError where there is none: a slip must not make one."""
    if not name.strip():
        return None
    team = team_known(name, Team.objects.all())
    if team is None:
        raise ApplicationError(f"There is no team {name!r}; an administrator can add it under /admin/.", field="team")
    return team


def agent_and_queue(agent: str, queue: str, team: Team | None) -> tuple[Agent | None, Queue | None]:
    """Both by name, None for an empty one. What is new is not stored yet; it joins the team given, else that of the one that is known."""
    known_agent, known_queue = agent_known(agent), queue_known(queue)
    for known in (known_agent, known_queue):
        team = team or (known.team if known else None)
    if known_agent is None and agent.strip():
        known_agent = Agent(code=agent.strip()[:60], team=team or team_unassigned())
    if known_queue is None and queue.strip():
        known_queue = Queue(name=queue.strip()[:120], team=team)
    return known_agent, known_queue


def agent_kept(agent: Agent) -> Agent:
    """Stored where it is new. Call it inside the transaction that keeps the call, so that a refused call leaves no agent behind."""
    return agent if agent.pk else Agent.objects.get_or_create(code=agent.code, defaults={"team": agent.team})[0]


def queue_kept(queue: Queue) -> Queue:
    """As agent_kept."""
    return queue if queue.pk else Queue.objects.get_or_create(name=queue.name, defaults={"team": queue.team})[0]


def team_known(name: str, teams: QuerySet[Team]) -> Team | None:
    """The one of these teams that has this name, in capitals or not."""
    return _known(teams, "name", name.strip())


def agent_known(code: str) -> Agent | None:
    """The agent with this code, in capitals or not."""
    return _known(Agent.objects.select_related("team"), "code", code.strip())


def queue_known(name: str) -> Queue | None:
    """The queue of this name, in capitals or not: `Billing` must not slip past a switch that is set on `billing`."""
    return _known(Queue.objects.select_related("team"), "name", name.strip())


def _known(rows: QuerySet[Named], field: str, value: str) -> Named | None:
    """The exact one before one that differs in capitals; both may be there."""
    return rows.filter(**{field: value}).first() or rows.filter(**{f"{field}__iexact": value}).first() if value else None
