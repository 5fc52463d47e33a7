"""Speech: where each channel talks, whatever the block size; bleed is dropped, real answers never are."""

from __future__ import annotations

import csv
import dataclasses
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
import soxr

from analysis import registry
from analysis.config import Config
from analysis.errors import AnalysisError
from analysis.steps import speech
from analysis.values import ChannelSpeech, Span, Speech
from bench.asr import hold_music
from tests import audio

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.config import SpeechConfig
    from analysis.ports import SpeechDetector
    from analysis.values import FloatArray

CONFIG = Config()
HOP_S = 0.032
SAMPLES = Path(__file__).resolve().parents[2] / "samples"


@pytest.fixture(scope="module")
def call(data: Path) -> FloatArray:
    """Two people taking turns of a few seconds, one a channel, at 16 kHz over a quiet line; shape [2, n]."""
    said: dict[str, list[FloatArray]] = {}
    for row in csv.DictReader((data / "asr" / "manifest.csv").open()):
        said.setdefault(row["speaker"], []).append(soundfile.read(data / "asr" / row["path"], dtype="float32")[0][: 16000 * 5])
    turns = [(channel, said[speaker][number]) for number in range(3) for channel, speaker in enumerate(("1089", "237"))]
    gap = np.zeros(12_000, np.float32)
    parts = [np.concatenate([said, gap]) for _, said in turns]
    mixed = np.zeros((2, sum(map(len, parts))), np.float32)
    at = 0
    for (channel, _), part in zip(turns, parts, strict=True):
        mixed[channel, at : at + len(part)] = part
        at += len(part)
    return mixed + np.stack([audio.noise(mixed.shape[1] / 16000, -70.0, seed) for seed in (1, 2)])


def detected(samples: FloatArray, detector: SpeechDetector, folder: Path) -> Speech:
    return speech.detect(audio.recording(folder, samples), detector, CONFIG.speech, lambda step, fraction: None)


def late(samples: FloatArray, seconds: float, level_db: float) -> FloatArray:
    """A delayed copy at another level."""
    count = round(seconds * 16000)
    copy = np.concatenate([np.zeros(count, np.float32), samples[: len(samples) - count]])
    return np.asarray(copy * 10.0 ** (level_db / 20.0), np.float32)


def covered(spans: Sequence[Span], by: Sequence[Span]) -> float:
    """The share of the spans' seconds that others cover."""
    return sum(span.overlap(other) for span in spans for other in by) / sum(span.seconds for span in spans)


def spans_of(probabilities: Sequence[float], seconds: float | None = None) -> tuple[Span, ...]:
    finder = speech.SpanFinder(CONFIG.speech, HOP_S)
    finder.push(np.array(probabilities, np.float32))
    return finder.finish(len(probabilities) * HOP_S if seconds is None else seconds)


def test_each_channel_talks_in_its_own_turns(call: FloatArray, detector: SpeechDetector, tmp_path: Path) -> None:
    left, right = detected(call, detector, tmp_path).channels
    assert covered(left.spans, right.spans) < 0.05
    assert sum(span.seconds for span in left.spans) > 10
    for channel in (left, right):
        inside = np.concatenate([call[channel.channel, round(s.start * 16000) : round(s.end * 16000)] for s in channel.spans])
        assert (inside**2).sum() > 0.99 * (call[channel.channel] ** 2).sum()


@pytest.mark.parametrize("block", [4096, 5000, 16000 * 7 + 1])
def test_the_block_size_changes_nothing(call: FloatArray, detector: SpeechDetector, tmp_path: Path, block: int) -> None:
    whole = detected(call, detector, tmp_path)
    state = speech.start(detector, 2, CONFIG.speech)
    told: list[tuple[int, Span]] = []
    for first in range(0, call.shape[1], block):
        pcm = np.rint(call[:, first : first + block] * 32768) / np.float32(32768)
        state, news = speech.push(state, pcm.astype(np.float32))
        told += news
    streamed = speech.finish(state)
    assert [channel.spans for channel in streamed.channels] == [channel.spans for channel in whole.channels]
    for index, channel in enumerate(whole.channels):
        live = [span for number, span in told if number == index]
        assert live == list(channel.spans[: len(live)])
        assert len(live) >= len(channel.spans) - 1


