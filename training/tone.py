"""Trains the tone head of one encoder: an utterance's pooled encoder frames, relative to the caller so far → emotion classes and arousal.

`python -m training.tone --weights base` encodes what is not in the cache yet, measures the head on speakers and on corpora that it was not
trained on, then trains it on all of them and writes analysis/weights/tone-whisper-base.*.
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
from sklearn.model_selection import GroupShuffleSplit, StratifiedGroupKFold

from analysis.heads import BASELINE_PRIOR_S, HeadCard, LinearHead, save_head
from training.corpus import ACTED, TONE_CLASSES, UNACTED, data_folder, read_manifest, require
from training.features import COPIES, MEASURED, TRAINED, fill_copies, load_copy, open_sources
from training.linear import ClassTask, LinearRows, fit_classes, fit_graded
from training.metrics import best_temperature, class_weights, in_digits, rounded, softmax
from training.music import load_music, music_in_words
from training.refusals import fit_refusals
from training.reliability import least_confidence
from training.tone_data import (
    HeldOut,
    Rows,
    ToneData,
    false_alarms,
    over_seeds,
    recalls,
    relative,
    report,
    scale,
    sex_gaps,
    strong_anger_auc,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from analysis.values import FloatArray
    from training.corpus import Clip
    from training.metrics import Doubles, Labels, Mask
    from training.tone_data import Table

PENALTIES = (0.1, 0.03, 0.01)
"""L2 penalties that are tried on held-out training speakers, strongest first so that each fit starts from the one before."""
AROUSAL_PENALTY = 0.03
UNACTED_WEIGHT = 0.2
"""Against 1 for an acted corpus. Without unacted speech the heads hear anger or disgust in calm reading and in calm calls; with much of it
they take all English of a new corpus for neutral (docs/models/tone.md)."""
OUTER_FOLDS = 6
FEWEST_SPEAKERS = 3
SEEDS = 5
TEST_ORDERS = 10
KEPT_VARIANCE = 0.97
NEVER = -20.0
"""Logit of a class that no corpus holds."""

CORPUS_TERMS = {
    "ravdess": "RAVDESS (CC BY-NC-SA 4.0)",
    "nemo": "nEMO (CC BY-NC-SA 4.0)",
    "emodb": "EmoDB (free for research, terms not verified)",
    "cremad": "CREMA-D (ODbL 1.0)",
    UNACTED: "LibriSpeech test-clean, 120 utterances (CC BY 4.0)",
}

NONCOMMERCIAL = frozenset({"ravdess", "nemo"})
"""Corpora whose terms exclude commercial use of what is trained on them."""

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
    """Rows over standardised features, the temperature that calibrates their logits, and how sure it must be to answer."""

    rows: LinearRows
    arousal: LinearRows
    mean: FloatArray
    std: FloatArray
    penalty: float
    temperature: float = 1.0
    least_confidence: float = 0.0

    def hear(self, data: ToneData, rng: np.random.Generator, orders: int) -> HeldOut:
        """What the run time would say of every caller, in `orders` random orders one after another; shape [orders * n]."""
        head = LinearHead(card(self), tensors(self))
        logits = np.empty((orders, len(data), len(TONE_CLASSES)))
        arousal = np.empty((orders, len(data)))
        for number in range(orders):
            for rows in data.rows.callers(rng):
                logits[number, rows], heard = head.follow(data.features[rows], data.rows.seconds[rows])
                arousal[number, rows] = expit(heard)
        return HeldOut(data.rows.where(np.tile(np.arange(len(data)), orders)), np.concatenate(logits), np.concatenate(arousal))


def possible_classes(rows: Rows) -> Mask:
    """Which classes the corpus of each row was acted in, shape [n, 7]; unacted speech could have held any."""
    held = {corpus: {clip.tone for clip in rows.clips if clip.corpus == corpus} for corpus in set(rows.corpora)}
    held[UNACTED] = set(TONE_CLASSES)
    return np.array([[name in held[corpus] for name in TONE_CLASSES] for corpus in rows.corpora])


def arousal_targets(clips: Sequence[Clip]) -> Doubles:
    return np.array([np.clip(AROUSAL_OF_LABEL[clip.label] + AROUSAL_OF_INTENSITY[clip.intensity], 0.0, 1.0) for clip in clips])


def row_weights(rows: Rows) -> Doubles:
    """Every acted corpus weighs the same, and within it every class it holds; unacted speech weighs a share of a corpus. Mean 1."""
    unacted = np.array([corpus == UNACTED for corpus in rows.corpora])
    weights = class_weights(rows.labels, rows.corpora) * np.where(unacted, UNACTED_WEIGHT, 1.0)
    return np.asarray(weights / weights.mean())


def train(data: ToneData, *, seed: int = 0, penalty: float | None = None) -> ToneHead:
    """Fit both outputs with every caller in a random order; without a given penalty it is chosen on a third of the speakers."""
    mean, std = scale(data.features)
    standardised = (data.features - mean) / std
    axes = main_axes(standardised)
    callers = data.rows.callers(np.random.default_rng(seed))
    inputs = relative(data, np.asarray(standardised @ axes, np.float32), callers, BASELINE_PRIOR_S)
    task = ClassTask(inputs, data.rows.labels, possible_classes(data.rows), row_weights(data.rows))
    chosen = best_penalty(task, data.rows.speakers, seed) if penalty is None else penalty
    arousal = fit_graded(inputs, arousal_targets(data.rows.clips), task.weights, penalty=AROUSAL_PENALTY)
    fitted = fit_classes(task, penalty=chosen)
    fitted.bias[~task.possible.any(axis=0)] = NEVER
    return ToneHead(_turned_back(fitted, axes), _turned_back(arousal, axes), mean, std, chosen)


def main_axes(standardised: FloatArray) -> FloatArray:
    """Orthonormal axes that hold `KEPT_VARIANCE` of the features, shape [d, m].

    A penalised linear model hardly uses the others, and fits several times faster without them.
    """
    values, vectors = np.linalg.eigh(standardised.T @ standardised / len(standardised))
    held = np.cumsum(values[::-1]) / values.sum()
    kept = int(np.searchsorted(held, KEPT_VARIANCE)) + 1
    return np.ascontiguousarray(vectors[:, ::-1][:, :kept], np.float32)


def _turned_back(rows: LinearRows, axes: FloatArray) -> LinearRows:
    """The same rows over the features themselves."""
    return LinearRows(rows.weight @ axes.T.astype(np.float64), rows.bias)


def best_penalty(task: ClassTask, speakers: Sequence[str], seed: int, penalties: Sequence[float] = PENALTIES) -> float:
    """The penalty with the smallest balanced log loss on training speakers that were held out for it."""
    fit, held = next(GroupShuffleSplit(1, test_size=1 / 3, random_state=seed).split(task.labels, groups=speakers))
    rows: LinearRows | None = None
    losses = []
    for penalty in penalties:
        rows = fit_classes(_part(task, fit), penalty=penalty, start=rows)
        losses.append(_loss(_part(task, held), rows))
    return penalties[int(np.argmin(losses))]


def _part(task: ClassTask, rows: Labels) -> ClassTask:
    return ClassTask(task.features[rows], task.labels[rows], task.possible[rows], task.weights[rows])


def _loss(task: ClassTask, rows: LinearRows) -> float:
    logits = np.where(task.possible, rows.logits(task.features), -np.inf)
    chosen = softmax(logits)[np.arange(len(task.labels)), task.labels]
    return float(-np.average(np.log(np.maximum(chosen, 1e-9)), weights=task.weights))


def speaker_folds(rows: Rows, seed: int) -> Iterator[tuple[Labels, Labels]]:
    """Training and held-out rows; no speaker is in both, and every corpus is in every fold."""
    speakers = len(set(rows.speakers))
    if speakers < FEWEST_SPEAKERS:
        raise ValueError(f"{speakers} speakers are too few to measure a head on others than it was trained on; at least {FEWEST_SPEAKERS}")
    splitter = StratifiedGroupKFold(min(OUTER_FOLDS, speakers), shuffle=True, random_state=seed)
    yield from splitter.split(np.zeros(len(rows)), rows.corpora, rows.speakers)


@dataclass(frozen=True, slots=True)
class Fold:
    """One head and what it said of the rows that it was not trained on."""

    head: ToneHead
    trained: Rows
    held: HeldOut
    """Not yet calibrated."""


def cross_validated(data: ToneData, seed: int) -> list[Fold]:
    """Heads of the trained copies of each fold's speakers, heard over all copies of the others."""
    trained = np.isin(data.rows.copies, TRAINED)
    found = []
    for fit, held in speaker_folds(data.rows, seed):
        own = data.where(fit[trained[fit]])
        head = train(own, seed=seed)
        found.append(Fold(head, own.rows, head.hear(data.where(held), np.random.default_rng(seed), TEST_ORDERS)))
        left_out = len(set(data.rows.where(held).speakers))
        print(f"  seed {seed}, fold {len(found)}: penalty {head.penalty}, {left_out} speakers held out", flush=True)
    return found


