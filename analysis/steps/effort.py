"""Transcript and timing → signs that the customer has to work: no emotion is read, so this stays when emotion scoring is off."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis import cues
from analysis.values import EffortSign, Party, Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from analysis.config import MeasuresConfig
    from analysis.values import Cast, Transcript, Utterance, Voice

SIGNS: tuple[tuple[str, Party, re.Pattern[str]], ...] = (
    ("told_before", Party.CUSTOMER, cues.TOLD_BEFORE),
    ("asks_for_human", Party.CUSTOMER, cues.ASKS_FOR_HUMAN),
    ("hold", Party.AGENT, cues.HOLD_BY_AGENT),
    ("hold", Party.CUSTOMER, cues.HOLD_BY_CUSTOMER),
    ("transfer", Party.AGENT, cues.TRANSFER_BY_AGENT),
    ("transfer", Party.CUSTOMER, cues.TRANSFER_BY_CUSTOMER),
)

REPEAT_WORDS = 4
"""Content words that both utterances need: `yes, that is right` is said twice in every call."""
REPEAT_SIMILARITY = 0.6
"""Shared content words over all content words (Jaccard) from which an utterance repeats an earlier one."""
REPEAT_GAP_S = 5.0
"""A repeat sooner than this is a speaker who starts over, not one who is asked again."""
REPEAT_REACH_S = 600.0
ANNOUNCEMENT_GAP_S = 90.0
"""Announcements closer than this belong to one wait."""

FUNCTION_WORDS = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be been but by can could did do does don for from get got had has have he her him his how i if in is "
        "it its just like ll me my no not of oh okay on or our out re s she so some sure t thank thanks that the their them then "
        "there they this to um uh up us ve very was we well were what when where which who will with would yeah yes you your ",
    )
)


def find(transcript: Transcript, cast: Cast, *, voices: Sequence[Voice], config: MeasuresConfig) -> tuple[EffortSign, ...]:
    """Every sign in the order of its time, each with the words it rests on. Signs in words are read in English only."""
    signs = [*_silences(voices, config.long_silence_s)]
    if transcript.language in cues.LANGUAGES:
        signs += [*_phrases(transcript.utterances, cast), *_repeats(transcript.utterances, cast), *_announced(transcript.utterances, cast)]
    return tuple(sorted(signs, key=lambda sign: (sign.at, sign.kind)))


def content_words(text: str) -> frozenset[str]:
    """The words that carry meaning, lower case; numbers count."""
    return frozenset(re.findall(r"[a-z0-9]+", text.lower())) - FUNCTION_WORDS


def _phrases(utterances: Sequence[Utterance], cast: Cast) -> Iterator[EffortSign]:
    for utterance in utterances:
        party = cast.party(utterance)
        kinds = dict.fromkeys(kind for kind, speaker, pattern in SIGNS if speaker is party and cues.said(pattern, utterance.text))
        yield from (EffortSign(kind, utterance.start, utterance.text, utterance.id) for kind in kinds)


@dataclass(frozen=True, slots=True)
class _Said:
    words: frozenset[str]
    span: Span


def _repeats(utterances: Sequence[Utterance], cast: Cast) -> Iterator[EffortSign]:
    """What the customer says nearly the same again after somebody answered."""
    earlier: list[_Said] = []
    answered = 0.0
    for utterance in utterances:
        if cast.party(utterance) is not Party.CUSTOMER:
            answered = utterance.start
            continue
        said = _Said(content_words(utterance.text), utterance.span)
        if len(said.words) < REPEAT_WORDS:
            continue
        if any(_repeated(said, before) and before.span.start < answered for before in earlier):
            yield EffortSign("repeat", utterance.start, utterance.text, utterance.id)
        earlier = [before for before in earlier if said.span.start - before.span.end <= REPEAT_REACH_S] + [said]


def _repeated(said: _Said, before: _Said) -> bool:
    shared = len(said.words & before.words) / len(said.words | before.words)
    return shared >= REPEAT_SIMILARITY and said.span.start - before.span.end >= REPEAT_GAP_S


def _announced(utterances: Sequence[Utterance], cast: Cast) -> Iterator[EffortSign]:
    """One sign per wait, however often the machine speaks in it."""
    last = -ANNOUNCEMENT_GAP_S
    for utterance in utterances:
        if utterance.id in cast.announcements:
            if utterance.start - last >= ANNOUNCEMENT_GAP_S:
                yield EffortSign("hold", utterance.start, utterance.text, utterance.id)
            last = utterance.end


def _silences(voices: Sequence[Voice], longest_s: float) -> Iterator[EffortSign]:
    """Silences of both parties between the first and the last speech of the call."""
    spans = sorted(span for voice in voices for span in voice.spans)
    end = spans[0].end if spans else 0.0
    for span in spans[1:]:
        if span.start - end >= longest_s:
            yield EffortSign("long_silence", end, f"{span.start - end:.0f} s in which nobody speaks")
        end = max(end, span.end)
