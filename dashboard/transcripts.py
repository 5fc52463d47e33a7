"""A call's transcript as a download: plain text, and WebVTT (https://www.w3.org/TR/webvtt1/) for players."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboard.words import plain, timecode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from callanalytics.calls.models import Utterance

VTT_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\n": " ", "\r": " "})


def as_text(utterances: Iterable[Utterance]) -> str:
    """One line an utterance: `[1:05] Customer: …`."""
    lines = (f"[{timecode(row.start)}] {plain(row.party, 'party')}: {' '.join(row.text.split())}" for row in utterances)
    return "".join(f"{text}\n" for text in lines)


def as_vtt(utterances: Iterable[Utterance]) -> str:
    """One cue an utterance, with the party as its voice."""
    return "WEBVTT\n\n" + "\n".join(_cue(row) for row in utterances)


def _cue(row: Utterance) -> str:
    # A cue must end after it starts; an utterance of one clipped word may not.
    start, end = round(row.start * 1000), max(round(row.end * 1000), round(row.start * 1000) + 1)
    return f"{row.number + 1}\n{_stamp(start)} --> {_stamp(end)}\n<v {plain(row.party, 'party')}>{row.text.translate(VTT_ESCAPES)}\n"


def _stamp(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:02d}:{minute:02d}:{second:02d}.{rest:03d}"
