"""Fourth step: the voices' spans become utterances with timed words, and the encoder frames of each are pooled before they are dropped.

A window holds spans of one voice only, because an encoder attends over its whole window, and a batch holds windows of one voice only,
so that nothing one party says can reach the words or the frames of the other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from analysis.errors import AnalysisError
from analysis.loops import could_be_said, repeats, without_phantoms
from analysis.values import SAMPLE_RATE, Note, PooledFrames, Span, Transcript, Utterance, Word

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from analysis.config import TranscribeConfig
    from analysis.ports import Progress, Transcriber, WindowTranscript
    from analysis.values import FloatArray, Recording, Voice

FULL_SHARE = 0.75
"""Share of a window that is filled before a cut is looked for: every window costs a whole encoder pass, however little it holds."""

QUIET_S = 0.2
"""Length of the quietest stretch that is looked for inside a span without a pause."""

HEARD_AGAIN_TOGETHER = 4
"""Pieces that are heard again in one window: the fewer, the less one sentence hides another like it."""

MIN_WORD_S = 0.02
"""One encoder frame: no word is shorter."""

MAX_WORD_S = 2.0
"""A longer word has swallowed a pause."""

LANGUAGE_WINDOWS = 2
"""Windows of each voice that the language is detected on; their encoder pass is used again."""

SURE_LANGUAGE = 0.5
"""Probability under which the detected language is noted as unsure (faster-whisper's own threshold)."""

MOST_LISTED = 10
"""Languages that an error names one by one."""

LANGUAGE_LIST = "https://github.com/openai/whisper/blob/main/whisper/tokenizer.py"


@dataclass(frozen=True, slots=True)
class Piece:
    """A span of the call and where it starts in its window, in seconds."""

    span: Span
    at: float

    @property
    def shift(self) -> float:
        """What to add to a time in the window to get the time in the call."""
        return self.span.start - self.at

    @property
    def until(self) -> float:
        return self.at + self.span.seconds


@dataclass(frozen=True, slots=True)
class Window:
    """What the transcriber hears at once: pieces of one voice with short silences between them."""

    voice: int
    channel: int
    pieces: tuple[Piece, ...]

    def audio(self, recording: Recording) -> FloatArray:
        """The window's samples at 16 kHz, shape [n]."""
        samples = np.zeros(round(self.pieces[-1].until * SAMPLE_RATE), np.float32)
        for piece in self.pieces:
            heard = recording.audio(self.channel, piece.span.start, piece.span.end)
            room = samples[round(piece.at * SAMPLE_RATE) :][: len(heard)]
            room[:] = heard[: len(room)]
        return samples


@dataclass(frozen=True, slots=True)
class _Placed:
    """A word in call time, and what to take away for the time in its window."""

    word: Word
    shift: float


def refuse_language(file: str, given: str | None, transcriber: Transcriber) -> None:
    """Raises a permanent AnalysisError where a language is given that the transcriber cannot write down."""
    if given and _code(given) not in transcriber.languages:
        advice = _known_languages(_code(given), sorted(transcriber.languages))
        message = f"{file}: {transcriber.encoder} does not know the language {given!r}; leave it out to have it heard, {advice}"
        raise AnalysisError(message, permanent=True)


def _known_languages(code: str, known: Sequence[str]) -> str:
    """What to give instead: all codes where they are few, else those most alike; a hundred would fill the page."""
    if len(known) <= MOST_LISTED:
        return f"give {' or '.join(known)}, or take other weights"
    alike = get_close_matches(code, known, cutoff=0.5)
    given = f"give another ({', '.join(alike)})" if alike else "give another"
    return f"{given}, or take other weights. The codes are listed at {LANGUAGE_LIST}"


def transcribe(
    recording: Recording,
    voices: Sequence[Voice],
    transcriber: Transcriber,
    config: TranscribeConfig,
    *,
    language: str | None,
    pooled: bool,
    progress: Progress,
) -> Transcript:
    """Transcribe all voices. `pooled` asks for encoder frames with each utterance; `language` None detects it.

    Words that were most likely invented are left out and counted.
    """
    windows = [window for voice in voices for window in windows_of(recording, voice, config)]
    if not windows:
        return Transcript((), None)
    sounds = _Sounds(recording)
    spoken, notes = _language(sounds, windows, transcriber, language or config.language, pooled=pooled)
    found: list[Utterance] = []
    dropped = done = 0

    def hear(batch: Sequence[Window]) -> list[tuple[Window, WindowTranscript]]:
        heard = transcriber.transcribe([sounds.take(window) for window in batch], language=spoken, frames=[pooled] * len(batch))
        return list(zip(batch, heard, strict=True))

    for batch in _batches(windows, config.batch):
        first = hear(batch)
        confused = [window for window, transcript in first if _is_confused(window, transcript, config)]
        apart = [part for window in confused for part in _in_parts(window, window.pieces, config)]
        first = [each for each in first if each[0] not in confused] + [
            each for part in _batches(apart, config.batch) for each in hear(part)
        ]
        passed_over = [again for window, transcript in first for again in _passed_over(window, transcript, config)]
        second = [each for again in _batches(passed_over, config.batch) for each in hear(again)]
        for window, transcript in (*first, *second):
            kept, left_out = _utterances(window, transcript, transcriber.frame_rate, config)
            found.extend(replace(utterance, language=spoken) for utterance in kept)
            dropped += left_out
        done += len(batch)
        progress("transcribe", done / len(windows))
    if dropped:
        count = "1 word was" if dropped == 1 else f"{dropped} words were"
        notes = (*notes, Note("dropped_words", f"{count} left out: most likely nobody said them"))
    return Transcript(_numbered(found), spoken if found else None, notes)


class _Sounds:
    """Reads windows from the recording; those that the language was detected on are kept until their turn."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._kept: dict[Window, FloatArray] = {}

    def keep(self, window: Window) -> FloatArray:
        return self._kept.setdefault(window, window.audio(self._recording))

    def take(self, window: Window) -> FloatArray:
        kept = self._kept.pop(window, None)
        return window.audio(self._recording) if kept is None else kept


def _language(
    sounds: _Sounds, windows: Sequence[Window], transcriber: Transcriber, given: str | None, *, pooled: bool
) -> tuple[str, tuple[Note, ...]]:
    if given:
        return _code(given), ()
    first = [window for voice in dict.fromkeys(window.voice for window in windows) for window in _first_of(voice, windows)]
    language, probability = transcriber.language([sounds.keep(window) for window in first], frames=pooled)
    if probability >= SURE_LANGUAGE:
        return language, ()
    return language, (Note("language_unsure", f"the language was taken for {language!r}, but only with probability {probability:.2f}"),)


def _code(given: str) -> str:
    """`en` of `en-GB`."""
    return given.lower().partition("-")[0]


def _first_of(voice: int, windows: Sequence[Window]) -> list[Window]:
    return [window for window in windows if window.voice == voice][:LANGUAGE_WINDOWS]


def _batches(windows: Sequence[Window], size: int) -> Iterator[Sequence[Window]]:
    """Windows of one voice, `size` at a time."""
    for voice in dict.fromkeys(window.voice for window in windows):
        own = [window for window in windows if window.voice == voice]
        yield from (own[first : first + size] for first in range(0, len(own), size))


def windows_of(recording: Recording, voice: Voice, config: TranscribeConfig) -> list[Window]:
    """The voice's spans in order, packed into as few windows as clean cuts allow."""
    spans = [part for span in sorted(voice.spans) for part in _bounded(recording, voice.channel, span, config.window_s)]
    return [Window(voice.id, voice.channel, _pieces(group, config)) for group in _packed(spans, config)]


def _bounded(recording: Recording, channel: int, span: Span, longest_s: float) -> Iterator[Span]:
    """The span in parts of at most `longest_s`, cut where it is quietest."""
    start = span.start
    while span.end - start > longest_s:
        cut = _quietest(recording, channel, Span(start + FULL_SHARE * longest_s, start + longest_s))
        yield Span(start, cut)
        start = cut
    yield Span(start, span.end)


def _quietest(recording: Recording, channel: int, span: Span) -> float:
    """The middle of the `QUIET_S` with the least energy."""
    width = round(QUIET_S * SAMPLE_RATE)
    energy = np.cumsum(np.square(recording.audio(channel, span.start, span.end), dtype=np.float64))
    if len(energy) <= width:
        return span.end
    return span.start + (int(np.argmin(energy[width:] - energy[:-width])) + width / 2) / SAMPLE_RATE


def _packed(spans: Sequence[Span], config: TranscribeConfig) -> Iterator[Sequence[Span]]:
    first = 0
    while first < len(spans):
        lengths = _lengths(spans[first:], config)
        fitting = len(lengths)
        last = fitting if first + fitting == len(spans) else _cut(spans[first : first + fitting + 1], lengths, config)
        yield spans[first : first + last]
        first += last


def _lengths(spans: Sequence[Span], config: TranscribeConfig) -> list[float]:
    """How long a window gets with each further span, as far as they fit; always at least one."""
    lengths = [spans[0].seconds]
    for before, span in pairwise(spans):
        longer = lengths[-1] + _join_s(before, span, config) + span.seconds
        if longer > config.window_s:
            break
        lengths.append(longer)
    return lengths


def _cut(spans: Sequence[Span], lengths: Sequence[float], config: TranscribeConfig) -> int:
    """How many spans go into the window: once it is well filled, up to the last gap that ends an utterance anyway, else the widest."""
    gaps = [after.start - before.end for before, after in pairwise(spans)]
    filled = [count for count, length in enumerate(lengths, 1) if length >= FULL_SHARE * config.window_s] or [len(lengths)]
    clean = [count for count in filled if gaps[count - 1] > config.utterance_gap_s]
    return clean[-1] if clean else max(filled, key=lambda count: (gaps[count - 1], count))


def _join_s(before: Span, after: Span, config: TranscribeConfig) -> float:
    """Silence between two pieces: never longer than there was in the call."""
    return min(config.join_gap_s, max(0.0, after.start - before.end))


def _pieces(spans: Sequence[Span], config: TranscribeConfig) -> tuple[Piece, ...]:
    pieces = [Piece(spans[0], 0.0)]
    for before, span in pairwise(spans):
        pieces.append(Piece(span, pieces[-1].until + _join_s(before, span, config)))
    return tuple(pieces)


def _utterances(window: Window, heard: WindowTranscript, frame_rate: float, config: TranscribeConfig) -> tuple[list[Utterance], int]:
    """The window's utterances, not yet numbered, and the count of words left out."""
    if _is_invented(window, heard, config):
        return [], len(heard.words)
    kept: list[Utterance] = []
    for run in _runs(_placed(window, without_phantoms(heard.words)), config):
        utterance = _utterance(window.voice, run, heard.frames, frame_rate)
        if utterance.text and utterance.asr_confidence >= config.min_word_confidence:
            kept.append(utterance)
    return kept, len(heard.words) - sum(len(utterance.words) for utterance in kept)


def _passed_over(window: Window, heard: WindowTranscript, config: TranscribeConfig) -> list[Window]:
    """The pieces without a word, a few at a time: Whisper runs past a sentence that is like the one before it, and past digits.

    Where no piece holds a word there is nothing to be heard twice.
    """
    if not heard.words or _is_invented(window, heard, config):
        return []
    spoken = {_piece_at(window, (word.start + word.end) / 2) for word in without_phantoms(heard.words)}
    silent = [piece for piece in window.pieces if piece not in spoken and piece.span.seconds >= config.min_passed_over_s]
    return _in_parts(window, silent, config)


def _is_confused(window: Window, heard: WindowTranscript, config: TranscribeConfig) -> bool:
    """Whether alignment lost count among many like sentences: what it gave no time then lies half under another piece's words."""
    several = len(window.pieces) > HEARD_AGAIN_TOGETHER and not _is_invented(window, heard, config)
    return several and len(without_phantoms(heard.words)) < len(heard.words)


def _in_parts(window: Window, pieces: Sequence[Piece], config: TranscribeConfig) -> list[Window]:
    """These pieces of a window, a few at a time."""
    spans = [piece.span for piece in pieces]
    groups = [spans[first : first + HEARD_AGAIN_TOGETHER] for first in range(0, len(spans), HEARD_AGAIN_TOGETHER)]
    return [Window(window.voice, window.channel, _pieces(group, config)) for group in groups]


def _is_invented(window: Window, heard: WindowTranscript, config: TranscribeConfig) -> bool:
    """Whisper fills noise with words: it doubts them itself, says there is no speech, or repeats itself as no speaker would."""
    text = "".join(word.text for word in heard.words)
    speech_s = sum(piece.span.seconds for piece in window.pieces)
    believed = could_be_said(text, speech_s, config) and heard.confidence >= config.min_repeating_confidence
    silent = heard.no_speech > config.max_no_speech and heard.confidence < config.min_no_speech_confidence
    return (repeats(text, config) and not believed) or silent or heard.confidence < config.min_word_confidence


def _placed(window: Window, words: Sequence[Word]) -> list[_Placed]:
    """The words in call time, in order, each inside the piece that holds its middle and between `MIN_WORD_S` and `MAX_WORD_S` long."""
    placed: list[_Placed] = []
    for word in words:
        piece = _piece_at(window, (word.start + word.end) / 2)
        earliest = max(piece.span.start, placed[-1].word.end if placed else 0.0)
        start = min(max(word.start + piece.shift, earliest), piece.span.end - MIN_WORD_S)
        end = min(max(word.end + piece.shift, start + MIN_WORD_S), piece.span.end, start + MAX_WORD_S)
        placed.append(_Placed(replace(word, start=start, end=end), piece.shift))
    return placed


def _piece_at(window: Window, at: float) -> Piece:
    return min(window.pieces, key=lambda piece: max(piece.at - at, at - piece.until, 0.0))


def _runs(placed: Sequence[_Placed], config: TranscribeConfig) -> Iterator[Sequence[_Placed]]:
    """Words with no gap over `utterance_gap_s`, cut at their longest gap while over `utterance_max_s`."""
    breaks = [index for index in range(1, len(placed)) if _gap(placed, index) > config.utterance_gap_s]
    for first, last in pairwise([0, *breaks, len(placed)]):
        if first < last:
            yield from _shortened(placed[first:last], config.utterance_max_s)


def _shortened(run: Sequence[_Placed], longest_s: float) -> Iterator[Sequence[_Placed]]:
    if len(run) == 1 or run[-1].word.end - run[0].word.start <= longest_s:
        yield run
        return
    middle = (run[0].word.start + run[-1].word.end) / 2
    cut = max(range(1, len(run)), key=lambda index: (round(_gap(run, index), 2), -abs(run[index].word.start - middle)))
    yield from _shortened(run[:cut], longest_s)
    yield from _shortened(run[cut:], longest_s)


def _gap(run: Sequence[_Placed], index: int) -> float:
    return run[index].word.start - run[index - 1].word.end


def _utterance(voice: int, run: Sequence[_Placed], frames: FloatArray | None, frame_rate: float) -> Utterance:
    first, last = run[0], run[-1]
    return Utterance(
        id=0,
        voice=voice,
        start=first.word.start,
        end=last.word.end,
        text="".join(placed.word.text for placed in run).strip(),
        language="",
        asr_confidence=sum(placed.word.probability for placed in run) / len(run),
        words=tuple(replace(placed.word, text=placed.word.text.strip()) for placed in run),
        pooled=None
        if frames is None
        else PooledFrames.over(frames, first.word.start - first.shift, last.word.end - last.shift, frame_rate=frame_rate),
    )


def _numbered(utterances: Sequence[Utterance]) -> tuple[Utterance, ...]:
    ordered = sorted(utterances, key=lambda utterance: (utterance.start, utterance.voice, utterance.end))
    return tuple(replace(utterance, id=index) for index, utterance in enumerate(ordered))
