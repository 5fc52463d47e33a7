"""Loudness, pitch, rate, pauses, overlap and noise, on audio made here and with the real pitch tracker; then the speaker's own baseline."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from analysis import baseline
from analysis.config import Config, MeasuresConfig
from analysis.engines.swift_f0 import SwiftF0Tracker
from analysis.steps import measures
from analysis.values import (
    SAMPLE_RATE,
    Cast,
    FloatArray,
    Party,
    PlainMeasures,
    Recording,
    Span,
    Utterance,
    Voice,
    Word,
)
from tests.analysis.made import AGENT, CUSTOMER
from tests.audio import noise, recording


@pytest.fixture(scope="module")
def tracker() -> SwiftF0Tracker:
    return SwiftF0Tracker(Config())


def buzz(seconds: float, hz: float, level_db: float) -> FloatArray:
    """A voice-like tone: harmonics that fall by 6 dB an octave, at an RMS level in dBFS."""
    at = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    tone = sum((np.sin(2 * math.pi * hz * harmonic * at) / harmonic for harmonic in range(1, 12)), np.zeros_like(at))
    return np.asarray(tone / np.sqrt(np.mean(np.square(tone))) * 10 ** (level_db / 20), np.float32)


def utterance(number: int, voice: int, start: float, end: float, words: int = 6) -> Utterance:
    step = (end - start) / words
    spoken = tuple(Word(start + at * step, start + (at + 1) * step, "word", 0.9) for at in range(words))
    return Utterance(number, voice, start, end, "word " * words, "en", 0.8, spoken)


def quiet(step: str, fraction: float) -> None:
    assert 0.0 <= fraction <= 1.0


def call(folder: Path, agent_hz: float = 110.0, customer_hz: float = 220.0) -> tuple[Recording, tuple[Voice, ...], tuple[Utterance, ...]]:
    """Agent 1-3 s and 6-9 s at -26 dBFS, customer 4-6.5 s at -20 dBFS, over noise at -60 dBFS."""
    agent, customer = noise(12.0, -60.0), noise(12.0, -60.0)
    for start, end in ((1, 3), (6, 9)):
        agent[start * SAMPLE_RATE : end * SAMPLE_RATE] += buzz(end - start, agent_hz, -26.0)
    customer[4 * SAMPLE_RATE : round(6.5 * SAMPLE_RATE)] += buzz(2.5, customer_hz, -20.0)
    voices = (Voice(0, 0, (Span(1.0, 3.0), Span(6.0, 9.0))), Voice(1, 1, (Span(4.0, 6.5),)))
    said = (utterance(0, 0, 1.0, 3.0), utterance(1, 1, 4.0, 6.5), utterance(2, 0, 6.0, 9.0, 9))
    return recording(folder, np.stack([agent, customer])), voices, said


def test_a_made_call_measures_as_it_was_made(tmp_path: Path, tracker: SwiftF0Tracker) -> None:
    made, voices, said = call(tmp_path)
    found = measures.measure(made, voices, utterances=said, pitch=tracker, progress=quiet)
    assert found[0].loudness_db == pytest.approx(-26.0, abs=0.2)
    assert found[1].loudness_db == pytest.approx(-20.0, abs=0.2)
    assert found[0].pitch_hz == pytest.approx(110.0, rel=0.02)
    assert found[1].pitch_hz == pytest.approx(220.0, rel=0.02)
    assert found[2].rate_wps == pytest.approx(3.0, abs=0.01)
    assert found[0].snr_db == pytest.approx(34.0, abs=1.0)
    assert found[1].snr_db == pytest.approx(40.0, abs=1.0)
    assert [found[number].pause_before_s for number in range(3)] == pytest.approx([1.0, 1.0, 0.0], abs=0.01)
    assert [found[number].overlap_s for number in range(3)] == pytest.approx([0.0, 0.5, 0.5], abs=0.01)


def test_another_partys_audio_changes_none_of_ones_own_measures_but_overlap(tmp_path: Path, tracker: SwiftF0Tracker) -> None:
    made, voices, said = call(tmp_path)
    before = measures.measure(made, voices, utterances=said, pitch=tracker, progress=quiet)[1]
    other = tmp_path / "other"
    other.mkdir()
    made, voices, said = call(other, agent_hz=170.0)
    assert measures.measure(made, voices, utterances=said, pitch=tracker, progress=quiet)[1] == before


def test_digital_silence_has_no_loudness_no_pitch_and_no_ratio(tmp_path: Path, tracker: SwiftF0Tracker) -> None:
    made = recording(tmp_path, np.zeros((1, 4 * SAMPLE_RATE), np.float32))
    found = measures.measure(made, (Voice(0, 0, ()),), utterances=(utterance(0, 0, 1.0, 2.0),), pitch=tracker, progress=quiet)[0]
    assert (found.loudness_db, found.pitch_hz, found.snr_db) == (None, None, None)


def test_noise_has_no_pitch(tmp_path: Path, tracker: SwiftF0Tracker) -> None:
    made = recording(tmp_path, noise(4.0, -30.0)[None])
    found = measures.measure(
        made, (Voice(0, 0, (Span(1.0, 3.0),)),), utterances=(utterance(0, 0, 1.0, 3.0),), pitch=tracker, progress=quiet
    )[0]
    assert found.pitch_hz is None
    assert found.snr_db is not None
    assert found.snr_db < 0.0


def test_a_channel_that_is_never_silent_has_no_noise_floor(tmp_path: Path) -> None:
    made = recording(tmp_path, noise(2.0, -40.0)[None])
    assert measures.noise_floor_db(made, 0, (Voice(0, 0, (Span(0.0, 2.0),)),)) is None


def test_the_noise_floor_is_the_quieter_silence(tmp_path: Path) -> None:
    mixed = np.concatenate([noise(6.0, -60.0), noise(4.0, -30.0)])
    floor = measures.noise_floor_db(recording(tmp_path, mixed[None]), 0, ())
    assert floor == pytest.approx(-60.0, abs=0.5)


def test_two_words_are_too_few_for_a_rate(tmp_path: Path, tracker: SwiftF0Tracker) -> None:
    made = recording(tmp_path, noise(4.0, -30.0)[None])
    found = measures.measure(made, (Voice(0, 0, ()),), utterances=(utterance(0, 0, 1.0, 2.0, 2),), pitch=tracker, progress=quiet)
    assert found[0].rate_wps is None


def test_real_speech_lies_in_the_range_of_voices(speech: FloatArray, tracker: SwiftF0Tracker) -> None:
    voiced = tracker.track(speech)
    assert voiced.dtype == np.float32
    assert voiced.size > 50
    assert 70.0 < float(np.median(voiced)) < 300.0
    assert tracker.track(np.zeros(100, np.float32)).size == 0


def test_coverage_reads_like_walking_the_spans() -> None:
    spans = [Span(5.0, 7.0), Span(1.0, 2.0), Span(6.0, 9.0)]
    covered = measures.coverage(spans)
    for start in np.arange(0.0, 10.0, 0.37):
        window = Span(float(start), float(start) + 1.7)
        assert covered.within(window) == pytest.approx(sum(span.overlap(window) for span in measures.union(spans)))
    assert measures.coverage(()).within(Span(0.0, 5.0)) == 0.0


def overall(seconds: float, *voices: Voice) -> tuple[dict[Party, float], float, float, dict[Party, int]]:
    made = Recording("made", Path("none"), seconds, 2, 8000, "pcm", "")
    found = measures.overall(made, voices, cast=Cast((AGENT, CUSTOMER), None))
    return dict(found.talk_share), found.silence_s, found.longest_silence_s, dict(found.interruptions)


def test_shares_and_silence_are_of_the_whole_recording() -> None:
    shares, silence, longest, _ = overall(20.0, Voice(0, 0, (Span(2.0, 6.0), Span(5.0, 8.0))), Voice(1, 1, (Span(9.0, 14.0),)))
    assert shares == {Party.AGENT: pytest.approx(0.3), Party.CUSTOMER: pytest.approx(0.25), Party.UNKNOWN: 0.0}
    assert silence == pytest.approx(9.0)
    assert longest == pytest.approx(6.0)


def test_breaking_in_counts_and_a_backchannel_does_not() -> None:
    agent = Voice(0, 0, (Span(0.0, 10.0), Span(20.0, 24.0)))
    *_, interruptions = overall(30.0, agent, Voice(1, 1, (Span(2.0, 2.5), Span(8.0, 12.0), Span(23.8, 27.0))))
    assert interruptions == {Party.AGENT: 0, Party.CUSTOMER: 1}


def test_two_who_start_together_interrupt_nobody() -> None:
    *_, interruptions = overall(30.0, Voice(0, 0, (Span(5.0, 10.0),)), Voice(1, 1, (Span(5.2, 9.0),)))
    assert interruptions == {Party.AGENT: 0, Party.CUSTOMER: 0}


def test_a_recording_without_speech_is_all_silence() -> None:
    shares, silence, longest, interruptions = overall(12.0, Voice(0, 0, ()), Voice(1, 1, ()))
    assert set(shares.values()) == {0.0}
    assert (silence, longest) == (12.0, 12.0)
    assert set(interruptions.values()) == {0}


def plain(loudness_db: float = -26.0, pitch_hz: float | None = 200.0, rate_wps: float | None = 3.0) -> PlainMeasures:
    return PlainMeasures(loudness_db, pitch_hz, rate_wps, 0.0, 0.0, 30.0)


def grown(*steps: tuple[float, PlainMeasures, float | None], voice: int = 1) -> baseline.BaselineState:
    """A baseline after utterances of (seconds, measures, frustration)."""
    state, at = baseline.start(), 0.0
    for number, (seconds, measured, frustration) in enumerate(steps):
        said = utterance(number, voice, at, at + seconds)
        state, at = baseline.push(state, said, measured, frustration=frustration, config=MeasuresConfig()), at + seconds
    return baseline.finish(state)


def change(
    state: baseline.BaselineState, measured: PlainMeasures, voice: int = 1
) -> tuple[float | None, float | None, float | None, float]:
    found = baseline.compare(state, utterance(9, voice, 90.0, 94.0), measured, MeasuresConfig())
    return found.loudness_change_db, found.pitch_change_semitones, found.rate_change_wps, found.baseline_s


def test_the_first_utterance_has_nothing_to_be_compared_with() -> None:
    assert change(grown(), plain()) == (None, None, None, 0.0)


def test_after_fifteen_seconds_the_change_is_against_the_callers_own_median() -> None:
    state = grown((5.0, plain(-30.0, 100.0, 2.0), None), (5.0, plain(-28.0, 100.0, 2.0), None), (6.0, plain(-29.0, 100.0, 2.0), None))
    assert change(state, plain(-23.0, 200.0, 4.0)) == (6.0, 12.0, 2.0, 16.0)


def test_until_then_the_change_is_shrunk_to_the_population() -> None:
    state = grown((5.0, plain(-30.0, 100.0, 2.0), None))
    loudness, pitch, rate, seconds = change(state, plain(-24.0, 200.0, 4.0))
    assert (loudness, pitch, seconds) == (2.0, 4.0, 5.0)
    assert rate == pytest.approx(4.0 - (2.0 / 3.0 + 3.0 * 2.0 / 3.0), abs=1e-3)


@pytest.mark.parametrize("earlier_s", [1.3, 5.0, 14.9, 15.0, 40.0])
def test_the_plain_difference_is_known_however_short_the_baseline(earlier_s: float) -> None:
    state = grown((earlier_s, plain(-30.0, 100.0, 2.0), None))
    counted = baseline.compare(state, utterance(9, 1, 90.0, 94.0), plain(-21.3, 150.0, 4.5), MeasuresConfig())
    told = baseline.change(counted, MeasuresConfig())
    assert told is not None
    assert (told.loudness_db, told.pitch_semitones, told.rate_wps) == (
        counted.loudness_change_db, counted.pitch_change_semitones, counted.rate_change_wps,
    )  # fmt: skip
    assert told.loudness_plain_db == pytest.approx(8.7, abs=0.01)
    assert told.pitch_plain_semitones == pytest.approx(12 * math.log2(1.5), abs=0.01)
    assert told.rate_plain_wps == pytest.approx(2.5, abs=0.01)


def test_no_difference_is_told_of_what_was_not_measured() -> None:
    state = grown((5.0, plain(-30.0, None, 2.0), None))
    told = baseline.change(baseline.compare(state, utterance(9, 1, 90.0, 94.0), plain(-21.3), MeasuresConfig()), MeasuresConfig())
    assert told is not None
    assert (told.pitch_semitones, told.pitch_plain_semitones) == (None, None)
    first = baseline.compare(baseline.start(), utterance(0, 1, 0.0, 4.0), plain(), MeasuresConfig())
    assert baseline.change(first, MeasuresConfig()) is None


def test_shouting_does_not_become_the_callers_normal() -> None:
    calm = [(8.0, plain(-30.0), 0.1), (8.0, plain(-30.0), 0.2)]
    loud = [(8.0, plain(-15.0), 0.9)] * 5
    assert change(grown(*calm, *loud), plain(-15.0))[0] == pytest.approx(15.0)
    assert change(grown(*calm, *loud), plain(-15.0))[3] == 16.0


def test_one_outlier_does_not_move_the_median() -> None:
    state = grown(*[(4.0, plain(-30.0), None)] * 5, (1.0, plain(-5.0), None))
    assert change(state, plain(-30.0))[0] == 0.0


def test_each_speaker_has_a_baseline_of_its_own() -> None:
    state = grown((20.0, plain(-20.0), None), voice=0)
    assert change(state, plain(-30.0), voice=1) == (None, None, None, 0.0)
    assert change(state, plain(-30.0), voice=0)[0] == pytest.approx(-10.0)


def test_what_could_not_be_measured_is_left_out_of_the_baseline() -> None:
    state = grown((20.0, plain(-30.0, None, None), None), (4.0, plain(-30.0, 100.0, 3.0), None))
    assert change(state, plain(-30.0, 100.0, 3.0)) == (0.0, 0.0, 0.0, 24.0)
    assert change(state, plain(-30.0, None, None))[1:3] == (None, None)
