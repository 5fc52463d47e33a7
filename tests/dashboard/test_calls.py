"""The list of calls with its filters, and handing calls in."""

from __future__ import annotations

import dataclasses
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile

from callanalytics.calls.models import Call
from callanalytics.calls.services import call_fail
from callanalytics.people.models import Agent, Queue, Team
from tests import factories
from tests.analysis import made

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from tests.factories import World


def listed(client: Client, **query: str) -> list[str]:
    """Names of the calls on the first page, in order."""
    response = client.get("/calls/", query)
    assert response.status_code == 200
    return re.findall(r'<a class="name"[^>]*>([^<]*)</a>', response.content.decode())


def quiet() -> Any:
    """An analysis without a flag, in which voice and words agree."""
    return dataclasses.replace(made.analysis(), segments=(), flags=())


def day(number: int) -> datetime:
    return datetime(2026, 3, number, 12, tzinfo=UTC)


@pytest.fixture
def calls(world: World) -> None:
    """Three calls on three days: flagged in billing, quiet in sales, failed in billing."""
    apart = dataclasses.replace(made.customer_moment(1, 4.2, 7.9, "Fine", 0.8), disagreement=0.6)
    flagged = made.analysis(moments=(apart,))
    factories.done_call(
        world.billing, flagged, external_id="flagged", agent=world.agent, queue=world.queue, customer_reference="K-77", started_at=day(1)
    )
    factories.done_call(world.sales, quiet(), external_id="quiet", file_name="tuesday.wav", started_at=day(2))
    failed = factories.queued_call(world.billing, external_id="failed", started_at=day(3))
    call_fail(failed.id, factories.claimed(failed), "It is empty.", permanent=True)


@pytest.mark.usefixtures("calls")
def test_newest_first_and_only_what_the_reader_may_see(browser: Callable[[str], Client]) -> None:
    assert listed(browser("owner")) == ["failed", "quiet", "flagged"]
    assert listed(browser("reviewer")) == ["failed", "flagged"]
    assert listed(browser("agent")) == ["flagged"]


@pytest.mark.usefixtures("calls")
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"status": "failed"}, ["failed"]),
        ({"flagged": "yes"}, ["flagged"]),
        ({"flagged": "no"}, ["failed", "quiet"]),
        ({"disagreement": "yes"}, ["flagged"]),
        ({"text": "k-77"}, ["flagged"]),
        ({"text": "tuesday"}, ["quiet"]),
        ({"text": "FLAG"}, ["flagged"]),
        ({"since": "2026-03-02"}, ["failed", "quiet"]),
        ({"until": "2026-03-02"}, ["quiet", "flagged"]),
        ({"since": "2026-03-02", "until": "2026-03-02"}, ["quiet"]),
    ],
)
def test_filters(browser: Callable[[str], Client], query: dict[str, str], found: list[str]) -> None:
    assert listed(browser("owner"), **query) == found


@pytest.mark.usefixtures("calls")
def test_analysed_calls_without_a_score_are_found_and_say_so(browser: Callable[[str], Client], world: World) -> None:
    nobody = dataclasses.replace(made.analysis(), moments=(), segments=(), flags=())
    factories.done_call(world.billing, nobody, external_id="silent", agent=world.agent)
    assert listed(browser("owner"), flagged="unscored") == ["silent"]
    html = browser("owner").get("/calls/", {"flagged": "unscored"}).content.decode()
    assert re.search(r'data-label="Peak" class=""><span class="soft small">not scored</span>', html)
    assert "silent" in listed(browser("agent"), flagged="unscored"), "of its own calls an agent's filter finds nothing out"
    assert "flagged" in listed(browser("agent"), flagged="unscored")


@pytest.mark.usefixtures("calls")
def test_filters_by_people(browser: Callable[[str], Client], world: World) -> None:
    assert listed(browser("owner"), queue=str(world.queue.pk)) == ["flagged"]
    assert listed(browser("owner"), agent=str(world.agent.pk)) == ["flagged"]
    assert listed(browser("owner"), team=str(world.sales.pk)) == ["quiet"]


