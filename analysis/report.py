"""One call's document as one HTML file that needs nothing else: timeline, evidence, transcript."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

if TYPE_CHECKING:
    from analysis.document import Document

LANES = {"agent": 8, "customer": 38, "unknown": 68}
"""Top of each party's lane in the drawing, in pixels."""
LANE_HEIGHT = 22
CURVE_TOP, CURVE_HEIGHT = 104, 70
WIDTH = 1000
"""Pixels of the drawing's own scale; the page stretches it."""
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


def render(document: Document) -> str:
    """The report as HTML. The document is `analysis.document.to_document`'s."""
    environment = Environment(
        loader=PackageLoader("analysis"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(clock=clock, percent=percent, bar=_contribution_width)
    return environment.get_template("report.html").render(
        call=document, bars=_bars(document), shades=_shades(document), points=_points(document), width=WIDTH
    )


def clock(seconds: float) -> str:
    """Seconds as m:ss, or h:mm:ss from an hour on."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def _contribution_width(value: float) -> int:
    return round(50 * min(abs(value) / CONTRIBUTION_FULL, 1.0))


def _scale(document: Document) -> float:
    return WIDTH / max(float(document["recording"]["seconds"]), 0.01)


def _bars(document: Document) -> list[Bar]:
    scale = _scale(document)
    return [
        Bar(
            round(item["start"] * scale, 1),
            LANES[item["party"]],
            round(max((item["end"] - item["start"]) * scale, 1.5), 1),
            LANE_HEIGHT,
            item["party"],
            f"{clock(item['start'])} {item['text']}",
        )
        for item in document["utterances"]
    ]


def _shades(document: Document) -> list[Bar]:
    scale = _scale(document)
    return [
        Bar(
            round(flag["start"] * scale, 1),
            0,
            round((flag["end"] - flag["start"]) * scale, 1),
            CURVE_TOP + CURVE_HEIGHT,
            flag["severity"],
            flag["rule"].replace("_", " "),
        )
        for flag in document["flags"]
    ]


def _points(document: Document) -> str:
    """The frustration curve as SVG points: one per scored customer utterance, at its middle."""
    scale = _scale(document)
    scored = [item for item in document["utterances"] if item["frustration"] and item["frustration"]["probability"] is not None]
    return " ".join(
        f"{(item['start'] + item['end']) / 2 * scale:.1f},{CURVE_TOP + CURVE_HEIGHT * (1 - item['frustration']['probability']):.1f}"
        for item in scored
    )
