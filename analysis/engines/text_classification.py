"""Wording by any text classifier of transformers, by hub name or local folder; what its labels mean is configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, TextClassificationPipeline

from analysis import pretrained, resolver
from analysis.errors import AnalysisError
from analysis.values import Wording

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from analysis.config import Config, TextClassificationConfig

BATCH = 32
DIGITS = 4


class TextClassificationWordingModel:
    """P(frustrated) and sentiment as weighted sums of the label probabilities, held within their ranges."""

    def __init__(self, config: Config) -> None:
        """Raises AnalysisError where the model or its labels are not there."""
        self._config = config.text_classification
        if not self._config.model:
            raise AnalysisError("[text_classification] model is empty: give a folder or a name of the hub", permanent=False)
        if config.transcribe.threads:
            torch.set_num_threads(config.transcribe.threads)
        folder = resolver.locate_model(self._config.model, allow_download=self._config.allow_download)
        read_by = {key: getattr(self._config, key) for key in ("frustration", "sentiment", "frustration_prior")}
        self.name = f"text-classification/{pretrained.provenance(self._config.model, folder, read_by=read_by)}"
        self._classify = _pipeline(folder, self._config)
        _check_labels(self._config, self._classify.model.config.id2label.values())
        self.frustration_prior = self._config.frustration_prior
        self.languages = frozenset(self._config.languages)

    def score(self, texts: Sequence[str]) -> list[Wording]:
        """Sentiment in [-1, 1] and P(frustrated) in 0-1 of each text."""
        found = self._classify(list(texts), batch_size=BATCH, top_k=None, truncation=True) if texts else []
        return [self._wording({each["label"]: each["score"] for each in scored}) for scored in found]

    def _wording(self, shares: Mapping[str, float]) -> Wording:
        return Wording(
            sentiment=round(min(max(_sum(self._config.sentiment, shares), -1.0), 1.0), DIGITS),
            frustration=round(min(max(_sum(self._config.frustration, shares), 0.0), 1.0), DIGITS),
        )


def _sum(weights: Mapping[str, float], shares: Mapping[str, float]) -> float:
    return sum(weight * shares[label] for label, weight in weights.items())


def _pipeline(folder: Path, config: TextClassificationConfig) -> Any:
    with pretrained.loading(folder, "text classifier"):
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model, loaded = AutoModelForSequenceClassification.from_pretrained(folder, local_files_only=True, output_loading_info=True)
    if loaded["missing_keys"]:
        lacking = ", ".join(sorted(loaded["missing_keys"])[:3])
        raise AnalysisError(f"{folder}: holds no trained text classifier, it lacks {lacking}", permanent=False)
    placed = pretrained.placed(model.eval(), config.model, config.device)
    return TextClassificationPipeline(model=placed, tokenizer=tokenizer, device=placed.device)  # type: ignore[no-untyped-call]


def _check_labels(config: TextClassificationConfig, known: Iterable[str]) -> None:
    for key, weights in (("frustration", config.frustration), ("sentiment", config.sentiment)):
        unknown = sorted(set(weights) - set(known))
        if unknown or not weights:
            said = f"names {', '.join(unknown)}, which it does not have" if unknown else "maps none of its labels"
            raise AnalysisError(f"[text_classification] {key} {said}; the labels of {config.model} are {', '.join(known)}", permanent=False)
