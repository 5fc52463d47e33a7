"""Finds or makes the teams, agents and queues that an incoming call names."""

from __future__ import annotations

from callanalytics.errors import ApplicationError
from callanalytics.people.models import UNASSIGNED, Agent, Queue, Team


def team_unassigned() -> Team:
    """The team of calls that name none."""
    return Team.objects.get_or_create(name=UNASSIGNED)[0]


def team_named(name: str) -> Team | None:
    """The team of this name, None for an empty one. Raises ApplicationError where there is none: a slip must not make one."""
    if not name.strip():
        return None
    team = Team.objects.filter(name__iexact=name.strip()).first()
    if team is None:
        raise ApplicationError(f"There is no team {name!r}; an owner can add it under /admin/.", field="team")
    return team


def agent_named(code: str, team: Team | None) -> Agent | None:
    """The agent with this code, made in the team where it is new; None for an empty code."""
    if not code.strip():
        return None
    return Agent.objects.get_or_create(code=code.strip()[:60], defaults={"team": team or team_unassigned()})[0]


def queue_named(name: str, team: Team | None) -> Queue | None:
    """The queue of this name, made in the team where it is new; None for an empty name."""
    if not name.strip():
        return None
    return Queue.objects.get_or_create(name=name.strip()[:120], defaults={"team": team})[0]