def test_progress_reaches_the_end(call: FloatArray, detector: SpeechDetector, tmp_path: Path) -> None:
    seen: list[float] = []
    recording = audio.recording(tmp_path, np.tile(call, 5))
    speech.detect(recording, detector, CONFIG.speech, lambda step, fraction: seen.append(fraction))
    assert seen == sorted(seen)
    assert (len(seen), seen[-1]) == (int(np.ceil(recording.seconds / 60)), 1.0)


@pytest.mark.parametrize("kind", ["silence", "noise", "ringing", "nothing"])
def test_no_speech_is_said_in_words(detector: SpeechDetector, tmp_path: Path, kind: str) -> None:
    samples = {
        "silence": np.zeros(320_000, np.float32),
        "noise": audio.noise(20.0, -25.0),
        "ringing": audio.tones(20.0, 16000, [425.0])[0],
        "nothing": np.zeros(0, np.float32),
    }[kind]
    spoken = detected(samples[None], detector, tmp_path)
    assert [channel.spans for channel in spoken.channels] == [()]
    assert [(note.code, note.message) for note in spoken.notes] == [("no_speech", "no speech found")]
    assert speech.snr_db(spoken) is None


@pytest.mark.parametrize(("level_db", "delay_s"), [(-12.0, 0.0), (-15.0, 0.03), (-20.0, 0.12), (-20.0, 0.4)])
def test_bleed_is_dropped_and_counted(call: FloatArray, detector: SpeechDetector, tmp_path: Path, level_db: float, delay_s: float) -> None:
    clean = detected(call, detector, tmp_path)
    bleeding = detected(np.stack([call[0] + late(call[1], delay_s, level_db), call[1]]), detector, tmp_path)
    left, right = bleeding.channels
    assert covered(left.spans, clean.channels[0].spans) > 0.9
    assert covered(clean.channels[0].spans, left.spans) > 0.97
    assert left.bleed_s == pytest.approx(sum(span.seconds for span in clean.channels[1].spans), rel=0.2)
    assert right == clean.channels[1]
    assert [note.code for note in bleeding.notes] == ["bleed_dropped"]


def test_bleed_is_dropped_where_the_release_of_shouting_is_set_high(call: FloatArray, detector: SpeechDetector, tmp_path: Path) -> None:
    bleeding = audio.recording(tmp_path, np.stack([call[0] + late(call[1], 0.12, -20.0), call[1]]))
    high = dataclasses.replace(CONFIG.speech, loud_threshold=1.0, loud_release=1.0)
    left = speech.detect(bleeding, detector, high, lambda step, fraction: None).channels[0]
    assert left.bleed_s > 0.8 * speech.detect(bleeding, detector, CONFIG.speech, lambda step, fraction: None).channels[0].bleed_s > 0.0


def test_a_copy_that_is_not_much_weaker_is_kept(call: FloatArray, detector: SpeechDetector, tmp_path: Path) -> None:
    spoken = detected(np.stack([call[0] + late(call[1], 0.05, -6.0), call[1]]), detector, tmp_path)
    assert spoken.channels[0].bleed_s == 0.0


@pytest.mark.parametrize("own_db", [0.0, -6.0])
def test_double_talk_over_bleed_is_kept(call: FloatArray, detector: SpeechDetector, tmp_path: Path, own_db: float) -> None:
    """The right speaker talks into every turn of the left one, and each channel hears the other 16 dB down.

    Where an answer sets in softly over bleed, up to one window of 0.5 s of its start may go with it.
    """
    left, right = call[0], np.roll(call[1], -3 * 16000) * np.float32(10 ** (own_db / 20))
    clean = detected(np.stack([left, right]), detector, tmp_path)
    bleeding = detected(np.stack([left + late(right, 0.1, -16.0), right + late(left, 0.1, -16.0)]), detector, tmp_path)
    for before, after in zip(clean.channels, bleeding.channels, strict=True):
        assert covered(before.spans, after.spans) > 0.94
        assert all(any(span.overlap(other) > 0.8 * span.seconds for other in after.spans) for span in before.spans)


