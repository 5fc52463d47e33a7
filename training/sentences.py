"""The labelled text, its spoken-like copy, and what the wording head sees of it: MiniLM embeddings beside VADER's scores."""

from __future__ import annotations

import csv
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from training.corpus import CACHE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from analysis.ports import SentenceEncoder
    from analysis.values import FloatArray

FRUSTRATED = frozenset({"anger", "annoyance", "disappointment", "disapproval", "disgust"})
NEGATIVE = FRUSTRATED | {"embarrassment", "fear", "grief", "nervousness", "remorse", "sadness"}
POSITIVE = frozenset(
    {"admiration", "amusement", "approval", "caring", "desire", "excitement", "gratitude", "joy", "love", "optimism", "pride", "relief"}
)
"""The sentiment groups of the GoEmotions paper (Demszky et al. 2020, figure 2); the remaining labels are neither."""
VADER_KEYS = ("neg", "neu", "pos", "compound")
CHUNK = 2048


@dataclass(frozen=True, slots=True)
class Sentence:
    """A labelled text: `polarity` is 1, 0 or -1, None where both poles are labelled."""

    text: str
    frustrated: bool
    polarity: int | None


def read_goemotions(folder: Path, split: str) -> list[Sentence]:
    names = (folder / "labels.txt").read_text().split()
    with (folder / f"{split}.tsv").open(newline="", encoding="utf-8") as lines:
        rows = list(csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [_labelled(text, {names[int(number)] for number in numbers.split(",")}) for text, numbers, _ in rows]


def _labelled(text: str, labels: set[str]) -> Sentence:
    positive, negative = bool(labels & POSITIVE), bool(labels & NEGATIVE)
    return Sentence(text, bool(labels & FRUSTRATED), None if positive and negative else int(positive) - int(negative))


def read_phrases(path: Path) -> list[Sentence]:
    """Our own call phrases: columns text, frustrated (0 or 1), polarity (-1, 0, 1)."""
    with path.open(newline="", encoding="utf-8") as lines:
        return [Sentence(row["text"], row["frustrated"] == "1", int(row["polarity"])) for row in csv.DictReader(lines)]


def read_airline(path: Path) -> list[tuple[str, str]]:
    """Tweets to airlines with their sentiment."""
    with path.open(newline="", encoding="utf-8") as lines:
        return [(row["text"], row["airline_sentiment"]) for row in csv.DictReader(lines)]


def spoken(text: str) -> str:
    """The text as a plain recogniser writes it: no case, punctuation, links, handles, emoji or placeholders' brackets."""
    bare = re.sub(r"https?://\S+|@\w*|#", " ", text.lower().replace("’", "'"))
    return " ".join(re.sub(r"[^a-z0-9' ]+", " ", bare).split())


class Embedder:
    """Embeds texts chunk by chunk; each chunk is kept on disk under the digest of its texts."""

    def __init__(self, encoder: SentenceEncoder, cache: Path = CACHE / "minilm") -> None:
        self._encoder = encoder
        self._cache = cache
        self._lexicon = SentimentIntensityAnalyzer()

    def features(self, texts: Sequence[str], title: str = "embedding") -> FloatArray:
        """Embedding and lexicon scores side by side, shape [texts, d + 4]."""
        chunks = [list(texts[at : at + CHUNK]) for at in range(0, len(texts), CHUNK)]
        embedded = np.concatenate([self._embedded(chunk) for chunk in tqdm(chunks, desc=title, unit="chunk")])
        return np.concatenate([embedded, self._lexical(texts)], axis=1)

    def _embedded(self, texts: list[str]) -> FloatArray:
        path = self._cache / f"{hashlib.sha256(chr(0).join(texts).encode()).hexdigest()[:16]}.npy"
        if not path.exists():
            self._cache.mkdir(parents=True, exist_ok=True)
            np.save(path, self._sorted(texts))
        return np.asarray(np.load(path), np.float32)

    def _sorted(self, texts: list[str]) -> FloatArray:
        """Encoded in order of length, so that little is spent on padding."""
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        encoded = self._encoder.encode([texts[index] for index in order])
        restored = np.empty_like(encoded)
        restored[order] = encoded
        return restored

    def _lexical(self, texts: Sequence[str]) -> FloatArray:
        scored = [self._lexicon.polarity_scores(text) for text in texts]
        return np.array([[scores[key] for key in VADER_KEYS] for scores in scored], np.float32)
