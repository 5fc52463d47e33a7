"""What `recalibrate` does with few and with many verdicts, on simulated customer speech whose true weights are known.

python -m bench.recalibration
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from analysis.config import FuseConfig
from callanalytics.review import fitting
from callanalytics.review.fitting import Doubles, Fit, Mask, Numbers, Rows

FUSE = FuseConfig()
CONFIGURED = Fit(FUSE.prior, np.ones(5))
SETS = 16
RISE = 0.6
"""As in analysis.config.SegmentsConfig: what reaches it is flagged."""
Scales = tuple[float, float, float, float, float]
"""What is true over what is configured, for tone, wording, effort, measures, context."""
TRUTHS: dict[str, tuple[float, Scales]] = {
    "all as configured": (FUSE.prior, (1, 1, 1, 1, 1)),
    "frustration is rarer": (-4.0, (1, 1, 1, 1, 1)),
    "tone says less, wording more": (FUSE.prior, (0.3, 1.3, 1, 1, 1)),
    "tone says more, wording less, rarer": (-3.0, (2, 0.6, 1, 1, 1)),
}


@dataclass(frozen=True, slots=True)
class Center:
    """Simulated customer speech: what each part would add at the configured weights, and what reviewers would say."""

    parts: Doubles
    frustrated: Mask
    flagged: Mask
    calls: Numbers

    @property
    def flagged_share(self) -> float:
        return float(self.flagged.mean())

    @property
    def rows(self) -> Rows:
        return rows(self.parts, self.frustrated, np.ones(len(self.parts)), self.calls)

    def judged(self, flags: int, random: int, seed: int = 0) -> Rows:
        """So many of its flags and of its other stretches, each as likely as the next."""
        chance = np.random.default_rng(seed)
        kinds = ((self.flagged, flags), (~self.flagged, random))
        places = np.concatenate([chance.choice(np.flatnonzero(own), count, replace=False) for own, count in kinds])
        inverse = np.where(self.flagged[places], 0.0, float((~self.flagged).sum()))
        return rows(self.parts[places], self.frustrated[places], inverse, self.calls[places])


def rows(parts: Doubles, frustrated: Mask, inverse: Doubles, groups: Numbers | None = None) -> Rows:
    """Stretches of one moment each; of a call each, unless groups are given."""
    own = np.arange(len(parts), dtype=np.int64) if groups is None else groups
    return Rows(parts, np.zeros(len(parts)), frustrated, inverse, np.ones(len(parts)), own)


def center(*, prior: float = FUSE.prior, scales: Scales = (1, 1, 1, 1, 1), size: int = 80_000, seed: int = 7) -> Center:
    chance = np.random.default_rng(seed)
    evidence = np.column_stack(
        [
            np.clip(chance.normal(-0.9, 1.3, size), -1.6, 5.0),
            np.clip(chance.normal(-1.0, 1.2, size), -1.0, 3.0),
            np.where(chance.random(size) < 0.15, chance.exponential(1.0, size), 0.0).clip(0, 3),
            chance.normal(0.0, 0.7, size),
            np.where(chance.random(size) < 0.2, chance.exponential(1.0, size), 0.0).clip(0, 3),
        ]
    )
    weights = [FUSE.tone_weight, FUSE.wording_weight, FUSE.effort_weight, FUSE.measures_weight, FUSE.context_weight]
    parts = evidence * np.array(weights)
    frustrated = chance.random(size) < expit(prior + parts @ np.array(scales))
    flagged = CONFIGURED.probabilities(rows(parts, frustrated, np.ones(size))) >= RISE
    return Center(parts, frustrated, flagged, np.arange(size, dtype=np.int64) // 4)


@dataclass(frozen=True, slots=True)
class Outcome:
    fit: Fit
    stored: bool
    all_speech: float
    """Change of the log loss over all speech, also of what nobody judged."""
    flags: float


def outcome(speech: Center, judged: Rows) -> Outcome:
    share = speech.flagged_share if judged.random.sum() >= fitting.MIN_RANDOM else None
    found, weights = fitting.fit(judged, prior=FUSE.prior, flagged_share=share), fitting.judged(judged)
    held = fitting.cross_validated(judged, prior=FUSE.prior, flagged_share=share)
    before = CONFIGURED.probabilities(judged)
    stored = fitting.loss(judged.frustrated, held, weights) < fitting.loss(judged.frustrated, before, weights)
    return Outcome(found, stored, _change(found, speech.rows), _change(found, speech.rows.at(speech.flagged)))


def _change(found: Fit, speech: Rows) -> float:
    ones = np.ones(len(speech))
    losses = [fitting.loss(speech.frustrated, each.probabilities(speech), ones) for each in (found, CONFIGURED)]
    return losses[0] - losses[1]


def main() -> None:
    print(
        f"Means over {SETS} sets of verdicts; log loss of what is stored, over all speech and over flags, against the configured weights\n"
    )
    print("| what is true | flags + random judged | prior | tone × | wording × | stored | log loss, all speech | log loss, flags |")
    print("|---|---|---|---|---|---|---|---|")
    for name, (prior, scales) in TRUTHS.items():
        speech = center(prior=prior, scales=scales)
        for flags, random in ((40, 20), (60, 40), (200, 100), (250, 500)):
            found = [outcome(speech, speech.judged(flags, random, seed)) for seed in range(SETS)]
            fits, kept = [each.fit for each in found], [each for each in found if each.stored]
            changes = [np.mean([getattr(each, of) for each in kept]) if kept else 0.0 for of in ("all_speech", "flags")]
            cells = [np.mean([fit.prior for fit in fits]), *np.mean([fit.scales[:2] for fit in fits], axis=0)]
            numbers = " | ".join(f"{cell:.2f}" for cell in cells)
            print(f"| {name} | {flags} + {random} | {numbers} | {len(kept)}/{SETS} | {changes[0]:+.3f} | {changes[1]:+.3f} |", flush=True)


if __name__ == "__main__":
    main()
