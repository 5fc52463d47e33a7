"""Decoder over libsndfile: a second reading of WAV, FLAC, Ogg and MP3 by other code, for files that FFmpeg reads badly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile
import soxr

from analysis import limits
from analysis.errors import AnalysisError
from analysis.ports import Decoded
from analysis.values import SAMPLE_RATE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from analysis.config import Config
    from analysis.values import FloatArray

BLOCK = 65_536
"""Frames read at once."""

STREAMED_FRAMES = 2**31 - 1
"""From here a frame count is libsndfile's way of saying that it does not know."""


class SoundFileDecoder:
    """Reads what libsndfile reads, by content and never by the name's ending."""

    def __init__(self, config: Config) -> None:
        self._config = config

    @property
    def name(self) -> str:
        return f"libsndfile/{soundfile.__libsndfile_version__}"

    def decode(self, path: Path, spool: Path, *, max_s: float) -> Decoded:
        """Write interleaved int16 PCM at 16 kHz to `spool`. Raises AnalysisError where the file holds no audio it can read."""
        try:
            with path.open("rb") as file, soundfile.SoundFile(file.fileno(), closefd=False) as source:
                _refuse_shape(source, path, max_s)
                seconds = _spooled(source, spool, path=path, max_s=max_s)
                return Decoded(
                    channels=source.channels,
                    sample_rate=source.samplerate,
                    codec=source.subtype.lower(),
                    seconds=seconds,
                    stated_s=_stated_s(source),
                    skipped_packets=0,
                )
        except soundfile.LibsndfileError as error:
            raise AnalysisError(f"{path.name}: not a recording that can be read", permanent=True) from error


def _stated_s(source: Any) -> float | None:
    return source.frames / source.samplerate if 0 < source.frames < STREAMED_FRAMES else None


def _refuse_shape(source: Any, path: Path, max_s: float) -> None:
    limits.refuse_channels(source.channels, path)
    limits.refuse_rate(source.samplerate, path)
    limits.refuse_longer(_stated_s(source) or 0.0, max_s, path)


def _blocks(source: Any) -> Iterator[FloatArray]:
    """The file's samples, shape [frames, channels]; a block that cannot be read ends the file, and its length tells."""
    while True:
        try:
            block: FloatArray = source.read(BLOCK, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError:
            return
        if not len(block):
            return
        yield block


def _spooled(source: Any, spool: Path, *, path: Path, max_s: float) -> float:
    """Write the whole file at 16 kHz; give the seconds written."""
    resampler = soxr.ResampleStream(source.samplerate, SAMPLE_RATE, source.channels, dtype="float32")
    written = 0
    with spool.open("wb") as file:
        for block in _blocks(source):
            written += file.write(_pcm(resampler.resample_chunk(block)))
            limits.refuse_longer(written / (2 * source.channels * SAMPLE_RATE), max_s, path)
        rest = resampler.resample_chunk(np.zeros((0, source.channels), np.float32), last=True)
        written += file.write(_pcm(rest))
    if not written:
        raise limits.no_sound(path)
    return float(written / (2 * source.channels * SAMPLE_RATE))


def _pcm(samples: FloatArray) -> bytes:
    pcm = np.clip(np.rint(samples * 32768.0), -32768, 32767).astype(np.int16)
    return bytes(pcm.data)
