"""The sample calls do what their script says, through the whole pipeline with the real engines."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import soundfile

from analysis.values import Party, Span

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from analysis.values import CallAnalysis

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
SCRIPT = {call["name"]: call for call in json.loads((SAMPLES / "samples.json").read_text())["calls"]}
MARGIN_S = 5.0
"""How far a flag may lie from the scripted stretch."""
MEGABYTE = 1_000_000


def angry(name: str, margin_s: float = 0.0) -> Span:
    start, end = SCRIPT[name]["angry"]
    return Span(start - margin_s, end + margin_s)


def frustrated_flags(analysis: CallAnalysis) -> list[Span]:
    return [Span(flag.start, flag.end) for flag in analysis.flags if flag.rule == "high_frustration"]


def test_the_calm_call_has_no_flag(sample: Callable[[str], CallAnalysis]) -> None:
    assert sample("calm").flags == ()


@pytest.mark.parametrize("name", ["recovers", "escalates"])
def test_a_flag_lies_on_the_scripted_stretch(sample: Callable[[str], CallAnalysis], name: str) -> None:
    found = frustrated_flags(sample(name))
    assert found
    assert all(angry(name, MARGIN_S).start <= flag.start and flag.end <= angry(name, MARGIN_S).end for flag in found)
    assert sum(flag.overlap(angry(name)) for flag in found) > angry(name).seconds / 2


def test_the_flag_of_the_call_that_recovers_ends_before_the_recovery(sample: Callable[[str], CallAnalysis]) -> None:
    assert all(flag.end <= SCRIPT["recovers"]["recovery"] for flag in frustrated_flags(sample("recovers")))


@pytest.mark.parametrize("name", list(SCRIPT))
def test_the_customer_is_heard_on_the_right_and_the_agent_on_the_left(sample: Callable[[str], CallAnalysis], name: str) -> None:
    analysis = sample(name)
    assert {(role.voice, role.party) for role in analysis.roles} == {(0, Party.AGENT), (1, Party.CUSTOMER)}
    for moment in analysis.moments:
        heard = moment.utterance.span
        spoken = [Span(line["start"] - 1, line["end"] + 1) for line in SCRIPT[name]["lines"] if line["party"] == moment.party]
        assert sum(heard.overlap(line) for line in spoken) > heard.seconds / 2, moment.utterance.text


@pytest.mark.parametrize(
    ("name", "words"),
    [("calm", ["appointment", "next week"]), ("recovers", ["charge", "twice"]), ("escalates", ["already told you", "manager"])],
)
def test_the_words_that_matter_are_in_the_transcript(sample: Callable[[str], CallAnalysis], name: str, words: list[str]) -> None:
    said = " ".join(moment.utterance.text for moment in sample(name).moments if moment.party is Party.CUSTOMER).lower()
    assert [word for word in words if word not in said] == []


@pytest.mark.parametrize("name", ["recovers", "escalates"])
def test_the_angry_stretch_is_louder_than_the_customers_own_baseline(sample: Callable[[str], CallAnalysis], name: str) -> None:
    customer = [moment for moment in sample(name).moments if moment.party is Party.CUSTOMER and moment.measures]
    heated = [moment for moment in customer if moment.utterance.span.overlap(angry(name)) > moment.utterance.span.seconds / 2]
    changes = [moment.measures.loudness_change_db for moment in heated if moment.measures]
    assert max(change for change in changes if change is not None) > 3.0


@pytest.mark.parametrize("name", list(SCRIPT))
def test_a_sample_is_a_small_stereo_telephone_call_of_about_a_minute(name: str) -> None:
    file = SAMPLES / SCRIPT[name]["file"]
    opened = soundfile.info(file)
    assert (opened.channels, opened.samplerate) == (2, 8_000)
    assert 45 < opened.duration < 75
    assert opened.duration == pytest.approx(SCRIPT[name]["seconds"], abs=0.01)
    assert file.stat().st_size < MEGABYTE


@pytest.fixture
def maker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The script, writing to a folder of the test."""
    spec = importlib.util.spec_from_file_location("samples_make", SAMPLES / "make.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "samples_make", module)
    spec.loader.exec_module(module)
    shutil.copy(SAMPLES / "dialogues.toml", tmp_path)
    monkeypatch.setattr(module, "HERE", tmp_path)
    return module


def content(folder: Path) -> dict[str, Any]:
    return {file.name: file.read_bytes() for file in sorted(folder.glob("*.flac"))} | {"script": (folder / "samples.json").read_text()}


def test_the_script_makes_the_same_calls_again(maker: ModuleType, tmp_path: Path) -> None:
    if not shutil.which("flite"):
        pytest.skip("flite is not installed")
    maker.main()
    first = content(tmp_path)
    maker.main()
    assert content(tmp_path) == first
    assert first["script"] == (SAMPLES / "samples.json").read_text()
