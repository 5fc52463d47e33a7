"""Tone, wording, effort, measures and context → P(a reviewer would call this frustrated), as a reducer over the utterances of a call.

The parts are added in natural log-odds, so each can be shown for what it did. The weights are in `FuseConfig`; their reasons and what they
give are in docs/models/fusion.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from analysis import baseline
from analysis.values import Abstention, Contributions, Frustration, Measures, Moment, Party, ScoringMode, Tone, Wording

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from analysis.config import Config, FuseConfig
    from analysis.ports import Engines
    from analysis.values import Cast, EffortSign, PlainMeasures, Scoring, Utterance

MOST_LOG_ODDS = 4.5
"""P stays within 1-99 %: nothing here is surer than that, and the parts still add up after rounding."""
SIGN_WEIGHTS: Mapping[str, float] = {
    "told_before": 1.0,
    "asks_for_human": 1.0,
    "repeat": 0.8,
    "transfer": 0.5,
    "hold": 0.4,
    "long_silence": 0.3,
}
"""What one sign counts: what the customer says of it weighs more than what happens to them."""
MOST_SIGNS = 3.0
FULL_SNR_DB = 20.0
LOUDER_DB, HIGHER_SEMITONES, FASTER_WPS = 6.0, 8.0, 4.0
"""Changes against the own baseline that give one unit of evidence each. Loudness ranks first in real calls (Polzehl et al. 2011)."""


@dataclass(frozen=True, slots=True)
class Priors:
    """What each head saw in training: a higher probability than that is evidence, a lower one is against."""

    anger: float | None
    """None where no tone head fits the transcriber."""
    frustration: float

    @classmethod
    def of(cls, engines: Engines) -> Priors:
        return cls(None if engines.tone is None else engines.tone.anger_prior, engines.wording.frustration_prior)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the earlier steps found, by utterance id, and the priors that their scores are measured against."""

    plain: Mapping[int, PlainMeasures]
    tone: Mapping[int, Tone | Abstention]
    wording: Mapping[int, Wording]
    signs: Sequence[EffortSign]
    priors: Priors


@dataclass(frozen=True, slots=True)
class Heard:
    """One utterance with its parts, as it is pushed."""

    utterance: Utterance
    party: Party
    confirmed: bool
    """Whether it is the confirmed customer's."""
    plain: PlainMeasures | None
    tone: Tone | Abstention | None
    wording: Wording | None
    signs: tuple[EffortSign, ...]
    """Signs of effort since the utterance pushed before."""


@dataclass(frozen=True, slots=True)
class Fading:
    """An amount that halves with time."""

    amount: float = 0.0
    at: float = 0.0

    def value(self, now: float, half_life_s: float) -> float:
        return float(self.amount * 0.5 ** (max(0.0, now - self.at) / half_life_s))


@dataclass(frozen=True, slots=True)
class FuseState:
    scoring: Scoring
    config: Config
    priors: Priors
    baseline: baseline.BaselineState = field(default_factory=baseline.start)
    effort: Fading = Fading()
    context: Fading = Fading()
    """How much likelier than the prior frustration was when last heard, in probability."""


def start(scoring: Scoring, config: Config, priors: Priors) -> FuseState:
    return FuseState(scoring, config, priors)


def push(state: FuseState, heard: Heard) -> tuple[FuseState, tuple[Moment, ...]]:
    """Take the next utterance in order of its start; give its moment."""
    state = replace(state, effort=_effort(state, heard))
    measures = _compared(state, heard)
    moment = _moment(state, heard, measures)
    if heard.plain is not None:
        probability = None if moment.frustration is None else moment.frustration.probability
        grown = baseline.push(state.baseline, heard.utterance, heard.plain, frustration=probability, config=state.config.measures)
        state = replace(state, baseline=grown)
    return replace(state, context=_context(state, heard, moment)), (moment,)


def finish(_: FuseState) -> tuple[Moment, ...]:
    """Every moment is given when its utterance is pushed; none is held back."""
    return ()


