"""Checks of decisions on changed recordings: what leaves them alone passes, what shuffles them fails, each by its own marks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from analysis.values import Span
from tests.training.made import made_up, source_of
from training import robustness, tone
from training.corpus import TONE_CLASSES, Clip, UsableClips
from training.features import Source, open_cache
from training.linear import LinearRows
from training.metrics import uar
from training.perturbations import PERTURBATIONS
from training.robustness import CLASSES, MARKS, SMALL, Marks

if TYPE_CHECKING:
    from pathlib import Path

    from analysis.values import FloatArray
    from training.tone import Fold
    from training.tone_data import ToneData

LABELS = ("angry", "happy", "neutral", "sad", "calm", "fear")
ENCODER = "toy"


@pytest.fixture(scope="module")
def data() -> ToneData:
    return made_up(corpora={"ravdess": LABELS}, each=8)


@pytest.fixture(scope="module")
def folds(data: ToneData) -> list[Fold]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tone, "OUTER_FOLDS", 3)
        patch.setattr(tone, "TEST_ORDERS", 1)
        return tone.cross_validated(data, 0)


@pytest.fixture
def clean(data: ToneData) -> ToneData:
    """One copy of the four classes."""
    own = data.where(data.rows.has(copy="clean"))
    return own.where(np.array([clip.tone in CLASSES for clip in own.rows.clips]))


def store(source: Source, copy: str, features: FloatArray) -> None:
    """Fill the cache of one copy, as the encoder would."""
    cache = open_cache(source.usable, ENCODER, copy, source.root)
    cache.folder.mkdir(parents=True)
    clips = np.array([clip for window in cache.windows for clip in window.clips])
    for shard, own in enumerate(np.array_split(clips, cache.shards)):
        np.savez(cache.path(shard), clips=own, pooled=features[own])


def with_others(features: FloatArray, share: float) -> FloatArray:
    """A share of the rows with the features of others."""
    rng = np.random.default_rng(3)
    chosen = np.flatnonzero(rng.random(len(features)) < share)
    moved = features.copy()
    moved[chosen] = features[np.roll(rng.permutation(chosen), 1)]
    return moved


def table_of(data: ToneData, folds: list[Fold], root: Path, changed: dict[str, FloatArray]) -> dict[str, dict[str, float]]:
    source = source_of(data, root)
    store(source, "clean", data.features)
    for name in PERTURBATIONS:
        store(source, f"robust: {name}", changed.get(name, data.features))
    return robustness.table(source, ENCODER, folds)


def test_what_changes_nothing_fails_nothing(clean: ToneData, folds: list[Fold], tmp_path: Path) -> None:
    table = table_of(clean, folds, tmp_path, {})
    assert list(table) == ["clean", *PERTURBATIONS]
    assert table["clean"]["uar"] > 0.8
    for name in PERTURBATIONS:
        checks = 2.0 if MARKS.get(name, SMALL).uar_change is not None else 1.0
        assert table[name] == {"uar": table["clean"]["uar"], "uar_change": 0.0, "unchanged": 1.0, "checks": checks, "failed": 0.0}
    assert sum(row.get("checks", 0.0) for row in table.values()) == len(PERTURBATIONS) + 7


def test_what_shuffles_decisions_fails_every_check_of_its_own_and_no_other(clean: ToneData, folds: list[Fold], tmp_path: Path) -> None:
    garbled = with_others(clean.features, 1.0)
    table = table_of(clean, folds, tmp_path, {"tilt up": garbled, "room": garbled, "white 40 dB": garbled})
    failed = {name: row["failed"] for name, row in table.items() if row.get("failed")}
    assert failed == {"tilt up": 2.0, "room": 1.0, "white 40 dB": 1.0}
    assert table["room"]["uar_change"] == pytest.approx(table["room"]["uar"] - table["clean"]["uar"])
    assert table["room"]["unchanged"] < 0.5
    assert table["room"]["uar"] == pytest.approx(0.25, abs=0.12)


def test_the_same_change_is_judged_by_the_marks_of_its_kind(clean: ToneData, folds: list[Fold], tmp_path: Path) -> None:
    """An eighth of the decisions moves: too much for a small change or for noise, not for a room; a loss of recall counts by itself."""
    some = with_others(clean.features, 0.22)
    names = ("room", "phone", "babble 20 dB", "gain +2 dB")
    table = table_of(clean, folds, tmp_path, dict.fromkeys(names, some))
    assert 0.8 < table["room"]["unchanged"] < 0.9
    assert table["room"]["uar_change"] < -0.05
    assert {name: table[name]["failed"] for name in names} == {"room": 0.0, "phone": 1.0, "babble 20 dB": 2.0, "gain +2 dB": 1.0}


def test_marks_are_those_of_the_suite_and_of_perturbations_that_exist() -> None:
    assert set(MARKS) < set(PERTURBATIONS)
    assert MARKS["hum 20 dB"] == Marks(-0.05, 0.9)
    assert MARKS["phone"] == Marks(-0.05, 0.5)
    assert MARKS["room"] == Marks(None, 0.8)
    assert MARKS["tilt down"] == Marks(-0.02, 0.8)
    assert Marks(None, 0.95) == SMALL


def test_every_clip_is_decided_by_the_head_that_was_not_trained_on_its_speaker(clean: ToneData, folds: list[Fold]) -> None:
    found = robustness.decisions(clean, folds)
    assert ((found >= 0) & (found < len(CLASSES))).all()
    fold = folds[1]
    own = np.array([speaker in set(fold.held.rows.speakers) for speaker in clean.rows.speakers])
    assert not set(fold.trained.speakers) & set(clean.rows.where(own).speakers)
    heard = fold.head.hear(clean.where(own), np.random.default_rng(0), 1).logits[:, [TONE_CLASSES.index(name) for name in CLASSES]]
    np.testing.assert_array_equal(found[own], heard.argmax(axis=1))
    labels = np.array([CLASSES.index(clip.tone) for clip in clean.rows.clips])
    assert uar(labels, found) > 0.8
    only_sad = replace(
        fold.head, rows=LinearRows(0.0 * fold.head.rows.weight, 9.0 * np.eye(len(TONE_CLASSES))[TONE_CLASSES.index("sadness")])
    )
    changed = robustness.decisions(clean, [folds[0], replace(fold, head=only_sad), *folds[2:]])
    np.testing.assert_array_equal(changed, np.where(own, CLASSES.index("sadness"), found))


def test_an_empty_cache_is_refused_with_the_command_that_fills_it(clean: ToneData, folds: list[Fold], tmp_path: Path) -> None:
    source = source_of(clean, tmp_path)
    with pytest.raises(FileNotFoundError, match=r"run python -m training\.robustness"):
        robustness.table(source, ENCODER, folds)
    store(source, "clean", clean.features)
    with pytest.raises(FileNotFoundError, match=r"robust-babble-20-dB.* is not complete"):
        robustness.table(source, ENCODER, folds)


def test_the_source_holds_the_clips_of_the_four_classes_with_their_spans(tmp_path: Path) -> None:
    labels = ("angry", "fear", "calm", "surprise", "happy")
    clips = tuple(
        Clip(corpus, f"{corpus}-{label}", f"{corpus}:1", "f", "en", label, "", "") for corpus in ("ravdess", "nemo") for label in labels
    )
    spans = tuple(Span(0.0, 1.0 + number) for number in range(len(clips)))
    found = robustness.source_of(Source("acted", UsableClips(clips, spans, 3, 4), tmp_path, tmp_path))
    assert [clip.path for clip in found.usable.clips] == ["ravdess-angry", "ravdess-calm", "ravdess-happy"]
    assert [span.seconds for span in found.usable.spans] == [1.0, 3.0, 5.0]
    assert found.folder == tmp_path
    assert found.root != tmp_path
