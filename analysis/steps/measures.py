"""Utterances and audio → plain measures of both parties: loudness, pitch, rate, pauses, overlap, noise."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analysis.values import SAMPLE_RATE, CallMeasures, FloatArray, Party, PlainMeasures, Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from analysis.ports import PitchTracker, Progress
    from analysis.values import Cast, Recording, Utterance, Voice

PITCH_S = 2.5
"""Seconds from the middle of an utterance that are tracked: enough for a steady median, and it keeps the step cheap on long turns."""
MIN_VOICED_FRAMES = 10
"""Under 160 ms of voiced frames the median jumps by octaves."""
MIN_RATE_WORDS = 3
NOISE_S = 60.0
"""Seconds of silence per channel that the noise floor is taken from, spread over the call."""
NOISE_BLOCK_S = 0.25
NOISE_QUANTILE = 0.3
"""The quieter blocks of the silence: the louder ones hold bleed, breathing and ringing."""
QUIETEST_DB = -96.0
"""Level of one 16-bit step; digital silence reads as this."""
MOST_SNR_DB = 60.0
INTERRUPTION_OVERLAP_S = 0.6
INTERRUPTION_LENGTH_S = 1.0


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many seconds lie inside a set of spans, readable for any stretch without walking the spans."""

    times: NDArray[np.float64]
    covered: NDArray[np.float64]

    def within(self, span: Span) -> float:
        start, end = np.interp([span.start, span.end], self.times, self.covered)
        return float(end - start)


def coverage(spans: Iterable[Span]) -> Coverage:
    merged = union(spans)
    edges = [0.0, *(edge for span in merged for edge in (span.start, span.end))]
    lengths = [0.0, *(step for span in merged for step in (0.0, span.seconds))]
    return Coverage(np.array(edges, np.float64), np.cumsum(np.array(lengths, np.float64)))


