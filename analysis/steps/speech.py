"""Second step: where each channel holds speech of its own. A reducer, so that a live call needs no second implementation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft

from analysis.values import SAMPLE_RATE, ChannelSpeech, Note, Span, Speech

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from analysis.config import SpeechConfig
    from analysis.ports import Progress, SpeechDetector, SpeechStream
    from analysis.values import FloatArray, Recording

BLOCK_S = 60.0
"""Seconds read from the recording at once: memory stays the same however long the call."""

WINDOW_HOPS = 16
"""Hops that are compared with the other channel at once (0.5 s). Over such windows two different speakers reach a correlation of 0.4
(99th percentile, telephone band), a clean copy 0.92 (1st percentile); longer windows would swallow a short answer beside the bleed."""

QUANTISATION = (1.0 / 32768.0) ** 2 / 12.0
"""Power of int16 rounding: the least a level between spans can be."""

MIN_LEVEL_HOPS = 8
"""Hops that a level must rest on (0.25 s)."""

EMPTY = np.zeros(0, np.float32)


@dataclass(slots=True)
class SpanFinder:
    """Hop probabilities in, padded spans out, with hysteresis; two spans that are too close to pad share the gap."""

    config: SpeechConfig
    hop_s: float
    hops: int = 0
    begun: int | None = None
    quiet_from: int | None = None
    pending: Span | None = None
    spans: list[Span] = field(default_factory=list)

    def push(self, probabilities: FloatArray) -> None:
        for probability in probabilities.tolist():
            self._push(probability)
            self.hops += 1
        self._release_pending()

    def finish(self, seconds: float) -> tuple[Span, ...]:
        """All spans of a channel that lasted `seconds`."""
        if self.begun is not None:
            self._close(self.hops if self.quiet_from is None else self.quiet_from)
        self._emit(seconds)
        return tuple(Span(span.start, min(span.end, seconds)) for span in self.spans)

    def _push(self, probability: float) -> None:
        if probability >= self.config.threshold:
            self.begun = self.hops if self.begun is None else self.begun
            self.quiet_from = None
        elif probability < self.config.release and self.begun is not None:
            self.quiet_from = self.hops if self.quiet_from is None else self.quiet_from
            if (self.hops + 1 - self.quiet_from) * self.hop_s >= self.config.min_silence_s:
                self._close(self.quiet_from)

    def _close(self, end: int) -> None:
        start = self.hops if self.begun is None else self.begun
        self.begun = self.quiet_from = None
        if (end - start) * self.hop_s < self.config.min_speech_s:
            return
        span = Span(start * self.hop_s, end * self.hop_s)
        lead = min(self.config.pad_s, span.start if self.pending is None else (span.start - self.pending.end) / 2)
        self._emit(span.start - lead)
        self.pending = Span(max(span.start - lead, self.spans[-1].end if self.spans else 0.0), span.end)

    def _release_pending(self) -> None:
        """Emit the last span once nothing that follows can be close enough to share its padding."""
        reach = 2 * self.config.pad_s
        if self.pending is not None and self.begun is None and self.hops * self.hop_s - self.pending.end >= reach:
            self._emit(self.hops * self.hop_s)

    def _emit(self, limit: float) -> None:
        if self.pending is not None:
            self.spans.append(Span(self.pending.start, min(self.pending.end + self.config.pad_s, limit)))
            self.pending = None


@dataclass(slots=True)
class _Channel:
    stream: SpeechStream
    own: SpanFinder
    bleed: SpanFinder
    powers: list[FloatArray] = field(default_factory=list)
    spoken: list[NDArray[np.bool_]] = field(default_factory=list)
    told: int = 0
    sure_power: float = 0.0
    """Sum over the hops of its own that the detector is sure of ..."""
    sure_hops: int = 0
    """... and how many they are."""


@dataclass(slots=True)
class SpeechState:
    """What the reducer keeps between pushes: half a window of samples, the longest delay of a copy, and one power a hop."""

    config: SpeechConfig
    hop: int
    channels: tuple[_Channel, ...]
    rest: FloatArray
    past: FloatArray
    samples: int = 0


def detect(recording: Recording, detector: SpeechDetector, config: SpeechConfig, progress: Progress) -> Speech:
    """Find the speech of every channel of a recording, 60 s at a time."""
    state = start(detector, recording.channels, config)
    at = 0.0
    while at < recording.seconds:
        block = np.stack([recording.audio(channel, at, at + BLOCK_S) for channel in range(recording.channels)])
        state, _ = push(state, block)
        at += BLOCK_S
        progress("speech", min(at / recording.seconds, 1.0))
    return finish(state)


def snr_db(spoken: Speech) -> float | None:
    """The call's signal-to-noise ratio: that of its worst channel, since the other cannot make up for it. None where none is known."""
    return min((channel.snr_db for channel in spoken.channels if channel.snr_db is not None), default=None)


