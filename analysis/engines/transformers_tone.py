"""Tone by models of transformers that hear the customer's audio themselves: audio classifiers, and regressors of emotion dimensions."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import soxr
import torch
from safetensors.torch import load_file
from scipy.special import expit, logit
from transformers import AutoFeatureExtractor, AutoModel, AutoModelForAudioClassification

from analysis import pretrained, resolver
from analysis.errors import AnalysisError
from analysis.values import EMOTIONS, SAMPLE_RATE, Tone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from analysis.config import AudioClassificationConfig, Config, DimensionalConfig
    from analysis.values import CustomerVoice, FloatArray, Utterance, UtteranceAudio

    ModelConfig: TypeAlias = AudioClassificationConfig | DimensionalConfig

DIMENSIONS = ("arousal", "dominance", "valence")
DIGITS = 4
_UNREAD = ("model", "licence", "commercial_use", "allow_download", "device", "batch")
"""Keys that say nothing of how a model's outputs become a tone."""
_NEVER_READ = frozenset({"masked_spec_embed"})
"""Tensors that only training reads: a checkpoint may lack them."""


class AudioClassificationToneModel:
    """A softmax over the model's labels, summed by the class that each stands for.

    What falls to labels that stand for none of our classes stays with them: shared out, it would turn a sound that the model takes for none
    of ours into a sure sign of one. A class that no label stands for is None, and so is arousal.
    """

    encoder = None

    def __init__(self, config: Config) -> None:
        """Raises AnalysisError where the model or its labels are not there, or the configuration does not state its terms."""
        self._config = config.audio_classification
        self._listener = _Listener("audio_classification", self._config, AutoModelForAudioClassification, config.transcribe.threads)
        model = self._listener.model
        if missing := self._listener.missing:
            raise AnalysisError(f"{self._config.model}: is no trained audio classifier, it lacks {_few(missing)}", permanent=False)
        if model.config.problem_type not in (None, "single_label_classification") or model.config.num_labels < 2:
            raise AnalysisError(f"{self._config.model}: its labels do not exclude each other, so they are no classes", permanent=False)
        self._rows = _rows(self._config, [model.config.id2label[number] for number in range(model.config.num_labels)])
        self.name = f"audio-classification/{self._listener.name}"
        self.licence = self._config.licence
        self.commercial_use = self._config.commercial_use
        self.anger_prior = self._config.anger_prior

    def score(self, voice: CustomerVoice, audio: UtteranceAudio) -> list[Tone]:
        """One tone per utterance of the customer."""
        found = self._listener.outputs(voice, audio, lambda inputs: torch.softmax(self._listener.model(**inputs).logits, dim=-1))
        return [self._tone(shares) for shares in found]

    def _tone(self, shares: NDArray[np.float64]) -> Tone:
        sums = {name: round(float(shares[rows].sum()), DIGITS) if rows else None for name, rows in self._rows.items()}
        anger = sums.pop("anger")
        assert anger is not None
        return Tone(anger=anger, **sums, arousal=None)


