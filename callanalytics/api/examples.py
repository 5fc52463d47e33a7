"""Requests and answers as they look, for the API's description: by operation, one element of those that are lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drf_spectacular.utils import OpenApiExample

from callanalytics.api.errors import KIND, MEDIA_TYPE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

API, PAGES = "https://calls.example.org/api/v1", "https://calls.example.org/calls"
CALL_ID = "019abf2e-5d30-7a54-9a6f-3f2c8a1b0c11"
FLAG_ID, HANDOVER_ID = "019abf2f-0001-7c3e-8e0a-6b7c1d2e3f40", "019abf2f-7777-7abc-9d10-5a6b7c8d9e0f"
URL = "https://pbx.example.org/2026/c-20481.wav"

KNOWN = {
    "external_id": "C-20481",
    "team": "Billing",
    "agent": "A17",
    "queue": "invoices",
    "direction": "inbound",
    "started_at": "2026-01-31T09:30:00Z",
    "channels": "agent,customer",
    "language": "en",
    "notice": "given",
    "customer_reference": "K-7",
    "tags": "vip",
}
QUEUED = {
    "id": CALL_ID,
    "url": f"{API}/calls/{CALL_ID}/",
    **KNOWN,
    "created_at": "2026-01-31T09:36:02Z",
    "file_name": "c-20481.wav",
    "source": URL,
    "channels": ["agent", "customer"],
    "objected": False,
    "scoring": "",
    "tags": ["vip"],
    "status": "queued",
    "step": "",
    "percent": 0,
    "reason": "",
    "attempts": 0,
    "seconds": None,
    "frustrated_s": 0.0,
    "peak_frustration": None,
    "flag_count": 0,
}
DONE = QUEUED | {
    "status": "done",
    "percent": 100,
    "attempts": 1,
    "seconds": 312.4,
    "frustrated_s": 24.5,
    "peak_frustration": 0.91,
    "flag_count": 1,
}
FLAG = {
    "id": FLAG_ID,
    "call": f"{API}/calls/{CALL_ID}/",
    "page": f"{PAGES}/{CALL_ID}/?t=28.0",
    "rule": "high_frustration",
    "severity": "high",
    "status": "open",
    "start": 28.0,
    "end": 52.5,
    "peak": 0.91,
    "main_part": "wording",
    "evidence": {"words": "I have called four times"},
    "retracted_reason": "",
    "started_at": "2026-01-31T09:30:00Z",
    "created_at": "2026-01-31T09:38:11Z",
}
UTTERANCE = {
    "id": 1,
    "voice": 1,
    "party": "customer",
    "start": 28.0,
    "end": 31.2,
    "text": "I have called four times",
    "language": "en",
    "asr_confidence": 0.94,
}
OPEN = {
    "id": HANDOVER_ID,
    "url": f"{API}/handovers/{HANDOVER_ID}/",
    "flag": f"{API}/flags/{FLAG_ID}/",
    "call": f"{API}/calls/{CALL_ID}/",
    "page": FLAG["page"],
    "team": "Billing",
    "rule": "high_frustration",
    "severity": "high",
    "status": "open",
    "segment_ended_at": "2026-01-31T09:30:52Z",
    "opened_at": "2026-01-31T09:38:11Z",
    "step": 1,
    "target": "queue",
    "claim_by": "2026-01-31T09:48:11Z",
    "overdue": False,
    "claimed_by": "",
    "external_reference": "",
    "claimed_at": None,
    "claimed_after_s": None,
    "resolved_at": None,
    "outcome": "",
    "note": "",
    "created_at": "2026-01-31T09:38:11Z",
}
CLAIMED = OPEN | {
    "status": "claimed",
    "claim_by": None,
    "claimed_by": "Pager",
    "external_reference": "ann@pager",
    "claimed_at": "2026-01-31T09:40:03Z",
    "claimed_after_s": 551.0,
}
RESOLVED = CLAIMED | {"status": "resolved", "resolved_at": "2026-01-31T09:55:40Z", "outcome": "called_back", "note": "Apologised."}
TAKEN = {"row": 1, "status": "accepted", "id": CALL_ID, "url": QUEUED["url"], "external_id": "C-20481", "errors": {}}
REFUSED = {
    "row": 2,
    "status": "refused",
    "id": None,
    "url": None,
    "external_id": "C-20482",
    "errors": {"url": ["The address must begin with https://."]},
}
CONFLICT = {
    "type": f"{KIND}conflict",
    "title": "Conflict",
    "status": 409,
    "detail": f"The team Billing already has a call 'C-20481' with other audio, {CALL_ID}. Delete it first, or use another id.",
    "errors": [{"field": "external_id", "detail": "The team Billing already has a call 'C-20481' with other audio."}],
    "subject": CALL_ID,
}
UNKNOWN_FIELD = {
    "type": f"{KIND}invalid",
    "title": "Bad Request",
    "status": 400,
    "detail": "Unknown field; known are objected.",
    "errors": [{"field": "objectd", "detail": "Unknown field; known are objected."}],
}


def _sent(value: object, name: str = "sent", media_type: str = "application/json") -> OpenApiExample:
    return OpenApiExample(name, value, request_only=True, media_type=media_type)


def _answered(value: object, *status: int, name: str = "answered", media_type: str = "application/json") -> OpenApiExample:
    return OpenApiExample(name, value, response_only=True, media_type=media_type, status_codes=[str(each) for each in status or (200,)])


def _refused(value: object) -> OpenApiExample:
    return OpenApiExample("refused", value, response_only=True, media_type=MEDIA_TYPE, status_codes=["default"])


def _page(row: object) -> OpenApiExample:
    return _answered({"next": None, "previous": None, "results": [row]})


EXAMPLES: Mapping[str, Sequence[OpenApiExample]] = {
    "calls_list": [_page(DONE)],
    "calls_create": [_sent({"url": URL, **KNOWN}), _answered(QUEUED, 202, 200), _refused(CONFLICT)],
    "calls_read": [_answered(QUEUED | {"analysis": None})],
    "calls_reanalyze": [_answered(QUEUED, 202)],
    "calls_object": [
        _sent({"objected": True}),
        _answered(DONE | {"objected": True, "frustrated_s": 0.0, "peak_frustration": None, "flag_count": 0}),
        _refused(UNKNOWN_FIELD),
    ],
    "calls_erase": [_answered({"receipt": "019abf3a-1f00-7d21-b1c2-0d9e8f7a6b5c", "counts": {"utterances": 41, "flags": 1}})],
    "calls_batch": [
        _sent({"url": URL, **KNOWN}),
        _sent(f"url,external_id,agent\n{URL},C-20481,A17\n", name="table", media_type="text/csv"),
        _answered({"accepted": 1, "existing": 0, "refused": 1, "rows": [TAKEN, REFUSED]}),
    ],
    "calls_transcript": [
        _answered(UTTERANCE),
        _answered("WEBVTT\n\n00:00:28.000 --> 00:00:31.200\n<v customer>I have called four times\n", name="vtt", media_type="text/vtt"),
    ],
    "calls_flags": [_answered(FLAG)],
    "flags_list": [_page(FLAG)],
    "flags_read": [_answered(FLAG)],
    "intake": [
        _sent({"location": "s3://recordings/2026/c-20481.opus", "metadata": {"mediaType": "call"}}),
        _answered({"status": "accepted", "id": CALL_ID, "url": QUEUED["url"], "reason": ""}, 202),
    ],
    "handovers_list": [_page(OPEN)],
    "handovers_read": [_answered(OPEN)],
    "handovers_claim": [_sent({"external_reference": "ann@pager"}), _answered(CLAIMED)],
    "handovers_release": [_answered(OPEN)],
    "handovers_resolve": [_sent({"outcome": "called_back", "note": "Apologised."}), _answered(RESOLVED)],
    "endpoints_create": [_sent({"kind": "webhook", "name": "CRM", "address": "https://crm.example.org/hooks", "types": ["flag.raised"]})],
    "endpoints_change": [_sent({"types": ["flag.raised", "flag.retracted"], "severity": "high"})],
    "endpoints_replay": [_sent({"failed": True})],
    "endpoints_rotate_secret": [_sent({})],
}
