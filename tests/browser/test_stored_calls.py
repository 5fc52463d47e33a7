"""A call of four hours, names without end and files too large, in a real browser."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.desk import LONG_NAME

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

    from tests.browser.conftest import Watched

pytestmark = pytest.mark.browser

UTTERANCES = 2800
EVERY_S = 4 * 3600 / UTTERANCES
ALL_THERE = f"document.querySelectorAll('[data-utterance]').length === {UTTERANCES}"
IN_ITS_BOX = """(() => { const element = document.querySelector('[aria-current=true]'), box = element.getBoundingClientRect();
  const outer = element.closest('.transcript').getBoundingClientRect();
  return box.top >= outer.top - 1 && box.bottom <= outer.bottom + 1; })()"""
IN_SIGHT = """(() => { const box = document.querySelector('[aria-current=true]').getBoundingClientRect();
  const player = document.querySelector('[data-player]').getBoundingClientRect();
  return box.top >= player.bottom - 1 && box.bottom <= innerHeight + 1; })()"""
CUT_OFF = """() => [...document.querySelectorAll('.calls td, .calls td *, .filters *, main h2, main p')].filter((element) => {
  const box = element.getBoundingClientRect(), card = element.closest('.card, main').getBoundingClientRect();
  const hides = element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).overflowX !== 'visible';
  return box.width && (box.right > card.right + 1 || hides);
}).map((element) => element.outerHTML.slice(0, 120))"""
WIDTHS = (360, 768, 1280, 1920)


def until(page: Page, condition: str, *, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, f"{condition} did not come true"
        page.wait_for_timeout(50)


def long_opened(page: Page, query: str = "", *, whole: bool = True) -> None:
    page.goto("/calls/?text=C-long")
    address = page.locator("a.name").get_attribute("href")
    page.goto(f"{address}{query}")
    until(page, "document.querySelector('audio').readyState >= 1")
    if whole:
        until(page, ALL_THERE)


def sought(page: Page, share: float) -> None:
    """Click on the waveform, so far along."""
    box = page.locator("canvas").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * share, box["y"] + box["height"] / 2)


def test_a_long_call_is_usable_at_once_and_whole_soon_after(at_desk: Watched) -> None:
    page = at_desk.page
    long_opened(page, whole=False)
    assert page.locator("[data-utterance]").count() < UTTERANCES
    page.get_by_role("button", name="Play", exact=True).click()
    until(page, "document.querySelector('audio').currentTime > 0.2")
    until(page, ALL_THERE)
    numbers = page.evaluate("[...document.querySelectorAll('[data-utterance]')].map((element) => Number(element.id.slice(1)))")
    assert numbers == list(range(UTTERANCES))
    assert at_desk.complaints == []


def test_the_browsers_own_search_finds_the_last_words(at_desk: Watched) -> None:
    page = at_desk.page
    long_opened(page)
    page.evaluate("[...document.querySelectorAll('.said')].at(-1).textContent = 'Zanzibar at last'")
    assert page.evaluate("window.find('Zanzibar')")
    assert page.evaluate("getSelection().anchorNode.parentElement.closest('[data-utterance]').id") == f"u{UTTERANCES - 1}"


@pytest.mark.parametrize("width", [360, 1280])
def test_the_transcript_is_brought_to_a_moment_that_was_not_there_yet(at_desk: Watched, width: int) -> None:
    page = at_desk.page
    page.set_viewport_size({"width": width, "height": 800})
    long_opened(page, whole=False)
    sought(page, 0.75)
    current = page.locator("[data-utterance][aria-current=true]")
    expect(current).to_have_count(1)
    at = float(page.evaluate("document.querySelector('audio').currentTime"))
    assert float(current.get_attribute("data-start") or "-1") == pytest.approx(at, abs=EVERY_S)
    page.get_by_role("button", name="Read along").click()
    until(page, f"{IN_ITS_BOX} && {IN_SIGHT}", seconds=10)
    expect(current.locator(".said")).to_be_focused()
    assert at_desk.complaints == []


@pytest.mark.parametrize("width", [360, 1280])
def test_the_line_stays_in_sight_while_the_other_parts_come(at_desk: Watched, width: int) -> None:
    page = at_desk.page
    page.set_viewport_size({"width": width, "height": 800})
    long_opened(page, "?t=7000", whole=False)
    expect(page.locator("#u1361")).to_have_attribute("aria-current", "true")
    page.get_by_role("button", name="Read along").click()
    until(page, ALL_THERE)
    page.wait_for_timeout(500)
    assert page.evaluate(f"{IN_ITS_BOX} && {IN_SIGHT}")


@pytest.mark.parametrize("width", [360, 1280])
def test_the_transcript_follows_the_audio_of_a_long_call(at_desk: Watched, width: int) -> None:
    page = at_desk.page
    page.set_viewport_size({"width": width, "height": 800})
    long_opened(page)
    sought(page, 0.4)
    page.get_by_role("button", name="Read along").click()
    page.get_by_label("Speed").select_option("2")
    page.get_by_role("button", name="Play", exact=True).click()
    first = page.locator("[aria-current=true]").get_attribute("id")
    until(page, f"document.querySelector('[aria-current=true]').id !== '{first}'", seconds=20)
    until(page, f"{IN_ITS_BOX} && {IN_SIGHT}", seconds=10)
    assert at_desk.complaints == []


def test_who_reads_elsewhere_on_a_phone_is_left_there(at_desk: Watched) -> None:
    page = at_desk.page
    page.set_viewport_size({"width": 360, "height": 800})
    long_opened(page)
    page.get_by_label("Speed").select_option("2")
    page.get_by_role("button", name="Play", exact=True).click()
    before = page.evaluate("scrollY")
    until(page, "document.querySelector('audio').currentTime > 7", seconds=30)
    assert page.evaluate("scrollY") == before


def test_a_link_to_a_late_moment_opens_there(at_desk: Watched) -> None:
    page = at_desk.page
    long_opened(page, "?t=13000.5", whole=False)
    until(page, "Math.abs(document.querySelector('audio').currentTime - 13000.5) < 0.1", seconds=20)
    current = page.locator("[data-utterance][aria-current=true]")
    expect(current).to_have_attribute("id", f"u{int(13000.5 // EVERY_S)}")
    until(page, IN_ITS_BOX, seconds=10)
    until(page, ALL_THERE)
    until(page, IN_ITS_BOX, seconds=10)
    assert at_desk.complaints == []


def test_the_keyboard_gets_past_a_long_transcript(at_desk: Watched) -> None:
    page = at_desk.page
    long_opened(page)
    page.get_by_label("Follow the audio").focus()
    page.keyboard.press("Shift+Tab")
    expect(page.get_by_role("link", name="Skip the transcript")).to_be_focused()
    assert page.get_by_role("link", name="Skip the transcript").is_visible()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("Boolean(document.activeElement.closest('[data-flag]'))")


def test_without_scripts_each_part_is_a_page(at_desk: Watched) -> None:
    page = at_desk.page
    long_opened(page)
    address = page.url
    bare = page.context.browser.new_context(  # type: ignore[union-attr]
        java_script_enabled=False, storage_state=page.context.storage_state()
    ).new_page()
    bare.goto(address)
    bare.get_by_role("link", name="What was said from 3:25:42").click()
    expect(bare.locator("#u2400")).to_be_visible()
    assert bare.locator("[data-utterance]").count() == 200
    bare.context.close()


@pytest.mark.parametrize("address", ["/calls/", "/coaching/", "call"])
def test_names_without_end_fit_the_page(at_desk: Watched, address: str) -> None:
    page = at_desk.page
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.goto("/calls/" if address == "call" else address)
        if address == "call":
            page.locator("a.name", has_text=LONG_NAME).first.click()
        expect(page.locator("main")).to_contain_text(LONG_NAME)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, f"wider than {width} px"
        assert page.evaluate(CUT_OFF) == [], f"cut off at {width} px"


def test_on_a_phone_coaching_comes_after_what_it_is_about(at_desk: Watched) -> None:
    page = at_desk.page
    page.set_viewport_size({"width": 360, "height": 740})
    a_flagged_call(page)
    tops = [top_of(page, selector) for selector in ("[data-flag]", ".frustration-chart", ".transcript", "#coaching")]
    assert tops == sorted(tops)
    page.set_viewport_size({"width": 1280, "height": 900})
    assert top_of(page, "[data-flag]") < top_of(page, "#coaching")
    left = "(selector) => document.querySelector(selector).getBoundingClientRect().left"
    assert page.evaluate(left, "#coaching") == page.evaluate(left, "[data-flag] > *") > page.evaluate(left, ".transcript")


@pytest.mark.parametrize("width", WIDTHS)
def test_verdicts_keep_to_one_line(at_desk: Watched, width: int) -> None:
    page = at_desk.page
    page.set_viewport_size({"width": width, "height": 900})
    a_flagged_call(page)
    heights = page.evaluate("[...document.querySelectorAll('.verdict fieldset button')].map((button) => button.offsetHeight)")
    assert heights
    assert set(heights) == {32}


def test_keys_are_shown_to_who_has_them(at_desk: Watched) -> None:
    a_flagged_call(at_desk.page)
    shown = "getComputedStyle(document.querySelector('.verdict kbd')).display !== 'none'"
    assert at_desk.page.evaluate(shown)
    context = at_desk.page.context
    assert context.browser is not None
    phone = context.browser.new_context(
        viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True, storage_state=context.storage_state()
    ).new_page()
    phone.goto(at_desk.page.url)
    assert not phone.evaluate(shown)
    phone.context.close()


def a_flagged_call(page: Page) -> None:
    page.goto("/calls/?flagged=yes")
    page.locator("a.name").first.click()
    page.wait_for_selector("[data-flag]")


def top_of(page: Page, selector: str) -> float:
    box = page.locator(selector).first.bounding_box()
    assert box is not None
    return box["y"]


@pytest.mark.parametrize("width", WIDTHS)
def test_the_filters_stand_in_rows(at_desk: Watched, width: int) -> None:
    page = at_desk.page
    page.set_viewport_size({"width": width, "height": 900})
    page.goto("/calls/")
    page.evaluate("document.querySelector('.filter-fold').open = true")
    boxes = page.evaluate(
        """() => [...document.querySelectorAll('.filters :is(input, select, button)')].map((element) => {
        const box = element.getBoundingClientRect(); return [Math.round(box.top), Math.round(box.bottom)]; })"""
    )
    tops = {top for top, _ in boxes}
    assert {bottom - top for top, bottom in boxes} == {40}
    assert len(tops) == (1 if width == 1920 else len({bottom for _, bottom in boxes}))


def test_too_large_a_file_is_told_before_it_is_sent(at_desk: Watched, tmp_path: Path) -> None:
    page = at_desk.page
    (tmp_path / "large.wav").write_bytes(bytes(2 * 2**20))
    page.goto("/calls/upload/")
    page.get_by_label("Team").select_option("Team 1")
    page.get_by_label("Choose recordings").set_input_files(tmp_path / "large.wav")
    expect(page.locator(".drop [role=alert]")).to_have_text("That is 2.0 MB; at most 1.0 MB are taken at a time. Compress it (FLAC, Opus).")
    page.get_by_role("button", name="Upload and analyse").click()
    assert page.url.endswith("/calls/upload/")
    expect(page.get_by_role("heading", name="Upload calls")).to_be_visible()
    (tmp_path / "small.wav").write_bytes(bytes(1000))
    page.get_by_label("Choose recordings").set_input_files(tmp_path / "small.wav")
    expect(page.locator(".drop [role=alert]")).to_be_hidden()
    assert page.locator("input[type=file]").evaluate("(input) => input.checkValidity()")


def test_what_is_wrong_with_a_field_stands_out(at_desk: Watched) -> None:
    page = at_desk.page
    page.goto("/calls/upload/")
    page.evaluate("document.querySelector('form[enctype]').noValidate = true")
    page.get_by_role("button", name="Upload and analyse").click()
    expect(page.get_by_text("Choose at least one recording.")).to_be_visible()
    styles = page.evaluate(
        """() => { document.body.insertAdjacentHTML('beforeend', '<p class="notice bad"></p>');
        const [told, bad] = ['.errorlist', 'body > .notice'].map((one) => getComputedStyle(document.querySelector(one)));
        return [told.listStyleType, told.color === bad.color]; }"""
    )
    assert styles == ["none", True]


def test_too_large_a_file_gets_a_page_where_there_are_no_scripts(at_desk: Watched, tmp_path: Path) -> None:
    (tmp_path / "large.wav").write_bytes(bytes(2 * 2**20))
    browser = at_desk.page.context.browser
    assert browser is not None
    at_desk.page.goto("/calls/upload/")
    bare = browser.new_context(java_script_enabled=False, storage_state=at_desk.page.context.storage_state()).new_page()
    bare.goto(at_desk.page.url)
    bare.get_by_label("Team").select_option("Team 1")
    bare.get_by_label("Choose recordings").set_input_files(tmp_path / "large.wav")
    bare.get_by_role("button", name="Upload and analyse").click()
    expect(bare.get_by_role("heading", name="This upload is too large")).to_be_visible()
    expect(bare.get_by_role("link", name="Choose other files")).to_be_visible()
    bare.context.close()
