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
        ("tone_abstained", list(Abstention)),
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
    assert words.disagreement(value, 0.3) == said


@pytest.mark.parametrize("probability", [None, 0.11, 0.29])
def test_voice_and_words_far_apart_say_nothing_where_hardly_anybody_is_frustrated(probability: float | None) -> None:
    assert words.disagreement(-0.6, probability) == ""


def test_no_label_puts_words_into_a_mouth() -> None:
    assert [label for label in words.EFFORT.values() if "“" in label or "”" in label] == []


def test_a_tone_that_was_not_sure_does_not_read_like_a_score_that_is_withheld() -> None:
    assert words.TONE_ABSTAINED["no_evidence"] != words.ABSTAINED["no_evidence"]


@pytest.mark.parametrize(
    ("reasons", "said"),
    [
        ([], ""),
        (["too_short", None], ""),
        (["too_short", ""], ""),
        (["weights_licence", "weights_licence"], "tone model switched off (licence)"),
        (["too_short", "no_evidence", "no_evidence"], "the tone model was not sure enough, too little speech"),
    ],
)
def test_tone_is_withheld_from_a_call_only_where_it_answered_nowhere(reasons: list[str | None], said: str) -> None:
    assert words.tone_withheld(reasons) == said


@pytest.mark.parametrize(
    ("tone", "score", "own"),
    [("too_short", "too_short", False), ("too_short", None, True), ("no_evidence", "no_evidence", True), (None, "no_evidence", False)],
)
def test_the_reason_of_tone_is_said_beside_the_scores_where_it_is_another(tone: str | None, score: str | None, own: bool) -> None:
    assert words.tone_reason_is_own(tone, score) is own


def test_what_a_call_was_scored_by_names_the_tone_only_where_it_counted() -> None:
    assert words.scored_by("full", "") == "Voice and words"
    assert words.scored_by("full", "too noisy") == "Words; tone not scored: too noisy"
    assert words.scored_by("measures", "tone is off for this call") == "Measures only"


@pytest.mark.parametrize(("seconds", "shown"), [(0.0, "none"), (0.04, "none"), (0.42, "0.4 s"), (59.7, "1 min 0 s"), (725.0, "12 min 5 s")])
def test_a_measured_time_is_none_or_says_tenths(seconds: float, shown: str) -> None:
    assert words.measured(seconds) == shown


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