class DimensionalToneModel:
    """Arousal, dominance and valence by a regression head over the mean hidden state of wav2vec2, WavLM, HuBERT and their like.

    The head is that of Wagner et al. (2023, arXiv 2203.07378): dense, tanh, projection, stored as `classifier.dense` and
    `classifier.out_proj` beside the encoder. Anger is a *declared proxy*, nothing that the model was trained to tell: a logistic function
    of the dimensions, after the finding that anger is unpleasant, aroused and dominant (Russell and Mehrabian 1977; the first two also
    Russell 1980). At the configured centre it equals `anger_prior`, so a voice there is evidence of nothing. The other classes are None.
    """

    encoder = None

    def __init__(self, config: Config) -> None:
        """Raises AnalysisError where the model or its head are not there, or the configuration does not fit them or states no terms."""
        self._config = config.dimensional
        _check_outputs(self._config)
        self._listener = _Listener("dimensional", self._config, AutoModel, config.transcribe.threads)
        if missing := self._listener.missing:
            raise AnalysisError(f"{self._config.model}: its encoder lacks {_few(missing)}", permanent=False)
        if not hasattr(self._listener.model, "_get_feature_vector_attention_mask"):
            raise AnalysisError(f"{self._config.model}: is no wav2vec2, WavLM or HuBERT", permanent=False)
        self._head = _regression_head(self._listener.files, self._config).to(self._listener.model.device)
        self.name = f"dimensional/{self._listener.name}"
        self.licence = self._config.licence
        self.commercial_use = self._config.commercial_use
        self.anger_prior = self._config.anger_prior

    def score(self, voice: CustomerVoice, audio: UtteranceAudio) -> list[Tone]:
        """One tone per utterance of the customer."""
        return [self._tone(row) for row in self._listener.outputs(voice, audio, self._read)]

    def _read(self, inputs: Any) -> torch.Tensor:
        hidden = self._listener.model(**inputs).last_hidden_state
        mask = inputs.get("attention_mask")
        if mask is None:
            return self._projected(hidden.mean(dim=1))
        own = self._listener.model._get_feature_vector_attention_mask(hidden.shape[1], mask)[..., None].to(hidden.dtype)
        return self._projected((hidden * own).sum(dim=1) / own.sum(dim=1))

    def _projected(self, pooled: torch.Tensor) -> torch.Tensor:
        projected: torch.Tensor = self._head(pooled)
        return projected

    def _tone(self, row: NDArray[np.float64]) -> Tone:
        scaled = np.clip((row - self._config.lowest) / (self._config.highest - self._config.lowest), 0.0, 1.0)
        found = dict(zip(self._config.outputs, scaled.tolist(), strict=True))
        levels = {name: round(found[name], DIGITS) if name in found else None for name in DIMENSIONS}
        anger = round(self._anger(found), DIGITS)
        return Tone(anger=anger, **dict.fromkeys(set(EMOTIONS) - {"anger"}), **levels)

    def _anger(self, found: Mapping[str, float]) -> float:
        evidence = sum(
            getattr(self._config, f"{name}_weight") * (level - getattr(self._config, f"{name}_centre")) for name, level in found.items()
        )
        return float(expit(logit(self.anger_prior) + evidence))


class _Listener:
    """A model with its feature extractor, and how utterances are put through both."""

    def __init__(self, section: str, config: ModelConfig, kind: Any, threads: int) -> None:
        _check_terms(section, config)
        if threads:
            torch.set_num_threads(threads)
        folder = resolver.locate_model(config.model, allow_download=config.allow_download)
        self.files = resolver.tensor_files(folder)
        self._extractor, loaded, told = _load(folder, kind)
        self.missing = sorted(set(told["missing_keys"]) - _NEVER_READ)
        self.model = pretrained.placed(loaded, config.model, config.device)
        self._batch = config.batch if _masks(self._extractor) else 1
        read_by = {key: value for key, value in asdict(config).items() if key not in _UNREAD}
        self.name = pretrained.provenance(config.model, folder, read_by=read_by)

    @torch.inference_mode()
    def outputs(self, voice: CustomerVoice, audio: UtteranceAudio, read: Callable[[Any], torch.Tensor]) -> NDArray[np.float64]:
        """What `read` makes of each utterance, in order, shape [utterances, k]."""
        rows: dict[int, NDArray[np.float64]] = {}
        for group in self._groups(voice.utterances):
            found = read(self._inputs([audio(utterance) for utterance in group])).float().cpu().numpy()
            rows.update(zip((utterance.id for utterance in group), found.astype(np.float64), strict=True))
        return np.array([rows[utterance.id] for utterance in voice.utterances])

    def _groups(self, utterances: Sequence[Utterance]) -> Iterator[Sequence[Utterance]]:
        """Utterances of like length together, so that little is padded."""
        ordered = sorted(utterances, key=lambda utterance: (utterance.span.seconds, utterance.id))
        for first in range(0, len(ordered), self._batch):
            yield ordered[first : first + self._batch]

    def _inputs(self, heard: Sequence[FloatArray]) -> Any:
        rate = self._extractor.sampling_rate
        samples = [each if rate == SAMPLE_RATE else soxr.resample(each, SAMPLE_RATE, rate) for each in heard]
        padded = {"padding": True} if len(samples) > 1 else {}
        return self._extractor(samples, sampling_rate=rate, return_tensors="pt", **padded).to(self.model.device)


