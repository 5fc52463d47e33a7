"""Low-rank adapters of the sentence encoder (Hu et al. 2021) and the rows over it, trained together on noisy copies of the text."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits
from tqdm import tqdm
from transformers import AutoModel, AutoTokenizer

from training.noise import Mishearing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from torch import Tensor

    from analysis.values import FloatArray
    from training.sentences import Sentence

MAX_TOKENS = 64
"""The longest comment of GoEmotions has 30 words before its placeholders; an utterance of 15 s some 60 tokens."""
ROWS = ("frustration", "sentiment")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a run is made of; chosen on the inner split of train (see docs/models/wording.md)."""

    rank: int = 16
    scale: float = 2.0
    rate: float = 7e-4
    epochs: int = 2
    batch: int = 32
    labels_share: float = 0.25
    """What the sum over the 28 labels counts beside the frustration and the sentiment row."""
    dropout: float = 0.1
    decay: float = 0.01
    warm_up: float = 0.06
    phrase_copies: int = 5
    """How often an epoch sees each of our call phrases; a comment is seen once."""
    seed: int = 0


class Adapted(nn.Module):
    """A frozen linear layer plus scale · B A x."""

    def __init__(self, base: nn.Linear, rank: int, scale: float) -> None:
        super().__init__()
        self.base, self.scale = base, scale
        self.a = nn.Parameter(torch.empty(rank, base.in_features))
        self.b = nn.Parameter(torch.zeros(base.out_features, rank))
        nn.init.kaiming_uniform_(self.a, a=math.sqrt(5))

    def forward(self, states: Tensor) -> Tensor:
        added: Tensor = self.base(states) + self.scale * ((states @ self.a.T) @ self.b.T)
        return added


class TunedEncoder(nn.Module):
    """The encoder with an adapter on every linear layer, mean pooling, and one row per target."""

    def __init__(self, folder: Path, rows: int, recipe: Recipe) -> None:
        super().__init__()
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self.encoder: Any = AutoModel.from_pretrained(folder, local_files_only=True, attn_implementation="eager")
        self.encoder.requires_grad_(False)
        linear = [(name, module) for name, module in self.encoder.encoder.named_modules() if isinstance(module, nn.Linear)]
        for name, module in linear:
            self.encoder.encoder.set_submodule(name, Adapted(module, recipe.rank, recipe.scale))
        for module in self.encoder.modules():
            if isinstance(module, nn.Dropout):
                module.p = recipe.dropout
        self.dropout = nn.Dropout(recipe.dropout)
        self.rows = nn.Linear(self.encoder.config.hidden_size, rows)

    def forward(self, texts: list[str]) -> Tensor:
        """Logits of shape [texts, rows]."""
        tokens = self.tokenizer(texts, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
        states = self.encoder(**tokens).last_hidden_state
        mask = tokens["attention_mask"].unsqueeze(-1).to(states.dtype)
        logits: Tensor = self.rows(self.dropout((states * mask).sum(1) / mask.sum(1)))
        return logits

    @torch.inference_mode()
    def logits(self, texts: Sequence[str], batch: int = 64) -> FloatArray:
        """Logits of every text, in order; texts of like length share a batch."""
        self.eval()
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        found = np.zeros((len(texts), self.rows.out_features), np.float32)
        for first in range(0, len(order), batch):
            chosen = order[first : first + batch]
            with torch.autocast("cpu", torch.bfloat16):
                found[chosen] = self([texts[index] for index in chosen]).float().numpy()
        return found

    def adapters(self) -> dict[str, FloatArray]:
        """`<layer>.a` [rank, in] and `<layer>.b` [out, rank] of every adapted layer, whose weight grows by b a (the scale is in b)."""
        found: dict[str, FloatArray] = {}
        for name, module in self.encoder.named_modules():
            if isinstance(module, Adapted):
                found[f"{name}.a"] = module.a.detach().numpy().copy()
                found[f"{name}.b"] = (module.scale * module.b).detach().numpy().copy()
        return found


@dataclass(frozen=True, slots=True)
class Targets:
    """What the rows should say of each text, shape [n, rows]; `known` is 0 where a text says nothing of a row."""

    wanted: Tensor
    known: Tensor


def targets(sentences: Sequence[Sentence], labels: Sequence[str], labels_share: float) -> Targets:
    """Frustration, sentiment (0, one half, 1; unknown where both poles are labelled), then every label (unknown for our phrases)."""
    wanted = np.zeros((len(sentences), len(ROWS) + len(labels)), np.float32)
    known = np.ones_like(wanted)
    places = {name: len(ROWS) + place for place, name in enumerate(labels)}
    for row, each in enumerate(sentences):
        wanted[row, 0] = each.frustrated
        wanted[row, 1] = 0.5 if each.polarity is None else (each.polarity + 1) / 2
        known[row, 1] = each.polarity is not None
        known[row, len(ROWS) :] = labels_share if each.labels else 0.0
        wanted[row, [places[name] for name in each.labels]] = 1.0
    return Targets(torch.from_numpy(wanted), torch.from_numpy(known))


def tune(
    model: TunedEncoder,
    comments: Sequence[Sentence],
    phrases: Sequence[Sentence],
    labels: Sequence[str],
    recipe: Recipe,
    after_epoch: Callable[[int], None] = lambda _: None,
) -> None:
    """Train adapters and rows in place."""
    torch.manual_seed(recipe.seed)
    random = np.random.default_rng(recipe.seed)
    seen = [*comments, *list(phrases) * recipe.phrase_copies]
    wanted = targets(seen, labels, recipe.labels_share)
    noise = Mishearing(each.text for each in (*comments, *phrases))
    trained = [each for each in model.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=recipe.rate, weight_decay=recipe.decay)
    steps = recipe.epochs * math.ceil(len(seen) / recipe.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _share(step / steps, recipe.warm_up))
    for epoch in range(recipe.epochs):
        model.train()
        copies = [noise.copy(each.text, random) for each in seen]
        for chosen in tqdm(list(_batches(copies, recipe.batch, random)), desc=f"epoch {epoch + 1}", unit="batch", mininterval=20):
            with torch.autocast("cpu", torch.bfloat16):
                logits = model([copies[index] for index in chosen]).float()
            losses = binary_cross_entropy_with_logits(logits, wanted.wanted[chosen], weight=wanted.known[chosen], reduction="none")
            optimizer.zero_grad()
            (losses.sum() / len(chosen)).backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            schedule.step()
        after_epoch(epoch)


def _share(done: float, warm_up: float) -> float:
    """Of the learning rate: up over the first steps, then straight down to zero."""
    return min(done / warm_up, (1.0 - done) / (1.0 - warm_up))


def _batches(texts: Sequence[str], size: int, random: np.random.Generator) -> Iterator[list[int]]:
    """Every text once; batches of like lengths, in random order, cut from random blocks of a hundred batches."""
    order = random.permutation(len(texts))
    cut: list[list[int]] = []
    for first in range(0, len(order), 100 * size):
        block = sorted(order[first : first + 100 * size].tolist(), key=lambda index: len(texts[index]))
        cut.extend(block[at : at + size] for at in range(0, len(block), size))
    return (cut[place] for place in random.permutation(len(cut)))
