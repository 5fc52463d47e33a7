"""Engine name to class, imported only when asked for: the table below, then the `callanalytics.engines` entry points."""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points
from typing import Any

from analysis.errors import AnalysisError

ENGINES: dict[str, dict[str, str]] = {
    "decoder": {
        "pyav": "analysis.engines.decode_pyav:PyAVDecoder",
        "libsndfile": "analysis.engines.decode_soundfile:SoundFileDecoder",
    },
    "speech": {"silero": "analysis.engines.silero:SileroDetector"},
    "diarizer": {"ge2e": "analysis.engines.ge2e:GE2EDiarizer"},
    "transcriber": {
        "faster-whisper": "analysis.engines.faster_whisper:FasterWhisperTranscriber",
        "openai-whisper": "analysis.engines.openai_whisper:OpenAIWhisperTranscriber",
    },
    "pitch": {"swift-f0": "analysis.engines.swift_f0:SwiftF0Tracker"},
    "sentence": {"minilm": "analysis.engines.minilm:MiniLMEncoder"},
    "tone": {"encoder-head": "analysis.engines.tone_head:EncoderHeadToneModel"},
    "wording": {"minilm-head": "analysis.engines.wording_head:MiniLMHeadWordingModel"},
}


def engine_class(port: str, name: str) -> Any:
    """The class behind a port's engine name. Raises AnalysisError naming the known ones."""
    table = ENGINES[port]
    found = {point.name: point.value for point in entry_points(group=f"callanalytics.engines.{port}")}
    target = table.get(name) or found.get(name)
    if target is None:
        raise AnalysisError(f"unknown {port} engine {name!r}; known are {', '.join([*table, *found])}", permanent=True)
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)
