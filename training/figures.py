"""The report's figures, drawn by Plotly as SVG files that a browser and a repository's pages show without any script."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go
import plotly.io as pio

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

BROWSER = "BROWSER_PATH"
"""Where Kaleido looks for the browser that draws."""
SIZE = {"width": 720, "height": 440}


def draw(sections: Mapping[str, Any], folder: Path) -> list[str]:
    """Draw what the measured sections hold; gives the names of the files without their ending."""
    figures: dict[str, go.Figure] = {}
    if "ravdess" in sections:
        figures["ravdess-uar"] = _bars(
            sections["ravdess"]["tables"]["eight classes"], "uar", "RAVDESS, eight classes, unweighted average recall"
        )
    if "calibration" in sections:
        figures |= {"reliability": _reliability(sections), "risk-coverage": _risk(sections)}
    if "robustness" in sections:
        figures["robustness"] = _bars(
            sections["robustness"]["tables"]["four classes of RAVDESS"], "unchanged", "Decisions that a changed recording leaves alone"
        )
    chromium = shutil.which("chromium")
    if chromium is not None:
        os.environ.setdefault(BROWSER, chromium)
    folder.mkdir(parents=True, exist_ok=True)
    for figure in figures.values():
        figure.update_layout(
            template="plotly_white", font={"family": "sans-serif", "size": 13}, margin={"t": 60, "l": 60, "r": 20, "b": 60}, **SIZE
        )
    if figures:
        pio.write_images(list(figures.values()), [folder / f"{name}.svg" for name in figures])
    return list(figures)


def _bars(table: Mapping[str, Mapping[str, float]], key: str, title: str) -> go.Figure:
    rows = {name: cells for name, cells in table.items() if key in cells}
    spread = [cells.get(f"{key} ±", 0.0) for cells in rows.values()]
    bars = go.Bar(
        x=[cells[key] for cells in rows.values()], y=list(rows), orientation="h", error_x={"array": spread}, marker_color="#35618f"
    )
    figure = go.Figure(bars)
    figure.update_layout(title=title)
    figure.update_yaxes(autorange="reversed", automargin=True)
    figure.update_xaxes(range=[0, 1])
    return figure


def _tables(sections: Mapping[str, Any], start: str) -> dict[str, Mapping[str, Mapping[str, float]]]:
    return {title.removeprefix(start): table for title, table in sections["calibration"]["tables"].items() if title.startswith(start)}


def _reliability(sections: Mapping[str, Any]) -> go.Figure:
    figure = go.Figure(go.Scatter(x=[0, 1], y=[0, 1], mode="lines", line={"dash": "dot", "color": "#888"}, name="as stated"))
    for corpus, table in _tables(sections, "reliability of anger, telephone, ").items():
        rows = list(table.values())
        figure.add_scatter(x=[row["stated"] for row in rows], y=[row["observed"] for row in rows], mode="lines+markers", name=corpus)
    figure.update_layout(
        title="P(anger) of held-out speakers over the telephone: stated and observed", xaxis_title="stated", yaxis_title="observed"
    )
    return figure


def _risk(sections: Mapping[str, Any]) -> go.Figure:
    figure = go.Figure()
    for copy, table in _tables(sections, "risk and coverage, ").items():
        figure.add_scatter(x=[float(row) for row in table], y=[row["risk"] for row in table.values()], mode="lines+markers", name=copy)
    figure.update_layout(
        title="Wrong classes among the utterances that are answered", xaxis_title="share answered", yaxis_title="share wrong"
    )
    return figure
