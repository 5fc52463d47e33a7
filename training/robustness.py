"""Whether decisions stand when the recording changes: checks and pass marks after audeering's test suite (arXiv 2312.06270).

Four classes (anger, happiness, neutral, sadness) of RAVDESS, heads of other speakers, every caller in one random order, clean and changed.
`python -m training.robustness` fills the cache; it can be stopped and goes on where it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analysis.engines.window_encoder import WhisperWindowEncoder
from training.corpus import TONE_CLASSES
from training.features import babble_voices, fill_copy, load_copy, open_sources
from training.metrics import uar
from training.perturbations import PERTURBATIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analysis.values import FloatArray
    from training.features import Source
    from training.metrics import Labels
    from training.tone import Fold
    from training.tone_data import ToneData

CORPUS = "ravdess"
CLASSES = ("anger", "happiness", "neutral", "sadness")
COLUMNS = [TONE_CLASSES.index(name) for name in CLASSES]


@dataclass(frozen=True, slots=True)
class Marks:
    """What a perturbed copy must reach; None asks nothing."""

    uar_change: float | None
    unchanged: float


NOISE, PHONE, ROOM, TILT, SMALL = Marks(-0.05, 0.9), Marks(-0.05, 0.5), Marks(None, 0.8), Marks(-0.02, 0.8), Marks(None, 0.95)
MARKS: Mapping[str, Marks] = {
    "babble 20 dB": NOISE,
    "street 20 dB": NOISE,
    "hum 20 dB": NOISE,
    "white 20 dB": NOISE,
    "phone": PHONE,
    "room": ROOM,
    "tilt up": TILT,
    "tilt down": TILT,
}
"""Every other perturbation is a small change."""


def source_of(acted: Source) -> Source:
    """The clips of the four classes."""
    return acted.where("robustness", lambda clip: clip.corpus == CORPUS and clip.tone in CLASSES)


def load(source: Source, encoder: str, copy: str) -> ToneData:
    """Cached features of one copy. Raises FileNotFoundError where the cache is not filled."""
    return load_copy(source, encoder, copy, filled_by="training.robustness")


def decisions(data: ToneData, folds: Sequence[Fold]) -> Labels:
    """The likeliest of the four classes for every clip, by the head that was not trained on its speaker."""
    found = np.full(len(data), -1)
    for fold in folds:
        own = np.isin(data.rows.speakers, sorted(set(fold.held.rows.speakers)))
        heard = fold.head.hear(data.where(own), np.random.default_rng(0), 1)
        found[own] = heard.logits[:, COLUMNS].argmax(axis=1)
    return found


def table(source: Source, encoder: str, folds: Sequence[Fold]) -> dict[str, dict[str, float]]:
    """UAR, its change, share of unchanged decisions, and how many of the copy's checks fail."""
    clean = load(source, encoder, "clean")
    labels = np.array([CLASSES.index(clip.tone) for clip in clean.rows.clips])
    before = decisions(clean, folds)
    found = {"clean": {"uar": uar(labels, before)}}
    for name in PERTURBATIONS:
        after = decisions(load(source, encoder, f"robust: {name}"), folds)
        change, unchanged = uar(labels, after) - uar(labels, before), float((after == before).mean())
        marks = MARKS.get(name, SMALL)
        failed = (marks.uar_change is not None and change < marks.uar_change) + (unchanged < marks.unchanged)
        found[name] = {
            "uar": uar(labels, after),
            "uar_change": change,
            "unchanged": unchanged,
            "checks": 1.0 + (marks.uar_change is not None),
            "failed": float(failed),
        }
    return found


def fill(source: Source, voices: Sequence[FloatArray]) -> str:
    """Encode what is missing of the clean and of every changed copy; gives the encoder's name."""
    encoder = WhisperWindowEncoder("base")
    for copy in ("clean", *(f"robust: {name}" for name in PERTURBATIONS)):
        fill_copy(source, copy, voices, encoder)
    return encoder.encoder


def main() -> None:
    sources = open_sources()
    fill(source_of(sources[0]), babble_voices(sources))


if __name__ == "__main__":
    main()
