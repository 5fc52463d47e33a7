"""The simulated telephone line: what passes, what does not, and that it is the same every time."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import welch

from analysis.values import SAMPLE_RATE, FloatArray
from training.channel import Line, draw_line, telephone

QUIET_LINE = Line(level_db=-20.0, snr_db=80.0)


def tone(hz: float, seconds: float = 2.0) -> FloatArray:
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (0.3 * np.sin(2 * np.pi * hz * times)).astype(np.float32)


def power(samples: FloatArray, low_hz: float, high_hz: float) -> float:
    frequencies, density = welch(samples, SAMPLE_RATE, nperseg=2048)
    return float(density[(frequencies >= low_hz) & (frequencies < high_hz)].sum())


def rms_db(samples: FloatArray) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(samples.astype(np.float64) ** 2))))


def test_white_noise_loses_what_lies_outside_the_voice_band() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 4 * SAMPLE_RATE).astype(np.float32)
    heard = telephone(noise, QUIET_LINE, np.random.default_rng(1))
    inside = power(heard, 500, 3000) / power(noise, 500, 3000)
    for low, high in ((0, 120), (3900, 8000)):
        assert power(heard, low, high) / power(noise, low, high) < inside / 300, (low, high)


@pytest.mark.parametrize("hz", [500, 1000, 3000])
def test_tones_inside_the_band_pass(hz: float) -> None:
    heard = telephone(tone(hz), QUIET_LINE, np.random.default_rng(0))
    assert power(heard, hz - 50, hz + 50) > 0.95 * power(heard, 0, 8000)


@pytest.mark.parametrize("seconds", [0.31, 1.0, 2.00005])
def test_length_is_kept(seconds: float) -> None:
    samples = tone(800, seconds)
    heard = telephone(samples, QUIET_LINE, np.random.default_rng(0))
    assert heard.shape == samples.shape
    assert heard.dtype == np.float32


@pytest.mark.parametrize("level_db", [-36.0, -25.0, -18.0])
def test_level_is_the_lines_not_the_recordings(level_db: float) -> None:
    for gain in (0.01, 1.0):
        heard = telephone(gain * tone(1000), Line(level_db, snr_db=60.0), np.random.default_rng(0))
        assert rms_db(heard) == pytest.approx(level_db, abs=1.0)


def test_noise_rises_as_the_snr_falls() -> None:
    clean = telephone(tone(1000), Line(-20.0, 60.0), np.random.default_rng(0))
    noisy = telephone(tone(1000), Line(-20.0, 12.0), np.random.default_rng(0))
    assert power(noisy, 1500, 3000) > 30 * power(clean, 1500, 3000)


def test_mu_law_leaves_its_rounding() -> None:
    loud, soft = (telephone(tone(1000), Line(level_db, snr_db=80.0), np.random.default_rng(0)) for level_db in (-18.0, -60.0))
    relative = [1 - power(heard, 950, 1050) / power(heard, 0, 8000) for heard in (loud, soft)]
    assert relative[1] > 10 * relative[0]


def test_silence_stays_finite() -> None:
    assert np.isfinite(telephone(np.zeros(8000, np.float32), QUIET_LINE, np.random.default_rng(0))).all()


def test_the_same_seed_draws_the_same_line() -> None:
    first, again, other = (draw_line(np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert first == again
    assert first != other
