"""What a call's row says to the analysis, and an analysis as the rows that pages and the API read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analysis.document import SCHEMA
from analysis.values import GivenParties, Party, Span
from callanalytics.calls import scoring
from callanalytics.calls.models import AnalysisRun, EffortSign, Flag, FrustrationSegment, Utterance

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from uuid import UUID

    from analysis.values import CallAnalysis, Scoring
    from callanalytics.calls.models import Call

PARTS = ("tone", "wording", "effort", "measures", "context")
"""Contributions that can be the main reason of a flag; the prior is nobody's reason."""

OF_UTTERANCES = ("utterances", "effort", "segments", "flags")
"""Keys of the document under which single utterances are told of: nearly all of a long call's megabytes, and all of its emotion values."""


@dataclass(frozen=True, slots=True)
class GivenOptions:
    """What is known of a call before it is analysed, in the library's words."""

    parties: GivenParties
    scoring: Scoring
    language: str | None


@dataclass(frozen=True, slots=True)
class Rows:
    """Everything an analysis becomes, unsaved. Flags still have to be matched with those of earlier runs."""

    run: AnalysisRun
    utterances: list[Utterance]
    segments: list[FrustrationSegment]
    effort: list[EffortSign]
    flags: list[Flag]


def call_options(call: Call) -> GivenOptions:
    return GivenOptions(
        parties=GivenParties(channels=_parties(call.channels), voices=_parties(call.voices)),
        scoring=scoring.allowed(call),
        language=call.language_given or None,
    )


def rows(call: Call, analysis: CallAnalysis, document: Mapping[str, Any], *, run_id: UUID) -> Rows:
    """An analysis and its document (analysis.document) as unsaved rows; numbers are the document's, so that both say the same."""
    run = _run(call, analysis, run_id)
    run.summary = document_summary(document)
    segments = [FrustrationSegment(run=run, call=call, **entry) for entry in document["segments"]]
    return Rows(
        run=run,
        utterances=[_utterance(run, call, entry) for entry in document["utterances"]],
        segments=segments,
        effort=[EffortSign(run=run, call=call, team_id=call.team_id, started_at=call.started_at, **entry) for entry in document["effort"]],
        flags=[_flag(run, call, entry, segments) for entry in document["flags"]],
    )


def document_summary(document: Mapping[str, Any]) -> dict[str, Any]:
    """What the document says of the whole call; nobody's emotion values are among it."""
    return {key: value for key, value in document.items() if key not in OF_UTTERANCES}


def totals(call_rows: Rows) -> dict[str, Any]:
    """The numbers of a call that lists and the overview show."""
    customer = [row for row in call_rows.utterances if row.party == Party.CUSTOMER]
    return {
        "frustrated_s": round(sum(row.end - row.start for row in call_rows.segments), 2),
        "peak_frustration": max((row.frustration for row in customer if row.frustration is not None), default=None),
        "moment_count": len(customer),
        "abstained_count": sum(1 for row in customer if row.abstained),
    }


def _parties(names: Iterable[str]) -> tuple[Party, ...]:
    return tuple(Party(name) for name in names)


def _run(call: Call, analysis: CallAnalysis, run_id: UUID) -> AnalysisRun:
    return AnalysisRun(
        id=run_id,
        call=call,
        attempt=call.attempts,
        engines=dict(analysis.provenance.engines),
        config_digest=analysis.provenance.config,
        code_version=analysis.provenance.code,
        schema=SCHEMA,
        scoring=analysis.scoring.mode.value,
    )


def _utterance(run: AnalysisRun, call: Call, entry: Mapping[str, Any]) -> Utterance:
    copied = (
        "voice",
        "party",
        "start",
        "end",
        "text",
        "language",
        "asr_confidence",
        "words",
        "measures",
        "tone",
        "wording",
        "disagreement",
    )
    frustration = entry["frustration"] or {"probability": None, "abstained": None, "contributions": None}
    return Utterance(
        run=run,
        call=call,
        team_id=call.team_id,
        started_at=call.started_at,
        number=entry["id"],
        tone_abstained=entry["tone_abstained"] or "",
        frustration=frustration["probability"],
        abstained=frustration["abstained"] or "",
        contributions=frustration["contributions"],
        **{name: entry[name] for name in copied},
    )


def _flag(run: AnalysisRun, call: Call, entry: Mapping[str, Any], segments: list[FrustrationSegment]) -> Flag:
    evidence = entry["evidence"]
    scores = [quote["probability"] for quote in evidence["quotes"] if quote["probability"] is not None]
    return Flag(
        run=run,
        call=call,
        team_id=call.team_id,
        started_at=call.started_at,
        segment=_segment(entry, segments) if scores else None,
        peak=max(scores, default=None),
        main_part=main_part(evidence),
        **{name: entry[name] for name in ("rule", "start", "end", "severity", "evidence")},
    )


def _segment(entry: Mapping[str, Any], segments: list[FrustrationSegment]) -> FrustrationSegment | None:
    """The segment that a flag shares the most time with."""
    span = Span(entry["start"], entry["end"])
    shared = [(span.overlap(Span(segment.start, segment.end)), segment) for segment in segments]
    seconds, best = max(shared, key=lambda item: item[0], default=(0.0, None))
    return best if seconds > 0 else None


def main_part(evidence: Mapping[str, Any]) -> str:
    """The part that adds the most log-odds over the quotes of a flag; "effort" where signs of effort alone made it, else ""."""
    sums = dict.fromkeys(PARTS, 0.0)
    for quote in evidence["quotes"]:
        for part in PARTS:
            sums[part] += (quote["contributions"] or {}).get(part, 0.0)
    part, value = max(sums.items(), key=lambda item: item[1])
    if value > 0:
        return part
    return "effort" if evidence["effort"] else ""
