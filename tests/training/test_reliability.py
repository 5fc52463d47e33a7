"""How far probabilities can be believed: scores that keep their word, scores that do not, and what is gained by not answering."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.training.made import said
from training.corpus import CLASS_OF_LABEL
from training.reliability import BINS, COVERAGES, least_confidence, reliability, risk_coverage


def test_calibrated_scores_are_observed_as_stated() -> None:
    rng = np.random.default_rng(0)
    stated = rng.random(20000)
    table = reliability(rng.random(20000) < stated, stated)
    assert len(table) == BINS
    assert sum(row["rows"] for row in table.values()) == 20000
    for row in table.values():
        assert row["observed"] == pytest.approx(row["stated"], abs=4 * 0.5 / np.sqrt(row["rows"]))


def test_overconfident_scores_are_told_from_what_is_observed() -> None:
    rng = np.random.default_rng(0)
    true = rng.random(20000)
    table = reliability(rng.random(20000) < true, true**3 / (true**3 + (1 - true) ** 3))
    assert table["0.9-1.0"]["stated"] - table["0.9-1.0"]["observed"] > 0.1
    assert table["0.0-0.1"]["observed"] - table["0.0-0.1"]["stated"] > 0.1


def test_rows_lie_in_the_bin_that_their_score_names_and_empty_bins_are_left_out() -> None:
    table = reliability(np.array([True, False, True, True]), np.array([0.05, 0.07, 0.35, 1.0]))
    assert list(table) == ["0.0-0.1", "0.3-0.4", "0.9-1.0"]
    assert table["0.0-0.1"] == {"rows": 2.0, "stated": pytest.approx(0.06), "observed": 0.5}
    assert table["0.9-1.0"] == {"rows": 1.0, "stated": 1.0, "observed": 1.0}


def test_risk_falls_with_coverage_where_confidence_is_informative() -> None:
    """Every clip is said to be angry; the surer that is, the oftener it is true."""
    rng = np.random.default_rng(0)
    anger = rng.uniform(0.3, 1.0, 4000)
    held = said(np.where(rng.random(4000) < anger, "angry", "sad").tolist(), anger.tolist())
    table = risk_coverage(held)
    risks = [row["risk"] for row in table.values()]
    assert [float(name) for name in table] == list(COVERAGES)
    assert risks == sorted(risks, reverse=True)
    assert risks[-1] < 0.6 * risks[0]
    assert risks[0] == pytest.approx((held.rows.labels != 0).mean())
    cuts = [row["confidence"] for row in table.values()]
    assert cuts == sorted(cuts)
    for coverage, cut in zip(COVERAGES, cuts, strict=True):
        assert (anger >= cut - 1e-9).mean() == pytest.approx(coverage, abs=1e-3)


def test_not_answering_gains_nothing_where_confidence_says_nothing() -> None:
    rng = np.random.default_rng(0)
    labels = rng.choice(list(CLASS_OF_LABEL), 4000).tolist()
    held = said(labels, rng.uniform(0.3, 1.0, 4000).tolist())
    risks = [row["risk"] for row in risk_coverage(held).values()]
    assert max(risks) - min(risks) < 0.04


def test_a_single_utterance_is_answered_at_every_coverage() -> None:
    held = said(["angry"], [0.9])
    wrong = replace(held, logits=held.logits[:, ::-1])
    assert {row["risk"] for row in risk_coverage(held).values()} == {0.0}
    assert {row["risk"] for row in risk_coverage(wrong).values()} == {1.0}


def test_the_least_confidence_is_where_answers_begin_to_be_more_often_right_than_wrong() -> None:
    """Calibrated scores are right half of the time at one half; scores that are sure for nothing need more, modest ones less."""
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.2, 1.0, 20000)
    for right, least in ((sure, 0.5), (sure**2, 0.71), (np.sqrt(sure), 0.25)):
        held = said(np.where(rng.random(20000) < right, "angry", "sad").tolist(), sure.tolist())
        assert least_confidence(held) == pytest.approx(least, abs=0.05)


def test_a_head_that_is_always_wrong_never_answers_and_one_that_is_always_right_always_does() -> None:
    anger = np.linspace(0.3, 0.9, 100)
    assert least_confidence(said(["sad"] * 100, anger.tolist())) == 1.0
    assert least_confidence(said(["angry"] * 100, anger.tolist())) == pytest.approx(0.3)
