"""Everything the call page prints, built from what the selector gives a user; holds no emotion value where the selector gave none."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analysis import words
from callanalytics.calls import scoring
from callanalytics.calls.models import Flag, FlagStatus
from dashboard import charts, presenting
from dashboard.words import NOTICE, plain, timecode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from callanalytics.calls.models import AnalysisRun
    from callanalytics.calls.selectors import CallDetail, Outlined
    from callanalytics.people.selectors import Access
    from callanalytics.review.models import CoachingNote
    from dashboard.presenting import Card, Sign

Rows = tuple[tuple[str, str], ...]
"""Labels and values, in order."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One party's half of the waveform: a channel of its own, or the stretches in which it speaks."""

    party: str
    channel: int
    spans: tuple[tuple[float, float], ...] | None


@dataclass(frozen=True, slots=True)
class CallPage:
    run: AnalysisRun | None
    sees_emotion: bool
    may_judge: bool
    may_manage: bool
    may_coach: bool
    seconds: float
    cards: tuple[Card, ...]
    effort: tuple[Sign, ...]
    lanes: tuple[Lane, ...]
    chart: charts.Figure | None
    tone_withheld: str
    """Why the chart has no tone; empty where it has one."""
    chart_summary: str
    chart_every_s: int
    """One point of the chart for so many seconds; 0 where it has them all."""
    no_flags: str
    """Why no flag stands; empty where one does."""
    notes: tuple[str, ...]
    notes_to_agent: tuple[CoachingNote, ...]
    facts: Rows
    provenance: Rows
    player: dict[str, Any]


def build(detail: CallDetail, access: Access, *, notes: Iterable[CoachingNote]) -> CallPage:
    call, document = detail.call, detail.summary
    shaded = presenting.shaded(detail.flags)
    seconds = call.seconds or max((row.end for row in detail.outline), default=0.0)
    lanes = _lanes(detail.outline, document)
    supervises = access.can_supervise(call.team_id)
    said = {row.number: row for row in detail.outline}
    return CallPage(
        run=detail.run,
        sees_emotion=detail.emotion,
        may_judge=detail.emotion,
        may_manage=supervises,
        may_coach=supervises,
        seconds=seconds,
        cards=tuple(
            presenting.card(flag, list(flag.verdicts.all()), said=said if detail.run and flag.run_id == detail.run.id else {})
            for flag in _ordered(detail.flags)
        ),
        effort=tuple(presenting.sign({"kind": row.kind, "at": row.at, "quote": row.quote}) for row in detail.effort),
        lanes=lanes,
        chart=_chart(detail, seconds, shaded),
        tone_withheld=_tone_withheld(detail),
        chart_summary=_chart_summary(detail, shaded),
        chart_every_s=charts.every_s(sum(1 for row in detail.outline if row.party == "customer"), seconds=seconds),
        no_flags=_no_flags(detail),
        notes=tuple(words.sentence(entry["message"]) for entry in document.get("notes", [])),
        notes_to_agent=tuple(notes),
        facts=_facts(detail, document),
        provenance=_provenance(detail.run, document),
        player={
            "seconds": seconds,
            "flagged": shaded,
            "lanes": [{"party": lane.party, "channel": lane.channel, "spans": lane.spans} for lane in lanes],
        },
    )


def _ordered(flags: Iterable[Flag]) -> list[Flag]:
    """In order of time, those for effort after those for frustration, withdrawn ones last."""
    return sorted(flags, key=lambda flag: (flag.status == FlagStatus.RETRACTED, flag.rule == Flag.EFFORT, flag.start))


def _lanes(utterances: Sequence[Outlined], document: dict[str, Any]) -> tuple[Lane, ...]:
    parties = document.get("parties", [])
    channels = {entry["channel"] for entry in parties}
    if parties and len(channels) == len(parties):
        return tuple(Lane(entry["party"], entry["channel"], None) for entry in sorted(parties, key=lambda entry: entry["channel"]))
    spoken = [party for party in ("agent", "customer", "unknown") if any(row.party == party for row in utterances)]
    return tuple(Lane(party, 0, tuple((row.start, row.end) for row in utterances if row.party == party)) for party in spoken[:2])


def _chart(detail: CallDetail, seconds: float, shaded: Sequence[tuple[float, float]]) -> charts.Figure | None:
    customer = [row for row in detail.outline if row.party == "customer"]
    if not detail.emotion or not any(row.frustration is not None for row in customer):
        return None
    points = [
        charts.Point(at=round((row.start + row.end) / 2, 2), frustration=row.frustration, tone=row.anger, wording=row.wording)
        for row in customer
    ]
    return charts.frustration_over_time(points, seconds=seconds, flagged=shaded, threshold=_level(detail.flags))


def _tone_withheld(detail: CallDetail) -> str:
    return words.tone_withheld(row.tone_abstained for row in detail.outline if row.party == "customer")


def _level(flags: Iterable[Flag]) -> float | None:
    """The level from which a stretch begins, as the rule's evidence has it."""
    return next((flag.evidence["thresholds"]["rise"] for flag in flags if "rise" in flag.evidence.get("thresholds", {})), None)


def _chart_summary(detail: CallDetail, shaded: Sequence[tuple[float, float]]) -> str:
    peak = detail.call.peak_frustration
    if peak is None:
        return "Frustration over time: no scores."
    stretches = ", ".join(f"{timecode(start)} to {timecode(end)}" for start, end in shaded) or "none"
    return f"Frustration over time: peak {peak:.0%}; flagged stretches: {stretches}. The transcript lists every score."


