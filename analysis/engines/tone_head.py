"""Tone by a linear head over the transcriber's own encoder frames: `analysis/weights/tone-<encoder>.*` (file format in analysis.heads)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit, softmax

from analysis.errors import AnalysisError
from analysis.heads import WEIGHTS, load_head
from analysis.values import EMOTIONS, Abstention, Tone

if TYPE_CHECKING:
    from pathlib import Path

    from analysis.config import Config
    from analysis.heads import Doubles, LinearHead
    from analysis.values import CustomerVoice, FloatArray, Utterance, UtteranceAudio

DIGITS = 4


class EncoderHeadToneModel:
    """Class probabilities by softmax over calibrated logits, arousal by a logistic row of its own; all against the caller so far."""

    def __init__(self, _: Config, encoder: str, folder: Path = WEIGHTS) -> None:
        self._head = load_head(f"tone-{encoder}", folder)
        if set(self._head.card.classes) != set(EMOTIONS) or "arousal_weight" not in self._head.tensors:
            message = f"{self._head.card.name}: a tone head has the classes {', '.join(EMOTIONS)} and arousal"
            raise AnalysisError(f"{message}; train it again (python -m training.tone)", permanent=True)
        self.anger_prior = self._head.card.prior("anger")

    @property
    def name(self) -> str:
        return self._head.provenance

    @property
    def encoder(self) -> str:
        return self._head.card.encoder

    @property
    def licence(self) -> str:
        return self._head.card.license

    @property
    def commercial_use(self) -> bool:
        return self._head.card.commercial_use

    def score(self, voice: CustomerVoice, _: UtteranceAudio) -> list[Tone | Abstention]:
        """One tone per utterance of the customer, or why there is none. Every utterance must carry pooled frames.

        What is no voice that the head knows does not count for what the caller sounded like so far; what it only doubts does.
        """
        if not voice.utterances:
            return []
        features = np.stack([_features(utterance) for utterance in voice.utterances])
        if features.shape[1] != self._head.width:
            message = f"{self._head.card.name} takes {self._head.width} features of an utterance, its frames give {features.shape[1]}"
            raise AnalysisError(f"{message}; train it again (python -m training.tone)", permanent=True)
        seconds = np.array([utterance.span.seconds for utterance in voice.utterances])
        refused = self._head.refusals(features)
        known = [number for number, reason in enumerate(refused) if reason is None]
        heard = iter(tones(self._head, features[known], seconds[known]))
        return [next(heard) if reason is None else reason for reason in refused]


def tones(head: LinearHead, features: FloatArray, seconds: Doubles) -> list[Tone | Abstention]:
    """What a head says of one caller's utterances in order, features of shape [n, d]; where it is not sure enough, that."""
    logits, arousal = head.follow(features, seconds)
    order = [head.card.classes.index(name) for name in EMOTIONS]
    return [
        _tone(row, float(level)) if max(row) >= head.card.least_confidence else Abstention.NO_EVIDENCE
        for row, level in zip(softmax(logits[:, order], axis=1).tolist(), expit(arousal), strict=True)
    ]


def _tone(shares: list[float], arousal: float) -> Tone:
    return Tone(**dict(zip(EMOTIONS, _rounded(shares), strict=True)), arousal=round(arousal, DIGITS))


def _features(utterance: Utterance) -> FloatArray:
    if utterance.pooled is None:
        raise ValueError(f"utterance {utterance.id} carries no encoder frames")
    return np.concatenate([utterance.pooled.mean, utterance.pooled.std]).astype(np.float32)


def _rounded(shares: list[float]) -> list[float]:
    """Rounded so that they still sum to 1: the largest takes the rest."""
    kept = [round(share, DIGITS) for share in shares]
    largest = kept.index(max(kept))
    kept[largest] = round(kept[largest] + 1.0 - sum(kept), DIGITS)
    return kept
