"""Packing and caching of labelled speech: one speaker a window, nothing lost, nothing encoded twice."""

from __future__ import annotations

import csv
import itertools
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from analysis.config import TranscribeConfig
from analysis.values import SAMPLE_RATE, FloatArray, PooledFrames, Span
from tests.audio import noise
from tests.training.made import VOICES
from training.corpus import CLASS_OF_LABEL, TONE_CLASSES, Clip, UsableClips, in_pieces, read_clip, read_manifest, read_unacted, usable_clips
from training.features import (
    CLIPS_A_WINDOW,
    COPIES,
    MEASURED,
    SEEDS,
    SHARD_WINDOWS,
    TRAINED,
    Source,
    WindowAudio,
    babble_voices,
    fill,
    join,
    load_pooled,
    open_cache,
    pack,
)
from training.perturbations import CROPPED_S

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def clip(speaker: str, number: int, label: str = "angry") -> Clip:
    return Clip("toy", f"{speaker}-{number}.flac", speaker, "f", "en", label, "", "")


def clips_of(speakers: int, each: int) -> list[Clip]:
    labels = sorted(CLASS_OF_LABEL)
    return [clip(f"toy:{speaker}", number, labels[number % len(labels)]) for speaker in range(speakers) for number in range(each)]


def spans_of(clips: Sequence[Clip], seed: int = 0) -> list[Span]:
    lengths = np.random.default_rng(seed).uniform(0.5, 9.0, len(clips))
    return [Span(0.0, float(length)) for length in lengths]


@dataclass
class CountingEncoder:
    """Gives the mean level of every 20 ms as a two-wide frame, and counts what it was asked."""

    name: str = "toy@sha256:0"
    encoder: str = "toy"
    frame_rate: float = 50.0
    windows: int = 0
    lengths: list[int] = field(default_factory=list)

    def encode(self, windows: Sequence[FloatArray]) -> list[FloatArray]:
        self.windows += len(windows)
        self.lengths += [len(window) for window in windows]
        return [self._frames(window) for window in windows]

    def _frames(self, window: FloatArray) -> FloatArray:
        hops = np.pad(window, (0, -len(window) % 320)).reshape(-1, 320).mean(axis=1)
        return np.stack([hops, np.ones_like(hops)], axis=1)


@dataclass
class StoppingEncoder(CountingEncoder):
    """Somebody presses Ctrl+C at a window."""

    after: int = 0

    def encode(self, windows: Sequence[FloatArray]) -> list[FloatArray]:
        if self.windows == self.after:
            raise KeyboardInterrupt
        return super().encode(windows)


