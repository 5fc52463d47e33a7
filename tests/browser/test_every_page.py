"""Every page in a real browser: no complaint under the policy, no sideways scrolling, enough contrast, reachable by keyboard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.conftest import Watched

pytestmark = pytest.mark.browser

CONTRAST = (Path(__file__).parent / "contrast.js").read_text()
PAGES = (
    "/",
    "/calls/",
    "/calls/upload/",
    "/board/",
    "/board/plans/",
    "/integrations/",
    "/integrations/keys/",
    "/integrations/keys/new/",
    "/integrations/leaves/",
    "/integrations/endpoints/new/",
    "/integrations/endpoints/new/email/",
    "/coaching/",
    "/review/random/",
    "/help/",
    "/about/",
    "call",
)


def opened(page: Page, address: str) -> None:
    """Open an address, or the page of a flagged call, and let its charts be drawn."""
    if address == "call":
        page.goto("/calls/?flagged=yes")
        page.locator("a.name").first.click()
        page.wait_for_selector("[data-player]")
    else:
        page.goto(address)
    page.wait_for_load_state("networkidle")


@pytest.mark.parametrize("address", PAGES)
def test_no_complaint_and_no_sideways_scrolling(watched: Watched, address: str) -> None:
    for width in (360, 1280, 1920):
        watched.page.set_viewport_size({"width": width, "height": 800})
        opened(watched.page, address)
        assert watched.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, f"wider than {width} px"
    assert watched.complaints == []


def test_the_reference_of_the_api_is_drawn_under_the_same_policy(watched: Watched) -> None:
    opened(watched.page, "/api/v1/docs/")
    assert watched.page.locator(".opblock-summary").count() > 20
    assert watched.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_enough_contrast(watched: Watched, scheme: str) -> None:
    watched.page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
    for address in PAGES:
        opened(watched.page, address)
        assert watched.page.evaluate(CONTRAST) == [], address


def test_charts_are_drawn_with_the_themes_colours(watched: Watched) -> None:
    opened(watched.page, "call")
    lines = "[...document.querySelectorAll('.scatterlayer .js-line')].map((line) => line.style.stroke)"
    light = watched.page.evaluate(lines)
    assert len(set(light)) == 3
    watched.page.get_by_role("button", name="Light or dark").first.click()
    watched.page.wait_for_timeout(300)
    assert not set(light) & set(watched.page.evaluate(lines))
    watched.page.reload()
    assert watched.page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_everything_is_reached_by_keyboard_and_shows_its_focus(watched: Watched) -> None:
    page = watched.page
    opened(page, "call")
    reached: set[str] = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        state = page.evaluate(
            """() => { const e = document.activeElement, s = getComputedStyle(e);
            const name = e.getAttribute('aria-label') || e.innerText || e.name || '';
            return [e.tagName + ' ' + name.trim().slice(0, 30), s.outlineStyle]; }"""
        )
        assert state[1] != "none" or state[0].startswith("BODY"), state[0]
        reached.add(state[0])
    for wanted in ("A Skip to content", "CANVAS Position in the call", "BUTTON Play", "BUTTON Swap agent/customer"):
        assert wanted in reached


def test_delete_asks_first_and_can_be_left_by_escape(watched: Watched) -> None:
    page = watched.page
    opened(page, "call")
    page.get_by_role("button", name="Delete call").click()
    assert page.locator("dialog#delete").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("dialog#delete").is_visible()


def test_the_menu_opens_on_a_phone(watched: Watched) -> None:
    page = watched.page
    page.set_viewport_size({"width": 360, "height": 740})
    opened(page, "/")
    page.locator("summary", has_text="Menu").click()
    page.get_by_role("link", name="Help").first.click()
    page.wait_for_url("**/help/")


def test_nothing_is_asked_of_another_host(watched: Watched) -> None:
    hosts: set[str] = set()
    watched.page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    for address in PAGES:
        opened(watched.page, address)
    assert len(hosts) == 1