def test_noise_in_one_channel_leaves_the_other_as_it_was(call: FloatArray, detector: SpeechDetector, tmp_path: Path) -> None:
    clean = detected(call, detector, tmp_path)
    for level_db in (-40.0, -20.0):
        noisy = np.stack([audio.noise(call.shape[1] / 16000, level_db, 7), call[1]])
        assert detected(noisy, detector, tmp_path).channels[1] == clean.channels[1]


@pytest.mark.parametrize("wanted_db", [5.0, 15.0, 25.0])
def test_signal_to_noise_is_measured(call: FloatArray, detector: SpeechDetector, tmp_path: Path, wanted_db: float) -> None:
    clean = detected(call, detector, tmp_path).channels[0].spans
    said = np.concatenate([call[0, round(span.start * 16000) : round(span.end * 16000)] for span in clean])
    level_db = float(10 * np.log10((said**2).mean())) - wanted_db
    spoken = detected((call[0] + audio.noise(call.shape[1] / 16000, level_db, 3))[None], detector, tmp_path)
    assert speech.snr_db(spoken) == pytest.approx(wanted_db, abs=2.5)


def test_the_worst_channel_is_the_calls_signal_to_noise() -> None:
    channels = [ChannelSpeech(0, (), None), ChannelSpeech(1, (), 30.0), ChannelSpeech(2, (), 12.0)]
    assert speech.snr_db(Speech(tuple(channels))) == 12.0


def test_speech_starts_at_the_threshold_and_lasts_to_the_release() -> None:
    quiet, wavering, loud = [0.1] * 40, [0.4] * 20, [0.9] * 20
    (span,) = spans_of(quiet + wavering + loud + wavering + quiet)
    assert span.start == pytest.approx(60 * HOP_S - 0.2)
    assert span.end == pytest.approx(100 * HOP_S + 0.2)


def test_a_click_is_no_speech_and_a_short_silence_no_end() -> None:
    assert spans_of([0.1] * 20 + [0.9] * 3 + [0.1] * 40) == ()
    assert len(spans_of([0.9] * 20 + [0.1] * 8 + [0.9] * 20 + [0.1] * 40)) == 1


def test_padding_stops_at_the_edges_and_is_shared_between_neighbours() -> None:
    first, second = spans_of([0.9] * 20 + [0.1] * 10 + [0.9] * 20)
    assert first.start == 0.0
    assert first.end == pytest.approx(25 * HOP_S)
    assert second.start == pytest.approx(first.end)
    assert second.end == pytest.approx(50 * HOP_S)


def test_random_probabilities_never_give_overlapping_spans() -> None:
    for seed in range(30):
        walk = np.random.default_rng(seed).normal(0, 0.25, 2000).cumsum()
        spans = spans_of(((np.sin(walk) + 1) / 2).tolist())
        assert len(spans) > 3
        assert all(before.end <= after.start + 1e-9 for before, after in pairwise(spans))
        assert all(span.seconds >= CONFIG.speech.min_speech_s for span in spans)


def test_probabilities_are_the_same_in_any_block_size(call: FloatArray, detector: SpeechDetector) -> None:
    samples = call[0, : 16000 * 10 + 77]
    whole = detector.start()
    expected = np.concatenate([whole.push(samples), whole.finish()])
    parts = detector.start()
    found = [parts.push(samples[first : first + 999]) for first in range(0, len(samples), 999)]
    assert np.concatenate([*found, parts.finish()]) == pytest.approx(expected, abs=1e-5)
    assert len(expected) == np.ceil(len(samples) / (detector.hop_s * 16000))


def test_the_detector_names_its_weights_and_refuses_others(monkeypatch: pytest.MonkeyPatch) -> None:
    silero = registry.engine_class("speech", "silero")
    assert silero(CONFIG).name.startswith("silero-v6@sha256:")
    monkeypatch.setattr("analysis.engines.silero.SHA256", "0" * 64)
    with pytest.raises(AnalysisError, match="not the pinned Silero model"):
        silero(CONFIG)


def test_a_stricter_threshold_finds_less(call: FloatArray, detector: SpeechDetector, tmp_path: Path) -> None:
    strict = dataclasses.replace(CONFIG.speech, threshold=0.97, release=0.9)
    recording = audio.recording(tmp_path, call)
    less = speech.detect(recording, detector, strict, lambda step, fraction: None)
    more = speech.detect(recording, detector, CONFIG.speech, lambda step, fraction: None)
    assert sum(s.seconds for s in less.channels[0].spans) < sum(s.seconds for s in more.channels[0].spans)


