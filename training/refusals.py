"""What a tone head needs to know when not to answer: a row that tells music from speech, and how far speech may lie from its training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import eigh

from analysis.heads import novelty
from training.linear import LinearRows, fit_graded
from training.music import BEHIND, FOLDS, MUSIC

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from analysis.values import FloatArray
    from training.metrics import Doubles, Labels, Mask
    from training.tone_data import ToneData

NOVELTY_AXES = 64
"""More of them refuse ordinary short utterances of calls: what lies along the smaller axes says how short an utterance is."""
KNOWN_SHARE = 0.995
"""Of the utterances of speakers that the axes were not made with: the nearest so many are no novelty."""
MUSIC_PENALTY = 0.01
SPEECH_SHARE = 0.999
"""Of the utterances of held-out speakers: at least so many are not music."""
BEHIND_SHARE = 0.1
"""What speech over quiet music weighs among all speech."""


@dataclass(frozen=True, slots=True)
class Split:
    """Rows to learn from and rows, of other speakers and other music, to set a limit on or to measure with."""

    fit: Labels
    held: Labels


def splits(data: ToneData) -> Iterator[Split]:
    """Folds without common speakers or pieces of music. Where all speakers are there, music behind one is of that speaker's fold
    (training.music).
    """
    numbers = {
        name: number
        for group in (True, False)
        for number, name in enumerate(sorted({clip.speaker for clip in data.rows.clips if (clip.corpus == MUSIC) is group}))
    }
    folds = np.array([numbers[speaker] % FOLDS for speaker in data.rows.speakers])
    for fold in range(FOLDS):
        yield Split(np.flatnonzero(folds != fold), np.flatnonzero(folds == fold))


def fit_refusals(data: ToneData, mean: FloatArray, std: FloatArray) -> dict[str, FloatArray]:
    """The tensors by which a head refuses (analysis.heads), from speech, music and speech over music as heard through trained copies.

    Without music among the data there is no music row. Limits are set on held-out speakers.
    """
    standardised = (data.features - mean) / std
    speech = ~(data.rows.has(corpus=MUSIC) | data.rows.has(corpus=BEHIND))
    found = _novelty(data, standardised, speech)
    return found | _music(data, standardised) if data.rows.has(corpus=MUSIC).any() else found


def _novelty(data: ToneData, standardised: FloatArray, speech: Mask) -> dict[str, FloatArray]:
    distances = _held_out(data, speech, lambda fit, held: novelty(standardised[held], whitened_axes(standardised[fit])))
    return {
        "novelty_axes": whitened_axes(standardised[speech]),
        "novelty_limit": np.array([np.quantile(distances, KNOWN_SHARE)], np.float32),
    }


def whitened_axes(standardised: FloatArray, count: int = NOVELTY_AXES) -> FloatArray:
    """The leading principal axes of features of shape [n, d], each divided by the deviation along it, shape [count, d], float16."""
    width = standardised.shape[1]
    kept = min(count, width)
    values, vectors = eigh(standardised.T @ standardised / len(standardised), subset_by_index=[width - kept, width - 1])
    return np.asarray((vectors / np.sqrt(np.maximum(values, 1e-9))).T, np.float16)


def _music(data: ToneData, standardised: FloatArray) -> dict[str, FloatArray]:
    music, behind = data.rows.has(corpus=MUSIC), data.rows.has(corpus=BEHIND)
    logits = _held_out(
        data, ~music, lambda fit, held: fit_music(standardised, music, behind, fit).logits(standardised[held])[:, 0], fit_all=True
    )
    row = fit_music(standardised, music, behind, np.arange(len(data)))
    of_behind = behind[~music]
    limits = [np.quantile(logits[own], SPEECH_SHARE) for own in (~of_behind, of_behind) if own.any()]
    return {
        "music_weight": row.weight[0].astype(np.float32),
        "music_bias": (row.bias - max(0.0, *limits)).astype(np.float32),
    }


def fit_music(standardised: FloatArray, music: Mask, behind: Mask, rows: Labels) -> LinearRows:
    """A logistic row, over 0 where music is likelier than speech; either weighs the same."""
    shares = np.where(music, 1.0 / max(music[rows].sum(), 1), (1 - BEHIND_SHARE) / max((~music & ~behind)[rows].sum(), 1))
    shares = np.where(behind, BEHIND_SHARE / max(behind[rows].sum(), 1), shares)[rows]
    return fit_graded(standardised[rows], music[rows].astype(np.float64), shares / shares.mean(), penalty=MUSIC_PENALTY)


def _held_out(data: ToneData, wanted: Mask, measure: Callable[[Labels, Labels], Doubles], *, fit_all: bool = False) -> Doubles:
    """What `measure(fit, held)` says of every wanted row with rows of other speakers fitted, in the rows' order."""
    found = np.full(len(data), np.nan)
    for split in splits(data):
        fit = split.fit if fit_all else split.fit[wanted[split.fit]]
        held = split.held[wanted[split.held]]
        found[held] = measure(fit, held)
    return found[wanted]
