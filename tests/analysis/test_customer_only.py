"""Tone is read from the customer's audio only (EU AI Act Art. 5(1)(f)), and from nobody's where the call may not be scored."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

import numpy as np
import pytest
import soundfile

from analysis import pipeline
from analysis.config import Config, ToneConfig
from analysis.engines.tone_head import EncoderHeadToneModel
from analysis.heads import save_head
from analysis.ports import WindowTranscript
from analysis.values import (
    Abstention,
    CallAnalysis,
    CustomerVoice,
    GivenParties,
    Moment,
    Party,
    Recording,
    Scoring,
    ScoringMode,
    Span,
    Tone,
    Utterance,
    Voice,
    Word,
)
from tests.analysis import made
from tests.analysis.made import CHANNELS, tone_card, tone_tensors
from tests.audio import SAMPLES, recording

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from analysis.ports import Engines
    from analysis.values import FloatArray, UtteranceAudio, Wording

SAMPLE = SAMPLES / "escalates.flac"
AGENT, CUSTOMER = Party.AGENT, Party.CUSTOMER
FULL = Scoring(ScoringMode.FULL, None)
ACCEPTING = replace(Config(), tone=ToneConfig(accept_noncommercial=True))
WIDTH = 2 * 512
"""Of a frame: two middle layers of whisper-base side by side."""
SECONDS = 45
SENTENCE = (" I", " already", " told", " you", " this", " is", " ridiculous", " and", " nobody", " helps", " me")


def spans_of(channel: FloatArray, rate: int) -> FloatArray:
    """Speech probability per 32 ms hop from the level alone."""
    hop = round(0.032 * rate)
    powers = np.mean(np.square(channel[: len(channel) // hop * hop].reshape(-1, hop)), axis=1)
    return np.where(powers > 1e-5, np.float32(1.0), np.float32(0.0))


class ScriptedStream:
    def __init__(self, probabilities: FloatArray) -> None:
        self._left = list(probabilities)
        self._held = 0

    def push(self, samples: FloatArray) -> FloatArray:
        self._held += len(samples)
        hops, self._held = divmod(self._held, 512)
        return np.array([self._left.pop(0) if self._left else 0.0 for _ in range(hops)], np.float32)

    def finish(self) -> FloatArray:
        return self.push(np.zeros(512 - self._held, np.float32)) if self._held else np.zeros(0, np.float32)


class ScriptedSpeech:
    """Hears speech where it is told to, whatever the audio: both runs of a comparison get the same spans."""

    name, hop_s = "scripted", 0.032

    def __init__(self, *channels: FloatArray) -> None:
        self._channels = list(channels)
        self._next = 0

    def start(self) -> ScriptedStream:
        self._next += 1
        return ScriptedStream(self._channels[(self._next - 1) % len(self._channels)])


class ScriptedTranscriber:
    """The same sentence in every window; remembers whether frames were asked for."""

    name, encoder, frame_rate, languages = "scripted", "whisper-scripted", 50.0, frozenset({"en"})

    def __init__(self) -> None:
        self.asked_for_frames: list[bool] = []

    def language(self, windows: Sequence[FloatArray], *, frames: bool) -> tuple[str, float]:
        return "en", 1.0

    def transcribe(self, windows: Sequence[FloatArray], *, language: str, frames: Sequence[bool]) -> list[WindowTranscript]:
        self.asked_for_frames += frames
        return [self._window(len(window) / 16_000, wanted) for window, wanted in zip(windows, frames, strict=True)]

    def _window(self, seconds: float, frames: bool) -> WindowTranscript:
        step = min(0.3, seconds / (len(SENTENCE) + 1))
        words = tuple(Word(at * step, (at + 1) * step, text, 0.9) for at, text in enumerate(SENTENCE))
        return WindowTranscript(words, 0.9, 0.0, np.ones((round(seconds * 50), WIDTH), np.float32) if frames else None)


class NeverTone:
    name, licence, commercial_use, anger_prior = "never", "CC0", True, 0.2
    encoder: str | None = "whisper-scripted"

    def score(self, voice: CustomerVoice, audio: UtteranceAudio) -> NoReturn:
        raise AssertionError("the tone model was called")


class WatchedTone(NeverTone):
    """Takes whatever it is given and remembers whose it was."""

    def __init__(self, tone: Tone) -> None:
        self._tone = tone
        self.parties: set[Party] = set()
        self.voices: set[int] = set()

    def score(self, voice: CustomerVoice, audio: UtteranceAudio) -> list[Tone]:  # type: ignore[override]
        self.parties.add(voice.role.party)
        self.voices |= {utterance.voice for utterance in voice.utterances}
        return [self._tone for _ in voice.utterances]


class NeverWording:
    name, languages, frustration_prior = "never", frozenset({"en"}), 0.2

    def score(self, texts: Sequence[str]) -> list[Wording]:
        raise AssertionError("the wording model was called")


@pytest.fixture(scope="module")
def channels() -> tuple[FloatArray, FloatArray, int]:
    samples, rate = soundfile.read(SAMPLE, dtype="float32", always_2d=True)
    samples = samples[: SECONDS * rate]
    return samples[:, 0], samples[:, 1], rate


def written(folder: Path, agent: FloatArray, customer: FloatArray, rate: int) -> Path:
    file = folder / "call.wav"
    soundfile.write(file, np.stack([agent, customer], axis=1), rate, subtype="PCM_16")
    return file


def customers(analysis: CallAnalysis) -> list[Moment]:
    return [moment for moment in analysis.moments if moment.party is CUSTOMER]


def random_head(encoder: str, folder: Path) -> EncoderHeadToneModel:
    """The real head engine on drawn weights: this is about where its input comes from, not how good it is."""
    save_head(f"tone-{encoder}", tone_tensors(2 * WIDTH, scale=0.1), tone_card(encoder), folder)
    return EncoderHeadToneModel(Config(), encoder, folder)


def test_the_agents_audio_replaced_by_noise_leaves_the_customers_frames_and_tone_bit_identical(
    engines: Engines, channels: tuple[FloatArray, FloatArray, int], tmp_path: Path
) -> None:
    agent, customer, rate = channels
    if engines.transcriber.encoder != "whisper-base":
        pytest.skip(f"the drawn head is as wide as whisper-base, not {engines.transcriber.encoder}")
    noise = np.random.default_rng(7).normal(0.0, 0.05, len(agent)).astype(np.float32)
    speech = ScriptedSpeech(spans_of(agent, rate), spans_of(customer, rate))
    built = replace(engines, speech=speech, tone=random_head(engines.transcriber.encoder, tmp_path))
    heard, replaced = (run(built, written(tmp_path, track, customer, rate)) for track in (agent, noise))
    before, after = customers(heard), customers(replaced)
    assert [moment.utterance.text for moment in heard.moments] != [moment.utterance.text for moment in replaced.moments]
    assert sum(moment.tone is not None for moment in before) >= 4
    assert [moment.utterance.span for moment in before] == [moment.utterance.span for moment in after]
    assert [moment.tone for moment in before] == [moment.tone for moment in after]
    for left, right in zip(before, after, strict=True):
        assert left.utterance.pooled is not None
        assert right.utterance.pooled is not None
        assert np.array_equal(left.utterance.pooled.mean, right.utterance.pooled.mean)
        assert np.array_equal(left.utterance.pooled.std, right.utterance.pooled.std)


@pytest.fixture
def call(channels: tuple[FloatArray, FloatArray, int], tmp_path: Path) -> Path:
    agent, customer, rate = channels
    return written(tmp_path, agent[: 20 * rate], customer[: 20 * rate], rate)


def run(engines: Engines, file: Path, parties: GivenParties = CHANNELS, scoring: Scoring = FULL) -> CallAnalysis:
    return pipeline.analyze(file, engines=engines, config=ACCEPTING, options=pipeline.CallOptions(parties, scoring))


@pytest.mark.parametrize("mode", [ScoringMode.WORDS, ScoringMode.MEASURES, ScoringMode.NONE])
def test_a_call_that_may_not_be_scored_never_reaches_the_tone_model(engines: Engines, call: Path, mode: ScoringMode) -> None:
    transcriber = ScriptedTranscriber()
    analysis = run(replace(engines, tone=NeverTone(), transcriber=transcriber), call, CHANNELS, Scoring(mode, "the customer objected"))
    assert customers(analysis)
    assert not any(transcriber.asked_for_frames)
    for moment in customers(analysis):
        assert (moment.tone, moment.tone_abstained, moment.disagreement) == (None, Abstention.SCORING_OFF, None)
        if mode is ScoringMode.WORDS:
            assert moment.frustration is not None
            assert moment.frustration.contributions is not None
            assert (moment.frustration.contributions.tone, moment.frustration.contributions.measures) == (0.0, 0.0)


class UnacceptedTone(NeverTone):
    commercial_use = False


class StrangersTone(NeverTone):
    encoder = "whisper-of-another-size"


@pytest.mark.parametrize(
    ("model", "asked"),
    [(UnacceptedTone(), False), (StrangersTone(), False), (None, False), (WatchedTone(Tone(0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.4, 0.5)), True)],
)
def test_frames_are_pooled_only_for_a_tone_model_that_may_score(engines: Engines, call: Path, model: NeverTone | None, asked: bool) -> None:
    transcriber = ScriptedTranscriber()
    built = replace(engines, tone=model, transcriber=transcriber)
    pipeline.analyze(call, engines=built, config=Config(), options=pipeline.CallOptions(CHANNELS))
    assert set(transcriber.asked_for_frames) == {asked}


@pytest.mark.parametrize("mode", [ScoringMode.MEASURES, ScoringMode.NONE])
def test_an_objected_call_is_transcribed_and_never_scored_from_its_words_either(engines: Engines, call: Path, mode: ScoringMode) -> None:
    silent = replace(engines, tone=NeverTone(), wording=NeverWording(), transcriber=ScriptedTranscriber())
    analysis = run(silent, call, CHANNELS, Scoring(mode, "the customer objected"))
    assert analysis.segments == ()
    assert "high_frustration" not in {flag.rule for flag in analysis.flags}
    for moment in customers(analysis):
        assert moment.utterance.text
        assert moment.wording is None
        assert moment.frustration is not None
        assert (moment.frustration.probability, moment.frustration.abstained) == (None, Abstention.SCORING_OFF)


def test_only_measures_that_were_asked_for_are_kept(engines: Engines, call: Path) -> None:
    built = replace(engines, tone=NeverTone(), wording=NeverWording(), transcriber=ScriptedTranscriber())
    measured, bare = (run(built, call, CHANNELS, Scoring(mode, None)) for mode in (ScoringMode.MEASURES, ScoringMode.NONE))
    assert all(moment.measures is not None for moment in measured.moments)
    assert all(moment.measures is None for moment in bare.moments)
    assert bare.effort == ()
    assert bare.flags == ()
    assert measured.effort != ()


@pytest.mark.parametrize(
    "parties",
    [
        GivenParties(channels=(AGENT, AGENT)),
        GivenParties(channels=(AGENT, Party.UNKNOWN)),
        GivenParties(channels=(CUSTOMER, CUSTOMER)),
        GivenParties(),
    ],
)
def test_without_one_confirmed_customer_no_voice_reaches_the_tone_model(engines: Engines, call: Path, parties: GivenParties) -> None:
    analysis = run(replace(engines, tone=NeverTone(), transcriber=ScriptedTranscriber()), call, parties)
    assert analysis.moments
    assert all(moment.tone is None for moment in analysis.moments)
    assert {moment.tone_abstained for moment in customers(analysis)} <= {Abstention.ROLE_UNSURE}


def test_an_agent_whom_a_wrong_channel_map_calls_the_customer_is_scored_by_no_model(engines: Engines, call: Path) -> None:
    """What is said is really transcribed: the dialogue alone tells that the map is the wrong way round."""
    silent = replace(engines, tone=NeverTone(), wording=NeverWording())
    analysis = run(silent, call, GivenParties(channels=(CUSTOMER, AGENT)))
    assert "roles_contradicted" in {note.code for note in analysis.notes}
    assert customers(analysis)
    for moment in customers(analysis):
        assert moment.frustration is not None
        assert (moment.frustration.probability, moment.frustration.abstained) == (None, Abstention.ROLE_UNSURE)
        assert (moment.tone, moment.tone_abstained, moment.wording) == (None, Abstention.ROLE_UNSURE, None)
    assert "high_frustration" not in {flag.rule for flag in analysis.flags}


@pytest.mark.parametrize("turned", [False, True])
def test_the_tone_model_gets_the_customers_voice_whichever_channel_it_is_on(engines: Engines, call: Path, turned: bool) -> None:
    watched = WatchedTone(Tone(0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.4, 0.5))
    parties = GivenParties(voices=(CUSTOMER, AGENT) if turned else (AGENT, CUSTOMER))
    analysis = run(replace(engines, tone=watched, transcriber=ScriptedTranscriber()), call, parties)
    assert watched.parties == {CUSTOMER}
    assert watched.voices == {0 if turned else 1}
    assert {moment.party for moment in analysis.moments if moment.tone is not None} == {CUSTOMER}


LOUD, HUM = 0.5, 0.25


def shared_channel(folder: Path) -> Recording:
    """One channel on which the agent is a steady hum in 0-4 s and 6-7 s, and the customer, louder, speaks in 4-6 s and 7-8 s."""
    return recording(folder, np.repeat(np.array([[HUM] * 4 + [LOUD] * 2 + [HUM, LOUD]], np.float32), 16_000, axis=1))


SHARED = (Voice(0, 0, (Span(0.0, 4.0), Span(6.0, 7.0))), Voice(1, 0, (Span(4.0, 6.0), Span(7.0, 8.0))))


def test_what_reads_the_customers_audio_is_silent_where_another_speaks_in_between(tmp_path: Path) -> None:
    across = made.utterance(3, 1, 4.5, 7.5)
    heard = CustomerVoice(made.CUSTOMER, 0.8, (across,)).audio(shared_channel(tmp_path), SHARED)(across)
    assert heard.shape == (48_000,)
    assert np.array_equal(heard, np.repeat([0.5, 0.0, 0.5], (24_000, 16_000, 8_000)))


@pytest.mark.parametrize(
    "asked",
    [
        made.utterance(0, 0, 0.0, 4.0),
        made.utterance(3, 0, 4.0, 6.0),
        made.utterance(3, 1, 0.0, 4.0),
        made.utterance(3, 1, 3.0, 6.0),
        made.utterance(4, 1, 7.0, 8.0),
    ],
)
def test_what_reads_the_customers_audio_refuses_every_other_utterance(tmp_path: Path, asked: Utterance) -> None:
    """The agent's, one that gives itself out for the customer's, and one of the customer's that was not handed over for scoring."""
    own, unfit = made.utterance(3, 1, 4.0, 6.0), made.utterance(4, 1, 7.0, 8.0)
    audio = CustomerVoice(made.CUSTOMER, 0.8, (own, unfit)).narrowed(frozenset({3})).audio(shared_channel(tmp_path), SHARED)
    assert audio(own).size == 32_000
    with pytest.raises(ValueError, match="not one of this customer's"):
        audio(asked)


