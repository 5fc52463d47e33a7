"""A small, well-known world for tests of the platform: two teams under one head, one person per role, and calls made by the real doors."""

from __future__ import annotations

import io
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from callanalytics.calls.models import Call
from callanalytics.calls.services import NewCall, analysis_store, call_claim, call_ingest
from callanalytics.people.models import Agent, Membership, Queue, RoleChoice, Team, User
from tests.analysis import made

if TYPE_CHECKING:
    from uuid import UUID

    from analysis.values import CallAnalysis

_bytes = itertools.count(1)


@dataclass(frozen=True, slots=True)
class World:
    """`care` holds `billing` and `sales`. The supervisor has care's whole tree, the reviewer and the agent have billing only."""

    care: Team
    billing: Team
    sales: Team
    queue: Queue
    agent: Agent
    owner: User
    supervisor: User
    reviewer: User
    agent_user: User
    outsider: User

    def people(self) -> dict[str, User]:
        """Everyone by role."""
        return {
            "owner": self.owner,
            "supervisor": self.supervisor,
            "reviewer": self.reviewer,
            "agent": self.agent_user,
            "outsider": self.outsider,
        }


def user(name: str, **fields: Any) -> User:
    """A person without a password (hashing one takes longer than most tests): tests log in with `client.force_login`."""
    person: User = User.objects.create_user(name, **fields)
    return person


def world() -> World:
    care = Team.objects.create(name="Care")
    billing = Team.objects.create(name="Billing", parent=care)
    sales = Team.objects.create(name="Sales", parent=care)
    owner, supervisor, reviewer = user("owner"), user("supervisor"), user("reviewer")
    Membership.objects.create(user=owner, role=RoleChoice.OWNER)
    Membership.objects.create(user=supervisor, role=RoleChoice.SUPERVISOR, team=care)
    Membership.objects.create(user=reviewer, role=RoleChoice.REVIEWER, team=billing)
    agent_user = user("agent")
    return World(
        care=care,
        billing=billing,
        sales=sales,
        queue=Queue.objects.create(name="invoices", team=billing),
        agent=Agent.objects.create(code="A17", name="Kim", team=billing, user=agent_user),
        owner=owner,
        supervisor=supervisor,
        reviewer=reviewer,
        agent_user=agent_user,
        outsider=user("outsider"),
    )


def audio() -> io.BytesIO:
    """Bytes that no other call has; ingest does not decode them."""
    return io.BytesIO(b"RIFF%08d" % next(_bytes))


def queued_call(team: Team, source: io.BytesIO | None = None, **details: Any) -> Call:
    """A call as ingest leaves it."""
    known: dict[str, Any] = {"file_name": "call.wav", "team": team} | details
    return call_ingest(source or audio(), NewCall(**known), user=None).call


def claimed(call: Call) -> UUID:
    """Claim a queued call as a worker does; the lease token."""
    token = uuid4()
    assert call_claim(call.id, token) is not None
    return token


def analyzed(call: Call, analysis: CallAnalysis | None = None) -> Call:
    """Claim a queued call and store an analysis, by default tests.analysis.made.analysis(), as a worker does."""
    assert analysis_store(call.id, claimed(call), analysis or made.analysis()) is not None
    return Call.objects.select_related("team", "agent", "queue", "recording").get(id=call.id)


def done_call(team: Team, analysis: CallAnalysis | None = None, **details: Any) -> Call:
    """A call that is analysed."""
    return analyzed(queued_call(team, **details), analysis)
