"""A Whisper encoder on its own: for training, and for tone where no head knows the frames of the transcriber's encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from faster_whisper.feature_extractor import FeatureExtractor

from analysis import resolver
from analysis.values import SAMPLE_RATE
from analysis.whisper_encoder import TorchWhisperEncoder, log_mels, torch_device

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.values import FloatArray

_FRAME = 320
"""Samples of one encoder frame: a hop of 160, then a convolution of stride 2."""


class WhisperWindowEncoder:
    """Whisper's layers up to the middle ones, one window at a time: the frames that heads are trained on."""

    frame_rate = SAMPLE_RATE / _FRAME

    def __init__(self, weights: str, *, threads: int = 1, device: str = "auto", allow_download: bool = False) -> None:
        folder = resolver.locate_whisper(weights, allow_download=allow_download)
        if threads:
            torch.set_num_threads(threads)
        self.encoder = f"whisper-{weights}"
        self.name = f"{self.encoder}/middle@sha256:{resolver.digest(folder / 'model.bin')}"
        self._model = TorchWhisperEncoder(folder, device=torch_device(device), whole=False)
        self._extractor = FeatureExtractor(feature_size=self._model.mels)

    def encode(self, windows: Sequence[FloatArray]) -> list[FloatArray]:
        """Outputs of the two middle layers for windows of at most 30 s at 16 kHz, each of shape [1500, 2 d]."""
        return [self._model.encode(log_mels(self._extractor, [window])).middle[0] for window in windows]
