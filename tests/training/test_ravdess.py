"""The eight classes of RAVDESS on made-up features: speakers apart, and what knowing the speaker is worth."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.training.made import made_up, shuffled
from training import ravdess
from training.features import TRAINED
from training.linear import ClassTask, LinearRows

if TYPE_CHECKING:
    from training.tone_data import Rows, ToneData

EIGHT = {"ravdess": ravdess.LABELS}
ORDERS = 2


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ravdess, "OUTER_FOLDS", 3)
    monkeypatch.setattr(ravdess, "TEST_ORDERS", ORDERS)
    monkeypatch.setattr(ravdess, "best_penalty", lambda *_: 0.03)


def uar_of(data: ToneData, mode: str) -> float:
    return ravdess.numbers(ravdess.cross_validated(data, mode, 0, ("clean",))["clean"])["uar"]


def with_offsets(data: ToneData, size: float) -> ToneData:
    """Every speaker over every line moved by an offset of their own."""
    rng = np.random.default_rng(5)
    features = data.features.copy()
    for own in data.rows.callers(rng):
        features[own] += rng.normal(0, size, (1, features.shape[1])).astype(np.float32)
    return replace(data, features=features)


def test_an_offset_of_the_speaker_hurts_alone_fades_on_a_call_and_is_gone_against_the_whole_speaker() -> None:
    plain = made_up(corpora=EIGHT, voices=0.0, each=6)
    moved = with_offsets(plain, 4.0)
    before = {mode: uar_of(plain, mode) for mode in ravdess.MODES}
    after = {mode: uar_of(moved, mode) for mode in ravdess.MODES}
    assert before["none"] > 0.8
    assert after["none"] < before["none"] - 0.3
    assert after["none"] + 0.15 < after["running"] < after["whole"]
    assert after["whole"] == pytest.approx(before["whole"], abs=0.02)


def test_an_offset_leaves_a_row_as_it_was_against_the_whole_speaker_over_the_same_line() -> None:
    data = made_up(corpora=EIGHT)
    one_line = data.where(data.rows.has(copy="clean")).rows
    found = ravdess.against_whole(data.rows, data.features)
    np.testing.assert_allclose(ravdess.against_whole(data.rows, with_offsets(data, 9.0).features), found, atol=1e-4)
    for speaker in set(one_line.speakers):
        own = data.rows.has(copy="clean") & (np.array(data.rows.speakers) == speaker)
        np.testing.assert_allclose(found[own].mean(axis=0), 0.0, atol=1e-5)


@pytest.mark.parametrize("mode", ravdess.MODES)
def test_held_out_speakers_are_never_trained_on_and_only_trained_copies_are(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = made_up(corpora=EIGHT)
    seen: list[Rows] = []
    heard: list[set[str]] = []
    fitted, say = ravdess._Model.fitted.__func__, ravdess._Model.say  # type: ignore[attr-defined]

    def watched_fit(model: type[ravdess._Model], own: ToneData, *rest: object) -> ravdess._Model:
        seen.append(own.rows)
        return fitted(model, own, *rest)  # type: ignore[no-any-return]

    def watched_say(model: ravdess._Model, own: ToneData, mode: str, rng: np.random.Generator) -> ravdess.Said:
        heard.append(set(own.rows.speakers))
        return say(model, own, mode, rng)

    monkeypatch.setattr(ravdess._Model, "fitted", classmethod(watched_fit))
    monkeypatch.setattr(ravdess._Model, "say", watched_say)
    found = ravdess.cross_validated(data, mode, 0, ("clean", "noisy"))
    assert len(seen) == 3
    assert set.union(*heard) == set(data.rows.speakers)
    for fold, rows in enumerate(seen):
        assert set(rows.copies) <= set(TRAINED)
        for speakers in heard[2 * fold : 2 * fold + 2]:
            assert not speakers & set(rows.speakers)
    orders = ORDERS if mode == "running" else 1
    assert len(found["noisy"].labels) == len(found["noisy"].logits) == orders * data.rows.has(copy="noisy").sum()


@pytest.mark.parametrize("mode", ravdess.MODES)
def test_shuffled_labels_give_chance(mode: str) -> None:
    data = made_up(corpora=EIGHT, each=10)
    found = ravdess.numbers(ravdess.cross_validated(shuffled(data), mode, 0, ("clean",))["clean"])
    assert found["uar"] == pytest.approx(1 / 8, abs=0.06)
    assert found["anger_auc"] == pytest.approx(0.5, abs=0.1)


def test_the_running_mode_hears_a_first_utterance_as_it_is_and_a_later_one_against_it() -> None:
    data = made_up(corpora=EIGHT).where(np.arange(2))
    data = replace(data, rows=replace(data.rows, seconds=np.array([15.0, 15.0])), features=np.full((2, 12), 4.0, np.float32))
    width = data.features.shape[1]
    neutral = LinearRows(np.vstack([np.ones(width), *np.zeros((7, width))]), np.zeros(8))
    model = ravdess._Model(np.zeros(width, np.float32), np.ones(width, np.float32), np.eye(width, dtype=np.float32), neutral)
    logits = model.say(data, "running", np.random.default_rng(0)).logits.reshape(2, 2, 8)
    np.testing.assert_allclose(np.sort(logits[..., 0]), [[24.0, 48.0]] * 2, rtol=1e-5)


def test_calm_and_neutral_are_classes_of_their_own_here() -> None:
    rows = made_up(corpora=EIGHT).rows
    assert set(ravdess.labels_of(rows)) == set(range(8))
    assert [ravdess.LABELS[label] for label in ravdess.labels_of(rows)] == [clip.label for clip in rows.clips]


def test_numbers_of_a_perfect_and_of_a_constant_answer() -> None:
    labels = np.repeat(np.arange(8), 3)
    sure = ravdess.Said(labels, 9.0 * np.eye(8)[labels])
    always_sad = ravdess.Said(labels, np.tile(9.0 * np.eye(8)[ravdess.LABELS.index("sad")], (len(labels), 1)))
    assert ravdess.numbers(sure) == {"uar": 1.0, "anger_auc": 1.0, "anger_ap": 1.0}
    assert ravdess.numbers(always_sad) == {"uar": 1 / 8, "anger_auc": 0.5, "anger_ap": 1 / 8}


def test_the_penalty_is_chosen_among_the_trained_speakers(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[set[str]] = []

    def watched(task: ClassTask, speakers: list[str], seed: int) -> float:
        assert len(task.labels) == len(speakers)
        asked.append(set(speakers))
        return 0.03

    monkeypatch.setattr(ravdess, "best_penalty", watched)
    ravdess.cross_validated(made_up(corpora=EIGHT), "none", 0, ("clean",))
    assert [len(speakers) for speakers in asked] == [4, 4, 4]


def test_heads_learn_from_rows_as_each_mode_hears_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left of the speakers' offsets in the rows that a head is fitted to."""
    left: dict[str, float] = {}
    data = with_offsets(made_up(corpora=EIGHT, voices=0.0, each=6), 6.0)

    def watched(task: ClassTask, speakers: list[str], seed: int) -> float:
        lines = data.rows.where(np.isin(data.rows.speakers, speakers) & np.isin(data.rows.copies, TRAINED))
        left[mode] = float(np.mean([np.square(task.features[own].mean(axis=0)).sum() for own in lines.callers(np.random.default_rng(0))]))
        return 0.03

    monkeypatch.setattr(ravdess, "best_penalty", watched)
    for mode in ravdess.MODES:
        ravdess.cross_validated(data, mode, 0, ("clean",))
    assert left["whole"] < 1e-6
    assert left["whole"] < left["running"] < 0.5 * left["none"]


def test_tables_hold_every_mode_and_copy() -> None:
    found = ravdess.tables(made_up(corpora=EIGHT, each=2), ("clean", "telephone"), 0)
    assert list(found) == [f"{mode}, {copy}" for mode in ravdess.MODES for copy in ("clean", "telephone")]
