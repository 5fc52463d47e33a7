"""The frozen records that flow between steps. Every time is in seconds from the start of the call, half-open."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

FloatArray: TypeAlias = NDArray[np.float32]

SAMPLE_RATE = 16_000
"""Hz. Everything after decode works at this rate: it is what Whisper, Silero and SwiftF0 take."""

EMOTIONS = ("anger", "sadness", "fear", "disgust", "happiness", "surprise", "neutral")
"""The classes of tone."""


class Party(StrEnum):
    AGENT = "agent"
    CUSTOMER = "customer"
    UNKNOWN = "unknown"


class ScoringMode(StrEnum):
    """How far a call may be scored: `full` with tone, `words` without, `measures` without any frustration, `none` without measures."""

    FULL = "full"
    WORDS = "words"
    MEASURES = "measures"
    NONE = "none"

    @property
    def scores_words(self) -> bool:
        """Whether frustration may be estimated at all, be it from the words alone."""
        return self in (ScoringMode.FULL, ScoringMode.WORDS)


class RoleSource(StrEnum):
    """How a role is known: `manual` is a person's correction and stands above everything else."""

    MANUAL = "manual"
    METADATA = "metadata"
    DIALOGUE = "dialogue"
    NONE = "none"


class Abstention(StrEnum):
    """Why a score is withheld."""

    TOO_SHORT = "too_short"
    TOO_QUIET = "too_quiet"
    TOO_NOISY = "too_noisy"
    OVERLAP = "overlap"
    MUSIC = "music"
    OUT_OF_DISTRIBUTION = "out_of_distribution"
    ROLE_UNSURE = "role_unsure"
    LANGUAGE_UNSUPPORTED = "language_unsupported"
    LOW_ASR_CONFIDENCE = "low_asr_confidence"
    WEIGHTS_LICENCE = "weights_licence"
    ENCODER_UNSUPPORTED = "encoder_unsupported"
    SCORING_OFF = "scoring_off"
    NO_EVIDENCE = "no_evidence"


@dataclass(frozen=True, slots=True)
class Note:
    """Something a reader of the analysis must know, as a stable code and a sentence."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, order=True)
class Span:
    start: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.start

    def overlap(self, other: Span) -> float:
        """Seconds that both spans share; 0 when they do not touch."""
        return max(0.0, min(self.end, other.end) - max(self.start, other.start))


@dataclass(frozen=True, slots=True)
class Recording:
    """A decoded recording: int16 PCM at `SAMPLE_RATE`, channels interleaved, spooled to a file so that length costs no memory."""

    file: str
    spool: Path
    seconds: float
    channels: int
    sample_rate: int
    """Of the source, in Hz."""
    codec: str
    sha256: str
    notes: tuple[Note, ...] = ()

    def audio(self, channel: int, start: float = 0.0, end: float | None = None) -> FloatArray:
        """Samples of one channel in [-1, 1], shape [n]; the span is cut at the ends of the recording."""
        frames = round(self.seconds * SAMPLE_RATE)
        first = min(max(round(start * SAMPLE_RATE), 0), frames)
        last = frames if end is None else min(max(round(end * SAMPLE_RATE), first), frames)
        if last == first:
            return np.zeros(0, np.float32)
        width = np.dtype(np.int16).itemsize * self.channels
        pcm = np.memmap(self.spool, np.int16, mode="r", offset=first * width, shape=(last - first, self.channels))
        return pcm[:, channel].astype(np.float32) / np.float32(32768.0)

    def voice_audio(self, voice: Voice, span: Span) -> FloatArray:
        """Samples of one voice in a span, shape [n]: those of its channel, and silence where another voice or nobody speaks on it."""
        samples = self.audio(voice.channel, span.start, span.end)
        own = np.zeros_like(samples)
        for spoken in voice.spans[bisect_right(voice.spans, span.start, key=lambda each: each.end) :]:
            if spoken.start >= span.end:
                break
            first, last = (max(0, round((time - span.start) * SAMPLE_RATE)) for time in (spoken.start, spoken.end))
            own[first:last] = samples[first:last]
        return own


@dataclass(frozen=True, slots=True)
class ChannelSpeech:
    """Where one channel holds speech of its own; bleed of the other channel is already dropped."""

    channel: int
    spans: tuple[Span, ...]
    snr_db: float | None
    """Speech level over the level between the spans; None where one of the two is missing."""
    bleed_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Voice:
    """One party's audio: a channel (stereo) or a cluster of speech (mono). Its role is not known yet."""

    id: int
    channel: int
    spans: tuple[Span, ...]
    """In order, none touching another."""


@dataclass(frozen=True, slots=True)
class Speech:
    """What the speech step found, one entry per channel in order."""

    channels: tuple[ChannelSpeech, ...]
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class VoiceSplit:
    """The voices of a call. `mono` is true where they share one channel; `scorable` is false where there are more than two parties."""

    voices: tuple[Voice, ...]
    mono: bool
    scorable: bool = True
    notes: tuple[Note, ...] = ()
    channels: int = 1
    """Channels that a channel map can speak of: 1 also where the recording's two are the same."""


