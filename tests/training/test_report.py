"""The written report: what was to be reached, every table, and what is kept when only a part is measured anew."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from training import report
from training.targets import TARGETS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pytest

    from training.report import Run, Tables


def small(**tables: Tables) -> dict[str, Any]:
    sections = {name: {"seconds": 12, "tables": own} for name, own in tables.items()}
    return {"machine": "two threads", "sections": sections, "figures": ["robustness"]}


def test_the_first_table_says_what_was_reached_missed_and_not_measured() -> None:
    lines = report.render(small(robustness={"all checks": {"sum": {"checks": 26.0, "failed": 2.0}}})).splitlines()
    assert "| Robustness checks failed | 2.000 | ≤ 2 | reached |" in lines
    assert sum(line.endswith("| not measured |") for line in lines) == len(TARGETS) - 1
    missed = report.render(small(robustness={"all checks": {"sum": {"failed": 3.0}}}))
    assert "| Robustness checks failed | 3.000 | ≤ 2 | **missed** |" in missed


def test_every_section_table_row_and_number_is_written(results: Mapping[str, Any]) -> None:
    text = report.render(results)
    lines = text.splitlines()
    assert "not measured" not in text
    assert results["machine"] in text
    for section, stored in results["sections"].items():
        written = text.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
        for title, table in stored["tables"].items():
            own = written.partition(f"**{title}**")[2].partition("\n**")[0]
            for row, cells in table.items():
                line = next(line for line in own.splitlines() if line.startswith(f"| {row} |"))
                for name, value in cells.items():
                    assert name in own
                    assert f"{value:.3f}" in line
    assert "![ravdess-uar](figures/ravdess-uar.svg)" in lines
    assert [line[3:] for line in lines if line.startswith("## ")] == list(report.SECTIONS)


def test_every_section_measures_something(results: Mapping[str, Any]) -> None:
    assert list(results["sections"]) == list(report.SECTIONS)
    for stored in results["sections"].values():
        assert stored["tables"]
        assert all(table for table in stored["tables"].values())
    json.dumps(results)


def test_several_seeds_have_a_spread(results: Mapping[str, Any]) -> None:
    for section, title in (("tone base", "speaker_disjoint"), ("ravdess", "eight classes"), ("ravdess", "baselines, eight classes")):
        table = results["sections"][section]["tables"][title]
        assert any(name.endswith("±") for row in table.values() for name in row)


def test_all_checks_are_the_sum_of_the_checks(results: Mapping[str, Any]) -> None:
    tables = results["sections"]["robustness"]["tables"]
    rows = tables["four classes of RAVDESS"].values()
    assert tables["all checks"]["sum"] == {key: sum(row.get(key, 0.0) for row in rows) for key in ("checks", "failed")}
    assert tables["all checks"]["sum"]["checks"] > 20


def test_composite_calls_are_counted_over_all_folds(results: Mapping[str, Any]) -> None:
    table = results["sections"]["composites"]["tables"]["composite calls (simulation)"]
    assert set(table) == {"tone alone", "as shipped"}
    assert table["tone alone"]["angry_stretches"] == table["tone alone"]["calm_calls"] == 2.0


def counted(name: str, calls: list[str]) -> Any:
    def measure(_: Run) -> Tables:
        calls.append(name)
        return {"table": {"row": {"cell": len(calls) + 0.123456}}}

    return measure


def test_sections_that_were_not_asked_for_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    monkeypatch.setattr(report, "RESULTS", tmp_path / "report.json")
    monkeypatch.setattr(report, "SECTIONS", {name: counted(name, calls) for name in ("first", "second", "third")})
    started = report.measured(["second"], 1)
    assert started["sections"]["second"]["tables"] == {"table": {"row": {"cell": 1.1235}}}
    (tmp_path / "report.json").write_text(json.dumps(started))
    more = report.measured(["first"], 1)
    assert calls == ["second", "first"]
    assert list(more["sections"]) == ["first", "second"], "in the order of the report"
    assert more["sections"]["second"] == started["sections"]["second"]
    (tmp_path / "report.json").write_text(json.dumps(more))
    again = report.measured(["second"], 1)
    assert again["sections"]["first"] == more["sections"]["first"]
    assert again["sections"]["second"]["tables"] == {"table": {"row": {"cell": 3.1235}}}


def test_sections_that_are_no_more_are_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "RESULTS", tmp_path / "report.json")
    (tmp_path / "report.json").write_text(json.dumps({"sections": {"renamed": {"seconds": 1, "tables": {}}}}))
    assert report.measured([], 1)["sections"] == {}


def test_the_command_writes_results_report_and_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "emotion").mkdir()
    (tmp_path / "emotion" / "manifest.csv").touch()
    monkeypatch.setenv("CALLANALYTICS_DATA", str(tmp_path))
    monkeypatch.setattr(report, "RESULTS", tmp_path / "report.json")
    monkeypatch.setattr(report, "CARDS", tmp_path)
    monkeypatch.setattr(report, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(report, "SECTIONS", {name: counted(name, []) for name in ("first", "second")})
    monkeypatch.setattr(report, "draw", lambda sections, folder: [f"{name} in {folder.name}" for name in sections])
    monkeypatch.setattr("sys.argv", ["report", "--sections", "second"])
    report.main()
    assert json.loads((tmp_path / "report.json").read_text())["figures"] == ["second in figures"]
    text = (tmp_path / "report.md").read_text()
    assert "## second" in text
    assert "## first" not in text
    assert "![second in figures]" in text
