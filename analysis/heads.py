"""The project's own linear heads: what a file in `analysis/weights` holds, how it is checked, and how it is put to use.

A head is two files of one stem, `tone-<encoder>` or `wording-minilm`:

- `<stem>.safetensors` (float32): `weight` [k, d], `bias` [k], `feature_mean` [d], `feature_std` [d]; the tone head also has
  `arousal_weight` [d] and `arousal_bias` [1], and may have what it needs to refuse music (`music_weight` [d], `music_bias` [1]) and what is
  unlike its training (`novelty_axes` [m, d], float16, `novelty_limit` [1]);
- `<stem>.json`: `name`, `encoder`, `classes` (the k rows in order), `digest` (`sha256:` of the safetensors file), `license`,
  `commercial_use`, `languages`, `priors` (what share of its training each class was), `temperature`, `metrics`; that of a tone head may
  have `least_confidence`, a probability that the likeliest class must have.

Provenance names a head as `<name>@sha256:<the safetensors file>+card@sha256:<what scores rest on in the card>`.

Tone takes concat(mean, std) over the utterance's encoder frames (two middle layers side by side), relative to the caller's earlier
utterances, and has the rows anger, sadness, fear, disgust, happiness, surprise, neutral.
Wording takes the mean token state of the encoder that its card names (`<name>@sha256:<its tensors>`), with the low-rank changes
`adapter.<layer>.a` [r, in] and `adapter.<layer>.b` [out, r] (float16) added to that encoder's weights, and has the rows frustration and
sentiment.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors
from scipy.special import softmax

from analysis.config import digest
from analysis.errors import AnalysisError
from analysis.values import Abstention

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analysis.values import FloatArray

T = TypeVar("T")
Doubles: TypeAlias = NDArray[np.float64]

WEIGHTS = Path(__file__).parent / "weights"
BASELINE_PRIOR_S = 15.0
"""Seconds of a caller's speech at which their own mean counts as much as that of all speakers; the tone heads are trained with it."""


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
    least_confidence: float = 0.0
    """Probability of the likeliest class under which the head does not answer."""

    def prior(self, name: str) -> float:
        """What share of its training a class was. Raises AnalysisError where the card does not state it."""
        if name not in self.priors:
            raise AnalysisError(f"{self.name}: its card states no prior of {name}; run its script in training/", permanent=True)
        return self.priors[name]

    @property
    def scoring_digest(self) -> str:
        """`sha256:` of what scores rest on besides the tensors; the measurements and terms of a card may change without changing it."""
        bearing = [self.encoder, self.classes, sorted(self.languages), sorted(self.priors.items()), self.temperature, self.least_confidence]
        return digest(bearing)


@dataclass(frozen=True, slots=True)
class LinearHead:
    """Standardise, multiply, add, divide by the temperature."""

    card: HeadCard
    tensors: dict[str, FloatArray]

    @property
    def provenance(self) -> str:
        """The name with the digests of everything that a score rests on: tensors and card."""
        return f"{self.card.name}@{self.card.digest}+card@{self.card.scoring_digest}"

    @property
    def width(self) -> int:
        """How many features it takes."""
        return int(self.tensors["feature_mean"].shape[0])

    def standardised(self, features: FloatArray) -> FloatArray:
        """Features of shape [n, d] on the scale the head was trained on."""
        scaled: FloatArray = (features - self.tensors["feature_mean"]) / self.tensors["feature_std"]
        return scaled

    def logits(self, features: FloatArray) -> Doubles:
        """Calibrated logits of shape [n, k] for features of shape [n, d]."""
        raw = self.standardised(features).astype(np.float64) @ self.tensors["weight"].T.astype(np.float64) + self.tensors["bias"]
        return np.asarray(raw / self.card.temperature, np.float64)

    def follow(self, features: FloatArray, seconds: Doubles) -> tuple[Doubles, Doubles]:
        """One caller's utterances in order → calibrated logits [n, k] and arousal (a declared proxy) [n], against the caller so far.

        The rows are linear, so the caller's mean is kept of what they give, not of the features.
        """
        weight = np.vstack([self.tensors["weight"], self.tensors["arousal_weight"]]).astype(np.float64)
        bias = np.append(self.tensors["bias"], self.tensors["arousal_bias"]).astype(np.float64)
        scale = np.append(np.full(len(self.card.classes), self.card.temperature), 1.0)
        rows = self.standardised(features).astype(np.float64) @ weight.T
        followed = against_caller(
            rows / scale, bias / scale, seconds, classes=len(self.card.classes), anger=self.card.classes.index("anger")
        )
        return followed[:, :-1], followed[:, -1]

    def refusals(self, features: FloatArray) -> list[Abstention | None]:
        """Why the head does not answer for features of shape [n, d], by row: music, or nothing like what it was trained on.

        None where it answers; a head without the tensors of a reason never gives it.
        """
        standardised = self.standardised(features)
        return [
            Abstention.MUSIC if is_music else Abstention.OUT_OF_DISTRIBUTION if is_novel else None
            for is_music, is_novel in zip(self._is_music(standardised), self._is_novel(standardised), strict=True)
        ]

    def _is_music(self, standardised: FloatArray) -> NDArray[np.bool_]:
        if "music_weight" not in self.tensors:
            return np.zeros(len(standardised), bool)
        return np.asarray(standardised @ self.tensors["music_weight"] + self.tensors["music_bias"] > 0.0)

    def _is_novel(self, standardised: FloatArray) -> NDArray[np.bool_]:
        if "novelty_axes" not in self.tensors:
            return np.zeros(len(standardised), bool)
        return np.asarray(novelty(standardised, self.tensors["novelty_axes"]) > self.tensors["novelty_limit"])


