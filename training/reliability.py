"""How far probabilities can be believed, and what is gained by not answering."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from training.metrics import Doubles, Mask
    from training.tone_data import HeldOut, Table

BINS = 10
SLICES = 20
COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5)


def reliability(positive: Mask, probability: Doubles) -> Table:
    """Observed share of positives by stated probability, in ten equal bins."""
    places = np.clip((probability * BINS).astype(int), 0, BINS - 1)
    return {
        f"{place / BINS:.1f}-{(place + 1) / BINS:.1f}": {
            "rows": float((places == place).sum()),
            "stated": float(probability[places == place].mean()),
            "observed": float(positive[places == place].mean()),
        }
        for place in np.unique(places)
    }


def risk_coverage(held: HeldOut) -> Table:
    """Share of wrong classes among the most confident utterances, and the confidence that cuts them off (El-Yaniv and Wiener 2010)."""
    confidence = held.probabilities.max(axis=1)
    wrong = held.probabilities.argmax(axis=1) != held.rows.labels
    order = np.argsort(-confidence)
    table = {}
    for coverage in COVERAGES:
        kept = order[: max(1, round(coverage * len(order)))]
        table[f"{coverage:.2f}"] = {"risk": float(wrong[kept].mean()), "confidence": float(confidence[kept[-1]])}
    return table


def least_confidence(held: HeldOut) -> float:
    """The confidence from which answers are more often right than wrong, by slices of a twentieth of the utterances."""
    confidence = held.probabilities.max(axis=1)
    wrong = held.probabilities.argmax(axis=1) != held.rows.labels
    for rows in np.array_split(np.argsort(confidence), SLICES):
        if wrong[rows].mean() < 0.5:
            return float(confidence[rows[0]])
    return 1.0
