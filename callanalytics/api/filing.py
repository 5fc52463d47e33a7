"""From the fields of a request to a call: whom it names, who may add it, and what a list is narrowed to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from callanalytics.calls.ingest import NewCall
from callanalytics.calls.selectors import CallFilters, FlagFilters
from callanalytics.errors import ApplicationError
from callanalytics.people import selectors, services
from callanalytics.people.models import Team
from callanalytics.routing.board import HandoverFilters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.db.models import Model, QuerySet

    from callanalytics.people.models import User
    from callanalytics.people.selectors import Access

ELSEWHERE = frozenset({"file", "url", "filename", "team", "agent", "queue"})
"""Fields of a request that are not fields of a new call as they stand."""


def new_call(fields: Mapping[str, Any], *, user: User | None, file_name: str = "") -> NewCall:
    """What was sent, as the service takes it; `user` is None for the operator's command line.

    Raises ApplicationError where the user adds no calls, or names no team of theirs.
    """
    team = services.team_named(fields.get("team", "")) if user is None else _team(fields, user)
    agent, queue = services.agent_and_queue(fields.get("agent", ""), fields.get("queue", ""), team)
    known = {name: value for name, value in fields.items() if name not in ELSEWHERE}
    return NewCall(file_name=file_name, team=team, agent=agent, queue=queue, **known)


def call_filters(fields: Mapping[str, Any], *, user: User) -> CallFilters:
    """Raises ApplicationError where a filter names nothing that the user can see."""
    return CallFilters(
        status=fields.get("status", ""),
        team_id=_named(selectors.teams_readable(user), fields, "team", by="name"),
        queue_id=_named(selectors.queues_visible(user), fields, "queue", by="name"),
        agent_id=_named(selectors.agents_visible(user), fields, "agent", by="code"),
        flagged=fields["flagged"],
        text=fields.get("text", ""),
        since=fields.get("since"),
        until=fields.get("until"),
    )


def flag_filters(fields: Mapping[str, Any], *, user: User) -> FlagFilters:
    """As call_filters."""
    given = {name: fields[name] for name in ("status", "severity", "rule", "since", "until") if name in fields}
    return FlagFilters(team_id=_named(selectors.teams_readable(user), fields, "team", by="name"), **given)


def handover_filters(fields: Mapping[str, Any], *, user: User) -> HandoverFilters:
    """As call_filters."""
    return HandoverFilters(
        statuses=(fields["status"],) if "status" in fields else (),
        team_id=_named(selectors.teams_readable(user), fields, "team", by="name"),
        severity=fields.get("severity", ""),
        mine=fields["mine"],
    )


def _named(visible: QuerySet[Any], fields: Mapping[str, Any], name: str, *, by: str) -> int | None:
    if name not in fields:
        return None
    found: Model | None = visible.filter(**{f"{by}__iexact": fields[name]}).first()
    if found is None:
        raise ApplicationError(f"There is no {name} {fields[name]!r} that you can see.", field=name)
    return int(found.pk)


def adder_required(user: User) -> Access:
    """The rights of a user who may add calls. Raises ApplicationError `forbidden` for another."""
    access = selectors.access_for(user)
    if not access.is_supervisor:
        raise ApplicationError("Only supervisors may add calls.", code="forbidden")
    return access


def _team(fields: Mapping[str, Any], user: User) -> Team:
    """The team named, else that of the known agent, else of the known queue, else the only one the user has, else `Unassigned`."""
    access = adder_required(user)
    team = _team_named(fields, user) or _team_implied(fields) or _team_only(access.supervised_team_ids)
    if team is None and not access.is_owner:
        raise ApplicationError("You supervise several teams; name the one that the call belongs to.", field="team")
    return team or services.team_unassigned()


def _team_named(fields: Mapping[str, Any], user: User) -> Team | None:
    """One answer for a team of others and for one that there is not: nobody learns of a team by trying its name."""
    name = fields.get("team", "")
    if not name.strip():
        return None
    team = services.team_known(name, selectors.teams_uploadable(user))
    if team is None:
        raise ApplicationError(f"There is no team {name!r} that you may add calls to.", field="team")
    return team


def _team_implied(fields: Mapping[str, Any]) -> Team | None:
    agent = services.agent_known(fields.get("agent", ""))
    if agent is not None:
        return agent.team
    queue = services.queue_known(fields.get("queue", ""))
    return queue.team if queue is not None else None


def _team_only(team_ids: frozenset[int]) -> Team | None:
    return Team.objects.get(id=next(iter(team_ids))) if len(team_ids) == 1 else None
