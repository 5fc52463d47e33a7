"""What is read of a call, part by part, by who may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from callanalytics.calls.models import Flag
from tests.api.test_calls import error
from tests.factories import World, agents_call, analyzed, done_call

if TYPE_CHECKING:
    from collections.abc import Callable

    from rest_framework.test import APIClient

    from callanalytics.calls.models import Call


@pytest.fixture
def call(world: World) -> Call:
    return analyzed(agents_call(world))


PARTS = ("transcript", "flags", "segments", "measures")


def test_the_transcript_comes_in_four_forms(api: Callable[[str], APIClient], call: Call) -> None:
    address = f"/api/v1/calls/{call.id}/transcript/"
    first, *_ = api("reviewer").get(address).json()
    assert set(first) == {"id", "voice", "party", "start", "end", "text", "language", "asr_confidence"}
    forms = {name: api("reviewer").get(f"{address}?format={name}") for name in ("txt", "vtt", "srt")}
    assert {name: found["Content-Type"] for name, found in forms.items()} == {
        "txt": "text/plain; charset=utf-8",
        "vtt": "text/vtt; charset=utf-8",
        "srt": "application/x-subrip; charset=utf-8",
    }
    assert all(b"I have called four times" in found.content for found in forms.values())
    assert forms["vtt"].content.startswith(b"WEBVTT")
    assert error(api("reviewer").get(f"{address}?format=doc"))["fields"].keys() == {"format"}


def test_flags_come_with_their_evidence_and_page(api: Callable[[str], APIClient], call: Call) -> None:
    found = api("reviewer").get(f"/api/v1/calls/{call.id}/flags/").json()
    assert [flag["rule"] for flag in found] == ["high_frustration"]
    assert found[0]["evidence"]["quotes"]
    assert found[0]["page"] == f"http://localhost:8000/calls/{call.id}/?t={found[0]['start']:.1f}"
    assert api("reviewer").get(f"/api/v1/flags/{found[0]['id']}/").json() == found[0]


def test_segments_and_measures(api: Callable[[str], APIClient], call: Call) -> None:
    segments = api("reviewer").get(f"/api/v1/calls/{call.id}/segments/").json()
    assert len(segments) == 1
    assert segments[0]["peak"] >= segments[0]["mean"]
    measures = api("reviewer").get(f"/api/v1/calls/{call.id}/measures/").json()
    assert measures["seconds"] == call.seconds
    assert set(measures["measures"]["talk_share"]) == {"agent", "customer"}
    assert {party["party"] for party in measures["parties"]} == {"agent", "customer"}


def test_the_agent_reads_words_and_plain_measures_and_nothing_else(api: Callable[[str], APIClient], call: Call) -> None:
    found = {part: api("agent").get(f"/api/v1/calls/{call.id}/{part}/").json() for part in PARTS}
    assert len(found["transcript"]) == 3
    assert found["flags"] == found["segments"] == found["measures"]["effort"] == []
    assert found["measures"]["measures"]["silence_s"] is not None
    flag = Flag.objects.get(call=call)
    assert api("agent").get(f"/api/v1/flags/{flag.id}/").status_code == 404
    assert api("agent").get("/api/v1/flags/").json()["results"] == []


@pytest.mark.parametrize("part", PARTS)
def test_nobody_else_finds_any_part(api: Callable[[str], APIClient], call: Call, part: str) -> None:
    for role in ("other_supervisor", "other_agent", "outsider"):
        assert api(role).get(f"/api/v1/calls/{call.id}/{part}/").status_code == 404


@pytest.mark.parametrize("part", PARTS)
def test_before_the_analysis_every_part_is_there_and_empty(api: Callable[[str], APIClient], world: World, part: str) -> None:
    found = api("reviewer").get(f"/api/v1/calls/{agents_call(world).id}/{part}/")
    assert found.status_code == 200
    assert not found.json() or found.json()["measures"] is None


def test_flags_over_all_calls_are_narrowed(api: Callable[[str], APIClient], world: World, call: Call) -> None:
    done_call(world.sales)
    queries: dict[str, int] = {
        "": 1,
        "?status=open": 1,
        "?status=rejected": 0,
        "?severity=high": 1,
        "?rule=high_effort": 0,
        "?team=Billing": 1,
    }
    for query, count in queries.items():
        assert len(api("supervisor").get(f"/api/v1/flags/{query}").json()["results"]) == count, query
    for query in ("team=Sales", "severity=worst", "colour=red"):
        assert set(error(api("supervisor").get(f"/api/v1/flags/?{query}"))["fields"]) == {query.partition("=")[0]}


def test_only_the_fields_that_are_asked_for_are_sent(api: Callable[[str], APIClient], call: Call) -> None:
    listed = api("reviewer").get("/api/v1/calls/?fields=id,status").json()["results"]
    assert listed == [{"id": str(call.id), "status": "done"}]
    one: dict[str, Any] = api("reviewer").get(f"/api/v1/calls/{call.id}/?fields=status,analysis").json()
    assert set(one) == {"status", "analysis"}
    assert error(api("reviewer").get("/api/v1/calls/?fields=id,colour"))["fields"].keys() == {"fields"}
