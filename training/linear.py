"""Linear models for corpora that do not share all classes, fitted by L-BFGS; the sums run in torch, on a GPU where there is one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from scipy.optimize import minimize

if TYPE_CHECKING:
    from collections.abc import Callable

    from analysis.values import FloatArray
    from training.metrics import Doubles, Labels, Mask

MAX_ITERATIONS = 200
TOLERANCE = 1e-5
LABEL_SMOOTHING = 0.05
"""Share of a label that is spread over the classes its corpus holds: actors' labels are no rater votes (Szegedy et al. 2016)."""
IMPOSSIBLE = -1e9
"""Logit of a class that a row's corpus does not hold."""
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


Errors: TypeAlias = "Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]"
"""Logits [k, n] → the error of each row [n] and its slope in every logit [k, n]."""


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
    """Minimise the weighted log loss against smoothed labels plus `penalty / 2` times the squared weights.

    The softmax of a row runs over the classes that its corpus holds: that Polish speech never shows fear in these corpora must not teach
    the model that Polish is never afraid.
    """
    impossible = torch.from_numpy(np.where(task.possible, 0.0, IMPOSSIBLE).astype(np.float32).T.copy()).to(DEVICE)
    target = _smoothed(task).to(DEVICE)

    def errors(logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        log_shares = torch.log_softmax(logits + impossible, dim=0)
        return -(target * log_shares).sum(dim=0), log_shares.exp() - target

    return _fitted(task.features, task.weights, errors, penalty=penalty, start=start or _zeros(task.possible.shape[1], task.features))


def fit_graded(features: FloatArray, target: Doubles, weights: Doubles, *, penalty: float) -> LinearRows:
    """A logistic row for targets anywhere in 0-1 (cross-entropy against the target); `weights` have mean 1."""
    wanted = torch.from_numpy(target.astype(np.float32)).to(DEVICE)

    def errors(logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        given = torch.nn.functional.binary_cross_entropy_with_logits(logits[0], wanted, reduction="none")
        return given, torch.sigmoid(logits) - wanted

    return _fitted(features, weights, errors, penalty=penalty, start=_zeros(1, features))


def _smoothed(task: ClassTask) -> torch.Tensor:
    spread = task.possible / task.possible.sum(axis=1, keepdims=True)
    target = LABEL_SMOOTHING * spread
    target[np.arange(len(task.labels)), task.labels] += 1.0 - LABEL_SMOOTHING
    return torch.from_numpy(target.astype(np.float32).T.copy())


def _zeros(rows: int, features: FloatArray) -> LinearRows:
    return LinearRows(np.zeros((rows, features.shape[1])), np.zeros(rows))


def _fitted(features: FloatArray, weights: Doubles, errors: Errors, *, penalty: float, start: LinearRows) -> LinearRows:
    """L-BFGS over the weighted mean of the rows' errors and the penalty."""
    inputs = torch.from_numpy(features).to(DEVICE)
    share = torch.from_numpy((weights / len(weights)).astype(np.float32)).to(DEVICE)
    shape = (len(start.bias), features.shape[1] + 1)

    def loss(flat: Doubles) -> tuple[float, Doubles]:
        matrix = torch.tensor(flat.reshape(shape), dtype=torch.float32, device=DEVICE)
        own, slopes = errors(matrix[:, :-1] @ inputs.T + matrix[:, -1:])
        value = share @ own + penalty / 2 * matrix[:, :-1].square().sum()
        slopes = slopes * share
        gradient = torch.column_stack([slopes @ inputs + penalty * matrix[:, :-1], slopes.sum(dim=1)])
        return float(value), gradient.double().cpu().numpy().ravel()

    first = np.column_stack([start.weight, start.bias]).ravel()
    found = minimize(loss, first, jac=True, method="L-BFGS-B", options={"maxiter": MAX_ITERATIONS, "ftol": TOLERANCE}).x.reshape(shape)
    return LinearRows(found[:, :-1], found[:, -1])
