"""Joined voices and texts: the tables draw what they say, and fusing gains only where both parts know something."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analysis.steps.fuse import Priors
from tests.training.made import said
from training import paired
from training.metrics import average_precision
from training.paired import PAIRINGS, Pairs, Texts
from training.tone_data import ANGER, HeldOut

PRIORS = Priors(0.2, 0.2)


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paired, "RESAMPLES", 200)


def scores_of(positive: np.ndarray, signal: float, rng: np.random.Generator) -> np.ndarray:
    """Probabilities that are higher for positives by `signal` deviations of their log-odds."""
    return np.asarray(1 / (1 + np.exp(-(signal * (positive - 0.5) - 1.0 + rng.normal(0, 1, len(positive))))))


def voices(signal: float = 2.0, count: int = 200, seed: int = 0) -> HeldOut:
    rng = np.random.default_rng(seed)
    labels = rng.choice(["angry", "sad", "neutral", "happy"], count)
    return said(labels.tolist(), scores_of(labels == "angry", signal, rng).tolist())


def texts(signal: float = 2.0, count: int = 200, seed: int = 1) -> Texts:
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 4, count)
    return Texts(scores_of(kind == 0, signal, rng), kind == 0, kind == 1, kind == 2)


def numbered(kinds: Texts) -> Texts:
    """The same texts with their own number as score."""
    return replace(kinds, scores=np.arange(len(kinds.scores), dtype=np.float64))


def test_each_pairing_draws_the_texts_that_it_says() -> None:
    held, kinds = voices(), numbered(texts())
    pairs = paired.join(held, kinds, np.random.default_rng(0), 2000)
    drawn = pairs.wording.astype(int)
    allowed = {
        (True, "matching"): kinds.frustrated,
        (True, "contradicting"): kinds.positive,
        (True, "neutral"): kinds.neutral,
        (False, "matching"): kinds.positive,
        (False, "contradicting"): kinds.frustrated,
        (False, "neutral"): kinds.neutral,
    }
    for (angry, name), mask in allowed.items():
        own = (pairs.angry == angry) & (np.array(pairs.pairing) == name)
        assert own.sum() > 100
        assert set(drawn[own]) <= set(np.flatnonzero(mask))
        assert len(set(drawn[own])) > 0.8 * mask.sum(), "all of them may be drawn"
    np.testing.assert_array_equal(pairs.frustrated_text, kinds.frustrated[drawn])


def test_voices_are_drawn_with_their_own_score_and_a_quarter_of_them_is_angry() -> None:
    held = voices()
    pairs = paired.join(held, texts(), np.random.default_rng(0), 4000)
    anger = held.probabilities[:, ANGER]
    for angry in (True, False):
        assert set(pairs.anger[pairs.angry == angry]) == set(anger[(held.rows.labels == ANGER) == angry])
    assert pairs.angry.mean() == pytest.approx(paired.ANGRY_SHARE, abs=0.03)
    for name in PAIRINGS:
        assert (np.array(pairs.pairing) == name).mean() == pytest.approx(1 / 3, abs=0.03)


def test_frustrated_is_what_either_part_was_labelled_as() -> None:
    angry, text = np.array([True, True, False, False]), np.array([True, False, True, False])
    pairs = Pairs(angry, text, ["matching"] * 4, np.zeros(4), np.zeros(4))
    assert pairs.frustrated.tolist() == [True, True, True, False]


def test_the_fused_score_rises_with_either_part_and_is_higher_where_both_agree() -> None:
    anger, wording = np.array([0.05, 0.9, 0.05, 0.9]), np.array([0.05, 0.05, 0.9, 0.9])
    both = Pairs(np.zeros(4, bool), np.zeros(4, bool), ["neutral"] * 4, anger, wording)
    low, voice, words, agreed = paired.fused(both, PRIORS)
    assert low < voice < agreed
    assert low < words < agreed
    assert low < 0.5 < agreed


def test_fusing_beats_both_parts_where_both_know_something_of_their_own() -> None:
    rng = np.random.default_rng(0)
    pairs = paired.join(voices(), texts(), rng, 800)
    scores = paired.fused(pairs, PRIORS)
    found = paired.numbers(pairs, scores, rng)
    assert found["lead_low"] > 0.0
    assert found["ap_fused"] > max(found["ap_tone"], found["ap_wording"]) + 0.05
    assert found["lead_low"] < found["lead"] < found["lead_high"]
    assert found["lead"] == pytest.approx(found["ap_fused"] - max(found["ap_tone"], found["ap_wording"]))
    assert found["ap_wording"] == pytest.approx(average_precision(pairs.frustrated, pairs.wording))


@pytest.mark.parametrize("noisy", ["voice", "words"])
def test_fusing_with_noise_gains_nothing_beyond_chance(noisy: str) -> None:
    """The noise is drawn per pair and the target is what the other part is labelled as alone."""
    rng = np.random.default_rng(0)
    joined = paired.join(voices(), texts(), rng, 800)
    noise = rng.uniform(0.01, 0.99, 800)
    nobody = np.zeros(800, bool)
    pairs = replace(joined, anger=noise, angry=nobody) if noisy == "voice" else replace(joined, wording=noise, frustrated_text=nobody)
    found = paired.numbers(pairs, paired.fused(pairs, PRIORS), rng)
    assert found["lead"] < 0.0
    assert found["lead_low"] < found["lead"] < found["lead_high"] < 0.02
    noise_alone, known = ("ap_tone", "ap_wording") if noisy == "voice" else ("ap_wording", "ap_tone")
    assert found[noise_alone] == pytest.approx(pairs.frustrated.mean(), abs=0.08)
    assert found[known] > found[noise_alone] + 0.1


def test_the_better_part_has_no_lead_over_itself_in_any_resample() -> None:
    pairs = paired.join(voices(3.0), texts(0.5), np.random.default_rng(0), 400)
    found = paired.numbers(pairs, pairs.anger, np.random.default_rng(0))
    assert found["ap_tone"] > found["ap_wording"]
    assert (found["lead"], found["lead_low"], found["lead_high"]) == (0.0, 0.0, 0.0)


def test_the_joint_table_counts_every_pair_once_and_means_what_it_says() -> None:
    pairs = paired.join(voices(), texts(), np.random.default_rng(0), 900)
    table = paired.joint_table(pairs, np.where(pairs.angry, 0.8, 0.2) + 0.1 * (np.array(pairs.pairing) == "neutral"))
    assert sum(row["pairs"] for row in table.values()) == 900
    assert {name: row["mean_p"] for name, row in table.items()} == {
        "angry voice, matching text": pytest.approx(0.8),
        "angry voice, contradicting text": pytest.approx(0.8),
        "angry voice, neutral text": pytest.approx(0.9),
        "calm voice, matching text": pytest.approx(0.2),
        "calm voice, contradicting text": pytest.approx(0.2),
        "calm voice, neutral text": pytest.approx(0.3),
    }
    assert table["angry voice, matching text"]["pairs"] == (pairs.angry & (np.array(pairs.pairing) == "matching")).sum()
