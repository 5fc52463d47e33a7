"""F0 by SwiftF0 (Nieradzik 2025): a 135 KB ONNX network inside its own wheel, 16 ms frames."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import swift_f0

from analysis.values import SAMPLE_RATE, FloatArray

if TYPE_CHECKING:
    from analysis.config import Config

LOWEST_HZ, HIGHEST_HZ = 60.0, 500.0
"""Voices: the lowest men to shouting women and children; what lies outside is an octave error or a tone on the line."""
VOICED = 0.5
"""Confidence from which a frame is voiced (the model's own calibration)."""
SHORTEST = 512
"""Samples under which there is not one full frame."""


class SwiftF0Tracker:
    def __init__(self, config: Config) -> None:
        self._model = swift_f0.SwiftF0(threads=config.transcribe.threads or 1, spin=False)
        digest = hashlib.sha256((Path(swift_f0.__file__).parent / "model.onnx").read_bytes()).hexdigest()
        self._name = f"swift-f0/{version('swift-f0')}@sha256:{digest}"

    @property
    def name(self) -> str:
        return self._name

    def track(self, samples: FloatArray) -> FloatArray:
        """F0 in Hz of the voiced frames of a 16 kHz stretch, shape [voiced frames]; empty where nothing is voiced."""
        if samples.size < SHORTEST:
            return np.zeros(0, np.float32)
        result = self._model.detect(samples, SAMPLE_RATE, fmin=LOWEST_HZ, fmax=HIGHEST_HZ)
        return np.asarray(result.pitch_hz[result.confidence >= VOICED], np.float32)
