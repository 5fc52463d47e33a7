"""Trains the tone head of one encoder: mean and standard deviation of an utterance's encoder frames → emotion classes and arousal.

`python -m training.tone --weights base` measures the head on speakers and on corpora that it was not trained on, then trains it on all of
them and writes analysis/weights/tone-whisper-base.*.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

from analysis.heads import save_head
from training.corpus import TONE_CLASSES, UNACTED
from training.features import COPIES, Source, load_pooled, open_cache, open_sources
from training.linear import ClassTask, LinearRows, fit_classes, fit_graded
from training.metrics import best_temperature, class_weights, rounded, softmax
from training.tone_data import HeldOut, ToneData, false_alarms, recalls, report, sex_gaps, strong_anger_auc

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from analysis.values import FloatArray
    from training.corpus import Clip
    from training.metrics import Doubles, Labels, Mask

PENALTIES = (0.1, 0.03, 0.01)
"""L2 penalties that are tried on inner folds of the training speakers, strongest first so that each fit starts from the one before."""
AROUSAL_PENALTY = 0.03
UNACTED_WEIGHT = 0.2
"""Against 1 for an acted corpus. Without unacted speech the heads hear anger or disgust in calm reading and in calm calls; with much of it
they take all English of a new corpus for neutral (docs/models/tone.md)."""
OUTER_FOLDS = 6
INNER_FOLDS = 3
SEED = 0

CORPUS_TERMS = {
    "ravdess": "RAVDESS (CC BY-NC-SA 4.0)",
    "nemo": "nEMO (CC BY-NC-SA 4.0)",
    "emodb": "EmoDB (free for research, terms not verified)",
    UNACTED: "LibriSpeech test-clean, 120 utterances (CC BY 4.0)",
}

AROUSAL_OF_LABEL = {
    "sad": 0.2,
    "boredom": 0.1,
    "calm": 0.1,
    "neutral": 0.3,
    "disgust": 0.5,
    "happy": 0.7,
    "surprise": 0.7,
    "fear": 0.7,
    "angry": 0.85,
}
"""A rank of ours after the circumplex of Russell (1980): no rater gave these numbers, so what is learnt is a proxy."""
AROUSAL_OF_INTENSITY = {"": 0.0, "normal": -0.1, "strong": 0.15}
"""RAVDESS asks its actors for two intensities."""


@dataclass(frozen=True, slots=True)
class ToneHead:
    """Rows over standardised features, and the temperature that calibrates their logits."""

    rows: LinearRows
    arousal: LinearRows
    mean: FloatArray
    std: FloatArray
    penalty: float
    temperature: float = 1.0

    def logits(self, features: FloatArray) -> Doubles:
        return self.rows.logits((features - self.mean) / self.std) / self.temperature

    def aroused(self, features: FloatArray) -> Doubles:
        """The arousal proxy in 0-1, shape [n]."""
        return np.asarray(expit(self.arousal.logits((features - self.mean) / self.std)[:, 0]))


def possible_classes(data: ToneData) -> Mask:
    """Which classes the corpus of each row was acted in, shape [n, 7]; unacted speech could have held any."""
    held = {corpus: {clip.tone for clip in data.clips if clip.corpus == corpus} for corpus in set(data.corpora)}
    held[UNACTED] = set(TONE_CLASSES)
    return np.array([[name in held[corpus] for name in TONE_CLASSES] for corpus in data.corpora])


def arousal_targets(clips: Sequence[Clip]) -> Doubles:
    return np.array([np.clip(AROUSAL_OF_LABEL[clip.label] + AROUSAL_OF_INTENSITY[clip.intensity], 0.0, 1.0) for clip in clips])


def row_weights(data: ToneData) -> Doubles:
    """Every acted corpus weighs the same, and within it every class it holds; unacted speech weighs a share of a corpus. Mean 1."""
    unacted = np.array([corpus == UNACTED for corpus in data.corpora])
    weights = class_weights(data.labels, data.corpora) * np.where(unacted, UNACTED_WEIGHT, 1.0)
    return np.asarray(weights / weights.mean())


def balanced_task(data: ToneData, mean: FloatArray, std: FloatArray) -> ClassTask:
    return ClassTask((data.features - mean) / std, data.labels, possible_classes(data), row_weights(data))


def train(data: ToneData, *, penalty: float | None = None) -> ToneHead:
    """Fit both outputs; without a given penalty it is chosen on inner folds of the speakers."""
    mean = data.features.mean(axis=0, dtype=np.float64).astype(np.float32)
    std = data.features.std(axis=0, dtype=np.float64).astype(np.float32) + np.float32(1e-6)
    task = balanced_task(data, mean, std)
    chosen = best_penalty(task, data.speakers) if penalty is None else penalty
    arousal = fit_graded(task.features, arousal_targets(data.clips), task.weights, penalty=AROUSAL_PENALTY)
    return ToneHead(fit_classes(task, penalty=chosen), arousal, mean, std, chosen)


def best_penalty(task: ClassTask, speakers: Sequence[str], penalties: Sequence[float] = PENALTIES) -> float:
    """The penalty with the smallest balanced log loss on speakers held out of the training ones."""
    losses = np.zeros(len(penalties))
    for fit, held in GroupKFold(min(INNER_FOLDS, len(set(speakers)))).split(task.labels, groups=speakers):
        rows: LinearRows | None = None
        for place, penalty in enumerate(penalties):
            rows = fit_classes(_part(task, fit), penalty=penalty, start=rows)
            losses[place] += _loss(_part(task, held), rows)
    return penalties[int(np.argmin(losses))]


def _part(task: ClassTask, rows: Labels) -> ClassTask:
    return ClassTask(task.features[rows], task.labels[rows], task.possible[rows], task.weights[rows])


def _loss(task: ClassTask, rows: LinearRows) -> float:
    logits = np.where(task.possible, rows.logits(task.features), -np.inf)
    chosen = softmax(logits)[np.arange(len(task.labels)), task.labels]
    return float(-np.average(np.log(np.maximum(chosen, 1e-9)), weights=task.weights))


def speaker_folds(data: ToneData, folds: int) -> Iterator[tuple[Labels, Labels]]:
    """Training and held-out rows; no speaker is in both, and every corpus is in every fold."""
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=SEED)
    yield from splitter.split(data.features, data.corpora, data.speakers)


def cross_validated(data: ToneData, folds: Sequence[tuple[Labels, Labels]]) -> tuple[HeldOut, list[float]]:
    """Train on each fold's speakers and score the others, not yet calibrated; also the penalty that each fold chose."""
    logits = np.full((len(data), len(TONE_CLASSES)), np.nan)
    arousal = np.full(len(data), np.nan)
    penalties: list[float] = []
    for fit, held in folds:
        head = train(data.where(fit))
        logits[held], arousal[held] = head.logits(data.features[held]), head.aroused(data.features[held])
        penalties.append(head.penalty)
        left_out = len(set(data.where(held).speakers))
        print(f"  fold {len(penalties)} of {len(folds)}: penalty {head.penalty}, {left_out} speakers held out", flush=True)
    return HeldOut(data, logits, arousal), penalties


