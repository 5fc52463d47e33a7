"""What a supervisor can say on the call page about who each voice is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from callanalytics.calls.models import Utterance

FIRST_LINES = 60
"""Utterances among which the first words of each voice are looked for."""
TELLING_WORDS = 4
"""A shorter utterance (`Yes, hello?`) tells nobody apart."""
CONTRADICTED = "roles_contradicted"


@dataclass(frozen=True, slots=True)
class HeardVoice:
    """One voice with its first words, to tell it by; without them where it says none in the call's first lines."""

    id: int
    text: str = ""
    start: float = 0.0
    end: float = 0.0

    @property
    def name(self) -> str:
        return f"Voice {self.id + 1}"


@dataclass(frozen=True, slots=True)
class Casting:
    """Where one of at most two voices is not known, `voices` are to choose from; else roles may be swapped, and confirmed if in doubt."""

    may_swap: bool
    may_confirm: bool
    voices: tuple[HeardVoice, ...]


def is_open(summary: Mapping[str, Any]) -> bool:
    """Whether a person can say who is who, and nobody knows: with more than two voices nobody is scored, whoever they are."""
    parties = summary.get("parties", [])
    return 0 < len(parties) <= 2 and any(entry["party"] == "unknown" for entry in parties)


def build(summary: Mapping[str, Any], first: Iterable[Utterance]) -> Casting:
    """`first` are the call's first utterances, looked at where `is_open` only."""
    parties = summary.get("parties", [])
    if is_open(summary):
        lines = list(first)
        return Casting(may_swap=False, may_confirm=False, voices=tuple(_heard(entry["voice"], lines) for entry in parties))
    known = 0 < len(parties) <= 2
    contradicted = any(note["code"] == CONTRADICTED for note in summary.get("notes", []))
    return Casting(may_swap=known, may_confirm=known and contradicted, voices=())


def _heard(voice: int, lines: list[Utterance]) -> HeardVoice:
    own = [line for line in lines if line.voice == voice and line.text]
    line = next((line for line in own if len(line.text.split()) >= TELLING_WORDS), own[0] if own else None)
    return HeardVoice(voice) if line is None else HeardVoice(voice, line.text, line.start, line.end)
