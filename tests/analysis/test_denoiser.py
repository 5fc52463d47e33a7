"""The cleaner copy for listening: less noise, the same length, the same times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest
import soundfile

from analysis import cli, registry
from analysis.config import Config

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from analysis.ports import Denoiser, Engines

RATE = 16_000


@pytest.fixture(scope="module")
def denoiser() -> Denoiser:
    return registry.denoiser(Config())


@pytest.fixture(scope="module")
def clean(data: Path) -> NDArray[np.float32]:
    files = sorted((data / "asr" / "librispeech").glob("*.flac"))[:2]
    return np.concatenate([soundfile.read(file, dtype="float32")[0] for file in files])


@pytest.fixture(scope="module")
def noisy(clean: NDArray[np.float32]) -> NDArray[np.float32]:
    noise = np.random.default_rng(0).standard_normal(clean.size).astype(np.float32)
    return clean + noise * np.float32(0.7 * np.sqrt(np.mean(clean**2)))


def _denoised(denoiser: Denoiser, samples: NDArray[np.float32], pieces: int) -> NDArray[np.float32]:
    return np.concatenate(list(denoiser.denoise(np.array_split(samples, pieces))))


def _si_sdr_db(clean: NDArray[np.float32], heard: NDArray[np.float32]) -> float:
    """Scale-invariant signal-to-distortion ratio (Le Roux et al. 2019)."""
    target = clean * (clean @ heard) / (clean @ clean)
    return float(10 * np.log10(np.sum(target**2) / np.sum((heard - target) ** 2)))


def test_noise_is_pushed_down_and_times_still_fit(denoiser: Denoiser, clean: NDArray[np.float32], noisy: NDArray[np.float32]) -> None:
    heard = _denoised(denoiser, noisy, 7)
    assert heard.size == clean.size
    # A copy shifted by a single frame of 10 ms would score far below zero.
    assert _si_sdr_db(clean, heard) > _si_sdr_db(clean, noisy) + 5


def test_the_size_of_the_blocks_does_not_matter(denoiser: Denoiser, noisy: NDArray[np.float32]) -> None:
    short = noisy[: 3 * RATE + 17]
    np.testing.assert_allclose(_denoised(denoiser, short, 1), _denoised(denoiser, short, 11), atol=1e-4)


def test_listen_writes_a_copy_of_the_same_length(tmp_path: Path, noisy: NDArray[np.float32], engines: Engines, monkeypatch: Any) -> None:
    monkeypatch.setattr(registry, "build", lambda config: engines)
    call, copy = tmp_path / "call.wav", tmp_path / "clean.m4a"
    soundfile.write(call, np.stack([noisy, noisy[::-1]], axis=1)[: 4 * RATE], RATE)
    assert cli.main([str(call), "--scoring", "none", "--listen", str(copy)]) == 0
    with av.open(str(copy)) as container:
        stream = container.streams.audio[0]
        assert (stream.codec_context.name, stream.channels) == ("aac", 2)
        assert stream.duration is not None
        assert stream.time_base is not None
        assert float(stream.duration * stream.time_base) == pytest.approx(4.0, abs=0.1)
