"""Refits prior and weights of the fusion to judged stretches, and measures what that does: numbers in, numbers out.

The score stays what it is, a sum of parts in log-odds; its method and what it rests on are in docs/models/fusion.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Doubles: TypeAlias = NDArray[np.float64]
Mask: TypeAlias = NDArray[np.bool_]
Numbers: TypeAlias = NDArray[np.int64]

SPREAD = 0.3
"""Standard deviation of a weight around the configured one, as a share of it: some 50 verdicts move a weight by half of what they say, a
few hundred by nearly all of it."""
PRIOR_SPREAD = 0.7
"""Standard deviation of the prior around the configured one, in log-odds: one in ten was a guess."""
LEAST_SHARE = 0.05
"""A weight keeps this share of the configured one: at 0 later runs would store nothing of the part, and nothing could raise it again."""
MIN_RANDOM = 30
"""Random stretches without which the prior stays: with none of 30 frustrated, up to one in nine may be."""
MOST_LOG_ODDS = 4.5
"""Scores stay within 1-99 %, as in analysis.steps.fuse."""
ROUNDS, TOLERANCE = 50, 1e-5
FOLDS = 5
RESAMPLES = 400
BINS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
METRICS = ("log_loss", "ece", "auc", "average_precision")


@dataclass(frozen=True, slots=True)
class Rows:
    """Judged stretches, one a row; n rows, k parts."""

    parts: Doubles
    """What each part would add at the configured weights, in log-odds, as a mean over the stretch; shape [n, k]."""
    limited: Doubles
    """What parts that stand at their limit add, whatever their weight; shape [n]."""
    frustrated: Mask
    inverse: Doubles
    """Of random stretches, 1 / the chance of the draw; 0 of flags."""
    moments: Doubles
    """Scored moments in the stretch."""
    groups: Numbers
    """Rows of one group never stand on both sides of a fold."""

    def __len__(self) -> int:
        return len(self.frustrated)

    @property
    def random(self) -> Mask:
        return np.asarray(self.inverse > 0)

    def at(self, places: Numbers | Mask) -> Rows:
        return Rows(*(getattr(self, name)[places] for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Fit:
    prior: float
    scales: Doubles
    """Each weight over the configured one, shape [k]."""

    def log_odds(self, rows: Rows) -> Doubles:
        return np.asarray(self.prior + rows.limited + rows.parts @ self.scales)

    def probabilities(self, rows: Rows) -> Doubles:
        return np.asarray(expit(np.clip(self.log_odds(rows), -MOST_LOG_ODDS, MOST_LOG_ODDS)))


def fit(rows: Rows, *, prior: float, flagged_share: float | None) -> Fit:
    """Weights that fit the judged stretches best, with a prior that fits the installation's customer speech; both shrunk.

    `prior` is the configured one. `flagged_share` is the share of scored moments that lie in flags; None keeps the prior where it is.
    The two are fitted in turns until neither moves: flags are judged far more often than they occur, so what weights are learnt from
    well would teach a prior that is far too high.
    """
    found = Fit(prior, np.ones(rows.parts.shape[1]))
    for _ in range(ROUNDS):
        before = found
        if flagged_share is not None:
            found = replace(found, prior=_prior(rows, found, configured=prior, weights=population(rows, flagged_share)))
        found = replace(found, scales=_scales(rows, found))
        if abs(found.prior - before.prior) + np.abs(found.scales - before.scales).max() < TOLERANCE:
            break
    return found


def population(rows: Rows, flagged_share: float) -> Doubles:
    """What share of the installation's scored moments each row speaks for; they sum to 1.

    Random stretches speak for unflagged speech, each by the inverse of the chance it was drawn with (Horvitz and Thompson, JASA 47,
    1952); judged flags speak for all flags.
    """
    weights = np.where(rows.random, rows.inverse, 1.0) * rows.moments
    for kind, share in ((rows.random, 1.0 - flagged_share), (~rows.random, flagged_share)):
        weights[kind] *= share / max(weights[kind].sum(), 1e-12)
    return np.asarray(weights / weights.sum())


def judged(rows: Rows) -> Doubles:
    """Every judged stretch alike, but that random ones keep their inverse chances; the sum is n."""
    weights = np.ones(len(rows))
    if rows.random.any():
        weights[rows.random] = rows.inverse[rows.random] / rows.inverse[rows.random].mean()
    return weights


def effective(weights: Doubles) -> float:
    """Kish's effective number of rows, (sum w)^2 / sum w^2 (Survey Sampling, 1965)."""
    return float(weights.sum() ** 2 / np.sum(weights**2))


