"""Sentence embeddings by all-MiniLM-L6-v2 (Wang et al. 2020; sentence-transformers), run by transformers from local files only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging as transformers_logging

from analysis import resolver

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.config import Config
    from analysis.values import FloatArray

WEIGHTS = "minilm"
DIMENSIONS = 384
BATCH = 32
MAX_TOKENS = 128
"""An utterance of 15 s holds some 60 tokens; the model was trained on 128."""


class MiniLMEncoder:
    def __init__(self, config: Config) -> None:
        folder = resolver.locate(WEIGHTS)
        if config.transcribe.threads:
            torch.set_num_threads(config.transcribe.threads)
        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self._model: Any = AutoModel.from_pretrained(folder, local_files_only=True).eval()
        self._name = f"all-MiniLM-L6-v2@sha256:{resolver.digest(folder / 'model.safetensors')}"

    @property
    def name(self) -> str:
        return self._name

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Mean-pooled token states, shape [texts, 384], unit length; texts of like length share a batch, which saves padding."""
        embedded = np.zeros((len(texts), DIMENSIONS), np.float32)
        order = sorted(range(len(texts)), key=lambda index: (len(texts[index]), index))
        for first in range(0, len(order), BATCH):
            chosen = order[first : first + BATCH]
            embedded[chosen] = self._batch([texts[index] for index in chosen])
        return embedded

    @torch.inference_mode()
    def _batch(self, texts: list[str]) -> FloatArray:
        tokens = self._tokenizer(texts, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
        states = self._model(**tokens).last_hidden_state
        mask = tokens["attention_mask"].unsqueeze(-1).to(states.dtype)
        pooled = (states * mask).sum(1) / mask.sum(1)
        return np.asarray(torch.nn.functional.normalize(pooled, dim=1).numpy(), np.float32)
