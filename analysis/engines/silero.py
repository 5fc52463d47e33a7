"""Speech detector: the Silero VAD v6 model inside faster-whisper's wheel, run with one thread and its state carried over any block size."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
from faster_whisper.utils import get_assets_path

from analysis.errors import AnalysisError
from analysis.values import SAMPLE_RATE

if TYPE_CHECKING:
    from analysis.config import Config
    from analysis.values import FloatArray

HOP = 512
"""Samples the model judges at once: 32 ms at 16 kHz."""

CONTEXT = 64
"""Samples of the hop before that go in front of each hop."""

STATE = (1, 1, 128)
"""Shape of the LSTM's hidden and cell state."""

WEIGHTS = "silero_vad_v6.onnx"
SHA256 = "4cbf549b8326f60f80f2536d9eefeb450a9abe83365a098031c89719f1be17d2"


class SileroStream:
    """One channel's detection. The encoder runs over all hops of a block at once, the LSTM through them in order."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._hidden = np.zeros(STATE, np.float32)
        self._cell = np.zeros(STATE, np.float32)
        self._context = np.zeros(CONTEXT, np.float32)
        self._rest = np.zeros(0, np.float32)

    def push(self, samples: FloatArray) -> FloatArray:
        """Take the next samples of any count; give one speech probability per full hop, shape [hops]."""
        held = np.concatenate([self._rest, samples])
        whole = len(held) - len(held) % HOP
        self._rest = held[whole:].copy()
        return self._judged(held[:whole].reshape(-1, HOP))

    def finish(self) -> FloatArray:
        """Give the probability of the zero-padded last hop, shape [0] or [1]."""
        if not len(self._rest):
            return np.zeros(0, np.float32)
        return self.push(np.zeros(HOP - len(self._rest), np.float32))

    def _judged(self, hops: FloatArray) -> FloatArray:
        if not len(hops):
            return np.zeros(0, np.float32)
        tails = hops[:, -CONTEXT:]
        context = np.concatenate([self._context[None], tails[:-1]])
        self._context = tails[-1].copy()
        inputs = {"input": np.concatenate([context, hops], axis=1), "h": self._hidden, "c": self._cell}
        probabilities, self._hidden, self._cell = self._session.run(None, inputs)
        return np.asarray(probabilities, np.float32).reshape(-1)


class SileroDetector:
    """Loads the model once; every channel gets a stream of its own."""

    hop_s = HOP / SAMPLE_RATE

    def __init__(self, config: Config) -> None:  # noqa: ARG002 - the port's constructor; nothing of Silero is configurable
        self._session = _session(_weights())

    @property
    def name(self) -> str:
        return f"silero-v6@sha256:{SHA256}"

    def start(self) -> SileroStream:
        return SileroStream(self._session)


def _weights() -> bytes:
    """The model file, checked. Raises AnalysisError where faster-whisper's wheel holds another one."""
    path = Path(get_assets_path()) / WEIGHTS
    if not path.is_file():
        raise AnalysisError(f"{path} is missing; reinstall faster-whisper 1.2.1", permanent=True)
    weights = path.read_bytes()
    if hashlib.sha256(weights).hexdigest() != SHA256:
        raise AnalysisError(f"{path} is not the pinned Silero model; reinstall faster-whisper 1.2.1", permanent=True)
    return weights


def _session(weights: bytes) -> Any:
    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = 1
    options.intra_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
