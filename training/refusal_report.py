"""How often a tone head refuses, on speakers, corpora and music that it was not fitted on: `python -m training.refusal_report`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import numpy as np

from analysis.engines.window_encoder import WhisperWindowEncoder
from analysis.heads import HeadCard, LinearHead
from analysis.values import SAMPLE_RATE, Abstention, FloatArray
from bench.asr import hold_music, telephone, white_noise
from training.channel import pink
from training.corpus import TONE_CLASSES
from training.features import COPIES, TRAINED, join, pooled
from training.music import BEHIND, MUSIC, load_music
from training.refusals import fit_refusals, splits
from training.tone import load, show
from training.tone_data import ToneData, scale

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from analysis.ports import WindowEncoder
    from training.tone_data import Table

REASONS = (Abstention.MUSIC, Abstention.OUT_OF_DISTRIBUTION)
SOUND_S = 4.0
SOUNDS_A_WINDOW = 6
TONES_HZ = ((350, 440), (440, 480), (480, 620), (425, 425), (697, 1209), (941, 1336))
"""Dial, ringing and busy tone of North America, the European tone, two keys (ITU-T E.180, Q.23)."""


def refusing_head(data: ToneData) -> LinearHead:
    """A head that can only refuse, fitted on the trained copies of `data`."""
    own = data.where(np.isin(data.rows.copies, TRAINED))
    mean, std = scale(own.features[~_is(own, MUSIC, BEHIND)])
    card = HeadCard("measured", "", TONE_CLASSES, "", "", False, frozenset(), {}, 1.0)
    return LinearHead(card, {"feature_mean": mean, "feature_std": std} | fit_refusals(own, mean, std))


def held_out_refusals(data: ToneData, sounds: Mapping[str, FloatArray]) -> Table:
    """Share of the utterances refused, by reason: speakers and pieces of music that were held out, each corpus and copy; made sounds.

    `sounds` are features, each of shape [n, d], that all folds hear.
    """
    found: dict[str, list[Abstention | None]] = {}
    for split in splits(data):
        head = refusing_head(data.where(split.fit))
        _collect(found, head, data.where(split.held))
        for name, features in sounds.items():
            found.setdefault(name, []).extend(head.refusals(features))
    return {name: shares(reasons) for name, reasons in sorted(found.items())}


def left_out_refusals(data: ToneData) -> Table:
    """The same for each corpus of speech with that corpus left out altogether."""
    found: dict[str, list[Abstention | None]] = {}
    for corpus in sorted({clip.corpus for clip in data.rows.clips} - {MUSIC, BEHIND}):
        own = data.rows.has(corpus=corpus)
        speakers = {clip.speaker for clip in data.where(own).rows.clips}
        known = np.array([speaker not in speakers for speaker in data.rows.speakers])
        _collect(found, refusing_head(data.where(known)), data.where(own))
    return {name: shares(reasons) for name, reasons in sorted(found.items())}


def shares(reasons: Sequence[Abstention | None]) -> dict[str, float]:
    return {"utterances": float(len(reasons))} | {str(reason): reasons.count(reason) / len(reasons) for reason in REASONS}


def _collect(found: dict[str, list[Abstention | None]], head: LinearHead, data: ToneData) -> None:
    for clip, copy, reason in zip(data.rows.clips, data.rows.copies, head.refusals(data.features), strict=True):
        found.setdefault(f"{clip.corpus}, {copy}", []).append(reason)


def _is(data: ToneData, *corpora: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.array([clip.corpus in corpora for clip in data.rows.clips], bool)


def made_sounds(encoder: WindowEncoder) -> dict[str, FloatArray]:
    """Features of what is no speech: noise, telephone tones, and music of plucked notes, in pieces; each of shape [n, d]."""
    long = round(SOUND_S * SAMPLE_RATE) * SOUNDS_A_WINDOW
    sounds = {
        "white noise": white_noise()[:long],
        "pink noise": _pink_noise(long),
        "telephone tones": tones(),
        "hold music": hold_music()[:long],
        "hold music, telephone": telephone(hold_music()[:long]),
    }
    return {f"made: {name}": pooled_pieces(np.split(samples, SOUNDS_A_WINDOW), encoder) for name, samples in sounds.items()}


def _pink_noise(length: int) -> FloatArray:
    """At -30 dBFS."""
    samples = pink(length, np.random.default_rng(0))
    return np.asarray(samples / samples.std() * 10 ** (-30 / 20), np.float32)


def tones() -> FloatArray:
    """Pairs of sines, one pair after another, shape [n]."""
    times = np.arange(round(SOUND_S * SAMPLE_RATE)) / SAMPLE_RATE
    return np.concatenate(
        [0.1 * np.sin(2 * np.pi * low * times) + 0.1 * np.sin(2 * np.pi * high * times) for low, high in TONES_HZ]
    ).astype(np.float32)


def pooled_pieces(pieces: Sequence[FloatArray], encoder: WindowEncoder) -> FloatArray:
    """Features of pieces that share one window, shape [n, d]."""
    return np.stack(pooled(join(pieces), encoder))


def measure(weights: str, copies: Iterable[str]) -> dict[str, Table]:
    """Every number of the section on refusals in docs/models/tone.md."""
    music = load_music(weights)
    speech = load(weights, list(copies))
    data = speech if music is None else ToneData.joined([speech, music])
    return {
        "refused, held out": held_out_refusals(data, made_sounds(WhisperWindowEncoder(weights))),
        "refused, corpus left out": left_out_refusals(data),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.refusal_report", description=__doc__)
    parser.add_argument("--weights", default="base")
    parser.add_argument("--copies", nargs="+", default=[*TRAINED, "noisy"], choices=COPIES)
    given = parser.parse_args()
    show(measure(given.weights, given.copies))


if __name__ == "__main__":
    main()
