"""Amazon Connect's contact record (https://docs.aws.amazon.com/connect/latest/adminguide/ctr-data-model.html).

Connect keeps the agent in the right channel and everybody else in the left (adminguide, "Where are recordings stored"). It delivers a
record at least once; the contact's id keeps it one call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from callanalytics.api.adapters.values import NotTaken, known, text

CHANNELS = "customer,agent"
DIRECTIONS = {"INBOUND": "inbound", "OUTBOUND": "outbound", "CALLBACK": "outbound", "EXTERNAL_OUTBOUND": "outbound"}
"""Who called whom at first is not known of a transfer, nor of what a program began."""
SCHEME = "s3://"


def call_fields(payload: Mapping[str, Any]) -> dict[str, Any]:
    channel = text(payload, "Channel")
    if channel not in ("", "VOICE"):
        raise NotTaken(f"Channel is {channel}: no voice was recorded.")
    return known(
        url=SCHEME + _location(payload).removeprefix(SCHEME),
        external_id=text(payload, "ContactId"),
        agent=text(payload, "Agent", "Username")[:60],
        queue=text(payload, "Queue", "Name")[:120],
        direction=DIRECTIONS.get(text(payload, "InitiationMethod"), ""),
        started_at=text(payload, "ConnectedToSystemTimestamp") or text(payload, "InitiationTimestamp"),
        channels=CHANNELS,
    )


def _location(payload: Mapping[str, Any]) -> str:
    """Bucket and key of the recording with the agent; the one of the automated part only where there is no other."""
    many, one = payload.get("Recordings"), payload.get("Recording")
    found = [each for each in (*(many if isinstance(many, Sequence) else ()), one) if isinstance(each, Mapping) and _is_audio(each)]
    found.sort(key=lambda each: text(each, "ParticipantType") == "IVR")
    if not found:
        raise NotTaken("There is no recording of it in S3.")
    return text(found[0], "Location")


def _is_audio(recording: Mapping[str, Any]) -> bool:
    return (
        bool(text(recording, "Location"))
        and text(recording, "StorageType") in ("", "AMAZON_S3")
        and text(recording, "MediaStreamType") in ("", "AUDIO")
        and text(recording, "Status") in ("", "AVAILABLE")
    )
