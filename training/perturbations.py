"""Changes that should leave a decision alone, after audeering's test suite (Wagner et al. 2023, arXiv 2312.06270), as far as our data goes.

Every change is made to a whole window, so to everything that one speaker says, as on a call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.signal import butter, sosfilt, sosfiltfilt

from analysis.values import SAMPLE_RATE, FloatArray
from training.channel import Channel, Copy, heard, over_one_line, pink, through

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

CROPPED_S = 0.1
TILT_PIVOT_HZ = 1000.0
TILT_DB_PER_OCTAVE = 1.5
PHONE_PEAK_DB, PHONE_RATIO, PHONE_NOISE_DB = -20.0, 0.8, -25.0


def _each(change: Callable[[FloatArray, np.random.Generator], FloatArray]) -> Copy:
    def copy(pieces: Sequence[FloatArray], rng: np.random.Generator, _: Sequence[FloatArray]) -> list[FloatArray]:
        return [change(piece, rng).astype(np.float32) for piece in pieces]

    return copy


def _wire(**given: float | str) -> Copy:
    channel = Channel(narrow=False, codec=None, **given)  # type: ignore[arg-type]
    return through(lambda _: channel)


def _phone(samples: FloatArray, rng: np.random.Generator, _: Sequence[FloatArray]) -> FloatArray:
    """Full peak, compression over -20 dB, AMR-NB at 7.4 kbit/s, then pink noise at -25 dB over 3 kHz."""
    sound = samples.astype(np.float64)
    sound /= max(float(np.abs(sound).max()), 1e-9)
    envelope = np.maximum(np.abs(sosfilt(butter(1, 20.0, fs=SAMPLE_RATE, output="sos"), np.abs(sound))), 1e-6)
    threshold = 10 ** (PHONE_PEAK_DB / 20)
    sound *= np.where(envelope > threshold, (envelope / threshold) ** (PHONE_RATIO - 1.0), 1.0)
    line = heard(sound.astype(np.float32), Channel(level_db=-20.0, codec="amr-nb-7400"), rng)
    hiss = sosfiltfilt(butter(2, 3000.0, "highpass", fs=SAMPLE_RATE, output="sos"), pink(len(line), rng))
    return (line + hiss * float(line.std() / hiss.std()) * 10 ** (PHONE_NOISE_DB / 20)).astype(np.float32)


def _filtered(kind: Literal["highpass", "lowpass"], hz: float) -> Copy:
    bank = butter(2, hz, kind, fs=SAMPLE_RATE, output="sos")
    return _each(lambda piece, _: sosfilt(bank, piece).astype(np.float32))


def _tilted(db_per_octave: float) -> Copy:
    def change(piece: FloatArray, _: np.random.Generator) -> FloatArray:
        hertz = np.maximum(np.fft.rfftfreq(len(piece), 1 / SAMPLE_RATE), 50.0)
        gain = 10 ** (db_per_octave * np.log2(hertz / TILT_PIVOT_HZ) / 20)
        tilted = np.fft.irfft(np.fft.rfft(piece) * gain, len(piece))
        return np.asarray(tilted * (piece.std() / max(float(tilted.std()), 1e-9)), np.float32)

    return _each(change)


def _gained(db: float) -> Copy:
    return _each(lambda piece, _: np.clip(piece * np.float32(10 ** (db / 20)), -1.0, 1.0))


def _clipped(share: float) -> Copy:
    def change(piece: FloatArray, _: np.random.Generator) -> FloatArray:
        limit = np.quantile(np.abs(piece), 1.0 - share)
        return np.clip(piece, -limit, limit)

    return _each(change)


_CROP = round(CROPPED_S * SAMPLE_RATE)

PERTURBATIONS: Mapping[str, Copy] = {
    "babble 20 dB": _wire(noise="babble", snr_db=20.0),
    "street 20 dB": _wire(noise="street", snr_db=20.0),
    "hum 20 dB": _wire(noise="hum", snr_db=20.0),
    "white 20 dB": _wire(noise="white", snr_db=20.0),
    "phone": over_one_line(_phone),
    "room": _wire(reverb_s=0.3),
    "tilt up": _tilted(TILT_DB_PER_OCTAVE),
    "tilt down": _tilted(-TILT_DB_PER_OCTAVE),
    "white 40 dB": _wire(noise="white", snr_db=40.0),
    "gain +2 dB": _gained(2.0),
    "gain -2 dB": _gained(-2.0),
    "clipped 0.1 %": _clipped(0.001),
    "high-pass 100 Hz": _filtered("highpass", 100.0),
    "low-pass 7 kHz": _filtered("lowpass", 7000.0),
    "start cropped": _each(lambda piece, _: piece[_CROP:]),
    "end cropped": _each(lambda piece, _: piece[:-_CROP]),
    "zeros before": _each(lambda piece, _: np.concatenate([np.zeros(_CROP, np.float32), piece])),
    "zeros after": _each(lambda piece, _: np.concatenate([piece, np.zeros(_CROP, np.float32)])),
}
