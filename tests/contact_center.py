"""A small contact center for tests: two teams under one head, someone in every role, and a call that is analysed and flagged."""

from __future__ import annotations

import io
import struct
import wave
from dataclasses import dataclass

from callanalytics.calls.ingest import NewCall, call_ingest
from callanalytics.calls.models import Call, Flag
from callanalytics.people.models import Agent, Membership, Queue, RoleChoice, Team, User
from callanalytics.review.models import BlindSample, CoachingNote
from tests import factories

ROLES = ("owner", "supervisor", "other_supervisor", "reviewer", "agent", "other_agent", "outsider")


@dataclass(frozen=True, slots=True)
class Center:
    users: dict[str, User]
    """By role: `supervisor`, `reviewer` and `agent` belong to the call, `other_…` to nothing of it."""
    team: Team
    other_team: Team
    queue: Queue
    agent: Agent
    other_agent: Agent


@dataclass(frozen=True, slots=True)
class Case:
    """Everything of one analysed call that has an address."""

    call: Call
    flag: Flag
    note: CoachingNote
    sample: BlindSample


def people() -> Center:
    users = {role: factories.user(role) for role in ROLES}
    team, other_team = Team.objects.create(name="Billing"), Team.objects.create(name="Sales")
    for role, kind, of in (
        ("owner", RoleChoice.OWNER, None),
        ("supervisor", RoleChoice.SUPERVISOR, team),
        ("other_supervisor", RoleChoice.SUPERVISOR, other_team),
        ("reviewer", RoleChoice.REVIEWER, team),
    ):
        Membership.objects.create(user=users[role], role=kind, team=of)
    agent = Agent.objects.create(code="A17", name="Ana", team=team, user=users["agent"])
    other_agent = Agent.objects.create(code="B4", name="Ben", team=team, user=users["other_agent"])
    return Center(users, team, other_team, Queue.objects.create(name="billing", team=team), agent, other_agent)


def tone_wav(seconds: float = 0.5, hz: int = 400, channels: int = 2) -> bytes:
    """A square wave as WAV, 8 kHz 16 bit: audio without speech."""
    frames = b"".join(struct.pack("<h", 6000 if (n * hz // 4000) % 2 else -6000) * channels for n in range(round(8000 * seconds)))
    out = io.BytesIO()
    with wave.open(out, "wb") as wav:
        wav.setparams((channels, 2, 8000, 0, "NONE", ""))
        wav.writeframes(frames)
    return out.getvalue()


def ingested(center: Center, audio: bytes | None = None, **details: object) -> Call:
    known: dict[str, object] = {"team": center.team, "agent": center.agent, "queue": center.queue, "channels": ("agent", "customer")}
    new = NewCall(file_name="call.wav", **(known | details))  # type: ignore[arg-type]
    return call_ingest(io.BytesIO(audio or tone_wav()), new, user=None).call


def analysed(center: Center, audio: bytes | None = None, **details: object) -> Call:
    return factories.analyzed(ingested(center, audio, **details))


def case(center: Center) -> Case:
    call = analysed(center)
    note = CoachingNote.objects.create(call=call, agent=center.agent, author=center.users["supervisor"], text="Let them finish.")
    sample = BlindSample.objects.create(
        call=call, run=call.runs.get(current=True), start=9.0, end=9.3, probability=0.5, reviewer=center.users["reviewer"]
    )
    return Case(call, Flag.objects.get(call=call), note, sample)