def start(detector: SpeechDetector, channels: int, config: SpeechConfig) -> SpeechState:
    """The state before the first sample of a call of `channels` channels."""
    hop_s = detector.hop_s
    delay = round(config.bleed_delay_s * SAMPLE_RATE)
    return SpeechState(
        config=config,
        hop=round(hop_s * SAMPLE_RATE),
        channels=tuple(_Channel(detector.start(), SpanFinder(config, hop_s), SpanFinder(config, hop_s)) for _ in range(channels)),
        rest=np.zeros((channels, 0), np.float32),
        past=np.zeros((channels, delay), np.float32),
    )


def push(state: SpeechState, samples: FloatArray) -> tuple[SpeechState, tuple[tuple[int, Span], ...]]:
    """Take the next samples of all channels, shape [channels, n]; give the (channel, span) pairs that closed."""
    held = np.concatenate([state.rest, samples], axis=1)
    window = state.hop * WINDOW_HOPS
    whole = held.shape[1] - held.shape[1] % window
    state.rest = held[:, whole:].copy()
    state.samples += samples.shape[1]
    _take(state, held[:, :whole], [channel.stream.push(held[index, :whole]) for index, channel in enumerate(state.channels)])
    return state, _news(state)


def finish(state: SpeechState) -> Speech:
    """Close what is open and sum up the call. The last, incomplete hop is judged with zeros behind it."""
    probabilities = []
    for index, channel in enumerate(state.channels):
        probabilities.append(np.concatenate([channel.stream.push(state.rest[index]), channel.stream.finish()]))
    missing = -state.rest.shape[1] % state.hop
    _take(state, np.pad(state.rest, ((0, 0), (0, missing))), probabilities)
    channels = tuple(_summary(index, channel, state.samples / SAMPLE_RATE) for index, channel in enumerate(state.channels))
    return Speech(channels, _notes(channels, state.channels))


def _take(state: SpeechState, samples: FloatArray, probabilities: Sequence[FloatArray]) -> None:
    """Push whole hops, shape [channels, hops * hop], through bleed, span finding and levels."""
    if not samples.shape[1]:
        return
    known = np.concatenate([state.past, samples], axis=1)
    powers = [_powers(channel.reshape(-1, state.hop)) for channel in samples]
    foremost = [_is_foremost(state, powers, index) for index in range(len(powers))]
    for index, channel in enumerate(state.channels):
        copied = _copied(state, known, index, probabilities[index])
        heard = _with_shouting(channel, probabilities[index], powers[index], ~copied & foremost[index], state.config)
        channel.own.push(np.where(copied, np.float32(0.0), heard))
        channel.bleed.push(np.where(copied, probabilities[index], np.float32(0.0)))
        channel.powers.append(powers[index])
        channel.spoken.append(heard >= state.config.release)
    state.past = known[:, known.shape[1] - state.past.shape[1] :].copy()


def _with_shouting(
    channel: _Channel, probabilities: FloatArray, powers: FloatArray, own: NDArray[np.bool_], config: SpeechConfig
) -> FloatArray:
    """The probabilities, with hops as loud as the channel's speech so far lifted where they reach the lower thresholds.

    The detector doubts shouting, and a caller's outburst must not count as silence (docs/models/speech.md). `own` are the hops that no leak
    of the other channel can be.
    """
    sure = own & (probabilities >= config.threshold)
    power = np.cumsum(np.concatenate([[channel.sure_power], np.where(sure, powers, 0.0)]), dtype=np.float64)
    hops = np.cumsum(np.concatenate([[channel.sure_hops], sure]))
    channel.sure_power, channel.sure_hops = float(power[-1]), int(hops[-1])
    loud = own & (hops[:-1] >= MIN_LEVEL_HOPS) & (powers >= power[:-1] / np.maximum(hops[:-1], 1) * 10.0 ** (config.loud_db / 10.0))
    between = (config.release + config.threshold) / 2
    heard = np.where(loud & (probabilities >= config.loud_release), np.maximum(probabilities, between), probabilities)
    return np.asarray(np.where(loud & (probabilities >= config.loud_threshold), 1.0, heard), np.float32)


def _is_foremost(state: SpeechState, powers: Sequence[FloatArray], index: int) -> NDArray[np.bool_]:
    """Where a channel is not so much weaker than the other, then or up to `bleed_delay_s` before, that it may be its leak or echo."""
    if len(powers) != 2:
        return np.ones(len(powers[index]), np.bool_)
    reach = round(state.config.bleed_delay_s * SAMPLE_RATE / state.hop)
    earlier = state.channels[1 - index].powers[-reach:]
    other = np.concatenate([np.zeros(reach, np.float32), *earlier, powers[1 - index]])[-len(powers[index]) - reach :]
    loudest = np.lib.stride_tricks.sliding_window_view(other, reach + 1).max(axis=1)
    return np.asarray(powers[index] > loudest * 10.0 ** (-state.config.bleed_db / 10.0))


