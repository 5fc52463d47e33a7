"""The report's figures as SVG files."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest

from training.features import MEASURED
from training.figures import draw
from training.targets import CORPORA

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FIGURES = ["ravdess-uar", "reliability", "risk-coverage", "robustness"]


@pytest.fixture
def drawn(results: Mapping[str, Any], tmp_path: Path) -> dict[str, str]:
    """The text of every figure by name."""
    if not any(shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")):
        pytest.skip("there is no Chromium; install the package chromium")
    names = draw(results["sections"], tmp_path / "figures")
    assert {f"{name}.svg" for name in names} == {file.name for file in (tmp_path / "figures").iterdir()}
    return {name: (tmp_path / "figures" / f"{name}.svg").read_text() for name in names}


def test_every_figure_is_an_svg_of_its_own_numbers(drawn: Mapping[str, str], results: Mapping[str, Any]) -> None:
    assert list(drawn) == FIGURES
    for text in drawn.values():
        assert ElementTree.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
    for row in results["sections"]["ravdess"]["tables"]["eight classes"]:
        assert row in drawn["ravdess-uar"]
    for row in results["sections"]["robustness"]["tables"]["four classes of RAVDESS"]:
        assert (row in drawn["robustness"]) == (row != "clean"), "the clean copy is what the others are held against"
    for name, lines in (("reliability", CORPORA), ("risk-coverage", MEASURED)):
        for line in lines:
            assert line in drawn[name]


def test_sections_that_were_not_measured_are_not_drawn(tmp_path: Path) -> None:
    assert draw({"wording": {"tables": {}}}, tmp_path / "figures") == []
    assert list((tmp_path / "figures").iterdir()) == []
