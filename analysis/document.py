"""A CallAnalysis as the JSON object that the command prints and the API returns (design section 7, `callanalytics/analysis/1`)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from analysis.values import Party

if TYPE_CHECKING:
    from analysis.errors import AnalysisError
    from analysis.values import CallAnalysis, EffortSign, Evidence, Flag, Frustration, FrustrationSegment, Moment, Word

SCHEMA = "callanalytics/analysis/1"

NAMED = (Party.AGENT, Party.CUSTOMER)
"""Parties that numbers of the whole call are given for."""

Document = dict[str, Any]
"""A JSON object: the one place where a plain dict crosses a module border, because JSON is what leaves the platform."""


def to_document(analysis: CallAnalysis) -> Document:
    """Every key is always present; times are rounded to 0.01 s; there is no NaN."""
    recording = analysis.recording
    return {
        "schema": SCHEMA,
        "file": recording.file,
        "language": analysis.language,
        "recording": {
            "seconds": _time(recording.seconds),
            "channels": recording.channels,
            "sample_rate": recording.sample_rate,
            "codec": recording.codec,
            "sha256": recording.sha256,
            "snr_db": _rounded(analysis.snr_db, 1),
        },
        "scoring": {"mode": analysis.scoring.mode.value, "reason": analysis.scoring.reason},
        "notes": [{"code": note.code, "message": note.message} for note in analysis.notes],
        "parties": _parties(analysis),
        "utterances": [_utterance(moment) for moment in analysis.moments],
        "measures": _overall(analysis),
        "effort": [_sign(sign) for sign in analysis.effort],
        "segments": [_segment(segment) for segment in analysis.segments],
        "flags": [_flag(flag) for flag in analysis.flags],
        "provenance": {
            "code": analysis.provenance.code,
            "engines": dict(analysis.provenance.engines),
            "config": analysis.provenance.config,
            "licences": dict(analysis.provenance.licences),
            "fuse": dict(analysis.provenance.fuse),
        },
        "timings": dict(analysis.timings),
    }


def to_error(file: str, error: AnalysisError) -> Document:
    """What stands in place of a document where a file failed."""
    return {"schema": SCHEMA, "file": file, "error": {"message": error.message, "permanent": error.permanent}}


def _time(seconds: float) -> float:
    return round(float(seconds), 2)


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(float(value), digits)


def _numbers(record: Any, digits: int = 3) -> Document:
    """A flat record of numbers as a dict."""
    return {item.name: _rounded(getattr(record, item.name), digits) for item in dataclasses.fields(record)}


def _parties(analysis: CallAnalysis) -> list[Document]:
    channels = {voice.id: voice.channel for voice in analysis.voices}
    return [
        {
            "voice": role.voice,
            "party": role.party.value,
            "channel": channels[role.voice],
            "role_confidence": _rounded(role.confidence, 3),
            "role_source": role.source.value,
        }
        for role in analysis.roles
    ]


def _utterance(moment: Moment) -> Document:
    utterance = moment.utterance
    return {
        "id": utterance.id,
        "voice": utterance.voice,
        "party": moment.party.value,
        "start": _time(utterance.start),
        "end": _time(utterance.end),
        "text": utterance.text,
        "language": utterance.language,
        "asr_confidence": _rounded(utterance.asr_confidence, 3),
        "words": [_word(word) for word in utterance.words],
        "measures": None if moment.measures is None else _numbers(moment.measures, 2),
        "tone": None if moment.tone is None else _numbers(moment.tone, 4),
        "tone_abstained": moment.tone_abstained and moment.tone_abstained.value,
        "wording": None if moment.wording is None else _numbers(moment.wording),
        "frustration": None if moment.frustration is None else _frustration(moment.frustration),
        "disagreement": _rounded(moment.disagreement, 3),
    }


def _word(word: Word) -> Document:
    return {"start": _time(word.start), "end": _time(word.end), "text": word.text}


def _frustration(frustration: Frustration) -> Document:
    return {
        "probability": _rounded(frustration.probability, 4),
        "abstained": frustration.abstained and frustration.abstained.value,
        "contributions": None if frustration.contributions is None else _numbers(frustration.contributions),
    }


def _overall(analysis: CallAnalysis) -> Document:
    measures = analysis.measures
    return {
        "talk_share": {party.value: _rounded(measures.talk_share.get(party, 0.0), 3) for party in NAMED},
        "silence_s": _time(measures.silence_s),
        "longest_silence_s": _time(measures.longest_silence_s),
        "interruptions": {party.value: measures.interruptions.get(party, 0) for party in NAMED},
    }


def _sign(sign: EffortSign) -> Document:
    return {"kind": sign.kind, "at": _time(sign.at), "quote": sign.quote, "utterance": sign.utterance}


def _segment(segment: FrustrationSegment) -> Document:
    return {
        "start": _time(segment.start),
        "end": _time(segment.end),
        "peak": _rounded(segment.peak, 4),
        "mean": _rounded(segment.mean, 4),
        "utterances": list(segment.utterances),
    }


def _flag(flag: Flag) -> Document:
    return {
        "rule": flag.rule,
        "start": _time(flag.start),
        "end": _time(flag.end),
        "severity": flag.severity,
        "evidence": _evidence(flag.evidence),
    }


def _evidence(evidence: Evidence) -> Document:
    return {
        "quotes": [
            {
                "utterance": quote.utterance,
                "start": _time(quote.start),
                "end": _time(quote.end),
                "text": quote.text,
                "probability": _rounded(quote.probability, 4),
                "contributions": None if quote.contributions is None else _numbers(quote.contributions),
                "disagreement": _rounded(quote.disagreement, 3),
            }
            for quote in evidence.quotes
        ],
        "change": None if evidence.change is None else _numbers(evidence.change, 2),
        "effort": [_sign(sign) for sign in evidence.effort],
        "rule_version": evidence.rule_version,
        "thresholds": dict(evidence.thresholds),
        "clip": {"start": _time(evidence.clip.start), "end": _time(evidence.clip.end)},
    }
