"""A speaker's own level so far, as a reducer: what each measure of an utterance is compared with.

The baseline is the median over the speaker's earlier utterances, weighted by their length, without those that were scored high. Until it
rests on `MeasuresConfig.baseline_prior_s` of speech it is shrunk to the population. For the rate that is 3 words a second. Loudness
depends on the line and pitch on the body, so no level of the population fits a caller; there the population's prior is that a caller
does not change, and the change is shrunk to 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from analysis.values import BaselineChange, Measures, PlainMeasures, Utterance

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from analysis.config import MeasuresConfig

POPULATION_RATE_WPS = 3.0
"""Conversational English, pauses within the turn included: 2.4-3.3 words a second (Yuan, Liberman and Cieri 2006, telephone calls)."""


NONE_YET: NDArray[np.float64] = np.zeros(0)


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """One measure of a speaker's earlier utterances: ascending values, and the seconds each lasted, both of shape [n]."""

    values: NDArray[np.float64] = field(default_factory=lambda: NONE_YET)
    seconds: NDArray[np.float64] = field(default_factory=lambda: NONE_YET)

    def grown(self, value: float | None, seconds: float) -> Ranked:
        if value is None:
            return self
        at = int(np.searchsorted(self.values, value))
        return Ranked(np.insert(self.values, at, value), np.insert(self.seconds, at, seconds))

    def median(self) -> float | None:
        """The value at which half of the seconds lie below; None where nothing was measured."""
        if not self.values.size:
            return None
        below = np.cumsum(self.seconds)
        return float(self.values[int(np.searchsorted(below, below[-1] / 2.0))])


@dataclass(frozen=True, slots=True, eq=False)
class Earlier:
    """What the baseline of one speaker rests on. Kept in order, because a call of 4 hours asks for the median thousands of times."""

    seconds: float = 0.0
    loudness_db: Ranked = field(default_factory=Ranked)
    pitch_hz: Ranked = field(default_factory=Ranked)
    rate_wps: Ranked = field(default_factory=Ranked)


@dataclass(frozen=True, slots=True)
class BaselineState:
    """The earlier speech of each voice, by its id."""

    voices: Mapping[int, Earlier] = field(default_factory=dict)

    def of(self, voice: int) -> Earlier:
        return self.voices.get(voice, Earlier())


def start() -> BaselineState:
    return BaselineState()


def compare(state: BaselineState, utterance: Utterance, plain: PlainMeasures, config: MeasuresConfig) -> Measures:
    """The utterance's measures against its speaker's baseline so far, without adding it to the baseline."""
    earlier = state.of(utterance.voice)
    trust = min(1.0, earlier.seconds / config.baseline_prior_s)
    return Measures(
        loudness_db=plain.loudness_db,
        loudness_change_db=_change(plain.loudness_db, earlier.loudness_db.median(), trust),
        pitch_hz=plain.pitch_hz,
        pitch_change_semitones=_semitones(plain.pitch_hz, earlier.pitch_hz.median(), trust),
        rate_wps=plain.rate_wps,
        rate_change_wps=_rate_change(plain.rate_wps, earlier.rate_wps.median(), trust),
        pause_before_s=plain.pause_before_s,
        overlap_s=plain.overlap_s,
        snr_db=plain.snr_db,
        baseline_s=round(earlier.seconds, 2),
    )


def change(measures: Measures, config: MeasuresConfig) -> BaselineChange | None:
    """The change of an utterance as it was counted, and the plain difference from its speaker's median; None without a baseline."""
    if measures.baseline_s <= 0.0:
        return None
    trust = min(1.0, measures.baseline_s / config.baseline_prior_s)
    return BaselineChange(
        loudness_db=measures.loudness_change_db,
        pitch_semitones=measures.pitch_change_semitones,
        rate_wps=measures.rate_change_wps,
        baseline_s=measures.baseline_s,
        loudness_plain_db=_plain(measures.loudness_change_db, trust),
        pitch_plain_semitones=_plain(measures.pitch_change_semitones, trust),
        rate_plain_wps=_plain_rate(measures.rate_wps, measures.rate_change_wps, trust),
    )


def push(
    state: BaselineState, utterance: Utterance, plain: PlainMeasures, *, frustration: float | None, config: MeasuresConfig
) -> BaselineState:
    """Add an utterance to its speaker's baseline, unless it was scored over `baseline_max_frustration`."""
    if plain.loudness_db is None or (frustration is not None and frustration > config.baseline_max_frustration):
        return state
    before, seconds = state.of(utterance.voice), utterance.span.seconds
    mine = Earlier(
        seconds=before.seconds + seconds,
        loudness_db=before.loudness_db.grown(plain.loudness_db, seconds),
        pitch_hz=before.pitch_hz.grown(plain.pitch_hz, seconds),
        rate_wps=before.rate_wps.grown(plain.rate_wps, seconds),
    )
    return BaselineState({**state.voices, utterance.voice: mine})


def finish(state: BaselineState) -> BaselineState:
    """Nothing is held back; here so that a live call is driven like any other reducer."""
    return state


def _change(value: float | None, median: float | None, trust: float) -> float | None:
    return None if value is None or median is None else round((value - median) * trust, 3)


def _semitones(value: float | None, median: float | None, trust: float) -> float | None:
    return None if value is None or median is None else round(12.0 * math.log2(value / median) * trust, 3)


def _rate_change(value: float | None, median: float | None, trust: float) -> float | None:
    return None if value is None or median is None else round(value - (trust * median + (1.0 - trust) * POPULATION_RATE_WPS), 3)


def _plain(change: float | None, trust: float) -> float | None:
    return None if change is None else round(change / trust, 2)


def _plain_rate(value: float | None, change: float | None, trust: float) -> float | None:
    """The rate was compared with a mean of median and population, so the population's share is taken out of what it was compared with."""
    return None if value is None or change is None else round((change - (1.0 - trust) * (value - POPULATION_RATE_WPS)) / trust, 2)
