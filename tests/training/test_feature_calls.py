"""Calls put together from features: where their anger lies, and how flags on them are counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analysis.config import Config
from analysis.steps.fuse import Priors
from analysis.values import Abstention, Tone
from tests.training.made import made_up
from training import feature_calls, tone
from training.feature_calls import CALLS_A_SPEAKER, FeatureCall
from training.simulated import ANGRY_TURNS, TURNS, tone_alone

PRIORS = Priors(0.2, 0.2)
CALM = Tone(0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.88, None)
ANGRY = replace(CALM, anger=0.88, neutral=0.02)
FIRST = 5


def call(*, angry: bool, heard: bool = True) -> FeatureCall:
    truth = tuple(angry and FIRST <= turn < FIRST + ANGRY_TURNS for turn in range(TURNS))
    return FeatureCall("made", truth, tuple(ANGRY if each and heard else CALM for each in truth), (3.0,) * TURNS)


def found(made: FeatureCall) -> bool:
    return feature_calls.found(made, tone_alone(), PRIORS)


def test_an_angry_stretch_that_is_heard_is_flagged_and_one_that_is_not_is_missed() -> None:
    assert found(call(angry=True))
    assert not found(call(angry=True, heard=False))
    assert not found(call(angry=False))


def test_a_flag_elsewhere_finds_no_stretch_and_spoils_a_calm_call() -> None:
    elsewhere = tuple(ANGRY if turn < 4 else CALM for turn in range(TURNS))
    assert not found(replace(call(angry=True), tones=elsewhere[:4] + (CALM,) * (TURNS - 4), angry=(False,) * 10 + (True,) * 4))
    assert found(replace(call(angry=False), tones=elsewhere))


def test_turns_without_an_answer_flag_nothing() -> None:
    assert not found(replace(call(angry=True), tones=(Abstention.NO_EVIDENCE,) * TURNS))


def test_shares_are_counted_by_corpus() -> None:
    calls = [call(angry=True), call(angry=True, heard=False), call(angry=False), replace(call(angry=True), corpus="other")]
    table = feature_calls.table([*calls, replace(call(angry=False), corpus="other")], PRIORS, Config())
    assert table["as configured, made"] == {"calls": 3.0, "stretches_flagged": 0.5, "calm_calls_flagged": 0.0}
    assert table["as configured, other"] == {"calls": 2.0, "stretches_flagged": 1.0, "calm_calls_flagged": 0.0}


@pytest.fixture(scope="module")
def made() -> list[FeatureCall]:
    labels = ("angry", "neutral", "happy", "calm")
    data = made_up(corpora={"first": labels, "without": ("neutral", "happy")}, signal=3.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tone, "OUTER_FOLDS", 2)
        patch.setattr(tone, "TEST_ORDERS", 1)
        return list(feature_calls.calls(data, tone.cross_validated(data, 0), "telephone"))


def test_every_speaker_who_acts_anger_makes_calls_and_half_of_them_hold_one_angry_stretch(made: list[FeatureCall]) -> None:
    assert len(made) == 6 * CALLS_A_SPEAKER
    assert {each.corpus for each in made} == {"first"}
    angry = [np.flatnonzero(each.angry) for each in made]
    assert sum(len(turns) > 0 for turns in angry) == len(made) / 2
    for turns in angry:
        assert turns.tolist() == list(range(turns[0], turns[0] + ANGRY_TURNS)) if len(turns) else True


def test_heads_of_other_speakers_hear_the_anger_where_it_is(made: list[FeatureCall]) -> None:
    heard: dict[bool, list[float]] = {True: [], False: []}
    for each in made:
        for angry, said in zip(each.angry, each.tones, strict=True):
            if isinstance(said, Tone):
                heard[angry].append(said.anger)
    assert np.mean(heard[True]) > np.mean(heard[False]) + 0.4
