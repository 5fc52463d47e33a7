"""The labelled speech: reads the manifest, the clips, and where in each clip there is speech."""

from __future__ import annotations

import csv
import itertools
import math
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile
from faster_whisper.vad import VadOptions, get_speech_timestamps
from tqdm import tqdm

from analysis.config import SpeechConfig
from analysis.values import SAMPLE_RATE, FloatArray, Span

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / "var" / "features"

UNACTED = "librispeech"
PIECE_S = 4.0

TONE_CLASSES = ("anger", "sadness", "fear", "disgust", "happiness", "surprise", "neutral")
"""In the order of `analysis.values.Tone`."""

ACTED = "emotion/manifest.csv"
"""The corpora, below the data folder."""

CLASS_OF_LABEL = {
    "angry": "anger",
    "sad": "sadness",
    "fear": "fear",
    "disgust": "disgust",
    "happy": "happiness",
    "surprise": "surprise",
    "neutral": "neutral",
    "calm": "neutral",
    "boredom": "neutral",
}
"""Calm (RAVDESS) and boredom (EmoDB) are quiet speech without complaint: neutral for a product that looks for anger."""


def data_folder() -> Path:
    """Where the corpora lie: CALLANALYTICS_DATA, else the shared folder beside the repository."""
    return Path(os.environ.get("CALLANALYTICS_DATA", ROOT.parent / "shared" / "data"))


def require(*files: str) -> None:
    """End the command with one sentence where the data folder lacks one of these files."""
    folder = data_folder()
    missing = [file for file in files if not (folder / file).is_file()]
    if missing:
        sys.exit(
            f"{folder} does not hold {', '.join(missing)}: set CALLANALYTICS_DATA to a folder with "
            f'{", ".join(files)} ("Retrain it" in docs/models/tone.md and docs/models/wording.md)'
        )


@dataclass(frozen=True, slots=True)
class Clip:
    """One labelled recording of one speaker."""

    corpus: str
    path: str
    """Relative to the manifest's folder."""
    speaker: str
    gender: str
    language: str
    label: str
    intensity: str
    """RAVDESS only: `normal` or `strong`."""
    text: str

    @property
    def tone(self) -> str:
        return CLASS_OF_LABEL[self.label]


def read_manifest(manifest: Path) -> list[Clip]:
    """The clips of a manifest, in its order. Raises KeyError where a column is missing or a label is unknown."""
    with manifest.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    unknown = {row["emotion"] for row in rows} - CLASS_OF_LABEL.keys()
    if unknown:
        raise KeyError(f"{manifest}: unknown emotions {sorted(unknown)}; known are {sorted(CLASS_OF_LABEL)}")
    return [
        Clip(
            corpus=row["corpus"],
            path=row["path"],
            speaker=row["speaker"],
            gender=row["gender"],
            language=row["language"],
            label=row["emotion"],
            intensity=row["intensity"],
            text=row["text"],
        )
        for row in rows
    ]


def read_unacted(manifest: Path) -> list[Clip]:
    """Read speech that nobody acted (columns path, speaker, text), as neutral: what ordinary voices over other microphones sound like."""
    with manifest.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    return [
        Clip(
            corpus=UNACTED,
            path=row["path"],
            speaker=f"{UNACTED}:{row['speaker']}",
            gender="",
            language="en",
            label="neutral",
            intensity="",
            text=row["text"],
        )
        for row in rows
    ]


def read_clip(path: Path) -> FloatArray:
    """Mono samples at 16 kHz, shape [n]. Raises soundfile.LibsndfileError where the file cannot be read, ValueError at another rate."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    if rate != SAMPLE_RATE:
        raise ValueError(f"{path}: {rate} Hz, expected {SAMPLE_RATE}")
    return np.asarray(samples.mean(axis=1), np.float32)


def speech_span(samples: FloatArray, config: SpeechConfig = SpeechConfig()) -> Span | None:
    """From the first to the last speech in a clip, padded as at run time; None where there is none."""
    options = VadOptions(
        threshold=config.threshold,
        neg_threshold=config.release,
        min_speech_duration_ms=round(config.min_speech_s * 1000),
        min_silence_duration_ms=round(config.min_silence_s * 1000),
        speech_pad_ms=0,
    )
    spans = get_speech_timestamps(samples, options)
    if not spans:
        return None
    start = spans[0]["start"] / SAMPLE_RATE - config.pad_s
    end = spans[-1]["end"] / SAMPLE_RATE + config.pad_s
    return Span(round(max(0.0, start), 3), round(min(len(samples) / SAMPLE_RATE, end), 3))


@dataclass(frozen=True, slots=True)
class UsableClips:
    """Clips that can be read and hold speech, with where that speech is, and how many could not be used."""

    clips: tuple[Clip, ...]
    spans: tuple[Span, ...]
    unreadable: int = 0
    silent: int = 0

    @classmethod
    def of(cls, placed: Sequence[tuple[Clip, Span]], unreadable: int = 0, silent: int = 0) -> UsableClips:
        """Clips with where in each there is speech."""
        return cls(tuple(clip for clip, _ in placed), tuple(span for _, span in placed), unreadable, silent)


def usable_clips(clips: Sequence[Clip], folder: Path, cache: Path) -> UsableClips:
    """Find the speech of every clip; finds are kept in the CSV `cache`, so a second call only looks at new clips."""
    known = _read_spans(cache)
    with cache.open("a", newline="") as out:
        writer = csv.writer(out)
        for clip in tqdm([clip for clip in clips if clip.path not in known], desc="finding speech", unit="clip"):
            known[clip.path] = _find(folder / clip.path)
            writer.writerow([clip.path, *known[clip.path]])
    found = [(clip, *known[clip.path]) for clip in clips]
    states = [state for _, state, _, _ in found]
    kept = [(clip, Span(float(start), float(end))) for clip, state, start, end in found if state == "ok"]
    return UsableClips.of(kept, states.count("unreadable"), states.count("silent"))


def in_pieces(usable: UsableClips, piece_s: float = PIECE_S) -> UsableClips:
    """The same speech in equal pieces of at most `piece_s`, the length of an utterance on a call."""
    pieces = [(clip, part) for clip, span in zip(usable.clips, usable.spans, strict=True) for part in _parts(span, piece_s)]
    return UsableClips.of(pieces, usable.unreadable, usable.silent)


def _parts(span: Span, piece_s: float) -> list[Span]:
    count = max(1, math.ceil(span.seconds / piece_s))
    edges = [span.start + span.seconds * number / count for number in range(count + 1)]
    return [Span(first, last) for first, last in itertools.pairwise(edges)]


def _read_spans(cache: Path) -> dict[str, tuple[str, str, str]]:
    cache.parent.mkdir(parents=True, exist_ok=True)
    if not cache.exists():
        return {}
    with cache.open(newline="") as lines:
        return {path: (state, start, end) for path, state, start, end in csv.reader(lines)}


def _find(path: Path) -> tuple[str, str, str]:
    try:
        span = speech_span(read_clip(path))
    except (soundfile.LibsndfileError, ValueError, OSError) as error:
        tqdm.write(f"skipped, cannot be read: {path}: {error}")
        return ("unreadable", "", "")
    return ("silent", "", "") if span is None else ("ok", str(span.start), str(span.end))