class Scripted:
    """A detector that gives these probabilities, whatever it hears."""

    hop_s = HOP_S
    name = "scripted"

    def __init__(self, probabilities: Sequence[float]) -> None:
        self._left = list(probabilities)

    def start(self) -> Scripted:
        return self

    def push(self, samples: FloatArray) -> FloatArray:
        count = len(samples) // 512
        given, self._left = self._left[:count], self._left[count:]
        return np.asarray(given, np.float32)

    def finish(self) -> FloatArray:
        return np.zeros(0, np.float32)


SURE, DOUBTFUL, STILL_DOUBTFUL, SILENT = 0.9, 0.2, 0.1, 0.01


def heard(stretches: Sequence[tuple[float, float]], *, config: SpeechConfig = CONFIG.speech) -> list[tuple[float, float]]:
    """Spans of one channel of stretches of a second each: what the detector says of it, and its level in dB."""
    hops = 32
    samples = np.concatenate([audio.noise(hops * HOP_S, level, seed) for seed, (_, level) in enumerate(stretches)])[None]
    state = speech.start(Scripted([each for probability, _ in stretches for each in [probability] * hops]), 1, config)
    speech.push(state, samples)
    return [(round(span.start, 1), round(span.end, 1)) for span in speech.finish(state).channels[0].spans]


def test_a_shout_that_the_detector_doubts_is_speech() -> None:
    quiet = [(SURE, -30.0), (SILENT, -60.0)]
    assert heard([*quiet, (SILENT, -60.0)]) == [(0.0, 1.2)]
    assert heard([*quiet, (DOUBTFUL, -20.0), (SILENT, -60.0)]) == [(0.0, 1.2), (1.8, 3.3)]
    assert heard([*quiet, (DOUBTFUL, -20.0), (STILL_DOUBTFUL, -20.0), (SILENT, -60.0)]) == [(0.0, 1.2), (1.8, 4.3)]


def test_what_is_doubtful_and_not_loud_is_none() -> None:
    assert heard([(SURE, -30.0), (SILENT, -60.0), (DOUBTFUL, -36.0), (SILENT, -60.0)]) == [(0.0, 1.2)]
    assert heard([(SURE, -30.0), (SILENT, -60.0), (STILL_DOUBTFUL, -20.0), (SILENT, -60.0)]) == [(0.0, 1.2)]


def heard_beside(
    ours: Sequence[tuple[float, float]], theirs: Sequence[tuple[float, float]], *, config: SpeechConfig = CONFIG.speech, block: int = 0
) -> ChannelSpeech:
    """The first of two channels of stretches of a second each, pushed at once or in blocks."""
    hops = 32
    samples = np.stack(
        [
            np.concatenate([audio.noise(hops * HOP_S, level, seed) for seed, (_, level) in enumerate(stretches, start)])
            for start, stretches in ((0, ours), (9, theirs))
        ]
    )
    scripts = [Scripted([each for probability, _ in stretches for each in [probability] * hops]) for stretches in (ours, theirs)]
    detector = Scripted([])
    detector.start = lambda: scripts.pop(0)  # type: ignore[method-assign]
    state = speech.start(detector, 2, config)
    for first in range(0, samples.shape[1], block or samples.shape[1]):
        speech.push(state, samples[:, first:][:, : block or None])
    return speech.finish(state).channels[0]


@pytest.mark.parametrize(("level_db", "taken"), [(-42.0, False), (-34.0, True)])
def test_what_may_be_a_leak_of_the_other_channel_is_not_lifted(level_db: float, taken: bool) -> None:
    ours = [(SURE, -40.0), (SILENT, -70.0), (DOUBTFUL, level_db), (SILENT, -70.0)]
    theirs = [(SILENT, -70.0), (SILENT, -70.0), (SURE, -30.0), (SILENT, -70.0)]
    spans = heard_beside(ours, theirs).spans
    assert any(span.overlap(Span(2.1, 3.0)) > 0.5 for span in spans) is taken


