"""What the simulations share: the course of a caller's feelings, and utterances fused anew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analysis.config import Config
from analysis.steps.fuse import Priors
from analysis.values import Abstention, Moment, Party, Tone
from tests.analysis import made as hand_made
from training import simulated
from training.simulated import ANGRY_TURNS, CALM_SHARE, EARLIEST_ANGRY, LATEST_ANGRY, TURNS, course, mood_of

PRIORS = Priors(0.2, 0.2)
CALM = Tone(0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.88, None)
ANGRY = replace(CALM, anger=0.88, neutral=0.02)


@pytest.mark.parametrize("seed", range(40))
def test_an_angry_course_holds_one_angry_stretch_between_calmer_turns(seed: int) -> None:
    moods = course(angry=True, rng=np.random.default_rng(seed))
    assert len(moods) == TURNS
    angry = [turn for turn, mood in enumerate(moods) if mood == "angry"]
    assert angry == list(range(angry[0], angry[0] + ANGRY_TURNS))
    assert angry[0] >= EARLIEST_ANGRY
    assert angry[-1] < TURNS - 1


def test_angry_stretches_start_everywhere_they_may() -> None:
    starts = {course(angry=True, rng=np.random.default_rng(seed)).index("angry") for seed in range(100)}
    assert starts == set(range(EARLIEST_ANGRY, LATEST_ANGRY))


def test_a_calm_course_holds_other_feelings_but_no_anger() -> None:
    moods = [mood for seed in range(60) for mood in course(angry=False, rng=np.random.default_rng(seed))]
    assert set(moods) == {"calm", "mixed"}
    assert moods.count("calm") / len(moods) == pytest.approx(CALM_SHARE, abs=0.05)


def test_every_label_has_a_mood() -> None:
    moods = {label: mood_of(label) for label in ("angry", "neutral", "calm", "boredom", "sad", "happy", "disgust")}
    assert [label for label, mood in moods.items() if mood == "calm"] == ["neutral", "calm", "boredom"]
    assert [label for label, mood in moods.items() if mood == "angry"] == ["angry"]


def test_tone_alone_leaves_the_rest_out_of_the_score() -> None:
    alone, default = simulated.tone_alone().fuse, Config().fuse
    assert (alone.wording_weight, alone.effort_weight, alone.measures_weight) == (0.0, 0.0, 0.0)
    assert (
        replace(alone, wording_weight=default.wording_weight, effort_weight=default.effort_weight, measures_weight=default.measures_weight)
        == default
    )


def spoken(tones: list[Tone | Abstention], frustration: float = 0.5) -> tuple[Moment, ...]:
    turns = [simulated.undisturbed(number, number * 8.0, 3.0, tone=tone, frustration=frustration) for number, tone in enumerate(tones)]
    return simulated.fused(turns, PRIORS)


def scores(moments: tuple[Moment, ...]) -> list[float]:
    found = [moment.frustration.probability for moment in moments if moment.frustration is not None]
    return [each for each in found if each is not None]


def test_an_undisturbed_utterance_is_scored_by_both_parts_in_full() -> None:
    (moment,) = spoken([ANGRY], frustration=0.7)
    assert moment.frustration is not None
    parts = moment.frustration.contributions
    assert parts is not None
    assert parts.wording == pytest.approx(np.log(0.7 / 0.3) - np.log(0.2 / 0.8), abs=0.001)
    assert parts.tone == Config().fuse.voice_limit
    assert parts.measures == parts.effort == parts.context == 0.0


def test_flags_lie_where_anger_goes_on() -> None:
    assert not simulated.flagged(spoken([CALM] * 6))
    assert not simulated.flagged(spoken([CALM, CALM, ANGRY, CALM, CALM, CALM], frustration=0.2)), "no single voice flags"
    (flag,) = simulated.flagged(spoken([CALM, CALM, ANGRY, ANGRY, ANGRY, CALM]))
    assert flag.span.overlap(spoken([CALM] * 6)[3].utterance.span) > 0


def test_moments_heard_again_come_out_as_they_were() -> None:
    before = spoken([CALM, ANGRY, Abstention.NO_EVIDENCE, ANGRY, CALM])
    agent = hand_made.analysis().moments[0]
    agent = replace(agent, utterance=replace(agent.utterance, voice=1))
    assert agent.party is Party.AGENT
    again = simulated.fused(map(simulated.heard_again, (agent, *before)), PRIORS)
    assert again[1:] == before
    assert again[0].frustration is None
    assert (again[0].utterance, again[0].party) == (agent.utterance, agent.party)


def test_a_voice_that_was_not_sure_is_not_scored_when_heard_again() -> None:
    (unsure,) = [each for each in spoken([ANGRY]) if each.frustration is not None]
    assert unsure.frustration is not None
    unsure = replace(
        unsure, frustration=replace(unsure.frustration, probability=None, contributions=None, abstained=Abstention.ROLE_UNSURE)
    )
    (again,) = simulated.fused([simulated.heard_again(unsure)], PRIORS)
    assert again.frustration is not None
    assert again.frustration.abstained is Abstention.ROLE_UNSURE


def test_tone_alone_scores_less_than_tone_with_angry_words() -> None:
    before = spoken([ANGRY, ANGRY], frustration=0.8)
    alone = simulated.fused(map(simulated.heard_again, before), PRIORS, simulated.tone_alone())
    assert all(less < more for less, more in zip(scores(alone), scores(before), strict=True))
