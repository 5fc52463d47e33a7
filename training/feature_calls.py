"""What the fusion makes of tone alone, on calls put together from held-out speakers' features. A simulation without any words.

Tone's weight and limit and the weight of context are chosen here on EmoDB and nEMO; RAVDESS is left for the composite calls that go through
the whole pipeline (training.composites).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from analysis.config import Config, FuseConfig
from analysis.engines.tone_head import tones
from analysis.heads import LinearHead
from analysis.steps import flags, fuse, segments
from analysis.values import Party, PlainMeasures, Scoring, ScoringMode, Span, Utterance, Wording
from training.composites import ANGRY_TURNS, CALM_SHARE, EARLIEST_ANGRY, LATEST_ANGRY, TURNS, tone_alone
from training.tone import card, settled, tensors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from analysis.values import Abstention, Moment, Tone
    from training.metrics import Labels
    from training.tone import Fold
    from training.tone_data import Table, ToneData

FUSIONS: Mapping[str, FuseConfig] = {
    "as configured": FuseConfig(),
}
CALLS_A_SPEAKER = 12
CALM_LABELS = ("neutral", "calm", "boredom")
PAUSE_S = 5.0
"""From one customer turn to the next: the agent's turn."""
WORDS, CONFIDENCE, SNR_DB = 8, 0.9, 25.0
FULL = Scoring(ScoringMode.FULL, None)


@dataclass(frozen=True, slots=True)
class FeatureCall:
    """The customer's turns of one call: what the head of other speakers says of them, in order."""

    corpus: str
    angry: tuple[bool, ...]
    tones: tuple[Tone | Abstention, ...]
    seconds: tuple[float, ...]


def calls(data: ToneData, folds: Sequence[Fold], copy: str, seed: int = 0) -> Iterator[FeatureCall]:
    """Calls of every held-out speaker who acts anger, half of them with an angry stretch."""
    rng = np.random.default_rng(seed)
    for fold in folds:
        measured = settled(fold, folds)
        head = LinearHead(card(measured), tensors(measured))
        for speaker in sorted(set(fold.held.rows.speakers)):
            own = np.flatnonzero((np.array(data.rows.speakers) == speaker) & data.rows.has(copy=copy))
            labels = np.array([data.rows.clips[row].label for row in own])
            pools = [own[np.isin(labels, CALM_LABELS)], own[~np.isin(labels, [*CALM_LABELS, "angry"])], own[labels == "angry"]]
            if all(len(pool) for pool in pools):
                for number in range(CALLS_A_SPEAKER):
                    rows, angry = _turns(pools, angry=number % 2 == 0, rng=rng)
                    heard, seconds = tones(head, data.features[rows], data.rows.seconds[rows]), data.rows.seconds[rows]
                    yield FeatureCall(data.rows.clips[rows[0]].corpus, angry, tuple(heard), tuple(seconds.tolist()))


def _turns(pools: Sequence[Labels], *, angry: bool, rng: np.random.Generator) -> tuple[Labels, tuple[bool, ...]]:
    """Rows of the turns, drawn as composite calls draw theirs, and which of them are angry."""
    calm, mixed, upset = pools
    first = int(rng.integers(EARLIEST_ANGRY, LATEST_ANGRY)) if angry else TURNS
    truth = tuple(first <= turn < first + ANGRY_TURNS for turn in range(TURNS))
    rows = [rng.choice(upset if each else calm if rng.random() < CALM_SHARE else mixed) for each in truth]
    return np.array(rows), truth


def flagged(call: FeatureCall, config: Config, priors: fuse.Priors) -> bool:
    """Whether the angry stretch is flagged, or in a calm call whether anything is."""
    state, at = fuse.start(FULL, config, priors), 0.0
    moments: list[Moment] = []
    for tone, seconds in zip(call.tones, call.seconds, strict=True):
        utterance = Utterance(len(moments), 0, at, at + seconds, " ".join(["word"] * WORDS), "en", CONFIDENCE, ())
        heard = fuse.Heard(
            utterance=utterance,
            party=Party.CUSTOMER,
            confirmed=True,
            plain=PlainMeasures(None, None, None, 0.0, 0.0, SNR_DB),
            tone=tone,
            wording=Wording(sentiment=0.0, frustration=priors.frustration),
            signs=(),
        )
        state, given = fuse.push(state, heard)
        moments.extend(given)
        at = utterance.end + PAUSE_S
    raised = flags.find(moments, segments.find(moments, config.segments), signs=(), begun=flags.start(FULL, config, at))
    upset = [moment.utterance.span for moment, angry in zip(moments, call.angry, strict=True) if angry]
    if not upset:
        return bool(raised)
    stretch = Span(upset[0].start, upset[-1].end)
    return any(flag.span.overlap(stretch) > 0 for flag in raised)


def table(made: Sequence[FeatureCall], priors: fuse.Priors, config: Config = Config()) -> Table:
    """Share of angry stretches and of calm calls that are flagged, by fusion and corpus."""
    found = {}
    for name, tried in FUSIONS.items():
        weighed = tone_alone(replace(config, fuse=tried))
        for corpus in sorted({call.corpus for call in made}):
            own = [call for call in made if call.corpus == corpus]
            outcome = {angry: [flagged(call, weighed, priors) for call in own if any(call.angry) is angry] for angry in (True, False)}
            found[f"{name}, {corpus}"] = {
                "stretches_flagged": float(np.mean(outcome[True])),
                "calm_calls_flagged": float(np.mean(outcome[False])),
            }
    return found
