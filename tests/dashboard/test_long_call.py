"""A call of hours opens as fast as one of minutes: its transcript comes in parts, and nothing of it is lost."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from analysis.values import Moment, Party
from callanalytics.calls import files
from callanalytics.calls.models import Call, Flag
from callanalytics.calls.selectors import utterance_list
from dashboard import charts, transcript_parts
from tests import factories
from tests.analysis import made
from tests.dashboard.test_call_page import EMOTION, block, page

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from tests.factories import World

COUNT = 2 * transcript_parts.SIZE + 50
EVERY_S = 5.0


@pytest.fixture
def long(world: World) -> Call:
    """Two whole parts and a bit; agent and customer take turns, and the customer's score rises and falls."""
    return factories.done_call(world.billing, made.analysis(moments=tuple(map(moment, range(COUNT)))), agent=world.agent)


def moment(number: int) -> Moment:
    start, text = number * EVERY_S, f"Line {number}"
    if number % 2:
        return made.customer_moment(number, start, start + 4.0, text, probability=number % 9 / 10)
    return Moment(made.utterance(number, 0, start, start + 4.0, text), Party.AGENT, made.MEASURES)


def numbers(html: str) -> list[int]:
    return [int(number) for number in re.findall(r'id="u(\d+)"', html)]


def test_a_page_is_sent_with_one_part_and_says_where_the_others_are(browser: Callable[[str], Client], long: Call) -> None:
    html = page(browser("supervisor"), long)
    assert numbers(html) == list(range(transcript_parts.SIZE))
    assert html.count("data-coming") == 2
    end = transcript_parts.SIZE * EVERY_S
    assert f'data-start="{end:.2f}" data-end="{2 * end:.2f}" hx-get="/calls/{long.id}/parts/1/"' in html


def test_the_parts_together_are_the_transcript(browser: Callable[[str], Client], long: Call) -> None:
    shown = [browser("supervisor").get(f"/calls/{long.id}/parts/{number}/").content.decode() for number in range(3)]
    assert [number for html in shown for number in numbers(html)] == list(range(COUNT))


def test_a_part_shows_scores_and_flagged_stretches_as_the_page_does(browser: Callable[[str], Client], long: Call) -> None:
    first = browser("supervisor").get(f"/calls/{long.id}/parts/0/").content.decode()
    assert 'class="utterance flagged" id="u1"' in first
    assert 'class="utterance flagged" id="u1"' in page(browser("supervisor"), long)
    assert "frustration 80%" in browser("supervisor").get(f"/calls/{long.id}/parts/1/").content.decode()


def test_a_part_shows_the_agent_nobodys_emotion(browser: Callable[[str], Client], long: Call) -> None:
    html = browser("agent").get(f"/calls/{long.id}/parts/0/").content.decode()
    assert "Line 1<" in html
    assert [word for word in EMOTION if word in html.lower()] == []


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ({"part": "1"}, 1),
        ({"part": "99"}, 2),
        ({"part": "-1"}, 0),
        ({"part": "9" * 30}, 0),
        ({"t": "1000"}, 1),
        ({"t": "999.9"}, 0),
        ({"t": "1e9"}, 2),
        ({"t": "-5"}, 0),
        ({"t": "soon"}, 0),
    ],
)
def test_a_link_opens_the_part_that_it_names(browser: Callable[[str], Client], long: Call, query: dict[str, str], first: int) -> None:
    assert numbers(page(browser("reviewer"), long, **query))[0] == first * transcript_parts.SIZE


def test_without_scripts_every_other_part_is_a_link_away(browser: Callable[[str], Client], long: Call) -> None:
    links = re.findall(r'href="\?part=(\d)#transcript"', page(browser("reviewer"), long, part="1"))
    assert links == ["0", "2"]


@pytest.mark.parametrize("number", ["3", "999", "1000", "9" * 40])
def test_a_part_past_the_end_is_not_found(browser: Callable[[str], Client], long: Call, number: str) -> None:
    assert browser("reviewer").get(f"/calls/{long.id}/parts/{number}/").status_code == 404


def test_neither_page_nor_part_asks_the_database_more_for_a_longer_call(browser: Callable[[str], Client], world: World, long: Call) -> None:
    client, short = browser("supervisor"), factories.done_call(world.billing, agent=world.agent)
    for address in ("", "parts/0/"):
        asked = []
        for call in (short, long):
            with CaptureQueriesContext(connection) as queries:
                client.get(f"/calls/{call.id}/{address}")
            asked.append(len(queries))
        assert asked[0] == asked[1]


def test_the_page_opens_no_document(browser: Callable[[str], Client], long: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    told = page(browser("supervisor"), long)
    monkeypatch.setattr(files, "document_read", lambda _name: pytest.fail("the page reads megabytes"))
    assert "Talk share" in told
    assert "Talk share" in page(browser("supervisor"), long)


def test_the_chart_of_many_points_keeps_the_highest(browser: Callable[[str], Client], world: World) -> None:
    moments = [
        made.customer_moment(number, number * EVERY_S, number * EVERY_S + 4.0, "Line", 0.2) for number in range(charts.MAX_POINTS + 60)
    ]
    moments[77] = made.customer_moment(77, 385.0, 389.0, "Line", 0.93)
    call = factories.done_call(world.billing, made.analysis(moments=tuple(moments)))
    Call.objects.filter(id=call.id).update(seconds=len(moments) * EVERY_S)
    html = page(browser("reviewer"), call)
    trace = {trace["meta"]: trace for trace in block(html, "frustration-figure")["data"]}["frustration"]
    assert len(trace["y"]) <= charts.MAX_POINTS
    assert dict(zip(trace["x"], trace["y"], strict=True))[387.0] == 0.93
    assert "One point for every 10 s" in html


def test_a_verdict_gives_its_card_alone(browser: Callable[[str], Client], long: Call) -> None:
    flag = Flag.objects.get(call=long)
    answer = browser("reviewer").post(f"/flags/{flag.id}/verdict/", {"answer": "confirm"}, headers={"HX-Request": "true"})
    assert "Confirmed" in answer.content.decode()
    assert numbers(answer.content.decode()) == []


def test_a_stretch_is_read_without_the_rest_of_the_transcript(world: World, long: Call) -> None:
    assert [row.number for row in utterance_list(user=world.reviewer, call_id=long.id, within=(9.0, 15.0))] == [2]
    assert [row.number for row in utterance_list(user=world.reviewer, call_id=long.id, within=(8.9, 15.1))] == [1, 2, 3]