@dataclass(frozen=True, slots=True)
class Word:
    start: float
    end: float
    text: str
    probability: float


@dataclass(frozen=True, slots=True)
class PooledFrames:
    """Mean and standard deviation over the encoder frames of one utterance, each of shape [d]."""

    mean: FloatArray
    std: FloatArray
    frames: int

    @classmethod
    def over(cls, frames: FloatArray, start: float, end: float, *, frame_rate: float) -> PooledFrames:
        """Over the frames [n, d] that lie in [start, end), in seconds from the start of the window."""
        first = min(int(start * frame_rate), len(frames) - 1)
        own = frames[first : max(int(np.ceil(end * frame_rate)), first + 1)]
        mean, std = own.mean(axis=0, dtype=np.float64), own.std(axis=0, dtype=np.float64)
        return cls(mean.astype(np.float32), std.astype(np.float32), len(own))


@dataclass(frozen=True, slots=True)
class Utterance:
    """A run of one voice's words with no gap over 0.7 s, at most 15 s long."""

    id: int
    voice: int
    start: float
    end: float
    text: str
    language: str
    asr_confidence: float
    words: tuple[Word, ...]
    pooled: PooledFrames | None = field(default=None, repr=False)

    @property
    def span(self) -> Span:
        return Span(self.start, self.end)


UtteranceAudio: TypeAlias = Callable[[Utterance], FloatArray]
"""An utterance to its samples at 16 kHz in [-1, 1], shape [n]: of its own voice only."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """All utterances in order of their start (ids count up from 0), and the language of the call."""

    utterances: tuple[Utterance, ...]
    language: str | None
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Role:
    """Who a voice is, how sure that is (0-1) and how it is known."""

    voice: int
    party: Party
    confidence: float
    source: RoleSource


@dataclass(frozen=True, slots=True)
class CustomerVoice:
    """The confirmed customer's utterances: the only thing a tone model takes. Only `steps.roles` makes one (EU AI Act Art. 5(1)(f))."""

    role: Role
    required_confidence: float
    utterances: tuple[Utterance, ...]

    def __post_init__(self) -> None:
        if self.role.party is not Party.CUSTOMER or self.role.confidence < self.required_confidence:
            raise ValueError("tone is scored for the confirmed customer only")
        if any(utterance.voice != self.role.voice for utterance in self.utterances):
            raise ValueError("an utterance of another voice is not the customer's")

    def narrowed(self, ids: frozenset[int]) -> CustomerVoice:
        """The same customer with these utterances only."""
        return CustomerVoice(self.role, self.required_confidence, tuple(each for each in self.utterances if each.id in ids))

    def audio(self, recording: Recording, voices: Sequence[Voice]) -> UtteranceAudio:
        """Reads the sound of these utterances. It raises ValueError when it is asked for any other, be it an agent's or the customer's."""
        own = next(voice for voice in voices if voice.id == self.role.voice)
        spans = {utterance.id: utterance.span for utterance in self.utterances}

        def heard(utterance: Utterance) -> FloatArray:
            if utterance.voice != own.id or spans.get(utterance.id) != utterance.span:
                raise ValueError(f"utterance {utterance.id} of voice {utterance.voice} is not one of this customer's")
            return recording.voice_audio(own, utterance.span)

        return heard


@dataclass(frozen=True, slots=True)
class GivenParties:
    """What is known of the parties before the analysis; empty tuples where nobody knows."""

    channels: tuple[Party, ...] = ()
    """Who is on which channel, in order (metadata)."""
    voices: tuple[Party, ...] = ()
    """Who each voice is, by voice id (a person's correction, as from *Swap agent/customer*)."""


@dataclass(frozen=True, slots=True)
class Cast:
    """Who speaks: a role per voice, the customer where one is confirmed, and recorded announcements, which are nobody's."""

    roles: tuple[Role, ...]
    customer: CustomerVoice | None
    announcements: frozenset[int] = frozenset()
    """Ids of utterances that a machine spoke (hold announcements)."""
    notes: tuple[Note, ...] = ()

    def party(self, utterance: Utterance) -> Party:
        if utterance.id in self.announcements:
            return Party.UNKNOWN
        return next(role.party for role in self.roles if role.voice == utterance.voice)


@dataclass(frozen=True, slots=True)
class PlainMeasures:
    """What is measured of one utterance on its own, before any baseline. None where there was too little to measure."""

    loudness_db: float | None
    """RMS level over the utterance's words, dBFS."""
    pitch_hz: float | None
    """Median F0 of the voiced frames."""
    rate_wps: float | None
    """Words a second."""
    pause_before_s: float
    """Silence of both parties before it."""
    overlap_s: float
    """Seconds in which another voice speaks too."""
    snr_db: float | None


@dataclass(frozen=True, slots=True)
class Measures:
    """Plain numbers of one utterance; changes are against the speaker's own baseline so far (None before there is one)."""

    loudness_db: float | None
    loudness_change_db: float | None
    pitch_hz: float | None
    pitch_change_semitones: float | None
    rate_wps: float | None
    rate_change_wps: float | None
    pause_before_s: float
    overlap_s: float
    snr_db: float | None
    baseline_s: float
    """Seconds of the speaker's own earlier speech that the baseline rests on."""


