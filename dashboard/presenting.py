"""The pieces of a call page: transcript lines and evidence cards, from rows to what a template prints."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from analysis.words import NOTABLE_FRUSTRATION, disagreement, tone_reason_is_own
from callanalytics.calls.models import Flag
from dashboard.words import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from uuid import UUID

    from callanalytics.calls.models import Utterance
    from callanalytics.calls.selectors import Outlined
    from callanalytics.review.models import Verdict

CLIP_MARGIN_S = 5.0
CHIP_FROM = NOTABLE_FRUSTRATION
"""Probability from which a frustration or wording chip helps more than it clutters."""
ANGER_CHIP_FROM = 0.5
"""Anger is the only class of tone that the score listens to, and so the only one that is shown."""


@dataclass(frozen=True, slots=True)
class Chip:
    text: str
    kind: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One utterance of the transcript."""

    number: int
    party: str
    start: float
    end: float
    text: str
    flagged: bool
    measures: str
    chips: tuple[Chip, ...]


@dataclass(frozen=True, slots=True)
class Quoted:
    text: str
    start: float
    clip_start: float
    clip_end: float
    probability: float | None
    disagreement: str
    """In words; empty where voice and words agree."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One signed contribution, with its place in a drawing 100 wide whose zero is at 50."""

    label: str
    value: float
    x: str
    width: str
    withheld: str = ""
    """Why this part gave no answer; empty where it gave one."""


@dataclass(frozen=True, slots=True)
class Change:
    """A measure at the peak against the caller's own before, as it was heard, and as it counts where it is held back."""

    label: str
    value: str
    counted: str


@dataclass(frozen=True, slots=True)
class Sign:
    label: str
    at: float
    quote: str


@dataclass(frozen=True, slots=True)
class Card:
    """The evidence card of one flag."""

    id: UUID
    rule: str
    rule_code: str
    for_effort: bool
    """Raised for signs of effort, and so judged by another question."""
    rule_version: str
    severity: str
    status: str
    retracted_reason: str
    start: float
    end: float
    clip_start: float
    clip_end: float
    peak: float | None
    quotes: tuple[Quoted, ...]
    changes: tuple[Change, ...]
    baseline_s: float
    contributions: tuple[Bar, ...]
    effort: tuple[Sign, ...]
    thresholds: tuple[tuple[str, str], ...]
    verdicts: Sequence[Verdict] = field(default_factory=tuple)


def shaded(flags: Iterable[Flag]) -> list[tuple[float, float]]:
    """Stretches of the flags that stand; one for effort covers half a call and would shade it all."""
    return [(flag.start, flag.end) for flag in flags if flag.status in Flag.STANDING and flag.rule != Flag.EFFORT]


def line(utterance: Utterance, *, flagged: Sequence[tuple[float, float]], emotion: bool) -> Line:
    return Line(
        number=utterance.number,
        party=utterance.party,
        start=utterance.start,
        end=utterance.end,
        text=utterance.text,
        flagged=emotion
        and utterance.party == "customer"
        and any(start < utterance.end and utterance.start < end for start, end in flagged),
        measures=measures_text(utterance.measures),
        chips=tuple(_chips(utterance)) if emotion else (),
    )


def measures_text(measures: Mapping[str, Any] | None) -> str:
    """What is worth saying of an utterance's plain measures, as in `+6 dB · +3.4 semitones · 3.1 words/s · pause 2.4 s`."""
    if not measures:
        return ""
    parts = [
        _number(measures, "loudness_change_db", "{:+.0f} dB", least=0.5),
        _number(measures, "pitch_change_semitones", "{:+.1f} semitones", least=0.3),
        _number(measures, "rate_wps", "{:.1f} words/s"),
        _number(measures, "pause_before_s", "pause {:.1f} s", least=1.0),
        _number(measures, "overlap_s", "overlap {:.1f} s", least=0.3),
    ]
    return " · ".join(filter(None, parts)).replace("-", "−")


def card(flag: Flag, verdicts: Sequence[Verdict], *, said: Mapping[int, Outlined]) -> Card:
    """The signs of an effort flag are its quotes; its score is not what it was raised for.

    `said` holds the utterances of the analysis that the flag is of, by number; empty where that is not the current one.
    """
    evidence, effort_only = flag.evidence, flag.rule == Flag.EFFORT
    quotes = [] if effort_only else evidence.get("quotes", [])
    clip = evidence.get("clip") or {"start": max(0.0, flag.start - CLIP_MARGIN_S), "end": flag.end + CLIP_MARGIN_S}
    change = evidence.get("change")
    return Card(
        id=flag.id,
        rule=plain(flag.rule, "rule"),
        rule_code=flag.rule,
        for_effort=effort_only,
        rule_version=str(evidence.get("rule_version", "")),
        severity=flag.severity,
        status=flag.status,
        retracted_reason=flag.retracted_reason,
        start=flag.start,
        end=flag.end,
        clip_start=clip["start"],
        clip_end=clip["end"],
        peak=None if effort_only else flag.peak,
        quotes=tuple(_quoted(quote, said.get(quote["utterance"])) for quote in quotes),
        changes=tuple(_changes(change)),
        baseline_s=(change or {}).get("baseline_s") or 0.0,
        contributions=tuple(_peak_bars(quotes, said)),
        effort=tuple(sign(entry) for entry in evidence.get("effort", [])),
        thresholds=tuple((plain(name, "threshold"), f"{value:g}") for name, value in evidence.get("thresholds", {}).items()),
        verdicts=verdicts,
    )


