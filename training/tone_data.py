"""Labelled utterances as the tone head sees them, callers made of them, and the numbers that a model card reports of held-out ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from training.corpus import TONE_CLASSES, Clip
from training.metrics import auc, average_precision, softmax, top_ece, uar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from analysis.values import FloatArray
    from training.metrics import Doubles, Labels, Mask

ANGER = TONE_CLASSES.index("anger")


@dataclass(frozen=True, slots=True)
class Rows:
    """One row per clip and copy."""

    clips: tuple[Clip, ...]
    copies: tuple[str, ...]
    seconds: Doubles
    """Of speech, shape [n]."""

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
        return np.array([clip.corpus in angry for clip in self.clips], bool)

    @classmethod
    def joined(cls, parts: Sequence[Rows]) -> Rows:
        """One after another."""
        return cls(
            tuple(clip for part in parts for clip in part.clips),
            tuple(copy for part in parts for copy in part.copies),
            np.concatenate([part.seconds for part in parts]),
        )

    def where(self, chosen: Mask | Labels) -> Rows:
        rows = np.arange(len(self))[chosen]
        return Rows(tuple(self.clips[row] for row in rows), tuple(self.copies[row] for row in rows), self.seconds[rows])

    def has(self, *, corpus: str | None = None, copy: str | None = None, gender: str | None = None) -> Mask:
        """Which rows are of the given corpus, copy and sex; None takes all."""
        return np.array(
            [
                corpus in (None, clip.corpus) and copy in (None, own) and gender in (None, clip.gender)
                for clip, own in zip(self.clips, self.copies, strict=True)
            ],
            bool,
        )

    def callers(self, rng: np.random.Generator) -> list[Labels]:
        """Row numbers of each speaker over each copy's line, in random order: one call, as far as these corpora can show one."""
        numbers: dict[tuple[str, str], list[int]] = {}
        for row, (clip, copy) in enumerate(zip(self.clips, self.copies, strict=True)):
            numbers.setdefault((clip.speaker, copy), []).append(row)
        return [rng.permutation(rows) for rows in numbers.values()]


@dataclass(frozen=True, slots=True)
class ToneData:
    rows: Rows
    features: FloatArray
    """Shape [n, d]."""

    def __len__(self) -> int:
        return len(self.rows)

    @classmethod
    def joined(cls, parts: Sequence[ToneData]) -> ToneData:
        return cls(Rows.joined([part.rows for part in parts]), np.concatenate([part.features for part in parts]))

    def where(self, chosen: Mask | Labels) -> ToneData:
        return ToneData(self.rows.where(chosen), self.features[chosen])


