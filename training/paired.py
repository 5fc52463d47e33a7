"""A held-out voice joined with a held-out text, as if one utterance had both. A simulation of what fusing the two is worth.

Frustrated is what either part was labelled as: a caller may be angry in voice alone, or say in a calm voice that nobody called back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analysis.config import Config
from analysis.values import Tone
from training import simulated
from training.corpus import TONE_CLASSES
from training.metrics import average_precision
from training.tone_data import ANGER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analysis.steps.fuse import Priors
    from training.metrics import Doubles, Mask
    from training.tone_data import HeldOut

PAIRINGS = ("matching", "contradicting", "neutral")
ANGRY_SHARE = 0.25
"""Of the voices; a third of each pairing."""
PAIRS = 6000
RESAMPLES = 1000
SECONDS = 3.0
"""Of every joined utterance."""


@dataclass(frozen=True, slots=True)
class Texts:
    """Held-out texts with what the wording head said of them."""

    scores: Doubles
    frustrated: Mask
    positive: Mask
    neutral: Mask


@dataclass(frozen=True, slots=True)
class Pairs:
    """Joined utterances; all shapes [n]."""

    angry: Mask
    frustrated_text: Mask
    pairing: Sequence[str]
    anger: Doubles
    wording: Doubles

    @property
    def frustrated(self) -> Mask:
        return self.angry | self.frustrated_text


def join(voices: HeldOut, texts: Texts, rng: np.random.Generator, count: int = PAIRS) -> Pairs:
    """Draw voices and texts: a matching text says what the voice says, a contradicting one the opposite, a neutral one nothing."""
    angry = voices.rows.labels == ANGER
    scores = voices.probabilities[:, ANGER]
    says = {
        (True, "matching"): texts.frustrated,
        (True, "contradicting"): texts.positive,
        (False, "matching"): texts.positive,
        (False, "contradicting"): texts.frustrated,
        (True, "neutral"): texts.neutral,
        (False, "neutral"): texts.neutral,
    }
    wanted = rng.random(count) < ANGRY_SHARE
    pairing = rng.choice(PAIRINGS, count)
    voice = np.where(wanted, rng.choice(np.flatnonzero(angry), count), rng.choice(np.flatnonzero(~angry), count))
    text = np.empty(count, int)
    for (is_angry, name), allowed in says.items():
        own = (wanted == is_angry) & (pairing == name)
        text[own] = rng.choice(np.flatnonzero(allowed), int(own.sum()))
    return Pairs(angry[voice], texts.frustrated[text], [str(name) for name in pairing], scores[voice], texts.scores[text])


def fused(pairs: Pairs, priors: Priors, config: Config = Config()) -> Doubles:
    """P(frustrated) of each joined utterance by the run time's own fusion, as the first utterance of a call."""
    return np.array([_probability(anger, wording, priors, config) for anger, wording in zip(pairs.anger, pairs.wording, strict=True)])


def _probability(anger: float, wording: float, priors: Priors, config: Config) -> float:
    rest = (1.0 - anger) / (len(TONE_CLASSES) - 1)
    tone = Tone(**{name: anger if name == "anger" else rest for name in TONE_CLASSES}, arousal=None)
    (moment,) = simulated.fused([simulated.undisturbed(0, 0.0, SECONDS, tone=tone, frustration=wording)], priors, config)
    if moment.frustration is None or moment.frustration.probability is None:
        raise ValueError("the fusion did not score a joined utterance")
    return moment.frustration.probability


def numbers(pairs: Pairs, scores: Doubles, rng: np.random.Generator) -> dict[str, float]:
    """Average precision of each part and of both, and the lead of the fused score over the better part (95 % of resamples)."""
    target = pairs.frustrated
    parts = {"tone": pairs.anger, "wording": pairs.wording}
    alone = {f"ap_{name}": average_precision(target, values) for name, values in parts.items()}
    better = parts[max(parts, key=lambda name: alone[f"ap_{name}"])]
    leads = []
    for _ in range(RESAMPLES):
        drawn = rng.integers(len(target), size=len(target))
        leads.append(average_precision(target[drawn], scores[drawn]) - average_precision(target[drawn], better[drawn]))
    low, high = np.quantile(leads, [0.025, 0.975])
    both = average_precision(target, scores)
    return {**alone, "ap_fused": both, "lead": both - max(alone.values()), "lead_low": float(low), "lead_high": float(high)}


def joint_table(pairs: Pairs, scores: Doubles) -> Mapping[str, dict[str, float]]:
    """Mean fused score and count by voice and text."""
    table = {}
    for voice, angry in (("angry voice", True), ("calm voice", False)):
        for name in PAIRINGS:
            own = (pairs.angry == angry) & (np.array(pairs.pairing) == name)
            table[f"{voice}, {name} text"] = {"pairs": float(own.sum()), "mean_p": float(scores[own].mean())}
    return table