def union(spans: Iterable[Span]) -> list[Span]:
    """The same time as spans that are in order and do not touch."""
    merged: list[Span] = []
    for span in sorted(spans):
        if merged and span.start <= merged[-1].end:
            merged[-1] = Span(merged[-1].start, max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return merged


def measure(
    recording: Recording, voices: Sequence[Voice], *, utterances: Sequence[Utterance], pitch: PitchTracker, progress: Progress
) -> dict[int, PlainMeasures]:
    """Plain measures by utterance id. Levels are dBFS (a full-scale square wave is 0), pitch is the median F0 in Hz."""
    own = {voice.id: voice for voice in voices}
    others = {voice.id: coverage(span for other in voices if other.id != voice.id for span in other.spans) for voice in voices}
    floors = {channel: noise_floor_db(recording, channel, voices) for channel in {voice.channel for voice in voices}}
    pauses = _pauses(voices, utterances)
    measured = {}
    for done, utterance in enumerate(utterances, start=1):
        heard = _heard(recording, own[utterance.voice], utterance, pitch)
        floor = floors[own[utterance.voice].channel]
        measured[utterance.id] = PlainMeasures(
            loudness_db=heard.loudness_db,
            pitch_hz=heard.pitch_hz,
            rate_wps=_rate(utterance),
            pause_before_s=round(pauses[utterance.id], 3),
            overlap_s=round(sum(others[utterance.voice].within(span) for span in _spoken(utterance)), 3),
            snr_db=None if floor is None or heard.loudness_db is None else _snr(heard.loudness_db, floor),
        )
        progress("measures", done / len(utterances))
    return measured


def overall(recording: Recording, voices: Sequence[Voice], *, cast: Cast) -> CallMeasures:
    """Shares of the recording, silences and interruptions.

    Silence is where no voice speaks; the longest one may be before the first word or after the last. A party interrupts when it starts a
    stretch of at least 1 s while the other party has been speaking for 0.6 s, and both go on speaking for 0.6 s or more; a backchannel
    (`mhm`) is shorter. In a mono recording two voices at once cannot be told apart, so there interruptions are at most undercounted.
    """
    parties = {role.voice: role.party for role in cast.roles}
    speech = {party: union(span for voice in voices if parties[voice.id] is party for span in voice.spans) for party in Party}
    gaps = _gaps(union(span for voice in voices for span in voice.spans), recording.seconds)
    length = max(recording.seconds, 1e-9)
    return CallMeasures(
        talk_share={party: min(sum(span.seconds for span in spans) / length, 1.0) for party, spans in speech.items()},
        silence_s=sum(gap.seconds for gap in gaps),
        longest_silence_s=max((gap.seconds for gap in gaps), default=0.0),
        interruptions={
            Party.AGENT: interruptions(speech[Party.AGENT], speech[Party.CUSTOMER]),
            Party.CUSTOMER: interruptions(speech[Party.CUSTOMER], speech[Party.AGENT]),
        },
    )


def interruptions(own: Sequence[Span], other: Sequence[Span]) -> int:
    """How often a party that speaks in `own` breaks into `other`; both are in order and do not overlap themselves."""
    starts = [span.start for span in other]
    return sum(_breaks_in(span, other, bisect_right(starts, span.start) - 1) for span in own)


def _breaks_in(span: Span, other: Sequence[Span], index: int) -> bool:
    if index < 0 or span.seconds < INTERRUPTION_LENGTH_S:
        return False
    broken = other[index]
    return span.start - broken.start >= INTERRUPTION_OVERLAP_S and span.overlap(broken) >= INTERRUPTION_OVERLAP_S


def noise_floor_db(recording: Recording, channel: int, voices: Sequence[Voice]) -> float | None:
    """Level of the quieter silence of a channel, in dBFS; None where the channel is never silent."""
    spoken = union(span for voice in voices if voice.channel == channel for span in voice.spans)
    blocks = [
        Span(start, start + NOISE_BLOCK_S)
        for gap in _gaps(spoken, recording.seconds)
        for start in np.arange(gap.start, gap.end - NOISE_BLOCK_S, NOISE_BLOCK_S).tolist()
    ]
    if not blocks:
        return None
    picked = blocks[:: max(1, round(len(blocks) * NOISE_BLOCK_S / NOISE_S))]
    return float(np.quantile([level_db(recording.audio(channel, block.start, block.end)) for block in picked], NOISE_QUANTILE))


def level_db(samples: FloatArray) -> float:
    """RMS level in dBFS, not under `QUIETEST_DB`; samples are in [-1, 1]."""
    if not samples.size:
        return QUIETEST_DB
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    return max(10.0 * float(np.log10(max(power, 1e-20))), QUIETEST_DB)


@dataclass(frozen=True, slots=True)
class _Heard:
    loudness_db: float | None
    pitch_hz: float | None


def _heard(recording: Recording, voice: Voice, utterance: Utterance, pitch: PitchTracker) -> _Heard:
    samples = recording.voice_audio(voice, utterance.span)
    spoken = _words_only(samples, utterance)
    if not spoken.size or level_db(spoken) <= QUIETEST_DB:
        return _Heard(None, None)
    keep = round(PITCH_S * SAMPLE_RATE)
    first = max(0, (samples.size - keep) // 2)
    voiced = pitch.track(samples[first : first + keep])
    return _Heard(round(level_db(spoken), 2), round(float(np.median(voiced)), 2) if voiced.size >= MIN_VOICED_FRAMES else None)


def _words_only(samples: FloatArray, utterance: Utterance) -> FloatArray:
    mask = np.zeros(samples.size, bool)
    for word in utterance.words:
        mask[max(0, round((word.start - utterance.start) * SAMPLE_RATE)) : round((word.end - utterance.start) * SAMPLE_RATE)] = True
    return samples[mask]


def _rate(utterance: Utterance) -> float | None:
    seconds = utterance.end - utterance.start
    return round(len(utterance.words) / seconds, 3) if len(utterance.words) >= MIN_RATE_WORDS and seconds > 0 else None


def _spoken(utterance: Utterance) -> list[Span]:
    return union(Span(word.start, word.end) for word in utterance.words)


def _snr(loudness_db: float, floor_db: float) -> float:
    """Speech level over noise level; the noise is taken out of the speech's power first, and digital silence is no infinite ratio."""
    clean = 10.0 ** (loudness_db / 10.0) - 10.0 ** (floor_db / 10.0)
    ratio = 10.0 * float(np.log10(max(clean, 1e-20))) - floor_db
    return round(min(max(ratio, -MOST_SNR_DB), MOST_SNR_DB), 2)


def _pauses(voices: Sequence[Voice], utterances: Sequence[Utterance]) -> Mapping[int, float]:
    """Seconds from the last sound of either party to each utterance."""
    ends = sorted(span.end for voice in voices for span in voice.spans)
    talking = {voice.id: coverage(span for other in voices if other.id != voice.id for span in other.spans) for voice in voices}
    last, pauses = 0.0, {}
    for utterance in utterances:
        before = bisect_right(ends, utterance.start)
        heard = max(last, ends[before - 1] if before else 0.0)
        at_start = talking[utterance.voice].within(Span(utterance.start - 0.01, utterance.start)) > 0.0
        pauses[utterance.id] = 0.0 if at_start else max(0.0, utterance.start - heard)
        last = max(last, utterance.end)
    return pauses


def _gaps(spoken: Sequence[Span], seconds: float) -> list[Span]:
    edges = [0.0, *(edge for span in spoken for edge in (span.start, span.end)), seconds]
    return [Span(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if end > start]
