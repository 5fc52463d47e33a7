"""What a browser needs to play and draw a call: an AAC copy, because none plays GSM or WMA, and the waveform's peaks."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import numpy as np

from analysis.values import SAMPLE_RATE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from analysis.values import Recording

BLOCK_S = 60.0
BITS_A_CHANNEL = 32_000
"""AAC-LC at 16 kHz: 29 MB an hour for two channels; the copy of a telephone call correlates with it by over 0.99."""

MAX_PEAKS = 20_000
"""Peaks a channel, so that the waveform of 4 hours is still a small download."""
MAX_PEAKS_A_SECOND = 50


def write_playback(recording: Recording, target: Path) -> None:
    """Write the recording as AAC in an `.m4a` whose index comes first, so that a browser can seek before it has everything."""
    layout = "stereo" if recording.channels == 2 else "mono"
    with av.open(str(target), "w", format="ipod", options={"movflags": "+faststart"}) as container:
        # The fast coefficient search takes 0.4 of the default's time, and came closer to the original on a telephone call.
        stream = container.add_stream(
            "aac", rate=SAMPLE_RATE, layout=layout, bit_rate=BITS_A_CHANNEL * recording.channels, options={"aac_coder": "fast"}
        )
        position = 0
        for block in _blocks(recording):
            container.mux(stream.encode(_frame(block, layout, position)))
            position += len(block)
        container.mux(stream.encode(None))


def write_peaks(recording: Recording, target: Path) -> None:
    """Write `{"per_second": f, "channels": [[peak, …], …]}`: the largest absolute sample of each stretch, 0-1, a list per channel."""
    seconds = max(recording.seconds, 1 / SAMPLE_RATE)
    stretch = max(round(SAMPLE_RATE / MAX_PEAKS_A_SECOND), round(seconds * SAMPLE_RATE / MAX_PEAKS))
    found = [_peaks(recording, channel, stretch) for channel in range(recording.channels)]
    target.write_text(json.dumps({"per_second": SAMPLE_RATE / stretch, "channels": found}, separators=(",", ":")))


def _blocks(recording: Recording) -> Iterator[NDArray[np.int16]]:
    """The samples in order, each of shape [n, channels], so that length costs no memory."""
    for start in np.arange(0.0, recording.seconds, BLOCK_S):
        spoken = [recording.audio(channel, start, start + BLOCK_S) for channel in range(recording.channels)]
        yield np.round(np.stack(spoken, axis=1) * 32768.0).clip(-32768, 32767).astype(np.int16)


def _frame(block: NDArray[np.int16], layout: str, position: int) -> Any:
    """Interleaved samples as a frame that starts `position` samples into the call."""
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block.reshape(1, -1)), format="s16", layout=layout)
    frame.sample_rate, frame.time_base, frame.pts = SAMPLE_RATE, Fraction(1, SAMPLE_RATE), position
    return frame


def _peaks(recording: Recording, channel: int, stretch: int) -> list[float]:
    block_s = max(1, round(BLOCK_S * SAMPLE_RATE / stretch)) * stretch / SAMPLE_RATE
    found: list[float] = []
    for start in np.arange(0.0, recording.seconds, block_s):
        loud = np.abs(recording.audio(channel, start, start + block_s))
        found.extend(np.maximum.reduceat(loud, np.arange(0, len(loud), stretch)).tolist() if len(loud) else [])
    return [round(peak, 4) for peak in found]