def _no_flags(detail: CallDetail) -> str:
    if any(flag.status in Flag.STANDING for flag in detail.flags):
        return ""
    if detail.run is not None and detail.run.scoring in ("measures", "none"):
        return f"Nothing is scored in this call: {scoring.allowed(detail.call).reason or 'scoring was off when it was analysed'}."
    if not detail.call.moment_count:
        unknown = any(row.party == "unknown" for row in detail.outline)
        return f"{'It is not known who the customer is' if unknown else 'No customer speech was found'}, so nothing is scored."
    if detail.call.abstained_count == detail.call.moment_count:
        return "There was not enough evidence to score anything in this call; the transcript says why, utterance by utterance."
    return "No stretch of this call passed a rule."


def _facts(detail: CallDetail, document: dict[str, Any]) -> Rows:
    call = detail.call
    facts = [
        ("File", call.file_name),
        ("Fetched from", call.source),
        ("Language", call.language or "not known"),
        ("Customer reference", call.customer_reference),
    ]
    facts += [
        ("Direction", call.get_direction_display() if call.direction else ""),
        ("Notice", NOTICE[call.notice]),
        ("Scoring", _scoring(detail)),
        ("Tags", ", ".join(map(str, call.tags))),
    ]
    facts += [(_channel(entry), _role(entry)) for entry in document.get("parties", [])]
    facts += _overall(document)
    if detail.emotion and call.moment_count:
        facts.append(("Scored", _scored(detail.outline)))
    return tuple((label, value) for label, value in facts if value)


def _scoring(detail: CallDetail) -> str:
    allowed = scoring.allowed(detail.call)
    return words.scored_by(allowed.mode, _tone_withheld(detail)) + (f" ({allowed.reason})" if allowed.reason else "")


def _channel(entry: dict[str, Any]) -> str:
    return f"Voice {entry['voice'] + 1}"


def _role(entry: dict[str, Any]) -> str:
    if entry["party"] == "unknown":
        return plain("unknown", "party")
    return f"{plain(entry['party'], 'party')}, {entry['role_confidence']:.0%} sure ({plain(entry['role_source'], 'role_source')})"


def _overall(document: dict[str, Any]) -> list[tuple[str, str]]:
    measures = document.get("measures")
    if not measures:
        return []
    share = {party: f"{value:.0%}" for party, value in measures["talk_share"].items()}
    cuts = {party: f"{value:.0f}" for party, value in measures["interruptions"].items()}
    noise = document["recording"]["snr_db"]
    return [
        ("Talk share", _by_party(share, document)),
        ("Silence", _silence(measures)),
        ("Interruptions", _by_party(cuts, document)),
        ("Signal to noise", "" if noise is None else f"{noise:.0f} dB"),
    ]


def _by_party(values: dict[str, str], document: dict[str, Any]) -> str:
    """`agent 40%, customer 35%`, or that nothing of it is known."""
    read = words.by_party(values, {entry["party"] for entry in document.get("parties", [])})
    if set(read.values()) == {words.NOT_KNOWN}:
        return words.NOT_KNOWN
    return ", ".join(f"{party} {value}" for party, value in read.items())


def _silence(measures: dict[str, Any]) -> str:
    silence, longest = (words.measured(measures[name]) for name in ("silence_s", "longest_silence_s"))
    return silence if silence == "none" else f"{silence}, longest {longest}"


def _scored(utterances: Sequence[Outlined]) -> str:
    """`34 of 40 customer utterances; withheld: 4 too little speech, 2 both were speaking; no tone for 9: 9 too noisy`."""
    customer = [row for row in utterances if row.party == "customer"]
    withheld = Counter(row.abstained for row in customer if row.abstained)
    text = f"{len(customer) - withheld.total()} of {len(customer)} customer utterances"
    toneless = Counter(row.tone_abstained for row in customer if row.tone_abstained)
    reasons = _counted(withheld, "abstained")
    without = f"no tone for {toneless.total()}: {_counted(toneless, 'tone_abstained')}" if toneless else ""
    return "; ".join(filter(None, (text, reasons and f"withheld: {reasons}", without)))


def _counted(reasons: Counter[str], table: str) -> str:
    return ", ".join(f"{count} {plain(code, table)}" for code, count in reasons.most_common())


def _engines(run: AnalysisRun | None) -> Rows:
    return () if run is None else tuple((plain(str(name), "engine"), str(value)) for name, value in sorted(run.engines.items()))


def _provenance(run: AnalysisRun | None, document: dict[str, Any]) -> Rows:
    if run is None:
        return ()
    recording, made = document.get("recording", {}), document.get("provenance", {})
    rows = [
        ("Analysed", f"{run.created_at:%Y-%m-%d %H:%M} UTC, attempt {run.attempt}"),
        ("Run", str(run.id)),
        ("Code", run.code_version),
        ("Configuration", run.config_digest),
        ("Calibration", str(made.get("fuse", {}).get("calibration", ""))),
        ("Format", run.schema),
        *_engines(run),
        *((f"Licence of {name}", str(value)) for name, value in made.get("licences", {}).items()),
        ("Recording", _recording(recording)),
        ("SHA-256", recording.get("sha256", "")),
    ]
    return tuple((label, value) for label, value in rows if value)


def _recording(recording: dict[str, Any]) -> str:
    if not recording:
        return ""
    channels = "1 channel" if recording["channels"] == 1 else f"{recording['channels']} channels"
    return f"{recording['codec']}, {recording['sample_rate']} Hz, {channels}"
