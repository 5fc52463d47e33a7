"""Engine name to class, imported only when asked for: the table below, then the `callanalytics.engines` entry points."""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from analysis import heads, resolver
from analysis.errors import AnalysisError
from analysis.own_encoder import OwnEncoderToneModel
from analysis.ports import Engines

if TYPE_CHECKING:
    from analysis.config import Config
    from analysis.ports import Denoiser, ToneModel, Transcriber, WindowEncoder

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
    "window_encoder": {"faster-whisper": "analysis.engines.window_encoder:WhisperWindowEncoder"},
    "pitch": {"swift-f0": "analysis.engines.swift_f0:SwiftF0Tracker"},
    "tone": {
        "encoder-head": "analysis.engines.tone_head:EncoderHeadToneModel",
        "audio-classification": "analysis.engines.transformers_tone:AudioClassificationToneModel",
        "dimensional": "analysis.engines.transformers_tone:DimensionalToneModel",
    },
    "denoiser": {"deepfilternet": "analysis.engines.deepfilter:DeepFilterDenoiser"},
    "wording": {
        "encoder-head": "analysis.engines.wording_head:EncoderHeadWordingModel",
        "text-classification": "analysis.engines.text_classification:TextClassificationWordingModel",
    },
}

WITH_HEADS = "encoder-head"
"""The tone engine that has one head per encoder; every other hears the audio itself."""


def engine_class(port: str, name: str) -> Any:
    """The class behind a port's engine name. Raises AnalysisError naming the known ones, or the package that an engine lacks."""
    table = ENGINES[port]
    found = {point.name: point.value for point in entry_points(group=f"callanalytics.engines.{port}")}
    target = table.get(name) or found.get(name)
    if target is None:
        raise AnalysisError(f"unknown {port} engine {name!r}; known are {', '.join([*table, *found])}", permanent=True)
    module, _, attribute = target.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        message = (
            f"the {port} engine {name!r} needs the Python module {error.name!r}, which is not installed; install the package that holds it"
        )
        raise AnalysisError(message, permanent=False) from error


def build(config: Config) -> Engines:
    """Every engine the configuration names, with its weights loaded: seconds of work, done once per process.

    Raises AnalysisError on an unknown name and on missing or damaged weights.
    """
    named = config.engines
    transcriber: Transcriber = engine_class("transcriber", named.transcriber)(config)
    return Engines(
        decoders=tuple(engine_class("decoder", name)(config) for name in named.decoders),
        speech=engine_class("speech", named.speech)(config),
        diarizer=engine_class("diarizer", named.diarizer)(config),
        transcriber=transcriber,
        pitch=engine_class("pitch", named.pitch)(config),
        tone=_tone_model(config, transcriber.encoder),
        wording=engine_class("wording", named.wording)(config),
    )


def denoiser(config: Config) -> Denoiser:
    """The engine that cleans a copy for listening, apart from `build` because no analysis needs it."""
    engine: Denoiser = engine_class("denoiser", config.engines.denoiser)(config)
    return engine


def _tone_model(config: Config, encoder: str) -> ToneModel | None:
    """The tone model that is named. The one with heads takes the head for the transcriber's encoder, else one with an encoder of its own.

    None where this machine holds no encoder that has a head: then tone abstains.
    """
    made = engine_class("tone", config.engines.tone)
    model: ToneModel
    if config.engines.tone != WITH_HEADS:
        model = made(config)
        return model
    own = encoder if heads.has_head(f"tone-{encoder}") else _encoder_with_head(config)
    if own is None:
        return None
    model = made(config, own)
    return model if own == encoder else OwnEncoderToneModel(model, _window_encoder(config, own), config.transcribe)


def _encoder_with_head(config: Config) -> str | None:
    """The first encoder that has a head and whose weights are on this machine, or may be fetched."""
    for weights in resolver.WHISPER_DEFAULTS:
        if heads.has_head(f"tone-whisper-{weights}") and resolver.find(weights, allow_download=config.transcribe.allow_download):
            return f"whisper-{weights}"
    return None


def _window_encoder(config: Config, encoder: str) -> WindowEncoder:
    given = config.transcribe
    windows: WindowEncoder = engine_class("window_encoder", "faster-whisper")(
        encoder.removeprefix("whisper-"), threads=given.threads, device=given.device, allow_download=given.allow_download
    )
    return windows
