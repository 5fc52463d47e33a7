"""Trains the wording head: MiniLM embedding and VADER scores → P(frustrated) and sentiment.

`python -m training.wording` trains on GoEmotions' train split and our call phrases, measures on dev, the airline tweets and a held-out list
of call phrases, and writes analysis/weights/wording-minilm.*.
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline

from analysis.config import Config
from analysis.heads import save_head
from analysis.registry import engine_class
from training.corpus import ROOT, data_folder
from training.metrics import auc, average_precision, ece, rounded
from training.sentences import VADER_KEYS, Embedder, Sentence, read_airline, read_goemotions, read_phrases, spoken

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from analysis.values import FloatArray
    from training.metrics import Doubles, Labels, Mask

NAME = "wording-minilm"
PHRASES = ROOT / "training" / "phrases.csv"
CHALLENGE = ROOT / "tests" / "training" / "wording_challenge.csv"
STRENGTHS = (0.0003, 0.001, 0.003)
"""Inverse L2 strengths that are tried inside the training split."""
PHRASE_WEIGHT = 10.0
"""Our 634 call phrases against 43,410 comments: enough weight that call wording is learnt, little enough that the prior hardly moves."""
FOLDS = 3
PROBES = (
    "This is ridiculous, I have called four times",
    "nobody called me back",
    "I've been on hold for forty minutes",
    "I want to speak to a manager",
    "No problem",
    "not bad at all",
    "I'm not angry",
    "thank you so much",
    "my card number is 4 4 2 1",
)
"""Sentences that the card shows with their P(frustrated); none of them is trained on."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Features of every text as written, followed by the same texts as spoken."""

    features: FloatArray
    """Shape [2 n, d]."""
    frustrated: Mask
    polarity: Doubles
    """1, 0, -1, or NaN where both poles are labelled; shape [2 n]."""
    weights: Doubles
    rows: Labels
    """Which text a row is of, so that its two copies stay in one fold."""

    def __len__(self) -> int:
        return len(self.frustrated)


def examples(sentences: Sequence[Sentence], weights: Sequence[float], embedder: Embedder) -> Examples:
    """Both copies of every sentence. `weights` has one entry per sentence."""
    written = embedder.features([each.text for each in sentences], "as written")
    heard = embedder.features([spoken(each.text) for each in sentences], "as spoken")
    polarity = [float("nan") if each.polarity is None else float(each.polarity) for each in sentences]
    return Examples(
        features=np.concatenate([written, heard]),
        frustrated=np.tile(np.array([each.frustrated for each in sentences]), 2),
        polarity=np.tile(np.array(polarity), 2),
        weights=np.tile(np.array(weights, np.float64), 2),
        rows=np.tile(np.arange(len(sentences)), 2),
    )


def joined(first: Examples, second: Examples) -> Examples:
    return Examples(
        features=np.concatenate([first.features, second.features]),
        frustrated=np.concatenate([first.frustrated, second.frustrated]),
        polarity=np.concatenate([first.polarity, second.polarity]),
        weights=np.concatenate([first.weights, second.weights]),
        rows=np.concatenate([first.rows, second.rows + first.rows.max() + 1]),
    )


@dataclass(frozen=True, slots=True)
class BinaryTask:
    """Rows, targets and weights of one logistic regression."""

    features: FloatArray
    target: Mask
    weights: Doubles
    rows: Labels


def frustration_task(data: Examples) -> BinaryTask:
    return BinaryTask(data.features, data.frustrated, data.weights, data.rows)


def sentiment_task(data: Examples) -> BinaryTask:
    """Positive against negative; a neutral text counts half for each, so that it lands in the middle. Texts of both poles are left out."""
    positive, negative, neutral = data.polarity == 1, data.polarity == -1, data.polarity == 0
    chosen = np.concatenate([np.flatnonzero(side) for side in (positive, negative, neutral, neutral)])
    target = np.concatenate(
        [np.full(side.sum(), value) for side, value in ((positive, True), (negative, False), (neutral, True), (neutral, False))]
    )
    halves = np.where(data.polarity[chosen] == 0, 0.5, 1.0)
    return BinaryTask(data.features[chosen], target, data.weights[chosen] * halves, data.rows[chosen])


@dataclass(frozen=True, slots=True)
class BinaryHead:
    """A logistic row over standardised features."""

    weight: Doubles
    bias: float
    strength: float

    def probability(self, standardised: FloatArray) -> Doubles:
        return np.asarray(expit(standardised @ self.weight + self.bias))


@dataclass(frozen=True, slots=True)
class WordingHead:
    frustration: BinaryHead
    sentiment: BinaryHead
    mean: FloatArray
    std: FloatArray
    prior: float
    """Weighted share of frustrated texts in training."""

    def frustrated(self, features: FloatArray) -> Doubles:
        """P(frustrated), shape [n]."""
        return self.frustration.probability((features - self.mean) / self.std)

    def polarity(self, features: FloatArray) -> Doubles:
        """Sentiment in [-1, 1], shape [n]."""
        return 2 * self.sentiment.probability((features - self.mean) / self.std) - 1