def calibrated(raw: HeldOut, folds: Sequence[tuple[Labels, Labels]]) -> HeldOut:
    """Each fold divided by the temperature of the *other* folds' held-out logits, so calibration too is measured on unseen speakers."""
    logits = raw.logits.copy()
    for _, held in folds:
        others = np.ones(len(raw.data), bool)
        others[held] = False
        logits[held] /= fitted_temperature(raw.where(others))
    return replace(raw, logits=logits)


def fitted_temperature(held: HeldOut) -> float:
    """Over all seven classes, as at run time; every corpus and class weighs the same, as in training."""
    return best_temperature(held.data.labels, held.logits, row_weights(held.data))


def load(weights: str, copies: Sequence[str]) -> ToneData:
    """The cached features of one encoder. Raises FileNotFoundError where the cache is not filled."""
    parts = [_loaded(source, weights, copy) for source, copy in itertools.product(open_sources(), copies)]
    return ToneData(
        tuple(clip for part in parts for clip in part.clips),
        tuple(copy for part in parts for copy in part.copies),
        np.concatenate([part.features for part in parts]),
    )


def _loaded(source: Source, weights: str, copy: str) -> ToneData:
    clips = source.usable.clips
    cache = open_cache(source.usable, f"whisper-{weights}", copy, source.root)
    if cache.missing():
        raise FileNotFoundError(f"{cache.folder} is not complete: run python -m training.features --weights {weights} --copies {copy}")
    pooled = load_pooled(cache, len(clips))
    return ToneData(clips, (copy,) * len(clips), pooled).where(~np.isnan(pooled[:, 0]))


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Every number of the card, and what the shipped head takes over from the heads that were measured."""

    metrics: dict[str, Any]
    penalty: float
    """The one that most folds chose: a temperature belongs to heads of its own penalty."""
    temperature: float


def evaluate(data: ToneData) -> Evaluation:
    folds = list(speaker_folds(data, OUTER_FOLDS))
    raw, penalties = cross_validated(data, folds)
    held = calibrated(raw, folds)
    metrics: dict[str, Any] = {
        "speaker_disjoint": report(held),
        "sex_gap_uar": sex_gaps(held),
        "arousal_strong_anger_auc": strong_anger_auc(held),
        "recall_telephone": recalls(held),
        "unacted_speech": false_alarms(held),
    }
    if len(set(data.corpora)) > 1:
        foreign = replace(held, logits=left_out_corpora(data))
        metrics["leave_one_corpus_out"] = report(foreign)
        metrics["unacted_speech_left_out"] = false_alarms(foreign)
    filled = {title: table for title, table in metrics.items() if table}
    return Evaluation(filled, statistics.mode(penalties), fitted_temperature(raw))


def left_out_corpora(data: ToneData) -> Doubles:
    """Logits of heads trained on the other corpora, shape [n, 7], without temperature: the drop that new speech brings."""
    logits = np.zeros((len(data), len(TONE_CLASSES)))
    for corpus in sorted(set(data.corpora)):
        own = data.has(corpus=corpus)
        logits[own] = train(data.where(~own)).logits(data.features[own])
    return logits


def tensors(head: ToneHead) -> dict[str, FloatArray]:
    held = {
        "arousal_bias": head.arousal.bias,
        "arousal_weight": head.arousal.weight[0],
        "bias": head.rows.bias,
        "feature_mean": head.mean,
        "feature_std": head.std,
        "weight": head.rows.weight,
    }
    return {key: value.astype(np.float32) for key, value in held.items()}


@dataclass(frozen=True, slots=True)
class Terms:
    """What the trained weights may be used for; the defaults are those of the shared corpora."""

    licence: str = "CC-BY-NC-SA-4.0"
    commercial_use: bool = False


def description(weights: str, head: ToneHead, data: ToneData, *, metrics: dict[str, Any], terms: Terms = Terms()) -> dict[str, Any]:
    balance = row_weights(data)
    return {
        "name": f"tone-whisper-{weights}",
        "encoder": f"whisper-{weights}",
        "features": ["mean of the utterance's encoder frames", "standard deviation of the same"],
        "classes": list(TONE_CLASSES),
        "license": terms.licence,
        "commercial_use": terms.commercial_use,
        "data": [CORPUS_TERMS.get(corpus, corpus) for corpus in sorted(set(data.corpora))],
        "languages": sorted({clip.language for clip in data.clips}),
        "priors": rounded({name: float(balance[data.labels == index].sum() / balance.sum()) for index, name in enumerate(TONE_CLASSES)}),
        "temperature": round(head.temperature, 4),
        "penalty": head.penalty,
        "metrics": metrics,
        "created_by": f"python -m training.tone --weights {weights}",
    }


def show(metrics: dict[str, Any]) -> None:
    for title, table in metrics.items():
        print(title)
        for name, value in table.items():
            cells = value if isinstance(value, dict) else {"": value}
            print(f"  {name:22}" + "  ".join(f"{key} {number:.3f}" for key, number in cells.items()), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", default="base")
    parser.add_argument(
        "--copies", nargs="+", default=["clean", "telephone"], choices=COPIES, help="what to train on; measured on the first two"
    )
    parser.add_argument("--license", default=Terms().licence, help="of the trained weights (SPDX)")
    parser.add_argument("--commercial-use", action="store_true", help="state that the data allows commercial use")
    arguments = parser.parse_args()
    terms = Terms(arguments.license, arguments.commercial_use)
    started = time.perf_counter()
    data = load(arguments.weights, arguments.copies)
    found = evaluate(data)
    show(found.metrics)
    head = replace(train(data, penalty=found.penalty), temperature=found.temperature)
    stem = f"tone-whisper-{arguments.weights}"
    save_head(stem, tensors(head), description(arguments.weights, head, data, metrics=found.metrics, terms=terms))
    print(f"wrote {stem}: penalty {head.penalty}, temperature {head.temperature:.3f}; {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
