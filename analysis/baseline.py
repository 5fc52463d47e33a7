"""A speaker's own level so far, as a reducer: what each measure of an utterance is compared with.

The baseline is the median over the speaker's earlier utterances, weighted by their length, without those that were scored high. Until it
rests on `MeasuresConfig.baseline_prior_s` of speech it is shrunk to the population. For the rate that is 3 words a second. Loudness
depends on the line and pitch on the body, so no level of the population fits a caller; there the population's prior is that a caller
does not change, and the change is shrunk to 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analysis.values import Measures, PlainMeasures, Utterance

if TYPE_CHECKING:
    from collections.abc import Iterable

    from analysis.config import MeasuresConfig

POPULATION_RATE_WPS = 3.0
"""Conversational English, pauses within the turn included: 2.4-3.3 words a second (Yuan, Liberman and Cieri 2006, telephone calls)."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One earlier utterance of a speaker, as far as the baseline needs it."""

    seconds: float
    loudness_db: float | None
    pitch_hz: float | None
    rate_wps: float | None


@dataclass(frozen=True, slots=True)
class BaselineState:
    """Per voice, the utterances the baseline rests on, oldest first."""

    heard: tuple[tuple[int, tuple[Heard, ...]], ...] = ()

    def of(self, voice: int) -> tuple[Heard, ...]:
        return next((items for owner, items in self.heard if owner == voice), ())


def start() -> BaselineState:
    return BaselineState()


def compare(state: BaselineState, utterance: Utterance, plain: PlainMeasures, config: MeasuresConfig) -> Measures:
    """The utterance's measures against its speaker's baseline so far, without adding it to the baseline."""
    earlier = state.of(utterance.voice)
    seconds = sum(item.seconds for item in earlier)
    trust = min(1.0, seconds / config.baseline_prior_s)
    return Measures(
        loudness_db=plain.loudness_db,
        loudness_change_db=_change(plain.loudness_db, _median((item.loudness_db, item.seconds) for item in earlier), trust),
        pitch_hz=plain.pitch_hz,
        pitch_change_semitones=_semitones(plain.pitch_hz, _median((item.pitch_hz, item.seconds) for item in earlier), trust),
        rate_wps=plain.rate_wps,
        rate_change_wps=_rate_change(plain.rate_wps, _median((item.rate_wps, item.seconds) for item in earlier), trust),
        pause_before_s=plain.pause_before_s,
        overlap_s=plain.overlap_s,
        snr_db=plain.snr_db,
        baseline_s=round(seconds, 2),
    )


def push(
    state: BaselineState, utterance: Utterance, plain: PlainMeasures, *, frustration: float | None, config: MeasuresConfig
) -> BaselineState:
    """Add an utterance to its speaker's baseline, unless it was scored over `baseline_max_frustration`."""
    if plain.loudness_db is None or (frustration is not None and frustration > config.baseline_max_frustration):
        return state
    item = Heard(utterance.span.seconds, plain.loudness_db, plain.pitch_hz, plain.rate_wps)
    mine = (*state.of(utterance.voice), item)
    return BaselineState((*((owner, items) for owner, items in state.heard if owner != utterance.voice), (utterance.voice, mine)))


def finish(state: BaselineState) -> BaselineState:
    """Nothing is held back; here so that a live call is driven like any other reducer."""
    return state


def _median(pairs: Iterable[tuple[float | None, float]]) -> float | None:
    """The value at which half of the seconds lie below; None where nothing was measured."""
    known = sorted((value, seconds) for value, seconds in pairs if value is not None)
    if not known:
        return None
    below = np.cumsum([seconds for _, seconds in known])
    return known[int(np.searchsorted(below, below[-1] / 2.0))][0]


def _change(value: float | None, median: float | None, trust: float) -> float | None:
    return None if value is None or median is None else round((value - median) * trust, 3)


def _semitones(value: float | None, median: float | None, trust: float) -> float | None:
    return None if value is None or median is None else round(12.0 * math.log2(value / median) * trust, 3)


def _rate_change(value: float | None, median: float | None, trust: float) -> float | None:
    return None if value is None or median is None else round(value - (trust * median + (1.0 - trust) * POPULATION_RATE_WPS), 3)