def novelty(standardised: FloatArray, axes: FloatArray) -> Doubles:
    """How far features of shape [n, d] lie from all training speech, shape [n]; 1 on average for that speech itself.

    The squared Mahalanobis distance from its mean (Lee et al. 2018, with one class) over its m leading principal axes, by their number;
    `axes`, shape [m, d], are divided by the deviation along them.
    """
    return np.asarray(np.square(standardised @ axes.T.astype(np.float32)).mean(axis=1), np.float64)


def against_caller(rows: Doubles, bias: Doubles, seconds: Doubles, *, classes: int, anger: int) -> Doubles:
    """What linear rows say of one caller's utterances in order, shape [n, k], each less the mean of the utterances before it.

    The mean is weighted by seconds and by how little anger was heard, so that a caller who stays angry does not become their own measure,
    and it is shrunk to 0, the mean of all speakers, until it rests on `BASELINE_PRIOR_S`. The first `classes` columns are logits.
    """
    followed = np.empty_like(rows)
    earlier, heard_s = np.zeros(rows.shape[1]), 0.0
    for number, (row, length) in enumerate(zip(rows, seconds, strict=True)):
        followed[number] = row - earlier / (heard_s + BASELINE_PRIOR_S) + bias
        calm_s = float(length * (1.0 - softmax(followed[number, :classes])[anger]))
        earlier += calm_s * row
        heard_s += calm_s
    return followed


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


def save_head(stem: str, tensors: dict[str, FloatArray], description: dict[str, Any], folder: Path = WEIGHTS) -> list[Path]:
    """Write a head's two files; the card gets the digest of the tensors written. What was there is kept beside it: the copies' paths."""
    content = save_tensors(
        {key: np.ascontiguousarray(value, None if value.dtype == np.float16 else np.float32) for key, value in tensors.items()}
    )
    card = {**description, "digest": "sha256:" + hashlib.sha256(content).hexdigest()}
    tensors_file, card_file = folder / f"{stem}.safetensors", folder / f"{stem}.json"
    kept = [shutil.copyfile(file, file.with_name(f"{file.name}.previous")) for file in (tensors_file, card_file) if file.exists()]
    tensors_file.write_bytes(content)
    card_file.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n")
    return kept


def _card(description: dict[str, Any]) -> HeadCard:
    """Raises KeyError, TypeError or ValueError where a field is missing, of another type, or no share or temperature."""
    return HeadCard(
        name=_typed(description, "name", str),
        encoder=_typed(description, "encoder", str),
        classes=tuple(str(name) for name in _typed(description, "classes", list)),
        digest=_prefixed(_typed(description, "digest", str)),
        license=_typed(description, "license", str),
        commercial_use=_typed(description, "commercial_use", bool),
        languages=frozenset(str(code) for code in _typed(description, "languages", list)),
        priors={
            str(name): _number(share, f"the prior of {name}", below=1.0) for name, share in _typed(description, "priors", dict).items()
        },
        temperature=_number(description["temperature"], "the temperature", below=math.inf),
        least_confidence=_number(least, "the least confidence", below=1.0) if (least := description.get("least_confidence")) else 0.0,
    )


def _typed(description: dict[str, Any], key: str, kind: type[T]) -> T:
    value = description[key]
    if not isinstance(value, kind):
        raise TypeError(f"{key} is {value!r}, no {kind.__name__}")
    return value


def _number(value: Any, what: str, *, below: float) -> float:
    """A number over 0. A prior of 0 or 1, like NaN, has no odds to count from."""
    if not isinstance(value, int | float) or not 0.0 < value < below:
        raise ValueError(f"{what} is {value!r}, not between 0 and {below:g}")
    return float(value)


def _prefixed(digest: str) -> str:
    return digest if digest.startswith("sha256:") else f"sha256:{digest}"


def _check_shapes(head: LinearHead, file: Path) -> None:
    rows, shapes = len(head.card.classes), {key: tensor.shape for key, tensor in head.tensors.items()}
    width, axes = ((*shapes.get(key, ()), 0)[0] for key in ("feature_mean", "novelty_axes"))
    linear: dict[str, tuple[int, ...]] = {"weight": (rows, width), "bias": (rows,), "feature_mean": (width,), "feature_std": (width,)}
    if not linear.items() <= shapes.items():
        raise AnalysisError(f"{file}: its tensors do not fit its {rows} classes", permanent=True)
    optional: dict[str, dict[str, tuple[int, ...]]] = {
        "arousal": {"arousal_weight": (width,), "arousal_bias": (1,)},
        "music": {"music_weight": (width,), "music_bias": (1,)},
        "novelty": {"novelty_axes": (axes, width), "novelty_limit": (1,)},
    }
    for group, own in optional.items():
        if not own.keys().isdisjoint(shapes) and not own.items() <= shapes.items():
            raise AnalysisError(f"{file}: its {group} tensors do not fit its {width} features", permanent=True)