@pytest.mark.usefixtures("calls")
@pytest.mark.parametrize("query", [{"since": "9999-12-31"}, {"page": "999999999999"}, {"page": "-1"}, {"status": "odd"}, {"queue": "x"}])
def test_nonsense_in_the_address_is_no_error(browser: Callable[[str], Client], query: dict[str, str]) -> None:
    assert browser("owner").get("/calls/", query).status_code == 200


@pytest.mark.usefixtures("calls")
def test_an_agent_learns_nothing_from_filters_or_columns(browser: Callable[[str], Client]) -> None:
    html = browser("agent").get("/calls/", {"flagged": "no", "disagreement": "yes"}).content.decode()
    assert ">flagged</a>" in html
    assert "Peak frustration" not in html
    assert "97 %" not in html
    assert 'name="flagged"' not in html


def test_empty_lists_say_what_to_do(browser: Callable[[str], Client]) -> None:
    assert "Upload one or many recordings to begin" in browser("supervisor").get("/calls/").content.decode()
    assert "Calls appear here" in browser("agent").get("/calls/").content.decode()
    assert "Take a filter away" in browser("supervisor").get("/calls/", {"text": "nothing"}).content.decode()


def test_a_list_with_a_waiting_call_asks_again(browser: Callable[[str], Client], world: World) -> None:
    factories.done_call(world.billing)
    assert "hx-get" not in browser("owner").get("/calls/").content.decode()
    factories.queued_call(world.billing)
    assert 'hx-select="#call-rows"' in browser("owner").get("/calls/").content.decode()


def test_pages_keep_the_filters(browser: Callable[[str], Client], world: World) -> None:
    for number in range(51):
        factories.queued_call(world.billing, external_id=f"c{number}")
    html = browser("owner").get("/calls/", {"status": "queued"}).content.decode()
    assert 'href="?status=queued&amp;page=2"' in html
    assert len(listed(browser("owner"), status="queued", page="2")) == 1


def files(*names: str) -> list[SimpleUploadedFile]:
    return [SimpleUploadedFile(name, f"RIFF {name}".encode()) for name in names]


def test_several_files_at_once_become_calls_with_what_was_given(browser: Callable[[str], Client], world: World) -> None:
    given = {"team": world.billing.pk, "agent": "A17", "queue": "invoices", "channels": "customer,agent", "notice": "given"}
    given |= {"scoring": "words", "objected": "on", "started_at": "2026-03-01T09:30", "customer_reference": "K-1", "direction": "inbound"}
    response = browser("supervisor").post("/calls/upload/", {"recordings": files("one.wav", "two.mp3"), **given})
    assert response["Location"] == "/calls/"
    one, two = Call.objects.order_by("file_name")
    assert (one.file_name, two.file_name) == ("one.wav", "two.mp3")
    assert (one.agent, one.queue, one.team) == (world.agent, world.queue, world.billing)
    assert one.channels == ["customer", "agent"]
    assert (one.notice, one.scoring, one.objected, one.direction) == ("given", "words", True, "inbound")
    assert one.started_at == datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


def test_many_files_are_told_of_in_one_line_each_way(browser: Callable[[str], Client], world: World) -> None:
    client = browser("supervisor")
    client.post("/calls/upload/", {"recordings": files("one.wav"), "team": world.billing.pk})
    client.get("/calls/")
    sent = {"recordings": files("one.wav", "two.wav", "three.wav"), "team": world.billing.pk}
    page = client.post("/calls/upload/", sent, follow=True).content.decode()
    assert "2 recordings wait to be analysed." in page
    assert "There already, and not taken again: one.wav." in page


def test_a_map_that_comes_with_a_recording_sent_again_is_not_dropped_in_silence(browser: Callable[[str], Client], world: World) -> None:
    client = browser("supervisor")
    told = "Who is on which channel was not changed for one.wav"

    def sent(channels: str) -> str:
        given = {"recordings": files("one.wav"), "team": world.billing.pk, "channels": channels}
        return client.post("/calls/upload/", given, follow=True).content.decode()

    assert told not in sent("agent,customer")
    assert told not in sent("agent,customer")
    assert told not in sent("")
    assert told in sent("customer,agent")
    assert Call.objects.get().channels == ["agent", "customer"]


