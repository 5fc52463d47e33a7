"""A small, well-known world for tests: two teams under one head, someone in every role, and calls made by the real doors."""

from __future__ import annotations

import dataclasses
import io
import itertools
import struct
import wave
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from django.utils import timezone

from callanalytics.calls.models import Call, Flag
from callanalytics.calls.services import NewCall, analysis_store, call_claim, call_ingest, cleaner_copy_claim
from callanalytics.events.models import Event
from callanalytics.people.keys import api_key_create
from callanalytics.people.models import Agent, Membership, Queue, RoleChoice, Team, User
from callanalytics.review.models import BlindSample, CoachingNote, Verdict
from callanalytics.review.services import blind_verdict_record, verdict_record
from callanalytics.routing.models import Delivery, DeliveryStatus, Endpoint, EndpointKind, Handover, HandoverStatus
from tests.analysis import made

if TYPE_CHECKING:
    from uuid import UUID

    from analysis.values import CallAnalysis, Contributions
    from callanalytics.people.models import ApiKey

_bytes = itertools.count(1)


ROLES = ("owner", "supervisor", "other_supervisor", "reviewer", "agent", "other_agent", "outsider")


@dataclass(frozen=True, slots=True)
class World:
    """`care` holds `billing` and `sales`. The supervisor has care's whole tree, the reviewer and the agents have billing only.

    The other supervisor has sales; the other agent has calls of nobody else.
    """

    care: Team
    billing: Team
    sales: Team
    queue: Queue
    agent: Agent
    other_agent: Agent
    owner: User
    supervisor: User
    other_supervisor: User
    reviewer: User
    agent_user: User
    other_agent_user: User
    outsider: User

    def people(self) -> dict[str, User]:
        """Everyone by role."""
        return {
            "owner": self.owner,
            "supervisor": self.supervisor,
            "other_supervisor": self.other_supervisor,
            "reviewer": self.reviewer,
            "agent": self.agent_user,
            "other_agent": self.other_agent_user,
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
    other_supervisor = user("other_supervisor")
    Membership.objects.create(user=owner, role=RoleChoice.OWNER)
    Membership.objects.create(user=supervisor, role=RoleChoice.SUPERVISOR, team=care)
    Membership.objects.create(user=other_supervisor, role=RoleChoice.SUPERVISOR, team=sales)
    Membership.objects.create(user=reviewer, role=RoleChoice.REVIEWER, team=billing)
    agent_user, other_agent_user = user("agent"), user("other_agent")
    return World(
        care=care,
        billing=billing,
        sales=sales,
        queue=Queue.objects.create(name="invoices", team=billing),
        agent=Agent.objects.create(code="A17", name="Kim", team=billing, user=agent_user),
        other_agent=Agent.objects.create(code="B4", name="Ben", team=billing, user=other_agent_user),
        owner=owner,
        supervisor=supervisor,
        other_supervisor=other_supervisor,
        reviewer=reviewer,
        agent_user=agent_user,
        other_agent_user=other_agent_user,
        outsider=user("outsider"),
    )


def event(type: str, payload: dict[str, Any]) -> Event:
    """One that happened just now, not stored."""
    return Event(type=type, subject="s", payload=payload, created_at=timezone.now())


def audio() -> io.BytesIO:
    """Bytes that no other call has; ingest does not decode them."""
    return io.BytesIO(b"RIFF%08d" % next(_bytes))


def tone_wav(seconds: float = 0.5, hz: int = 400, channels: int = 2) -> bytes:
    """A square wave as WAV, 8 kHz 16 bit: audio without speech."""
    frames = b"".join(struct.pack("<h", 6000 if (n * hz // 4000) % 2 else -6000) * channels for n in range(round(8000 * seconds)))
    out = io.BytesIO()
    with wave.open(out, "wb") as wav:
        wav.setparams((channels, 2, 8000, 0, "NONE", ""))
        wav.writeframes(frames)
    return out.getvalue()


def agents_call(world: World, recording: bytes | None = None, **details: Any) -> Call:
    """A queued call of the agent's, of a tone unless there is a recording to read."""
    known: dict[str, Any] = {"agent": world.agent, "queue": world.queue, "channels": ("agent", "customer")}
    return queued_call(world.billing, io.BytesIO(recording or tone_wav()), **(known | details))


def queued_call(team: Team, source: io.BytesIO | None = None, **details: Any) -> Call:
    """A call as ingest leaves it."""
    known: dict[str, Any] = {"file_name": "call.wav", "team": team} | details
    return call_ingest(source or audio(), NewCall(**known), user=None).call


def claimed(call: Call) -> UUID:
    """Claim a queued call as a worker does; the lease token."""
    token = uuid4()
    assert call_claim(call.id, token) is not None
    return token


def cleaner_claimed(call: Call) -> UUID:
    """Claim a cleaner copy that waits, as a worker does; the lease token."""
    token = uuid4()
    assert cleaner_copy_claim(call.id, token) == call
    return token


def analyzed(call: Call, analysis: CallAnalysis | None = None) -> Call:
    """Claim a queued call and store an analysis, by default tests.analysis.made.analysis(), as a worker does."""
    assert analysis_store(call.id, claimed(call), analysis or made.analysis()) is not None
    return Call.objects.select_related("team", "agent", "queue", "recording").get(id=call.id)


def done_call(team: Team, analysis: CallAnalysis | None = None, **details: Any) -> Call:
    """A call that is analysed."""
    return analyzed(queued_call(team, **details), analysis)


@dataclass(frozen=True, slots=True)
class Case:
    """Everything of one analysed call that has an address."""

    call: Call
    flag: Flag
    note: CoachingNote
    sample: BlindSample
    handover: Handover
    delivery: Delivery
    key: ApiKey


def case(world: World) -> Case:
    call = analyzed(agents_call(world))
    note = CoachingNote.objects.create(call=call, agent=world.agent, author=world.supervisor, text="Let them finish.")
    sample = BlindSample.objects.create(
        call=call, run=call.runs.get(current=True), start=9.0, end=9.3, probability=0.5, reviewer=world.reviewer
    )
    flag = Flag.objects.get(call=call)
    now = timezone.now()
    handover = Handover.objects.create(
        flag=flag, call=call, team=call.team, segment_ended_at=now, opens_at=now, opened_at=now, status=HandoverStatus.OPEN
    )
    key = api_key_create(user=world.owner, name="CRM", scopes=["calls:read"], team=call.team).key
    return Case(call, flag, note, sample, handover, delivered(call), key)


def delivered(call: Call) -> Delivery:
    """What a webhook of the call's team was told of it."""
    secret = {"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "until": None}
    endpoint = Endpoint.objects.create(name="CRM", kind=EndpointKind.WEBHOOK, address="https://crm.example/hook", secrets=[secret])
    endpoint.teams.add(call.team)
    event = Event.objects.filter(type="call.analyzed", subject=str(call.id)).get()
    return Delivery.objects.create(
        endpoint=endpoint, event=event, subject=event.subject, status=DeliveryStatus.DELIVERED, attempts=1, due_at=timezone.now()
    )


def judged_call(
    world: World, answer: str, *, contributions: Contributions, chance: float | None = None, agent: Agent | None = None
) -> Verdict:
    """A verdict of the owner's on a new call with one scored moment: on its flag, or on a random stretch drawn with this chance."""
    moment = made.customer_moment(1, 4.2, 7.9, "words", 0.5)
    assert moment.frustration is not None
    scored = dataclasses.replace(moment.frustration, contributions=contributions)
    analysis = made.analysis(moments=(dataclasses.replace(moment, frustration=scored),))
    if chance is None:
        call = done_call(world.billing, analysis, agent=agent)
        return verdict_record(user=world.owner, flag_id=Flag.objects.get(call=call).id, answer=answer)
    call = done_call(world.billing, dataclasses.replace(analysis, segments=(), flags=()), agent=agent)
    sample = BlindSample.objects.create(
        call=call, run=call.runs.get(current=True), start=4.2, end=7.9, probability=chance, reviewer=world.owner
    )
    return blind_verdict_record(user=world.owner, sample_id=sample.id, answer=answer)