def calibrated(folds: Sequence[Fold]) -> HeldOut:
    """Each fold divided by its temperature."""
    return HeldOut.joined([fold.held.over(settled(fold, folds).temperature) for fold in folds])


def settled(fold: Fold, folds: Sequence[Fold]) -> ToneHead:
    """The fold's head with what fits the *other* folds' held-out logits, so that calibration too is measured on unseen speakers."""
    return settle(fold.head, HeldOut.joined([other.held for other in folds if other is not fold]))


def settle(head: ToneHead, held: HeldOut) -> ToneHead:
    """The head with the temperature and the least confidence that fit these logits of speakers it was not trained on."""
    temperature = fitted_temperature(held)
    return replace(head, temperature=temperature, least_confidence=least_confidence(held.where(held.rows.has_anger).over(temperature)))


def fitted_temperature(held: HeldOut) -> float:
    """Over all seven classes, as at run time; every corpus and class weighs the same, as in training."""
    return best_temperature(held.rows.labels, held.logits, row_weights(held.rows))


def load(weights: str, copies: Sequence[str]) -> ToneData:
    """The cached features of one encoder. Raises FileNotFoundError where the cache is not filled."""
    return ToneData.joined(
        [
            load_copy(source, f"whisper-{weights}", copy, filled_by=f"training.features --weights {weights} --copies {copy}")
            for source, copy in itertools.product(open_sources(), copies)
        ]
    )


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Every number of the card, and what the shipped head takes over from the heads that were measured."""

    metrics: dict[str, Table]
    penalty: float
    """The one that most folds chose: a temperature belongs to heads of its own penalty."""
    temperature: float
    least_confidence: float


def evaluate(data: ToneData, seeds: int = SEEDS) -> Evaluation:
    copies = [copy for copy in MEASURED if copy in data.rows.copies]
    runs: list[dict[str, Table]] = []
    penalties: list[float] = []
    settled_heads: list[ToneHead] = []
    for seed in range(seeds):
        folds = cross_validated(data, seed)
        held = calibrated(folds)
        tables = {
            "speaker_disjoint": report(held, copies),
            "sex_gap_uar": sex_gaps(held, copies),
            "recalls": recalls(held, copies),
            "arousal_strong_anger": strong_anger_auc(held, copies),
            "unacted_speech": false_alarms(held, copies),
        }
        if len(set(data.rows.corpora)) > 1:
            foreign = left_out_corpora(data, seed)
            tables["leave_one_corpus_out"] = report(foreign, copies)
            tables["unacted_speech_left_out"] = false_alarms(foreign, copies)
        runs.append({title: table for title, table in tables.items() if table})
        penalties += [fold.head.penalty for fold in folds]
        settled_heads.append(settle(folds[0].head, HeldOut.joined([fold.held for fold in folds])))
    return Evaluation(
        over_seeds(runs),
        statistics.mode(penalties),
        statistics.mean(head.temperature for head in settled_heads),
        statistics.mean(head.least_confidence for head in settled_heads),
    )


def left_out_corpora(data: ToneData, seed: int) -> HeldOut:
    """What heads of the other corpora say, without temperature: the drop that new speech brings."""
    trained = np.isin(data.rows.copies, TRAINED)
    parts = []
    for corpus in sorted(set(data.rows.corpora)):
        own = data.rows.has(corpus=corpus)
        head = train(data.where(trained & ~own), seed=seed)
        parts.append(head.hear(data.where(own), np.random.default_rng(seed), TEST_ORDERS))
    return HeldOut.joined(parts)


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


def card(head: ToneHead) -> HeadCard:
    """What a head that is not written yet says of itself, as far as scoring needs it."""
    return HeadCard("measured", "", TONE_CLASSES, "", "", False, frozenset(), {}, head.temperature, head.least_confidence)


@dataclass(frozen=True, slots=True)
class Terms:
    """What the trained weights may be used for; the defaults are those of the shared corpora."""

    licence: str = "CC-BY-NC-SA-4.0"
    commercial_use: bool = False


def terms_of(corpora: Iterable[str], licence: str | None, *, commercial_use: bool) -> Terms:
    """The terms given, or those of the shared corpora. Raises ValueError where nobody but the user knows them, or they contradict."""
    own = sorted(set(corpora) - CORPUS_TERMS.keys())
    if licence is None and own:
        raise ValueError(
            f"--license is needed: the terms of {', '.join(own)} are known to you alone. Name what the new head may be used under "
            "(SPDX, as in --license LicenseRef-own), with --commercial-use where it may serve commercially"
        )
    if licence is None and commercial_use:
        raise ValueError(f"--commercial-use needs --license: without it the head stays under {Terms().licence}, which forbids that")
    bound = sorted(set(corpora) & NONCOMMERCIAL)
    if commercial_use and bound:
        raise ValueError(f"--commercial-use contradicts the terms of {', '.join(bound)}: leave their rows out of the manifest")
    return Terms(licence or Terms().licence, commercial_use)


def description(weights: str, head: ToneHead, rows: Rows, *, metrics: dict[str, Table], terms: Terms = Terms()) -> dict[str, Any]:
    balance = row_weights(rows)
    return {
        "name": f"tone-whisper-{weights}",
        "encoder": f"whisper-{weights}",
        "features": [
            "mean of the utterance's frames in two middle layers",
            "standard deviation of the same",
            "relative to the caller so far",
        ],
        "classes": list(TONE_CLASSES),
        "license": terms.licence,
        "commercial_use": terms.commercial_use,
        "data": [CORPUS_TERMS.get(corpus, corpus) for corpus in sorted(set(rows.corpora))],
        "languages": sorted({clip.language for clip in rows.clips}),
        "priors": rounded(
            {TONE_CLASSES[index]: float(balance[rows.labels == index].sum() / balance.sum()) for index in np.unique(rows.labels)}
        ),
        "temperature": round(head.temperature, 4),
        "least_confidence": round(head.least_confidence, 4),
        "penalty": head.penalty,
        "metrics": metrics,
        "created_by": f"python -m training.tone --weights {weights}",
    }


def show(metrics: dict[str, Any]) -> None:
    for title, table in metrics.items():
        print(title)
        for name, value in table.items():
            cells = value if isinstance(value, dict) else {"": value}
            print(f"  {name:22}" + "  ".join(f"{key} {in_digits(number)}" for key, number in cells.items()), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", default="base")
    parser.add_argument("--copies", nargs="+", default=list(dict.fromkeys([*TRAINED, *MEASURED])), choices=COPIES)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="how often everything is measured, over other folds and orders")
    parser.add_argument("--license", help=f"of the trained weights (SPDX); {Terms().licence} where all data is of the shared corpora")
    parser.add_argument("--commercial-use", action="store_true", help="state that the data allows commercial use")
    arguments = parser.parse_args()
    require(ACTED)
    corpora = {clip.corpus for clip in read_manifest(data_folder() / ACTED)}
    try:
        terms = terms_of(corpora, arguments.license, commercial_use=arguments.commercial_use)
    except ValueError as error:
        parser.error(str(error))
    started = time.perf_counter()
    fill_copies([arguments.weights], arguments.copies)
    data, music = load(arguments.weights, arguments.copies), load_music(arguments.weights)
    print(f"music: {music_in_words(music)}", flush=True)
    found = evaluate(data, arguments.seeds)
    show(found.metrics)
    trained = data.where(np.isin(data.rows.copies, TRAINED))
    fitted = train(trained, penalty=found.penalty)
    head = replace(fitted, temperature=found.temperature, least_confidence=found.least_confidence)
    stem = f"tone-whisper-{arguments.weights}"
    refusing = fit_refusals(trained if music is None else ToneData.joined([trained, music]), head.mean, head.std)
    described = description(arguments.weights, head, trained.rows, metrics=found.metrics, terms=terms)
    replaced = save_head(stem, tensors(head) | refusing, {**described, "music": music_in_words(music)})
    settled_at = f"penalty {head.penalty}, temperature {head.temperature:.3f}, least confidence {head.least_confidence:.3f}"
    print(f"wrote {stem}: {settled_at}; {time.perf_counter() - started:.0f} s")
    for kept in replaced:
        print(f"what was there is kept as {kept}")
    if music is None:
        print("this head never refuses music: none was read (python -m training.music --folder MUSIC, then train again)")


if __name__ == "__main__":
    main()
