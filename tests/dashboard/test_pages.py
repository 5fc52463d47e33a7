"""Overview, help, about, login, errors, and what holds for every page."""

from __future__ import annotations

import dataclasses
import re
from html import unescape
from typing import TYPE_CHECKING

import pytest
from django.test import Client
from django.views.defaults import server_error

from analysis import words
from analysis.values import Abstention
from callanalytics.calls.models import Flag
from callanalytics.calls.services import call_fail
from callanalytics.review.models import Calibration
from callanalytics.review.services import verdict_record
from dashboard import glossary
from tests import factories
from tests.analysis import made

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import RequestFactory
    from pytest_django.fixtures import Settings

    from callanalytics.calls.models import Call
    from tests.factories import World

PAGES = ("/", "/calls/", "/calls/upload/", "/coaching/", "/review/random/", "/help/", "/about/")


def text(client: Client, address: str) -> str:
    response = client.get(address)
    assert response.status_code == 200
    return response.content.decode()


def test_overview_counts_flags_and_quotes(browser: Callable[[str], Client], call: Call) -> None:
    html = text(browser("supervisor"), "/")
    assert "1 of 1 analysed" in html
    assert "“I have called four times”" in html
    assert f"/calls/{call.id}/?t=0.0#flag-" in html
    assert "Tone of voice" in html
    assert "1 of 2 customer utterances" in html
    assert "trend-figure" in html
    assert "flagged=unscored" not in html


def test_overview_leads_to_the_calls_without_a_score(browser: Callable[[str], Client], call: Call, world: World) -> None:
    nobody = dataclasses.replace(made.analysis(), moments=(), segments=(), flags=())
    factories.done_call(world.billing, nobody, external_id="unheard")
    html = text(browser("supervisor"), "/")
    assert "1 of 2 analysed, scored or not" in html
    assert "in all analysed calls" in html
    link = re.search(r'<dt>Calls not scored</dt><dd class="value"><a href="([^"]*)">1</a>', html)
    assert link is not None
    listed = text(browser("supervisor"), unescape(link[1]))
    assert "unheard" in listed
    assert "C-1" not in listed


def test_overview_shows_measured_precision_with_n_and_interval(browser: Callable[[str], Client], call: Call, world: World) -> None:
    assert "judge flags to measure it" in text(browser("supervisor"), "/")
    verdict_record(user=world.reviewer, flag_id=Flag.objects.get(call=call).id, answer="confirm")
    html = text(browser("supervisor"), "/")
    assert "n = 1, 95 % interval 21% to 100%" in html
    assert '<div class="figure few">' in html


def test_overview_shows_failures_with_their_reasons(browser: Callable[[str], Client], world: World) -> None:
    call = factories.queued_call(world.billing)
    call_fail(call.id, factories.claimed(call), "call.wav is cut short.", permanent=True)
    assert "call.wav is cut short." in text(browser("supervisor"), "/")


def test_an_empty_overview_says_what_to_do(browser: Callable[[str], Client]) -> None:
    assert "Upload calls" in text(browser("supervisor"), "/")
    assert "/calls/upload/" not in text(browser("reviewer"), "/")


def test_an_agents_overview_has_no_emotion(browser: Callable[[str], Client], call: Call) -> None:
    html = text(browser("agent"), "/")
    assert "Unread notes" in html
    assert not re.search(r"frustrat|flag|evidence", re.sub(r"<link[^>]*>", "", html), re.IGNORECASE)


@pytest.mark.parametrize("days", ["7", "90", "0", "x", "99999999999"])
def test_any_period_in_the_address_is_answered(browser: Callable[[str], Client], call: Call, days: str) -> None:
    assert browser("owner").get("/", {"days": days}).status_code == 200


def test_help_defines_every_score_measure_and_reason(browser: Callable[[str], Client]) -> None:
    html = text(browser("agent"), "/help/")
    for term in (
        "Frustration",
        "Tone",
        "Wording",
        "Disagreement",
        "Loudness",
        "Pitch",
        "Pace",
        "Overlap",
        "Baseline",
        "Measured precision",
    ):
        assert f"<dt>{term}</dt>" in html
    for label in (*words.PARTS.values(), *words.EFFORT.values()):
        assert label in html


def test_help_has_an_entry_for_every_reason_of_score_and_tone() -> None:
    told = {term.lower() for section in (glossary.ABSTAINED, glossary.TONE_ABSTAINED) for term, _ in section.terms}
    for table in (words.ABSTAINED, words.TONE_ABSTAINED):
        assert [code for code in Abstention if table[code].lower() not in told] == []


def test_help_does_not_promise_a_calibration_that_was_not_made(browser: Callable[[str], Client]) -> None:
    html = text(browser("agent"), "/help/")
    assert "not calibrated yet" in html
    assert "about 8 of 10" not in html


