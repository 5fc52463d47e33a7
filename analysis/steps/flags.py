"""Stretches and signs → flags with the evidence they stand on, as a reducer."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from analysis import baseline
from analysis.values import (
    EffortSign,
    Evidence,
    Flag,
    FrustrationSegment,
    Moment,
    Quote,
    ScoringMode,
    Span,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from analysis.config import Config
    from analysis.values import BaselineChange, Scoring

FRUSTRATION_RULE, FRUSTRATION_VERSION = "high_frustration", "high_frustration/1"
EFFORT_RULE, EFFORT_VERSION = "high_effort", "high_effort/1"
QUOTES = 3

Item = Moment | EffortSign | FrustrationSegment


@dataclass(frozen=True, slots=True)
class FlagsState:
    """What a later flag may quote."""

    scoring: Scoring
    config: Config
    end: float = math.inf
    """End of the recording, which a live call does not know yet: no clip runs past it."""
    moments: tuple[Moment, ...] = ()
    signs: tuple[EffortSign, ...] = ()

    def clip(self, span: Span) -> Span:
        margin_s = self.config.flags.clip_margin_s
        return Span(max(0.0, span.start - margin_s), min(self.end, span.end + margin_s))


def start(scoring: Scoring, config: Config, end: float = math.inf) -> FlagsState:
    return FlagsState(scoring, config, end)


def push(state: FlagsState, item: Item) -> tuple[FlagsState, tuple[Flag, ...]]:
    """Take a moment, a sign or a stretch; a stretch comes after the moments it holds and the signs within it."""
    if isinstance(item, Moment):
        return replace(state, moments=(*state.moments, item)), ()
    if isinstance(item, EffortSign):
        return replace(state, signs=(*state.signs, item)), ()
    return state, _frustration_flags(state, item)


def finish(state: FlagsState) -> tuple[Flag, ...]:
    """The flag for effort, which counts over the whole call."""
    rules = state.config.flags
    if state.scoring.mode is ScoringMode.NONE or len(state.signs) < rules.effort_signs:
        return ()
    return (_effort_flag(state, sorted(state.signs, key=lambda sign: sign.at)),)


def find(
    moments: Sequence[Moment], stretches: Sequence[FrustrationSegment], *, signs: Sequence[EffortSign], begun: FlagsState
) -> tuple[Flag, ...]:
    """All flags of a call, in order of their start. `begun` is what `start` gave."""
    state = replace(begun, moments=tuple(moments), signs=tuple(signs))
    found: list[Flag] = []
    for stretch in stretches:
        state, raised = push(state, stretch)
        found.extend(raised)
    return tuple(sorted((*found, *finish(state)), key=lambda flag: (flag.start, flag.rule)))


def _frustration_flags(state: FlagsState, stretch: FrustrationSegment) -> tuple[Flag, ...]:
    rules, limits = state.config.flags, state.config.segments
    if not state.scoring.mode.scores_words or stretch.peak < rules.min_peak:
        return ()
    within = [moment for moment in state.moments if moment.utterance.id in stretch.utterances]
    evidence = Evidence(
        quotes=tuple(_quote(moment) for moment in _strongest(within)),
        change=_change_at_peak(state, within),
        effort=tuple(sign for sign in state.signs if stretch.start <= sign.at < stretch.end),
        rule_version=FRUSTRATION_VERSION,
        thresholds={"rise": limits.rise, "hold": limits.hold, "min_peak": rules.min_peak, "high_peak": rules.high_peak},
        clip=state.clip(stretch.span),
    )
    severity = "high" if stretch.peak >= rules.high_peak else "medium"
    return (Flag(FRUSTRATION_RULE, stretch.start, stretch.end, severity, evidence),)


def _effort_flag(state: FlagsState, signs: Sequence[EffortSign]) -> Flag:
    rules = state.config.flags
    quoted = {sign.utterance for sign in signs}
    moments = [moment for moment in state.moments if moment.utterance.id in quoted]
    span = Span(signs[0].at, max([signs[-1].at + 1.0, *(moment.utterance.end for moment in moments)]))
    evidence = Evidence(
        quotes=tuple(_words(moment) for moment in moments[:QUOTES]),
        change=None,
        effort=tuple(signs),
        rule_version=EFFORT_VERSION,
        thresholds={"effort_signs": float(rules.effort_signs)},
        clip=state.clip(span),
    )
    severity = "high" if len(signs) >= 2 * rules.effort_signs else "medium"
    return Flag(EFFORT_RULE, span.start, span.end, severity, evidence)


def _change_at_peak(state: FlagsState, moments: Sequence[Moment]) -> BaselineChange | None:
    """Of the utterance whose parts the evidence shows, so that both tell of the same words; None where it had no baseline."""
    measures = max(moments, key=_probability).measures
    return None if measures is None else baseline.change(measures, state.config.measures)


def _strongest(moments: Iterable[Moment]) -> list[Moment]:
    """The most frustrated moments, in the order they were spoken."""
    ranked = sorted(moments, key=_probability, reverse=True)[:QUOTES]
    return sorted(ranked, key=lambda moment: moment.utterance.start)


def _probability(moment: Moment) -> float:
    frustration = moment.frustration
    return 0.0 if frustration is None or frustration.probability is None else frustration.probability


def _quote(moment: Moment) -> Quote:
    """The words with their score, its parts, and how far the voice is from them."""
    frustration = moment.frustration
    if frustration is None:
        return _words(moment)
    scored = replace(_words(moment), probability=frustration.probability, contributions=frustration.contributions)
    return replace(scored, disagreement=moment.disagreement)


def _words(moment: Moment) -> Quote:
    """The words alone: effort is free of emotion."""
    said = moment.utterance
    return Quote(utterance=said.id, start=said.start, end=said.end, text=said.text, probability=None, contributions=None)
