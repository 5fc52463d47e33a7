"""Whether a window's text is a loop that the recogniser fell into, or a speaker who repeats a sentence."""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from analysis.config import TranscribeConfig
    from analysis.values import Word

UNSAYABLE_WPS = 20.0
"""Words a second that nobody says; the fastest talkers on record reach ten. A copy without speech under it takes no time at all."""

FEWEST_DIFFERENT = 3
"""Different words from which a repeated phrase is looked at: single words are often aligned to no time where they were said."""

_UNSPOKEN = re.compile(r"[^\w']")


def repeats(text: str, config: TranscribeConfig) -> bool:
    """Whether the text says the same again and again: its zlib ratio is over Whisper's own limit."""
    written = text.strip().encode()
    return bool(written) and len(written) / len(zlib.compress(written)) > config.max_compression


def could_be_said(text: str, seconds: float, config: TranscribeConfig) -> bool:
    """Whether so many words can have been said in so many seconds, and were not stretched over them."""
    return config.min_repeating_wps <= len(text.split()) / max(seconds, 1e-9) <= config.max_repeating_wps


def without_phantoms(words: Sequence[Word]) -> list[Word]:
    """The words of a window without copies of a phrase that have no speech under them.

    Where a window holds nearly the same sentence many times, alignment loses count: it stretches one copy over two sentences and puts
    another into no time. Which words of two copies stand for one is left to the times, so a copy may begin amid a sentence.
    """
    left = list(words)
    while (copy := _fastest_copy(left)) is not None and _is_unsayable(left, copy):
        del left[copy.start : copy.stop]
    return left


def _fastest_copy(words: Sequence[Word]) -> range | None:
    """The words least long for their number whose removal makes one of a phrase that stands there twice."""
    return min(_copies(words), key=lambda copy: _seconds(words, copy) / len(copy), default=None)


def _copies(words: Sequence[Word]) -> Iterator[range]:
    said = [_UNSPOKEN.sub("", word.text).casefold() for word in words]
    for length in range(FEWEST_DIFFERENT, len(said) // 2 + 1):
        for first in range(len(said) - 2 * length + 1):
            phrase = said[first : first + length]
            if phrase == said[first + length : first + 2 * length] and len(set(phrase)) >= FEWEST_DIFFERENT:
                yield from (range(start, start + length) for start in range(first, first + length + 1))


def _is_unsayable(words: Sequence[Word], copy: range) -> bool:
    return len(copy) > UNSAYABLE_WPS * _seconds(words, copy)


def _seconds(words: Sequence[Word], copy: range) -> float:
    return words[copy[-1]].end - words[copy[0]].start