def test_about_tells_versions_licences_and_what_it_talks_to(browser: Callable[[str], Client], call: Call) -> None:
    html = text(browser("agent"), "/about/")
    for shown in (
        "5.2.",
        "CC-BY-NC-SA-4.0",
        "faster-whisper/base/int8",
        "no CDN",
        "python -m training.tone",
        "EmoDB",
        "not verified",
        "LibriSpeech",
        "CC BY 4.0",
    ):
        assert shown in html


def test_about_says_which_calibration_new_analyses_use(browser: Callable[[str], Client], world: World) -> None:
    assert "weights as configured" in text(browser("owner"), "/about/")
    calibration = Calibration.objects.create(stretches=60, **dict.fromkeys(Calibration.FUSE_FIELDS, 0.5))
    html = text(browser("owner"), "/about/")
    assert "to 60 stretches that reviewers here judged" in html
    assert str(calibration) in html
    assert f">{calibration}<" in text(admin_of(world), "/admin/review/calibration/")


def admin_of(world: World) -> Client:
    client = Client()
    client.force_login(factories.user("root", is_staff=True, is_superuser=True))
    return client


def test_about_says_why_tone_is_off(browser: Callable[[str], Client], settings: Settings) -> None:
    settings.ACCEPT_NONCOMMERCIAL_WEIGHTS = False
    assert "Tone is off" in text(browser("owner"), "/about/")
    settings.ACCEPT_NONCOMMERCIAL_WEIGHTS = True
    assert "non-commercial use are switched on" in text(browser("owner"), "/about/")


def test_about_never_shows_a_password(browser: Callable[[str], Client], settings: Settings) -> None:
    settings.CELERY_BROKER_URL = "redis://user:secret@broker.example:6379/0"
    html = text(browser("owner"), "/about/")
    assert "broker.example" in html
    assert "secret" not in html


def test_login_errors_are_told(world: World) -> None:
    html = Client().post("/login/", {"username": "owner", "password": "wrong"}).content.decode()
    assert 'role="alert"' in html
    world.owner.set_password("a long password")
    world.owner.save()
    assert Client().post("/login/", {"username": "owner", "password": "a long password"})["Location"] == "/"


def test_every_page_carries_the_policy_and_no_inline_code(browser: Callable[[str], Client], call: Call) -> None:
    for address in (*PAGES, f"/calls/{call.id}/"):
        response = browser("supervisor").get(address)
        assert "default-src 'self'" in response["Content-Security-Policy"]
        assert "unsafe" not in response["Content-Security-Policy"]
        html = response.content.decode()
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|https?://(?!www\.w3\.org)", html)
        assert all('type="application/json"' in tag for tag in re.findall(r"<script(?![^>]*\ssrc=)[^>]*>", html))


def test_every_field_has_a_label(browser: Callable[[str], Client], call: Call) -> None:
    for address in (*PAGES, f"/calls/{call.id}/"):
        html = text(browser("supervisor"), address)
        labelled = set(re.findall(r'<label[^>]*\sfor="([^"]+)"', html))
        inside = re.sub(r"<label[^>]*>\s*<input[^>]*>", "", html)
        for tag in re.findall(r"<(?:input|select|textarea)[^>]*>", inside):
            found = re.search(r'\sid="([^"]+)"', tag)
            assert 'type="hidden"' in tag or "aria-label" in tag or (found and found[1] in labelled), tag


def test_ids_are_used_once_a_page(browser: Callable[[str], Client], call: Call) -> None:
    for address in (*PAGES, f"/calls/{call.id}/"):
        ids = re.findall(r'\sid="([^"]+)"', text(browser("supervisor"), address))
        assert sorted(ids) == sorted(set(ids))


def test_errors_are_in_style(browser: Callable[[str], Client], rf: RequestFactory) -> None:
    missing = browser("owner").get("/nowhere/")
    assert missing.status_code == 404
    assert "There is nothing here" in missing.content.decode()
    forbidden = browser("agent").get("/calls/upload/")
    assert forbidden.status_code == 403
    assert "You may not do this" in forbidden.content.decode()
    assert "Something went wrong here" in server_error(rf.get("/")).content.decode()


def test_an_expired_form_is_told_in_style(world: World) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.owner)
    response = client.post("/calls/upload/")
    assert response.status_code == 403
    assert "This form has expired" in response.content.decode()


def test_navigation_shows_what_the_role_may_open(browser: Callable[[str], Client]) -> None:
    shown = {role: set(re.findall(r'<a href="(/[^"]*)"', text(browser(role), "/help/"))) for role in ("supervisor", "reviewer", "agent")}
    assert shown["supervisor"] >= {"/calls/upload/", "/review/random/", "/coaching/"}
    assert shown["reviewer"] >= {"/review/random/"}
    assert not shown["reviewer"] & {"/calls/upload/", "/coaching/"}
    assert not shown["agent"] & {"/calls/upload/", "/review/random/"}
