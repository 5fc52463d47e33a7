"""How much of acted speech the speech detector hears over a telephone, with and without its lower threshold for what is loud.

`python -m bench.shouting` prints a table: the share of a clip's loud hops that lie in spans, after a calm sentence of the same speaker, the
share of clips of which less than six tenths are heard, and what the lower threshold finds in hold music after speech and in real calls.
"""

from __future__ import annotations

import csv
import dataclasses
import itertools
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from analysis import registry
from analysis.config import Config
from analysis.steps import decode, speech
from analysis.values import SAMPLE_RATE, Span
from bench.asr import hold_music, telephone
from bench.machine import DATA, describe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analysis.config import SpeechConfig
    from analysis.ports import SpeechDetector
    from analysis.values import FloatArray, Speech

CONFIG = Config()
SETTINGS: Mapping[str, SpeechConfig] = {
    "alone": dataclasses.replace(CONFIG.speech, loud_db=120.0),
    "as configured": CONFIG.speech,
}
CLIPS = 24
"""Of each sex, emotion and intensity."""
KINDS = (("neutral", "normal"), *itertools.product(("angry", "fear", "happy", "sad"), ("normal", "strong")))
GAP = np.zeros(SAMPLE_RATE // 2, np.float32)
LOUD_DB = 25.0
"""Hops this far under the loudest of a clip are pauses."""
MUSIC_DB = (0.0, 6.0)


def spans(samples: FloatArray, detector: SpeechDetector, config: SpeechConfig) -> tuple[Span, ...]:
    """Speech of one channel at 16 kHz, shape [n]."""
    state = speech.start(detector, 1, config)
    speech.push(state, samples[None])
    return speech.finish(state).channels[0].spans


def heard_share(samples: FloatArray, place: Span, found: Sequence[Span], hop_s: float) -> float:
    """Of the loud hops in a place, those in spans."""
    size = round(hop_s * SAMPLE_RATE)
    starts = np.arange(round(place.start * SAMPLE_RATE), round(place.end * SAMPLE_RATE) - size, size)
    levels = np.array([samples[at : at + size].std() for at in starts])
    loud = starts[levels > levels.max() * 10 ** (-LOUD_DB / 20)] / SAMPLE_RATE
    return float(np.mean([any(span.start <= at < span.end for span in found) for at in loud]))


def read(path: str) -> FloatArray:
    return np.asarray(soundfile.read(DATA / "emotion" / path, dtype="float32")[0], np.float32)


def acted(detector: SpeechDetector) -> None:
    rows = [row for row in csv.DictReader((DATA / "emotion" / "manifest.csv").open()) if row["corpus"] == "ravdess"]
    calm = {row["speaker"]: row["path"] for row in rows if row["emotion"] == "neutral"}
    print(f"{'RAVDESS, telephone':<28}" + "".join(f"{name:>24}" for name in SETTINGS))
    for (emotion, intensity), sex in itertools.product(KINDS, "fm"):
        own = [row for row in rows if (row["emotion"], row["intensity"], row["gender"]) == (emotion, intensity, sex)]
        shares: dict[str, list[float]] = {name: [] for name in SETTINGS}
        for row in own[:: max(1, len(own) // CLIPS)]:
            before, clip = read(calm[row["speaker"]]), read(row["path"])
            line = telephone(np.concatenate([GAP, before, GAP, clip, GAP]))
            start = (len(before) + 2 * len(GAP)) / SAMPLE_RATE
            place = Span(start, start + len(clip) / SAMPLE_RATE)
            for name, config in SETTINGS.items():
                shares[name].append(heard_share(line, place, spans(line, detector, config), detector.hop_s))
        cells = (f"{np.mean(each):.2f} ({np.mean(np.array(each) < 0.6):.0%} under .6)" for each in shares.values())
        who = "women" if sex == "f" else "men"
        print(f"{emotion}, {intensity}, {who}".ljust(28) + "".join(f"{cell:>24}" for cell in cells), flush=True)


def music(detector: SpeechDetector) -> None:
    rows = list(csv.DictReader((DATA / "asr" / "manifest.csv").open()))
    said = np.asarray(soundfile.read(DATA / "asr" / rows[0]["path"], dtype="float32")[0], np.float32)
    for level_db in MUSIC_DB:
        song = hold_music() * (said.std() / hold_music().std()) * 10 ** (level_db / 20)
        line = telephone(np.asarray(np.concatenate([said, GAP, song]), np.float32))
        place = Span((len(said) + len(GAP)) / SAMPLE_RATE + 0.3, len(line) / SAMPLE_RATE)
        cells = (f"{sum(span.overlap(place) for span in spans(line, detector, config)):.1f} s" for config in SETTINGS.values())
        print(f"{f'hold music, {level_db:+.0f} dB, {place.seconds:.0f} s':<28}" + "".join(f"{cell:>24}" for cell in cells), flush=True)


def real(detector: SpeechDetector) -> None:
    decoders = tuple(registry.engine_class("decoder", name)(CONFIG) for name in CONFIG.engines.decoders)
    for file in sorted((DATA / "calls").iterdir()):
        with decode.open_recording(file, decoders, CONFIG.decode) as recording:
            found = {name: _seconds(speech.detect(recording, detector, config, _unheeded)) for name, config in SETTINGS.items()}
        print(f"{file.name[:27]:<28}" + "".join(f"{f'{seconds:.1f} s':>24}" for seconds in found.values()), flush=True)


def _seconds(found: Speech) -> float:
    return sum((span.seconds for channel in found.channels for span in channel.spans), 0.0)


def _unheeded(step: str, fraction: float) -> None:
    """Nobody watches a benchmark's steps."""


def main() -> None:
    print(describe("faster-whisper", "onnxruntime"))
    detector = registry.engine_class("speech", CONFIG.engines.speech)(CONFIG)
    acted(detector)
    music(detector)
    real(detector)


if __name__ == "__main__":
    main()
