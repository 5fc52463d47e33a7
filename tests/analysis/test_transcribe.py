"""Spans become windows of one voice, windows become utterances, and nothing that one party says reaches the other's frames."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile

from analysis.config import Config, TranscribeConfig
from analysis.engines.faster_whisper import FasterWhisperTranscriber
from analysis.ports import WindowTranscript
from analysis.steps import transcribe
from analysis.values import SAMPLE_RATE, FloatArray, Recording, Span, Transcript, Voice, Word
from tests.audio import noise, recording

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from analysis.ports import Progress

CONFIG = TranscribeConfig()


def recording_of(tmp_path: Path, *channels: FloatArray) -> Recording:
    """A recording of the given channels, as decode would leave it."""
    length = max(len(channel) for channel in channels)
    padded = np.stack([np.pad(channel, (0, length - len(channel))) for channel in channels])
    return recording(tmp_path, padded, f"made-{len(list(tmp_path.iterdir()))}")


def quiet(seconds: float) -> FloatArray:
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


def word(start: float, end: float, text: str = " word", probability: float = 0.9) -> Word:
    return Word(start, end, text, probability)


@dataclass
class ScriptedTranscriber:
    """Hears the same words in every window, or what `hear` says, and remembers what it was given."""

    hear: Callable[[FloatArray], Sequence[Word]] = lambda window: [word(0.1, 0.4)]
    confidence: float = 0.9
    no_speech: float = 0.1
    spoken: tuple[str, float] = ("en", 0.99)
    batches: list[list[FloatArray]] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    languages: frozenset[str] = frozenset({"de", "en", "fr", "pl"})
    name: str = "scripted"
    encoder: str = "scripted"
    frame_rate: float = 50.0

    def language(self, windows: Sequence[FloatArray], *, frames: bool) -> tuple[str, float]:
        self.asked.append(len(windows))
        return self.spoken

    def transcribe(self, windows: Sequence[FloatArray], *, language: str, frames: Sequence[bool]) -> list[WindowTranscript]:
        self.batches.append(list(windows))
        return [
            WindowTranscript(tuple(self.hear(window)), self.confidence, self.no_speech, frames_of(window) if wanted else None)
            for window, wanted in zip(windows, frames, strict=True)
        ]


def frames_of(window: FloatArray) -> FloatArray:
    """A frame every 20 ms whose first number counts the frames of the window."""
    count = int(np.ceil(len(window) / 320))
    return np.stack([np.arange(count), np.ones(count)], axis=1).astype(np.float32)


def run(
    recording: Recording,
    voices: Sequence[Voice],
    transcriber: ScriptedTranscriber | FasterWhisperTranscriber,
    config: TranscribeConfig = CONFIG,
    *,
    language: str | None = "en",
    pooled: bool = True,
    progress: Progress = lambda step, fraction: None,
) -> Transcript:
    return transcribe.transcribe(recording, tuple(voices), transcriber, config, language=language, pooled=pooled, progress=progress)


def voice(*spans: tuple[float, float], number: int = 0, channel: int = 0) -> Voice:
    return Voice(number, channel, tuple(Span(*span) for span in spans))


@pytest.fixture
def minutes(tmp_path: Path) -> Recording:
    """Three minutes of two quiet channels."""
    return recording_of(tmp_path, quiet(180), quiet(180))


class TestWindows:
    def test_no_window_is_longer_than_thirty_seconds(self, minutes: Recording) -> None:
        spoken = voice(*[(start, start + 3.7) for start in np.arange(0.0, 170.0, 4.1)])
        windows = transcribe.windows_of(minutes, spoken, CONFIG)
        assert max(len(window.audio(minutes)) for window in windows) <= 30 * SAMPLE_RATE
        assert [piece.span for window in windows for piece in window.pieces] == list(spoken.spans)

    def test_windows_are_well_filled(self, minutes: Recording) -> None:
        windows = transcribe.windows_of(minutes, voice(*[(start, start + 2.0) for start in np.arange(0.0, 170.0, 3.0)]), CONFIG)
        assert all(window.pieces[-1].until >= 0.75 * CONFIG.window_s for window in windows[:-1])

    def test_a_window_ends_at_a_gap_that_ends_an_utterance(self, minutes: Recording) -> None:
        spans = [(0, 10), (10.3, 20), (20.3, 24), (25, 27), (27.3, 29), (29.3, 36)]
        first = transcribe.windows_of(minutes, voice(*spans), CONFIG)[0]
        assert first.pieces[-1].span == Span(20.3, 24)

    def test_without_such_a_gap_it_ends_at_the_widest(self, minutes: Recording) -> None:
        spans = [(0, 10), (10.3, 23), (23.6, 25), (25.3, 27), (27.3, 29), (29.3, 36)]
        first = transcribe.windows_of(minutes, voice(*spans), CONFIG)[0]
        assert first.pieces[-1].span == Span(10.3, 23)

    def test_a_long_span_is_cut_where_it_is_quietest(self, tmp_path: Path) -> None:
        loud = noise(50.0, -20.0)
        loud[round(26.0 * SAMPLE_RATE) : round(26.3 * SAMPLE_RATE)] *= 0.01
        windows = transcribe.windows_of(recording_of(tmp_path, loud), voice((0, 50)), CONFIG)
        assert [window.pieces[0].span.end for window in windows] == [pytest.approx(26.15, abs=0.1), 50]
        assert windows[1].pieces[0].span.start == windows[0].pieces[0].span.end

    def test_a_long_span_of_silence_is_still_cut(self, minutes: Recording) -> None:
        windows = transcribe.windows_of(minutes, voice((0, 180)), CONFIG)
        assert sum(len(window.audio(minutes)) for window in windows) == 180 * SAMPLE_RATE
        assert len(windows) <= 8

    def test_between_pieces_lies_silence_never_the_call(self, tmp_path: Path) -> None:
        recording = recording_of(tmp_path, noise(20.0, -20.0))
        window = transcribe.windows_of(recording, voice((1, 3), (10, 12)), CONFIG)[0]
        samples = window.audio(recording)
        gap = samples[2 * SAMPLE_RATE : round(2.25 * SAMPLE_RATE)]
        assert np.count_nonzero(gap) == 0
        assert np.array_equal(samples[: 2 * SAMPLE_RATE], recording.audio(0, 1, 3))
        assert np.array_equal(samples[round(2.25 * SAMPLE_RATE) :], recording.audio(0, 10, 12))

    def test_a_pause_is_never_made_longer_than_it_was(self, minutes: Recording) -> None:
        window = transcribe.windows_of(minutes, voice((1, 3), (3.1, 5)), CONFIG)[0]
        assert window.pieces[-1].until == pytest.approx(4.0)

    def test_a_batch_holds_one_voice_and_no_more_than_it_should(self, tmp_path: Path) -> None:
        recording = recording_of(tmp_path, np.full(90 * SAMPLE_RATE, 0.25, np.float32), np.full(90 * SAMPLE_RATE, -0.25, np.float32))
        transcriber = ScriptedTranscriber()
        run(recording, [voice((0, 85)), voice((0, 85), number=1, channel=1)], transcriber, replace(CONFIG, batch=2))
        signs = [{float(np.sign(window[0])) for window in batch} for batch in transcriber.batches]
        assert all(len(sign) == 1 for sign in signs)
        assert {sign for batch in signs for sign in batch} == {1.0, -1.0}
        assert max(len(batch) for batch in transcriber.batches) <= 2


class TestUtterances:
    def heard(self, recording: Recording, spoken: Voice, *words: Word, config: TranscribeConfig = CONFIG) -> Transcript:
        return run(recording, [spoken], ScriptedTranscriber(hear=lambda window: words), config)

    def test_words_are_mapped_back_to_the_call(self, minutes: Recording) -> None:
        found = self.heard(minutes, voice((10, 12), (50, 52)), word(0.5, 1.0, " one"), word(2.75, 3.25, " two")).utterances
        assert [(item.text, item.start, item.end) for item in found] == [("one", 10.5, 11.0), ("two", 50.5, 51.0)]

    def test_a_gap_over_seven_tenths_ends_an_utterance(self, minutes: Recording) -> None:
        words = [word(0, 1, " a"), word(1.69, 2, " b"), word(2.71, 3, " c")]
        assert [item.text for item in self.heard(minutes, voice((0, 10)), *words).utterances] == ["a b", "c"]

    def test_a_long_utterance_is_cut_at_its_longest_gap(self, minutes: Recording) -> None:
        words = [word(second, second + (0.4 if second == 6 else 0.9), f" {second}") for second in range(20)]
        found = self.heard(minutes, voice((0, 25)), *words).utterances
        assert [item.text for item in found] == [" ".join(map(str, range(7))), " ".join(map(str, range(7, 20)))]

    def test_a_long_utterance_without_gaps_is_cut_in_the_middle(self, minutes: Recording) -> None:
        words = [word(second, second + 1, f" {second}") for second in range(20)]
        found = self.heard(minutes, voice((0, 25)), *words).utterances
        assert [len(item.words) for item in found] == [10, 10]

    def test_every_word_stays_in_its_span_and_has_a_length(self, minutes: Recording) -> None:
        words = [word(0.0, 0.0), word(0.9, 2.3), word(2.3, 2.3), word(2.4, 9.0), word(9.0, 9.0)]
        spans = voice((10, 12), (12.5, 14.5))
        found = [item for utterance in self.heard(minutes, spans, *words).utterances for item in utterance.words]
        assert len(found) == len(words)
        assert all(any(span.start <= item.start < item.end <= span.end for span in spans.spans) for item in found)
        assert [item.start for item in found] == sorted(item.start for item in found)

    def test_a_word_that_swallowed_a_pause_is_shortened(self, minutes: Recording) -> None:
        assert self.heard(minutes, voice((0, 10)), word(1, 8)).utterances[0].end == 3.0

    def test_words_lose_their_space_and_texts_keep_theirs(self, minutes: Recording) -> None:
        found = self.heard(minutes, voice((0, 10)), word(0, 1, " Guten"), word(1, 2, " Tag"), word(2, 3, ".")).utterances[0]
        assert found.text == "Guten Tag."
        assert [item.text for item in found.words] == ["Guten", "Tag", "."]

    def test_writing_without_spaces_stays_so(self, minutes: Recording) -> None:
        assert self.heard(minutes, voice((0, 10)), word(0, 1, "你"), word(1, 2, "好")).utterances[0].text == "你好"

    def test_ids_count_up_in_order_of_start_over_all_voices(self, minutes: Recording) -> None:
        voices = [voice((0, 2), (20, 22)), voice((10, 12), (30, 32), number=1, channel=1)]
        transcriber = ScriptedTranscriber(hear=lambda window: [word(0.1, 0.5), word(2.4, 2.9)])
        found = run(minutes, voices, transcriber).utterances
        assert [(item.id, item.voice) for item in found] == [(0, 0), (1, 1), (2, 0), (3, 1)]
        assert [item.start for item in found] == pytest.approx([0.1, 10.1, 20.15, 30.15])

    def test_frames_are_pooled_over_the_utterance_alone(self, minutes: Recording) -> None:
        pooled = self.heard(minutes, voice((10, 20)), word(1.0, 1.5), word(1.6, 2.0)).utterances[0].pooled
        assert pooled is not None
        assert pooled.frames == 50
        assert pooled.mean.tolist() == pytest.approx([np.arange(50, 100).mean(), 1.0])
        assert pooled.std.tolist() == pytest.approx([np.arange(50, 100).std(), 0.0], rel=1e-6)
        assert pooled.mean.dtype == np.float32

    def test_frames_are_not_pooled_unless_asked_for(self, minutes: Recording) -> None:
        found = run(minutes, [voice((0, 5))], ScriptedTranscriber(), pooled=False).utterances
        assert [item.pooled for item in found] == [None]


class TestPassedOver:
    """A stretch of speech that got no word, beside others that did, is heard once more."""

    spans = ((0.0, 2.0), (10.0, 12.0), (20.0, 22.0))

    def test_its_words_are_found_where_they_were_said(self, minutes: Recording) -> None:
        first = [word(0.5, 1.0, " one"), word(5.0, 5.5, " three")]
        transcriber = ScriptedTranscriber(hear=lambda window: first if len(window) > 3 * SAMPLE_RATE else [word(0.5, 1.0, " two")])
        found = run(minutes, [voice(*self.spans)], transcriber).utterances
        assert [(item.text, item.start) for item in found] == [("one", 0.5), ("two", 10.5), ("three", pytest.approx(20.5))]
        assert [len(batch) for batch in transcriber.batches] == [1, 1]

    def test_a_short_one_is_not(self, minutes: Recording) -> None:
        transcriber = ScriptedTranscriber()
        run(minutes, [voice((0.0, 2.0), (10.0, 10.9))], transcriber)
        assert len(transcriber.batches) == 1

    def test_where_nothing_was_heard_nothing_is_heard_again(self, minutes: Recording) -> None:
        transcriber = ScriptedTranscriber(hear=lambda window: [])
        assert run(minutes, [voice(*self.spans)], transcriber) == Transcript((), None)
        assert len(transcriber.batches) == 1

    def test_it_is_heard_once_more_and_then_left(self, minutes: Recording) -> None:
        transcriber = ScriptedTranscriber(hear=lambda window: [word(0.5, 1.0)] if len(window) > 5 * SAMPLE_RATE else [])
        found = run(minutes, [voice(*self.spans)], transcriber).utterances
        assert [item.start for item in found] == [0.5]
        assert len(transcriber.batches) == 2

    def test_only_a_few_are_heard_together(self, minutes: Recording) -> None:
        transcriber = ScriptedTranscriber()
        run(minutes, [voice(*[(10.0 * number, 10.0 * number + 2.0) for number in range(7)])], transcriber)
        again = transcriber.batches[1]
        assert [round(len(window) / SAMPLE_RATE) for window in again] == [9, 4]

    def test_they_are_heard_in_batches_too(self, minutes: Recording) -> None:
        transcriber = ScriptedTranscriber()
        run(minutes, [voice(*[(10.0 * number, 10.0 * number + 2.0) for number in range(12)])], transcriber, replace(CONFIG, batch=2))
        assert [len(batch) for batch in transcriber.batches] == [1, 2, 1]


class TestInventedWords:
    def dropped(self, recording: Recording, transcriber: ScriptedTranscriber) -> bool:
        found = run(recording, [voice((0, 5))], transcriber)
        assert ([note.code for note in found.notes] == ["dropped_words"]) is not bool(found.utterances)
        return not found.utterances

    def test_confident_words_stay(self, minutes: Recording) -> None:
        assert not self.dropped(minutes, ScriptedTranscriber())

    def test_words_that_the_recogniser_doubts_go(self, minutes: Recording) -> None:
        assert self.dropped(minutes, ScriptedTranscriber(confidence=0.2))

    def test_words_in_what_is_no_speech_go(self, minutes: Recording) -> None:
        assert self.dropped(minutes, ScriptedTranscriber(confidence=0.45, no_speech=0.8))

    def test_confident_words_outweigh_the_no_speech_probability(self, minutes: Recording) -> None:
        assert not self.dropped(minutes, ScriptedTranscriber(confidence=0.9, no_speech=0.8))

    def test_a_loop_goes(self, minutes: Recording) -> None:
        assert self.dropped(minutes, ScriptedTranscriber(hear=lambda window: [word(0.1, 0.2, " thank you")] * 60))

    @pytest.mark.parametrize(("confidence", "goes"), [(0.9, False), (0.5, True)])
    def test_a_sentence_that_is_said_again_and_again_at_a_speaker_s_pace_stays_if_the_recogniser_is_sure(
        self, minutes: Recording, confidence: float, goes: bool
    ) -> None:
        said = [word(0.3 * index, 0.3 * index + 0.2, f" {text}") for index, text in enumerate(["call", "me", "back", "please"] * 4)]
        assert self.dropped(minutes, ScriptedTranscriber(hear=lambda window: said, confidence=confidence)) is goes

    def test_a_loop_that_crawls_goes(self, minutes: Recording) -> None:
        crawl = [word(float(second), second + 0.5, " thankyouthankyouthankyou") for second in range(5)]
        assert self.dropped(minutes, ScriptedTranscriber(hear=lambda window: crawl))

    def test_one_doubtful_utterance_goes_and_the_others_stay(self, minutes: Recording) -> None:
        words = [word(0, 1, " sure"), word(3, 4, " you", probability=0.05)]
        found = run(minutes, [voice((0, 5))], ScriptedTranscriber(hear=lambda window: words))
        assert [item.text for item in found.utterances] == ["sure"]
        assert found.notes[0].message.startswith("1 word was left out")

    def test_where_every_word_was_invented_there_is_no_language(self, minutes: Recording) -> None:
        assert run(minutes, [voice((0, 5))], ScriptedTranscriber(confidence=0.1)).language is None


SENTENCE = ("Dogs", "are", "sitting", "by", "the", "door.")


def spoken_again(sentence: Sequence[str], *starts: float, wps: float = 4.0) -> list[Word]:
    """The same sentence from each start on, at a pace."""
    return [word(start + n / wps, start + (n + 0.9) / wps, f" {text}") for start in starts for n, text in enumerate(sentence)]


class TestPhantoms:
    """Copies of a phrase without speech under them, as alignment leaves them where a window holds the same sentence many times."""

    def kept(self, recording: Recording, words: Sequence[Word]) -> tuple[list[str], list[str]]:
        found = run(recording, [voice((0, 20))], ScriptedTranscriber(hear=lambda window: words))
        return [item.text for item in found.utterances], [note.message for note in found.notes]

    def test_a_copy_in_no_time_goes_and_is_counted(self, minutes: Recording) -> None:
        squeezed = [word(2.0, 2.0, f" {text}") for text in SENTENCE]
        texts, notes = self.kept(minutes, [*spoken_again(SENTENCE, 0.0), *squeezed, *spoken_again(SENTENCE, 2.0)])
        assert texts == [" ".join(SENTENCE * 2)]
        assert notes == ["6 words were left out: most likely nobody said them"]

    def test_a_copy_after_the_last_sentence_of_a_call_goes_however_it_is_punctuated(self, minutes: Recording) -> None:
        squeezed = [word(1.6, 1.6, f" {text}") for text in ("dogs", "are", "sitting", "by", "the", "door!")]
        texts, _ = self.kept(minutes, [*spoken_again(SENTENCE, 0.0), *squeezed])
        assert texts == [" ".join(SENTENCE)]

    def test_a_copy_that_begins_amid_the_sentence_leaves_one_whole_sentence(self, minutes: Recording) -> None:
        """The times that were heard: two words of the first copy and four of the second have speech under them."""
        said = [(20.56, 21.06), (21.06, 21.34), *[(21.34, 21.34)] * 6, (21.34, 21.56), (21.56, 21.82), (21.82, 22.02), (22.02, 22.24)]
        words = [word(start - 20, end - 20, f" {text}") for (start, end), text in zip(said, SENTENCE * 2, strict=True)]
        texts, _ = self.kept(minutes, words)
        assert texts == [" ".join(SENTENCE)]

    def test_a_sentence_that_is_repeated_at_a_speaker_s_pace_stays(self, minutes: Recording) -> None:
        for wps in (2.0, 4.0, 8.0):
            starts = (0.0, len(SENTENCE) / wps, 2 * len(SENTENCE) / wps)
            assert self.kept(minutes, spoken_again(SENTENCE, *starts, wps=wps)) == ([" ".join(SENTENCE * 3)], [])

    def test_no_no_no_stays_even_where_alignment_gives_it_no_time(self, minutes: Recording) -> None:
        said = [word(0.5, 0.5, " No.")] * 4 + [word(0.5, 0.9, " No.")] * 2
        assert self.kept(minutes, said) == (["No. No. No. No. No. No."], [])

    def test_words_in_no_time_that_repeat_nothing_stay(self, minutes: Recording) -> None:
        said = [*spoken_again(SENTENCE, 0.0), *(word(1.6, 1.6, f" {text}") for text in ("and", "the", "cat", "is", "on", "top."))]
        assert self.kept(minutes, said) == ([f"{' '.join(SENTENCE)} and the cat is on top."], [])

    def test_where_many_stretches_are_heard_together_they_are_heard_again_a_few_at_a_time(self, minutes: Recording) -> None:
        """A sentence that is stretched over two stretches while another gets no time is put right where fewer are heard."""
        spans = [(10.0 * number, 10.0 * number + 2.0) for number in range(6)]
        squeezed = [word(9.0, 9.0, f" {text}") for text in SENTENCE]
        confused = [*spoken_again(SENTENCE, 0.2, 2.4, wps=2.0), *squeezed, *spoken_again(SENTENCE, 9.2)]

        def hear(window: FloatArray) -> list[Word]:
            parts = round((len(window) / SAMPLE_RATE + 0.25) / 2.25)
            return confused if parts == 6 else spoken_again(SENTENCE, *[2.25 * number + 0.2 for number in range(parts)])

        transcriber = ScriptedTranscriber(hear=hear)
        found = run(minutes, [voice(*spans)], transcriber)
        assert [item.text for item in found.utterances] == [" ".join(SENTENCE)] * 6
        assert [item.start for item in found.utterances] == pytest.approx([start + 0.2 for start, _ in spans])
        assert [round(len(window) / SAMPLE_RATE, 2) for batch in transcriber.batches for window in batch] == [13.25, 8.75, 4.25]
        assert not found.notes

    def test_a_stretch_that_held_only_a_copy_is_heard_again(self, minutes: Recording) -> None:
        words = [*spoken_again(SENTENCE, 0.2), *(word(2.25, 2.25, f" {text}") for text in SENTENCE)]
        again = spoken_again(("Kids", "are", "talking."), 0.3)
        transcriber = ScriptedTranscriber(hear=lambda window: words if len(window) > 3 * SAMPLE_RATE else again)
        found = run(minutes, [voice((0, 2), (10, 12))], transcriber).utterances
        assert [(item.text, item.start) for item in found] == [(" ".join(SENTENCE), 0.2), ("Kids are talking.", pytest.approx(10.3))]


class TestLanguage:
    def test_no_voices_give_nothing_and_ask_nothing(self, minutes: Recording) -> None:
        transcriber = ScriptedTranscriber()
        assert run(minutes, [], transcriber, language=None) == Transcript((), None)
        assert run(minutes, [Voice(0, 0, ())], transcriber, language=None) == Transcript((), None)
        assert not transcriber.asked
        assert not transcriber.batches

    def test_it_is_detected_once_on_a_few_windows_of_each_voice(self, minutes: Recording) -> None:
        transcriber = ScriptedTranscriber(spoken=("fr", 0.9))
        found = run(minutes, [voice((0, 170)), voice((0, 170), number=1, channel=1)], transcriber, language=None)
        assert transcriber.asked == [4]
        assert found.language == "fr"
        assert {item.language for item in found.utterances} == {"fr"}

    def test_a_given_language_is_not_questioned(self, minutes: Recording) -> None:
        transcriber = ScriptedTranscriber()
        assert run(minutes, [voice((0, 5))], transcriber, language="de-CH").language == "de"
        assert transcriber.asked == []

    def test_the_configured_language_stands_in_for_a_missing_one(self, minutes: Recording) -> None:
        assert run(minutes, [voice((0, 5))], ScriptedTranscriber(), replace(CONFIG, language="pl"), language=None).language == "pl"

    def test_an_unsure_language_is_noted(self, minutes: Recording) -> None:
        found = run(minutes, [voice((0, 5))], ScriptedTranscriber(spoken=("nn", 0.31)), language=None)
        assert [note.code for note in found.notes] == ["language_unsure"]


def test_progress_rises_to_one(minutes: Recording) -> None:
    seen: list[float] = []
    run(minutes, [voice((0, 170))], ScriptedTranscriber(), replace(CONFIG, batch=2), progress=lambda step, fraction: seen.append(fraction))
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


@pytest.fixture(scope="module")
def whisper() -> FasterWhisperTranscriber:
    return FasterWhisperTranscriber(Config(transcribe=replace(CONFIG, weights="tiny.en", threads=1)))


@pytest.fixture(scope="module")
def speech(data: Path) -> list[FloatArray]:
    """Three utterances of LibriSpeech, 16 kHz."""
    files = sorted((data / "asr" / "librispeech").glob("*.flac"))[:3]
    return [soundfile.read(file, dtype="float32")[0] for file in files]


def counted(encode: Callable[[Any], Any], name: str, passes: list[str]) -> Callable[[Any], Any]:
    def encoded(windows: Any) -> Any:
        passes.append(name)
        return encode(windows)

    return encoded


class TestWithWhisper:
    def test_the_agents_audio_never_changes_the_customers_words_or_frames(
        self, whisper: FasterWhisperTranscriber, speech: list[FloatArray], tmp_path: Path
    ) -> None:
        agent, customer = np.concatenate([speech[0], quiet(2), speech[2]]), speech[1]
        seconds = len(agent) / SAMPLE_RATE
        voices = [voice((0, seconds)), voice((0, len(customer) / SAMPLE_RATE), number=1, channel=1)]
        told = run(recording_of(tmp_path, agent, customer), voices, whisper)
        masked = run(recording_of(tmp_path, noise(seconds, -20.0), customer), voices, whisper)
        before, after = ([item for item in found.utterances if item.voice == 1] for found in (told, masked))
        assert before
        assert [(item.text, item.words) for item in before] == [(item.text, item.words) for item in after]
        for one, other in zip(before, after, strict=True):
            assert one.pooled is not None
            assert other.pooled is not None
            assert one.pooled.mean.tobytes() == other.pooled.mean.tobytes()
            assert one.pooled.std.tobytes() == other.pooled.std.tobytes()

    def test_the_same_call_gives_the_same_transcript(
        self, whisper: FasterWhisperTranscriber, speech: list[FloatArray], tmp_path: Path
    ) -> None:
        recording = recording_of(tmp_path, speech[0])
        spoken = [voice((0, recording.seconds))]
        first, second = (run(recording, spoken, whisper, language=None, pooled=False) for _ in range(2))
        assert first == second
        assert first.utterances

    @pytest.mark.parametrize(("pooled", "method"), [(True, "_encode_in_layers"), (False, "_encode_batch")])
    def test_each_window_is_encoded_once_even_where_the_language_is_detected(
        self, speech: list[FloatArray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pooled: bool, method: str
    ) -> None:
        """In torch where the tone model listens, else in CTranslate2; never in both."""
        transcriber = FasterWhisperTranscriber(Config(transcribe=replace(CONFIG, weights="base", threads=1)))
        passes: list[str] = []
        for name in ("_encode_in_layers", "_encode_batch"):
            monkeypatch.setattr(transcriber, name, counted(getattr(transcriber, name), name, passes))
        recording = recording_of(tmp_path, speech[0], speech[1])
        voices = [voice((0, len(speech[0]) / SAMPLE_RATE)), voice((0, len(speech[1]) / SAMPLE_RATE), number=1, channel=1)]
        assert run(recording, voices, transcriber, language=None, pooled=pooled).language == "en"
        assert passes == [method, method]

    def test_noise_taken_for_speech_gives_no_words(self, whisper: FasterWhisperTranscriber, tmp_path: Path) -> None:
        found = run(recording_of(tmp_path, noise(30.0, -40.0)), [voice((0, 30))], whisper)
        assert found.utterances == ()

    def test_silence_taken_for_speech_gives_no_words(self, whisper: FasterWhisperTranscriber, tmp_path: Path) -> None:
        assert run(recording_of(tmp_path, quiet(20)), [voice((0, 20))], whisper).utterances == ()

    def test_words_keep_their_times_however_the_call_is_cut(
        self, whisper: FasterWhisperTranscriber, speech: list[FloatArray], tmp_path: Path
    ) -> None:
        """The same utterance, a minute into the call beside another: its words stand where they stood, a minute later."""
        alone = run(recording_of(tmp_path, speech[0]), [voice((0, len(speech[0]) / SAMPLE_RATE))], whisper)
        call = np.concatenate([speech[1], quiet(60 - len(speech[1]) / SAMPLE_RATE), speech[0]])
        spans = [(0, len(speech[1]) / SAMPLE_RATE), (60, len(call) / SAMPLE_RATE)]
        beside = run(recording_of(tmp_path, call), [voice(*spans)], whisper)
        after = [item for utterance in beside.utterances for item in utterance.words if item.start >= 60]
        before = [item for utterance in alone.utterances for item in utterance.words]
        assert [item.text.strip(",.") for item in after] == [item.text.strip(",.") for item in before]
        moved = [abs(item.start - 60 - old.start) for item, old in zip(after, before, strict=True)]
        assert float(np.median(moved)) < 0.05
        assert max(moved) < 0.6
