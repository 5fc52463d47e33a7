"""Trains the wording head: adapters of MiniLM and two rows over it → P(frustrated) and sentiment.

`python -m training.wording` trains on GoEmotions' train split and our call phrases, writes analysis/weights/wording-minilm.*, and measures
on GoEmotions dev, the airline tweets, the rated MultiWOZ turns and a held-out list of call phrases. `--measure` only measures what is
shipped.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from analysis import resolver
from analysis.engines.wording_head import ADAPTER, HEAD
from analysis.heads import WEIGHTS, save_head
from training.corpus import ROOT, data_folder, require
from training.metrics import auc, average_precision, best_temperature, ece, in_digits, rounded
from training.noise import Mishearing, spoken
from training.sentences import (
    MEASURED_TEXTS,
    TRAINED_TEXTS,
    goemotions_labels,
    read_challenge,
    read_goemotions,
    read_multiwoz,
    read_phrases,
)
from training.wording_scores import (
    AIRLINE,
    CHALLENGE,
    CHALLENGE_LIST,
    DEV_SPOKEN,
    DEV_WRITTEN,
    DISSATISFIED,
    FROZEN,
    TFIDF,
    TUNED,
    TunedHead,
    airline_ceiling,
    held_out_scores,
    inner_split,
)
from training.wording_tuning import ROWS, Recipe, TunedEncoder, tune

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analysis.values import FloatArray
    from training.metrics import Doubles, Mask
    from training.sentences import Sentence
    from training.wording_scores import Scored

PHRASES = ROOT / "training" / "phrases.csv"
RESAMPLES = 1000
PROBES = (
    "This is ridiculous, I have called four times",
    "nobody called me back",
    "I've been on hold for forty minutes",
    "I want to speak to a manager",
    "No problem",
    "not bad at all",
    "I'm not angry",
    "brilliant, just brilliant",
    "thank you so much",
    "my card number is 4 4 2 1",
)
"""Sentences that the card shows with their P(frustrated); none of them is trained on."""


def trained(comments: Sequence[Sentence], phrases: Sequence[Sentence], labels: Sequence[str], recipe: Recipe) -> TunedEncoder:
    """The model after the recipe's epochs; the inner split is scored after each and learnt from in none."""
    rest, inner = inner_split(comments, len(comments) // 10)
    torch.manual_seed(recipe.seed)
    model = TunedEncoder(resolver.locate("minilm"), len(ROWS) + len(labels), recipe)

    def report(epoch: int) -> None:
        scores = _sigmoid(model.logits([spoken(each.text) for each in inner])[:, 0])
        show(f"inner split after epoch {epoch + 1}, spoken", detection(frustrated(inner), scores))

    tune(model, rest, phrases, labels, recipe, report)
    return model


def temperature(model: TunedEncoder, comments: Sequence[Sentence]) -> float:
    """What calibrates P(frustrated) on noisy copies of the inner split."""
    inner = inner_split(comments, len(comments) // 10)[1]
    noise, random = Mishearing(each.text for each in comments), np.random.default_rng(0)
    logits = model.logits([noise.copy(each.text, random) for each in inner])[:, 0].astype(np.float64)
    return best_temperature(frustrated(inner).astype(np.int64), np.stack([np.zeros_like(logits), logits], axis=1))


def tensors(model: TunedEncoder) -> dict[str, FloatArray]:
    """What ships: the rows over the unscaled mean state in float32, the adapters in float16."""
    width = model.rows.in_features
    rows = {
        "weight": model.rows.weight[: len(ROWS)].detach().numpy(),
        "bias": model.rows.bias[: len(ROWS)].detach().numpy(),
        "feature_mean": np.zeros(width, np.float32),
        "feature_std": np.ones(width, np.float32),
    }
    return rows | {f"{ADAPTER}{name}": value.astype(np.float16) for name, value in model.adapters().items()}


def description(recipe: Recipe, prior: float, temperature: float, metrics: dict[str, Any]) -> dict[str, Any]:
    """The JSON beside the tensors."""
    encoder = resolver.locate("minilm") / "model.safetensors"
    return {
        "name": HEAD,
        "encoder": f"all-MiniLM-L6-v2@sha256:{resolver.digest(encoder)}",
        "features": [f"mean token state of the encoder with adapters of rank {recipe.rank}"],
        "classes": list(ROWS),
        "license": "Apache-2.0",
        "commercial_use": True,
        "data": ["GoEmotions train (Apache-2.0)", "training/phrases.csv (ours, Apache-2.0)"],
        "languages": ["en"],
        "priors": {"frustration": round(prior, 6)},
        "temperature": round(temperature, 4),
        "metrics": metrics,
        "created_by": "python -m training.wording",
    }


def prior(comments: Sequence[Sentence], phrases: Sequence[Sentence], recipe: Recipe) -> float:
    """Share of frustrated texts in an epoch."""
    return float(np.mean(frustrated([*comments, *list(phrases) * recipe.phrase_copies])))


def frustrated(sentences: Sequence[Sentence]) -> Mask:
    return np.array([each.frustrated for each in sentences])


def detection(positive: Mask, scores: Doubles) -> dict[str, float]:
    """How well `scores` find the positive texts, and how far they are from probabilities."""
    return rounded({"ap": average_precision(positive, scores), "auc": auc(positive, scores), "ece": ece(positive, scores)})


def measure(head: TunedHead, scored: Sequence[Scored], folder: Path) -> dict[str, Any]:
    """Every number of the card."""
    by_name = {each.held.name: each for each in scored}
    return {
        **{name: {each.held.name: detection(each.held.positive, each.scores[name]) for each in scored} for name in (TUNED, TFIDF, FROZEN)},
        "sentiment, positive against negative": {name: _sentiment(head, by_name[name]) for name in (DEV_WRITTEN, DEV_SPOKEN, AIRLINE)},
        "average precision on goemotions dev, 95 % of 1,000 resamples": _intervals(by_name[DEV_SPOKEN]),
        "trained on the airline tweets themselves, TF-IDF + LR, five folds": rounded({"auc": airline_ceiling(folder)}),
        "every fourth multiwoz turn with what was said before it": _context(head, folder),
        "call challenge list by kind": _kinds(by_name[CHALLENGE_LIST], head.prior),
        "sentences": probed(head),
    }


def _sentiment(head: TunedHead, scored: Scored) -> dict[str, float]:
    polar = np.abs(scored.held.polarity) == 1
    return rounded({"auc": auc(scored.held.polarity[polar] == 1, head.polarity(scored.held.texts)[polar])})


def _intervals(scored: Scored) -> dict[str, dict[str, float]]:
    """Of the head and of its lead over each baseline, over the same resampled comments."""
    random, positive = np.random.default_rng(0), scored.held.positive
    drawn = [random.integers(len(positive), size=len(positive)) for _ in range(RESAMPLES)]
    found = {name: np.array([average_precision(positive[rows], scores[rows]) for rows in drawn]) for name, scores in scored.scores.items()}
    samples = {TUNED: found[TUNED], **{f"lead over {name}": found[TUNED] - found[name] for name in (TFIDF, FROZEN)}}
    return {name: rounded(dict(zip(("low", "high"), np.percentile(each, (2.5, 97.5)), strict=True))) for name, each in samples.items()}


def _context(head: TunedHead, folder: Path) -> dict[str, dict[str, float]]:
    """The turn alone, and with one and with two turns before it, of both parties, read as one text; of every fourth turn, for time."""
    turns = read_multiwoz(folder / "satisfaction" / "MWOZ.txt")[::4]
    dissatisfied = np.array([turn.satisfaction <= DISSATISFIED for turn in turns])
    return {
        f"{count} turns before": detection(
            dissatisfied, head.frustrated([" ".join([*(turn.before[-count:] if count else ()), turn.text]) for turn in turns])
        )
        for count in (0, 1, 2)
    }


def _kinds(scored: Scored, prior: float) -> dict[str, dict[str, float]]:
    """Share of lines over the prior, which is where the fusion starts to count them: wanted of the frustrated, unwanted of the rest."""
    lines, scores = read_challenge(CHALLENGE), scored.scores[TUNED]
    found: dict[str, dict[str, float]] = {}
    for kind, wanted in sorted({(line.kind, line.frustrated) for line in lines}):
        chosen = np.array([line.kind == kind and line.frustrated == wanted for line in lines])
        row = {"lines": float(chosen.sum()), "over_prior": float(np.mean(scores[chosen] > prior)), "mean": float(scores[chosen].mean())}
        found[f"{kind}, {'frustrated' if wanted else 'not frustrated'}"] = rounded(row)
    return found


def probed(head: TunedHead) -> dict[str, dict[str, float]]:
    """The scores of sentences that anyone would try first."""
    scored = zip(PROBES, head.frustrated(PROBES), head.polarity(PROBES), strict=True)
    return {text: rounded({"frustration": float(share), "sentiment": float(polarity)}) for text, share, polarity in scored}


def _sigmoid(logits: FloatArray) -> Doubles:
    return np.asarray(1.0 / (1.0 + np.exp(-logits.astype(np.float64))))


def show(title: str, table: Mapping[str, Any]) -> None:
    rows = table if all(isinstance(value, dict) for value in table.values()) else {"": table}
    print(title)
    for name, cells in rows.items():
        print(f"  {name:44}" + "  ".join(f"{key} {in_digits(number)}" for key, number in cells.items()), flush=True)


def write_measured(weights: Path, text: Path) -> None:
    """Measure the head in `weights`, print it, and put the numbers in its card."""
    metrics = measure(TunedHead.load(weights), held_out_scores(text, weights), text)
    for title, table in metrics.items():
        show(title, table)
    path = weights / f"{HEAD}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"metrics": metrics}, indent=2, ensure_ascii=False) + "\n")


def train(text: Path, weights: Path, limit: int | None, recipe: Recipe) -> None:
    comments = read_goemotions(text / "goemotions", "train")[:limit]
    phrases = read_phrases(PHRASES)
    model = trained(comments, phrases, goemotions_labels(text / "goemotions"), recipe)
    card = description(recipe, prior(comments, phrases, recipe), temperature(model, comments), {})
    for kept in save_head(HEAD, tensors(model), card, weights):
        print(f"what was there is kept as {kept}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, default=None, help="try the first N comments only: nothing is kept, the probes are shown")
    parser.add_argument("--measure", action="store_true", help="train nothing, measure what is shipped")
    options = parser.parse_args()
    require(*TRAINED_TEXTS, *(() if options.limit is not None else MEASURED_TEXTS))
    text = data_folder() / "text"
    if options.limit is not None:
        with tempfile.TemporaryDirectory() as aside:
            train(text, Path(aside), options.limit, Recipe())
            show("sentences", probed(TunedHead.load(Path(aside))))
        return
    if not options.measure:
        train(text, WEIGHTS, None, Recipe())
    write_measured(WEIGHTS, text)


if __name__ == "__main__":
    main()
