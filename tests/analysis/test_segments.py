"""Stretches of frustration: where they open, what keeps them, what ends them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from analysis.config import SegmentsConfig
from analysis.steps import segments
from analysis.values import Abstention, Frustration, FrustrationSegment, Moment, Party, Utterance

CONFIG = SegmentsConfig()


def moment(number: int, probability: float | None, *, every_s: float = 8.0, party: Party = Party.CUSTOMER) -> Moment:
    said = Utterance(number, 1, number * every_s, number * every_s + 4.0, "words", "en", 0.9, ())
    if party is not Party.CUSTOMER:
        return Moment(said, party, None)
    abstained = Abstention.NO_EVIDENCE if probability is None else None
    return Moment(said, party, None, frustration=Frustration(probability, abstained, None))


def found(*probabilities: float | None, every_s: float = 8.0, config: SegmentsConfig = CONFIG) -> list[FrustrationSegment]:
    return list(segments.find([moment(at, each, every_s=every_s) for at, each in enumerate(probabilities)], config))


def utterances(*probabilities: float | None, every_s: float = 8.0) -> list[tuple[int, ...]]:
    return [segment.utterances for segment in found(*probabilities, every_s=every_s)]


def test_a_calm_call_has_none() -> None:
    assert found(0.1, 0.3, 0.59, 0.5, 0.2) == []
    assert found() == []


def test_a_high_moment_opens_one_and_middling_ones_keep_it() -> None:
    assert utterances(0.2, 0.7, 0.5, 0.9, 0.46, 0.1, 0.1) == [(1, 2, 3, 4)]


def test_a_middling_moment_does_not_open_one() -> None:
    assert utterances(0.5, 0.5, 0.7) == [(2,)]


def test_a_low_moment_ends_it_at_the_last_that_held() -> None:
    (segment,) = found(0.7, 0.8, 0.1, 0.2)
    assert (segment.start, segment.end) == (0.0, 12.0)
    assert utterances(0.7, 0.1, 0.7) == [(0,), (2,)]


def test_one_dip_is_bridged_and_two_are_not() -> None:
    assert utterances(0.7, 0.3, 0.8) == [(0, 1, 2)]
    assert utterances(0.7, 0.3, 0.3, 0.8) == [(0,), (3,)]


def test_a_dip_at_the_end_is_left_out() -> None:
    assert utterances(0.7, 0.3) == [(0,)]
    assert utterances(0.7, 0.3, 0.1) == [(0,)]


def test_a_long_time_without_a_moment_ends_it() -> None:
    assert utterances(0.8, 0.8, every_s=20.0) == [(0, 1)]
    assert utterances(0.8, 0.8, every_s=30.0) == [(0,), (1,)]


def test_a_moment_without_a_score_neither_holds_nor_ends() -> None:
    assert utterances(0.8, None, None, 0.8) == [(0, 3)]
    assert utterances(None, None) == []


def test_the_agent_neither_holds_nor_ends() -> None:
    said = [moment(0, 0.8), moment(1, None, party=Party.AGENT), moment(2, 0.8)]
    assert [segment.utterances for segment in segments.find(said, CONFIG)] == [(0, 2)]


def test_peak_is_the_highest_and_mean_is_weighted_by_length() -> None:
    (segment,) = found(0.6, 0.9, 0.6)
    assert segment.peak == 0.9
    assert segment.mean == pytest.approx(0.7)


def test_a_stretch_shorter_than_asked_for_is_dropped() -> None:
    strict = SegmentsConfig(min_utterances=2)
    assert found(0.9, 0.1, config=strict) == []
    assert len(found(0.9, 0.9, 0.1, config=strict)) == 1


@pytest.mark.parametrize("seed", range(20))
def test_pushing_one_by_one_gives_what_the_batch_gives_and_stretches_never_overlap(seed: int) -> None:
    draw = np.random.default_rng(seed)
    said = [moment(at, None if draw.uniform() < 0.1 else float(draw.beta(0.6, 0.6))) for at in range(200)]
    state = segments.start(CONFIG)
    live: list[FrustrationSegment] = []
    for each in said:
        state, ended = segments.push(state, each)
        live.extend(ended)
    live.extend(segments.finish(state))
    batch = segments.find(said, CONFIG)
    assert tuple(live) == batch
    assert len(batch) > 3
    assert all(left.end <= right.start for left, right in pairwise(batch))
    assert all(segment.peak >= CONFIG.rise for segment in batch)


def test_a_live_call_gets_a_stretch_as_soon_as_it_ends() -> None:
    state = segments.start(CONFIG)
    state, first = segments.push(state, moment(0, 0.9))
    state, second = segments.push(state, moment(1, 0.1))
    assert first == ()
    assert [segment.utterances for segment in second] == [(0,)]
    assert segments.finish(state) == ()
