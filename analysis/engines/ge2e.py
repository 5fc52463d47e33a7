"""Diarizer: speaker embeddings of the GE2E network (Wan et al. 2018), with the weights but none of the code of Resemblyzer's wheel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from analysis import resolver
from analysis.values import SAMPLE_RATE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from analysis.config import Config
    from analysis.values import FloatArray

MELS = 40
FFT = 400
"""Samples of one frame: 25 ms."""

STEP = 160
"""Samples from frame to frame: 10 ms."""

SIZE = 256
LAYERS = 3
BATCH = 128
LEVEL = 10.0 ** (-30.0 / 20.0)
"""RMS level that the network was trained at, -30 dBFS."""

MEL_BREAK_HZ, MEL_STEP_HZ, MEL_BREAK, MEL_LOG_STEP = 1000.0, 200.0 / 3.0, 15.0, np.log(6.4) / 27.0
"""Slaney's mel scale (Auditory Toolbox, 1998): linear up to 1 kHz, logarithmic above."""


class GE2EDiarizer:
    """Embeds speech windows; who spoke is decided from them by the voices step."""

    def __init__(self, config: Config) -> None:  # noqa: ARG002 - the port's constructor; nothing of the network is configurable
        weights = resolver.locate("ge2e") / "pretrained.pt"
        self._name = f"ge2e@sha256:{resolver.digest(weights)}"
        self._network = _network(weights)
        self._filters = _mel_filters()

    @property
    def name(self) -> str:
        return self._name

    def embed(self, windows: Sequence[FloatArray]) -> FloatArray:
        """Speaker embeddings of equally long windows at 16 kHz, shape [windows, 256], unit length."""
        parts = [self._embedded(np.stack(windows[first : first + BATCH])) for first in range(0, len(windows), BATCH)]
        return np.concatenate(parts) if parts else np.zeros((0, SIZE), np.float32)

    @torch.inference_mode()
    def _embedded(self, samples: FloatArray) -> FloatArray:
        embeddings: FloatArray = self._network(torch.from_numpy(self._mel(samples))).numpy()
        return embeddings

    def _mel(self, samples: FloatArray) -> FloatArray:
        """Mel power spectra, shape [windows, frames, 40]."""
        levelled = samples * (LEVEL / np.maximum(np.sqrt(np.mean(samples**2, axis=1, keepdims=True)), 1e-6))
        padded = np.pad(levelled, ((0, 0), (FFT // 2, FFT // 2)))
        frames = np.lib.stride_tricks.sliding_window_view(padded, FFT, axis=1)[:, ::STEP]
        spectra = np.fft.rfft(frames * np.hanning(FFT + 1)[:-1], axis=2)
        return (np.abs(spectra) ** 2 @ self._filters).astype(np.float32)


class _Network(nn.Module):
    """Three LSTM layers; the last hidden state through a linear layer and ReLU, at unit length."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(MELS, SIZE, LAYERS, batch_first=True)
        self.linear = nn.Linear(SIZE, SIZE)

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        _, (hidden, _) = self.lstm(mel)
        return nn.functional.normalize(torch.relu(self.linear(hidden[-1])), dim=1)


def _network(weights: Path) -> _Network:
    """The network with its weights; the checkpoint also holds the scale of the training loss, which is not used."""
    state = torch.load(weights, map_location="cpu", weights_only=True)["model_state"]
    network = _Network()
    network.load_state_dict({key: value for key, value in state.items() if key.startswith(("lstm.", "linear."))})
    return network.eval()


def _mel_filters() -> NDArray[np.float64]:
    """Triangular filters of equal area from 0 to 8 kHz, shape [frequencies, 40]."""
    edges = _hz(np.linspace(0.0, _mel(SAMPLE_RATE / 2), MELS + 2))
    at = np.fft.rfftfreq(FFT, 1.0 / SAMPLE_RATE)[:, None]
    rising = (at - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - at) / (edges[2:] - edges[1:-1])
    return np.maximum(0.0, np.minimum(rising, falling)) * 2.0 / (edges[2:] - edges[:-2])


def _mel(hz: float) -> float:
    return hz / MEL_STEP_HZ if hz < MEL_BREAK_HZ else MEL_BREAK + float(np.log(hz / MEL_BREAK_HZ)) / MEL_LOG_STEP


def _hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    logarithmic = MEL_BREAK_HZ * np.exp((np.maximum(mel, MEL_BREAK) - MEL_BREAK) * MEL_LOG_STEP)
    return np.asarray(np.where(mel < MEL_BREAK, mel * MEL_STEP_HZ, logarithmic))