@pytest.mark.parametrize("block", [0, 16 * 512])
def test_a_late_leak_is_not_lifted_in_blocks_shorter_than_its_delay_either(block: int) -> None:
    ours = [(SURE, -40.0), (SILENT, -70.0), (SILENT, -70.0), (DOUBTFUL, -42.0), (SILENT, -70.0)]
    theirs = [(SILENT, -70.0), (SILENT, -70.0), (SURE, -30.0), (SILENT, -70.0), (SILENT, -70.0)]
    late = dataclasses.replace(CONFIG.speech, bleed_delay_s=1.5)
    assert not any(span.end > 2.0 for span in heard_beside(ours, theirs, config=late, block=block).spans)


def test_how_loud_the_speech_is_has_to_be_known_first() -> None:
    assert heard([(DOUBTFUL, -10.0), (SURE, -30.0), (SILENT, -60.0)]) == [(0.8, 2.2)]
    assert heard([(DOUBTFUL, -10.0), (SILENT, -60.0)]) == []


def test_loud_music_after_speech_is_no_speech(detector: SpeechDetector) -> None:
    said, rate = soundfile.read(SAMPLES / "calm.flac", dtype="float32", always_2d=True)
    voice = np.asarray(soxr.resample(said[:, 0], rate, 16000), np.float32)[: 16000 * 12]
    music = hold_music()[: 16000 * 10]
    loud = music * (voice.std() / music.std()) * 2.0
    samples = np.concatenate([voice, np.zeros(8000, np.float32), loud])[None]
    state = speech.start(detector, 1, CONFIG.speech)
    speech.push(state, samples)
    spans = speech.finish(state).channels[0].spans
    assert spans[0].end < 12.0
    assert sum(span.overlap(Span(12.8, 22.5)) for span in spans) < 0.3


@pytest.fixture(scope="module")
def shouted(data: Path) -> list[tuple[FloatArray, Span]]:
    """Women of RAVDESS over a telephone: a calm sentence, and where the same woman then shouts."""
    rows = [
        row for row in csv.DictReader((data / "emotion" / "manifest.csv").open()) if row["corpus"] == "ravdess" and row["gender"] == "f"
    ]
    made = []
    for angry in [row for row in rows if (row["emotion"], row["intensity"]) == ("angry", "strong")][::3]:
        calm = next(row for row in rows if row["speaker"] == angry["speaker"] and row["emotion"] == "neutral")
        clips = [soundfile.read(data / "emotion" / row["path"], dtype="float32")[0] for row in (calm, angry)]
        gap = np.zeros(8000, np.float32)
        whole = np.concatenate([gap, clips[0], gap, clips[1], gap])
        line = soxr.resample(soxr.resample(whole, 16000, 8000), 8000, 16000)
        line = line + audio.noise(len(line) / 16000, -70.0, 1)[: len(line)]
        at = (len(clips[0]) + 2 * len(gap)) / 16000
        made.append((np.asarray(line, np.float32), Span(at, at + len(clips[1]) / 16000)))
    return made


def loud_share(samples: FloatArray, shout: Span, detector: SpeechDetector, config: SpeechConfig) -> float:
    """Of the loud hops of the shout, those in spans."""
    state = speech.start(detector, 1, config)
    speech.push(state, samples[None])
    spans = speech.finish(state).channels[0].spans
    levels = {at: samples[round(at * 16000) :][:512].std() for at in np.arange(shout.start, shout.end, HOP_S)}
    loud = [at for at, level in levels.items() if level > max(levels.values()) * 10 ** (-25 / 20)]
    return float(np.mean([any(span.start <= at < span.end for span in spans) for at in loud]))


def test_shouting_women_are_heard(shouted: list[tuple[FloatArray, Span]], detector: SpeechDetector) -> None:
    as_loud_as_ever = dataclasses.replace(CONFIG.speech, loud_db=120.0)
    before = [loud_share(samples, shout, detector, as_loud_as_ever) for samples, shout in shouted]
    found = [loud_share(samples, shout, detector, CONFIG.speech) for samples, shout in shouted]
    assert len(found) > 8
    assert np.mean(before) < 0.85, "else this test shows nothing"
    assert np.mean(found) > 0.95, found
    assert min(found) > 0.6
