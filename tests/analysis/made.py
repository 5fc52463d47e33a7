"""Hand-made records for tests that need an analysis without running one."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from analysis.config import FuseConfig
from analysis.values import (
    EMOTIONS,
    Abstention,
    BaselineChange,
    CallAnalysis,
    CallMeasures,
    Contributions,
    CustomerVoice,
    Evidence,
    Flag,
    Frustration,
    FrustrationSegment,
    GivenParties,
    Measures,
    Moment,
    Note,
    Party,
    Provenance,
    Quote,
    Recording,
    Role,
    RoleSource,
    Scoring,
    ScoringMode,
    Span,
    Tone,
    Utterance,
    Voice,
    Word,
    Wording,
)
from tests.audio import recording

if TYPE_CHECKING:
    from analysis.values import FloatArray, UtteranceAudio

AGENT = Role(0, Party.AGENT, 1.0, RoleSource.MANUAL)
CUSTOMER = Role(1, Party.CUSTOMER, 1.0, RoleSource.MANUAL)
CHANNELS = GivenParties((Party.AGENT, Party.CUSTOMER))
CONTRIBUTIONS = Contributions(tone=1.4, wording=0.9, effort=0.2, measures=0.1, context=0.3, prior=-1.31)
TONE = Tone(anger=0.71, sadness=0.05, fear=0.04, disgust=0.08, happiness=0.01, surprise=0.03, neutral=0.08, arousal=0.83)
MEASURES = Measures(
    loudness_db=-21.0,
    loudness_change_db=6.1,
    pitch_hz=212.0,
    pitch_change_semitones=3.4,
    rate_wps=3.1,
    rate_change_wps=0.4,
    pause_before_s=0.4,
    overlap_s=0.0,
    snr_db=22.0,
    baseline_s=18.0,
)


def utterance(number: int, voice: int, start: float, end: float, text: str = "some words") -> Utterance:
    return Utterance(number, voice, start, end, text, "en", 0.82, (Word(start, end, text, 0.9),))


def customer(*spans: tuple[float, float]) -> CustomerVoice:
    """The confirmed customer, who says something in every span."""
    return CustomerVoice(CUSTOMER, 0.8, tuple(utterance(number, 1, *span) for number, span in enumerate(spans)))


def audio_of(voice: CustomerVoice, samples: FloatArray, folder: Path) -> UtteranceAudio:
    """The sound of the customer, who has the recording to themselves."""
    made = recording(folder, samples[None])
    return voice.audio(made, (Voice(1, 0, (Span(0.0, made.seconds),)),))


def tone_tensors(width: int, *, rows: int = len(EMOTIONS), scale: float = 1.0) -> dict[str, FloatArray]:
    """A tone head with drawn weights."""
    draw = np.random.default_rng(3)
    return {
        "weight": scale * draw.standard_normal((rows, width)).astype(np.float32),
        "bias": draw.standard_normal(rows).astype(np.float32),
        "feature_mean": np.full(width, 0.5, np.float32),
        "feature_std": np.full(width, 2.0, np.float32),
        "arousal_weight": scale * draw.standard_normal(width).astype(np.float32),
        "arousal_bias": np.zeros(1, np.float32),
    }


def tone_card(encoder: str, **changes: object) -> dict[str, object]:
    card: dict[str, object] = {
        "name": "tone-test",
        "encoder": encoder,
        "classes": list(EMOTIONS),
        "license": "CC-BY-NC-SA-4.0",
        "commercial_use": False,
        "languages": ["en"],
        "priors": {"anger": 0.2},
        "temperature": 2.0,
        "metrics": {},
    }
    return card | changes


def customer_moment(number: int, start: float, end: float, text: str, probability: float) -> Moment:
    scored = Frustration(probability, None, CONTRIBUTIONS)
    return Moment(utterance(number, 1, start, end, text), Party.CUSTOMER, MEASURES, TONE, None, Wording(-0.8, 0.66), scored, 0.05)


def flag(start: float = 4.2, end: float = 7.9, *, disagreement: float = 0.05) -> Flag:
    evidence = Evidence(
        quotes=(Quote(1, start, end, "I have called four times", 0.8314, CONTRIBUTIONS, disagreement),),
        change=BaselineChange(6.1, 3.4, 0.4, 18.0, 6.1, 3.4, 0.4),
        effort=(),
        rule_version="1",
        thresholds={"min_peak": 0.6},
        clip=Span(0.0, end + 5.0),
    )
    return Flag("high_frustration", start, end, "high", evidence)


def analysis(file: str = "call.wav", moments: tuple[Moment, ...] | None = None) -> CallAnalysis:
    """A stereo call of 12 s: the agent greets, the customer is flagged, a short answer is abstained."""
    agent = Moment(utterance(0, 0, 0.5, 3.1, "Thank you for calling"), Party.AGENT, MEASURES)
    short = Moment(
        utterance(2, 1, 9.0, 9.3, "Yes"),
        Party.CUSTOMER,
        MEASURES,
        tone_abstained=Abstention.TOO_SHORT,
        wording=Wording(0.2, 0.1),
        frustration=Frustration(None, Abstention.NO_EVIDENCE, None),
    )
    return CallAnalysis(
        recording=Recording(file, Path("unused"), 12.0, 2, 8000, "pcm_mulaw", "ab" * 32),
        snr_db=24.04,
        language="en",
        scoring=Scoring(ScoringMode.FULL, None),
        notes=(Note("skipped_packets", "2 broken packets were skipped"),),
        voices=(Voice(0, 0, (Span(0.5, 3.1),)), Voice(1, 1, (Span(4.2, 7.9), Span(9.0, 9.3)))),
        roles=(Role(0, Party.AGENT, 1.0, RoleSource.METADATA), Role(1, Party.CUSTOMER, 1.0, RoleSource.METADATA)),
        moments=moments or (agent, customer_moment(1, 4.2, 7.9, "I have called four times", 0.8314), short),
        measures=CallMeasures({Party.AGENT: 0.22, Party.CUSTOMER: 0.33}, 5.4, 2.2, {Party.AGENT: 0, Party.CUSTOMER: 1}),
        effort=(),
        segments=(FrustrationSegment(4.2, 7.9, 0.8314, 0.8314, (1,)),),
        flags=(flag(),),
        provenance=Provenance("0.1.0", {"asr": "faster-whisper/base/int8"}, "sha256:00", {"tone": "CC-BY-NC-SA-4.0"}, asdict(FuseConfig())),
        timings={"decode": 0.1},
    )
