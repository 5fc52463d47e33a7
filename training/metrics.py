"""The numbers that model cards report, all from labels and scores of held-out data."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, logsumexp
from sklearn.metrics import average_precision_score, recall_score, roc_auc_score

if TYPE_CHECKING:
    from collections.abc import Sequence

Doubles: TypeAlias = NDArray[np.float64]
Labels: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]


def auc(positive: Mask, scores: Doubles) -> float:
    """Area under the ROC curve; NaN where only one class is present."""
    return float(roc_auc_score(positive, scores)) if 0 < positive.sum() < len(positive) else float("nan")


def average_precision(positive: Mask, scores: Doubles) -> float:
    return float(average_precision_score(positive, scores))


def uar(labels: Labels, predicted: Labels) -> float:
    """Unweighted average recall over the classes that occur in `labels`."""
    return float(recall_score(labels, predicted, labels=np.unique(labels), average="macro", zero_division=0))


def ece(correct: Mask, confidence: Doubles, bins: int = 15) -> float:
    """Expected calibration error over equal-width bins (Guo et al. 2017, eq. 3). For a binary score pass the label and its probability."""
    places = np.clip((confidence * bins).astype(int), 0, bins - 1)
    gaps = [
        abs(correct[places == place].mean() - confidence[places == place].mean()) * (places == place).mean() for place in np.unique(places)
    ]
    return float(np.sum(gaps))


def top_ece(labels: Labels, probabilities: Doubles) -> float:
    """ECE of the most likely class."""
    return ece(np.asarray(probabilities.argmax(axis=1) == labels), probabilities.max(axis=1))


def best_temperature(labels: Labels, logits: Doubles, weights: Doubles | None = None) -> float:
    """The divisor of the logits that minimises their (weighted) log loss (Guo et al. 2017, section 4.2)."""
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        chosen = log_softmax(logits / np.exp(log_temperature), axis=1)[rows, labels]
        return float(-np.average(chosen, weights=weights))

    return float(np.exp(minimize_scalar(loss, bounds=(-2.0, 3.0), method="bounded").x))


def softmax(logits: Doubles) -> Doubles:
    return np.asarray(np.exp(logits - logsumexp(logits, axis=1, keepdims=True)))


def class_weights(labels: Labels, groups: Sequence[str]) -> Doubles:
    """Weights with mean 1 that give every group (a corpus) the same total, and within it every class it has."""
    names = np.array(groups)
    weights = np.zeros(len(labels))
    for group in np.unique(names):
        present = np.unique(labels[names == group])
        for label in present:
            own = (names == group) & (labels == label)
            weights[own] = 1.0 / (own.sum() * len(present))
    return np.asarray(weights / weights.mean())


def in_digits(number: float) -> str:
    """With three decimals; a dash where there is nothing to measure, as the AUC of one class."""
    return "–" if np.isnan(number) else f"{number:.3f}"


def rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in values.items()}
