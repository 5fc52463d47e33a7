"""Wording by a linear head over a sentence embedding and VADER's lexicon: `analysis/weights/wording-minilm.*` (see analysis.heads)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from analysis.heads import WEIGHTS, load_head
from analysis.values import Wording

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from analysis.config import Config
    from analysis.ports import SentenceEncoder
    from analysis.values import FloatArray

HEAD = "wording-minilm"
VADER_KEYS = ("neg", "neu", "pos", "compound")
DIGITS = 4


class MiniLMHeadWordingModel:
    """P(frustrated) by logistic regression; sentiment is 2p - 1 of the row that tells positive from negative."""

    def __init__(self, _: Config, sentences: SentenceEncoder, folder: Path = WEIGHTS) -> None:
        self._head = load_head(HEAD, folder)
        self.frustration_prior = self._head.card.prior("frustration")
        self._sentences = sentences
        self._lexicon = SentimentIntensityAnalyzer()
        self._frustration = self._head.card.classes.index("frustration")
        self._sentiment = self._head.card.classes.index("sentiment")

    @property
    def name(self) -> str:
        return f"{self._head.provenance}+{self._sentences.name}"

    @property
    def languages(self) -> frozenset[str]:
        return self._head.card.languages

    def score(self, texts: Sequence[str]) -> list[Wording]:
        """Sentiment in [-1, 1] and P(frustrated) in 0-1 of each text."""
        if not texts:
            return []
        shares = expit(self._head.logits(np.concatenate([self._sentences.encode(texts), self._lexical(texts)], axis=1)))
        return [
            Wording(
                sentiment=round(2.0 * float(row[self._sentiment]) - 1.0, DIGITS), frustration=round(float(row[self._frustration]), DIGITS)
            )
            for row in shares
        ]

    def _lexical(self, texts: Sequence[str]) -> FloatArray:
        scored = [self._lexicon.polarity_scores(text) for text in texts]
        return np.array([[scores[key] for key in VADER_KEYS] for scores in scored], np.float32)
