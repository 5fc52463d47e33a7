"""Handovers over the API: other systems list them, acknowledge, and say what came of it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from callanalytics.events.models import Event
from callanalytics.people.keys import api_key_create
from callanalytics.routing.models import Handover
from callanalytics.routing.outbox import events_relay
from callanalytics.routing.plans import NewStep, plan_save
from tests import factories

if TYPE_CHECKING:
    from collections.abc import Callable

    from callanalytics.people.models import Team
    from tests.factories import World

URL = "/api/v1/handovers/"


@pytest.fixture
def handover(world: World) -> Handover:
    """One of billing that is open for some minutes."""
    plan_save(user=world.owner, team=None, values={"debounce_seconds": 0}, steps=[NewStep(10)])
    return handed_over(world.billing)


def handed_over(team: Team) -> Handover:
    call = factories.done_call(team, started_at=timezone.now() - timedelta(minutes=5))
    while events_relay():
        pass
    return Handover.objects.get(call=call)


def pager(team: Team | None, *scopes: str) -> APIClient:
    client = APIClient()
    made = api_key_create(user=None, name="Pager", scopes=scopes or ("handovers:read", "handovers:write"), team=team)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {made.text}")
    return client


def test_a_pager_acknowledges_and_ends_what_it_was_told_of(world: World, handover: Handover) -> None:
    client = pager(world.billing)
    event = Event.objects.get(type="handover.opened")
    found = client.get(f"{URL}{event.payload['handover']}/").json()
    assert (found["status"], found["rule"], found["severity"], found["claimed_by"]) == ("open", "high_frustration", "high", "")
    assert found["page"].endswith(f"/calls/{handover.call_id}/?t=4.2")
    claimed = client.post(f"{found['url']}claim/", {"external_reference": "ann@pager"}, format="json").json()
    assert (claimed["status"], claimed["external_reference"]) == ("claimed", "ann@pager")
    assert claimed["claimed_after_s"] == pytest.approx(5 * 60 - 7.9, abs=5)
    ended = client.post(f"{found['url']}resolve/", {"outcome": "called_back", "note": "Refunded."}, format="json")
    assert (ended.status_code, ended.json()["outcome"]) == (200, "called_back")
    assert not [each for each in Event.objects.all() if "ann" in str(each.payload) or "Refunded" in str(each.payload)]


def test_who_comes_second_is_told_who_was_first_and_once_more_is_no_error(world: World, handover: Handover) -> None:
    first, second, address = pager(world.billing), pager(world.billing), f"{URL}{handover.id}/claim/"
    assert [first.post(address, {}, format="json").status_code for _ in range(2)] == [200, 200]
    refused = second.post(address, {}, format="json")
    assert (refused.status_code, refused["Content-Type"]) == (409, "application/problem+json")
    assert "Pager has claimed this already" in refused.json()["detail"]
    end = {"outcome": "solved"}
    assert [first.post(f"{URL}{handover.id}/resolve/", end, format="json").status_code for _ in range(2)] == [200, 200]
    assert first.post(f"{URL}{handover.id}/resolve/", {"outcome": "other"}, format="json").status_code == 409
    assert first.post(f"{URL}{handover.id}/release/").status_code == 409
    assert Event.objects.filter(type="flag.claimed").count() == Event.objects.filter(type="flag.resolved").count() == 1


def test_a_claim_is_given_back(world: World, handover: Handover) -> None:
    client = pager(world.billing)
    client.post(f"{URL}{handover.id}/claim/", {}, format="json")
    sent = {"Idempotency-Key": "k-1"}
    back = client.post(f"{URL}{handover.id}/release/", headers=sent)
    assert client.post(f"{URL}{handover.id}/release/", headers=sent).json() == back.json()
    assert client.post(f"{URL}{handover.id}/release/").status_code == 409
    assert (back.status_code, back.json()["status"], back.json()["claimed_at"]) == (200, "open", None)


@pytest.mark.parametrize(
    ("act", "body", "field"),
    [
        ("claim", {"claimed_by": "Ann"}, "claimed_by"),
        ("claim", {"external_reference": "x" * 201}, "external_reference"),
        ("resolve", {}, "outcome"),
        ("resolve", {"outcome": "done"}, "outcome"),
        ("resolve", {"outcome": "other", "note": "x" * 1001}, "note"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(world: World, handover: Handover, act: str, body: dict[str, Any], field: str) -> None:
    answer = pager(world.billing).post(f"{URL}{handover.id}/{act}/", body, format="json")
    assert answer.status_code == 400
    assert [each["field"] for each in answer.json()["errors"]] == [field]
    assert Handover.objects.get().status == "open"


def test_a_key_needs_its_scope_and_finds_its_team_alone(world: World, handover: Handover) -> None:
    reads, elsewhere = pager(world.billing, "handovers:read"), pager(world.sales)
    assert reads.get(URL).status_code == 200
    for act, body in (("claim", {}), ("release", {}), ("resolve", {"outcome": "solved"})):
        assert reads.post(f"{URL}{handover.id}/{act}/", body, format="json").status_code == 403
        assert elsewhere.post(f"{URL}{handover.id}/{act}/", body, format="json").status_code == 404
    assert pager(world.billing, "calls:read").get(URL).status_code == 403
    assert elsewhere.get(f"{URL}{handover.id}/").status_code == 404
    assert elsewhere.get(URL).json()["results"] == []


def test_the_list_is_narrowed_and_paged(world: World, handover: Handover, api: Callable[[str], APIClient]) -> None:
    others = [handed_over(world.sales) for _ in range(2)]
    client = pager(None)
    client.post(f"{URL}{handover.id}/claim/", {}, format="json")

    def ids(**query: Any) -> list[str]:
        return [row["id"] for row in client.get(URL, query).json()["results"]]

    newest = [str(others[1].id), str(others[0].id), str(handover.id)]
    assert ids() == newest
    assert ids(status="open") == ids(team="sales") == newest[:2]
    assert ids(mine="true") == newest[2:]
    assert ids(severity="medium") == []
    assert client.get(URL, {"team": "nowhere"}).status_code == client.get(URL, {"state": "open"}).status_code == 400
    first = client.get(URL, {"page_size": 2}).json()
    assert [row["id"] for row in client.get(first["next"]).json()["results"]] == newest[2:]
    assert api("agent").get(URL).json()["results"] == []
