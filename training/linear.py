"""Multinomial linear models for corpora that do not share all classes, fitted by L-BFGS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logsumexp

if TYPE_CHECKING:
    from analysis.values import FloatArray
    from training.metrics import Doubles, Labels, Mask

MAX_ITERATIONS = 300


@dataclass(frozen=True, slots=True)
class ClassTask:
    """What a multinomial model learns from."""

    features: FloatArray
    """Standardised, shape [n, d]."""
    labels: Labels
    possible: Mask
    """Which classes the row's corpus holds at all, shape [n, k]."""
    weights: Doubles
    """Mean 1, shape [n]."""


@dataclass(frozen=True, slots=True)
class LinearRows:
    weight: Doubles
    """Shape [k, d]."""
    bias: Doubles

    def logits(self, standardised: FloatArray) -> Doubles:
        return np.asarray(standardised @ self.weight.T.astype(np.float32) + self.bias, np.float64)


def fit_classes(task: ClassTask, *, penalty: float, start: LinearRows | None = None) -> LinearRows:
    """Minimise the weighted log loss plus `penalty / 2` times the squared weights.

    The softmax of a row runs over the classes that its corpus holds: that Polish speech never shows fear in these corpora must not teach
    the model that Polish is never afraid.
    """
    classes, width = task.possible.shape[1], task.features.shape[1]
    first = np.zeros((classes, width + 1)) if start is None else np.column_stack([start.weight, start.bias])
    found = minimize(
        _class_loss, first.ravel(), args=(task, penalty), jac=True, method="L-BFGS-B", options={"maxiter": MAX_ITERATIONS, "ftol": 1e-7}
    )
    best = found.x.reshape(classes, width + 1)
    return LinearRows(best[:, :-1], best[:, -1])


def _class_loss(flat: Doubles, task: ClassTask, penalty: float) -> tuple[float, Doubles]:
    rows = np.arange(len(task.labels))
    matrix = flat.reshape(task.possible.shape[1], -1)
    logits = LinearRows(matrix[:, :-1], matrix[:, -1]).logits(task.features)
    logits[~task.possible] = -np.inf
    log_probabilities = logits - logsumexp(logits, axis=1, keepdims=True)
    share = task.weights / len(rows)
    error = np.exp(log_probabilities) * share[:, None]
    error[rows, task.labels] -= share
    gradient = np.column_stack([error.T.astype(np.float32) @ task.features + penalty * matrix[:, :-1], error.sum(axis=0)])
    loss = -float(share @ log_probabilities[rows, task.labels]) + penalty / 2 * float(np.sum(matrix[:, :-1] ** 2))
    return loss, gradient.ravel()


def fit_graded(features: FloatArray, target: Doubles, weights: Doubles, *, penalty: float) -> LinearRows:
    """A logistic row for targets anywhere in 0-1 (cross-entropy against the target); `weights` have mean 1."""
    share = weights / len(target)

    def loss(flat: Doubles) -> tuple[float, Doubles]:
        logits = features @ flat[:-1].astype(np.float32) + flat[-1]
        error = share * (expit(logits) - target)
        value = float(share @ (np.logaddexp(0.0, logits) - target * logits)) + penalty / 2 * float(flat[:-1] @ flat[:-1])
        return value, np.append(error.astype(np.float32) @ features + penalty * flat[:-1], error.sum())

    found = minimize(loss, np.zeros(features.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": MAX_ITERATIONS, "ftol": 1e-7})
    return LinearRows(found.x[None, :-1], found.x[-1:])
