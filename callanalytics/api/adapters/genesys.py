"""Genesys Cloud's recordings in S3: `{"location": "s3://…", "metadata": {…}}`, the object and its file `…_metadata.json`.

As its help, "Working with exported recordings in AWS S3 bucket", has it: the path holds the time of the conversation in UTC and its id, the
object's name is the recording's id, and the metadata tells media type and users. A conversation may have several recordings.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from callanalytics.api.adapters.values import NotTaken, known, text

if TYPE_CHECKING:
    from collections.abc import Mapping

PLACE = re.compile(
    r"year=(?P<year>\d{4})/month=(?P<month>\d+)/day=(?P<day>\d+)/hour=(?P<hour>\d+)/conversation_id=(?P<conversation>[^/]+)/"
)
VOICE = frozenset({"", "call", "callback"})


def call_fields(payload: Mapping[str, Any]) -> dict[str, Any]:
    location, metadata = text(payload, "location"), payload.get("metadata") or {}
    media = text(metadata, "mediaType").lower()
    if media not in VOICE or text(metadata, "mediaSubtype").lower() == "screen":
        raise NotTaken(f"mediaType is {media or 'screen'}: no voice was recorded.")
    if not location:
        raise NotTaken("There is no location of a recording.")
    place = PLACE.search(location)
    return known(
        url=location,
        external_id=_id(location, place),
        agent=_first(metadata, "userIds")[:60],
        queue=_first(metadata, "queueIds")[:120],
        direction={"inbound": "inbound", "outbound": "outbound"}.get(text(metadata, "initialDirection").lower(), ""),
        started_at=text(metadata, "startTime") or _hour(place),
    )


def _id(location: str, place: re.Match[str] | None) -> str:
    recording = PurePosixPath(location).name.partition(".")[0]
    return f"{place['conversation']}-{recording}" if place else recording


def _hour(place: re.Match[str] | None) -> str:
    """The path is as exact as an hour."""
    return f"{place['year']}-{int(place['month']):02}-{int(place['day']):02}T{int(place['hour']):02}:00:00+00:00" if place else ""


def _first(metadata: Mapping[str, Any], name: str) -> str:
    found = metadata.get(name)
    return str(found[0]) if isinstance(found, list) and found else ""
