"""What a browser needs to play a call: an AAC copy of the decoded audio, because browsers play neither GSM nor WMA, and waveform peaks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import numpy as np

from analysis.values import SAMPLE_RATE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from analysis.ports import Denoiser
    from analysis.values import Recording

BIT_RATE = 32_000
"""Bits a second of one channel: clear speech at 16 kHz."""

ENCODER = {"aac_coder": "fast"}
"""Half the time of the default search, and closer to the original on a telephone call (correlation 0.9999 instead of 0.998)."""

BLOCK_S = 60.0
"""Seconds read at once."""

CLEAN_BLOCK_S = 10.0
"""The same where each is denoised, which takes a tenth of its length a channel: progress is heard, and a stop, within seconds."""

MAX_BUCKETS = 8000
"""Most buckets of a channel, however long the call: twice the pixels of the widest screen."""


@dataclass(frozen=True, slots=True)
class Peaks:
    """A drawable waveform: for each channel the largest magnitude of every bucket, 0-1 of full scale."""

    per_second: float
    channels: tuple[tuple[float, ...], ...]

    def as_json(self) -> str:
        """`{"per_second": f, "channels": [[f, ...], ...]}` without spaces."""
        return json.dumps({"per_second": self.per_second, "channels": self.channels}, separators=(",", ":"))


def _ignore(done: float) -> None:
    """The default listener."""


def write(recording: Recording, path: Path, denoiser: Denoiser | None = None, progress: Callable[[float], object] = _ignore) -> None:
    """Write the recording as AAC-LC in MP4 with its index first, so that a browser can seek before the whole file has arrived.

    A denoiser makes it a cleaner copy, at the same times; `progress` hears of every block which share of the recording is written, 0-1,
    and may raise to end it. Raises OSError where the file cannot be written; what was written of it by
    then is removed.
    """
    try:
        with av.open(str(path), "w", format="ipod", options={"movflags": "+faststart"}) as container:
            _encode(recording, container, denoiser, progress)
    except BaseException:
        if path.is_file():
            path.unlink()
        raise


def peaks(recording: Recording, buckets_per_second: float = 50.0) -> Peaks:
    """The waveform in at most `MAX_BUCKETS` buckets; a longer call gets longer buckets. The last bucket may be shorter."""
    frames = round(recording.seconds * SAMPLE_RATE)
    width = max(round(SAMPLE_RATE / buckets_per_second), -(-frames // MAX_BUCKETS), 1)
    found: list[list[float]] = [[] for _ in range(recording.channels)]
    for block in _blocks(recording, frames=max(round(BLOCK_S * SAMPLE_RATE) // width, 1) * width):
        for channel, samples in enumerate(block):
            found[channel] += _magnitudes(samples, width)
    return Peaks(SAMPLE_RATE / width, tuple(tuple(channel) for channel in found))


def _blocks(recording: Recording, *, frames: int) -> Iterator[NDArray[np.float32]]:
    """The recording in order, shape [channels, up to `frames`]."""
    total = round(recording.seconds * SAMPLE_RATE)
    for first in range(0, total, frames):
        last = min(first + frames, total)
        yield np.stack([recording.audio(channel, first / SAMPLE_RATE, last / SAMPLE_RATE) for channel in range(recording.channels)])


def _magnitudes(samples: NDArray[np.float32], width: int) -> list[float]:
    padded = np.pad(np.abs(samples), (0, -len(samples) % width))
    return [round(level, 3) for level in padded.reshape(-1, width).max(axis=1).tolist()]


def _clean(recording: Recording, denoiser: Denoiser) -> Iterator[NDArray[np.float32]]:
    """The recording denoised, shape [channels, n]; every channel on its own."""
    channels = [denoiser.denoise(_channel(recording, number)) for number in range(recording.channels)]
    return (np.stack(block) for block in zip(*channels, strict=True))


def _channel(recording: Recording, number: int) -> Iterator[NDArray[np.float32]]:
    return (block[number] for block in _blocks(recording, frames=round(CLEAN_BLOCK_S * SAMPLE_RATE)))


def _encode(recording: Recording, container: Any, denoiser: Denoiser | None, progress: Callable[[float], object]) -> None:
    layout = "stereo" if recording.channels == 2 else "mono"
    stream = container.add_stream("aac", rate=SAMPLE_RATE, layout=layout, bit_rate=BIT_RATE * recording.channels, options=ENCODER)
    written = 0
    blocks = _blocks(recording, frames=round(BLOCK_S * SAMPLE_RATE)) if denoiser is None else _clean(recording, denoiser)
    for block in filter(np.size, blocks):
        container.mux(stream.encode(_frame(block, layout, written)))
        written += block.shape[1]
        progress(min(1.0, written / SAMPLE_RATE / recording.seconds))
    container.mux(stream.encode(None))


def _frame(block: NDArray[np.float32], layout: str, at: int) -> Any:
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout=layout)
    frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, at, Fraction(1, SAMPLE_RATE)
    return frame