def _powers(hops: FloatArray) -> FloatArray:
    return np.asarray(np.var(hops, axis=1), np.float32)


def _copied(state: SpeechState, known: FloatArray, index: int, probabilities: FloatArray) -> NDArray[np.bool_]:
    """Which hops of a channel are only the other channel heard again, shape [hops]."""
    copied = np.zeros(len(probabilities), np.bool_)
    if len(state.channels) != 2:
        return copied
    delay = state.past.shape[1]
    for first in range(0, len(probabilities), WINDOW_HOPS):
        hops = slice(first, first + WINDOW_HOPS)
        if probabilities[hops].max() < min(state.config.release, state.config.loud_release):
            continue
        begin, end = first * state.hop, min((first + WINDOW_HOPS) * state.hop, known.shape[1] - delay)
        copied[hops] = _is_copy(known[index, delay + begin : delay + end], known[1 - index, begin : delay + end], state.config)
    return copied


def _is_copy(samples: FloatArray, other: FloatArray, config: SpeechConfig) -> bool:
    """Whether `samples` [n] are a delayed, weaker copy of a stretch of `other` [delay + n], by the peak of their normalised correlation.

    Both may be inverted; a constant offset is taken out. The level is compared at the delay where they agree best.
    """
    ours = samples.astype(np.float64) - samples.mean(dtype=np.float64)
    theirs = other.astype(np.float64) - other.mean(dtype=np.float64)
    energy = float(ours @ ours)
    sums = np.concatenate([[0.0], np.cumsum(theirs * theirs)])
    energies = np.maximum(sums[len(ours) :] - sums[: -len(ours)], 0.0)
    louder = energy * 10.0 ** (config.bleed_db / 10.0)
    if energy <= 0.0 or energies.max() < louder:
        return False
    products = _correlation(theirs, ours)
    agreement = np.abs(products) / np.sqrt(np.maximum(energies, energies.max() * 1e-9) * energy)
    best = int(agreement.argmax())
    return bool(agreement[best] >= config.bleed_correlation and energies[best] >= louder)


def _correlation(long: NDArray[np.float64], short: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inner product of `short` with every stretch of `long` as long as it, by FFT."""
    size = fft.next_fast_len(len(long), real=True)
    spectrum = fft.rfft(long, size) * np.conj(fft.rfft(short, size))
    products: NDArray[np.float64] = fft.irfft(spectrum, size)[: len(long) - len(short) + 1]
    return products


def _news(state: SpeechState) -> tuple[tuple[int, Span], ...]:
    news = []
    for index, channel in enumerate(state.channels):
        news += [(index, span) for span in channel.own.spans[channel.told :]]
        channel.told = len(channel.own.spans)
    return tuple(news)


def _summary(index: int, channel: _Channel, seconds: float) -> ChannelSpeech:
    spans = channel.own.finish(seconds)
    bleed = channel.bleed.finish(seconds)
    powers = np.concatenate([EMPTY, *channel.powers])
    spoken = np.concatenate([np.zeros(0, np.bool_), *channel.spoken])
    ratio = _snr_db(powers, _mask(spans, len(powers), channel.own.hop_s), spoken)
    return ChannelSpeech(index, spans, ratio, bleed_s=sum((span.seconds for span in bleed), 0.0))


def _mask(spans: Sequence[Span], hops: int, hop_s: float) -> NDArray[np.bool_]:
    """Which hops lie in a span, even partly."""
    inside = np.zeros(hops, np.bool_)
    for span in spans:
        inside[int(span.start / hop_s) : int(np.ceil(span.end / hop_s))] = True
    return inside


def _snr_db(powers: FloatArray, inside: NDArray[np.bool_], spoken: NDArray[np.bool_]) -> float | None:
    """Mean speech power, less the noise in it, over the median power between the spans, in dB; None where one of the two is missing.

    The median keeps a slammed door or a bar of hold music from counting as the line's noise.
    """
    speech, between = powers[inside & spoken], powers[~inside & ~spoken]
    if len(speech) < MIN_LEVEL_HOPS or len(between) < MIN_LEVEL_HOPS:
        return None
    noise = max(float(np.median(between)), QUANTISATION)
    signal = max(float(speech.mean(dtype=np.float64)) - noise, noise * 1e-2)
    return float(10.0 * np.log10(signal / noise))


def _notes(channels: Sequence[ChannelSpeech], states: Sequence[_Channel]) -> tuple[Note, ...]:
    notes = []
    for channel, state in zip(channels, states, strict=True):
        if state.bleed.spans:
            count = len(state.bleed.spans)
            stretches = "1 stretch" if count == 1 else f"{count} stretches"
            message = (
                f"{stretches} of channel {channel.channel} ({channel.bleed_s:.1f} s) only repeated the other channel and were left out"
            )
            notes.append(Note("bleed_dropped", message))
    if not any(channel.spans for channel in channels):
        notes.append(Note("no_speech", "no speech found"))
    return tuple(notes)
