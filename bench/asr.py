"""Word errors against bare faster-whisper, and words invented where nobody speaks: `python -m bench.asr`.

Both sides hear the same samples with the same weights, beam and threads in the same run. Ours goes the way of a call: speech, then
transcribe. Texts are compared after Whisper's English normaliser (openai-whisper's `EnglishTextNormalizer`, Radford et al. 2022,
appendix C).
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jiwer
import numpy as np
import soundfile
import soxr
from faster_whisper import BatchedInferencePipeline, WhisperModel
from whisper.normalizers import EnglishTextNormalizer

from analysis import registry, resolver
from analysis.config import Config, TranscribeConfig
from analysis.steps import speech, transcribe
from analysis.values import SAMPLE_RATE, FloatArray, Recording, Span, Voice
from bench.machine import DATA, describe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from analysis.ports import SpeechDetector, Transcriber

TOLERANCE = 0.003
"""How much worse than bare faster-whisper ours may be, as a share of the words."""

NOTHING_S = 60.0
MU = 255.0


@dataclass(frozen=True, slots=True)
class Reading:
    """Samples at 16 kHz and what is said in them."""

    samples: FloatArray
    text: str


@dataclass(frozen=True, slots=True)
class Ours:
    """The library's way from samples to text."""

    detector: SpeechDetector
    transcriber: Transcriber
    config: Config

    def text(self, samples: FloatArray, *, listen: bool = True) -> str:
        """What is heard; without `listen` the detector is passed by and everything is taken for speech."""
        with tempfile.TemporaryDirectory() as folder:
            recording = _recording(samples, Path(folder) / "spool")
            spans = self._spans(recording) if listen else (Span(0.0, recording.seconds),)
            found = transcribe.transcribe(
                recording,
                [Voice(0, 0, spans)],
                self.transcriber,
                self.config.transcribe,
                language="en",
                pooled=True,
                progress=_unheeded,
            )
        return " ".join(utterance.text for utterance in found.utterances)

    def _spans(self, recording: Recording) -> tuple[Span, ...]:
        return speech.detect(recording, self.detector, self.config.speech, _unheeded).channels[0].spans


@dataclass(frozen=True, slots=True)
class Bare:
    """faster-whisper as its own documentation runs it on long audio."""

    pipeline: Any
    beam: int

    def text(self, samples: FloatArray) -> str:
        found, _ = self.pipeline.transcribe(
            samples, batch_size=8, beam_size=self.beam, temperature=0, word_timestamps=True, vad_filter=True, language="en"
        )
        return " ".join(segment.text.strip() for segment in found)


def main() -> None:
    given = _parser().parse_args()
    config = Config(transcribe=replace(TranscribeConfig(), weights=given.asr, threads=given.threads))
    ours = Ours(
        registry.engine_class("speech", config.engines.speech)(config),
        registry.engine_class("transcriber", config.engines.transcriber)(config),
        config,
    )
    model = WhisperModel(str(resolver.locate_whisper(given.asr)), device="cpu", compute_type="int8", cpu_threads=given.threads)
    bare = Bare(BatchedInferencePipeline(model), config.transcribe.beam)
    print(describe("faster-whisper", "ctranslate2", "onnxruntime", "jiwer", "openai-whisper"))
    print(f"{ours.transcriber.name}, {given.threads} thread(s), beam {config.transcribe.beam}\n")
    errors = [_errors(name, way, ours, bare, given) for name, way in (("clean", _unchanged), ("8 kHz mu-law", telephone))]
    invented = _invented(ours)
    raise SystemExit(int(max(errors) > TOLERANCE or invented > 0))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.asr", description=__doc__)
    parser.add_argument("--asr", default="base", help="weights of both sides")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--limit", type=int, help="only the first N readings")
    parser.add_argument("--joined", action="store_true", help="one recording per speaker, a second of silence between readings")
    return parser


def _errors(name: str, way: Callable[[FloatArray], FloatArray], ours: Ours, bare: Bare, given: argparse.Namespace) -> float:
    """Print one line of the table; how much worse ours is, as a share of the words."""
    normalise = EnglishTextNormalizer()
    readings = list(_readings(joined=given.joined))[: given.limit]
    said = [normalise(reading.text) for reading in readings]
    heard = {
        side: jiwer.wer(said, [normalise(engine.text(way(reading.samples))) for reading in readings])
        for side, engine in (("ours", ours), ("bare", bare))
    }
    worse = float(heard["ours"] - heard["bare"])
    words = sum(len(text.split()) for text in said)
    print(
        f"WER {name:14} ours {heard['ours']:7.2%}   bare {heard['bare']:7.2%}   difference {worse * 100:+.2f} points   "
        f"{'ok' if worse <= TOLERANCE else 'WORSE THAN 0.3'}   ({len(readings)} recordings, {words} words)",
        flush=True,
    )
    return worse


