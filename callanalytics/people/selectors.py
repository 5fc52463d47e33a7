"""What a user may see and do; every other selector asks here."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Q, QuerySet

from callanalytics.people.models import Agent, Membership, Queue, RoleChoice, Team, User

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.contrib.auth.models import AnonymousUser


@dataclass(frozen=True, slots=True)
class Access:
    """A user's rights. A supervisor's teams include the whole tree below them, a reviewer's do not."""

    is_owner: bool = False
    supervised_team_ids: frozenset[int] = frozenset()
    reviewed_team_ids: frozenset[int] = frozenset()
    agent_id: int | None = None

    @property
    def team_ids(self) -> frozenset[int]:
        """Teams whose calls may be read with their emotion values."""
        return self.supervised_team_ids | self.reviewed_team_ids

    @property
    def is_outsider(self) -> bool:
        return not (self.is_owner or self.team_ids or self.agent_id)

    @property
    def is_reader(self) -> bool:
        """Reads whole teams, not only their own calls."""
        return self.is_owner or bool(self.team_ids)

    @property
    def is_supervisor(self) -> bool:
        return self.is_owner or bool(self.supervised_team_ids)

    def can_review(self, team_id: int) -> bool:
        """Reads the team's calls with their emotion values, and judges them."""
        return self.is_owner or team_id in self.team_ids

    def can_supervise(self, team_id: int) -> bool:
        """Uploads, coaches, swaps roles, deletes and retries."""
        return self.is_owner or team_id in self.supervised_team_ids

    def can_read(self, team_id: int, agent_id: int | None) -> bool:
        """Reads a call of this team and agent; an agent reads only their own."""
        return self.can_review(team_id) or (self.agent_id is not None and agent_id == self.agent_id)


def access_for(user: User | AnonymousUser) -> Access:
    kept: Access | None = getattr(user, "access_kept", None)
    return kept or _access(user)


def with_access_kept(user: User) -> User:
    """The user, as an object of its own that is asked for its rights once: for one request, which would ask a dozen times."""
    own = copy(user)
    own.access_kept = _access(user)
    return own


def _access(user: User | AnonymousUser) -> Access:
    if not user.is_active or user.pk is None:
        return Access()
    roles = list(Membership.objects.filter(user_id=user.pk).values_list("role", "team_id"))
    return Access(
        is_owner=user.is_superuser or any(role == RoleChoice.OWNER for role, _ in roles),
        supervised_team_ids=team_tree(team for role, team in roles if role == RoleChoice.SUPERVISOR and team is not None),
        reviewed_team_ids=frozenset(team for role, team in roles if role == RoleChoice.REVIEWER and team is not None),
        agent_id=Agent.objects.filter(user_id=user.pk).values_list("id", flat=True).first(),
    )


def team_tree(team_ids: Iterable[int]) -> frozenset[int]:
    """The teams and all below them; a ring of parents ends the walk instead of hanging it."""
    found: set[int] = set()
    level = set(team_ids)
    while level:
        found |= level
        level = set(Team.objects.filter(parent_id__in=level).values_list("id", flat=True)) - found
    return frozenset(found)


def reviewers_of(team: Team | None) -> QuerySet[User]:
    """Active people, not programs, who may judge a team's calls, or everybody's where there is no team."""
    roles = Q(is_superuser=True) | Q(memberships__role=RoleChoice.OWNER)
    if team is not None:
        supervised = Q(memberships__role=RoleChoice.SUPERVISOR, memberships__team__in=_line(team))
        roles |= supervised | Q(memberships__role=RoleChoice.REVIEWER, memberships__team=team)
    return User.objects.filter(roles, is_active=True).exclude(memberships__api_key__isnull=False).distinct().order_by("username")


def _line(team: Team) -> set[int]:
    """The team and those above it; a ring of parents ends the walk instead of hanging it."""
    found: set[int] = set()
    each: Team | None = team
    while each is not None and each.id not in found:
        found.add(each.id)
        each = each.parent
    return found


def teams_readable(user: User | AnonymousUser) -> QuerySet[Team]:
    access = access_for(user)
    return Team.objects.all() if access.is_owner else Team.objects.filter(id__in=access.team_ids)


def teams_uploadable(user: User | AnonymousUser) -> QuerySet[Team]:
    access = access_for(user)
    return Team.objects.all() if access.is_owner else Team.objects.filter(id__in=access.supervised_team_ids)


def queues_visible(user: User | AnonymousUser) -> QuerySet[Queue]:
    """Queues of the user's teams, and those of no team."""
    access = access_for(user)
    if access.is_owner:
        return Queue.objects.all()
    return Queue.objects.filter(Q(team_id__in=access.team_ids) | Q(team__isnull=True)) if access.is_reader else Queue.objects.none()


def agents_visible(user: User | AnonymousUser) -> QuerySet[Agent]:
    """Agents of the user's teams; an agent sees themselves."""
    access = access_for(user)
    if access.is_owner:
        return Agent.objects.all()
    return Agent.objects.filter(Q(team_id__in=access.team_ids) | Q(id=access.agent_id))
