"""What became of the calls that were handed in, by the rows of the database and by what the receiver got."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.chaos.recordings import Cut, kind
from callanalytics.calls.models import AnalysisRun, Call, CallStatus, Utterance
from callanalytics.events.models import Event
from callanalytics.events.types import PUBLIC

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bench.receiver import Got

ENDED = (CallStatus.DONE, CallStatus.FAILED)


@dataclass(frozen=True, slots=True)
class Message:
    """One event as the receiver took it, under its id the first time."""

    id: str
    type: str
    call: str
    at: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of some calls; the numbers are those of the calls that were accepted."""

    calls: int
    lost: int
    """Accepted, and neither done nor failed with its reason nor waiting: no row, or no word of its end to the receiver."""
    failed: int
    twice: int
    """Stored more than once, or told of as analysed under two ids."""
    repeated: int
    """Requests with an id that had come before, which the receiver drops."""
    alarms: int
    """Flags that the receiver was told of and that a run without faults does not raise."""
    stuck: int
    ended_at: float | None
    """When the receiver knew of the last; None where it does not."""


def messages(got: Iterable[Got]) -> tuple[list[Message], int]:
    """What a de-duplicating receiver keeps of its requests, and how many it dropped."""
    kept: dict[str, Message] = {}
    dropped = 0
    for each in got:
        if each.id in kept:
            dropped += 1
            continue
        said = json.loads(each.body)
        kept[each.id] = Message(each.id, said["type"], said["data"].get("call", ""), each.at)
    return list(kept.values()), dropped


def judged(numbers: Mapping[str, int], got: Sequence[Got], flags: Mapping[Cut, int]) -> Verdict:
    """Of accepted calls, by external id and number. `flags` is how many a call of each kind has without faults."""
    rows = {str(call.id): call for call in Call.objects.filter(external_id__in=numbers)}
    kept, _ = messages(got)
    own = [message for message in kept if message.call in rows]
    ids = {message.id for message in own}
    told = {message.call for message in own if message.type in ("call.analyzed", "call.failed")}
    stuck = [call_id for call_id, call in rows.items() if call.status not in ENDED]
    found = {call.external_id for call in rows.values()}
    return Verdict(
        calls=len(numbers),
        lost=len(set(numbers) - found) + len(set(rows) - told - set(stuck)),
        failed=sum(call.status == CallStatus.FAILED for call in rows.values()),
        twice=len(rows) - len(found) + len(_twice(rows.values(), own)),
        repeated=sum(each.id in ids for each in got) - len(ids),
        alarms=sum(_alarms({call_id: numbers[call.external_id] for call_id, call in rows.items()}, own, flags)),
        stuck=len(stuck),
        ended_at=max((message.at for message in own), default=None) if told == set(rows) else None,
    )


def _twice(calls: Iterable[Call], own: Sequence[Message]) -> set[str]:
    """Calls with more than one analysis, with an utterance under the same number twice, or told of twice."""
    runs = Counter(AnalysisRun.objects.filter(call__in=calls).values_list("call", flat=True))
    said = Counter(Utterance.objects.filter(call__in=calls).values_list("call", "number"))
    told = Counter(message.call for message in own if message.type == "call.analyzed")
    several = {str(call) for call, count in runs.items() if count > 1} | {str(call) for (call, _), count in said.items() if count > 1}
    return several | {call for call, count in told.items() if count > 1}


def _alarms(numbers: Mapping[str, int], own: Sequence[Message], flags: Mapping[Cut, int]) -> Iterable[int]:
    raised = Counter(message.call for message in own if message.type == "flag.raised")
    return (max(0, raised[call_id] - flags[kind(number)]) for call_id, number in numbers.items())


def untold(got: Iterable[Got]) -> list[str]:
    """Public events that are in the outbox and never reached the receiver, as `type id`."""
    known = {each.id for each in got}
    events = Event.objects.filter(type__in=PUBLIC).values_list("type", "id")
    return [f"{type} {event_id}" for type, event_id in events if str(event_id) not in known]
