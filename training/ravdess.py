"""The eight classes of RAVDESS on held-out speakers, as the literature reports them, with three ways to know the speaker.

`none`: every utterance on its own. `running`: against this speaker's earlier utterances in random order, as on a call. `whole`: against all
utterances of the speaker, also later ones, which no call offers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.model_selection import GroupKFold

from analysis.heads import BASELINE_PRIOR_S, against_caller
from training.features import TRAINED
from training.linear import ClassTask, LinearRows, fit_classes
from training.metrics import auc, average_precision, class_weights, softmax, uar
from training.tone import OUTER_FOLDS, TEST_ORDERS, best_penalty, main_axes
from training.tone_data import relative, scale

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from analysis.values import FloatArray
    from training.metrics import Doubles, Labels
    from training.tone_data import Rows, Table, ToneData

CORPUS = "ravdess"
LABELS = ("neutral", "calm", "happy", "sad", "angry", "fear", "disgust", "surprise")
ANGRY = LABELS.index("angry")
MODES = ("none", "running", "whole")


@dataclass(frozen=True, slots=True)
class Said:
    """Labels and what a model of other speakers said of them."""

    labels: Labels
    logits: Doubles


def labels_of(rows: Rows) -> Labels:
    return np.array([LABELS.index(clip.label) for clip in rows.clips])


def speaker_folds(rows: Rows, seed: int) -> Iterator[tuple[Labels, Labels]]:
    yield from GroupKFold(OUTER_FOLDS, shuffle=True, random_state=seed).split(np.zeros(len(rows)), groups=rows.speakers)


def against_whole(rows: Rows, standardised: FloatArray) -> FloatArray:
    """Each row less the mean of all rows of its speaker over its line."""
    found = np.empty_like(standardised)
    for own in rows.callers(np.random.default_rng(0)):
        found[own] = standardised[own] - standardised[own].mean(axis=0)
    return found


def cross_validated(data: ToneData, mode: str, seed: int, copies: Sequence[str]) -> dict[str, Said]:
    """By copy: what heads of other speakers, trained through the trained copies, say; the running mode in `TEST_ORDERS` orders."""
    trained = np.isin(data.rows.copies, TRAINED)
    said: dict[str, list[Said]] = {copy: [] for copy in copies}
    for fit, held in speaker_folds(data.rows, seed):
        model = _Model.fitted(data.where(fit[trained[fit]]), mode, seed)
        for copy in copies:
            own = held[data.rows.has(copy=copy)[held]]
            said[copy].append(model.say(data.where(own), mode, np.random.default_rng(seed)))
    return {
        copy: Said(np.concatenate([each.labels for each in parts]), np.concatenate([each.logits for each in parts]))
        for copy, parts in said.items()
    }


@dataclass(frozen=True, slots=True)
class _Model:
    mean: FloatArray
    std: FloatArray
    axes: FloatArray
    rows: LinearRows

    @classmethod
    def fitted(cls, data: ToneData, mode: str, seed: int) -> _Model:
        mean, std = scale(data.features)
        standardised = (data.features - mean) / std
        axes = main_axes(standardised)
        inputs = np.asarray(standardised @ axes, np.float32)
        if mode == "running":
            inputs = relative(data, inputs, data.rows.callers(np.random.default_rng(seed)), BASELINE_PRIOR_S)
        elif mode == "whole":
            inputs = against_whole(data.rows, inputs)
        labels = labels_of(data.rows)
        task = ClassTask(inputs, labels, np.ones((len(labels), len(LABELS)), bool), class_weights(labels, data.rows.corpora))
        return cls(mean, std, axes, fit_classes(task, penalty=best_penalty(task, data.rows.speakers, seed)))

    def say(self, data: ToneData, mode: str, rng: np.random.Generator) -> Said:
        inputs = np.asarray((data.features - self.mean) / self.std @ self.axes, np.float32)
        labels = labels_of(data.rows)
        if mode == "whole":
            inputs = against_whole(data.rows, inputs)
        if mode != "running":
            return Said(labels, self.rows.logits(inputs))
        plain = inputs.astype(np.float64) @ self.rows.weight.T
        orders = []
        for _ in range(TEST_ORDERS):
            logits = np.empty_like(plain)
            for own in data.rows.callers(rng):
                logits[own] = against_caller(plain[own], self.rows.bias, data.rows.seconds[own], classes=len(LABELS), anger=ANGRY)
            orders.append(logits)
        return Said(np.tile(labels, TEST_ORDERS), np.concatenate(orders))


def numbers(said: Said) -> dict[str, float]:
    anger = said.labels == ANGRY
    scores = softmax(said.logits)[:, ANGRY]
    return {
        "uar": uar(said.labels, said.logits.argmax(axis=1)),
        "anger_auc": auc(anger, scores),
        "anger_ap": average_precision(anger, scores),
    }


def tables(data: ToneData, copies: Sequence[str], seed: int) -> Table:
    """One seed's numbers by mode and copy."""
    found = {}
    for mode in MODES:
        for copy, said in cross_validated(data, mode, seed, copies).items():
            found[f"{mode}, {copy}"] = numbers(said)
    return found
