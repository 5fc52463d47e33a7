"""What the simulations share: how a caller's feelings go over a call, and utterances put through the run time's fusion and flags anew."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from analysis.config import Config
from analysis.steps import flags, fuse, segments
from analysis.values import Abstention, Party, PlainMeasures, Scoring, ScoringMode, Tone, Utterance, Wording

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np

    from analysis.values import Flag, Measures, Moment

Mood: TypeAlias = Literal["calm", "mixed", "angry"]

TURNS = 14
"""Utterances of each party in a call."""
ANGRY_TURNS = 4
EARLIEST_ANGRY, LATEST_ANGRY = 4, 9
"""Turn at which an angry stretch may start: there is a little of the caller before it, and something after it."""
CALM_SHARE = 0.6
"""Of the other turns are calm; the rest is any emotion but anger."""
CALM_LABELS = ("neutral", "calm", "boredom")
WORDS, CONFIDENCE, SNR_DB = 8, 0.9, 25.0
"""Of an undisturbed utterance, so that neither part is weighed down."""
FULL = Scoring(ScoringMode.FULL, None)


def mood_of(label: str) -> Mood:
    return "angry" if label == "angry" else "calm" if label in CALM_LABELS else "mixed"


def course(*, angry: bool, rng: np.random.Generator) -> list[Mood]:
    """How the customer sounds at each turn; an angry stretch lies after the start and before the end."""
    first = int(rng.integers(EARLIEST_ANGRY, LATEST_ANGRY)) if angry else TURNS
    return ["angry" if first <= turn < first + ANGRY_TURNS else "calm" if rng.random() < CALM_SHARE else "mixed" for turn in range(TURNS)]


def tone_alone(config: Config = Config()) -> Config:
    """Nothing but the tone head enters the score."""
    return replace(config, fuse=replace(config.fuse, wording_weight=0.0, effort_weight=0.0, measures_weight=0.0))


def undisturbed(number: int, start: float, seconds: float, *, tone: Tone | Abstention, frustration: float) -> fuse.Heard:
    """A confirmed customer's utterance over a good line. `frustration`: P by its words."""
    return fuse.Heard(
        utterance=Utterance(number, 0, start, start + seconds, " ".join(["word"] * WORDS), "en", CONFIDENCE, ()),
        party=Party.CUSTOMER,
        confirmed=True,
        plain=PlainMeasures(None, None, None, 0.0, 0.0, SNR_DB),
        tone=tone,
        wording=Wording(sentiment=0.0, frustration=frustration),
        signs=(),
    )


def heard_again(moment: Moment) -> fuse.Heard:
    """What a moment was made of, without signs of effort."""
    own = moment.measures
    return fuse.Heard(
        utterance=moment.utterance,
        party=moment.party,
        confirmed=moment.frustration is not None and moment.frustration.abstained is not Abstention.ROLE_UNSURE,
        plain=None if own is None else _plain(own),
        tone=moment.tone or moment.tone_abstained,
        wording=moment.wording,
        signs=(),
    )


def _plain(own: Measures) -> PlainMeasures:
    return PlainMeasures(own.loudness_db, own.pitch_hz, own.rate_wps, own.pause_before_s, own.overlap_s, own.snr_db)


def fused(heard: Iterable[fuse.Heard], priors: fuse.Priors, config: Config = Config()) -> tuple[Moment, ...]:
    """The run time's own fusion of one call's utterances, in order."""
    state = fuse.start(FULL, config, priors)
    found: list[Moment] = []
    for each in heard:
        state, given = fuse.push(state, each)
        found.extend(given)
    return (*found, *fuse.finish(state))


def flagged(moments: tuple[Moment, ...], config: Config = Config()) -> tuple[Flag, ...]:
    """The run time's own flags over scored utterances."""
    seconds = moments[-1].utterance.end
    return flags.find(moments, segments.find(moments, config.segments), signs=(), begun=flags.start(FULL, config, seconds))
