"""A Whisper encoder on its own: for training, and for tone where no head knows the frames of the transcriber's encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.audio import pad_or_trim

from analysis import resolver
from analysis.values import SAMPLE_RATE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.values import FloatArray

_FRAME = 320
"""Samples of one encoder frame: a hop of 160, then a convolution of stride 2."""


class WhisperWindowEncoder:
    """CTranslate2 Whisper, int8, one window at a time on the CPU: the frames that heads are trained on, to the bit."""

    frame_rate = SAMPLE_RATE / _FRAME

    def __init__(self, weights: str, *, threads: int = 1, allow_download: bool = False) -> None:
        folder = resolver.locate_whisper(weights, allow_download=allow_download)
        self.name = f"whisper-{weights}"
        self.provenance = f"{self.name}/int8@sha256:{resolver.digest(folder / 'model.bin')}"
        self._model = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=threads, local_files_only=True)

    def encode(self, windows: Sequence[FloatArray]) -> list[FloatArray]:
        """Encoder frames of windows of at most 30 s at 16 kHz, each of shape [1500, d]."""
        return [self._encoded(window) for window in windows]

    def _encoded(self, window: FloatArray) -> FloatArray:
        features = pad_or_trim(self._model.feature_extractor(window)[..., :-1])[None].astype(np.float32)
        encoded = self._model.model.encode(ctranslate2.StorageView.from_array(np.ascontiguousarray(features)), to_cpu=True)
        frames: FloatArray = np.asarray(encoded, np.float32)[0]
        return frames
