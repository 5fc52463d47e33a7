"""The project's own linear heads: what a file in `analysis/weights` holds, how it is checked, and how it is put to use.

A head is two files of one stem, `tone-<encoder>` or `wording-minilm`:

- `<stem>.safetensors` (float32): `weight` [k, d], `bias` [k], `feature_mean` [d], `feature_std` [d]; the tone head also has
  `arousal_weight` [d] and `arousal_bias` [1];
- `<stem>.json`: `name`, `encoder`, `classes` (the k rows in order), `digest` (`sha256:` of the safetensors file), `license`,
  `commercial_use`, `languages`, `priors` (what share of its training each class was), `temperature`, `metrics`.

Tone takes concat(mean, std) over the utterance's encoder frames and has the rows anger, sadness, fear, disgust, happiness, surprise,
neutral.
Wording takes concat(MiniLM embedding, VADER's neg, neu, pos, compound) and has the rows frustration and sentiment.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from analysis.errors import AnalysisError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from analysis.values import FloatArray

WEIGHTS = Path(__file__).parent / "weights"


@dataclass(frozen=True, slots=True)
class HeadCard:
    """What a head says of itself."""

    name: str
    encoder: str
    classes: tuple[str, ...]
    digest: str
    license: str
    commercial_use: bool
    languages: frozenset[str]
    priors: Mapping[str, float]
    temperature: float

    def prior(self, name: str) -> float:
        """What share of its training a class was. Raises AnalysisError where the card does not state it."""
        if name not in self.priors:
            raise AnalysisError(f"{self.name}: its card states no prior of {name}; run its script in training/", permanent=True)
        return self.priors[name]


@dataclass(frozen=True, slots=True)
class LinearHead:
    """Standardise, multiply, add, divide by the temperature."""

    card: HeadCard
    tensors: dict[str, FloatArray]

    @property
    def provenance(self) -> str:
        return f"{self.card.name}@{self.card.digest}"

    def standardised(self, features: FloatArray) -> FloatArray:
        """Features of shape [n, d] on the scale the head was trained on."""
        scaled: FloatArray = (features - self.tensors["feature_mean"]) / self.tensors["feature_std"]
        return scaled

    def logits(self, features: FloatArray) -> NDArray[np.float64]:
        """Calibrated logits of shape [n, k] for features of shape [n, d]."""
        raw = self.standardised(features).astype(np.float64) @ self.tensors["weight"].T.astype(np.float64) + self.tensors["bias"]
        return np.asarray(raw / self.card.temperature, np.float64)

    def arousal_logits(self, features: FloatArray) -> NDArray[np.float64]:
        """Logits of the declared arousal proxy, shape [n]."""
        raw = self.standardised(features).astype(np.float64) @ self.tensors["arousal_weight"].astype(np.float64)
        return np.asarray(raw + self.tensors["arousal_bias"], np.float64)


def has_head(stem: str, folder: Path = WEIGHTS) -> bool:
    return (folder / f"{stem}.json").is_file()


def load_head(stem: str, folder: Path = WEIGHTS) -> LinearHead:
    """Read and check a head. Raises AnalysisError where a file is missing, its digest differs or its shapes do not fit each other."""
    tensor_file = folder / f"{stem}.safetensors"
    try:
        description = json.loads((folder / f"{stem}.json").read_text())
        content = tensor_file.read_bytes()
        card = _card(description)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AnalysisError(
            f"{tensor_file.stem}: the head cannot be read ({error!r}); run its script in training/", permanent=True
        ) from error
    found = "sha256:" + hashlib.sha256(content).hexdigest()
    if found != card.digest:
        raise AnalysisError(
            f"{tensor_file}: its digest is {found}, its card states {card.digest}; restore both from one training run", permanent=True
        )
    head = LinearHead(card, load_tensors(content))
    _check_shapes(head, tensor_file)
    return head


def save_head(stem: str, tensors: dict[str, FloatArray], description: dict[str, Any], folder: Path = WEIGHTS) -> None:
    """Write a head's two files; the card gets the digest of the tensors written."""
    content = save_tensors({key: np.ascontiguousarray(value, np.float32) for key, value in tensors.items()})
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    (folder / f"{stem}.safetensors").write_bytes(content)
    (folder / f"{stem}.json").write_text(json.dumps({**description, "digest": digest}, indent=2, ensure_ascii=False) + "\n")


def _card(description: dict[str, Any]) -> HeadCard:
    return HeadCard(
        name=str(description["name"]),
        encoder=str(description["encoder"]),
        classes=tuple(description["classes"]),
        digest=_prefixed(str(description["digest"])),
        license=str(description["license"]),
        commercial_use=bool(description["commercial_use"]),
        languages=frozenset(description["languages"]),
        priors={str(name): float(share) for name, share in description["priors"].items()},
        temperature=float(description["temperature"]),
    )


def _prefixed(digest: str) -> str:
    return digest if digest.startswith("sha256:") else f"sha256:{digest}"


def _check_shapes(head: LinearHead, file: Path) -> None:
    rows, width = head.tensors["weight"].shape
    fits = rows == len(head.card.classes) == len(head.tensors["bias"]) and all(
        head.tensors[key].shape == (width,) for key in ("feature_mean", "feature_std")
    )
    if not fits:
        raise AnalysisError(f"{file}: its tensors do not fit its {len(head.card.classes)} classes", permanent=True)
