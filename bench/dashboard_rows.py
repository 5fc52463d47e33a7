"""Rows for bench/dashboard.py: a contact center's calls, as many as asked for, written straight into the tables."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.utils import timezone
from uuid6 import uuid7

from callanalytics.calls import files
from callanalytics.calls.mapping import document_summary
from callanalytics.calls.models import AnalysisRun, Call, EffortSign, Flag, FrustrationSegment, Recording, Utterance
from callanalytics.people.models import Agent, Membership, Queue, RoleChoice, Team, User
from callanalytics.review.models import CoachingNote, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import Model

BATCH = 2000
SAYINGS = (
    "I have called about this three times now and nobody rings back.",
    "The amount on the invoice is not what we agreed on.",
    "Yes, the customer number is four four seven one two.",
    "I just want somebody to tell me when it will be fixed.",
    "Thank you, that is all I needed to know.",
    "Right.",
    "So what you are telling me is that the parcel left your depot on Tuesday, but that nobody can say where it has been since then?",
)
TONE = {"anger": 0.6, "sadness": 0.1, "fear": 0.05, "disgust": 0.05, "happiness": 0.05, "surprise": 0.05, "neutral": 0.1, "arousal": 0.7}
PARTS = {"tone": 1.2, "wording": 0.8, "effort": 0.2, "measures": 0.1, "context": 0.3, "prior": -1.3}
MEASURES = {"loudness_db": -21.0, "loudness_change_db": 4.1, "pitch_hz": 212.0, "pitch_change_semitones": 2.4, "rate_wps": 3.1}
MEASURES |= {"rate_change_wps": 0.2, "pause_before_s": 0.4, "overlap_s": 0.0, "snr_db": 22.0, "baseline_s": 18.0}


@dataclass(frozen=True, slots=True)
class Shape:
    """How much there is of a call."""

    seconds: float
    utterances: int
    flags_at: tuple[float, ...] = ()
    sayings: int = 1
    """At most so many make an utterance."""

    @property
    def every_s(self) -> float:
        return self.seconds / self.utterances


COMMON = Shape(seconds=240.0, utterances=40)
FLAGGED = Shape(seconds=240.0, utterances=40, flags_at=(60.0,))
LONG = Shape(seconds=4 * 3600.0, utterances=2800, flags_at=tuple(600.0 + 1150.0 * place for place in range(12)), sayings=3)
"""The longest call that is taken in, with an utterance every five seconds as real ones have."""


class Center:
    """Four teams with ten agents and two queues each, and the people who read the pages."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.head = Team.objects.create(name="Care")
        self.teams = [Team.objects.create(name=f"Team {number}", parent=self.head) for number in range(4)]
        self.agents = [Agent.objects.create(code=f"A{number}", team=self.teams[number % 4]) for number in range(40)]
        self.queues = [Queue.objects.create(name=f"queue {number}", team=self.teams[number % 4]) for number in range(8)]
        self.owner = User.objects.create_superuser("owner")
        self.supervisor, self.agent_user = User.objects.create_user("supervisor"), User.objects.create_user("agent")
        Membership.objects.create(user=self.supervisor, role=RoleChoice.SUPERVISOR, team=self.head)
        Agent.objects.filter(code="A0").update(user=self.agent_user)


def stored(center: Center, count: int) -> None:
    """Write the calls and everything that hangs on them; one in fifty failed."""
    _write([_call_rows(center, number) for number in range(count)])


def long_stored(center: Center) -> Call:
    """Write a call of the greatest length, with its document."""
    rows = _done_rows(center, "long", LONG)
    _write([rows])
    call = next(row for row in rows if isinstance(row, Call))
    document_write(call)
    return call


def _write(calls: list[list[Model]]) -> None:
    for model in (Recording, Call, AnalysisRun, FrustrationSegment, Utterance, EffortSign, Flag, Verdict, CoachingNote):
        rows: list[Any] = [row for call in calls for row in call if type(row) is model]
        model._default_manager.bulk_create(rows, batch_size=BATCH)


def _call_rows(center: Center, number: int) -> list[Model]:
    if number % 50 == 0:
        recording, call = _call(center, str(number), number, COMMON)
        call.status, call.reason, call.permanent = "failed", "The file holds no audio that can be read.", True
        return [recording, call]
    return _done_rows(center, str(number), FLAGGED if center.random.random() < 0.25 else COMMON, number)


def _call(center: Center, name: str, number: int, shape: Shape) -> tuple[Recording, Call]:
    chance, team = center.random, center.teams[number % 4]
    digest = hashlib.sha256(name.encode()).hexdigest()
    recording = Recording(team=team, sha256=digest, size=1, file=f"recordings/{name}", original_name=f"call-{name}.wav")
    call = Call(
        team=team,
        external_id=f"C-{name}",
        recording=recording,
        agent=center.agents[number % 40],
        queue=center.queues[number % 8],
        started_at=timezone.now() - timedelta(minutes=chance.random() * 60 * 24 * 60),
        file_name=f"call-{name}.wav",
        customer_reference=f"customer {number % 900}",
        seconds=shape.seconds,
        language="en",
    )
    return recording, call


