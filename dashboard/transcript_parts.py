"""A transcript in parts: a page is sent with one and htmx fetches the others, so that a call of hours opens as fast as a short one."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dashboard import presenting

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from callanalytics.calls.models import Flag, Utterance
    from callanalytics.calls.selectors import Outlined
    from dashboard.presenting import Line

SIZE = 200
"""Utterances of a part: a quarter of an hour, drawn by a phone in a blink. Most calls are one part."""
MOST = 1000
"""Parts; no call has nearly as many."""
FIRST_AFTER_MS, EACH_MS = 1000, 250
"""When the other parts are fetched: after the page has settled, and one at a time."""


@dataclass(frozen=True, slots=True)
class Part:
    """`lines` is None where the part is still to be fetched."""

    number: int
    start: float = 0.0
    end: float = 0.0
    """Where the next part begins."""
    after_ms: int = 0
    lines: tuple[Line, ...] | None = None

    @property
    def places(self) -> slice:
        return slice(self.number * SIZE, (self.number + 1) * SIZE)


def outlined(outline: Sequence[Outlined], *, seconds: float) -> list[Part]:
    """All parts of a call, none with its lines."""
    starts = [outline[place].start for place in range(0, len(outline), SIZE)]
    ends = [*starts[1:], max(seconds, outline[-1].end)] if outline else []
    return [
        Part(number, start, end, after_ms=FIRST_AFTER_MS + EACH_MS * number)
        for number, (start, end) in enumerate(zip(starts, ends, strict=True))
    ]


def asked_for(parts: Sequence[Part], query: Mapping[str, str]) -> int:
    """The number of the part that an address asks for: `?part=`, or the one that is heard at `?t=`; else the first."""
    number = query.get("part", "")
    if number.isdecimal() and len(number) < 9:
        return min(int(number), max(len(parts) - 1, 0))
    try:
        at = float(query.get("t", ""))
    except ValueError:
        return 0
    return max(bisect_right([part.start for part in parts], at) - 1, 0)


def filled(part: Part, utterances: Iterable[Utterance], flags: Iterable[Flag], *, emotion: bool) -> Part:
    """The part with its lines."""
    shaded = presenting.shaded(flags)
    return replace(part, lines=tuple(presenting.line(row, flagged=shaded, emotion=emotion) for row in utterances))
