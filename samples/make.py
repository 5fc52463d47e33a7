"""Makes the sample calls from the written dialogues: flite's voices, a telephone line and its noise, and what the script says of each.

`python samples/make.py` needs the Debian package `flite`. The same dialogues give the same files, byte for byte, on one machine.
The calls are for the demo and its test; they are not evidence of accuracy.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt
from tqdm import tqdm

HERE = Path(__file__).resolve().parent
RATE = 8_000
"""Hz, the telephone's."""
BAND_HZ = (300.0, 3_400.0)
"""The telephone band (ITU-T G.712)."""
LEVEL_DB = -24.0
"""RMS level of a neutral line, dBFS."""
NOISE_DB = -62.0
"""RMS level of the line noise, dBFS."""
LINE_BITS = 13
"""Resolution of a digital telephone line (ITU-T G.711, linear side of A-law)."""
LEAD_S = 0.8
"""Open line before the first word and after the last."""

Samples = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Mood:
    """How a line is said, against the voice's neutral way."""

    stretch: float
    """Duration, 1 is the voice's own; lower is faster."""
    pitch: float
    """Factor on F0."""
    gain_db: float


MOODS = {
    "neutral": Mood(1.0, 1.0, 0.0),
    "relieved": Mood(1.02, 0.98, -1.0),
    "angry": Mood(0.86, 1.35, 7.0),
    "furious": Mood(0.82, 1.5, 9.0),
}
HEATED = frozenset({"angry", "furious"})


@dataclass(frozen=True, slots=True)
class Line:
    """One written line of a dialogue."""

    party: str
    text: str
    mood: str = "neutral"
    gap: float = 0.0
    """Seconds after the end of the line before; negative talks over it."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A line on the call's clock, in seconds."""

    line: Line
    samples: Samples
    start: float

    @property
    def end(self) -> float:
        return self.start + len(self.samples) / RATE


def speak(line: Line, voice: str) -> Samples:
    """The line in one of flite's voices at 8 kHz, at its mood's rate, pitch and level. Raises FileNotFoundError without flite."""
    mood = MOODS[line.mood]
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "line.wav"
        features = ["--setf", f"duration_stretch={mood.stretch}", "--setf", f"f0_shift={mood.pitch}"]
        subprocess.run(["flite", "-voice", voice, *features, "-t", line.text, "-o", str(wav)], check=True)
        samples, rate = soundfile.read(wav)
    return at_level(telephone(soxr.resample(trimmed(samples), rate, RATE)), LEVEL_DB + mood.gain_db)


def trimmed(samples: Samples, floor: float = 0.01) -> Samples:
    """Without the silence that the voice puts around a line, so that a gap means what it says."""
    loud = np.flatnonzero(np.abs(samples) > floor)
    return samples[loud[0] : loud[-1] + 1]


def telephone(samples: Samples) -> Samples:
    """The telephone band, without a shift in time."""
    return np.asarray(sosfiltfilt(butter(3, BAND_HZ, "bandpass", fs=RATE, output="sos"), samples), np.float64)


def at_level(samples: Samples, level_db: float) -> Samples:
    """Scaled to an RMS level in dBFS, with its peaks rounded off as an overdriven line does."""
    scaled = samples / np.sqrt(np.mean(samples**2)) * 10 ** (level_db / 20)
    return np.asarray(np.tanh(scaled), np.float64)


def place(lines: list[Line], voices: dict[str, str]) -> list[Spoken]:
    """Every line after the one before it, with the gap that is written."""
    clock, spoken = LEAD_S, []
    for line in lines:
        spoken.append(Spoken(line, speak(line, voices[line.party]), round(clock + line.gap, 3)))
        clock = spoken[-1].end
    return spoken


def mix(spoken: list[Spoken], seed: int) -> Samples:
    """The call as shape [samples, 2], agent left and customer right, over a little line noise."""
    total = round((max(part.end for part in spoken) + LEAD_S) * RATE)
    channels = np.random.default_rng(seed).normal(0.0, 10 ** (NOISE_DB / 20), (total, 2))
    for part in spoken:
        first = round(part.start * RATE)
        channels[first : first + len(part.samples), ("agent", "customer").index(part.line.party)] += part.samples
    return channels


def quantised(channels: Samples) -> NDArray[np.int16]:
    """As the digital line carries it: 13 bits in the upper bits of 16."""
    step = 2 ** (LINE_BITS - 1)
    levels = np.clip(np.round(channels * step), -step, step - 1)
    return np.asarray(levels * 2 ** (16 - LINE_BITS), np.int16)


def stretches(spoken: list[Spoken]) -> dict[str, list[float] | float | None]:
    """What the script says: where the customer is angry (first to last such line), and where they are well again."""
    heated = [part for part in spoken if part.line.mood in HEATED]
    if not heated:
        return {"angry": None, "recovery": None}
    after = [part.start for part in spoken if part.line.party == "customer" and part.start > heated[-1].start]
    return {"angry": [round(heated[0].start, 2), round(heated[-1].end, 2)], "recovery": round(after[0], 2) if after else None}


def make(call: dict[str, Any]) -> dict[str, Any]:
    """Write one call's FLAC file and give what the script says of it."""
    voices = {"agent": call["agent_voice"], "customer": call["customer_voice"]}
    spoken = place([Line(**line) for line in call["line"]], voices)
    channels = mix(spoken, seed=zlib.crc32(call["name"].encode()))
    soundfile.write(HERE / f"{call['name']}.flac", quantised(channels), RATE, subtype="PCM_16")
    known = {key: call[key] for key in ("name", "title", "agent", "agent_name", "queue", "direction")}
    return {
        **known,
        "file": f"{call['name']}.flac",
        "channels": ["agent", "customer"],
        "language": "en",
        "seconds": round(len(channels) / RATE, 2),
        **stretches(spoken),
        "lines": [
            {"party": part.line.party, "start": round(part.start, 2), "end": round(part.end, 2), "text": part.line.text} for part in spoken
        ],
    }


def main() -> int:
    calls = tomllib.loads((HERE / "dialogues.toml").read_text())["call"]
    made = [make(call) for call in tqdm(calls, unit="call")]
    (HERE / "samples.json").write_text(json.dumps({"calls": made}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
