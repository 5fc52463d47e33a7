"""Labelled utterances as the tone head sees them, and the numbers that a model card reports of held-out ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from training.corpus import TONE_CLASSES, Clip
from training.metrics import auc, average_precision, rounded, softmax, top_ece, uar

if TYPE_CHECKING:
    from analysis.values import FloatArray
    from training.metrics import Doubles, Labels, Mask

ANGER = TONE_CLASSES.index("anger")


@dataclass(frozen=True, slots=True)
class ToneData:
    """One row per clip and copy."""

    clips: tuple[Clip, ...]
    copies: tuple[str, ...]
    features: FloatArray
    """Shape [n, 2 d]."""

    def __len__(self) -> int:
        return len(self.clips)

    @property
    def labels(self) -> Labels:
        return np.array([TONE_CLASSES.index(clip.tone) for clip in self.clips])

    @property
    def speakers(self) -> list[str]:
        return [clip.speaker for clip in self.clips]

    @property
    def corpora(self) -> list[str]:
        return [clip.corpus for clip in self.clips]

    @property
    def has_anger(self) -> Mask:
        """Which rows are of a corpus that holds any anger."""
        angry = {clip.corpus for clip in self.clips if clip.tone == "anger"}
        return np.array([clip.corpus in angry for clip in self.clips])

    def where(self, chosen: Mask | Labels) -> ToneData:
        rows = np.arange(len(self))[chosen]
        return ToneData(tuple(self.clips[row] for row in rows), tuple(self.copies[row] for row in rows), self.features[rows])

    def has(self, *, corpus: str | None = None, copy: str | None = None, gender: str | None = None) -> Mask:
        """Which rows are of the given corpus, copy and sex; None takes all."""
        return np.array(
            [
                corpus in (None, clip.corpus) and copy in (None, own) and gender in (None, clip.gender)
                for clip, own in zip(self.clips, self.copies, strict=True)
            ]
        )


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What heads said of rows they were not trained on."""

    data: ToneData
    logits: Doubles
    arousal: Doubles

    def where(self, rows: Mask) -> HeldOut:
        return HeldOut(self.data.where(rows), self.logits[rows], self.arousal[rows])

    @property
    def probabilities(self) -> Doubles:
        return softmax(self.logits)


def numbers(held: HeldOut) -> dict[str, float]:
    """The card's numbers for one group of rows. The seven-class decision is made as at run time: over all seven."""
    labels, probabilities = held.data.labels, held.probabilities
    anger = labels == ANGER
    return rounded(
        {
            "anger_auc": auc(anger, probabilities[:, ANGER]),
            "anger_ap": average_precision(anger, probabilities[:, ANGER]),
            "anger_share": float(anger.mean()),
            "uar": uar(labels, probabilities.argmax(axis=1)),
            "ece": top_ece(labels, probabilities),
        }
    )


def report(held: HeldOut) -> dict[str, dict[str, float]]:
    """Numbers per acted corpus and copy."""
    acted = held.where(held.data.has_anger)
    table = {}
    for corpus in [*sorted(set(acted.data.corpora)), None]:
        for copy in ("clean", "telephone"):
            table[f"{corpus or 'all'}, {copy}"] = numbers(acted.where(acted.data.has(corpus=corpus, copy=copy)))
    return table


def false_alarms(held: HeldOut) -> dict[str, dict[str, float]]:
    """What speech of corpora without any anger is taken for, per copy."""
    calm = held.where(~held.data.has_anger)
    table = {}
    for corpus in sorted(set(calm.data.corpora)):
        for copy in ("clean", "telephone"):
            shares = calm.where(calm.data.has(corpus=corpus, copy=copy)).probabilities
            most = np.bincount(shares.argmax(axis=1), minlength=len(TONE_CLASSES)) / len(shares)
            row = {"mean_anger": float(shares[:, ANGER].mean()), "anger_over_half": float((shares[:, ANGER] > 0.5).mean())}
            table[f"{corpus}, {copy}"] = rounded(row | {f"taken_for_{name}": float(most[index]) for index, name in enumerate(TONE_CLASSES)})
    return table


def sex_gaps(held: HeldOut) -> dict[str, float]:
    """UAR of women minus men, telephone copy, for each corpus that has both."""
    gaps = {}
    for corpus in sorted(set(held.data.corpora)):
        women, men = (held.data.has(corpus=corpus, copy="telephone", gender=sex) for sex in ("f", "m"))
        if women.any() and men.any():
            gaps[corpus] = numbers(held.where(women))["uar"] - numbers(held.where(men))["uar"]
    return rounded(gaps)


def strong_anger_auc(held: HeldOut) -> dict[str, float]:
    """How well the arousal proxy tells strong from normal anger, per copy, where a corpus states intensities."""
    graded = np.array([clip.intensity != "" for clip in held.data.clips]) & (held.data.labels == ANGER)
    found = {}
    for copy in ("clean", "telephone"):
        rows = graded & held.data.has(copy=copy)
        if rows.any():
            strong = np.array([clip.intensity == "strong" for clip in held.data.where(rows).clips])
            found[copy] = auc(strong, held.arousal[rows])
    return rounded(found)


def recalls(held: HeldOut) -> dict[str, float]:
    """Recall of each class that occurs, over all acted corpora, telephone copy."""
    rows = held.where(held.data.has(copy="telephone") & held.data.has_anger)
    predicted = rows.probabilities.argmax(axis=1)
    present = np.unique(rows.data.labels)
    return rounded({TONE_CLASSES[label]: float((predicted[rows.data.labels == label] == label).mean()) for label in present})
