"""A person's way through the demo in a real browser: upload, wait, see the flag, hear it, judge it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.conftest import Watched

pytestmark = pytest.mark.browser

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "escalates.flac"
ANALYSED_MS = 600_000
LOADED = "(document.querySelector('audio')?.readyState ?? 0) >= 1"
SLOW_BYTES_A_SECOND = 12_000
"""A stereo copy plays at 8,000: the audio runs, and its end is not there for long."""


@pytest.fixture
def stereo(tmp_path: Path) -> Path:
    """The escalating sample as mu-law in WAV: other bytes, so another call."""
    samples, rate = soundfile.read(SAMPLE)
    soundfile.write(tmp_path / "stereo.wav", samples, rate, subtype="ULAW")
    return tmp_path / "stereo.wav"


@pytest.fixture
def gsm(tmp_path: Path) -> Path:
    """Both parties on one GSM channel: no browser plays it, and nothing says who is who."""
    samples, rate = soundfile.read(SAMPLE)
    soundfile.write(tmp_path / "mono-gsm.wav", np.mean(samples, axis=1), rate, subtype="GSM610")
    return tmp_path / "mono-gsm.wav"


def sample_opened(page: Page, name: str) -> None:
    """Open the page of a sample call, with its audio ready to play."""
    page.goto(f"/calls/?text=sample-{name}")
    page.locator("a.name").first.click()
    page.wait_for_selector("[data-player]")
    until(page, LOADED)


def uploaded(page: Page, file: Path, channels: str) -> None:
    """Upload one file, which leads to the page of its call."""
    page.goto("/calls/upload/")
    page.get_by_label("Choose recordings").set_input_files(file)
    expect(page.locator(".drop li")).to_contain_text(file.name)
    page.get_by_label("Who is on which channel").select_option(channels)
    page.get_by_role("button", name="Upload and analyse").click()
    page.wait_for_url("**/calls/*-*/")


def slowed(page: Page) -> None:
    """From now on the line is slow; the scripts are in the cache, the audio is not."""
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 5, "downloadThroughput": SLOW_BYTES_A_SECOND, "uploadThroughput": -1},
    )


def until(page: Page, condition: str, *, seconds: float = 60.0) -> None:
    """Wait until a condition holds; the page's policy forbids Playwright's own way, which evaluates a string within the page."""
    deadline = time.monotonic() + seconds
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, f"{condition} did not come true"
        page.wait_for_timeout(50)


def buffered_s(page: Page) -> float:
    return float(
        page.evaluate("(() => { const b = document.querySelector('audio').buffered; return b.length ? b.end(b.length - 1) : 0; })()")
    )


def current_s(page: Page) -> float:
    return float(page.evaluate("document.querySelector('audio').currentTime"))


@pytest.mark.parametrize(("made", "channels"), [("stereo", "agent,customer"), ("gsm", "")])
def test_a_recording_goes_in_and_its_flag_is_heard(watched: Watched, request: pytest.FixtureRequest, made: str, channels: str) -> None:
    page = watched.page
    file: Path = request.getfixturevalue(made)
    sample_opened(page, "calm")
    uploaded(page, file, channels)
    slowed(page)
    page.wait_for_selector("[data-player]", timeout=ANALYSED_MS)
    until(page, LOADED, seconds=120)
    before = buffered_s(page)
    card = page.locator("[data-flag]", has_text="High frustration").first
    expect(card).to_be_visible()
    expect(page.locator(".utterance.flagged").first).to_be_visible()
    start = float(card.get_attribute("data-start") or "0")
    assert before < start, "the audio is there already, so seeking past the buffered part is not tried"
    card.get_by_role("button", name="Play").click()
    until(page, f"document.querySelector('audio').currentTime > {start + 0.5}")
    assert current_s(page) > before
    assert watched.complaints == []


def test_a_verdict_by_keyboard_stays_on_the_page_and_is_kept(watched: Watched) -> None:
    page = watched.page
    sample_opened(page, "escalates")
    page.keyboard.press("j")
    card = page.locator("[data-flag].selected")
    expect(card).to_have_count(1)
    assert current_s(page) == pytest.approx(float(card.get_attribute("data-start") or "-1"), abs=0.1)
    with page.expect_response("**/verdict/"):
        page.keyboard.press("c")
    expect(page.locator("[data-flag].selected .chip.confirmed")).to_be_visible()
    page.reload()
    expect(page.locator("[data-flag] .chip.confirmed").first).to_be_visible()
    assert watched.complaints == []


def test_the_keys_judge_the_flag_that_was_played_last(watched: Watched) -> None:
    page = watched.page
    sample_opened(page, "escalates")
    page.keyboard.press("j")
    effort = page.locator("[data-flag]", has_text="High customer effort")
    effort.get_by_role("button", name="Play").click()
    with page.expect_response("**/verdict/"):
        page.keyboard.press("u")
    expect(effort.locator(".chip.unsure")).to_be_visible()
    assert watched.complaints == []


def test_a_note_after_a_verdict_breaks_no_policy(watched: Watched) -> None:
    page = watched.page
    sample_opened(page, "escalates")
    with page.expect_response("**/verdict/"):
        page.locator("[data-flag]").first.get_by_role("button", name="Reject").click()
    expect(page.locator("[data-flag] .chip.rejected").first).to_be_visible()
    page.get_by_label("Note to").fill("Listen to how this begins.")
    page.get_by_role("button", name="Send note").click()
    expect(page.locator(".note-text").first).to_contain_text("Listen to how this begins.")
    page.wait_for_load_state("networkidle")
    assert watched.complaints == []


def test_space_plays_and_the_transcript_follows(watched: Watched) -> None:
    page = watched.page
    sample_opened(page, "calm")
    page.locator(".said").nth(2).click()
    third = page.locator("[data-utterance]").nth(2)
    assert current_s(page) == pytest.approx(float(third.get_attribute("data-start") or "-1"), abs=0.1)
    page.keyboard.press("Space")
    until(page, "!document.querySelector('audio').paused")
    expect(third).to_have_class("utterance current")
    page.keyboard.press("Space")
    until(page, "document.querySelector('audio').paused")
    assert watched.complaints == []


def test_clock_and_transcript_keep_up_with_the_sound(watched: Watched) -> None:
    page = watched.page
    sample_opened(page, "escalates")
    begun = page.locator("[data-clock]").inner_text()
    page.get_by_role("button", name="Play", exact=True).click()
    until(page, "document.querySelector('audio').currentTime > 0.2")
    page.wait_for_timeout(2000)
    assert page.locator("[data-clock]").inner_text() != begun
    expect(page.locator("[data-utterance][aria-current=true]")).to_have_count(1)
    assert not page.evaluate("document.querySelector('audio').paused")
    page.locator("[data-utterance]").last.locator(".said").click()
    expect(page.locator("[data-utterance]").last).to_have_attribute("aria-current", "true")
    assert watched.complaints == []


@pytest.mark.parametrize("hashed", [False, True])
def test_a_link_to_a_moment_opens_there(watched: Watched, hashed: bool) -> None:
    page = watched.page
    sample_opened(page, "escalates")
    flag = page.locator("[data-flag]").first.get_attribute("id")
    address = f"{page.url.split('?')[0]}?t=12.5" + (f"#{flag}" if hashed else "")
    page.goto("about:blank")
    page.goto(address)
    until(page, "Math.abs(document.querySelector('audio').currentTime - 12.5) < 0.1", seconds=20)
    expect(page.locator("[data-clock]")).to_have_text("0:12")
    assert watched.complaints == []


def test_on_a_phone_flags_stand_before_the_transcript(watched: Watched) -> None:
    page = watched.page
    page.set_viewport_size({"width": 360, "height": 740})
    sample_opened(page, "escalates")
    flag, transcript = (page.locator(selector).first.bounding_box() for selector in ("[data-flag]", ".transcript"))
    assert flag is not None
    assert transcript is not None
    assert flag["y"] < transcript["y"]


def test_a_click_on_waveform_and_chart_seeks(watched: Watched) -> None:
    page = watched.page
    sample_opened(page, "escalates")
    page.wait_for_selector("[data-chart] .main-svg")
    seconds = float(page.evaluate("JSON.parse(document.getElementById('call-data').textContent).seconds"))
    for selector, expected in (("canvas", seconds / 2), ("[data-chart]", None)):
        box = page.locator(selector).bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        if expected is not None:
            assert current_s(page) == pytest.approx(expected, abs=seconds / 50)
        else:
            assert 0.3 * seconds < current_s(page) < 0.6 * seconds
        page.locator("canvas").press("Home")
    assert watched.complaints == []


def test_the_waveform_is_drawn_in_both_lanes(watched: Watched) -> None:
    page = watched.page
    sample_opened(page, "escalates")
    page.wait_for_load_state("networkidle")
    colors = page.evaluate(
        """() => { const c = document.querySelector('canvas'), d = c.getContext('2d');
        const count = (y, h) => new Set(new Uint32Array(d.getImageData(0, y, c.width, h).data.buffer)).size;
        return [count(0, c.height / 2 | 0), count(c.height / 2 | 0, c.height / 2 | 0)]; }"""
    )
    assert min(colors) >= 3


def test_a_cleaner_copy_is_made_and_takes_over_in_the_middle(watched: Watched) -> None:
    page = watched.page
    sample_opened(page, "calm")
    page.get_by_role("button", name="Make a cleaner copy to listen to").click()
    cleaner = page.get_by_role("button", name="Cleaner", exact=True)
    expect(cleaner).to_be_visible(timeout=ANALYSED_MS)
    page.locator("[data-speed]").select_option("1.5")
    page.locator(".said").nth(2).click()
    page.get_by_role("button", name="Play", exact=True).click()
    until(page, "!document.querySelector('audio').paused")
    before = current_s(page)
    cleaner.click()
    expect(cleaner).to_have_attribute("aria-pressed", "true")
    until(page, f"document.querySelector('audio').currentTime > {before + 0.5}")
    assert current_s(page) < before + 5
    playing = page.evaluate(
        "(({ currentSrc, paused, playbackRate }) => [currentSrc, paused, playbackRate])(document.querySelector('audio'))"
    )
    assert playing[0].endswith("/audio/cleaner/")
    assert playing[1:] == [False, 1.5]
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Original").click()
    until(page, f"document.querySelector('audio').currentTime > {before}")
    assert page.evaluate("document.querySelector('audio').paused")
    assert watched.complaints == []
    page.route("**/audio/cleaner/", lambda route: route.abort())
    stood = current_s(page)
    cleaner.click()
    expect(page.get_by_role("button", name="Original")).to_have_attribute("aria-pressed", "true")
    until(page, f"Math.abs(document.querySelector('audio').currentTime - {stood}) < 0.1")
