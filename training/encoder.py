"""The run time's own encoder pass, without the decoding that would cost training hours. A test holds both to the same frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.audio import pad_or_trim

from analysis import resolver

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.values import FloatArray


class WindowEncoder(Protocol):
    @property
    def name(self) -> str: ...

    def encode(self, windows: Sequence[FloatArray]) -> list[FloatArray]:
        """Encoder frames of windows of at most 30 s at 16 kHz, each of shape [1500, d]."""
        ...


class WhisperWindowEncoder:
    """CTranslate2 Whisper, int8, one window at a time on the CPU, as `analysis.engines.faster_whisper` runs it."""

    def __init__(self, weights: str, *, threads: int = 1) -> None:
        self.name = f"whisper-{weights}"
        folder = str(resolver.locate_whisper(weights))
        self._model = WhisperModel(folder, device="cpu", compute_type="int8", cpu_threads=threads, local_files_only=True)

    def encode(self, windows: Sequence[FloatArray]) -> list[FloatArray]:
        return [self._encoded(window) for window in windows]

    def _encoded(self, window: FloatArray) -> FloatArray:
        features = pad_or_trim(self._model.feature_extractor(window)[..., :-1])[None].astype(np.float32)
        encoded = self._model.model.encode(ctranslate2.StorageView.from_array(np.ascontiguousarray(features)), to_cpu=True)
        frames: FloatArray = np.asarray(encoded, np.float32)[0]
        return frames
