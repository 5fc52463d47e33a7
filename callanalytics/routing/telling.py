"""What a person reads of an event, the same in a chat, on a pager and in a mail: a headline, plain facts, a link."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from analysis import words
from analysis.words import timecode
from callanalytics.events.types import public_payload

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from callanalytics.events.models import Event

IDS = frozenset({"call", "flag", "handover", "receipt", "endpoint", "from_flag", "start", "end", "rule"})
"""Fields that say nothing to a person, or that stand elsewhere."""


@dataclass(frozen=True, slots=True)
class Told:
    headline: str
    severity: str
    """high, medium, or empty where the event has none."""
    facts: tuple[tuple[str, str], ...]
    link: str
    at: datetime


def told(event: Event, link: str) -> Told:
    known = public_payload(event.type, event.payload)
    return Told(_headline(event.type, known), str(known.get("severity") or ""), tuple(_facts(known)), link, event.created_at)


def _headline(type: str, known: Mapping[str, Any]) -> str:
    """`Flag raised: High frustration`, `Call failed`."""
    happened = type.replace(".", " ").replace("_", " ").capitalize()
    rule = known.get("rule")
    return f"{happened}: {words.plain(rule, 'rule')}" if rule else happened


def _facts(known: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = [(LABELS.get(name, _label(name)), _said(name, value)) for name, value in known.items() if name not in IDS]
    if known.get("start") is not None and known.get("end") is not None:
        found.append(("Where", f"{timecode(known['start'])}–{timecode(known['end'])}"))
    return [(label, said) for label, said in found if said]


def _label(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _said(name: str, value: object) -> str:
    """A value as a person says it; empty where there is nothing to say."""
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return SAID[name](value) if name in SAID else str(value).replace("_", " ")


def _change(change: Mapping[str, float]) -> str:
    parts = ((change.get("loudness_db"), "dB"), (change.get("pitch_semitones"), "semitones"), (change.get("rate_wps"), "words a second"))
    said = ", ".join(f"{number:+.1f} {unit}".replace("-", "−") for number, unit in parts if number is not None)
    return f"{said} against their own earlier speech" if said else ""


LABELS: Mapping[str, str] = {
    "external_id": "Call",
    "peak": "Frustration at its peak",
    "main_part": "Mostly by",
    "change": "Voice",
    "seconds": "Length",
    "flags": "Flags",
}
SAID: Mapping[str, Callable[[Any], str]] = {
    "external_id": str,
    "peak": lambda peak: f"{peak * 100:.0f} %",
    "main_part": lambda part: words.PARTS.get(part, str(part)).lower(),
    "change": _change,
    "seconds": timecode,
    "claim_by": lambda time: f"{datetime.fromisoformat(time).astimezone(UTC):%-d %b, %H:%M} UTC",
}
