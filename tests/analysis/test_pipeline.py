"""The whole way of a recording, with the real engines."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from analysis import pipeline
from analysis.document import to_document
from analysis.values import EMOTIONS, Party, RoleSource, Scoring, ScoringMode
from tests import audio
from tests.analysis.made import CHANNELS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from analysis.config import Config
    from analysis.document import Document
    from analysis.ports import Engines
    from analysis.values import CallAnalysis


@pytest.fixture(scope="session")
def escalation(sample: Callable[[str], CallAnalysis]) -> Document:
    return to_document(sample("escalates"))


def test_the_same_file_gives_the_same_bytes(sample: Callable[[str], CallAnalysis], engines: Engines, config: Config) -> None:
    first = to_document(sample("calm"))
    again = to_document(
        pipeline.analyze(audio.SAMPLES / "calm.flac", engines=engines, config=config, options=pipeline.CallOptions(CHANNELS))
    )
    assert json.dumps(first | {"timings": {}}) == json.dumps(again | {"timings": {}})


def test_the_customer_is_scored_and_the_agent_never(escalation: Document) -> None:
    parties = {item["party"] for item in escalation["utterances"]}
    assert parties >= {"agent", "customer"}
    for item in escalation["utterances"]:
        if item["party"] == "customer":
            assert (item["tone"] is None) == (item["tone_abstained"] is not None)
            assert (item["frustration"]["probability"] is None) == (item["frustration"]["abstained"] is not None)
        else:
            assert [item[key] for key in ("tone", "tone_abstained", "wording", "frustration", "disagreement")] == [None] * 5


def test_scores_are_probabilities_that_their_parts_explain(escalation: Document) -> None:
    scored = [item for item in escalation["utterances"] if item["frustration"] and item["frustration"]["probability"] is not None]
    assert scored
    for item in scored:
        probability = item["frustration"]["probability"]
        logit = math.log(probability / (1 - probability))
        assert sum(item["frustration"]["contributions"].values()) == pytest.approx(logit, abs=0.01)
        if item["tone"]:
            assert sum(item["tone"][name] for name in EMOTIONS) == pytest.approx(1.0, abs=0.001)
            assert 0 <= item["tone"]["arousal"] <= 1
            assert (item["tone"]["dominance"], item["tone"]["valence"]) == (None, None)


def test_words_count_from_the_prior_of_the_head_that_read_them(escalation: Document, engines: Engines, config: Config) -> None:
    """Recomputed from what the document shows, but for the utterances whose parts are shrunk alike."""
    prior, limits = engines.wording.frustration_prior, config.fuse
    expected, found = [], []
    for item in escalation["utterances"]:
        if item["wording"] and (item["frustration"]["probability"] or 1.0) < 0.985:
            share = item["wording"]["frustration"]
            sure = min(max((item["asr_confidence"] - 0.25) / 0.4, 0.0), 1.0) * min(1.0, len(item["text"].split()) / 3.0)
            expected.append(sure * math.log(share / (1 - share) * (1 - prior) / prior))
            found.append(item["frustration"]["contributions"]["wording"])
    assert len(found) >= 4
    assert found == pytest.approx([min(max(each, -limits.calm_limit), limits.part_limit) for each in expected], abs=0.03)
    assert any(-limits.calm_limit < each < limits.part_limit for each in expected)


def test_utterances_keep_their_order_and_their_bounds(escalation: Document) -> None:
    starts = [item["start"] for item in escalation["utterances"]]
    assert starts == sorted(starts)
    assert [item["id"] for item in escalation["utterances"]] == list(range(len(starts)))
    for item in escalation["utterances"]:
        assert 0 <= item["start"] < item["end"] <= escalation["recording"]["seconds"] + 0.01
        assert item["end"] - item["start"] <= 15.5


def test_progress_only_rises_and_ends_at_the_end(engines: Engines, config: Config) -> None:
    seen: list[float] = []
    pipeline.analyze(
        audio.SAMPLES / "calm.flac",
        engines=engines,
        config=config,
        options=pipeline.CallOptions(CHANNELS, Scoring(ScoringMode.WORDS, None)),
        progress=lambda step, fraction: seen.append(pipeline.share_done(step, fraction)),
    )
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("mode", "kept"), [(ScoringMode.WORDS, {"wording", "frustration"}), (ScoringMode.MEASURES, set()), (ScoringMode.NONE, set())]
)
def test_scoring_modes_leave_out_what_they_say(engines: Engines, config: Config, mode: ScoringMode, kept: set[str]) -> None:
    options = pipeline.CallOptions(CHANNELS, Scoring(mode, "the customer objected"))
    document = to_document(pipeline.analyze(audio.SAMPLES / "escalates.flac", engines=engines, config=config, options=options))
    customers = [item for item in document["utterances"] if item["party"] == "customer"]
    assert customers
    assert document["scoring"] == {"mode": mode.value, "reason": "the customer objected"}
    assert all(item["tone"] is None and item["tone_abstained"] == "scoring_off" for item in customers)
    assert any(item["wording"] for item in customers) == ("wording" in kept)
    assert any(item["frustration"]["probability"] is not None for item in customers) == ("frustration" in kept)
    assert any(item["measures"] for item in customers) == (mode is not ScoringMode.NONE)


def test_a_real_call_on_the_agents_channel_is_told_by_what_its_two_voices_say(
    data: Path, engines: Engines, config: Config, tmp_path: Path
) -> None:
    """The map gives both voices to the agent, and each of them proves by its own words who it is."""
    stereo, rate = soundfile.read(next((data / "calls").glob("aws_lca__*.flac")), frames=8000 * 120, dtype="float32")
    mixed = stereo.mean(axis=1)
    file = tmp_path / "mixed.wav"
    soundfile.write(file, np.stack([mixed, audio.noise(120.0, -60.0)[: len(mixed)]], axis=1), rate)
    options = pipeline.CallOptions(CHANNELS, Scoring(ScoringMode.NONE, None), "en")
    found = pipeline.analyze(file, engines=engines, config=config, options=options)
    assert [(role.party, role.source) for role in found.roles] == [
        (Party.AGENT, RoleSource.DIALOGUE),
        (Party.CUSTOMER, RoleSource.DIALOGUE),
    ]
    assert {voice.channel for voice in found.voices} == {0}
    assert "channel_map_shared" in [note.code for note in found.notes]
