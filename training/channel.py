"""A telephone line, simulated: band limit, line noise, level and G.711 mu-law at 8 kHz. A simulation, not recorded telephone speech."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt

from analysis.values import SAMPLE_RATE, FloatArray

DoubleArray: TypeAlias = NDArray[np.float64]

LINE_RATE = 8000
BAND_HZ = (300.0, 3400.0)
"""Voice band of a telephone line (ITU-T G.712)."""
_BAND = butter(4, BAND_HZ, btype="bandpass", fs=LINE_RATE, output="sos")
_PEAK = 0.99


@dataclass(frozen=True, slots=True)
class Line:
    """One connection: the same for everything a speaker says in a window, as on a call."""

    level_db: float
    """RMS of the whole window at the receiving end, dBFS."""
    snr_db: float
    """White line noise under the speech, before the codec."""


def draw_line(rng: np.random.Generator) -> Line:
    """A random line: levels about the nominal -26 dBov of ITU-T P.56, and 12 to 40 dB SNR; the ranges are ours."""
    return Line(level_db=float(rng.uniform(-36.0, -18.0)), snr_db=float(rng.uniform(12.0, 40.0)))


def telephone(samples: FloatArray, line: Line, rng: np.random.Generator) -> FloatArray:
    """Samples at 16 kHz as they arrive over the line, same rate and length, shape [n]."""
    narrow = soxr.resample(samples.astype(np.float64), SAMPLE_RATE, LINE_RATE)
    noise = rng.normal(0.0, _rms(narrow) * 10 ** (-line.snr_db / 20), len(narrow))
    limited = sosfiltfilt(_BAND, narrow + noise)
    levelled = limited * 10 ** (line.level_db / 20) / max(_rms(limited), 1e-9)
    heard = soxr.resample(_mu_law(np.clip(levelled, -_PEAK, _PEAK)), LINE_RATE, SAMPLE_RATE)
    return _fitted(heard.astype(np.float32), len(samples))


def _rms(samples: FloatArray | DoubleArray) -> float:
    return float(np.sqrt(np.mean(np.square(samples))))


def _mu_law(samples: DoubleArray) -> DoubleArray:
    """Through G.711 mu-law and back."""
    wire = io.BytesIO()
    soundfile.write(wire, samples, LINE_RATE, format="WAV", subtype="ULAW")
    wire.seek(0)
    heard, _ = soundfile.read(wire, dtype="float64")
    return np.asarray(heard)


def _fitted(samples: FloatArray, length: int) -> FloatArray:
    return np.pad(samples, (0, max(0, length - len(samples))))[:length]