def train(data: Examples, strengths: Sequence[float] = STRENGTHS) -> WordingHead:
    """Fit both rows; the strength of each is chosen by log loss over folds of the training texts."""
    mean = data.features.mean(axis=0, dtype=np.float64).astype(np.float32)
    std = data.features.std(axis=0, dtype=np.float64).astype(np.float32) + np.float32(1e-6)
    return WordingHead(
        frustration=_fitted(frustration_task(data), mean, std, strengths),
        sentiment=_fitted(sentiment_task(data), mean, std, strengths),
        mean=mean,
        std=std,
        prior=float(np.average(data.frustrated, weights=data.weights)),
    )


def _fitted(task: BinaryTask, mean: FloatArray, std: FloatArray, strengths: Sequence[float]) -> BinaryHead:
    standardised = (task.features - mean) / std
    losses = [_held_out_loss(task, standardised, strength) for strength in strengths]
    strength = strengths[int(np.argmin(losses))]
    model = _regression(strength).fit(standardised, task.target, sample_weight=task.weights)
    return BinaryHead(model.coef_[0].astype(np.float64), float(model.intercept_[0]), strength)


def _held_out_loss(task: BinaryTask, standardised: FloatArray, strength: float) -> float:
    total = 0.0
    for fit, held in GroupKFold(FOLDS).split(standardised, groups=task.rows):
        model = _regression(strength).fit(standardised[fit], task.target[fit], sample_weight=task.weights[fit])
        total += log_loss(task.target[held], model.predict_proba(standardised[held])[:, 1], sample_weight=task.weights[held])
    return total / FOLDS


def _regression(strength: float) -> LogisticRegression:
    return LogisticRegression(C=strength, max_iter=1000, tol=1e-5)


def detection(frustrated: Mask, scores: Doubles) -> dict[str, float]:
    """How well `scores` find the frustrated texts, and how far they are from probabilities."""
    return rounded({"ap": average_precision(frustrated, scores), "auc": auc(frustrated, scores), "ece": ece(frustrated, scores)})


@dataclass(frozen=True, slots=True)
class Measured:
    """The held-out text, embedded once."""

    dev: Examples
    airline: FloatArray
    airline_negative: Mask
    airline_positive: Mask
    challenge: FloatArray
    challenge_frustrated: Mask

    def half(self, which: str) -> slice:
        """Rows of the dev texts as written or as spoken."""
        middle = len(self.dev) // 2
        return slice(0, middle) if which == "written" else slice(middle, None)


def read_measured(folder: Path, embedder: Embedder) -> Measured:
    dev = read_goemotions(folder / "goemotions", "dev")
    tweets = read_airline(folder / "airline" / "train.csv")
    challenge = read_challenge(CHALLENGE)
    return Measured(
        dev=examples(dev, [1.0] * len(dev), embedder),
        airline=embedder.features([spoken(text) for text, _ in tweets], "airline as spoken"),
        airline_negative=np.array([label == "negative" for _, label in tweets]),
        airline_positive=np.array([label == "positive" for _, label in tweets]),
        challenge=embedder.features([text for text, _ in challenge], "challenge"),
        challenge_frustrated=np.array([frustrated for _, frustrated in challenge]),
    )


def read_challenge(path: Path) -> list[tuple[str, bool]]:
    """Call phrases that are never trained on, with whether a reviewer would call them frustrated."""
    with path.open(newline="", encoding="utf-8") as lines:
        return [(row["text"], row["frustrated"] == "1") for row in csv.DictReader(lines)]


def measure(head: WordingHead, held: Measured) -> dict[str, dict[str, float]]:
    """Every number of the card for one head."""
    return {
        **{f"goemotions dev, {which}": _dev_numbers(head, held, held.half(which)) for which in ("written", "spoken")},
        "airline tweets, spoken": _airline_numbers(head, held),
        "call challenge list": _challenge_numbers(head, held),
    }


def _dev_numbers(head: WordingHead, held: Measured, rows: slice) -> dict[str, float]:
    features, polarity = held.dev.features[rows], held.dev.polarity[rows]
    polar = np.abs(polarity) == 1
    sentiment = head.polarity(features[polar])
    return detection(held.dev.frustrated[rows], head.frustrated(features)) | rounded(
        {"sentiment_auc": auc(polarity[polar] == 1, sentiment)}
    )


def _airline_numbers(head: WordingHead, held: Measured) -> dict[str, float]:
    polar = held.airline_negative | held.airline_positive
    return rounded(
        {
            "negative_auc": auc(held.airline_negative, head.frustrated(held.airline)),
            "negative_ap": average_precision(held.airline_negative, head.frustrated(held.airline)),
            "sentiment_auc": auc(held.airline_positive[polar], head.polarity(held.airline[polar])),
        }
    )


