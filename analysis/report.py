"""One call's document as one HTML file that needs nothing else: timeline, evidence, transcript."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from analysis import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.document import Document

WIDTH = 1000
"""Of the drawing, in units of its own: the page stretches them to its width, and leaves the height in pixels."""
LANE_HEIGHT, BAR_HEIGHT = 28, 18
CURVE_GAP, CURVE_HEIGHT = 12, 76
CONTRIBUTION_FULL = 3.0
"""Log-odds that fill a contribution's bar (`FuseConfig.part_limit`)."""


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    kind: str
    title: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """Who spoke when, one lane a party, above the curve of the customer's frustration."""

    lanes: tuple[str, ...]
    bars: tuple[Bar, ...]
    shades: tuple[Bar, ...]
    points: tuple[tuple[float, float], ...]
    curve_top: int
    height: int


def render(document: Document) -> str:
    """The report as HTML. The document is `analysis.document.to_document`'s."""
    environment = Environment(
        loader=PackageLoader("analysis"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(clock=words.timecode, percent=percent, signed=signed, plain=words.plain, sentence=words.sentence)
    environment.filters.update(bar=_contribution_width, parts=_scored_parts, apart=_apart, measured=words.measured)
    known = {entry["party"] for entry in document["parties"]}
    return environment.get_template("report.html").render(
        call=document,
        name=PurePath(document["file"]).name,
        timeline=_timeline(document),
        width=WIDTH,
        lane_height=LANE_HEIGHT,
        curve_height=CURVE_HEIGHT,
        scored_by=words.scored_by(document["scoring"]["mode"], _tone_withheld(document)),
        tone_reasons={item["id"]: item["tone_abstained"] for item in document["utterances"] if item["tone_abstained"]},
        talk_share=words.by_party({party: percent(share) for party, share in document["measures"]["talk_share"].items()}, known),
        interruptions=words.by_party({party: str(count) for party, count in document["measures"]["interruptions"].items()}, known),
        flagged=frozenset(number for segment in document["segments"] for number in segment["utterances"]),
        flags=[(flag, _peak(flag)) for flag in sorted(document["flags"], key=lambda flag: (flag["severity"] != "high", flag["start"]))],
    )


def percent(value: float | None) -> str:
    """`62 %`; a dash where there is no number."""
    return "–" if value is None else f"{value * 100:.0f}\N{NO-BREAK SPACE}%"


def signed(value: float, digits: int = 1) -> str:
    """`+3.1`, `−2.0`."""
    return f"{value:+.{digits}f}".replace("-", "−")


def _scored_parts(item: Document) -> str:
    """What words and voice say of a customer's utterance on their own: `words 91 %, angry voice 3 %, words harder than the voice`."""
    parts = [f"words {percent(item['wording']['frustration'])}"] if item["wording"] else []
    if item["tone"]:
        parts.append(f"angry voice {percent(item['tone']['anger'])}")
    elif words.tone_reason_is_own(item["tone_abstained"], item["frustration"]["abstained"]):
        parts.append(f"voice not scored: {words.plain(item['tone_abstained'], 'tone_abstained')}")
    return ", ".join(filter(None, (*parts, words.disagreement(item["disagreement"], item["frustration"]["probability"]))))


def _apart(quote: Document, document: Document) -> str:
    """Where voice and words disagree in a quote: in words, and with both numbers."""
    said = words.disagreement(quote["disagreement"], quote["probability"])
    item = next((item for item in document["utterances"] if item["id"] == quote["utterance"]), None)
    if not said or item is None or not item["wording"] or not item["tone"]:
        return said
    return f"{said} (words {percent(item['wording']['frustration'])}, angry voice {percent(item['tone']['anger'])})"


def _tone_withheld(document: Document) -> str:
    return words.tone_withheld(item["tone_abstained"] for item in document["utterances"] if item["party"] == "customer")


def _contribution_width(value: float) -> int:
    return round(50 * min(abs(value) / CONTRIBUTION_FULL, 1.0))


def _timeline(document: Document) -> Timeline:
    scale = WIDTH / max(float(document["recording"]["seconds"]), 0.01)
    heard = {item["party"] for item in document["utterances"]}
    lanes = tuple(party for party in words.PARTIES if party in heard)
    curve_top = len(lanes) * LANE_HEIGHT + CURVE_GAP
    return Timeline(
        lanes=lanes,
        bars=tuple(_bar(item, lanes, scale) for item in document["utterances"]),
        shades=tuple(_shade(flag, curve_top + CURVE_HEIGHT, scale) for flag in document["flags"]),
        points=tuple(_points(document, curve_top, scale)),
        curve_top=curve_top,
        height=curve_top + CURVE_HEIGHT,
    )


def _bar(item: Document, lanes: Sequence[str], scale: float) -> Bar:
    top = lanes.index(item["party"]) * LANE_HEIGHT + (LANE_HEIGHT - BAR_HEIGHT) / 2
    width = max((item["end"] - item["start"]) * scale, 1.5)
    title = f"{words.timecode(item['start'])} {item['text']}"
    return Bar(round(item["start"] * scale, 1), top, round(width, 1), BAR_HEIGHT, item["party"], title)


def _shade(flag: Document, height: float, scale: float) -> Bar:
    width = (flag["end"] - flag["start"]) * scale
    return Bar(round(flag["start"] * scale, 1), 0, round(width, 1), height, flag["severity"], words.plain(flag["rule"], "rule"))


def _points(document: Document, top: float, scale: float) -> list[tuple[float, float]]:
    """One for every scored customer utterance, at its middle."""
    scored = [item for item in document["utterances"] if item["frustration"] and item["frustration"]["probability"] is not None]
    return [
        (
            round((item["start"] + item["end"]) / 2 * scale, 1),
            round(top + CURVE_HEIGHT * (1 - item["frustration"]["probability"]), 1),
        )
        for item in scored
    ]


def _peak(flag: Document) -> dict[str, Any] | None:
    """The quote with the highest score; None where a flag rests on signs of effort alone."""
    scored = [quote for quote in flag["evidence"]["quotes"] if quote["contributions"] is not None]
    return max(scored, key=lambda quote: float(quote["probability"]), default=None)
