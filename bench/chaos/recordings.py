"""Short calls, cut from the sample calls: some that are flagged and some that are not, each with bytes of its own."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


@dataclass(frozen=True, slots=True)
class Cut:
    """Seconds of a sample call."""

    sample: str
    start: float
    end: float


CUTS = (
    Cut("calm", 8.0, 12.0),
    Cut("escalates", 28.0, 32.5),
    Cut("calm", 36.0, 39.5),
    Cut("recovers", 60.0, 64.0),
    Cut("escalates", 32.0, 37.0),
    Cut("calm", 20.0, 24.5),
)
"""The two of `escalates` are flagged; what a run without faults finds is what counts."""


def kind(number: int) -> Cut:
    return CUTS[number % len(CUTS)]


def recording(number: int) -> bytes:
    """The call of this number as a WAV file. Its number is in the lowest bits of its first samples, which nobody hears."""
    cut = kind(number)
    samples, rate = _sample(cut.sample)
    piece = samples[round(cut.start * rate) : round(cut.end * rate)].copy()
    bits = np.array([number >> place & 1 for place in range(16)], np.int16)
    piece[:16, 0] = (piece[:16, 0] & ~1) | bits
    out = io.BytesIO()
    soundfile.write(out, piece, rate, format="WAV", subtype="PCM_16")
    return out.getvalue()


@cache
def _sample(name: str) -> tuple[NDArray[Any], int]:
    samples, rate = soundfile.read(SAMPLES / f"{name}.flac", dtype="int16")
    return samples, rate