def test_one_file_leads_to_its_call(browser: Callable[[str], Client], world: World) -> None:
    response = browser("supervisor").post("/calls/upload/", {"recordings": files("one.wav"), "team": world.billing.pk})
    assert response["Location"] == f"/calls/{Call.objects.get().id}/"


def test_new_agents_and_queues_are_added_in_the_team(browser: Callable[[str], Client], world: World) -> None:
    browser("supervisor").post("/calls/upload/", {"recordings": files("a.wav"), "team": world.sales.pk, "agent": "B9", "queue": "sales"})
    assert Agent.objects.get(code="B9").team == world.sales
    assert Queue.objects.get(name="sales").team == world.sales


def test_an_empty_file_is_refused_by_name_and_the_others_are_kept(browser: Callable[[str], Client], world: World) -> None:
    given = [*files("good.wav"), SimpleUploadedFile("nothing.wav", b"")]
    response = browser("supervisor").post("/calls/upload/", {"recordings": given, "team": world.billing.pk})
    assert response.status_code == 422
    assert "nothing.wav is empty" in response.content.decode()
    assert [call.file_name for call in Call.objects.all()] == ["good.wav"]


def test_no_file_is_told(browser: Callable[[str], Client], world: World) -> None:
    response = browser("supervisor").post("/calls/upload/", {"team": world.billing.pk})
    assert response.status_code == 422
    assert "Choose at least one recording." in response.content.decode()


def test_more_files_than_are_taken_at_a_time_are_refused_on_a_page_that_says_so(browser: Callable[[str], Client], world: World) -> None:
    many = files(*(f"{number}.wav" for number in range(settings.DATA_UPLOAD_MAX_NUMBER_FILES + 1)))
    response = browser("supervisor").post("/calls/upload/", {"recordings": many, "team": world.billing.pk})
    assert response.status_code == 400
    assert "many files at once, send them in several goes" in response.content.decode()
    assert not Call.objects.exists()


def test_a_call_id_belongs_to_one_file(browser: Callable[[str], Client], world: World) -> None:
    given = {"recordings": files("a.wav", "b.wav"), "team": world.billing.pk, "external_id": "C-9"}
    assert "A call id belongs to one recording" in browser("supervisor").post("/calls/upload/", given).content.decode()
    assert not Call.objects.exists()


def test_the_same_id_with_other_audio_is_told(browser: Callable[[str], Client], world: World) -> None:
    given = {"team": world.billing.pk, "external_id": "C-9"}
    browser("supervisor").post("/calls/upload/", {"recordings": files("a.wav"), **given})
    named = {"agent": "B9", "queue": "new queue"}
    response = browser("supervisor").post("/calls/upload/", {"recordings": files("b.wav"), **given, **named})
    assert response.status_code == 422
    assert "with other audio" in response.content.decode()
    assert not Agent.objects.filter(code="B9").exists()
    assert not Queue.objects.filter(name="new queue").exists()


def test_a_supervisor_cannot_add_to_another_team(browser: Callable[[str], Client], world: World) -> None:
    foreign = Team.objects.create(name="Elsewhere")
    response = browser("supervisor").post("/calls/upload/", {"recordings": files("a.wav"), "team": foreign.pk})
    assert response.status_code == 422
    assert not Call.objects.exists()


def test_another_teams_agent_cannot_be_borrowed(browser: Callable[[str], Client], world: World) -> None:
    elsewhere = Team.objects.create(name="Elsewhere")
    Agent.objects.create(code="Z1", team=elsewhere)
    response = browser("supervisor").post("/calls/upload/", {"recordings": files("a.wav"), "team": world.billing.pk, "agent": "Z1"})
    assert "in another team already" in response.content.decode()
    assert not Call.objects.exists()
