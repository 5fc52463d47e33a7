"""Scored moments → stretches of frustration: over `rise` opens one, over `hold` keeps it, two lower or one low end it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis.values import FrustrationSegment, Utterance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.config import SegmentsConfig
    from analysis.values import Moment


@dataclass(frozen=True, slots=True)
class Scored:
    utterance: Utterance
    probability: float


@dataclass(frozen=True, slots=True)
class SegmentsState:
    config: SegmentsConfig
    held: tuple[Scored, ...] = ()
    """Moments of the open stretch; empty where none is open."""
    dip: Scored | None = None
    """A moment under `hold` that the next one will join to the stretch or leave out."""


Found = tuple[FrustrationSegment, ...]


def start(config: SegmentsConfig) -> SegmentsState:
    return SegmentsState(config)


def push(state: SegmentsState, moment: Moment) -> tuple[SegmentsState, Found]:
    """Take the next moment of any party; give the stretch that it ended, if any. A moment without a score neither holds nor ends."""
    if moment.frustration is None or moment.frustration.probability is None:
        return state, ()
    scored = Scored(moment.utterance, moment.frustration.probability)
    if state.held and _goes_on(state, scored):
        return _extended(state, scored), ()
    opened = (scored,) if scored.probability >= state.config.rise else ()
    return SegmentsState(state.config, opened), finish(state)


def finish(state: SegmentsState) -> Found:
    """The stretch that is still open."""
    if not state.held or len(state.held) < state.config.min_utterances:
        return ()
    return (_segment(state.held),)


def find(moments: Sequence[Moment], config: SegmentsConfig) -> Found:
    """All stretches of a call, in order; they do not overlap."""
    state = start(config)
    found: list[FrustrationSegment] = []
    for moment in moments:
        state, ended = push(state, moment)
        found.extend(ended)
    return (*found, *finish(state))


def _goes_on(state: SegmentsState, scored: Scored) -> bool:
    last = state.dip or state.held[-1]
    if scored.utterance.start - last.utterance.end > state.config.max_gap_s or scored.probability < state.config.release:
        return False
    return scored.probability >= state.config.hold or state.dip is None


def _extended(state: SegmentsState, scored: Scored) -> SegmentsState:
    if scored.probability < state.config.hold:
        return SegmentsState(state.config, state.held, scored)
    between = () if state.dip is None else (state.dip,)
    return SegmentsState(state.config, (*state.held, *between, scored))


def _segment(held: tuple[Scored, ...]) -> FrustrationSegment:
    """Its mean is weighted by the seconds each utterance lasts."""
    seconds = [max(each.utterance.span.seconds, 0.1) for each in held]
    weighted = sum(each.probability * length for each, length in zip(held, seconds, strict=True))
    return FrustrationSegment(
        start=held[0].utterance.start,
        end=max(each.utterance.end for each in held),
        peak=max(each.probability for each in held),
        mean=round(weighted / sum(seconds), 4),
        utterances=tuple(each.utterance.id for each in held),
    )
