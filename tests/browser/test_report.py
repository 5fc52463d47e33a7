"""The one-file report of the command line in a real browser: it fits every screen, and can be read in both themes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from analysis import document, report
from tests.analysis import made

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

    from analysis.values import CallAnalysis

pytestmark = pytest.mark.browser

CONTRAST = (Path(__file__).parent / "contrast.js").read_text()
LONG = "x" * 200


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    opened = chromium.new_page()
    yield opened
    opened.close()


@pytest.fixture
def files(tmp_path: Path, sample: Callable[[str], CallAnalysis]) -> list[Path]:
    """The report of a call with two flags, and one with words, a name and an engine's name that nothing can break."""
    moments = (made.customer_moment(1, 1.0, 2.0, LONG, 0.7),)
    strange = document.to_document(made.analysis(file=f"/{LONG}/{LONG}.wav", moments=moments))
    strange["provenance"]["engines"]["asr"] = LONG
    made_files = []
    for name, described in (("flagged", document.to_document(sample("escalates"))), ("strange", strange)):
        made_files.append(tmp_path / f"{name}.html")
        made_files[-1].write_text(report.render(described))
    return made_files


@pytest.mark.parametrize("width", [320, 360, 768, 1280, 1920])
def test_it_fits_the_screen_without_sideways_scrolling(page: Page, files: list[Path], width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    for file in files:
        page.goto(file.as_uri())
        page.locator("summary").click()
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert (
            page.evaluate("[...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > innerWidth).length") == 0
        )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_its_text_has_enough_contrast(page: Page, files: list[Path], scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    for file in files:
        page.goto(file.as_uri())
        page.locator("summary").click()
        assert page.evaluate(CONTRAST) == []