def _masks(extractor: Any) -> bool:
    """Whether the model is told where an utterance ends. Where it is not, padding would change what it hears, and each goes alone."""
    return bool(getattr(extractor, "return_attention_mask", False)) and hasattr(extractor, "pad")


def _check_terms(section: str, config: ModelConfig) -> None:
    stated = {"model": config.model, "licence": config.licence, "anger_prior": config.anger_prior}
    absent = [key for key, value in stated.items() if not value]
    if absent:
        what = "the model's folder or hub name, its licence, and the share of anger in what it was trained on"
        raise AnalysisError(f"[{section}] does not state {', '.join(absent)}; it needs {what}", permanent=False)


def _load(folder: Path, kind: Any) -> tuple[Any, Any, dict[str, Any]]:
    """Feature extractor, model and what was missing."""
    with pretrained.loading(folder, "audio model"):
        extractor = AutoFeatureExtractor.from_pretrained(folder, local_files_only=True)  # type: ignore[no-untyped-call]
        model, told = kind.from_pretrained(folder, local_files_only=True, dtype=torch.float32, output_loading_info=True)
    return extractor, model.eval(), told


def _rows(config: AudioClassificationConfig, known: Sequence[str]) -> dict[str, list[int]]:
    """Which of the model's outputs make up each of our classes."""
    labels = {name: getattr(config.labels, name) for name in EMOTIONS}
    named = [label for own in labels.values() for label in own]
    foreign = [label for label in named if label not in known]
    twice = [label for label in dict.fromkeys(named) if named.count(label) > 1]
    if foreign or twice or not labels["anger"]:
        said = f"names {foreign[0]!r}, which the model does not have" if foreign else "names no label for anger"
        said = f"gives {twice[0]!r} to more than one class" if twice else said
        message = f"{said}; the labels of {config.model} are {', '.join(known)}"
        raise AnalysisError(f"[audio_classification.labels] {message}", permanent=False)
    return {name: [row for row, label in enumerate(known) if label in own] for name, own in labels.items()}


def _check_outputs(config: DimensionalConfig) -> None:
    named = set(config.outputs)
    if len(named) < len(config.outputs) or not {"arousal", "valence"} <= named <= set(DIMENSIONS):
        message = f"[dimensional] outputs must name arousal, valence and perhaps dominance, each once, not {', '.join(config.outputs)}"
        raise AnalysisError(message, permanent=False)
    if not config.lowest < config.highest:
        raise AnalysisError(f"[dimensional] lowest ({config.lowest:g}) must be under highest ({config.highest:g})", permanent=False)


def _regression_head(files: Sequence[Path], config: DimensionalConfig) -> torch.nn.Sequential:
    """The head in the files that hold the encoder too."""
    stored = {name: tensor.float() for file in files for name, tensor in _tensors(file).items() if name.startswith("classifier.")}
    try:
        parts = [(stored[f"classifier.{name}.weight"], stored[f"classifier.{name}.bias"]) for name in ("dense", "out_proj")]
    except KeyError as error:
        message = (
            f"{config.model}: holds no regression head ({error} is missing); a classifier is for [engines] tone = 'audio-classification'"
        )
        raise AnalysisError(message, permanent=False) from error
    if len(parts[1][1]) != len(config.outputs):
        message = f"{config.model}: its head has {len(parts[1][1])} outputs, [dimensional] outputs names {len(config.outputs)}"
        raise AnalysisError(message, permanent=False)
    dense, projection = (_linear(weight, bias) for weight, bias in parts)
    return torch.nn.Sequential(dense, torch.nn.Tanh(), projection).eval()


def _linear(weight: torch.Tensor, bias: torch.Tensor) -> torch.nn.Linear:
    layer = torch.nn.Linear(weight.shape[1], weight.shape[0])
    layer.load_state_dict({"weight": weight, "bias": bias})
    return layer


def _tensors(file: Path) -> dict[str, torch.Tensor]:
    if file.suffix == ".safetensors":
        return load_file(file)
    tensors: dict[str, torch.Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    return tensors


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
