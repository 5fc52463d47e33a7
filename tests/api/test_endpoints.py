"""Endpoints over the API: a program makes them, is shown the secret once, tries them, reads what was sent and has it sent again."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient
from standardwebhooks import Webhook

from callanalytics.egress import Egress, Policy
from callanalytics.events.types import PUBLIC, TEST
from callanalytics.people.keys import api_key_create
from callanalytics.routing import sending
from callanalytics.routing.deliveries import deliveries_claim, deliveries_settle, endpoints_ready
from callanalytics.routing.links import link
from callanalytics.routing.models import Delivery, DeliveryStatus, Endpoint
from callanalytics.routing.outbox import events_relay
from tests import factories
from tests.api.test_calls import error

if TYPE_CHECKING:
    from collections.abc import Callable

    from callanalytics.people.models import Team
    from tests.factories import World
    from tests.receiver import Receiver

URL = "/api/v1/endpoints/"
PAGER_KEY = "R0UTINGKEY" + "0" * 22


def keyed(team: Team | None, *scopes: str) -> APIClient:
    client = APIClient()
    made = api_key_create(user=None, name="CRM", scopes=scopes or ("endpoints:read", "endpoints:write"), team=team)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {made.text}")
    return client


def made(client: APIClient, receiver: Receiver, **given: object) -> dict[str, Any]:
    body = {"name": "CRM", "kind": "webhook", "address": f"{receiver.url}/fine"} | given
    response = client.post(URL, body, format="json")
    assert response.status_code == 201, response.content
    assert response["Location"] == response.json()["url"]
    found: dict[str, Any] = response.json()
    return found


def relayed(receiver: Receiver) -> None:
    events_relay()
    egress = Egress(Policy.of([receiver.url]))
    for own in endpoints_ready():
        for parcel in sending.parcels(own, deliveries_claim(own, 99)):
            deliveries_settle(parcel, sending.send(parcel, own, egress, link))


def test_a_program_makes_an_endpoint_tries_it_and_reads_what_came_back(world: World, receiver: Receiver) -> None:
    client = keyed(None)
    own = made(client, receiver, types=["flag.raised"], severity="high", ordered=True)
    assert own["secret"].startswith("whsec_")
    assert (own["types"], own["teams"], own["enabled"]) == (["flag.raised"], [], True)
    read = client.get(own["url"]).json()
    assert "secret" not in read
    assert (read["waiting"], read["given_up"], read["last_delivered_at"]) == (0, 0, None)
    asked = client.post(f"{own['url']}test/")
    assert (asked.status_code, asked.json()["type"], asked.json()["status"]) == (202, TEST, "waiting")
    relayed(receiver)
    ((_, _, body, headers),) = receiver.asked
    assert Webhook(own["secret"]).verify(body, headers)["id"] == asked.json()["event"]
    ended = client.get(asked.json()["url"]).json()
    assert (ended["status"], ended["attempts"]) == ("delivered", 1)
    (tried,) = ended["tries"]
    assert (tried["status_code"], tried["response"]["body"]) == (200, "thanks")
    assert tried["request"]["headers"]["webhook-signature"] == "…"
    assert client.get(own["url"]).json()["last_delivered_at"] is not None


def test_a_repeated_request_makes_no_second_endpoint_and_shows_no_secret(world: World, receiver: Receiver) -> None:
    client, body = keyed(None), {"name": "CRM", "kind": "webhook", "address": f"{receiver.url}/fine"}
    first, second = (client.post(URL, body, format="json", headers={"Idempotency-Key": "k1"}) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert second["Idempotency-Replayed"] == "true"
    assert second.json()["id"] == first.json()["id"]
    assert (second.json()["secret"], Endpoint.objects.count()) == ("", 1)


def test_a_key_of_a_team_makes_and_sees_endpoints_of_that_team_only(world: World, receiver: Receiver) -> None:
    everywhere, billing = keyed(None), keyed(world.billing)
    foreign = made(everywhere, receiver, teams=["Sales"])
    made(everywhere, receiver)
    for teams in ([], ["Sales"], ["Nowhere"], ["Billing", "Sales"]):
        refused = billing.post(URL, {"name": "n", "kind": "webhook", "address": f"{receiver.url}/fine", "teams": teams}, format="json")
        assert (refused.status_code, error(refused)["fields"].keys()) == (400, {"teams"}), teams
    own = made(billing, receiver, teams=["billing"])
    assert [each["id"] for each in billing.get(URL).json()["results"]] == [own["id"]]
    assert len(everywhere.get(URL).json()["results"]) == 3
    for method, path in (("get", ""), ("patch", ""), ("delete", ""), ("post", "test/"), ("post", "rotate-secret/"), ("post", "replay/")):
        assert getattr(billing, method)(f"{foreign['url']}{path}", {}, format="json").status_code == 404, (method, path)
    assert billing.get(f"{foreign['url']}deliveries/").status_code == 404


@pytest.mark.parametrize("scope", ["endpoints:read", "endpoints:write"])
def test_a_key_may_what_its_scopes_say(world: World, receiver: Receiver, scope: str) -> None:
    own = made(keyed(None), receiver)
    client = keyed(None, scope)
    for method, path in (("get", ""), ("get", "deliveries/"), ("post", "test/"), ("patch", "")):
        may = (scope == "endpoints:read") is (method == "get")
        assert (getattr(client, method)(f"{own['url']}{path}", {}, format="json").status_code != 403) is may


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": ""}, "name"),
        ({"kind": "fax"}, "kind"),
        ({"address": "https://169.254.169.254/latest/"}, "address"),
        ({"address": "https://crm.example:99999/"}, "address"),
        ({"kind": "pagerduty", "address": "x"}, "address"),
        ({"types": ["coaching.read"]}, "types"),
        ({"severity": "huge"}, "severity"),
        ({"digest_minutes": -1}, "digest_minutes"),
        ({"enabled": False}, "enabled"),
        ({"secret": "whsec_mine"}, "secret"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_field(world: World, receiver: Receiver, given: dict[str, Any], field: str) -> None:
    body = {"name": "CRM", "kind": "webhook", "address": f"{receiver.url}/fine"} | given
    refused = keyed(None).post(URL, body, format="json")
    assert refused.status_code == 400
    assert field in error(refused)["fields"]
    assert not Endpoint.objects.exists()


def test_what_is_left_out_of_a_change_stays(world: World, receiver: Receiver) -> None:
    client = keyed(None)
    own = made(client, receiver, kind="pagerduty", address=PAGER_KEY, types=["handover.opened"], teams=["Billing"])
    assert PAGER_KEY not in str(own)
    changed = client.patch(own["url"], {"name": "On call", "enabled": False}, format="json").json()
    assert (changed["name"], changed["enabled"], changed["disabled_reason"]) == ("On call", False, "by_hand")
    kept = Endpoint.objects.get()
    assert (kept.address, kept.types, [team.name for team in kept.teams.all()]) == (PAGER_KEY, ["handover.opened"], ["Billing"])
    assert client.patch(own["url"], {"enabled": True, "teams": []}, format="json").json()["teams"] == []
    assert client.patch(own["url"], {"kind": "slack"}, format="json").status_code == 400
    assert client.delete(own["url"]).status_code == 204
    assert client.get(own["url"]).status_code == 404


def test_a_rotated_secret_is_shown_once(world: World, receiver: Receiver) -> None:
    client = keyed(None)
    own = made(client, receiver)
    rotated = client.post(f"{own['url']}rotate-secret/", {"keep_hours": 1}, format="json").json()
    assert rotated["secret"] not in ("", own["secret"])
    assert [each["secret"] for each in Endpoint.objects.get().secrets] == [own["secret"], rotated["secret"]]
    assert client.post(f"{own['url']}rotate-secret/", {"keep_hours": 999}, format="json").status_code == 400
    mail = made(client, receiver, kind="email", address="a@example.org")
    assert client.post(f"{mail['url']}rotate-secret/", {}, format="json").status_code == 409


def test_deliveries_are_listed_narrowed_and_sent_again(world: World, receiver: Receiver) -> None:
    client = keyed(None)
    own = made(client, receiver, types=["call.received", "call.analyzed"])
    factories.done_call(world.billing)
    relayed(receiver)
    listed = client.get(f"{own['url']}deliveries/").json()["results"]
    assert [each["type"] for each in listed] == ["call.analyzed", "call.received"]
    page = client.get(f"{own['url']}deliveries/?page_size=1").json()
    assert client.get(page["next"]).json()["results"][0]["id"] == listed[1]["id"]
    assert len(client.get(f"{own['url']}deliveries/?type=call.received&status=delivered").json()["results"]) == 1
    assert client.get(f"{own['url']}deliveries/?state=delivered").status_code == 400
    again = client.post(f"{listed[0]['url']}replay/")
    assert (again.status_code, again.json()["status"]) == (202, "waiting")
    assert client.post(f"{listed[0]['url']}replay/").status_code == 409
    Delivery.objects.update(status=DeliveryStatus.FAILED)
    assert client.post(f"{own['url']}replay/", {"failed": True}, format="json").json() == {"deliveries": 2}
    relayed(receiver)
    span = {"since": (timezone.now() - timedelta(hours=1)).isoformat(), "until": (timezone.now() + timedelta(hours=1)).isoformat()}
    assert client.post(f"{own['url']}replay/", span, format="json").json() == {"deliveries": 2}
    for given in (
        {},
        {"failed": False},
        {"since": span["since"]},
        {"failed": True, **span},
        {"since": span["until"], "until": span["since"]},
    ):
        assert client.post(f"{own['url']}replay/", given, format="json").status_code == 400, given


def test_people_who_lead_no_team_have_no_endpoints(api: Callable[[str], APIClient], receiver: Receiver) -> None:
    for role, status in {"owner": 200, "supervisor": 200, "reviewer": 403, "agent": 403, "outsider": 404}.items():
        assert api(role).get(URL).status_code == status, role


def test_every_type_may_be_asked_for(world: World, receiver: Receiver) -> None:
    own = made(keyed(None), receiver, types=list(PUBLIC))
    assert set(own["types"]) == set(PUBLIC)
