"""Numbers to figures."""

from __future__ import annotations

import datetime as dt
import json

from dashboard import charts
from dashboard.charts import Day, Point


def figure(threshold: float | None = 0.5) -> charts.Figure:
    points = [Point(4.0, 0.2, 0.1, 0.3), Point(31.0, None, None, 0.4), Point(52.0, 0.9, 0.8, 0.7)]
    return charts.frustration_over_time(points, seconds=61.2, flagged=[(28.0, 52.5)], threshold=threshold)


def test_tone_and_wording_stand_beside_frustration() -> None:
    traces = {trace["meta"]: trace for trace in figure()["data"]}
    assert list(traces) == ["wording", "tone", "frustration"]
    assert list(traces["frustration"]["y"]) == [0.2, None, 0.9]
    assert list(traces["wording"]["y"]) == [0.3, 0.4, 0.7]


def test_a_withheld_score_leaves_a_gap() -> None:
    assert all(trace["connectgaps"] is False for trace in figure()["data"])


def test_flagged_stretches_are_shaded_and_the_level_is_drawn() -> None:
    shapes = figure()["layout"]["shapes"]
    assert [(shape["x0"], shape["x1"]) for shape in shapes if shape["type"] == "rect"] == [(28.0, 52.5)]
    assert [shape["y0"] for shape in shapes if shape["type"] == "line"] == [0.5]
    assert all(shape["type"] == "rect" for shape in figure(threshold=None)["layout"]["shapes"])


def test_the_time_axis_spans_the_call_in_minutes_and_seconds() -> None:
    axis = figure()["layout"]["xaxis"]
    assert list(axis["range"]) == [0, 61.2]
    assert "1:00" in axis["ticktext"]


def test_four_hours_get_few_ticks() -> None:
    axis = charts.frustration_over_time([], seconds=4 * 3600, flagged=[], threshold=None)["layout"]["xaxis"]
    assert len(axis["tickvals"]) <= charts.MAX_TICKS + 1
    assert axis["ticktext"][-1] == "4:00:00"


def test_of_too_many_points_each_stretch_keeps_its_highest() -> None:
    points = [Point(float(at), None if at % 3 else at % 50 / 100, 0.1, 0.2) for at in range(0, 3600, 5)]
    drawn = charts.frustration_over_time(points, seconds=3600.0, flagged=[], threshold=None)["data"][2]
    assert len(drawn["y"]) == 3600 / charts.every_s(len(points), seconds=3600.0) <= charts.MAX_POINTS
    assert max(drawn["y"]) == max(point.frustration or 0.0 for point in points)
    assert None not in drawn["y"]


def test_withheld_scores_stay_a_gap_among_too_many_points() -> None:
    points = [Point(float(at), None, None, None) for at in range(0, 3600, 5)]
    assert set(charts.frustration_over_time(points, seconds=3600.0, flagged=[], threshold=None)["data"][2]["y"]) == {None}


def test_trend_gives_shares_and_leaves_days_without_calls_empty() -> None:
    days = [Day(dt.date(2026, 1, 1), calls=10, flagged=2), Day(dt.date(2026, 1, 2), calls=0, flagged=0)]
    share, counts = charts.trend(days)["data"]
    assert list(share["y"]) == [0.2, None]
    assert list(counts["y"]) == [10, 0]


def test_figures_are_plain_json_with_basic_traces_only() -> None:
    for made in (figure(), charts.trend([Day(dt.date(2026, 1, 1), 1, 1)])):
        assert json.loads(json.dumps(made, allow_nan=False))
        assert {trace["type"] for trace in made["data"]} <= {"scatter", "bar"}
        assert "template" not in made["layout"]
