"""The labelled text, and a cache for what an encoder makes of it."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from training.corpus import CACHE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from analysis.values import FloatArray

FRUSTRATED = frozenset({"anger", "annoyance", "disappointment", "disapproval", "disgust"})
NEGATIVE = FRUSTRATED | {"embarrassment", "fear", "grief", "nervousness", "remorse", "sadness"}
POSITIVE = frozenset(
    {"admiration", "amusement", "approval", "caring", "desire", "excitement", "gratitude", "joy", "love", "optimism", "pride", "relief"}
)
"""The sentiment groups of the GoEmotions paper (Demszky et al. 2020, figure 2); the remaining labels are neither."""
CHUNK = 2048
TRAINED_TEXTS = ("text/goemotions/labels.txt", "text/goemotions/train.tsv")
MEASURED_TEXTS = ("text/goemotions/dev.tsv", "text/airline/train.csv", "text/satisfaction/MWOZ.txt")
"""Below the data folder."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A labelled text: `polarity` is 1, 0 or -1, None where both poles are labelled."""

    text: str
    frustrated: bool
    polarity: int | None
    labels: frozenset[str] = frozenset()
    """Of GoEmotions; none for our own phrases."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A customer's turn of a MultiWOZ dialogue."""

    text: str
    before: tuple[str, ...]
    """The turns of both parties before it, oldest first."""
    satisfaction: float
    """Mean of the raters, 1-5."""


@dataclass(frozen=True, slots=True)
class ChallengeLine:
    """A call phrase that is never trained on, with whether a reviewer would call it frustrated and what makes it hard."""

    text: str
    frustrated: bool
    kind: str


def goemotions_labels(folder: Path) -> list[str]:
    return (folder / "labels.txt").read_text().split()


def read_goemotions(folder: Path, split: str) -> list[Sentence]:
    names = goemotions_labels(folder)
    with (folder / f"{split}.tsv").open(newline="", encoding="utf-8") as lines:
        rows = list(csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [_labelled(text, {names[int(number)] for number in numbers.split(",")}) for text, numbers, _ in rows]


def _labelled(text: str, labels: set[str]) -> Sentence:
    positive, negative = bool(labels & POSITIVE), bool(labels & NEGATIVE)
    polarity = None if positive and negative else int(positive) - int(negative)
    return Sentence(text, bool(labels & FRUSTRATED), polarity, frozenset(labels))


def read_phrases(path: Path) -> list[Sentence]:
    """Our own call phrases: columns text, frustrated (0 or 1), polarity (-1, 0, 1)."""
    with path.open(newline="", encoding="utf-8") as lines:
        return [Sentence(row["text"], row["frustrated"] == "1", int(row["polarity"])) for row in csv.DictReader(lines)]


def read_challenge(path: Path) -> list[ChallengeLine]:
    """Columns text, frustrated (0 or 1), kind."""
    with path.open(newline="", encoding="utf-8") as lines:
        return [ChallengeLine(row["text"], row["frustrated"] == "1", row["kind"]) for row in csv.DictReader(lines)]


def read_airline(path: Path) -> list[tuple[str, str]]:
    """Tweets to airlines with their sentiment."""
    with path.open(newline="", encoding="utf-8") as lines:
        return [(row["text"], row["airline_sentiment"]) for row in csv.DictReader(lines)]


def read_multiwoz(path: Path) -> list[Turn]:
    """The customers' turns of MultiWOZ as rated in USS (Sun et al. 2021): to measure with, never to train on."""
    turns: list[Turn] = []
    before: tuple[str, ...] = ()
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.strip():
            before = ()
            continue
        role, text, _, ratings = (*line.split("\t"), "", "")[:4]
        if role == "USER" and text != "OVERALL" and ratings.strip():
            turns.append(Turn(text, before, float(np.mean([float(rating) for rating in ratings.split(",")]))))
        before = (*before, text)
    return turns


class Embedder:
    """Encodes texts chunk by chunk; each chunk is kept on disk, under the encoder's name and the digest of its texts."""

    def __init__(self, name: str, encode: Callable[[Sequence[str]], FloatArray], cache: Path = CACHE / "wording") -> None:
        self._encode = encode
        self._folder = cache / name

    def features(self, texts: Sequence[str], title: str = "encoding") -> FloatArray:
        """What the encoder gives, shape [texts, d]."""
        chunks = [list(texts[at : at + CHUNK]) for at in range(0, len(texts), CHUNK)]
        return np.concatenate([self._kept(chunk) for chunk in tqdm(chunks, desc=title, unit="chunk", disable=len(chunks) < 2)])

    def _kept(self, texts: list[str]) -> FloatArray:
        path = self._folder / f"{hashlib.sha256(chr(0).join(texts).encode()).hexdigest()[:16]}.npy"
        if not path.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            np.save(path, self._encode(texts))
        return np.asarray(np.load(path), np.float32)
