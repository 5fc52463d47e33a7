"""Plain words for every code there is, and times as people write them."""

from __future__ import annotations

import pytest

import analysis.words
from analysis.steps.flags import EFFORT_RULE
from callanalytics.calls.models import CallStatus, Flag, FlagStatus, Notice
from callanalytics.review.models import Answer
from dashboard import presenting, words


@pytest.mark.parametrize(
    ("table", "codes"),
    [("status", CallStatus.values), ("flag_status", FlagStatus.values), ("notice", Notice.values), ("answer", Answer.values)],
)
def test_every_code_of_the_rows_has_words(table: str, codes: list[str]) -> None:
    assert [code for code in codes if code not in words.TABLES[table]] == []


def test_what_an_analysis_names_is_called_as_in_the_report() -> None:
    for table, said in analysis.words.TABLES.items():
        assert words.TABLES[table].items() >= said.items()


def test_the_rule_for_effort_is_the_librarys() -> None:
    assert Flag.EFFORT == EFFORT_RULE


@pytest.mark.parametrize(
    ("seconds", "shown"), [(None, "–"), (45.4, "45 s"), (725.0, "12 min 5 s"), (3720.0, "1 h 2 min"), (59.7, "1 min 0 s")]
)
def test_spoken_duration(seconds: float | None, shown: str) -> None:
    assert words.spoken_duration(seconds) == shown


def test_measures_name_only_what_is_worth_saying() -> None:
    measures = {"loudness_change_db": -6.2, "pitch_change_semitones": 0.1, "rate_wps": 3.14, "pause_before_s": 0.4, "overlap_s": None}
    assert presenting.measures_text(measures) == "−6 dB · 3.1 words/s"
    assert presenting.measures_text(None) == ""


def test_contributions_share_one_scale_around_the_middle() -> None:
    drawn = {bar.label: (bar.x, bar.width) for bar in presenting.bars({"tone": 2.0, "wording": -1.0, "prior": 0.0})}
    assert drawn["Tone of voice"] == ("50.00", "49.00")
    assert drawn["Wording"] == ("25.50", "24.50")
    assert drawn["Starting point"] == ("50.00", "0.00")