@pytest.fixture
def corpus(tmp_path: Path) -> tuple[UsableClips, Path]:
    """Twelve clips of two speakers; the samples of clip i are all i / 100."""
    clips = [clip(f"toy:{index % 2}", index) for index in range(12)]
    for index, one in enumerate(clips):
        soundfile.write(tmp_path / one.path, np.full(SAMPLE_RATE // 2, index / 100), SAMPLE_RATE)
    return UsableClips(tuple(clips), (Span(0.0, 0.5),) * 12, unreadable=0, silent=0), tmp_path


def test_no_window_mixes_speakers() -> None:
    clips = clips_of(7, 25)
    for window in pack(clips, spans_of(clips), seed=0):
        assert {clips[index].speaker for index in window.clips} == {window.speaker}


def test_every_clip_is_packed_exactly_once() -> None:
    clips = clips_of(5, 31)
    packed = Counter(index for window in pack(clips, spans_of(clips), seed=3) for index in window.clips)
    assert packed == Counter(range(len(clips)))


def test_windows_hold_their_limits_with_gaps_counted() -> None:
    clips, config = clips_of(4, 60), TranscribeConfig()
    spans = spans_of(clips)
    windows = pack(clips, spans, seed=1)
    for window in windows:
        seconds = sum(spans[index].seconds for index in window.clips) + config.join_gap_s * (len(window.clips) - 1)
        assert seconds <= config.window_s
        assert len(window.clips) <= CLIPS_A_WINDOW
    assert max(len(window.clips) for window in windows) > 4


def test_windows_mix_classes() -> None:
    clips = clips_of(3, 27)
    mixed = [len({clips[index].tone for index in window.clips}) for window in pack(clips, [Span(0.0, 2.0)] * len(clips), seed=0)]
    assert np.mean(mixed) > 3


def test_a_clip_longer_than_a_window_is_left_out() -> None:
    clips = clips_of(1, 3)
    windows = pack(clips, [Span(0, 2), Span(0, 31), Span(0, 2)], seed=0)
    assert sorted(index for window in windows for index in window.clips) == [0, 2]


def test_packing_depends_on_its_seed_alone() -> None:
    clips = clips_of(3, 20)
    spans = spans_of(clips)
    assert pack(clips, spans, seed=5) == pack(clips, spans, seed=5)
    assert pack(clips, spans, seed=5) != pack(clips, spans, seed=6)


def test_a_changed_copy_keeps_the_clean_ones_neighbours_and_a_copy_over_a_line_does_not(tmp_path: Path) -> None:
    clips = clips_of(3, 20)
    usable = UsableClips.of(list(zip(clips, spans_of(clips), strict=True)))
    clean, changed, telephone = (open_cache(usable, "toy", copy, tmp_path) for copy in ("clean", "robust: gain +2 dB", "telephone"))
    assert changed.windows == clean.windows != telephone.windows
    assert changed.folder != clean.folder


def test_join_puts_the_run_times_silence_between_clips() -> None:
    ones = np.ones(1600, np.float32)
    joined = join([ones, 2 * ones, 3 * ones])
    gap = round(TranscribeConfig().join_gap_s * SAMPLE_RATE)
    assert [joined.samples[first:last].mean() for first, last in joined.places] == [1, 2, 3]
    assert len(joined.samples) == 3 * 1600 + 2 * gap
    assert not joined.samples[1600 : 1600 + gap].any()


def test_pooled_rows_belong_to_their_clips(corpus: tuple[UsableClips, Path], tmp_path: Path) -> None:
    usable, folder = corpus
    cache = open_cache(usable, "toy", "clean", tmp_path / "cache")
    fill(cache, WindowAudio(usable, folder, "clean", VOICES), CountingEncoder())
    pooled = load_pooled(cache, 12)
    assert pooled.shape == (12, 4)
    np.testing.assert_allclose(pooled[:, 0], np.arange(12) / 100, rtol=0.05, atol=1e-4)
    np.testing.assert_array_equal(pooled[:, 1], 1.0)
    assert pooled[:, 2].max() < 0.03, "deviations stand after the means"
    np.testing.assert_array_equal(pooled[:, 3], 0.0)


def test_pooled_rows_are_those_that_the_run_time_pools(corpus: tuple[UsableClips, Path], tmp_path: Path) -> None:
    usable, folder = corpus
    cache = open_cache(usable, "toy", "mixed-a", tmp_path / "cache")
    audio = WindowAudio(usable, folder, "mixed-a", VOICES)
    fill(cache, audio, CountingEncoder())
    pooled = load_pooled(cache, 12)
    for number, window in enumerate(cache.windows):
        joined = audio.build(window, number)
        (frames,) = CountingEncoder().encode([joined.samples])
        for index, (first, last) in zip(window.clips, joined.places, strict=True):
            own = PooledFrames.over(frames, first / SAMPLE_RATE, last / SAMPLE_RATE, frame_rate=50.0)
            np.testing.assert_array_equal(pooled[index], [*own.mean, *own.std])


def test_clips_that_fit_no_window_are_nan(corpus: tuple[UsableClips, Path], tmp_path: Path) -> None:
    usable, folder = corpus
    usable = replace(usable, spans=(Span(0.0, 31.0), *usable.spans[1:]))
    cache = open_cache(usable, "toy", "clean", tmp_path / "cache")
    fill(cache, WindowAudio(usable, folder, "clean", VOICES), CountingEncoder())
    assert np.isnan(load_pooled(cache, 12)).all(axis=1).tolist() == [True] + [False] * 11


def test_an_empty_cache_is_refused_by_its_folder(tmp_path: Path) -> None:
    cache = open_cache(UsableClips((), (), 0, 0), "toy", "clean", tmp_path)
    with pytest.raises(ValueError, match=f"{cache.folder}: the cache is empty"):
        load_pooled(cache, 0)


def test_a_second_fill_encodes_only_what_is_missing(corpus: tuple[UsableClips, Path], tmp_path: Path) -> None:
    usable, folder = corpus
    cache = open_cache(usable, "toy", "clean", tmp_path / "cache")
    first, second, third = CountingEncoder(), CountingEncoder(), CountingEncoder()
    audio = WindowAudio(usable, folder, "clean", VOICES)
    fill(cache, audio, first)
    before = load_pooled(cache, 12)
    fill(cache, audio, second)
    cache.path(0).unlink()
    fill(cache, audio, third)
    assert (first.windows, second.windows, third.windows) == (2, 0, 2)
    np.testing.assert_array_equal(before, load_pooled(cache, 12))


def test_a_fill_that_was_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    clips = [clip(f"toy:{index}", index) for index in range(SHARD_WINDOWS + 3)]
    for index, one in enumerate(clips):
        soundfile.write(tmp_path / one.path, np.full(SAMPLE_RATE // 4, index / 100), SAMPLE_RATE)
    usable = UsableClips(tuple(clips), (Span(0.0, 0.25),) * len(clips), unreadable=0, silent=0)
    cache, audio = open_cache(usable, "toy", "clean", tmp_path / "cache"), WindowAudio(usable, tmp_path, "clean", VOICES)
    stopping = StoppingEncoder(after=SHARD_WINDOWS + 1)
    with pytest.raises(KeyboardInterrupt):
        fill(cache, audio, stopping)
    assert cache.missing() == [1]
    going_on = CountingEncoder()
    fill(cache, audio, going_on)
    assert going_on.windows == 3
    assert cache.missing() == []
    np.testing.assert_allclose(load_pooled(cache, len(clips))[:, 0], np.arange(len(clips)) / 100, rtol=0.05, atol=1e-4)


def test_other_clips_spans_copies_and_encoders_get_another_cache(corpus: tuple[UsableClips, Path], tmp_path: Path) -> None:
    usable, _ = corpus
    fewer = UsableClips(usable.clips[:-1], usable.spans[:-1], 0, 0)
    shorter = replace(usable, spans=(Span(0.0, 0.4), *usable.spans[1:]))
    sets = (usable, fewer, shorter)
    folders = [open_cache(these, encoder, copy, tmp_path).folder for these in sets for copy in COPIES for encoder in ("toy", "other")]
    assert len(set(folders)) == len(sets) * len(COPIES) * 2
    assert open_cache(usable, "toy", "clean", tmp_path).folder in folders
    assert all(len(folder.relative_to(tmp_path).parts) == 2 for folder in folders), "a copy's name is no path"


def test_every_copy_that_is_named_exists_and_draws_from_a_seed_of_its_own() -> None:
    assert {*MEASURED, *TRAINED} <= COPIES.keys()
    assert "noisy" not in TRAINED, "noise is measured on lines that nothing was trained through"
    assert len(set(SEEDS.values())) == len(COPIES) == len(SEEDS)


@pytest.mark.parametrize("copy", [name for name in COPIES if name != "clean"])
def test_every_copy_differs_from_the_clean_one_and_is_repeatable(corpus: tuple[UsableClips, Path], copy: str) -> None:
    usable, folder = corpus
    for number, one in enumerate(usable.clips):
        soundfile.write(folder / one.path, noise(0.5, -20.0, seed=number), SAMPLE_RATE)
    window = pack(usable.clips, usable.spans, seed=0)[0]
    clean = WindowAudio(usable, folder, "clean", VOICES).build(window, 0)
    found, again = (WindowAudio(usable, folder, copy, VOICES).build(window, 0) for _ in range(2))
    np.testing.assert_array_equal(found.samples, again.samples)
    assert len(found.places) == len(window.clips)
    assert len(found.samples) != len(clean.samples) or not np.allclose(found.samples, clean.samples, atol=1e-5)


@pytest.mark.parametrize("copy", ["telephone", "noisy", "mixed-a", "mixed-b", "robust: babble 20 dB"])
def test_every_window_goes_over_a_line_of_its_own(corpus: tuple[UsableClips, Path], copy: str) -> None:
    usable, folder = corpus
    window = pack(usable.clips, usable.spans, seed=0)[0]
    first, other = (WindowAudio(usable, folder, copy, VOICES).build(window, number).samples for number in (0, 1))
    assert not np.array_equal(first, other)


def test_clips_of_a_window_keep_their_order_and_length_over_a_line_and_lose_what_is_cropped(corpus: tuple[UsableClips, Path]) -> None:
    usable, folder = corpus
    window = pack(usable.clips, usable.spans, seed=0)[0]
    seconds = [
        [(last - first) / SAMPLE_RATE for first, last in WindowAudio(usable, folder, copy, VOICES).build(window, 0).places]
        for copy in ("clean", "telephone", "robust: start cropped", "robust: zeros after")
    ]
    assert seconds == [pytest.approx([0.5 + more] * len(window.clips)) for more in (0.0, 0.0, -CROPPED_S, CROPPED_S)]


def test_babble_is_made_of_the_last_source_with_each_recording_once(corpus: tuple[UsableClips, Path]) -> None:
    usable, folder = corpus
    other = replace(usable, clips=usable.clips[:2] * 2, spans=usable.spans[:4])
    found = babble_voices([Source("acted", usable, folder, folder), Source("unacted", other, folder, folder)])
    assert [voice.mean() for voice in found] == pytest.approx([0.0, 0.01], abs=1e-4)


def test_unreadable_and_silent_clips_are_skipped_and_counted(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clips = read_manifest(data / "emotion" / "manifest.csv")[:1]
    for number, content in enumerate((b"this is not audio", b"")):
        (tmp_path / f"broken{number}.opus").write_bytes(content)
    soundfile.write(tmp_path / "silence.flac", np.zeros(SAMPLE_RATE), SAMPLE_RATE)
    (tmp_path / "ravdess").symlink_to(data / "emotion" / "ravdess")
    names = ("broken0.opus", "broken1.opus", "silence.flac", "absent.flac")
    bad = [Clip("toy", name, "toy:1", "f", "en", "angry", "", "") for name in names]
    usable = usable_clips([*clips, *bad], tmp_path, tmp_path / "spans.csv")
    assert usable.clips == tuple(clips)
    assert (usable.unreadable, usable.silent) == (3, 1)
    assert "broken0.opus" in capsys.readouterr().out
    assert usable_clips([*clips, *bad], tmp_path, tmp_path / "spans.csv") == usable


def test_speech_is_found_inside_a_clip_with_silent_ends(data: Path, tmp_path: Path) -> None:
    clips = read_manifest(data / "emotion" / "manifest.csv")[:3]
    usable = usable_clips(clips, data / "emotion", tmp_path / "spans.csv")
    for one, span in zip(usable.clips, usable.spans, strict=True):
        samples = read_clip(data / "emotion" / one.path)
        inside = samples[round(span.start * SAMPLE_RATE) : round(span.end * SAMPLE_RATE)]
        assert 0.5 < span.seconds < len(samples) / SAMPLE_RATE
        assert np.sum(inside**2) > 0.9 * np.sum(samples**2)


def test_read_speech_is_cut_into_pieces_that_cover_it(data: Path, tmp_path: Path) -> None:
    clips = read_unacted(data / "asr" / "manifest.csv")[:4]
    assert {(one.corpus, one.tone) for one in clips} == {("librispeech", "neutral")}
    usable = usable_clips(clips, data / "asr", tmp_path / "spans.csv")
    pieces = in_pieces(usable, 4.0)
    assert len(pieces.clips) > len(clips)
    assert all(0 < span.seconds <= 4.0 for span in pieces.spans)
    for one, span in zip(usable.clips, usable.spans, strict=True):
        own = [part for clip, part in zip(pieces.clips, pieces.spans, strict=True) if clip == one]
        assert (own[0].start, own[-1].end) == pytest.approx((span.start, span.end))
        assert all(before.end == after.start for before, after in itertools.pairwise(own))


def test_an_unknown_label_in_the_manifest_is_named(tmp_path: Path) -> None:
    with (tmp_path / "manifest.csv").open("w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["corpus", "path", "speaker", "gender", "language", "emotion", "intensity", "text", "seconds"])
        rows.writerow(["own", "a.wav", "own:1", "f", "en", "smug", "", "", "1.0"])
    with pytest.raises(KeyError, match="smug"):
        read_manifest(tmp_path / "manifest.csv")


def test_every_label_maps_to_a_tone_class() -> None:
    assert set(CLASS_OF_LABEL.values()) == set(TONE_CLASSES)
