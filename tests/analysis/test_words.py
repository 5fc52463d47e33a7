"""Plain words for every code that an analysis names, and times as people write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from analysis import words
from analysis.pipeline import STEP_SHARES
from analysis.steps.flags import EFFORT_RULE, FRUSTRATION_RULE
from analysis.steps.fuse import SIGN_WEIGHTS
from analysis.values import Abstention, Contributions, Party, RoleSource, ScoringMode

if TYPE_CHECKING:
    from collections.abc import Callable

    from analysis.values import CallAnalysis


@pytest.mark.parametrize(
    ("table", "codes"),
    [
        ("abstained", list(Abstention)),
        ("step", list(STEP_SHARES)),
        ("rule", [FRUSTRATION_RULE, EFFORT_RULE]),
        ("effort", list(SIGN_WEIGHTS)),
        ("party", list(Party)),
        ("role_source", list(RoleSource)),
        ("scoring", list(ScoringMode)),
        ("part", list(Contributions.__slots__)),
    ],
)
def test_every_code_has_words_and_every_word_a_code(table: str, codes: list[str]) -> None:
    assert set(words.TABLES[table]) == set(codes)


@pytest.mark.parametrize(
    ("value", "said"), [(None, ""), (0.34, ""), (0.35, "voice angrier than the words"), (-0.6, "words harder than the voice")]
)
def test_voice_and_words_far_apart_are_put_in_words(value: float | None, said: str) -> None:
    assert words.disagreement(value) == said


def test_what_an_analysis_was_made_by_has_words(sample: Callable[[str], CallAnalysis]) -> None:
    """The call that escalates raises a flag of either rule, and every engine took part in it."""
    analysis = sample("escalates")
    assert set(words.ENGINES) == set(analysis.provenance.engines)
    assert set(words.THRESHOLDS) == {name for flag in analysis.flags for name in flag.evidence.thresholds}


def test_a_code_of_a_later_version_reads_as_itself() -> None:
    assert words.plain("brand_new_rule", "rule") == "brand new rule"


@pytest.mark.parametrize(("seconds", "shown"), [(None, "–"), (0.0, "0:00"), (65.9, "1:05"), (3725.0, "1:02:05")])
def test_timecode(seconds: float | None, shown: str) -> None:
    assert words.timecode(seconds) == shown
