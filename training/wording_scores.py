"""The held-out text and what the shipped wording head and its two baselines say of it, for training/wording.py and training/report.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.special import expit
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from analysis.engines.wording_head import HEAD, PooledEncoder
from analysis.heads import WEIGHTS, load_head
from training.corpus import ROOT, data_folder
from training.metrics import auc
from training.noise import spoken
from training.sentences import Embedder, read_airline, read_challenge, read_goemotions, read_multiwoz

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from analysis.values import FloatArray
    from training.metrics import Doubles, Mask
    from training.sentences import Sentence

CHALLENGE = ROOT / "tests" / "training" / "wording_challenge.csv"
DEV_WRITTEN, DEV_SPOKEN = "goemotions dev, written", "goemotions dev, spoken"
AIRLINE, MULTIWOZ, CHALLENGE_LIST = "airline tweets, spoken", "multiwoz turns", "call challenge list"
TUNED, TFIDF, FROZEN = "fine-tuned MiniLM", "TF-IDF + LR", "frozen MiniLM + LR"
DISSATISFIED = 2.3
"""Mean rating from which down a MultiWOZ turn counts as dissatisfied."""
INNER = 4341
"""Comments of train, one in ten, that nothing is fitted to: they choose the recipe, the strengths and the temperature."""
STRENGTHS = (0.0003, 0.001, 0.003, 0.01)
"""Inverse L2 strengths that are tried for the frozen baseline."""

Model: TypeAlias = "Callable[[Sequence[str]], Doubles]"
"""Texts to P(frustrated), shape [n]."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Texts that nothing is trained on."""

    name: str
    texts: tuple[str, ...]
    positive: Mask
    """Frustrated, negative or dissatisfied."""
    polarity: Doubles
    """1, 0, -1; NaN where it is not labelled."""


@dataclass(frozen=True, slots=True)
class Scored:
    """P(frustrated) of each held-out text by the name of the model."""

    held: HeldOut
    scores: dict[str, Doubles]


def inner_split(comments: Sequence[Sentence], size: int = INNER) -> tuple[list[Sentence], list[Sentence]]:
    """What is trained on, and the inner share of train that chooses."""
    order = np.random.default_rng(12345).permutation(len(comments))
    return [comments[index] for index in order[size:]], [comments[index] for index in order[:size]]


def held_out(folder: Path) -> list[HeldOut]:
    """Every held-out set, in the order of the card; `folder` is the data's `text`."""
    dev = read_goemotions(folder / "goemotions", "dev")
    tweets = read_airline(folder / "airline" / "train.csv")
    turns = read_multiwoz(folder / "satisfaction" / "MWOZ.txt")
    challenge = read_challenge(CHALLENGE)
    frustrated = np.array([each.frustrated for each in dev])
    polarity = np.array([np.nan if each.polarity is None else each.polarity for each in dev])
    sides = np.array([{"positive": 1.0, "negative": -1.0}.get(label, 0.0) for _, label in tweets])
    return [
        HeldOut(DEV_WRITTEN, tuple(each.text for each in dev), frustrated, polarity),
        HeldOut(DEV_SPOKEN, tuple(spoken(each.text) for each in dev), frustrated, polarity),
        HeldOut(AIRLINE, tuple(spoken(text) for text, _ in tweets), sides == -1, sides),
        _unpolar(MULTIWOZ, [turn.text for turn in turns], [turn.satisfaction <= DISSATISFIED for turn in turns]),
        _unpolar(CHALLENGE_LIST, [line.text for line in challenge], [line.frustrated for line in challenge]),
    ]


def _unpolar(name: str, texts: Sequence[str], positive: Sequence[bool]) -> HeldOut:
    return HeldOut(name, tuple(texts), np.array(positive), np.full(len(texts), np.nan))


@dataclass(frozen=True, slots=True)
class TunedHead:
    """A trained head over its own encoder, as it runs; what it encodes is cached under the head's digest."""

    embedder: Embedder
    logits: Callable[[FloatArray], Doubles]
    prior: float

    @classmethod
    def load(cls, folder: Path = WEIGHTS) -> TunedHead:
        head, encoder = load_head(HEAD, folder), PooledEncoder()
        encoder.adapt(head.tensors)
        name = head.card.digest.removeprefix("sha256:")[:16]
        return cls(Embedder(name, encoder.pooled), head.logits, head.card.prior("frustration"))

    def frustrated(self, texts: Sequence[str]) -> Doubles:
        """P(frustrated), shape [n]."""
        return np.asarray(expit(self.logits(self.embedder.features(texts))[:, 0]))

    def polarity(self, texts: Sequence[str]) -> Doubles:
        """Sentiment in [-1, 1], shape [n]."""
        return np.asarray(2 * expit(self.logits(self.embedder.features(texts))[:, 1]) - 1)


def tfidf_model(comments: Sequence[Sentence]) -> Model:
    """Words and word pairs with logistic regression, on the spoken copies."""
    pipeline = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True), LogisticRegression(C=2.0, max_iter=1000))
    pipeline.fit([spoken(each.text) for each in comments], [each.frustrated for each in comments])
    return lambda texts: np.asarray(pipeline.predict_proba([spoken(text) for text in texts])[:, 1])


def frozen_model(comments: Sequence[Sentence]) -> Model:
    """The encoder as it was published with logistic regression, on the spoken copies; the strength is chosen on the inner split."""
    embedder = Embedder("frozen", PooledEncoder().pooled)
    rest, inner = inner_split(comments, len(comments) // 10)
    features, wanted = (
        embedder.features([spoken(each.text) for each in rest], "frozen baseline"),
        [each.frustrated for each in rest],
    )
    held = embedder.features([spoken(each.text) for each in inner], "frozen baseline")
    fitted = [make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=1000)).fit(features, wanted) for c in STRENGTHS]
    best = min(fitted, key=lambda each: log_loss([sentence.frustrated for sentence in inner], each.predict_proba(held)[:, 1]))
    return lambda texts: np.asarray(best.predict_proba(embedder.features([spoken(text) for text in texts]))[:, 1])


def held_out_scores(folder: Path | None = None, weights: Path = WEIGHTS) -> list[Scored]:
    """Per-text scores of every held-out set by the shipped head and the two baselines, which are trained on GoEmotions train alone."""
    text = folder or data_folder() / "text"
    comments = read_goemotions(text / "goemotions", "train")
    models = {TUNED: TunedHead.load(weights).frustrated, TFIDF: tfidf_model(comments), FROZEN: frozen_model(comments)}
    return [Scored(held, {name: model(held.texts) for name, model in models.items()}) for held in held_out(text)]


def airline_ceiling(folder: Path) -> float:
    """AUC of TF-IDF with logistic regression trained on the tweets themselves, over five folds: what a linear model could reach at best."""
    tweets = read_airline(folder / "airline" / "train.csv")
    negative = np.array([label == "negative" for _, label in tweets])
    pipeline = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True), LogisticRegression(C=2.0, max_iter=1000))
    texts = [spoken(text) for text, _ in tweets]
    return auc(negative, cross_val_predict(pipeline, texts, negative, cv=5, method="predict_proba")[:, 1])
