"""The board in a real browser: claimed and resolved without a reload, and what one types outlives its refreshing by itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

if TYPE_CHECKING:
    from tests.browser.conftest import Watched

pytestmark = pytest.mark.browser

CONTRAST = (Path(__file__).parent / "contrast.js").read_text()
PAGES = ("/board/", "/board/?held=yes", "/board/plans/", "edit")


def opened(at_desk: Watched, address: str) -> None:
    if address == "edit":
        at_desk.page.goto("/board/plans/")
        at_desk.page.get_by_role("link", name="Make a plan of its own").first.click()
    else:
        at_desk.page.goto(address)
    at_desk.page.wait_for_load_state("networkidle")


@pytest.mark.parametrize("address", PAGES)
def test_it_fits_every_screen_and_can_be_read(at_desk: Watched, address: str) -> None:
    for width in (360, 1280, 1920):
        at_desk.page.set_viewport_size({"width": width, "height": 800})
        opened(at_desk, address)
        assert at_desk.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, f"wider than {width} px"
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme in schemes:
        at_desk.page.emulate_media(color_scheme=scheme)
        opened(at_desk, address)
        assert at_desk.page.evaluate(CONTRAST) == [], scheme
    assert at_desk.complaints == []


def test_a_flag_is_claimed_and_resolved_while_the_board_follows_by_itself(at_desk: Watched) -> None:
    page = at_desk.page
    page.goto("/board/")
    claim = page.get_by_role("button", name="Claim")
    before = claim.count()
    assert before >= 1
    claim.first.click()
    note = page.get_by_label("Note")
    note.wait_for()
    assert claim.count() == before - 1
    note.fill("Rang back; the invoice")
    with page.expect_response(lambda response: response.url.endswith("/board/?") and response.status == 200, timeout=15_000):
        pass
    page.wait_for_timeout(300)
    assert note.input_value() == "Rang back; the invoice"
    page.get_by_label("What came of it").select_option(label="Called the customer back")
    page.get_by_role("button", name="Resolve").click()
    resolved = page.get_by_role("region", name="Resolved")
    resolved.get_by_text("Rang back; the invoice").wait_for()
    assert page.get_by_text("Nobody has one in hand.").is_visible()
    assert at_desk.complaints == []
