"""A tone head whose encoder runs by itself, because the transcriber's frames are not those it was trained on; on real weights."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
import torch

from analysis import heads, pipeline, registry, resolver
from analysis.config import Config, TranscribeConfig
from analysis.engines import window_encoder
from analysis.engines.faster_whisper import FasterWhisperTranscriber
from analysis.engines.tone_head import EncoderHeadToneModel
from analysis.engines.window_encoder import WhisperWindowEncoder
from analysis.errors import AnalysisError
from analysis.own_encoder import OwnEncoderToneModel
from analysis.values import (
    EMOTIONS,
    SAMPLE_RATE,
    Abstention,
    CustomerVoice,
    Party,
    PooledFrames,
    Utterance,
)
from tests.analysis.made import CHANNELS, audio_of, customer
from tests.audio import SAMPLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.ports import Engines, ToneModel, Transcriber
    from analysis.values import FloatArray, Tone, UtteranceAudio

ONE_THREAD = replace(Config(), transcribe=TranscribeConfig(threads=1))
STRANGER = "whisper-of-another-size"


class WatchedWindows:
    """Remembers the windows it is given; every frame holds its own number."""

    name, encoder, frame_rate = "whisper-watched@sha256:0", "whisper-watched", 50.0

    def __init__(self) -> None:
        self.given: list[FloatArray] = []

    def encode(self, windows: Sequence[FloatArray]) -> list[FloatArray]:
        self.given += windows
        return [np.repeat(np.arange(1500, dtype=np.float32)[:, None], 2, axis=1) for _ in windows]


class WatchedHead:
    name, encoder, licence, commercial_use, anger_prior = "watched", "whisper-watched", "CC0", True, 0.2

    def __init__(self) -> None:
        self.given: list[Utterance] = []

    def score(self, voice: CustomerVoice, audio: UtteranceAudio) -> list[Tone]:
        self.given = list(voice.utterances)
        assert all(audio(utterance).size for utterance in voice.utterances)
        return []


def ramp(seconds: float) -> FloatArray:
    """Every second at a level of its own, so that a sample tells where it comes from."""
    return np.repeat((np.arange(round(seconds)) + 1) / 256.0, SAMPLE_RATE).astype(np.float32)


def scored(voice: CustomerVoice, folder: Path, seconds: float = 100.0) -> tuple[WatchedWindows, WatchedHead]:
    windows, head = WatchedWindows(), WatchedHead()
    OwnEncoderToneModel(head, windows, TranscribeConfig()).score(voice, audio_of(voice, ramp(seconds), folder))
    return windows, head


def test_utterances_share_windows_as_far_as_they_fit_with_no_more_silence_than_there_was(tmp_path: Path) -> None:
    windows, head = scored(customer((0.0, 10.0), (10.1, 20.0), (25.0, 34.0), (40.0, 55.0)), tmp_path)
    assert [len(window) / SAMPLE_RATE for window in windows.given] == pytest.approx([0.1 + 10.0 + 9.9 + 0.25 + 9.0, 15.0])
    first, second, third, fourth = (each.pooled for each in head.given)
    assert first is not None
    assert second is not None
    assert third is not None
    assert fourth is not None
    assert [first.mean[0], second.mean[0], third.mean[0], fourth.mean[0]] == pytest.approx([249.5, 752.0, 1237.0, 374.5], abs=1.0)
    assert [each.frames for each in (first, second, third, fourth)] == pytest.approx([500, 495, 450, 750], abs=1)


def test_a_window_holds_the_sound_of_its_utterances_and_silence_between_them(tmp_path: Path) -> None:
    windows, _ = scored(customer((2.0, 4.0), (7.0, 8.0)), tmp_path, seconds=10.0)
    window = windows.given[0]
    heard = [window[round(at * SAMPLE_RATE)] * 256.0 for at in (0.5, 1.5, 2.1, 2.5)]
    assert heard == pytest.approx([3.0, 4.0, 0.0, 8.0], abs=0.01)


def test_no_utterances_need_no_pass(tmp_path: Path) -> None:
    windows, head = scored(customer(), tmp_path, seconds=1.0)
    assert (windows.given, head.given) == ([], [])


def test_a_head_of_another_encoder_is_refused() -> None:
    windows = WatchedWindows()
    windows.encoder = "whisper-other"
    with pytest.raises(ValueError, match="the head of whisper-watched knows nothing of the frames of whisper-other"):
        OwnEncoderToneModel(WatchedHead(), windows, TranscribeConfig())


@pytest.mark.parametrize("weights", ["base", "tiny.en"])
def test_the_same_window_gives_the_frames_and_the_tone_of_the_shared_pass(tmp_path: Path, weights: str) -> None:
    samples, rate = soundfile.read(SAMPLES / "escalates.flac", dtype="float32", always_2d=True)
    assert rate == 8000
    window = np.repeat(samples[20 * rate : 26 * rate, 1], 2)
    window = (np.round(window * 32768.0) / 32768.0).astype(np.float32)
    shared = FasterWhisperTranscriber(Config(transcribe=TranscribeConfig(weights=weights, threads=1)))
    frames = shared.transcribe([window], language="en", frames=[True])[0].frames
    own = WhisperWindowEncoder(weights)
    assert frames is not None
    assert np.array_equal(own.encode([window])[0][: len(frames)], frames)
    assert own.encoder == shared.encoder

    voice = customer((0.0, len(window) / SAMPLE_RATE))
    pooled = replace(voice.utterances[0], pooled=PooledFrames.over(frames, 0.0, len(window) / SAMPLE_RATE, frame_rate=50.0))
    audio = audio_of(voice, window, tmp_path)
    head = EncoderHeadToneModel(Config(), shared.encoder)
    assert OwnEncoderToneModel(head, own, TranscribeConfig()).score(voice, audio) == head.score(replace(voice, utterances=(pooled,)), audio)


class Renamed:
    """A transcriber whose encoder no head was trained on."""

    def __init__(self, transcriber: Transcriber) -> None:
        self._transcriber = transcriber
        self.encoder = STRANGER

    def __getattr__(self, name: str) -> object:
        return getattr(self._transcriber, name)


@pytest.mark.parametrize(("wanted", "taken"), [("auto", "cuda"), ("cuda", "cuda"), ("cpu", "cpu")])
def test_its_encoder_runs_on_the_device_of_the_transcriber(monkeypatch: pytest.MonkeyPatch, wanted: str, taken: str) -> None:
    devices: list[str] = []

    def placed(_: Path, *, device: str, whole: bool) -> SimpleNamespace:
        devices.append(device)
        return SimpleNamespace(mels=80)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(window_encoder, "TorchWhisperEncoder", placed)
    registry._tone_model(Config(transcribe=TranscribeConfig(device=wanted)), STRANGER)
    assert devices == [taken]


@pytest.fixture(scope="module")
def alone() -> ToneModel:
    model = registry._tone_model(ONE_THREAD, STRANGER)
    assert model is not None
    return model


def test_the_registry_gives_the_first_installed_encoder_with_a_head_and_says_so(alone: ToneModel, engines: Engines) -> None:
    assert alone.encoder is None
    assert re.search(r"\+own-encoder/whisper-base/[^@+]+@sha256:[0-9a-f]{64}$", alone.name)
    assert engines.tone is not None
    assert alone.name.startswith(engines.tone.name)
    assert (alone.licence, alone.commercial_use, alone.anger_prior) == (
        engines.tone.licence,
        engines.tone.commercial_use,
        engines.tone.anger_prior,
    )


def test_a_call_of_another_transcriber_is_scored_much_as_in_the_shared_pass(alone: ToneModel, engines: Engines, config: Config) -> None:
    stranger = replace(engines, transcriber=Renamed(engines.transcriber), tone=alone)  # type: ignore[arg-type]
    options = pipeline.CallOptions(CHANNELS)
    own, shared = (
        pipeline.analyze(SAMPLES / "escalates.flac", engines=built, config=config, options=options) for built in (stranger, engines)
    )
    assert own.provenance.engines["tone"] == alone.name
    assert all(moment.utterance.pooled is None for moment in own.moments)
    assert [moment.tone_abstained for moment in own.moments] == [moment.tone_abstained for moment in shared.moments]
    pairs = [(one.tone, other.tone) for one, other in zip(own.moments, shared.moments, strict=True) if one.tone and other.tone]
    assert len(pairs) >= 5
    left, right = (np.array([[getattr(pair[side], name) for name in EMOTIONS] for pair in pairs]).ravel() for side in (0, 1))
    assert np.corrcoef(left, right)[0, 1] > 0.9


def test_only_without_any_encoder_that_has_a_head_there_is_no_tone_model(
    monkeypatch: pytest.MonkeyPatch, engines: Engines, config: Config
) -> None:
    monkeypatch.setattr(resolver, "find", lambda name, **_: Path() if name == "tiny.en" else None)
    assert registry._encoder_with_head(Config()) == "whisper-tiny.en"
    monkeypatch.setattr(heads, "has_head", lambda stem, *_: stem != "tone-whisper-tiny.en")
    assert registry._tone_model(Config(), "whisper-tiny.en") is None
    bare = replace(engines, tone=None)
    options = pipeline.CallOptions(CHANNELS)
    analysis = pipeline.analyze(SAMPLES / "calm.flac", engines=bare, config=config, options=options)
    assert {each.tone_abstained for each in analysis.moments if each.party is Party.CUSTOMER} == {Abstention.ENCODER_UNSUPPORTED}


def test_damaged_weights_are_said_and_not_taken_for_absent_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(name: str, **_: object) -> Path:
        raise AnalysisError(f"{name}: not the pinned weights; expected sha256 aa, found bb", permanent=False)

    monkeypatch.setattr(resolver, "find", damaged)
    with pytest.raises(AnalysisError, match="expected sha256 aa, found bb"):
        registry._tone_model(Config(), STRANGER)
