"""Wording by a fine-tuned sentence encoder: low-rank adapters and two logistic rows, `wording-minilm.*` (see analysis.heads)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.special import expit
from transformers import AutoModel, AutoTokenizer

from analysis import pretrained, resolver
from analysis.errors import AnalysisError
from analysis.heads import WEIGHTS, load_head
from analysis.values import Wording

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analysis.config import Config
    from analysis.heads import LinearHead
    from analysis.values import FloatArray

HEAD = "wording-minilm"
ADAPTER = "adapter."
BATCH = 32
MAX_TOKENS = 128
"""An utterance of 15 s holds some 60 tokens; MiniLM was trained on 128."""
DIGITS = 4


class PooledEncoder:
    """A BERT-like encoder from local files, all-MiniLM-L6-v2 (Wang et al. 2020) unless another folder is given, with mean pooling."""

    def __init__(self, folder: Path | None = None) -> None:
        """Raises AnalysisError where the folder holds no such encoder."""
        folder = folder or resolver.locate("minilm")
        with pretrained.loading(folder, "sentence encoder"):
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            self._model: Any = AutoModel.from_pretrained(folder, local_files_only=True).eval()
            self.digest = f"sha256:{resolver.digest(folder / 'model.safetensors')}"

    @property
    def width(self) -> int:
        return int(self._model.config.hidden_size)

    @torch.inference_mode()
    def adapt(self, tensors: Mapping[str, FloatArray]) -> None:
        """Add B A to the weight of every layer that has `adapter.<layer>.a` and `.b` (Hu et al. 2021; the scale is in B)."""
        for key in sorted(key for key in tensors if key.startswith(ADAPTER) and key.endswith(".a")):
            layer = key.removeprefix(ADAPTER).removesuffix(".a")
            change = tensors[f"{ADAPTER}{layer}.b"].astype(np.float32) @ tensors[key].astype(np.float32)
            self._model.get_submodule(layer).weight += torch.from_numpy(change)

    def pooled(self, texts: Sequence[str]) -> FloatArray:
        """The mean of the token states, shape [texts, width]; texts of like length share a batch, which saves padding."""
        found = np.zeros((len(texts), self.width), np.float32)
        order = sorted(range(len(texts)), key=lambda index: (len(texts[index]), index))
        for first in range(0, len(order), BATCH):
            chosen = order[first : first + BATCH]
            found[chosen] = self._batch([texts[index] for index in chosen])
        return found

    @torch.inference_mode()
    def _batch(self, texts: list[str]) -> FloatArray:
        tokens = self._tokenizer(texts, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
        states = self._model(**tokens).last_hidden_state
        mask = tokens["attention_mask"].unsqueeze(-1).to(states.dtype)
        return np.asarray(((states * mask).sum(1) / mask.sum(1)).numpy(), np.float32)


class EncoderHeadWordingModel:
    """P(frustrated) by a logistic row over the adapted encoder; sentiment is 2p - 1 of the row that tells positive from negative."""

    def __init__(self, config: Config, folder: Path = WEIGHTS) -> None:
        named = config.wording
        own = Path(named.head).expanduser() if named.head else folder / HEAD
        self._head = load_head(own.name, own.parent)
        self.frustration_prior = self._head.card.prior("frustration")
        if config.transcribe.threads:
            torch.set_num_threads(config.transcribe.threads)
        self._encoder = PooledEncoder(Path(named.encoder).expanduser() if named.encoder else None)
        _check_fit(self._head, self._encoder)
        self._encoder.adapt(self._head.tensors)
        self._frustration = self._head.card.classes.index("frustration")
        self._sentiment = self._head.card.classes.index("sentiment")

    @property
    def name(self) -> str:
        return f"{self._head.provenance}+{self._head.card.encoder}"

    @property
    def languages(self) -> frozenset[str]:
        return self._head.card.languages

    def score(self, texts: Sequence[str]) -> list[Wording]:
        """Sentiment in [-1, 1] and P(frustrated) in 0-1 of each text."""
        if not texts:
            return []
        shares = expit(self._head.logits(self._encoder.pooled(texts)))
        return [
            Wording(
                sentiment=round(2.0 * float(row[self._sentiment]) - 1.0, DIGITS), frustration=round(float(row[self._frustration]), DIGITS)
            )
            for row in shares
        ]


def _check_fit(head: LinearHead, encoder: PooledEncoder) -> None:
    """Adapters are worth nothing over other weights than those they were trained on."""
    expected = head.card.encoder.partition("@")[2]
    if encoder.digest != expected:
        raise AnalysisError(
            f"{head.card.name}: trained on an encoder with the digest {expected}, the one given has {encoder.digest}; "
            "give [wording] the encoder and the head of one training run",
            permanent=False,
        )
