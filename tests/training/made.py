"""Made-up labelled speech for tests that need features, decisions or recordings without an encoder."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from analysis.values import Span
from tests.audio import noise
from training.corpus import CLASS_OF_LABEL, TONE_CLASSES, Clip, UsableClips
from training.features import Source
from training.tone_data import ANGER, HeldOut, Rows, ToneData

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

CORPORA = {"first": ("angry", "sad", "fear", "happy", "neutral"), "second": ("angry", "sad", "happy", "neutral")}
SPEAKERS = 6
WIDTH = 12
COPIES = ("clean", "telephone", "noisy")
VOICES = [noise(2.0, -30.0, seed=number) for number in range(10, 16)]
"""Others' speech, for babble."""


def made_up(
    seed: int = 0, *, corpora: Mapping[str, Sequence[str]] = CORPORA, signal: float = 2.0, voices: float = 0.5, each: int = 4
) -> ToneData:
    """Corpora of six speakers in three copies: each class and calm has a direction, each speaker and corpus an offset."""
    rng = np.random.default_rng(seed)
    by_class = rng.normal(0, signal, (len(TONE_CLASSES), WIDTH))
    directions = {label: by_class[TONE_CLASSES.index(name)] for label, name in CLASS_OF_LABEL.items()}
    directions["calm"] = np.random.default_rng(seed + 1000).normal(0, signal, WIDTH)
    clips: list[Clip] = []
    rows = []
    for corpus, labels in corpora.items():
        offset = rng.normal(0, 1, WIDTH)
        for speaker in range(SPEAKERS):
            voice = offset + rng.normal(0, voices, WIDTH)
            for number in range(each * len(labels)):
                label, sex = labels[number % len(labels)], "fm"[speaker % 2]
                clips.append(Clip(corpus, f"{corpus}-{speaker}-{number}", f"{corpus}:{speaker}", sex, "en", label, "", ""))
                rows.append(voice + directions[label] + rng.normal(0, 1, WIDTH))
    features = np.array(rows, np.float32)
    copies = [features + rng.normal(0, 0.2 * number, features.shape).astype(np.float32) for number in range(len(COPIES))]
    seconds = np.tile(rng.uniform(1.0, 6.0, len(clips)), len(COPIES))
    return ToneData(Rows(tuple(clips) * len(COPIES), tuple(np.repeat(COPIES, len(clips)).tolist()), seconds), np.concatenate(copies))


def with_clips(data: ToneData, clips: Iterable[Clip]) -> ToneData:
    """The same rows of other clips."""
    return replace(data, rows=replace(data.rows, clips=tuple(clips)))


def shuffled(data: ToneData) -> ToneData:
    """The same rows with the labels of other clips of their corpus."""
    rng = np.random.default_rng(1)
    first = data.where(np.arange(len(data) // len(COPIES))).rows
    labels = np.array([clip.label for clip in first.clips])
    for corpus in sorted(set(first.corpora)):
        own = first.has(corpus=corpus)
        labels[own] = rng.permutation(labels[own])
    return with_clips(data, [replace(clip, label=str(label)) for clip, label in zip(first.clips, labels, strict=True)] * len(COPIES))


def source_of(data: ToneData, folder: Path) -> Source:
    """The source whose clips these are."""
    spans = tuple(Span(0.0, float(seconds)) for seconds in data.rows.seconds)
    return Source("made", UsableClips(data.rows.clips, spans), folder, folder)


def clean(clips: Sequence[Clip], seconds: float = 1.0) -> Rows:
    return Rows(tuple(clips), ("clean",) * len(clips), np.full(len(clips), seconds))


def spoken_as(labels: Sequence[str], corpus: str = "own") -> tuple[Clip, ...]:
    """One clip of a label each, all of one speaker."""
    return tuple(Clip(corpus, f"{corpus}-{number}", f"{corpus}:1", "f", "en", label, "", "") for number, label in enumerate(labels))


def said(labels: Sequence[str], anger: Sequence[float]) -> HeldOut:
    """What a head says that gives each clip this P(anger), and the other classes the rest in equal parts."""
    shares = np.repeat((1.0 - np.array(anger))[:, None] / (len(TONE_CLASSES) - 1), len(TONE_CLASSES), axis=1)
    shares[:, ANGER] = anger
    return HeldOut(clean(spoken_as(labels)), np.log(shares), np.zeros(len(labels)))