def moments(utterances: Sequence[Utterance], cast: Cast, *, parts: Parts, scoring: Scoring, config: Config) -> tuple[Moment, ...]:
    """A moment for every utterance, of both parties; only the confirmed customer's carry scores."""
    state = start(scoring, config, parts.priors)
    found: list[Moment] = []
    for heard in heard_in_order(utterances, cast, parts):
        state, given = push(state, heard)
        found.extend(given)
    return (*found, *finish(state))


def heard_in_order(utterances: Sequence[Utterance], cast: Cast, parts: Parts) -> Iterator[Heard]:
    """The utterances with their parts; a sign goes with the first utterance that ends after it."""
    confirmed = frozenset(utterance.id for utterance in cast.customer.utterances) if cast.customer else frozenset()
    waiting = sorted(parts.signs, key=lambda sign: sign.at)
    for utterance in utterances:
        due = sum(sign.at < utterance.end for sign in waiting)
        yield Heard(
            utterance=utterance,
            party=cast.party(utterance),
            confirmed=utterance.id in confirmed,
            plain=parts.plain.get(utterance.id),
            tone=parts.tone.get(utterance.id),
            wording=parts.wording.get(utterance.id),
            signs=tuple(waiting[:due]),
        )
        waiting = waiting[due:]


def logit(probability: float) -> float:
    """Natural log-odds; the probability is kept off 0 and 1."""
    kept = min(max(probability, 1e-4), 1.0 - 1e-4)
    return math.log(kept / (1.0 - kept))


def expit(log_odds: float) -> float:
    return 1.0 / (1.0 + math.exp(-log_odds))


def _compared(state: FuseState, heard: Heard) -> Measures | None:
    return None if heard.plain is None else baseline.compare(state.baseline, heard.utterance, heard.plain, state.config.measures)


def _moment(state: FuseState, heard: Heard, measures: Measures | None) -> Moment:
    if heard.party is not Party.CUSTOMER:
        return Moment(heard.utterance, heard.party, measures)
    tone = heard.tone if isinstance(heard.tone, Tone) else None
    return Moment(
        utterance=heard.utterance,
        party=heard.party,
        measures=measures,
        tone=tone,
        tone_abstained=None if tone is not None else _tone_abstained(state, heard),
        wording=heard.wording,
        frustration=_frustration(state, heard, measures),
        disagreement=None if tone is None or heard.wording is None else round(tone.anger - heard.wording.frustration, 4),
    )


def _tone_abstained(state: FuseState, heard: Heard) -> Abstention:
    if isinstance(heard.tone, Abstention):
        return heard.tone
    return Abstention.ROLE_UNSURE if state.scoring.mode is ScoringMode.FULL else Abstention.SCORING_OFF


def _frustration(state: FuseState, heard: Heard, measures: Measures | None) -> Frustration:
    reason = _abstained(state, heard)
    if reason is not None:
        return Frustration(None, reason, None)
    contributions = _contributions(state, heard, measures)
    return Frustration(_probability(contributions), None, contributions)


def _abstained(state: FuseState, heard: Heard) -> Abstention | None:
    config = state.config.fuse
    if not state.scoring.mode.scores_words:
        return Abstention.SCORING_OFF
    if not heard.confirmed:
        return Abstention.ROLE_UNSURE
    if not heard.utterance.text.strip():
        return Abstention.NO_EVIDENCE
    if heard.wording is None:
        return Abstention.LANGUAGE_UNSUPPORTED
    if not isinstance(heard.tone, Tone) and heard.utterance.asr_confidence < config.min_asr_confidence:
        return Abstention.LOW_ASR_CONFIDENCE
    return Abstention.NO_EVIDENCE if _reliability(heard) < config.min_reliability else None


def _contributions(state: FuseState, heard: Heard, measures: Measures | None) -> Contributions:
    config, now = state.config.fuse, heard.utterance.start
    parts = {
        "tone": _tone_part(heard, state),
        "wording": _wording_part(heard, state),
        "effort": config.effort_weight * min(state.effort.value(now, config.effort_half_life_s), MOST_SIGNS),
        "measures": _measures_part(measures, config) if state.scoring.mode is ScoringMode.FULL else 0.0,
        "context": config.context_weight * _expected(state, now),
    }
    limited = {name: _limited(value, config) for name, value in parts.items()}
    left_by_tone = config.voice_limit - max(limited["tone"], 0.0)
    return _rounded(limited | {"measures": min(limited["measures"], left_by_tone)}, config.prior)


