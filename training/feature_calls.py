"""What the fusion makes of tone alone, on calls put together from held-out speakers' features. A simulation without any words.

Tone's weight, the voice's limit and the weight of context are chosen here on EmoDB and nEMO; RAVDESS is left for the composite calls that
go through the whole pipeline (training.composites).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from analysis.config import Config, FuseConfig
from analysis.engines.tone_head import tones
from analysis.heads import LinearHead
from analysis.values import Span
from training.simulated import course, flagged, fused, mood_of, tone_alone, undisturbed
from training.tone import card, settled, tensors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from analysis.steps.fuse import Priors
    from analysis.values import Abstention, Tone
    from training.tone import Fold
    from training.tone_data import Table, ToneData

FUSIONS: Mapping[str, FuseConfig] = {
    "as configured": FuseConfig(),
    "voice limit 2.3": FuseConfig(voice_limit=2.3),
    "voice limit 2.7": FuseConfig(voice_limit=2.7),
    "voice limit 3.0": FuseConfig(voice_limit=3.0),
    "tone x 1.2": FuseConfig(tone_weight=1.2),
    "tone x 1.2, limit 3.0": FuseConfig(tone_weight=1.2, voice_limit=3.0),
    "context x 1.3": FuseConfig(context_weight=1.3),
}
"""What is configured, and what it was chosen from."""
CALLS_A_SPEAKER = 40
PAUSE_S = 5.0
"""From one customer turn to the next: the agent's turn."""


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
            moods = np.array([mood_of(data.rows.clips[row].label) for row in own])
            pools = {mood: own[moods == mood] for mood in ("calm", "mixed", "angry")}
            if all(len(pool) for pool in pools.values()):
                for number in range(CALLS_A_SPEAKER):
                    turns = course(angry=number % 2 == 0, rng=rng)
                    rows = np.array([rng.choice(pools[mood]) for mood in turns])
                    heard, seconds = tones(head, data.features[rows], data.rows.seconds[rows]), data.rows.seconds[rows]
                    angry = tuple(mood == "angry" for mood in turns)
                    yield FeatureCall(data.rows.clips[rows[0]].corpus, angry, tuple(heard), tuple(seconds.tolist()))


def found(call: FeatureCall, config: Config, priors: Priors) -> bool:
    """Whether the angry stretch is flagged, or in a calm call whether anything is."""
    starts = np.cumsum([0.0, *(seconds + PAUSE_S for seconds in call.seconds[:-1])]).tolist()
    turns = enumerate(zip(starts, call.seconds, call.tones, strict=True))
    moments = fused(
        (undisturbed(number, at, seconds, tone=tone, frustration=priors.frustration) for number, (at, seconds, tone) in turns),
        priors,
        config,
    )
    raised = flagged(moments, config)
    upset = [moment.utterance.span for moment, angry in zip(moments, call.angry, strict=True) if angry]
    if not upset:
        return bool(raised)
    stretch = Span(upset[0].start, upset[-1].end)
    return any(flag.span.overlap(stretch) > 0 for flag in raised)


def table(made: Sequence[FeatureCall], priors: Priors, config: Config = Config()) -> Table:
    """Share of angry stretches and of calm calls that are flagged, by fusion and corpus."""
    rows = {}
    for name, tried in FUSIONS.items():
        weighed = tone_alone(replace(config, fuse=tried))
        for corpus in sorted({call.corpus for call in made}):
            own = [call for call in made if call.corpus == corpus]
            outcome = {angry: [found(call, weighed, priors) for call in own if any(call.angry) is angry] for angry in (True, False)}
            rows[f"{name}, {corpus}"] = {
                "calls": float(len(own)),
                "stretches_flagged": float(np.mean(outcome[True])),
                "calm_calls_flagged": float(np.mean(outcome[False])),
            }
    return rows
