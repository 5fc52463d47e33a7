"""The training commands where the data folder is not there: one sentence, and nothing is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from training import features, report, tone, wording

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType


@pytest.mark.parametrize(
    ("module", "options", "needed"),
    [
        (tone, [], ["emotion/manifest.csv"]),
        (features, [], ["emotion/manifest.csv"]),
        (wording, [], ["text/goemotions/train.tsv", "text/airline/train.csv"]),
        (wording, ["--limit", "9"], ["text/goemotions/train.tsv"]),
        (report, [], ["emotion/manifest.csv", "text/goemotions/dev.tsv"]),
        (report, ["--sections", "wording"], ["text/goemotions/dev.tsv"]),
    ],
)
def test_without_data_a_command_says_in_one_line_what_the_folder_must_hold(
    module: ModuleType,
    options: list[str],
    needed: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CALLANALYTICS_DATA", str(tmp_path))
    monkeypatch.setattr("sys.argv", [module.__name__, *options])
    with pytest.raises(SystemExit) as ended:
        module.main()
    message = str(ended.value.code)
    assert message.startswith(f"{tmp_path} does not hold ")
    assert "CALLANALYTICS_DATA" in message
    assert all(file in message for file in needed)
    assert "\n" not in message
    assert not list(tmp_path.iterdir())


def test_a_section_asks_for_no_more_than_it_reads() -> None:
    assert report.needed(["tone base"]) == ["emotion/manifest.csv"]
    assert not [file for file in report.needed(["wording"]) if file.startswith("emotion")]
    assert len(report.needed(["paired"])) == len(report.needed(["wording"])) + 1


def test_only_what_is_missing_is_named_as_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "emotion").mkdir()
    (tmp_path / "emotion" / "manifest.csv").touch()
    monkeypatch.setenv("CALLANALYTICS_DATA", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["report", "--sections", "paired"])
    with pytest.raises(SystemExit) as ended:
        report.main()
    assert "emotion/manifest.csv" not in str(ended.value.code).partition(": set ")[0]