def gist(flag: Flag) -> str:
    """What a flag stands on, in one line: its strongest words, or its signs of effort."""
    if flag.rule == Flag.EFFORT:
        return ", ".join(dict.fromkeys(plain(sign["kind"], "effort") for sign in flag.evidence.get("effort", [])))
    quotes = flag.evidence.get("quotes") or []
    strongest = max(quotes, key=lambda quote: quote.get("probability") or 0.0, default=None)
    return f"“{strongest['text']}”" if strongest else plain(flag.rule, "rule")


def sign(entry: Mapping[str, Any]) -> Sign:
    return Sign(plain(entry["kind"], "effort"), float(entry["at"]), str(entry.get("quote") or ""))


def bars(contributions: Mapping[str, float], *, tone_withheld: str = "") -> Iterable[Bar]:
    """Contributions as bars that share one scale, in the order of the help page; the starting point last."""
    scale = max(1.0, *(abs(value) for value in contributions.values()))
    for part in ("tone", "wording", "effort", "measures", "context", "prior"):
        value = contributions.get(part, 0.0)
        size = abs(value) / scale * 49
        withheld = tone_withheld if part == "tone" and not value else ""
        yield Bar(plain(part, "part"), value, x=f"{50 - size if value < 0 else 50:.2f}", width=f"{size:.2f}", withheld=withheld)


def _chips(utterance: Utterance) -> Iterable[Chip]:
    if utterance.party != "customer":
        return
    if utterance.frustration is not None:
        yield Chip(f"frustration {utterance.frustration:.0%}", "frustration" if utterance.frustration >= CHIP_FROM else "")
    elif utterance.abstained:
        yield Chip(f"not scored: {plain(utterance.abstained, 'abstained')}", "wrap")
    yield from _tone_chips(utterance)
    if utterance.wording and utterance.wording["frustration"] >= CHIP_FROM:
        yield Chip(
            f"words {utterance.wording['frustration']:.0%}", "wording", f"Sentiment of the words {utterance.wording['sentiment']:+.2f}"
        )
    tone, wording = utterance.tone or {}, utterance.wording or {}
    if apart := _apart(utterance.disagreement, utterance.frustration, anger=tone.get("anger"), wording=wording.get("frustration")):
        yield Chip(apart, "warn wrap")


def _apart(value: float | None, probability: float | None, *, anger: float | None, wording: float | None) -> str:
    """Where voice and words disagree: in words, and with both numbers where they are known."""
    apart = disagreement(value, probability)
    return apart if not apart or anger is None or wording is None else f"{apart}: words {wording:.0%}, angry voice {anger:.0%}"


def _tone_chips(utterance: Utterance) -> Iterable[Chip]:
    if utterance.tone:
        if (anger := utterance.tone["anger"]) >= ANGER_CHIP_FROM:
            arousal = utterance.tone["arousal"]
            yield Chip(f"voice: anger {anger:.0%}", "tone", "" if arousal is None else f"Arousal {arousal:.0%}")
    elif tone_reason_is_own(utterance.tone_abstained, utterance.abstained):
        yield Chip(f"tone not scored: {plain(utterance.tone_abstained, 'tone_abstained')}", "wrap")


def _quoted(quote: Mapping[str, Any], said: Outlined | None) -> Quoted:
    anger, wording = (None, None) if said is None else (said.anger, said.wording)
    return Quoted(
        text=quote["text"],
        start=quote["start"],
        clip_start=max(0.0, quote["start"] - CLIP_MARGIN_S),
        clip_end=quote["end"] + CLIP_MARGIN_S,
        probability=quote.get("probability"),
        disagreement=_apart(quote.get("disagreement"), quote.get("probability"), anger=anger, wording=wording),
    )


def _peak_bars(quotes: Sequence[Mapping[str, Any]], said: Mapping[int, Outlined]) -> Iterable[Bar]:
    """Of the quote with the highest score."""
    scored = [quote for quote in quotes if quote.get("probability") is not None and quote.get("contributions")]
    if not scored:
        return ()
    peak = max(scored, key=lambda quote: quote["probability"])
    of_peak = said.get(peak["utterance"])
    reason = of_peak.tone_abstained if of_peak else ""
    return bars(peak["contributions"], tone_withheld=plain(reason, "tone_abstained") if reason else "")


def _changes(change: Mapping[str, Any] | None) -> Iterable[Change]:
    if not change:
        return
    kinds = (
        ("loudness", "db", "Loudness", "{:+.1f} dB"),
        ("pitch", "semitones", "Pitch", "{:+.1f} semitones"),
        ("rate", "wps", "Pace", "{:+.1f} words/s"),
    )
    for measure, unit, label, form in kinds:
        counted = _number(change, f"{measure}_{unit}", form, least=0.05).replace("-", "−")
        plain_key = f"{measure}_plain_{unit}"
        # Flags of earlier analyses hold only what was counted.
        heard = _number(change, plain_key, form, least=0.05).replace("-", "−") if plain_key in change else counted
        if heard or counted:
            yield Change(label, heard or "unchanged", "" if heard == counted else counted or "nothing")


def _number(values: Mapping[str, Any], key: str, form: str, *, least: float = 0.0) -> str:
    value = values.get(key)
    return "" if value is None or abs(value) < least else form.format(value)
