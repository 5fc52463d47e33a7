"""What other systems are told: every public type of event with the fields of its payload. What else the outbox holds stays inside.

Payloads are thin: ids, scores, rules and plain measures, nothing that a person said and nobody's name. Whoever needs more asks the API.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA = "callanalytics/event/1"
TEST = "endpoint.test"
"""What a person sends to see whether an endpoint answers; it goes to that one only and is tried once."""


@dataclass(frozen=True, slots=True)
class EventType:
    summary: str
    fields: Mapping[str, str]
    """What each field of the payload is; an event's other fields are never sent."""
    example: Mapping[str, Any]


CALL = {"call": "The call's id.", "external_id": "Its id in the contact center; empty where none was given."}
FLAG = {
    **CALL,
    "flag": "The flag's id.",
    "rule": "What raised it, as in high_frustration.",
    "severity": "medium or high.",
    "start": "Where it begins, in seconds from the start of the call.",
    "end": "Where it ends.",
    "peak": "Highest P(frustrated) in it, 0-1; null for rules without emotion.",
    "main_part": "The part that adds the most log-odds: tone, wording, effort, measures or context; empty for rules without.",
    "change": "How far the voice at the peak is from the caller's own earlier speech; null where that is not known.",
}
_CALL = {"call": "019abf2e-5d30-7a54-9a6f-3f2c8a1b0c11", "external_id": "C-20481"}
_FLAG = {
    **_CALL,
    "flag": "019abf2f-0001-7c3e-8e0a-6b7c1d2e3f40",
    "rule": "high_frustration",
    "severity": "high",
    "start": 28.0,
    "end": 52.5,
    "peak": 0.91,
    "main_part": "wording",
    "change": {"loudness_db": 6.1, "pitch_semitones": 3.4, "rate_wps": 0.6, "baseline_s": 18.0},
}
HANDOVER = {**FLAG, "handover": "The handover's id."}
STEP = {
    **HANDOVER,
    "step": "The step of the team's plan that was reached, from 1.",
    "target": "Whom the step is for: queue (the team's board), person or endpoint.",
    "claim_by": "Until when it is to be claimed, before the next step is told.",
}
_HANDOVER = {**_FLAG, "handover": "019abf2f-7777-7abc-9d10-5a6b7c8d9e0f"}
_STEP = {**_HANDOVER, "step": 1, "target": "queue", "claim_by": "2026-11-23T09:45:00+00:00"}

PUBLIC: Mapping[str, EventType] = {
    "call.received": EventType("A call was taken in and waits for its analysis.", CALL, _CALL),
    "call.analyzed": EventType(
        "A call's analysis is stored; it may be one of several.",
        {**CALL, "seconds": "Its length.", "flags": "How many flags stand.", "scoring": "full, words, measures or none."},
        {**_CALL, "seconds": 61.2, "flags": 1, "scoring": "full"},
    ),
    "call.failed": EventType(
        "A call could not be analysed, and is not tried again by itself.",
        {**CALL, "attempt": "How often it was tried.", "permanent": "Whether another attempt alone changes nothing."},
        {**_CALL, "attempt": 3, "permanent": True},
    ),
    "call.erased": EventType(
        "A call and everything about it was deleted.", {"call": CALL["call"], "receipt": "The erasure's receipt."}, {"call": _CALL["call"]}
    ),
    "flag.raised": EventType("Someone should look at this stretch of a call.", FLAG, _FLAG),
    "flag.updated": EventType("A newer analysis moved a flag, or judges it otherwise.", FLAG, _FLAG),
    "flag.retracted": EventType(
        "A flag is taken back: a reviewer rejected it, or a newer analysis does not find it.", FLAG, _FLAG | {"severity": "medium"}
    ),
    "flag.claimed": EventType("A person took a flag that was handed over.", HANDOVER, _HANDOVER),
    "flag.resolved": EventType(
        "A flag that was handed over is done with.",
        {**HANDOVER, "outcome": "What came of it, as in called_back."},
        _HANDOVER | {"outcome": "called_back"},
    ),
    "handover.opened": EventType(
        "A flag waits for a person to claim it. A call is told of once, whatever becomes of its flags.", STEP, _STEP
    ),
    "handover.escalated": EventType("Nobody claimed in time, and the next step of the plan is told.", STEP, _STEP | {"step": 2}),
    "handover.released": EventType("A person who had claimed a handover gave it back; it waits again.", HANDOVER, _HANDOVER),
    "handover.moved": EventType(
        "A handover's flag was taken back; it stands on another flag of the conversation now, whose fields these are.",
        {**HANDOVER, "from_flag": "The id of the flag that was taken back."},
        _HANDOVER | {"from_flag": "019abf2f-0001-7c3e-8e0a-6b7c1d2e3f40"},
    ),
    "handover.withdrawn": EventType(
        "A handover's flag was taken back before anybody claimed it; nothing is left to do.", HANDOVER, _HANDOVER
    ),
    "review.completed": EventType(
        "A reviewer judged a flag, or a random stretch of a call.",
        {**CALL, "flag": "The flag's id; null of a random stretch.", "answer": "confirm, reject or unsure."},
        {**_CALL, "flag": "019abf2f-0001-7c3e-8e0a-6b7c1d2e3f40", "answer": "confirm"},
    ),
    "endpoint.disabled": EventType(
        "An endpoint gets no more events until a person switches it on.",
        {"endpoint": "The endpoint's id.", "reason": "gone, failing or by_hand."},
        {"endpoint": "019abf30-11aa-7d00-b1b1-0f0e0d0c0b0a", "reason": "failing"},
    ),
    TEST: EventType(
        "A person tries an endpoint out; it goes to that endpoint only and tells of nothing that happened.",
        {"endpoint": "The endpoint's id."},
        {"endpoint": "019abf30-11aa-7d00-b1b1-0f0e0d0c0b0a"},
    ),
}


def public_payload(type: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that may be told; those of an erased call are gone, so a field may be missing."""
    return {name: payload[name] for name in PUBLIC[type].fields if name in payload}
