"""What each engine must offer. Engines live in `analysis.engines`, are reached by name, and know nothing of each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from analysis.values import Abstention, CustomerVoice, FloatArray, Tone, UtteranceAudio, Word, Wording


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a decoder wrote to the spool, and what the file said of itself."""

    channels: int
    sample_rate: int
    """Of the source, in Hz."""
    codec: str
    seconds: float
    """Decoded length."""
    stated_s: float | None
    """Length the header or the demuxed packets state; None for a streamed header."""
    skipped_packets: int
    tracks: int = 1
    """Audio tracks in the file; only the first is decoded."""


class Progress(Protocol):
    def __call__(self, step: str, fraction: float) -> None:
        """Called as steps advance; `fraction` is the share of the step that is done, 0-1."""
        ...


class Engine(Protocol):
    """What every engine tells of itself; `name` goes into provenance with the digest of its weights where it has any."""

    @property
    def name(self) -> str: ...


class Decoder(Engine, Protocol):
    def decode(self, path: Path, spool: Path, *, max_s: float) -> Decoded:
        """Write interleaved int16 PCM at 16 kHz to `spool`. Raises AnalysisError where the file holds no audio it can read.

        `spool` names a file that this process holds open (`/dev/fd/…`): another process, such as a program that is called, cannot open it.
        """
        ...


class SpeechStream(Protocol):
    """State of one channel's detection."""

    def push(self, samples: FloatArray) -> FloatArray:
        """Take the next samples of any count; give one speech probability per full hop, shape [hops]."""
        ...

    def finish(self) -> FloatArray:
        """Give the probability of the zero-padded last hop, shape [0] or [1]."""
        ...


class SpeechDetector(Engine, Protocol):
    @property
    def hop_s(self) -> float: ...

    def start(self) -> SpeechStream: ...


class Diarizer(Engine, Protocol):
    def embed(self, windows: Sequence[FloatArray]) -> FloatArray:
        """Speaker embeddings of equally long windows at 16 kHz, shape [windows, d], unit length."""
        ...


@dataclass(frozen=True, slots=True)
class WindowTranscript:
    """What one window of at most 30 s holds. Times are in seconds from the start of the window."""

    words: tuple[Word, ...]
    confidence: float
    """Mean token probability, 0-1."""
    no_speech: float
    """The model's own probability that there is no speech."""
    frames: FloatArray | None
    """Outputs of two middle layers of the encoder side by side, shape [frames, 2 d]; None where they were not asked for."""


class Transcriber(Engine, Protocol):
    @property
    def encoder(self) -> str:
        """Which encoder the frames come from (`whisper-base`), so that the matching tone head is taken."""
        ...

    @property
    def frame_rate(self) -> float:
        """Encoder frames a second."""
        ...

    @property
    def languages(self) -> frozenset[str]:
        """Codes of the languages that it can write down (`en`, `es` ...)."""
        ...

    def language(self, windows: Sequence[FloatArray], *, frames: bool) -> tuple[str, float]:
        """The likeliest language over the windows and its probability. `frames` says what `transcribe` will be asked for."""
        ...

    def transcribe(self, windows: Sequence[FloatArray], *, language: str, frames: Sequence[bool]) -> list[WindowTranscript]:
        """Transcribe a batch. The encoder runs once per window; its frames are given back where `frames` says so."""
        ...


class WindowEncoder(Engine, Protocol):
    """The encoder of a transcriber without its decoder."""

    @property
    def encoder(self) -> str:
        """Which encoder the frames come from, as `Transcriber.encoder`."""
        ...

    @property
    def frame_rate(self) -> float:
        """Encoder frames a second."""
        ...

    def encode(self, windows: Sequence[FloatArray]) -> list[FloatArray]:
        """Outputs of the two middle layers for windows of at most 30 s at 16 kHz, each of shape [1500, 2 d]."""
        ...


class PitchTracker(Engine, Protocol):
    def track(self, samples: FloatArray) -> FloatArray:
        """F0 in Hz of the voiced frames of a 16 kHz stretch, shape [voiced frames]; empty where nothing is voiced."""
        ...


class ToneModel(Engine, Protocol):
    @property
    def encoder(self) -> str | None:
        """Which encoder's frames the utterances must carry; None for a model that hears the audio itself."""
        ...

    @property
    def licence(self) -> str: ...

    @property
    def commercial_use(self) -> bool: ...

    @property
    def anger_prior(self) -> float:
        """Share of anger in what the model was trained on: what its probabilities are measured against."""
        ...

    def score(self, voice: CustomerVoice, audio: UtteranceAudio) -> Sequence[Tone | Abstention]:
        """One tone per utterance of the customer, or why the model gives none. `audio` reads these utterances and no others.

        Every utterance must carry pooled frames where the model names an encoder.
        """
        ...


class WordingModel(Engine, Protocol):
    @property
    def languages(self) -> frozenset[str]: ...

    @property
    def frustration_prior(self) -> float:
        """Share of frustrated texts in what the model was trained on: what its probabilities are measured against."""
        ...

    def score(self, texts: Sequence[str]) -> list[Wording]: ...


class Denoiser(Engine, Protocol):
    def denoise(self, blocks: Iterable[FloatArray]) -> Iterator[FloatArray]:
        """One channel at 16 kHz, cleaner and of the same length, for listening only: never put before the transcriber."""
        ...


@dataclass(frozen=True, slots=True)
class Engines:
    """Everything a run needs, built once per process."""

    decoders: tuple[Decoder, ...]
    """In the order they are tried."""
    speech: SpeechDetector
    diarizer: Diarizer
    transcriber: Transcriber
    pitch: PitchTracker
    tone: ToneModel | None
    """None where this machine holds no encoder that has a head."""
    wording: WordingModel
