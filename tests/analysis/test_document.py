"""The JSON of one call keeps the promises of the schema."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest

from analysis.document import SCHEMA, to_document, to_error
from analysis.errors import AnalysisError
from analysis.values import Party
from tests.analysis import made

TOP = {
    "schema", "file", "language", "recording", "scoring", "notes", "parties", "utterances",
    "measures", "effort", "segments", "flags", "provenance", "timings",
}  # fmt: skip
UTTERANCE = {
    "id", "voice", "party", "start", "end", "text", "language", "asr_confidence", "words",
    "measures", "tone", "tone_abstained", "wording", "frustration", "disagreement",
}  # fmt: skip


def test_every_key_is_there() -> None:
    document = to_document(made.analysis())
    assert set(document) == TOP
    assert all(set(item) == UTTERANCE for item in document["utterances"])
    assert document["schema"] == SCHEMA == "callanalytics/analysis/1"


def test_counts_are_whole_numbers() -> None:
    measures = dataclasses.replace(made.analysis().measures, interruptions={Party.AGENT: 1, Party.CUSTOMER: 3})
    counts = to_document(dataclasses.replace(made.analysis(), measures=measures))["measures"]["interruptions"]
    assert json.dumps(counts) == '{"agent": 1, "customer": 3}'


def test_it_survives_strict_json() -> None:
    document = to_document(made.analysis())
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_times_are_rounded_to_a_hundredth() -> None:
    moment = made.customer_moment(0, 4.23456, 7.98765, "words", 0.5)
    item = to_document(made.analysis(moments=(moment,)))["utterances"][0]
    assert (item["start"], item["end"]) == (4.23, 7.99)
    assert item["words"][0] == {"start": 4.23, "end": 7.99, "text": "words"}


def test_emotion_values_are_null_on_the_agent() -> None:
    agent = to_document(made.analysis())["utterances"][0]
    assert agent["party"] == "agent"
    assert [agent[key] for key in ("tone", "tone_abstained", "wording", "frustration", "disagreement")] == [None] * 5


def test_an_abstention_stands_beside_a_null_score() -> None:
    short = to_document(made.analysis())["utterances"][2]
    assert (short["tone"], short["tone_abstained"]) == (None, "too_short")
    assert short["frustration"] == {"probability": None, "abstained": "no_evidence", "contributions": None}


def test_rounded_contributions_still_add_up() -> None:
    frustration = to_document(made.analysis())["utterances"][1]["frustration"]
    logit = math.log(frustration["probability"] / (1 - frustration["probability"]))
    assert sum(frustration["contributions"].values()) == pytest.approx(logit, abs=0.01)


def test_flags_carry_their_evidence() -> None:
    evidence = to_document(made.analysis())["flags"][0]["evidence"]
    assert evidence["quotes"][0]["text"] == "I have called four times"
    counted = {"loudness_db": 6.1, "pitch_semitones": 3.4, "rate_wps": 0.4, "baseline_s": 18.0}
    assert evidence["change"] == counted | {"loudness_plain_db": 6.1, "pitch_plain_semitones": 3.4, "rate_plain_wps": 0.4}
    assert evidence["clip"] == {"start": 0.0, "end": 12.9}
    assert evidence["thresholds"] == {"min_peak": 0.6}


def test_a_failed_file_says_why() -> None:
    error = to_error("a.wav", AnalysisError("a.wav: empty file", permanent=True))
    assert error == {"schema": SCHEMA, "file": "a.wav", "error": {"message": "a.wav: empty file", "permanent": True}}


def test_an_unknown_language_is_null() -> None:
    assert to_document(dataclasses.replace(made.analysis(), language=None))["language"] is None
