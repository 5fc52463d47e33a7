"""Flags and the evidence they stand on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analysis.config import Config
from analysis.steps import flags
from analysis.values import (
    BaselineChange,
    Contributions,
    EffortSign,
    Flag,
    Frustration,
    FrustrationSegment,
    Measures,
    Moment,
    Party,
    Scoring,
    ScoringMode,
    Span,
    Utterance,
)

PARTS = Contributions(1.0, 1.0, 0.5, 0.2, 0.1, -2.2)
FULL = Scoring(ScoringMode.FULL, None)
CONFIG = Config()


def moment(number: int, probability: float | None, *, louder_db: float | None = 3.0, baseline_s: float = 20.0) -> Moment:
    said = Utterance(number, 1, number * 8.0, number * 8.0 + 4.0, f"sentence {number}", "en", 0.9, ())
    measures = Measures(-20.0, louder_db, 200.0, -number / 2, 3.0, 0.5, 0.2, 0.0, 30.0, baseline_s)
    frustration = None if probability is None else Frustration(probability, None, PARTS)
    return Moment(said, Party.CUSTOMER, measures, frustration=frustration)


def stretch(*moments: Moment) -> FrustrationSegment:
    scores = [each.frustration.probability for each in moments if each.frustration and each.frustration.probability is not None]
    ids = tuple(each.utterance.id for each in moments)
    return FrustrationSegment(moments[0].utterance.start, moments[-1].utterance.end, max(scores), sum(scores) / len(scores), ids)


def sign(at: float, kind: str = "told_before", utterance: int | None = None) -> EffortSign:
    return EffortSign(kind, at, f"said at {at}", utterance)


def found(*moments: Moment, signs: tuple[EffortSign, ...] = (), scoring: Scoring = FULL, stretches: bool = True) -> list[Flag]:
    return list(flags.find(moments, [stretch(*moments)] if stretches else [], signs=signs, begun=flags.start(scoring, CONFIG)))


def test_a_stretch_is_flagged_with_what_it_rests_on() -> None:
    (flag,) = found(moment(1, 0.7, louder_db=2.0), moment(2, 0.75, louder_db=-6.0), moment(3, 0.65, louder_db=4.0))
    assert (flag.rule, flag.start, flag.end, flag.severity) == ("high_frustration", 8.0, 28.0, "medium")
    assert flag.evidence.rule_version == "high_frustration/1"
    assert flag.evidence.thresholds == {"rise": 0.6, "hold": 0.45, "min_peak": 0.6, "high_peak": 0.8}
    assert flag.evidence.clip == Span(3.0, 33.0)
    assert flag.evidence.change == BaselineChange(-6.0, -1.0, 0.5, 20.0, -6.0, -1.0, 0.5)


def test_the_change_is_that_of_the_peak_and_of_no_other_utterance() -> None:
    """Louder, higher or longer-founded ones beside it have bars of their own."""
    (flag,) = found(moment(1, 0.7, louder_db=9.0, baseline_s=30.0), moment(2, 0.75, louder_db=2.0), moment(3, 0.65, louder_db=-12.0))
    assert flag.evidence.change is not None
    assert (flag.evidence.change.loudness_db, flag.evidence.change.pitch_semitones, flag.evidence.change.baseline_s) == (2.0, -1.0, 20.0)


def test_of_equal_peaks_the_first_is_told_of_as_on_the_evidence_card() -> None:
    (flag,) = found(moment(1, 0.7, louder_db=1.0), moment(2, 0.8, louder_db=2.0), moment(3, 0.8, louder_db=3.0))
    shown = max(flag.evidence.quotes, key=lambda quote: quote.probability or 0.0)
    assert shown.utterance == 2
    assert flag.evidence.change is not None
    assert flag.evidence.change.loudness_db == 2.0


def test_a_peak_without_a_baseline_claims_no_change_of_another() -> None:
    (flag,) = found(moment(1, 0.9, baseline_s=0.0), moment(2, 0.7))
    assert flag.evidence.change is None


def test_a_change_that_was_held_back_stands_beside_the_plain_difference() -> None:
    (flag,) = found(moment(1, 0.9, louder_db=6.0, baseline_s=10.0))
    assert flag.evidence.change is not None
    assert (flag.evidence.change.loudness_db, flag.evidence.change.loudness_plain_db) == (6.0, 9.0)


def test_the_strongest_moments_are_quoted_in_the_order_they_were_said() -> None:
    (flag,) = found(*[moment(number, score) for number, score in ((1, 0.7), (2, 0.9), (3, 0.61), (4, 0.8))])
    assert [quote.utterance for quote in flag.evidence.quotes] == [1, 2, 4]
    assert [quote.probability for quote in flag.evidence.quotes] == [0.7, 0.9, 0.8]
    assert flag.evidence.quotes[0].text == "sentence 1"
    assert flag.evidence.quotes[0].contributions == PARTS


@pytest.mark.parametrize(("peak", "severity"), [(0.6, "medium"), (0.79, "medium"), (0.8, "high"), (0.97, "high")])
def test_severity_follows_the_peak(peak: float, severity: str) -> None:
    assert [flag.severity for flag in found(moment(1, peak))] == [severity]


def test_a_stretch_under_the_rules_peak_is_not_flagged() -> None:
    assert found(moment(1, 0.59)) == []


def test_only_signs_within_the_stretch_are_its_evidence() -> None:
    (flag,) = found(moment(2, 0.9), moment(3, 0.9), signs=(sign(1.0), sign(16.0)))
    assert [each.at for each in flag.evidence.effort] == [16.0]


def test_without_a_baseline_no_change_is_claimed() -> None:
    (flag,) = found(moment(1, 0.9, baseline_s=0.0))
    assert flag.evidence.change is None


def test_a_clip_does_not_start_before_the_call() -> None:
    (flag,) = found(moment(0, 0.9))
    assert flag.evidence.clip == Span(0.0, 9.0)


def test_enough_signs_of_effort_are_a_flag_of_their_own() -> None:
    signs = (sign(8.0, utterance=1), sign(16.0, "hold"), sign(40.0, "asks_for_human", 5))
    (flag,) = found(moment(1, 0.1), moment(5, 0.2), signs=signs, stretches=False)
    assert (flag.rule, flag.start, flag.end, flag.severity) == ("high_effort", 8.0, 44.0, "medium")
    assert flag.evidence.effort == signs
    assert [quote.utterance for quote in flag.evidence.quotes] == [1, 5]
    assert flag.evidence.thresholds == {"effort_signs": 3.0}
    assert found(moment(1, 0.1), signs=signs[:2], stretches=False) == []


def test_twice_as_many_signs_are_severe() -> None:
    (flag,) = found(moment(1, 0.1), signs=tuple(sign(at) for at in range(6)), stretches=False)
    assert flag.severity == "high"


def test_with_emotion_off_effort_still_flags_without_a_probability() -> None:
    signs = tuple(sign(8.0 * at, utterance=1) for at in range(1, 4))
    (flag,) = found(moment(1, None), signs=signs, scoring=Scoring(ScoringMode.MEASURES, "objected"), stretches=False)
    assert flag.rule == "high_effort"
    assert flag.evidence.quotes[0].probability is None


@pytest.mark.parametrize("mode", [ScoringMode.MEASURES, ScoringMode.NONE])
def test_with_emotion_off_no_stretch_is_flagged(mode: ScoringMode) -> None:
    assert found(moment(1, 0.9), scoring=Scoring(mode, None)) == []


def test_with_everything_off_effort_does_not_flag_either() -> None:
    assert found(moment(1, None), signs=tuple(sign(at) for at in range(5)), scoring=Scoring(ScoringMode.NONE, None), stretches=False) == []


def test_flags_come_in_the_order_of_their_start() -> None:
    signs = (sign(1.0), sign(2.0), sign(3.0))
    assert [flag.rule for flag in found(moment(2, 0.9), signs=signs)] == ["high_effort", "high_frustration"]


def test_pushing_as_things_happen_gives_what_the_batch_gives() -> None:
    first, second = [moment(1, 0.9), moment(2, 0.7)], [moment(6, 0.8)]
    signs = [sign(9.0, utterance=1), sign(17.0, utterance=2), sign(50.0, utterance=6)]
    events: list[flags.Item] = [
        first[0], signs[0], first[1], signs[1], stretch(*first), second[0], signs[2], stretch(*second),
    ]  # fmt: skip
    state = flags.start(FULL, CONFIG)
    live: list[Flag] = []
    for event in events:
        state, raised = flags.push(state, event)
        live.extend(raised)
    live.extend(flags.finish(state))
    batch = flags.find([*first, *second], [stretch(*first), stretch(*second)], signs=signs, begun=flags.start(FULL, CONFIG))
    assert sorted(live, key=lambda flag: (flag.start, flag.rule)) == list(batch)
    assert len(batch) == 3


def test_a_quote_tells_how_far_the_voice_was_from_the_words_and_one_for_effort_does_not() -> None:
    apart = replace(moment(1, 0.9), disagreement=0.6)
    assert [quote.disagreement for quote in found(apart, moment(2, 0.8))[0].evidence.quotes] == [0.6, None]
    signs = [sign(apart.utterance.start, utterance=1)] * 3
    (effort,) = flags.find([apart], [], signs=signs, begun=flags.start(FULL, CONFIG))
    assert [quote.disagreement for quote in effort.evidence.quotes] == [None]


def test_no_clip_runs_past_the_recording() -> None:
    moments = [moment(0, 0.9)]
    end = moments[0].utterance.end + 1.0
    (raised,) = flags.find(moments, [stretch(*moments)], signs=(), begun=flags.start(FULL, CONFIG, end))
    assert raised.evidence.clip.end == end


def test_the_flag_for_effort_tells_no_emotion() -> None:
    moments = [moment(n, 0.1) for n in range(3)]
    signs = [sign(item.utterance.start, utterance=item.utterance.id) for item in moments]
    (raised,) = flags.find(moments, [], signs=signs, begun=flags.start(FULL, CONFIG))
    assert raised.evidence.quotes
    assert all(quote.probability is None and quote.contributions is None for quote in raised.evidence.quotes)
