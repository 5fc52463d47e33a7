"""What several tests of the analysis hear, and hear with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import soundfile

from analysis import registry
from analysis.config import Config

if TYPE_CHECKING:
    from pathlib import Path

    from analysis.ports import SpeechDetector
    from analysis.values import FloatArray


@pytest.fixture(scope="session")
def speech(data: Path) -> FloatArray:
    """LibriSpeech 1089-134686-0002, at 16 kHz, shape [n]."""
    samples: FloatArray = soundfile.read(data / "asr" / "librispeech" / "1089-134686-0002.flac", dtype="float32")[0]
    return samples


@pytest.fixture(scope="session")
def detector() -> SpeechDetector:
    """The real one."""
    built: SpeechDetector = registry.engine_class("speech", Config().engines.speech)(Config())
    return built
