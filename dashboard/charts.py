"""Numbers in, Plotly figures out. Colours are roles (`meta` of a trace, `name` of a shape) that charts.js turns into the theme's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from dashboard.words import timecode

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

Figure = dict[str, Any]
"""A figure as JSON: what leaves for the browser."""

TICKS_S = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
MAX_TICKS = 10
MAX_POINTS = 300
"""More stand closer than their marks are wide."""


@dataclass(frozen=True, slots=True)
class Point:
    """The scores of one customer utterance, at its middle; None where a score was withheld."""

    at: float
    frustration: float | None
    tone: float | None
    wording: float | None


@dataclass(frozen=True, slots=True)
class Day:
    date: dt.date
    calls: int
    """Analysed calls."""
    flagged: int
    """Of those, with at least one flag that stands."""


def frustration_over_time(
    points: Sequence[Point], *, seconds: float, flagged: Sequence[tuple[float, float]], threshold: float | None
) -> Figure:
    """Frustration with tone and wording beside it; `flagged` stretches are shaded. Gaps stay where a score was withheld."""
    points = _highest(points, every_s(len(points), seconds=seconds))
    at = [point.at for point in points]
    stamps = [timecode(point.at) for point in points]
    traces = [
        _line("wording", [point.wording for point in points], at, stamps, name="Wording", dash="dot"),
        _line("tone", [point.tone for point in points], at, stamps, name="Tone (anger)", dash="dash"),
        _line("frustration", [point.frustration for point in points], at, stamps, name="Frustration", dash="solid"),
    ]
    shapes = [_shaded(start, end) for start, end in flagged]
    if threshold is not None:
        shapes.append(_level(threshold))
    layout = go.Layout(
        margin={"l": 44, "r": 12, "t": 8, "b": 28},
        showlegend=False,
        hovermode="x unified",
        dragmode=False,
        shapes=shapes,
        xaxis={
            "unifiedhovertitle": {"text": "Customer"},
            "range": [0, seconds],
            "fixedrange": True,
            "showgrid": False,
            **_time_ticks(seconds),
        },
        yaxis={"range": [0, 1.02], "fixedrange": True, "tickformat": ".0%", "tickvals": [0, 0.25, 0.5, 0.75, 1]},
    )
    return _figure(traces, layout)


def every_s(points: int, *, seconds: float) -> int:
    """Of how many seconds one point is drawn; 0 where there is room for all of them."""
    return 0 if points <= MAX_POINTS else next((step for step in TICKS_S if seconds / step <= MAX_POINTS), TICKS_S[-1])


def trend(days: Sequence[Day]) -> Figure:
    """Share of calls with a flag, by day, above the number of calls."""
    dates = [day.date.isoformat() for day in days]
    share = [day.flagged / day.calls if day.calls else None for day in days]
    counts = [f"{day.flagged} of {day.calls} calls" for day in days]
    traces = [
        go.Scatter(
            x=dates,
            y=share,
            customdata=counts,
            mode="lines+markers",
            fill="tozeroy",
            meta="frustration",
            line={"width": 2.5},
            marker={"size": 6},
            hovertemplate="%{y:.0%} flagged (%{customdata})<extra></extra>",
        ),
        go.Bar(x=dates, y=[day.calls for day in days], yaxis="y2", meta="agent", hovertemplate="%{y} calls<extra></extra>"),
    ]
    layout = go.Layout(
        margin={"l": 44, "r": 12, "t": 8, "b": 28},
        showlegend=False,
        hovermode="x unified",
        dragmode=False,
        bargap=0.45,
        xaxis={
            "type": "date",
            "fixedrange": True,
            "showgrid": False,
            "anchor": "y2",
            "tickformat": "%-d %b",
            "hoverformat": "%a %-d %b",
            "nticks": 8,
        },
        yaxis={"domain": [0.36, 1], "fixedrange": True, "tickformat": ".0%", "rangemode": "tozero", "nticks": 5},
        yaxis2={"domain": [0, 0.24], "fixedrange": True, "rangemode": "tozero", "nticks": 3},
    )
    return _figure(traces, layout)


def _highest(points: Sequence[Point], step_s: int) -> Sequence[Point]:
    """The point with the most frustration in every so many seconds, or all."""
    if not step_s:
        return points
    best: dict[int, Point] = {}
    for point in points:
        place = int(point.at // step_s)
        best[place] = max(best.get(place, point), point, key=lambda one: -1.0 if one.frustration is None else one.frustration)
    return list(best.values())


def _line(role: str, values: list[float | None], at: list[float], stamps: list[str], *, name: str, dash: str) -> go.Scatter:
    return go.Scatter(
        x=at,
        y=values,
        customdata=stamps,
        name=name,
        meta=role,
        mode="lines+markers",
        connectgaps=False,
        line={"width": 3 if role == "frustration" else 1.75, "dash": dash},
        marker={"size": 7 if role == "frustration" else 4},
        hovertemplate=f"{name} %{{y:.0%}} at %{{customdata}}<extra></extra>",
    )


def _shaded(start: float, end: float) -> dict[str, Any]:
    band = {"type": "rect", "x0": start, "x1": end, "y0": 0, "y1": 1, "yref": "paper"}
    return {**band, "name": "frustration-fill", "layer": "below", "line": {"width": 0}}


def _level(threshold: float) -> dict[str, Any]:
    line = {"type": "line", "x0": 0, "x1": 1, "xref": "paper", "y0": threshold, "y1": threshold}
    return {**line, "name": "line-strong", "layer": "below", "line": {"width": 1, "dash": "dot"}}


def _time_ticks(seconds: float) -> Figure:
    step = next((step for step in TICKS_S if seconds / step <= MAX_TICKS), TICKS_S[-1])
    values = list(range(0, int(seconds) + 1, step))
    return {"tickvals": values, "ticktext": [timecode(value) for value in values]}


def _figure(traces: Sequence[Any], layout: go.Layout) -> Figure:
    """Without Plotly's own theme: the page has one."""
    figure = go.Figure(data=list(traces), layout=layout)
    figure.layout.template = None
    plain: Figure = figure.to_dict()
    return plain
