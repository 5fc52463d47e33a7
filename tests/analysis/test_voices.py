"""Voices: stereo by channel, mono by speaker; one person stays one, two are told apart, and three are scored for nobody."""

from __future__ import annotations

import csv
import dataclasses
import itertools
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from analysis import registry
from analysis.config import Config
from analysis.steps import decode, speech, voices
from analysis.values import ChannelSpeech, Span, Speech
from tests import audio

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from analysis.ports import Diarizer, SpeechDetector
    from analysis.values import FloatArray, Recording, VoiceSplit

CONFIG = Config()
GRID = 100
"""Labels a second when a split is compared with the truth."""

ONE, TWO, THREE = ("1089",), ("237", "260"), ("1089", "3570", "4992")
MAN_AND_MAN = ("1089", "260")


@pytest.fixture(scope="module")
def diarizer() -> Diarizer:
    built: Diarizer = registry.engine_class("diarizer", CONFIG.engines.diarizer)(CONFIG)
    return built


class ByLevel:
    """Embeds a window by whether it is loud: two speakers that cannot be confused, for recordings of any length."""

    name = "by-level"

    def __init__(self) -> None:
        self.embedded = 0

    def embed(self, windows: Sequence[FloatArray]) -> FloatArray:
        self.embedded += len(windows)
        loud = np.array([float(np.abs(window).mean() > 0.1) for window in windows])
        rows = np.stack([loud, 1 - loud, np.linspace(0, 0.01, len(windows))], axis=1)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def conversation(data: Path, speakers: Sequence[str], turns: int = 12) -> tuple[FloatArray, NDArray[np.int64]]:
    """Turns of 2-6 s in order; samples [n], and who speaks on a grid of 10 ms (-1 is nobody)."""
    rows = list(csv.DictReader((data / "asr" / "manifest.csv").open()))
    said = {who: [data / "asr" / row["path"] for row in rows if row["speaker"] == who] for who in speakers}
    random = np.random.default_rng(3)
    parts, labels = [], []
    for turn in range(turns):
        who = turn % len(speakers)
        files = said[speakers[who]]
        samples = soundfile.read(files[turn // len(speakers) % len(files)], dtype="float32")[0]
        parts += [samples[: int(random.uniform(2, 6) * 16000)], np.zeros(int(random.uniform(0.1, 0.6) * 16000), np.float32)]
        labels += [np.full(len(parts[-2]), who), np.full(len(parts[-1]), -1)]
    mixed = np.concatenate(parts)
    return mixed + audio.noise(len(mixed) / 16000, -60.0), np.concatenate(labels)[:: 16000 // GRID]


def noise_beside(samples: FloatArray, level_db: float) -> FloatArray:
    """As many samples of white noise."""
    return audio.noise(len(samples) / 16000, level_db, 5)[: len(samples)]


@pytest.fixture(scope="module")
def mixed_call(data: Path, detector: SpeechDetector) -> tuple[FloatArray, NDArray[np.int64]]:
    """A real stereo call mixed to one channel [n], and who of its channels speaks alone on a grid of 10 ms (else -1)."""
    with decoded(next((data / "calls").glob("aws_lca__*.flac"))) as stereo:
        spoken = speech.detect(stereo, detector, CONFIG.speech, lambda step, fraction: None)
        mixed = np.asarray((stereo.audio(0) + stereo.audio(1)) / 2, np.float32)
    talking = np.zeros((2, len(mixed) * GRID // 16000 + 1), np.bool_)
    for channel in spoken.channels:
        for span in channel.spans:
            talking[channel.channel, round((span.start + 0.2) * GRID) : round((span.end - 0.2) * GRID)] = True
    return mixed, np.where(talking.sum(axis=0) == 1, talking.argmax(axis=0), -1).astype(np.int64)


def split(recording: Recording, detector: SpeechDetector, diarizer: Diarizer, config: Config = CONFIG) -> VoiceSplit:
    spoken = speech.detect(recording, detector, config.speech, lambda step, fraction: None)
    return voices.split(recording, spoken, diarizer, config.voices)


def speaker_error(found: VoiceSplit, truth: NDArray[np.int64]) -> float:
    """The share of spoken 10 ms steps given to the wrong speaker, under the best match of voices and speakers."""
    given = np.full(len(truth), -1)
    for voice in found.voices:
        for span in voice.spans:
            given[round(span.start * GRID) : round(span.end * GRID)] = voice.id
    both = (truth >= 0) & (given >= 0)
    count = max(len(found.voices), int(truth.max()) + 1)
    return min(float(np.mean(np.array(match)[given[both]] != truth[both])) for match in itertools.permutations(range(count)))


def all_spans(found: VoiceSplit) -> list[Span]:
    return sorted(span for voice in found.voices for span in voice.spans)


def decoded(file: Path) -> decode.OpenedRecording:
    decoders = [registry.engine_class("decoder", name)(CONFIG) for name in CONFIG.engines.decoders]
    return decode.open_recording(file, decoders, CONFIG.decode)


def test_stereo_is_split_by_channel(data: Path, detector: SpeechDetector, diarizer: Diarizer, tmp_path: Path) -> None:
    left, right = (conversation(data, [who], turns=2)[0][: 16000 * 6] for who in TWO)
    found = split(audio.recording(tmp_path, np.stack([left, right])), detector, diarizer)
    assert [(voice.id, voice.channel) for voice in found.voices] == [(0, 0), (1, 1)]
    assert not found.mono
    assert found.scorable


def test_a_monologue_beside_a_silent_channel_stays_its_channels_voice(
    data: Path, detector: SpeechDetector, diarizer: Diarizer, tmp_path: Path
) -> None:
    said = conversation(data, ONE, turns=8)[0]
    for level_db in (-45.0, -200.0):
        found = split(audio.recording(tmp_path, np.stack([noise_beside(said, level_db), said])), detector, diarizer)
        assert [(voice.id, voice.channel) for voice in found.voices] == [(1, 1)]
        assert (found.mono, found.channels) == (False, 2)
        assert [note.code for note in found.notes] == ["one_voice"]


def test_a_party_that_says_next_to_nothing_keeps_its_channel(
    data: Path, detector: SpeechDetector, diarizer: Diarizer, tmp_path: Path
) -> None:
    """One `hello` beside a monologue of a minute: the monologue is one voice, so nothing is left out."""
    said = conversation(data, ONE, turns=16)[0]
    hello = noise_beside(said, -60.0)
    hello[:12800] += conversation(data, ("237",), turns=1)[0][:12800]
    found = split(audio.recording(tmp_path, np.stack([said, hello])), detector, diarizer)
    assert [(voice.id, voice.channel) for voice in found.voices] == [(0, 0), (1, 1)]
    assert not found.mono
    assert sum(span.seconds for span in found.voices[1].spans) < voices.LONE_SHARE * sum(span.seconds for span in found.voices[0].spans)


@pytest.mark.parametrize(("beside", "lone"), [("line noise", 0), ("silence", 1), ("leak", 1)])
def test_both_parties_of_a_real_call_on_one_channel_are_told_apart(
    mixed_call: tuple[FloatArray, NDArray[np.int64]], detector: SpeechDetector, diarizer: Diarizer, tmp_path: Path, beside: str, lone: int
) -> None:
    mixed, truth = mixed_call
    other = {"line noise": noise_beside(mixed, -60.0), "silence": 0 * mixed, "leak": 0.03 * mixed + noise_beside(mixed, -60.0)}[beside]
    found = split(audio.recording(tmp_path, np.stack([mixed, other] if lone == 0 else [other, mixed])), detector, diarizer)
    assert {voice.channel for voice in found.voices} == {lone}
    assert (len(found.voices), found.mono, found.scorable, found.channels) == (2, True, True, 2)
    assert speaker_error(found, truth) < 0.03
    assert [note.code for note in found.notes] == ["one_channel"]
    assert f"channel {1 - lone} holds next to no speech" in found.notes[0].message
    assert ("left out" in found.notes[0].message) == (beside == "leak"), "nothing is said to be left out where nothing was"


@pytest.mark.parametrize(
    ("said_s", "gain", "kept"),
    [(2.5, 30.0, True), (2.5, 0.1, False), (1.5, 30.0, False)],
    ids=["a person who speaks", "a leak of as long", "a word or two"],
)
def test_what_a_person_says_on_the_quiet_channel_is_kept_and_what_is_left_out_is_told(
    tmp_path: Path, said_s: float, gain: float, kept: bool
) -> None:
    """Under 3 % of what two voices say on the other channel, while that one has a pause."""
    lone = np.concatenate([audio.noise(10.0, level, seed) for seed, level in enumerate([-12.0, -40.0] * 6)])
    lone[16000 * 100 :] *= 0.1
    quiet = audio.noise(120.0, -60.0, 9)
    quiet[16000 * 102 : round(16000 * (102 + said_s))] = gain * lone[16000 * 102 : round(16000 * (102 + said_s))]
    spoken = Speech((ChannelSpeech(0, (Span(0.0, 100.0),), None), ChannelSpeech(1, (Span(102.0, 102.0 + said_s),), None)))
    found = voices.split(audio.recording(tmp_path, np.stack([lone, quiet])), spoken, ByLevel(), CONFIG.voices)
    assert {voice.channel for voice in found.voices} == ({0, 1} if kept else {0})
    assert [note.message.partition("own: ")[2] for note in found.notes] == ([] if kept else [f"{said_s:.1f} s of it were left out"])


@pytest.mark.parametrize("name", ["calls/aws_lca__auto_repairs_40_L-agent_R-customer.flac", "calls/speechmatics__callcenter_sample.wav"])
def test_a_real_stereo_call_is_split_by_channel_without_a_look_at_its_voices(data: Path, detector: SpeechDetector, name: str) -> None:
    diarizer = ByLevel()
    with decoded(data / name) as recording:
        found = split(recording, detector, diarizer)
    assert [(voice.id, voice.channel) for voice in found.voices] == [(0, 0), (1, 1)]
    assert (found.mono, found.notes, diarizer.embedded) == (False, (), 0)


@pytest.mark.parametrize("gain", [1.0, 0.4, -1.0, 0.0])
def test_channels_that_are_one_recording_are_mono(
    data: Path, detector: SpeechDetector, diarizer: Diarizer, tmp_path: Path, gain: float
) -> None:
    said = conversation(data, TWO, turns=8)[0]
    found = split(audio.recording(tmp_path, np.stack([np.float32(gain) * said, said])), detector, diarizer)
    assert found.mono
    assert [voice.id for voice in found.voices] == [0, 1]
    assert {voice.channel for voice in found.voices} == {0 if abs(gain) == 1.0 else 1}
    assert found.channels == (2 if gain == 0.0 else 1)


@pytest.mark.parametrize("speakers", [ONE, ("237",), ("3570",)])
def test_one_person_stays_one_voice(
    data: Path, detector: SpeechDetector, diarizer: Diarizer, tmp_path: Path, speakers: tuple[str, ...]
) -> None:
    samples, _ = conversation(data, speakers)
    found = split(audio.recording(tmp_path, samples[None]), detector, diarizer)
    assert (len(found.voices), found.mono, found.scorable) == (1, True, True)
    assert [note.code for note in found.notes] == ["one_voice"]


@pytest.mark.parametrize("speakers", [TWO, MAN_AND_MAN, ("3570", "4507")])
def test_two_people_are_told_apart(
    data: Path, detector: SpeechDetector, diarizer: Diarizer, tmp_path: Path, speakers: tuple[str, ...]
) -> None:
    samples, truth = conversation(data, speakers)
    recording = audio.recording(tmp_path, samples[None])
    found = split(recording, detector, diarizer)
    assert len(found.voices) == 2
    assert speaker_error(found, truth) < 0.05
    assert found.voices[0].spans[0].start < found.voices[1].spans[0].start
    assert all(before.end <= after.start + 1e-9 for before, after in itertools.pairwise(all_spans(found)))
    assert split(recording, detector, diarizer) == found


def test_three_people_are_noted_and_scored_for_nobody(data: Path, detector: SpeechDetector, diarizer: Diarizer, tmp_path: Path) -> None:
    samples, _ = conversation(data, THREE, turns=18)
    found = split(audio.recording(tmp_path, samples[None]), detector, diarizer)
    assert [note.code for note in found.notes] == ["more_than_two_voices"]
    assert not found.scorable


def test_the_voices_share_out_exactly_what_is_spoken(data: Path, detector: SpeechDetector, diarizer: Diarizer, tmp_path: Path) -> None:
    recording = audio.recording(tmp_path, conversation(data, TWO)[0][None])
    spoken = speech.detect(recording, detector, CONFIG.speech, lambda step, fraction: None)
    found = voices.split(recording, spoken, diarizer, CONFIG.voices)
    shared = sum(span.seconds for span in all_spans(found))
    assert shared == pytest.approx(sum(span.seconds for span in spoken.channels[0].spans))


@pytest.mark.parametrize("name", ["aws_pca__Auto0_mono.wav", "snowflake__2024-12-10__audiofile19.mp3"])
def test_real_mono_calls_have_two_parties(data: Path, detector: SpeechDetector, diarizer: Diarizer, name: str) -> None:
    with decoded(data / "calls" / name) as recording:
        found = split(recording, detector, diarizer)
        talked = [sum(span.seconds for span in voice.spans) for voice in found.voices]
        assert len(talked) == 2
        assert min(talked) > 0.15 * recording.seconds
        assert found.scorable


def test_a_real_stereo_call_mixed_to_mono_is_split_as_its_channels_are(
    mixed_call: tuple[FloatArray, NDArray[np.int64]], detector: SpeechDetector, diarizer: Diarizer, tmp_path: Path
) -> None:
    mixed, truth = mixed_call
    assert speaker_error(split(audio.recording(tmp_path, mixed[None]), detector, diarizer), truth) < 0.03


def test_nobody_speaks_in_silence(diarizer: Diarizer, tmp_path: Path) -> None:
    for channels in (1, 2):
        silent = audio.recording(tmp_path, np.zeros((channels, 160_000)))
        spoken = Speech(tuple(ChannelSpeech(channel, (), None) for channel in range(channels)))
        assert voices.split(silent, spoken, diarizer, CONFIG.voices).voices == ()


def test_a_few_words_are_not_split(diarizer: Diarizer, tmp_path: Path) -> None:
    recording = audio.recording(tmp_path, audio.noise(1.0, -20.0)[None])
    spoken = Speech((ChannelSpeech(0, (Span(0.0, 0.4), Span(0.6, 1.0)), None),))
    (voice,) = voices.split(recording, spoken, diarizer, CONFIG.voices).voices
    assert voice.spans == spoken.channels[0].spans


def test_a_long_call_clusters_a_sample_and_gives_the_rest_to_the_nearest(tmp_path: Path) -> None:
    """Ten-second turns, one loud and one soft, cut exactly where they change although only 100 windows are clustered."""
    turns = [audio.noise(10.0, level, seed) for seed, level in enumerate([-12.0, -40.0] * 6)]
    recording = audio.recording(tmp_path, np.concatenate(turns)[None])
    spoken = Speech((ChannelSpeech(0, (Span(0.0, recording.seconds),), None),))
    diarizer, config = ByLevel(), dataclasses.replace(CONFIG.voices, max_windows=100)
    found = voices.split(recording, spoken, diarizer, config)
    assert diarizer.embedded > 250
    assert [[round(span.start) for span in voice.spans] for voice in found.voices] == [list(range(0, 120, 20)), list(range(10, 120, 20))]
    assert all(span.seconds == pytest.approx(10.0, abs=0.7) for span in all_spans(found))


def test_embeddings_are_unit_length_and_know_a_speaker_at_any_level(data: Path, diarizer: Diarizer) -> None:
    first, other = (conversation(data, [who], turns=4)[0] for who in TWO)
    starts = [16000, 32000, 80000]
    ours, soft, theirs = (
        diarizer.embed([s[at : at + 19200] * gain for at in starts]) for s, gain in ((first, 1), (first, 0.05), (other, 1))
    )
    assert np.linalg.norm(ours, axis=1) == pytest.approx(np.ones(3), abs=1e-4)
    assert np.sum(ours * soft, axis=1).min() > 0.999
    assert (ours @ ours.T).min() > (ours @ theirs.T).max()
    assert diarizer.embed([]).shape == (0, 256)
    assert diarizer.name.startswith("ge2e@sha256:39373b86")
