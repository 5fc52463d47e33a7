"""The fusion is refitted to verdicts: towards what is true, by little where there is little, and with the installation's own rate."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.special import expit

from analysis.config import FuseConfig
from bench.recalibration import Scales, center, rows
from callanalytics.review import fitting
from callanalytics.review.fitting import Doubles, Fit, Rows

PRIOR = FuseConfig().prior
TONE, WORDING = 0, 1


@pytest.mark.parametrize("scales", [(2.0, 0.6, 1, 1, 1), (0.3, 1.4, 1, 1, 1)])
def test_weights_that_are_true_elsewhere_are_found(scales: Scales) -> None:
    speech = center(scales=scales)
    found = fitting.fit(speech.judged(300, 900), prior=PRIOR, flagged_share=speech.flagged_share)
    for part in (TONE, WORDING):
        assert (found.scales[part] - 1.0) * (scales[part] - 1.0) > 0.1


def test_few_verdicts_move_less_than_many() -> None:
    speech = center(scales=(0.2, 1, 1, 1, 1))
    few, many = (fitting.fit(speech.judged(n, n), prior=PRIOR, flagged_share=None).scales[TONE] for n in (25, 250))
    assert many < few < 1.0


def test_no_verdict_changes_nothing_and_no_weight_is_ever_lost() -> None:
    nothing = rows(np.zeros((50, 5)), np.arange(50) % 2 == 0, np.zeros(50))
    assert fitting.fit(nothing, prior=PRIOR, flagged_share=None).scales == pytest.approx(np.ones(5))
    parts = np.zeros((400, 5))
    parts[:, TONE] = np.where(np.arange(400) % 2, 3.0, -1.0)
    wrong = rows(parts, parts[:, TONE] < 0, np.zeros(400))
    assert fitting.fit(wrong, prior=PRIOR, flagged_share=None).scales[TONE] == pytest.approx(fitting.LEAST_SHARE)


@pytest.mark.parametrize(("true", "within"), [(-4.0, (-4.6, -3.4)), (-1.2, (-1.8, -0.9))])
def test_the_prior_refers_to_the_installations_own_rate(true: float, within: tuple[float, float]) -> None:
    speech = center(prior=true)
    found = fitting.fit(speech.judged(150, 1500), prior=PRIOR, flagged_share=speech.flagged_share)
    assert within[0] < found.prior < within[1]
    expected = found.probabilities(speech.rows).mean()
    assert expected == pytest.approx(speech.frustrated.mean(), abs=0.02)


def test_flags_do_not_teach_how_common_frustration_is() -> None:
    """All flags are right, and one in fifty random stretches is frustrated: the judged stretches are mostly frustrated, speech is not."""
    count = 200
    parts = np.zeros((count, 5))
    parts[:150, WORDING] = 3.0
    frustrated = np.concatenate([np.ones(150, bool), np.arange(50) == 0])
    judged = rows(parts, frustrated, np.concatenate([np.zeros(150), np.full(50, 1000.0)]))
    assert fitting.fit(judged, prior=PRIOR, flagged_share=0.02).prior < PRIOR - 0.5
    assert fitting.fit(judged, prior=PRIOR, flagged_share=None).prior == PRIOR


def test_judged_stretches_stand_for_all_flags_and_for_all_other_speech() -> None:
    judged = dataclasses.replace(center(size=20_000).judged(30, 10), moments=np.tile([1.0, 2.0], 20))
    weights = fitting.population(judged, 0.02)
    assert weights[~judged.random].sum() == pytest.approx(0.02)
    assert weights[judged.random].sum() == pytest.approx(0.98)
    assert weights[1] == pytest.approx(2 * weights[0])
    only_flags = judged.at(~judged.random)
    assert fitting.population(only_flags, 0.02).sum() == pytest.approx(1.0)


def test_a_random_stretch_counts_by_the_inverse_of_its_chance() -> None:
    """Frustrated stretches were ten times as likely to be drawn: half of the sample, but one in eleven of what it stands for."""
    frustrated = np.arange(200) % 2 == 0
    inverse = np.where(frustrated, 100.0, 1000.0)
    weighted = rows(np.zeros((200, 5)), frustrated, inverse)
    assert expit(fitting.fit(weighted, prior=PRIOR, flagged_share=0.001).prior) == pytest.approx(1 / 11, abs=0.02)
    alike = dataclasses.replace(weighted, inverse=np.full(200, 1.0))
    assert expit(fitting.fit(alike, prior=PRIOR, flagged_share=0.001).prior) > 0.4


def test_a_part_at_its_limit_adds_the_same_at_any_weight() -> None:
    judged = Rows(np.array([[0.0, 1.0]]), np.array([-1.0]), np.array([True]), np.zeros(1), np.ones(1), np.zeros(1, np.int64))
    assert Fit(-2.0, np.array([0.5, 2.0])).log_odds(judged) == pytest.approx([-1.0])


def test_no_group_is_measured_by_a_fit_that_saw_it(monkeypatch: pytest.MonkeyPatch) -> None:
    speech = center(size=20_000)
    judged = speech.judged(20, 100)
    judged = dataclasses.replace(judged, groups=np.arange(len(judged), dtype=np.int64) // 4)
    seen: list[set[int]] = []
    fit = fitting.fit

    def noted(of: Rows, *, prior: float, flagged_share: float | None) -> Fit:
        seen.append(set(of.groups.tolist()))
        return fit(of, prior=prior, flagged_share=flagged_share)

    monkeypatch.setattr(fitting, "fit", noted)
    held: list[set[int]] = []
    probabilities = Fit.probabilities

    def asked(self: Fit, of: Rows) -> Doubles:
        held.append(set(of.groups.tolist()))
        return probabilities(self, of)

    monkeypatch.setattr(Fit, "probabilities", asked)
    fitting.cross_validated(judged, prior=PRIOR, flagged_share=0.02)
    assert len(seen) == len(held) == fitting.FOLDS
    assert all(not one & other for one, other in zip(seen, held, strict=True))
    assert set.union(*held) == set(judged.groups.tolist())


def test_measures_know_a_calibrated_score_from_one_that_is_not() -> None:
    chance = np.random.default_rng(3)
    probabilities = chance.uniform(0.05, 0.95, 20_000)
    frustrated, weights = chance.random(20_000) < probabilities, np.ones(20_000)
    good, bad = (fitting.measured(frustrated, scores, weights) for scores in (probabilities, probabilities**3))
    assert good["ece"] < 0.02 < 0.15 < bad["ece"]
    assert good["log_loss"] < bad["log_loss"]
    assert good["auc"] == pytest.approx(bad["auc"])
    bins = fitting.reliability(frustrated, probabilities, weights)
    assert sum(row["stretches"] for row in bins) == 20_000
    assert all(row["from"] <= row["score"] <= row["to"] and abs(row["score"] - row["frustrated"]) < 0.03 for row in bins)


def test_intervals_hold_what_was_measured_and_a_true_gain_excludes_zero() -> None:
    speech = center(prior=-4.0)
    judged = speech.judged(150, 150)
    weights = fitting.judged(judged)
    scores = {
        "before": Fit(PRIOR, np.ones(5)).probabilities(judged),
        "after": fitting.cross_validated(judged, prior=PRIOR, flagged_share=speech.flagged_share),
    }
    found = fitting.intervals(judged, scores, weights)
    for name, values in scores.items():
        low, high = found[name]["log_loss"]
        assert low < fitting.measured(judged.frustrated, values, weights)["log_loss"] < high
    assert found["difference"]["log_loss"][1] < 0