def _readings(*, joined: bool) -> Iterator[Reading]:
    with (DATA / "asr" / "manifest.csv").open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    single = [(row["speaker"], Reading(_read(DATA / "asr" / row["path"]), row["text"])) for row in rows]
    if not joined:
        yield from (reading for _, reading in single)
        return
    for speaker in dict.fromkeys(name for name, _ in single):
        yield _joined([reading for name, reading in single if name == speaker])


def _joined(readings: Sequence[Reading]) -> Reading:
    pause = np.zeros(SAMPLE_RATE, np.float32)
    return Reading(
        np.concatenate([part for reading in readings for part in (reading.samples, pause)]), " ".join(item.text for item in readings)
    )


def _read(file: Path) -> FloatArray:
    samples, rate = soundfile.read(file, dtype="float32")
    return np.asarray(soxr.resample(samples, rate, SAMPLE_RATE), np.float32)


def _unchanged(samples: FloatArray) -> FloatArray:
    return samples


def telephone(samples: FloatArray) -> FloatArray:
    """The samples at 8 kHz, companded to 8 bits by the mu-law curve (ITU-T G.711's continuous form), and back at 16 kHz."""
    narrow = np.clip(soxr.resample(samples, SAMPLE_RATE, 8000), -1, 1)
    companded = np.sign(narrow) * np.log1p(MU * np.abs(narrow)) / np.log1p(MU)
    stored = np.round(companded * 127) / 127
    restored = np.sign(stored) * np.expm1(np.abs(stored) * np.log1p(MU)) / MU
    return np.asarray(soxr.resample(restored, 8000, SAMPLE_RATE), np.float32)


def _invented(ours: Ours) -> int:
    """Print what is heard where nobody speaks; the count of words the whole way gives."""
    total = 0
    for name, samples in (("silence", silence()), ("white noise", white_noise()), ("hold music", hold_music())):
        for way, made in (("16 kHz", samples), ("8 kHz mu-law", telephone(samples))):
            heard, unguarded = ours.text(made).split(), ours.text(made, listen=False).split()
            total += len(heard)
            print(f"words in {NOTHING_S:.0f} s of {name:11} {way:12} {len(heard):3}   (all taken for speech: {len(unguarded)})", flush=True)
    return total


def silence() -> FloatArray:
    return np.zeros(round(NOTHING_S * SAMPLE_RATE), np.float32)


def white_noise() -> FloatArray:
    """Gaussian noise at -30 dBFS."""
    return np.random.default_rng(0).normal(0, 10 ** (-30 / 20), round(NOTHING_S * SAMPLE_RATE)).astype(np.float32)


def hold_music() -> FloatArray:
    """A slow I-vi-IV-V round in C: a bass, a chord and a melody of decaying harmonics, as on a cheap hold line."""
    roots = (261.63, 220.0, 174.61, 196.0)
    melody = (659.26, 783.99, 880.0, 783.99, 659.26, 587.33, 523.25, 587.33)
    music = np.zeros(round(NOTHING_S * SAMPLE_RATE), np.float64)
    for beat in range(int(NOTHING_S / 0.5)):
        root = roots[beat // 4 % len(roots)]
        for pitch in (root / 2, root, root * 1.26, root * 1.5, melody[beat % len(melody)]):
            _strike(music, pitch, at=beat * 0.5)
    return np.asarray(0.2 * music / np.abs(music).max(), np.float32)


def _strike(music: np.ndarray[Any, np.dtype[np.float64]], pitch: float, *, at: float) -> None:
    """Add one plucked note of a second: four harmonics, each weaker, all dying away."""
    first = round(at * SAMPLE_RATE)
    room = music[first : first + SAMPLE_RATE]
    seconds = np.arange(len(room)) / SAMPLE_RATE
    note = sum(np.sin(2 * np.pi * pitch * harmonic * seconds) / harmonic**1.5 for harmonic in range(1, 5))
    room += note * np.exp(-3 * seconds) * np.minimum(1, seconds / 0.01)


def _recording(samples: FloatArray, spool: Path) -> Recording:
    (np.clip(samples, -1, 1) * 32767).round().astype(np.int16).tofile(spool)
    return Recording("bench", spool, len(samples) / SAMPLE_RATE, 1, SAMPLE_RATE, "pcm_s16le", "0" * 64)


def _unheeded(step: str, fraction: float) -> None:
    """Nobody watches a benchmark's steps."""


if __name__ == "__main__":
    main()
