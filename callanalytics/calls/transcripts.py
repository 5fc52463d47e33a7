"""A call's transcript as text: plain, as WebVTT (https://www.w3.org/TR/webvtt1/) and as SubRip for players."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.words import PARTIES, timecode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from callanalytics.calls.models import Utterance

VTT_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\n": " ", "\r": " "})


def as_text(utterances: Iterable[Utterance]) -> str:
    """One line an utterance: `[1:05] Customer: …`."""
    lines = (f"[{timecode(row.start)}] {_party(row)}: {' '.join(row.text.split())}" for row in utterances)
    return "".join(f"{text}\n" for text in lines)


def as_vtt(utterances: Iterable[Utterance]) -> str:
    """One cue an utterance, with the party as its voice."""
    return "WEBVTT\n\n" + "\n".join(_cue(row) for row in utterances)


def as_srt(utterances: Iterable[Utterance]) -> str:
    """As as_vtt; SubRip knows no voices, so the party begins the text."""
    lines = (f"{_timing(row).replace('.', ',')}\n{_party(row)}: {' '.join(row.text.split())}\n" for row in utterances)
    return "\n".join(lines)


def _cue(row: Utterance) -> str:
    return f"{_timing(row)}\n<v {_party(row)}>{row.text.translate(VTT_ESCAPES)}\n"


def _timing(row: Utterance) -> str:
    # A cue must end after it starts; an utterance of one clipped word may not.
    start, end = round(row.start * 1000), max(round(row.end * 1000), round(row.start * 1000) + 1)
    return f"{row.number + 1}\n{_stamp(start)} --> {_stamp(end)}"


def _stamp(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:02d}:{minute:02d}:{second:02d}.{rest:03d}"


def _party(row: Utterance) -> str:
    return PARTIES.get(row.party, row.party)


FORMATS: Mapping[str, tuple[Callable[[Iterable[Utterance]], str], str]] = {
    "txt": (as_text, "text/plain; charset=utf-8"),
    "vtt": (as_vtt, "text/vtt; charset=utf-8"),
    "srt": (as_srt, "application/x-subrip; charset=utf-8"),
}
"""What writes it, and its media type."""