def _scales(rows: Rows, found: Fit) -> Doubles:
    """Weighted logistic regression on the parts with the prior held; a part that says nothing keeps its weight."""
    weights, labels, offset = judged(rows), rows.frustrated.astype(float), found.prior + rows.limited

    def loss(scales: Doubles) -> tuple[float, Doubles]:
        log_odds = offset + rows.parts @ scales
        strayed = (scales - 1.0) / SPREAD
        value = weights @ (np.logaddexp(0.0, log_odds) - labels * log_odds) + 0.5 * strayed @ strayed
        return float(value), rows.parts.T @ (weights * (expit(log_odds) - labels)) + strayed / SPREAD

    bounds = [(LEAST_SHARE, None)] * len(found.scales)
    return np.asarray(minimize(loss, found.scales, jac=True, method="L-BFGS-B", bounds=bounds).x)


def _prior(rows: Rows, found: Fit, *, configured: float, weights: Doubles) -> float:
    """The prior under which the scores fit the installation's speech; uneven weights tell less than their count."""
    log_odds, count = found.log_odds(rows) - found.prior, effective(weights)

    def loss(prior: float) -> float:
        total = prior + log_odds
        losses = np.logaddexp(0.0, total) - rows.frustrated * total
        return float(count * (weights @ losses) + 0.5 * ((prior - configured) / PRIOR_SPREAD) ** 2)

    return float(minimize_scalar(loss, bounds=(-MOST_LOG_ODDS, MOST_LOG_ODDS), method="bounded", options={"xatol": 1e-7}).x)


def cross_validated(rows: Rows, *, prior: float, flagged_share: float | None) -> Doubles:
    """The probability of each row under a fit that saw no row of its group."""
    found = np.zeros(len(rows))
    folds = StratifiedGroupKFold(min(FOLDS, len(np.unique(rows.groups))), shuffle=True, random_state=0)
    for seen, held in folds.split(rows.parts, rows.frustrated, rows.groups):
        found[held] = fit(rows.at(seen), prior=prior, flagged_share=flagged_share).probabilities(rows.at(held))
    return found


def measured(frustrated: Mask, probabilities: Doubles, weights: Doubles) -> dict[str, float]:
    """METRICS, weighted; both classes must be there."""
    return {
        "log_loss": loss(frustrated, probabilities, weights),
        "ece": sum(abs(bin["score"] - bin["frustrated"]) * bin["share"] for bin in reliability(frustrated, probabilities, weights)),
        "auc": float(roc_auc_score(frustrated, probabilities, sample_weight=weights)),
        "average_precision": float(average_precision_score(frustrated, probabilities, sample_weight=weights)),
    }


def loss(frustrated: Mask, probabilities: Doubles, weights: Doubles) -> float:
    """Weighted mean of -log of the probability given to what reviewers said."""
    return float(log_loss(frustrated, probabilities, sample_weight=weights, labels=[False, True]))


def reliability(frustrated: Mask, probabilities: Doubles, weights: Doubles) -> list[dict[str, float]]:
    """By bin of the score: stretches, their share of all weight, their mean score and the share of them that is frustrated."""
    places = np.digitize(probabilities, BINS[1:-1])
    return [
        {
            "from": BINS[place],
            "to": BINS[place + 1],
            "stretches": int(own.sum()),
            "share": float(weights[own].sum() / weights.sum()),
            "score": float(np.average(probabilities[own], weights=weights[own])),
            "frustrated": float(np.average(frustrated[own], weights=weights[own])),
        }
        for place in np.unique(places)
        for own in [places == place]
    ]


def intervals(rows: Rows, scores: Mapping[str, Doubles], weights: Doubles) -> dict[str, dict[str, list[float]]]:
    """95 % bootstrap intervals of METRICS over groups, for the two named scores and for second minus first (`difference`)."""
    random, numbers = np.random.default_rng(0), np.unique(rows.groups)
    places = {number: np.flatnonzero(rows.groups == number) for number in numbers}
    drawn: list[Sequence[dict[str, float]]] = []
    for _ in range(RESAMPLES):
        chosen = np.concatenate([places[number] for number in random.choice(numbers, len(numbers))])
        if 0 < rows.frustrated[chosen].sum() < len(chosen):
            drawn.append([measured(rows.frustrated[chosen], values[chosen], weights[chosen]) for values in scores.values()])
    found: dict[str, dict[str, list[float]]] = {}
    for name in METRICS:
        values = np.array([[each[name] for each in one] for one in drawn])
        columns = dict(zip(scores, values.T, strict=True)) | {"difference": values[:, 1] - values[:, 0]}
        for key, column in columns.items():
            found.setdefault(key, {})[name] = [float(edge) for edge in np.quantile(column, (0.025, 0.975))]
    return found