def _done_rows(center: Center, name: str, shape: Shape, number: int = 0) -> list[Model]:
    recording, call = _call(center, name, number, shape)
    call.status, call.peak_frustration = "done", center.random.random()
    call.moment_count, call.abstained_count = shape.utterances // 2, 2
    call.flag_count, call.frustrated_s = len(shape.flags_at), 25.0 * len(shape.flags_at)
    return [recording, call, *_analysis_rows(center, call, shape)]


def _analysis_rows(center: Center, call: Call, shape: Shape) -> Iterator[Model]:
    run = AnalysisRun(
        call=call, attempt=1, engines={"asr": "bench"}, config_digest="sha256:bench", code_version="bench", schema="bench", scoring="full"
    )
    yield run
    for place in range(shape.utterances):
        yield _utterance(center, run, call, place, shape)
    for at in shape.flags_at or (60.0,):
        yield EffortSign(run=run, call=call, team_id=call.team_id, started_at=call.started_at, kind="repeat", at=at, quote=SAYINGS[0])
    for at in shape.flags_at:
        yield from _flag_rows(center, run, call, at)


def _utterance(center: Center, run: AnalysisRun, call: Call, place: int, shape: Shape) -> Utterance:
    customer, text = place % 2 == 1, " ".join(center.random.choices(SAYINGS, k=center.random.randint(1, shape.sayings)))
    scored: dict[str, Any] = {"tone": TONE, "wording": {"sentiment": -0.4, "frustration": 0.5}, "contributions": PARTS}
    scored |= {"frustration": center.random.random(), "disagreement": center.random.uniform(-0.36, 0.36)}
    start = place * shape.every_s
    words = [{"start": start + index * 0.3, "end": start + index * 0.3 + 0.25, "text": word} for index, word in enumerate(text.split())]
    return Utterance(
        run=run,
        call=call,
        team_id=call.team_id,
        started_at=call.started_at,
        number=place,
        voice=place % 2,
        party="customer" if customer else "agent",
        start=start,
        end=start + 0.8 * shape.every_s,
        text=text,
        asr_confidence=0.8,
        words=words,
        measures=MEASURES,
        **(scored if customer else {}),
    )


def _flag_rows(center: Center, run: AnalysisRun, call: Call, at: float) -> Iterator[Model]:
    segment = FrustrationSegment(run=run, call=call, start=at, end=at + 25.0, peak=0.9, mean=0.7, utterances=[11, 13])
    yield segment
    quote = {"utterance": 11, "start": at + 6.0, "end": at + 10.5, "text": SAYINGS[0], "probability": 0.9, "contributions": PARTS}
    quote["disagreement"] = 0.4
    change = {"loudness_db": 4.1, "pitch_semitones": 2.4, "rate_wps": 0.2, "baseline_s": 18.0}
    change |= {"loudness_plain_db": 4.1, "pitch_plain_semitones": 2.4, "rate_plain_wps": 0.2}
    evidence = {"quotes": [quote], "change": change, "effort": [], "rule_version": "high_frustration/1", "thresholds": {"rise": 0.5}}
    status = center.random.choice(("open", "open", "confirmed", "rejected"))
    place: dict[str, Any] = {"start": at, "end": at + 25.0}
    flag = Flag(
        id=uuid7(),
        call=call,
        team_id=call.team_id,
        started_at=call.started_at,
        run=run,
        rule="high_frustration",
        severity="high",
        evidence=evidence,
        peak=0.9,
        main_part="tone",
        status=status,
        **place,
    )
    yield flag
    if status != "open":
        answer = "confirm" if status == "confirmed" else "reject"
        yield Verdict(call=call, flag=flag, run=run, reviewer=center.supervisor, answer=answer, **place)
        yield CoachingNote(call=call, flag=flag, agent=center.agents[0], author=center.supervisor, text="Listen to how it turned.")


def document_write(call: Call) -> None:
    """The gzipped document of one call, which its page opens."""
    run = AnalysisRun.objects.get(call=call, current=True)
    run.document = files.document_name(run.id)
    utterances = list(Utterance.objects.filter(call=call).values("number", "party", "start", "end", "text", "words", "measures", "tone"))
    parties = [
        {"voice": voice, "party": party, "channel": voice, "role_confidence": 0.99, "role_source": "metadata"}
        for voice, party in enumerate(("agent", "customer"))
    ]
    counts = {"agent": 0.4, "customer": 0.4}
    document = {
        "notes": [],
        "parties": parties,
        "utterances": utterances,
        "measures": {"talk_share": counts, "silence_s": 9.0, "longest_silence_s": 3.0, "interruptions": {"agent": 1, "customer": 2}},
        "recording": {"snr_db": 24.0, "codec": "pcm_mulaw", "sample_rate": 8000, "channels": 2, "sha256": "0" * 64},
        "provenance": {"licences": {}},
    }
    files.document_write(run.document, document)
    run.summary = document_summary(document)
    run.save(update_fields=["document", "summary"])