class ListeningTone(NeverTone):
    """Hears every utterance, and asks for the agent's too."""

    encoder = None

    def __init__(self) -> None:
        self.heard: list[FloatArray] = []
        self.refused = 0

    def score(self, voice: CustomerVoice, audio: UtteranceAudio) -> list[Tone]:  # type: ignore[override]
        self.heard = [audio(utterance) for utterance in voice.utterances]
        for utterance in voice.utterances:
            try:
                audio(replace(utterance, voice=1 - utterance.voice))
            except ValueError:
                self.refused += 1
        return [Tone(0.1, None, None, None, None, None, None, 0.5) for _ in voice.utterances]


def test_a_model_that_hears_the_audio_itself_hears_the_same_whatever_the_agent_says(
    engines: Engines, channels: tuple[FloatArray, FloatArray, int], tmp_path: Path
) -> None:
    rate = channels[2]
    spoken, customer = (channel[: 20 * rate] for channel in channels[:2])
    noise = np.random.default_rng(7).normal(0.0, 0.05, len(spoken)).astype(np.float32)
    listening = []
    for track in (spoken, noise):
        model = ListeningTone()
        speech = ScriptedSpeech(spans_of(spoken, rate), spans_of(customer, rate))
        built = replace(engines, speech=speech, tone=model, transcriber=ScriptedTranscriber())
        found = run(built, written(tmp_path, track, customer, rate))
        assert model.refused == len(model.heard) == sum(moment.tone is not None for moment in found.moments) > 0
        listening.append(model.heard)
    assert all(np.array_equal(left, right) and left.any() for left, right in zip(*listening, strict=True))
