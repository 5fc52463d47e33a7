"""The fused score: its parts add up, calm talk is low, upset words are high, one angry voice is not enough, doubt abstains."""

from __future__ import annotations

import math
from dataclasses import astuple, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from analysis.config import Config, FuseConfig
from analysis.heads import load_head
from analysis.steps import flags, fuse, segments
from analysis.values import (
    Abstention,
    Cast,
    Contributions,
    CustomerVoice,
    EffortSign,
    Flag,
    Moment,
    Party,
    PlainMeasures,
    Role,
    RoleSource,
    Scoring,
    ScoringMode,
    Tone,
    Utterance,
    Wording,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

AGENT = Role(0, Party.AGENT, 1.0, RoleSource.MANUAL)
CUSTOMER = Role(1, Party.CUSTOMER, 1.0, RoleSource.MANUAL)
FULL = Scoring(ScoringMode.FULL, None)
WORDS = Scoring(ScoringMode.WORDS, None)
CALM_VOICE = Tone(0.03, 0.1, 0.02, 0.02, 0.05, 0.03, 0.75, 0.3)
ANGRY_VOICE = Tone(0.9, 0.02, 0.02, 0.03, 0.01, 0.01, 0.01, 0.9)
POLITE, NEUTRAL, UPSET = Wording(0.8, 0.02), Wording(0.0, 0.1), Wording(-0.7, 0.85)
NORMAL = PlainMeasures(-26.0, 200.0, 3.0, 0.3, 0.0, 30.0)
LOUD = PlainMeasures(-18.0, 260.0, 3.5, 0.3, 0.0, 38.0)
EMOTIONS = ("anger", "sadness", "fear", "disgust", "happiness", "surprise", "neutral")
PRIORS = fuse.Priors(
    anger=load_head("tone-whisper-base").card.prior("anger"), frustration=load_head("wording-minilm").card.prior("frustration")
)
"""Those of the shipped heads."""
TEXT = "these are five plain words"


def utterance(number: int, voice: int = 1, *, text: str = TEXT, asr: float = 0.9, every_s: float = 8.0) -> Utterance:
    return Utterance(number, voice, number * every_s, number * every_s + 4.0, text, "en", asr, ())


def cast(said: Sequence[Utterance]) -> Cast:
    return Cast((AGENT, CUSTOMER), CustomerVoice(CUSTOMER, 0.8, tuple(each for each in said if each.voice == 1)))


def fused(
    said: Sequence[Utterance],
    *,
    tone: Mapping[int, Tone | Abstention] = {},
    wording: Mapping[int, Wording] = {},
    plain: Mapping[int, PlainMeasures] = {},
    signs: Sequence[EffortSign] = (),
    scoring: Scoring = FULL,
    config: Config = Config(),
    priors: fuse.Priors = PRIORS,
) -> tuple[Moment, ...]:
    measured = {each.id: plain.get(each.id, NORMAL) for each in said}
    parts = fuse.Parts(measured, tone, wording, signs, priors)
    return fuse.moments(said, cast(said), parts=parts, scoring=scoring, config=config)


def probability(moment: Moment) -> float:
    assert moment.frustration is not None
    assert moment.frustration.probability is not None
    return moment.frustration.probability


def one(wording: Wording, tone: Tone | Abstention = Abstention.WEIGHTS_LICENCE, *signs: EffortSign) -> float:
    return probability(fused([utterance(1)], tone={1: tone}, wording={1: wording}, signs=signs)[0])


def drawn(
    count: int,
) -> tuple[list[Utterance], dict[int, Tone | Abstention], dict[int, Wording], dict[int, PlainMeasures], list[EffortSign]]:
    """A call of both parties with everything drawn, so that any rule that holds here holds beyond the cases thought of."""
    draw = np.random.default_rng(11)
    said = [utterance(number, int(draw.integers(0, 2)), asr=float(draw.uniform(0.2, 1.0))) for number in range(count)]
    own = [each.id for each in said if each.voice == 1]
    shares = draw.dirichlet(np.full(7, 0.3), count)
    tone: dict[int, Tone | Abstention] = {
        each: Tone(**dict(zip(EMOTIONS, map(float, shares[each]), strict=True)), arousal=0.5)
        if draw.uniform() < 0.7
        else Abstention.TOO_NOISY
        for each in own
    }
    wording = {each: Wording(0.0, float(draw.uniform())) for each in own}
    plain = {
        each.id: PlainMeasures(
            float(draw.normal(-26, 6)), float(draw.uniform(90, 300)), float(draw.uniform(1, 5)), 0.2, 0.1, float(draw.uniform(0, 40))
        )
        for each in said
    }
    signs = [EffortSign(str(kind), float(draw.uniform(0, count * 8)), "q") for kind in draw.choice(list(fuse.SIGN_WEIGHTS), count // 4)]
    return said, tone, wording, plain, signs


def test_the_parts_add_up_to_the_score_even_after_rounding() -> None:
    said, tone, wording, plain, signs = drawn(400)
    scored = [
        moment.frustration
        for moment in fused(said, tone=tone, wording=wording, plain=plain, signs=signs)
        if moment.frustration is not None and moment.frustration.probability is not None
    ]
    assert len(scored) > 100
    for frustration in scored:
        assert frustration.contributions is not None
        assert frustration.probability is not None
        shown = round(frustration.probability, 4)
        assert sum(round(part, 3) for part in astuple(frustration.contributions)) == pytest.approx(math.log(shown / (1 - shown)), abs=0.01)
        assert 0.01 <= frustration.probability <= 0.99
        assert frustration.contributions.tone + frustration.contributions.measures <= FuseConfig().voice_limit + 0.0011


def test_pushing_one_by_one_gives_what_the_batch_gives() -> None:
    said, tone, wording, plain, signs = drawn(120)
    parts = fuse.Parts(plain, tone, wording, signs, PRIORS)
    state, live = fuse.start(FULL, Config(), PRIORS), []
    for heard in fuse.heard_in_order(said, cast(said), parts):
        state, given = fuse.push(state, heard)
        live.append(given[0])
    assert (*live, *fuse.finish(state)) == fuse.moments(said, cast(said), parts=parts, scoring=FULL, config=Config())


def test_what_comes_later_changes_nothing_that_was_said() -> None:
    said, tone, wording, plain, signs = drawn(60)
    early = [sign for sign in signs if sign.at < said[29].end]
    whole = fused(said, tone=tone, wording=wording, plain=plain, signs=signs)
    assert fused(said[:30], tone=tone, wording=wording, plain=plain, signs=early) == whole[:30]


def test_a_head_at_its_prior_is_no_evidence_and_above_it_is() -> None:
    """The same probability says less of a head that saw more frustration in training."""
    for priors in (PRIORS, fuse.Priors(anger=0.4, frustration=0.5)):
        assert priors.anger is not None
        told = Wording(0.0, priors.frustration), replace(CALM_VOICE, anger=priors.anger)
        frustration = fused([utterance(1)], wording={1: told[0]}, tone={1: told[1]}, priors=priors)[0].frustration
        assert frustration is not None
        assert frustration.contributions is not None
        assert (frustration.contributions.wording, frustration.contributions.tone) == (0.0, 0.0)
    rare, common = (fused([utterance(1)], wording={1: UPSET}, priors=fuse.Priors(None, share))[0] for share in (0.4, 0.5))
    assert probability(rare) > probability(common)


def test_calm_talk_is_far_below_the_threshold() -> None:
    assert one(NEUTRAL, CALM_VOICE) < 0.1
    assert one(POLITE, CALM_VOICE) < 0.05
    assert one(NEUTRAL) < 0.15


def test_upset_words_alone_are_above_it() -> None:
    assert one(UPSET) > 0.6


def test_calm_words_in_an_angry_voice_are_raised_but_not_certain() -> None:
    raised = one(NEUTRAL, ANGRY_VOICE)
    assert one(NEUTRAL, CALM_VOICE) + 0.15 < raised < 0.6


def test_voice_and_words_together_say_more_than_either() -> None:
    assert one(UPSET, ANGRY_VOICE) > max(one(UPSET), one(NEUTRAL, ANGRY_VOICE)) + 0.1


def test_a_calm_voice_does_not_unsay_upset_words() -> None:
    assert one(UPSET, CALM_VOICE) > 0.4


def test_effort_raises_the_score_and_fades() -> None:
    sign = EffortSign("told_before", 8.0, "I already told you", 1)
    assert one(NEUTRAL, CALM_VOICE, sign) > one(NEUTRAL, CALM_VOICE)
    said = [utterance(1), utterance(2), utterance(60)]
    moments = fused(said, wording=dict.fromkeys((1, 2, 60), NEUTRAL), signs=[sign])
    parts = [moment.frustration.contributions.effort for moment in moments if moment.frustration and moment.frustration.contributions]
    assert parts[0] > parts[1] > 0.4 > 0.1 > parts[2] >= 0.0


def test_a_sign_between_two_utterances_counts_from_the_next_one() -> None:
    moments = fused([utterance(1), utterance(2)], wording={1: NEUTRAL, 2: NEUTRAL}, signs=[EffortSign("long_silence", 13.0, "9 s")])
    efforts = [moment.frustration.contributions.effort for moment in moments if moment.frustration and moment.frustration.contributions]
    assert efforts[0] == 0.0
    assert efforts[1] > 0.0


def test_being_louder_than_ones_own_baseline_counts_and_being_loud_does_not() -> None:
    said = [utterance(number) for number in range(1, 8)]
    wording = dict.fromkeys(range(1, 8), NEUTRAL)
    always = fused(said, wording=wording, plain=dict.fromkeys(range(1, 8), LOUD))
    turned = fused(said, wording=wording, plain={7: LOUD})
    assert probability(always[-1]) == pytest.approx(probability(fused(said, wording=wording)[-1]), abs=0.02)
    assert probability(turned[-1]) > probability(always[-1]) + 0.05


def test_an_upset_moment_raises_the_next_and_wears_off() -> None:
    contexts = contexts_of(fused([utterance(1), utterance(2), utterance(20)], wording={1: UPSET, 2: NEUTRAL, 20: NEUTRAL}))
    assert contexts[0] == 0.0
    assert contexts[1] > 0.5
    assert abs(contexts[2]) < 0.05


def contexts_of(moments: Sequence[Moment]) -> list[float]:
    return [moment.frustration.contributions.context for moment in moments if moment.frustration and moment.frustration.contributions]


def test_frustration_that_lasts_adds_up_where_one_outburst_does_not() -> None:
    """Each is too little by itself; among calm utterances it stays so, one after another it is enough."""
    heard, words = replace(CALM_VOICE, anger=0.65, neutral=0.13), dict.fromkeys(range(1, 6), NEUTRAL)
    said = [utterance(number) for number in range(1, 6)]
    once = fused(said, tone={**dict.fromkeys(range(1, 6), CALM_VOICE), 4: heard}, wording=words)
    lasting = fused(said, tone={**dict.fromkeys((1, 2), CALM_VOICE), **dict.fromkeys((3, 4, 5), heard)}, wording=words)
    assert max(map(probability, once)) < 0.45
    assert probability(lasting[2]) < probability(lasting[3]) < probability(lasting[4])
    assert probability(lasting[4]) > 0.6


def parts_of(moment: Moment) -> Contributions:
    assert moment.frustration is not None
    assert moment.frustration.contributions is not None
    return moment.frustration.contributions


def shouted(*numbers: int, words: Wording = NEUTRAL) -> tuple[Moment, ...]:
    """Ten customer utterances, calm but for those that are shouted: 12 dB louder, 8 semitones higher, faster."""
    said = [utterance(number) for number in range(1, 11)]
    tone = {each.id: ANGRY_VOICE if each.id in numbers else CALM_VOICE for each in said}
    louder = replace(NORMAL, loudness_db=-14.0, pitch_hz=200.0 * 2 ** (8 / 12), rate_wps=4.5)
    return fused(said, tone=tone, wording=dict.fromkeys(range(1, 11), words), plain=dict.fromkeys(numbers, louder))


def flagged(moments: Sequence[Moment]) -> tuple[Flag, ...]:
    found = segments.find(moments, Config().segments)
    return flags.find(moments, found, signs=(), begun=flags.start(FULL, Config()))


def test_one_shout_among_calm_utterances_raises_no_flag_and_two_in_a_row_do() -> None:
    """The voice is heard by tone and by measures, and counts once."""
    for words in (NEUTRAL, Wording(0.0, PRIORS.frustration)):
        once, twice = shouted(7, words=words), shouted(7, 8, words=words)
        assert parts_of(once[6]).tone == FuseConfig().voice_limit
        assert flagged(once) == ()
        (flag,) = flagged(twice)
        assert flag.start <= twice[7].utterance.start < flag.end


@pytest.mark.parametrize(("anger", "tone"), [(0.95, 2.5), (0.4, 0.872), (0.02, -1.0)])
def test_tone_and_measures_share_the_limit_of_the_voice_and_tone_keeps_its_own(anger: float, tone: float) -> None:
    said = [utterance(number) for number in range(1, 6)]
    heard = {**dict.fromkeys(range(1, 5), CALM_VOICE), 5: replace(CALM_VOICE, anger=anger, neutral=0.0)}
    config = replace(Config(), fuse=replace(FuseConfig(), measures_weight=1.5))
    words, priors = dict.fromkeys(range(1, 6), NEUTRAL), fuse.Priors(0.2, 0.2)
    parts = parts_of(fused(said, tone=heard, wording=words, plain={5: LOUD}, config=config, priors=priors)[-1])
    assert parts.tone == pytest.approx(tone, abs=0.001)
    assert parts.measures == pytest.approx(FuseConfig().voice_limit - max(tone, 0.0), abs=0.001)


def test_a_quieter_voice_still_takes_from_an_angry_tone() -> None:
    said = [utterance(number) for number in range(1, 6)]
    quiet = replace(NORMAL, loudness_db=-34.0)
    moments = fused(said, tone={5: ANGRY_VOICE}, wording=dict.fromkeys(range(1, 6), NEUTRAL), plain={5: quiet})
    assert (parts_of(moments[-1]).tone, parts_of(moments[-1]).measures) == (FuseConfig().voice_limit, -0.25)


def test_context_is_what_a_chain_of_two_states_expects() -> None:
    """Frustrated with probability p, t seconds later with prior + (p - prior) * 2^(-t / half-life)."""
    config = replace(FuseConfig(), context_weight=1.0)
    said = [utterance(1), utterance(2, every_s=10.0)]
    first, second = fused(
        said, tone={1: replace(CALM_VOICE, anger=0.5)}, wording=dict.fromkeys((1, 2), NEUTRAL), config=replace(Config(), fuse=config)
    )
    prior = 1 / (1 + math.exp(-config.prior))
    expected = prior + (probability(first) - prior) * 0.5 ** ((20.0 - 12.0) / config.context_half_life_s)
    assert contexts_of([second]) == [pytest.approx(math.log(expected / (1 - expected)) - config.prior, abs=0.002)]


def test_noise_and_doubtful_words_weigh_less() -> None:
    noisy = fused([utterance(1)], tone={1: ANGRY_VOICE}, wording={1: NEUTRAL}, plain={1: replace(NORMAL, snr_db=6.0)})[0]
    clear = fused([utterance(1)], tone={1: ANGRY_VOICE}, wording={1: NEUTRAL})[0]
    assert probability(noisy) < probability(clear)
    doubtful = fused([utterance(1, asr=0.45)], tone={1: CALM_VOICE}, wording={1: UPSET})[0]
    sure = fused([utterance(1)], tone={1: CALM_VOICE}, wording={1: UPSET})[0]
    assert probability(doubtful) < probability(sure)


def abstained(
    said: Utterance, wording: Mapping[int, Wording], tone: Tone | Abstention = Abstention.TOO_NOISY, scoring: Scoring = FULL
) -> object:
    frustration = fused([said], tone={1: tone}, wording=wording, scoring=scoring)[0].frustration
    assert frustration is not None
    assert (frustration.probability is None) == (frustration.abstained is not None) == (frustration.contributions is None)
    return frustration.abstained


def test_it_abstains_with_a_reason_rather_than_guess() -> None:
    assert abstained(utterance(1), {}) is Abstention.LANGUAGE_UNSUPPORTED
    assert abstained(utterance(1, text=" "), {}) is Abstention.NO_EVIDENCE
    assert abstained(utterance(1, text="Okay."), {1: NEUTRAL}) is Abstention.NO_EVIDENCE
    assert abstained(utterance(1, asr=0.2), {1: UPSET}) is Abstention.LOW_ASR_CONFIDENCE
    assert abstained(utterance(1, asr=0.2), {1: UPSET}, ANGRY_VOICE) is None
    assert abstained(utterance(1), {}, scoring=Scoring(ScoringMode.MEASURES, "queue")) is Abstention.SCORING_OFF
    assert abstained(utterance(1), {1: NEUTRAL}) is None


def test_a_customer_who_is_not_confirmed_is_not_scored() -> None:
    said = [utterance(1)]
    parts = fuse.Parts({1: NORMAL}, {}, {1: UPSET}, (), PRIORS)
    moment = fuse.moments(said, Cast((AGENT, CUSTOMER), None), parts=parts, scoring=FULL, config=Config())[0]
    assert moment.frustration is not None
    assert moment.frustration.abstained is Abstention.ROLE_UNSURE
    assert moment.tone_abstained is Abstention.ROLE_UNSURE


def test_the_agent_and_announcements_carry_measures_and_no_score() -> None:
    said = [utterance(1, 0), utterance(2)]
    who = replace(cast(said[:1]), announcements=frozenset({2}))
    moments = fuse.moments(said, who, parts=fuse.Parts({1: NORMAL, 2: NORMAL}, {}, {}, (), PRIORS), scoring=FULL, config=Config())
    assert [moment.party for moment in moments] == [Party.AGENT, Party.UNKNOWN]
    for moment in moments:
        assert moment.measures is not None
        assert (moment.tone, moment.tone_abstained, moment.wording, moment.frustration, moment.disagreement) == (None,) * 5


def test_words_only_reads_nothing_from_the_voice() -> None:
    said = [utterance(number) for number in range(1, 8)]
    moments = fused(said, wording=dict.fromkeys(range(1, 8), NEUTRAL), plain={7: LOUD}, scoring=WORDS)
    frustration = moments[-1].frustration
    assert frustration is not None
    assert frustration.contributions is not None
    assert (frustration.contributions.tone, frustration.contributions.measures) == (0.0, 0.0)
    assert moments[-1].tone_abstained is Abstention.SCORING_OFF


def test_disagreement_is_voice_minus_words() -> None:
    both, silent = fused([utterance(1), utterance(2)], tone={1: ANGRY_VOICE, 2: Abstention.TOO_SHORT}, wording={1: NEUTRAL, 2: NEUTRAL})
    assert both.disagreement == pytest.approx(0.8)
    assert (silent.disagreement, silent.tone_abstained) == (None, Abstention.TOO_SHORT)


def test_no_part_passes_its_limits() -> None:
    config = FuseConfig()
    for wording in (Wording(0.0, 0.0), Wording(0.0, 1.0)):
        for tone in (Tone(0, 0, 0, 0, 0, 0, 1, 0), Tone(1, 0, 0, 0, 0, 0, 0, 1)):
            frustration = fused([utterance(1)], tone={1: tone}, wording={1: wording})[0].frustration
            assert frustration is not None
            assert frustration.contributions is not None
            assert -config.calm_limit <= frustration.contributions.tone <= config.voice_limit
            assert -config.calm_limit <= frustration.contributions.wording <= config.part_limit
