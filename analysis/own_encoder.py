"""A tone head with an encoder pass of its own over the customer's utterances, for transcribers whose frames no head knows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from analysis.values import SAMPLE_RATE, PooledFrames

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from analysis.config import TranscribeConfig
    from analysis.ports import ToneModel, WindowEncoder
    from analysis.values import Abstention, CustomerVoice, FloatArray, Tone, Utterance, UtteranceAudio


@dataclass(frozen=True, slots=True)
class _Placed:
    """An utterance and where it starts in its window, in seconds."""

    utterance: Utterance
    at: float

    @property
    def until(self) -> float:
        return self.at + self.utterance.span.seconds


class OwnEncoderToneModel:
    """Packs utterances into windows as the transcriber packs spans, encodes them, and hands them with their frames to the head."""

    encoder = None

    def __init__(self, head: ToneModel, windows: WindowEncoder, config: TranscribeConfig) -> None:
        if head.encoder != windows.encoder:
            raise ValueError(f"the head of {head.encoder} knows nothing of the frames of {windows.encoder}")
        self._head = head
        self._windows = windows
        self._config = config
        self.name = f"{head.name}+own-encoder/{windows.name}"
        self.licence = head.licence
        self.commercial_use = head.commercial_use
        self.anger_prior = head.anger_prior

    def score(self, voice: CustomerVoice, audio: UtteranceAudio) -> Sequence[Tone | Abstention]:
        """What the head says of each utterance of the customer. Frames that it already carries are not used."""
        framed = [each for window in _windows(voice.utterances, self._config) for each in self._framed(window, audio)]
        return self._head.score(replace(voice, utterances=tuple(framed)), audio)

    def _framed(self, window: Sequence[_Placed], audio: UtteranceAudio) -> Iterator[Utterance]:
        samples = _joined(window, audio)
        spoken = int(np.ceil(len(samples) / SAMPLE_RATE * self._windows.frame_rate))
        frames = self._windows.encode([samples])[0][:spoken]
        for placed in window:
            pooled = PooledFrames.over(frames, placed.at, placed.until, frame_rate=self._windows.frame_rate)
            yield replace(placed.utterance, pooled=pooled)


def _joined(window: Sequence[_Placed], audio: UtteranceAudio) -> FloatArray:
    """The window's samples at 16 kHz, shape [n]."""
    samples = np.zeros(round(window[-1].until * SAMPLE_RATE), np.float32)
    for placed in window:
        room = samples[round(placed.at * SAMPLE_RATE) :]
        heard = audio(placed.utterance)[: len(room)]
        room[: len(heard)] = heard
    return samples


def _windows(utterances: Sequence[Utterance], config: TranscribeConfig) -> Iterator[Sequence[_Placed]]:
    """Utterances in order, as many to a window as fit, with silence between them that is never longer than it was in the call."""
    window: list[_Placed] = []
    for utterance in utterances:
        at = window[-1].until + _join_s(window[-1].utterance, utterance, config) if window else 0.0
        if window and at + utterance.span.seconds > config.window_s:
            yield window
            window, at = [], 0.0
        window.append(_Placed(utterance, at))
    if window:
        yield window


def _join_s(before: Utterance, after: Utterance, config: TranscribeConfig) -> float:
    return min(config.join_gap_s, max(0.0, after.start - before.end))