def _challenge_numbers(head: WordingHead, held: Measured) -> dict[str, float]:
    scores, frustrated = head.frustrated(held.challenge), held.challenge_frustrated
    lifted = scores > head.prior
    found = {"recall_over_prior": float(lifted[frustrated].mean()), "false_alarms_over_prior": float(lifted[~frustrated].mean())}
    return detection(frustrated, scores) | rounded(found)


def tfidf_baseline(
    train_sentences: Sequence[Sentence], held_sentences: Sequence[Sentence], tweets: Sequence[tuple[str, str]]
) -> dict[str, float]:
    """Word and word-pair TF-IDF with logistic regression on the spoken copies, measured like the head."""
    texts = [spoken(each.text) for each in train_sentences]
    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True), LogisticRegression(C=2.0, max_iter=1000))
    model.fit(texts, [each.frustrated for each in train_sentences])
    scores = model.predict_proba([spoken(each.text) for each in held_sentences])[:, 1]
    tweeted = model.predict_proba([spoken(text) for text, _ in tweets])[:, 1]
    numbers = detection(np.array([each.frustrated for each in held_sentences]), scores)
    return numbers | rounded({"airline_negative_auc": auc(np.array([label == "negative" for _, label in tweets]), tweeted)})


def description(head: WordingHead, metrics: dict[str, Any]) -> dict[str, Any]:
    """The JSON beside the tensors. `temperature` is 1: a logistic regression fitted by log loss is calibrated as it is (see ECE)."""
    return {
        "name": NAME,
        "encoder": "all-MiniLM-L6-v2",
        "features": ["sentence embedding", *(f"vader {key}" for key in VADER_KEYS)],
        "classes": ["frustration", "sentiment"],
        "license": "Apache-2.0",
        "commercial_use": True,
        "data": ["GoEmotions train (Apache-2.0)", "training/phrases.csv (ours, Apache-2.0)"],
        "languages": ["en"],
        "priors": {"frustration": round(head.prior, 6)},
        "temperature": 1.0,
        "strengths": {"frustration": head.frustration.strength, "sentiment": head.sentiment.strength},
        "metrics": metrics,
        "created_by": "python -m training.wording",
    }


def tensors(head: WordingHead) -> dict[str, FloatArray]:
    held = {
        "weight": np.stack([head.frustration.weight, head.sentiment.weight]),
        "bias": np.array([head.frustration.bias, head.sentiment.bias]),
        "feature_mean": head.mean,
        "feature_std": head.std,
    }
    return {key: value.astype(np.float32) for key, value in held.items()}


def show(title: str, table: Mapping[str, Any]) -> None:
    print(title)
    for name, value in table.items():
        cells = value if isinstance(value, dict) else {name: value}
        print(f"  {name:28}" + "  ".join(f"{key} {number:.3f}" for key, number in cells.items()), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, default=None, help="train on the first N comments only (a quick trial: nothing is written)")
    limit = parser.parse_args().limit
    folder = data_folder() / "text"
    embedder = Embedder(engine_class("sentence", "minilm")(Config()))
    held = read_measured(folder, embedder)
    comments = read_goemotions(folder / "goemotions", "train")[:limit]
    phrases = read_phrases(PHRASES)
    plain = examples(comments, [1.0] * len(comments), embedder)
    own = examples(phrases, [PHRASE_WEIGHT] * len(phrases), embedder)
    metrics: dict[str, Any] = {"tf-idf baseline, goemotions dev, spoken": _baseline(folder, comments)}
    _, metrics["without call phrases"] = _trained(plain, held)
    head, metrics["shipped"] = _trained(joined(plain, own), held)
    metrics["sentences"] = probed(head, embedder)
    for title, table in metrics.items():
        show(title, table)
    if limit is None:
        save_head(NAME, tensors(head), description(head, metrics))


def _baseline(folder: Path, comments: Sequence[Sentence]) -> dict[str, float]:
    return tfidf_baseline(comments, read_goemotions(folder / "goemotions", "dev"), read_airline(folder / "airline" / "train.csv"))


def _trained(data: Examples, held: Measured) -> tuple[WordingHead, dict[str, dict[str, float]]]:
    head = train(data)
    print(f"prior {head.prior:.3f}, C {head.frustration.strength} and {head.sentiment.strength}", flush=True)
    return head, measure(head, held)


def probed(head: WordingHead, embedder: Embedder) -> dict[str, dict[str, float]]:
    """The scores of sentences that anyone would try first."""
    features = embedder.features(PROBES, "probes")
    scored = zip(PROBES, head.frustrated(features), head.polarity(features), strict=True)
    return {text: rounded({"frustration": float(frustrated), "sentiment": float(polarity)}) for text, frustrated, polarity in scored}


if __name__ == "__main__":
    main()
