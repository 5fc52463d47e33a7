"""The reported numbers against cases whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from training.metrics import auc, best_temperature, class_weights, ece, softmax, top_ece, uar

RNG = np.random.default_rng(0)


def test_uar_ignores_how_common_a_class_is() -> None:
    labels = np.array([0] * 98 + [1] * 2)
    assert uar(labels, np.zeros(100, int)) == 0.5


def test_uar_counts_only_classes_that_occur() -> None:
    assert uar(np.array([0, 0, 3]), np.array([0, 6, 3])) == pytest.approx(0.75)


def test_auc_of_one_class_is_not_a_number() -> None:
    assert np.isnan(auc(np.ones(3, bool), np.arange(3.0)))


def test_true_probabilities_are_calibrated_and_doubled_odds_are_not() -> None:
    probabilities = RNG.uniform(0, 1, 50_000)
    happened = RNG.uniform(0, 1, 50_000) < probabilities
    assert ece(happened, probabilities) < 0.01
    assert ece(happened, probabilities**3) > 0.1


def test_best_temperature_undoes_overconfidence() -> None:
    logits = RNG.normal(0, 1.5, (20_000, 4))
    labels = np.array([RNG.choice(4, p=row) for row in softmax(logits)])
    assert best_temperature(labels, 3 * logits) == pytest.approx(3.0, rel=0.05)
    assert top_ece(labels, softmax(3 * logits)) > 10 * top_ece(labels, softmax(logits))


def test_weights_give_every_corpus_and_class_its_share() -> None:
    labels = np.array([0] * 90 + [1] * 10 + [0] * 5 + [2] * 5)
    corpora = ["big"] * 100 + ["small"] * 10
    weights = class_weights(labels, corpora)
    assert weights.mean() == pytest.approx(1.0)
    assert weights[:100].sum() == pytest.approx(weights[100:].sum())
    assert weights[:90].sum() == pytest.approx(weights[90:100].sum())