def _tone_part(heard: Heard, state: FuseState) -> float:
    if not isinstance(heard.tone, Tone) or state.priors.anger is None:
        return 0.0
    evidence = logit(heard.tone.anger) - logit(state.priors.anger)
    return min(state.config.fuse.tone_weight * _tone_reliability(heard) * evidence, state.config.fuse.voice_limit)


def _wording_part(heard: Heard, state: FuseState) -> float:
    if heard.wording is None:
        return 0.0
    evidence = logit(heard.wording.frustration) - logit(state.priors.frustration)
    return state.config.fuse.wording_weight * _wording_reliability(heard) * evidence


def _measures_part(measures: Measures | None, config: FuseConfig) -> float:
    """Louder, higher and faster than this caller's own baseline; the changes are already shrunk while the baseline is short."""
    if measures is None:
        return 0.0
    units = (
        (measures.loudness_change_db or 0.0) / LOUDER_DB,
        (measures.pitch_change_semitones or 0.0) / HIGHER_SEMITONES,
        (measures.rate_change_wps or 0.0) / FASTER_WPS,
    )
    return config.measures_weight * sum(min(max(unit, -0.5), 1.5) for unit in units)


def _limited(value: float, config: FuseConfig) -> float:
    return min(max(value, -config.calm_limit), config.part_limit)


def _rounded(parts: Mapping[str, float], prior: float) -> Contributions:
    """Shrink the parts alike where they would pass `MOST_LOG_ODDS`, and round them, so that what is shown is what adds up."""
    total = sum(parts.values())
    bounded = min(max(prior + total, -MOST_LOG_ODDS), MOST_LOG_ODDS) - prior
    share = bounded / total if abs(prior + total) > MOST_LOG_ODDS else 1.0
    return Contributions(**{name: round(value * share, 3) for name, value in parts.items()}, prior=prior)


def _probability(parts: Contributions) -> float:
    return round(expit(parts.tone + parts.wording + parts.effort + parts.measures + parts.context + parts.prior), 4)


def _reliability(heard: Heard) -> float:
    return max(_tone_reliability(heard), 0.0 if heard.wording is None else _wording_reliability(heard))


def _tone_reliability(heard: Heard) -> float:
    """0-1 by speech length and noise; 0 where tone abstained."""
    if not isinstance(heard.tone, Tone):
        return 0.0
    seconds = heard.utterance.span.seconds
    snr = None if heard.plain is None else heard.plain.snr_db
    clean = 1.0 if snr is None else min(max(snr / FULL_SNR_DB, 0.2), 1.0)
    return clean * seconds / (seconds + 0.5)


def _wording_reliability(heard: Heard) -> float:
    """0-1 by what the transcriber thinks of its words and by how many there are."""
    sure = min(max((heard.utterance.asr_confidence - 0.25) / 0.4, 0.0), 1.0)
    return sure * min(1.0, len(heard.utterance.text.split()) / 3.0)


def _effort(state: FuseState, heard: Heard) -> Fading:
    now, half_life = heard.utterance.start, state.config.fuse.effort_half_life_s
    added = sum(SIGN_WEIGHTS.get(sign.kind, 0.5) for sign in heard.signs)
    return Fading(state.effort.value(now, half_life) + added, now)


def _expected(state: FuseState, now: float) -> float:
    """What the earlier utterances make likely, in log-odds over the prior: a Markov chain of two states, frustrated or not.

    Between utterances the last one's probability decays to the prior, so frustration heard again and again adds up and one outburst fades.
    """
    config = state.config.fuse
    return logit(expit(config.prior) + state.context.value(now, config.context_half_life_s)) - config.prior


def _context(state: FuseState, heard: Heard, moment: Moment) -> Fading:
    """The chain's state after this utterance. Calm leaves it at the prior: a complaint after calm talk is one. Effort fades on its own."""
    if moment.frustration is None or moment.frustration.contributions is None:
        return state.context
    parts, prior = moment.frustration.contributions, state.config.fuse.prior
    heard_now = expit(prior + parts.tone + parts.wording + parts.measures + parts.context)
    return Fading(max(0.0, heard_now - expit(prior)), heard.utterance.end)
