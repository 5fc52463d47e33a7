"""Engines by name: what is unknown is said."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from analysis import registry
from analysis.config import Config, EnginesConfig
from analysis.errors import AnalysisError

if TYPE_CHECKING:
    from analysis.ports import Engines


@pytest.mark.parametrize("port", list(registry.ENGINES))
def test_an_unknown_name_is_answered_with_the_known_ones(port: str) -> None:
    with pytest.raises(AnalysisError) as refused:
        registry.engine_class(port, "no-such-engine")
    assert all(name in refused.value.message for name in registry.ENGINES[port])


def test_an_engine_whose_package_is_absent_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "analysis.engines.openai_whisper", raising=False)
    monkeypatch.setitem(sys.modules, "whisper", None)
    with pytest.raises(AnalysisError, match="'openai-whisper' needs the Python module 'whisper'"):
        registry.engine_class("transcriber", "openai-whisper")


def test_building_with_an_unknown_engine_is_refused() -> None:
    with pytest.raises(AnalysisError, match="unknown transcriber engine"):
        registry.build(replace(Config(), engines=EnginesConfig(transcriber="parrot")))


def test_every_engine_tells_its_name_with_the_digest_of_its_weights(engines: Engines) -> None:
    named = [engines.speech, engines.diarizer, engines.transcriber, engines.pitch, engines.wording]
    assert all("@sha256:" in engine.name for engine in named)
    assert [decoder.name.partition("/")[0] for decoder in engines.decoders] == ["pyav", "libsndfile"]


def test_the_tone_model_is_the_one_for_the_transcribers_encoder(engines: Engines) -> None:
    assert engines.tone is not None
    assert engines.tone.encoder == engines.transcriber.encoder
