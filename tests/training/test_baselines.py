"""The functionals of simple signals, and simpler models that never hear whom they were trained on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
import swift_f0

from analysis.values import SAMPLE_RATE, FloatArray, Span
from tests.audio import noise, tones
from tests.training.made import made_up
from training import baselines, ravdess
from training.baselines import functionals
from training.corpus import Clip, UsableClips
from training.features import Source
from training.tone_data import ToneData

if TYPE_CHECKING:
    from pathlib import Path

PITCH, RANGE, PITCH_SLOPE, VOICED, LEVEL, LEVEL_SLOPE, RATE, SECONDS = 0, 5, 6, 7, 10, 16, 47, 49
"""Places of single functionals."""


@pytest.fixture(scope="module")
def tracker() -> swift_f0.SwiftF0:
    return swift_f0.SwiftF0(threads=1, spin=False)


def sweep(first_hz: float, last_hz: float, seconds: float = 2.0) -> FloatArray:
    """A voice-like sum of harmonics that glides from one pitch to another."""
    at = np.linspace(0.0, 1.0, round(seconds * SAMPLE_RATE))
    phase = 2 * np.pi * np.cumsum(first_hz + (last_hz - first_hz) * at) / SAMPLE_RATE
    return np.asarray(sum(np.sin(phase * harmonic) / harmonic for harmonic in range(1, 9)) / 6, np.float32)


SIGNALS = {
    "silence": np.zeros(SAMPLE_RATE, np.float32),
    "noise": noise(1.0, -20.0),
    "tone": tones(1.0, SAMPLE_RATE, [220.0])[0],
    "a twentieth of a second": noise(0.05, -20.0),
    "less than a spectrum": noise(0.02, -20.0),
    "full scale": np.ones(SAMPLE_RATE, np.float32),
}


@pytest.mark.parametrize("name", SIGNALS)
def test_fifty_finite_numbers_of_any_signal(name: str, tracker: swift_f0.SwiftF0) -> None:
    found = functionals(SIGNALS[name], tracker)
    assert found.shape == (50,)
    assert np.isfinite(found).all()
    assert found[SECONDS] == pytest.approx(len(SIGNALS[name]) / SAMPLE_RATE)


def test_a_rising_voice_has_a_rising_pitch(tracker: swift_f0.SwiftF0) -> None:
    rising, falling, level = (functionals(sweep(*ends), tracker) for ends in ((110, 220), (220, 110), (156, 156)))
    assert rising[PITCH_SLOPE] == pytest.approx(12.0, abs=2.0)
    assert falling[PITCH_SLOPE] == pytest.approx(-12.0, abs=2.0)
    assert level[PITCH_SLOPE] == pytest.approx(0.0, abs=0.5)
    assert rising[RANGE] > 8.0 > 1.0 > level[RANGE]
    assert level[PITCH] == pytest.approx(12 * np.log2(1.56), abs=0.5)
    assert level[VOICED] > 0.9


def test_a_louder_voice_has_more_level_and_nothing_else(tracker: swift_f0.SwiftF0) -> None:
    voice = sweep(150, 180) + noise(2.0, -40.0)
    soft, loud = functionals(voice * 0.1, tracker), functionals(voice, tracker)
    assert loud[LEVEL] - soft[LEVEL] == pytest.approx(20.0, abs=0.1)
    assert loud[PITCH] == pytest.approx(soft[PITCH], abs=0.3)
    np.testing.assert_allclose(loud[17:47], soft[17:47], atol=0.5)


def test_a_voice_that_grows_louder_has_a_rising_level(tracker: swift_f0.SwiftF0) -> None:
    voice = sweep(150, 150)
    growing = functionals(voice * np.geomspace(0.2, 1.0, len(voice)).astype(np.float32), tracker)
    assert growing[LEVEL_SLOPE] == pytest.approx(14.0, abs=1.5)
    assert functionals(voice, tracker)[LEVEL_SLOPE] == pytest.approx(0.0, abs=0.5)


def test_bursts_are_counted_by_the_second(tracker: swift_f0.SwiftF0) -> None:
    at = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    bursts = (sweep(150, 150) * (0.55 - 0.45 * np.cos(2 * np.pi * 4 * at))).astype(np.float32)
    assert functionals(bursts, tracker)[RATE] == pytest.approx(4.0, abs=0.5)


def test_a_brighter_voice_has_another_tilt(tracker: swift_f0.SwiftF0) -> None:
    low, high = (tones(1.0, SAMPLE_RATE, [hertz])[0] for hertz in (500.0, 2000.0))
    assert functionals(high, tracker)[17] > functionals(low, tracker)[17] + 20.0


def acted_source(folder: Path) -> Source:
    """Four clips of RAVDESS and one of another corpus, each two seconds with a pitch of its own."""
    clips = []
    for number, corpus in enumerate(("ravdess", "ravdess", "nemo", "ravdess", "ravdess")):
        clips.append(Clip(corpus, f"{number}.flac", f"{corpus}:{number // 2}", "f", "en", "sad", "", ""))
        soundfile.write(folder / f"{number}.flac", sweep(*[100.0 + 30.0 * number] * 2), SAMPLE_RATE)
    spans = tuple(Span(0.0, 1.0 + 0.2 * number) for number in range(5))
    return Source("acted", UsableClips(tuple(clips), spans, 0, 0), folder, folder / "cache")


def test_functionals_are_those_of_each_clips_own_speech_in_every_copy_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = baselines.source_of(acted_source(tmp_path))
    assert [clip.path for clip in source.usable.clips] == ["0.flac", "1.flac", "3.flac", "4.flac"]
    data = baselines.functional_data(source, ("clean", "telephone"), [])
    assert data.rows.copies == ("clean",) * 4 + ("telephone",) * 4
    assert data.rows.clips == source.usable.clips * 2
    wanted = 12 * np.log2(np.array([1.0, 1.3, 1.9, 2.2]))
    np.testing.assert_allclose(data.features[:4, PITCH], wanted, atol=0.5)
    np.testing.assert_allclose(data.features[4:, PITCH], wanted, atol=0.5)
    np.testing.assert_allclose(data.features[:, SECONDS], np.tile([1.0, 1.2, 1.6, 1.8], 2), atol=1e-3)
    np.testing.assert_allclose(data.rows.seconds, data.features[:, SECONDS], atol=1e-3)
    assert np.abs(data.features[:4, LEVEL] - data.features[4:, LEVEL]).min() > 1.0

    def never(*_: object) -> FloatArray:
        raise AssertionError("made a second time")

    monkeypatch.setattr(baselines, "functionals", never)
    again = baselines.functional_data(source, ("clean", "telephone"), [])
    np.testing.assert_array_equal(again.features, data.features)


EIGHT = {"ravdess": ravdess.LABELS}


@pytest.fixture
def few_folds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ravdess, "OUTER_FOLDS", 3)


@pytest.mark.usefixtures("few_folds")
def test_each_baseline_is_measured_on_its_own_features_and_every_copy() -> None:
    told = made_up(corpora=EIGHT, voices=0.2, each=6)
    untold = replace(told, features=np.random.default_rng(0).normal(0, 1, told.features.shape).astype(np.float32))
    copies = ("clean", "noisy")
    found = baselines.tables(told, untold, copies, 0)
    assert list(found) == [f"{name}, {copy}" for name in ("last layer + LR", "functionals + SVM") for copy in copies]
    turned = baselines.tables(untold, told, copies, 0)
    for copy in copies:
        assert found[f"last layer + LR, {copy}"]["uar"] > 0.6
        assert found[f"functionals + SVM, {copy}"]["uar"] == pytest.approx(1 / 8, abs=0.08)
        assert turned[f"last layer + LR, {copy}"]["uar"] == pytest.approx(1 / 8, abs=0.08)
        assert turned[f"functionals + SVM, {copy}"]["uar"] > 0.6


@pytest.mark.usefixtures("few_folds")
def test_baselines_never_hear_whom_they_were_trained_on() -> None:
    """Every speaker's labels follow from features of their own alone: nothing that is learnt of the others helps."""
    data = made_up(corpora=EIGHT, each=6)
    rng = np.random.default_rng(0)
    features = rng.normal(0, 0.1, data.features.shape).astype(np.float32)
    labels = ravdess.labels_of(data.rows)
    for speaker in sorted(set(data.rows.speakers)):
        own = np.array(data.rows.speakers) == speaker
        features[own] += rng.normal(0, 1, (8, features.shape[1]))[labels[own]].astype(np.float32)
    found = baselines.tables(ToneData(data.rows, features), ToneData(data.rows, features), ("clean",), 0)
    assert max(row["uar"] for row in found.values()) < 0.4


@pytest.mark.usefixtures("few_folds")
def test_copies_that_are_only_measured_are_not_trained_on() -> None:
    """The noisy copy tells each label by features of its own; a baseline that had learnt from it would know."""
    data = made_up(corpora=EIGHT, each=6)
    features = np.random.default_rng(0).normal(0, 1, data.features.shape).astype(np.float32)
    noisy = data.rows.has(copy="noisy")
    features[noisy, :8] += 6.0 * np.eye(8, dtype=np.float32)[ravdess.labels_of(data.rows)[noisy]]
    unclear = ToneData(data.rows, features)
    assert max(row["uar"] for row in baselines.tables(unclear, unclear, ("noisy",), 0).values()) < 0.35
    as_trained = replace(data.rows, copies=tuple("mixed-a" if copy == "noisy" else copy for copy in data.rows.copies))
    known = ToneData(as_trained, features)
    assert min(row["uar"] for row in baselines.tables(known, known, ("mixed-a",), 0).values()) > 0.6
