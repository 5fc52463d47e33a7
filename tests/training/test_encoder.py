"""Training must see the frames that the run time will give it, to the bit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from analysis.config import Config, TranscribeConfig
from analysis.engines.faster_whisper import FasterWhisperTranscriber
from training.corpus import read_clip, read_manifest
from training.encoder import WhisperWindowEncoder
from training.features import join

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("weights", ["base", "tiny.en"])
def test_frames_are_those_of_the_run_time_engine(data: Path, weights: str) -> None:
    clips = read_manifest(data / "emotion" / "manifest.csv")[:2]
    window = join([read_clip(data / "emotion" / clip.path) for clip in clips]).samples
    engine = FasterWhisperTranscriber(Config(transcribe=TranscribeConfig(weights=weights, threads=1)))
    encoder = WhisperWindowEncoder(weights)
    at_run_time = engine.transcribe([window], language="en", frames=[True])[0].frames
    assert at_run_time is not None
    assert encoder.encoder == engine.encoder
    np.testing.assert_array_equal(encoder.encode([window])[0][: len(at_run_time)], at_run_time)