@dataclass(frozen=True, slots=True)
class Tone:
    """How it was said. None stands for what the model knows nothing of; anger it must know, because the score lives on it.

    Class probabilities sum to 1, or to less where the model tells classes apart that are not ours, or has some of ours only.
    Arousal (calm to agitated), dominance (submissive to in control) and valence (unpleasant to pleasant) are in 0-1.
    """

    anger: float
    sadness: float | None
    fear: float | None
    disgust: float | None
    happiness: float | None
    surprise: float | None
    neutral: float | None
    arousal: float | None
    dominance: float | None = None
    valence: float | None = None


@dataclass(frozen=True, slots=True)
class Wording:
    """What was said: sentiment in [-1, 1] and P(frustrated) from the words alone."""

    sentiment: float
    frustration: float


@dataclass(frozen=True, slots=True)
class Contributions:
    """What each part adds to the score, in natural log-odds; with `prior` they sum to logit(probability)."""

    tone: float
    wording: float
    effort: float
    measures: float
    context: float
    prior: float


@dataclass(frozen=True, slots=True)
class Frustration:
    """P(a reviewer would call this utterance frustrated); exactly one of `probability` and `abstained` is None."""

    probability: float | None
    abstained: Abstention | None
    contributions: Contributions | None


@dataclass(frozen=True, slots=True)
class Moment:
    """An utterance with everything that is known about it. Scores are None on agent and unknown utterances."""

    utterance: Utterance
    party: Party
    measures: Measures | None
    tone: Tone | None = None
    tone_abstained: Abstention | None = None
    wording: Wording | None = None
    frustration: Frustration | None = None
    disagreement: float | None = None
    """P(angry) by voice minus P(frustrated) by words: positive where the voice is angrier than the words."""


@dataclass(frozen=True, slots=True)
class EffortSign:
    """One sign that the customer has to work: `repeat`, `told_before`, `hold`, `transfer`, `asks_for_human`, `long_silence`."""

    kind: str
    at: float
    quote: str
    utterance: int | None = None


@dataclass(frozen=True, slots=True)
class FrustrationSegment:
    start: float
    end: float
    peak: float
    mean: float
    utterances: tuple[int, ...]

    @property
    def span(self) -> Span:
        return Span(self.start, self.end)


@dataclass(frozen=True, slots=True)
class Quote:
    utterance: int
    start: float
    end: float
    text: str
    probability: float | None
    contributions: Contributions | None
    disagreement: float | None = None
    """As in `Moment`."""


@dataclass(frozen=True, slots=True)
class BaselineChange:
    """How a flag's most frustrated utterance differs from this caller's own baseline, and how much speech that baseline rests on.

    The changes are as they were counted, held back while the baseline is short; the `plain` ones are not.
    """

    loudness_db: float | None
    pitch_semitones: float | None
    rate_wps: float | None
    baseline_s: float
    loudness_plain_db: float | None
    pitch_plain_semitones: float | None
    rate_plain_wps: float | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why a flag stands: quoted words, change against the caller's own baseline, the rule with its thresholds, and a clip."""

    quotes: tuple[Quote, ...]
    change: BaselineChange | None
    effort: tuple[EffortSign, ...]
    rule_version: str
    thresholds: Mapping[str, float]
    clip: Span


@dataclass(frozen=True, slots=True)
class Flag:
    rule: str
    start: float
    end: float
    severity: str
    """`high` or `medium`."""
    evidence: Evidence

    @property
    def span(self) -> Span:
        return Span(self.start, self.end)


@dataclass(frozen=True, slots=True)
class CallMeasures:
    """Plain numbers of the whole call; shares are of the recording's length, counts are per interrupting party."""

    talk_share: Mapping[Party, float]
    silence_s: float
    longest_silence_s: float
    interruptions: Mapping[Party, int]


@dataclass(frozen=True, slots=True)
class Scoring:
    mode: ScoringMode
    reason: str | None


@dataclass(frozen=True, slots=True)
class Provenance:
    """What made the analysis, so that it can be made again."""

    code: str
    engines: Mapping[str, str]
    config: str
    licences: Mapping[str, str]
    fuse: Mapping[str, float | str]
    """analysis.config.FuseConfig as it was: what the contributions were weighted with, and by which calibration."""


@dataclass(frozen=True, slots=True)
class CallAnalysis:
    recording: Recording
    snr_db: float | None
    language: str | None
    scoring: Scoring
    notes: tuple[Note, ...]
    voices: tuple[Voice, ...]
    roles: tuple[Role, ...]
    moments: tuple[Moment, ...]
    measures: CallMeasures
    effort: tuple[EffortSign, ...]
    segments: tuple[FrustrationSegment, ...]
    flags: tuple[Flag, ...]
    provenance: Provenance
    timings: Mapping[str, float] = field(default_factory=dict)