def scale(features: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and deviation of each feature, to standardise by."""
    mean, std = features.mean(axis=0, dtype=np.float64), features.std(axis=0, dtype=np.float64)
    return mean.astype(np.float32), std.astype(np.float32) + np.float32(1e-6)


def relative(data: ToneData, standardised: FloatArray, callers: Sequence[Labels], prior_s: float) -> FloatArray:
    """Each row less the mean of the same caller's earlier rows, weighted by seconds and shrunk to 0 until there are enough; shape [n, d].

    Angry rows stay out of that mean, as at run time those do that are heard as angry (analysis.heads.LinearHead.follow).
    """
    calm_s = data.rows.seconds * (data.rows.labels != ANGER)
    found = np.empty_like(standardised)
    for rows in callers:
        weighted = standardised[rows] * calm_s[rows, None].astype(np.float32)
        before = np.cumsum(weighted, axis=0) - weighted
        seconds = np.cumsum(calm_s[rows]) - calm_s[rows]
        found[rows] = standardised[rows] - before / (seconds + prior_s)[:, None].astype(np.float32)
    return found


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What heads said of rows they were not trained on."""

    rows: Rows
    logits: Doubles
    arousal: Doubles

    @classmethod
    def joined(cls, parts: Sequence[HeldOut]) -> HeldOut:
        rows = Rows.joined([part.rows for part in parts])
        return cls(rows, np.concatenate([part.logits for part in parts]), np.concatenate([part.arousal for part in parts]))

    def where(self, chosen: Mask) -> HeldOut:
        return HeldOut(self.rows.where(chosen), self.logits[chosen], self.arousal[chosen])

    def over(self, temperature: float) -> HeldOut:
        """Calibrated: the logits divided by a temperature."""
        return HeldOut(self.rows, self.logits / temperature, self.arousal)

    @property
    def probabilities(self) -> Doubles:
        return softmax(self.logits)


Table = dict[str, dict[str, float]]


def numbers(held: HeldOut) -> dict[str, float]:
    """The card's numbers for one group of rows. The seven-class decision is made as at run time: over all seven."""
    labels, probabilities = held.rows.labels, held.probabilities
    anger = labels == ANGER
    return {
        "anger_auc": auc(anger, probabilities[:, ANGER]),
        "anger_ap": average_precision(anger, probabilities[:, ANGER]),
        "anger_share": float(anger.mean()),
        "uar": uar(labels, probabilities.argmax(axis=1)),
        "ece": top_ece(labels, probabilities),
    }


def report(held: HeldOut, copies: Sequence[str]) -> Table:
    """Numbers per acted corpus and copy."""
    acted = held.where(held.rows.has_anger)
    table = {}
    for corpus in [*sorted(set(acted.rows.corpora)), None]:
        for copy in copies:
            table[f"{corpus or 'all'}, {copy}"] = numbers(acted.where(acted.rows.has(corpus=corpus, copy=copy)))
    return table


def false_alarms(held: HeldOut, copies: Sequence[str]) -> Table:
    """What speech of corpora without any anger is taken for, per copy."""
    calm = held.where(~held.rows.has_anger)
    table = {}
    for corpus in sorted(set(calm.rows.corpora)):
        for copy in copies:
            shares = calm.where(calm.rows.has(corpus=corpus, copy=copy)).probabilities
            most = np.bincount(shares.argmax(axis=1), minlength=len(TONE_CLASSES)) / len(shares)
            row = {"mean_anger": float(shares[:, ANGER].mean()), "anger_over_half": float((shares[:, ANGER] > 0.5).mean())}
            table[f"{corpus}, {copy}"] = row | {f"taken_for_{name}": float(most[index]) for index, name in enumerate(TONE_CLASSES)}
    return table


def sex_gaps(held: HeldOut, copies: Sequence[str]) -> Table:
    """UAR of women, of men and the difference, for each corpus that has both."""
    table = {}
    for corpus in sorted(set(held.rows.corpora)):
        for copy in copies:
            women, men = (held.rows.has(corpus=corpus, copy=copy, gender=sex) for sex in ("f", "m"))
            if women.any() and men.any():
                own = {"women": numbers(held.where(women))["uar"], "men": numbers(held.where(men))["uar"]}
                table[f"{corpus}, {copy}"] = own | {"gap": abs(own["women"] - own["men"])}
    return table


def strong_anger_auc(held: HeldOut, copies: Sequence[str]) -> Table:
    """How well the arousal proxy tells strong from normal anger, where a corpus states intensities."""
    graded = np.array([clip.intensity != "" for clip in held.rows.clips], bool) & (held.rows.labels == ANGER)
    found = {}
    for copy in copies:
        rows = graded & held.rows.has(copy=copy)
        if rows.any():
            strong = np.array([clip.intensity == "strong" for clip in held.rows.where(rows).clips], bool)
            found[copy] = {"auc": auc(strong, held.arousal[rows])}
    return found


def recalls(held: HeldOut, copies: Sequence[str]) -> Table:
    """Recall of each class that occurs, by corpus, sex and copy."""
    table = {}
    for corpus in sorted(set(held.rows.where(held.rows.has_anger).corpora)):
        for copy in copies:
            for sex, title in (("f", "women"), ("m", "men")):
                own = held.where(held.rows.has(corpus=corpus, copy=copy, gender=sex))
                if len(own.rows):
                    table[f"{corpus}, {copy}, {title}"] = _recalls(own)
    return table


def _recalls(held: HeldOut) -> dict[str, float]:
    labels, predicted = held.rows.labels, held.probabilities.argmax(axis=1)
    return {TONE_CLASSES[label]: float((predicted[labels == label] == label).mean()) for label in np.unique(labels)}


def over_seeds(measured: Iterable[dict[str, Table]]) -> dict[str, Table]:
    """Mean of every number, and under `<name> ±` its standard deviation over the seeds where it moves at all."""
    runs = list(measured)
    return {
        title: {name: _spread([run[title][name] for run in runs]) for name in table if all(name in run[title] for run in runs)}
        for title, table in runs[0].items()
    }


def _spread(cells: Sequence[dict[str, float]]) -> dict[str, float]:
    found = {}
    for key in cells[0]:
        values = [cell[key] for cell in cells]
        found[key] = round(float(np.mean(values)), 4)
        if len(values) > 1 and max(values) > min(values):
            found[f"{key} ±"] = round(float(np.std(values, ddof=1)), 4)
    return found
