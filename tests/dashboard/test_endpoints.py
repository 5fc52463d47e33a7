"""The pages of endpoints: made, tried, looked after, and what leaves, as a person does it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from standardwebhooks import Webhook

from callanalytics.egress import Egress, Policy
from callanalytics.events.services import event_record
from callanalytics.events.types import PUBLIC, TEST
from callanalytics.routing import sending
from callanalytics.routing.deliveries import deliveries_claim, deliveries_settle, endpoints_ready
from callanalytics.routing.links import link
from callanalytics.routing.models import Delivery, DeliveryStatus, DisabledReason, Endpoint
from callanalytics.routing.outbox import events_relay, types_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from tests.factories import World
    from tests.receiver import Receiver

PAGER_KEY = "R0UTINGKEY" + "0" * 22


def made(client: Client, receiver: Receiver, kind: str = "webhook", **given: object) -> Endpoint:
    data = {"name": "CRM", "address": f"{receiver.url}/fine", "severity": "", "digest_minutes": "15"} | given
    response = client.post(reverse("endpoint-new", args=[kind]), data)
    assert response.status_code == 302, response.content.decode()
    return Endpoint.objects.latest("created_at")


def page(client: Client, name: str, *arguments: object) -> str:
    response = client.get(reverse(name, args=arguments))
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def relayed(receiver: Receiver) -> None:
    events_relay()
    egress = Egress(Policy.of([receiver.url]))
    for own in endpoints_ready():
        for parcel in sending.parcels(own, deliveries_claim(own, 99)):
            deliveries_settle(parcel, sending.send(parcel, own, egress, link))


def test_a_webhook_is_made_its_secret_shown_once_and_a_test_shows_what_came_back(
    browser: Callable[[str], Client], receiver: Receiver
) -> None:
    client = browser("owner")
    own = made(client, receiver, types=["flag.raised"], ordered="on")
    assert (own.types, own.ordered, own.kind) == (["flag.raised"], True, "webhook")
    first = page(client, "endpoint-secret", own.id)
    secret = re.search(r'value="(whsec_[^"]+)"', first)
    assert secret
    assert client.get(reverse("endpoint-secret", args=[own.id])).status_code == 302, "only once"
    assert secret[1] not in page(client, "endpoint-detail", own.id)
    asked = client.post(reverse("endpoint-test", args=[own.id]))
    assert "The relay sends it" in page(client, "delivery-detail", Delivery.objects.get().id)
    relayed(receiver)
    ((_, _, body, headers),) = receiver.asked
    assert Webhook(secret[1]).verify(body, headers)["type"] == TEST
    shown = " ".join(client.get(asked["Location"]).content.decode().split())
    assert "It arrived: 200" in shown
    assert "thanks" in shown
    assert "webhook-signature" in shown
    assert "v1," not in shown


def test_a_page_of_a_delivery_under_way_asks_again_and_one_that_ended_does_not(
    browser: Callable[[str], Client], receiver: Receiver
) -> None:
    client = browser("owner")
    own = made(client, receiver)
    client.post(reverse("endpoint-test", args=[own.id]))
    where = reverse("delivery-detail", args=[Delivery.objects.get().id])
    waiting = client.get(where, headers={"HX-Request": "true"}).content.decode()
    assert 'hx-trigger="every 1s"' in waiting
    assert "<html" not in waiting
    Delivery.objects.update(created_at=timezone.now() - timedelta(minutes=1))
    assert "callanalytics relay" in client.get(where).content.decode()
    relayed(receiver)
    assert "hx-trigger" not in client.get(where, headers={"HX-Request": "true"}).content.decode()


def test_a_form_that_makes_no_sense_says_why_at_its_field(browser: Callable[[str], Client], receiver: Receiver, world: World) -> None:
    client = browser("owner")
    where = reverse("endpoint-new", args=["webhook"])
    refused = client.post(where, {"name": "CRM", "address": "https://10.0.0.7/hook", "severity": ""})
    assert refused.status_code == 422
    assert "CALLANALYTICS_EGRESS_ALLOW" in refused.context["form"].errors["address"][0]
    for data, field in (({"types": ["coaching.read"]}, "types"), ({"severity": "huge"}, "severity"), ({"name": ""}, "name")):
        given = {"name": "CRM", "address": f"{receiver.url}/fine", "severity": ""} | data
        assert field in client.post(where, given).context["form"].errors
    alone = browser("other_supervisor").post(where, {"name": "CRM", "address": f"{receiver.url}/fine", "severity": ""})
    assert "teams" in alone.context["form"].errors
    assert client.get(reverse("endpoint-new", args=["fax"])).status_code == 404
    assert not Endpoint.objects.exists()


@pytest.mark.parametrize("kind", ["webhook", "slack", "pagerduty", "email"])
def test_each_kind_offers_the_events_it_can_be_told_with_an_explanation(
    browser: Callable[[str], Client], receiver: Receiver, kind: str
) -> None:
    shown = page(browser("supervisor"), "endpoint-new", kind)
    offered = set(re.findall(r'name="types" value="([^"]+)"', shown))
    assert offered == set(types_for(kind)) - {TEST}
    assert all(PUBLIC[type].summary.replace("'", "&#x27;") in shown for type in offered)
    assert ("One mail gathers" in shown) is (kind == "email")
    assert ("In order" in shown) is (kind in ("webhook", "slack"))


def test_an_address_that_is_a_secret_is_kept_without_being_shown(browser: Callable[[str], Client], receiver: Receiver) -> None:
    client = browser("owner")
    own = made(client, receiver, "pagerduty", address=PAGER_KEY)
    for name in ("endpoint-list", "endpoint-detail", "endpoint-edit"):
        assert PAGER_KEY not in page(client, name, *([] if name == "endpoint-list" else [own.id]))
    client.post(reverse("endpoint-edit", args=[own.id]), {"name": "On call", "address": "", "severity": "high"})
    own.refresh_from_db()
    assert (own.name, own.address, own.severity) == ("On call", PAGER_KEY, "high")


def test_an_endpoint_is_edited_switched_given_a_new_secret_and_deleted(browser: Callable[[str], Client], receiver: Receiver) -> None:
    client = browser("owner")
    own = made(client, receiver)
    data = {"name": "Other", "address": f"{receiver.url}/long", "severity": "", "types": ["call.failed"]}
    client.post(reverse("endpoint-edit", args=[own.id]), data)
    own.refresh_from_db()
    assert (own.name, own.address, own.types) == ("Other", f"{receiver.url}/long", ["call.failed"])
    before = own.secrets[0]["secret"]
    client.post(reverse("endpoint-rotate", args=[own.id]), {"keep_hours": "24"})
    shown = page(client, "endpoint-secret", own.id)
    assert before not in shown
    assert "signs along until" in shown
    for enabled in (False, True):
        client.post(reverse("endpoint-switch", args=[own.id]), {"enabled": "1" if enabled else "0"})
        own.refresh_from_db()
        assert own.enabled is enabled
    client.post(reverse("endpoint-delete", args=[own.id]))
    assert not Endpoint.objects.exists()


def test_the_log_is_shown_narrowed_and_paged(browser: Callable[[str], Client], receiver: Receiver) -> None:
    client = browser("owner")
    own = made(client, receiver)
    with transaction.atomic():
        for number in range(60):
            type = "call.failed" if number % 20 == 0 else "call.received"
            event_record(type=type, subject=f"s{number}", team=None, payload=PUBLIC[type].example)
    relayed(receiver)
    where = reverse("endpoint-detail", args=[own.id])
    first = client.get(where)
    assert len(first.context["deliveries"]) == 50
    second = client.get(where + first.context["older_url"].partition("#")[0])
    assert len(second.context["deliveries"]) == 10
    assert not {each.id for each in first.context["deliveries"]} & {each.id for each in second.context["deliveries"]}
    assert len(client.get(where, {"type": "call.failed"}).context["deliveries"]) == 3
    assert len(client.get(where, {"status": "failed"}).context["deliveries"]) == 0
    assert len(client.get(where, {"since": "no date", "before": "x"}).context["deliveries"]) == 50


def test_what_ended_is_sent_again_from_the_pages(browser: Callable[[str], Client], receiver: Receiver) -> None:
    client = browser("owner")
    own = made(client, receiver)
    with transaction.atomic():
        event_record(type="call.received", subject="s1", team=None, payload=PUBLIC["call.received"].example)
    relayed(receiver)
    delivery = Delivery.objects.get()
    client.post(reverse("delivery-replay", args=[delivery.id]))
    relayed(receiver)
    assert receiver.ids("/fine") == [str(delivery.event_id)] * 2
    span = {"since": timezone.now() - timedelta(hours=1), "until": timezone.now() + timedelta(hours=1)}
    client.post(reverse("endpoint-replay", args=[own.id]), {name: f"{at:%Y-%m-%dT%H:%M}" for name, at in span.items()})
    Delivery.objects.update(status=DeliveryStatus.FAILED)
    assert "1 that was given up" in page(client, "endpoint-detail", own.id)
    client.post(reverse("endpoint-replay-failed", args=[own.id]))
    relayed(receiver)
    assert len(receiver.ids("/fine")) == 3
    backwards = {"since": f"{span['until']:%Y-%m-%dT%H:%M}", "until": f"{span['since']:%Y-%m-%dT%H:%M}"}
    refused = client.post(reverse("endpoint-replay", args=[own.id]), backwards)
    assert refused.status_code == 422
    assert "after it begins" in refused.content.decode()


def test_a_banner_is_on_every_page_until_somebody_looks_after_the_endpoint(
    browser: Callable[[str], Client], receiver: Receiver, world: World
) -> None:
    owner = browser("owner")
    own = made(owner, receiver, name="Night desk", teams=[world.sales.id])
    told = "Night desk</strong> gets no more events"
    assert told not in page(owner, "help")
    Endpoint.objects.update(enabled=False, disabled_reason=DisabledReason.GONE, disabled_at=timezone.now())
    seen = {role for role in world.people() if role != "outsider" and told in page(browser(role), "help")}
    assert seen == {"owner", "supervisor", "other_supervisor"}
    assert told in page(owner, "overview")
    owner.post(reverse("endpoint-switch", args=[own.id]), {"enabled": "1"})
    assert told not in page(owner, "overview")


def test_what_leaves_names_every_host_and_says_that_there_is_no_other(
    browser: Callable[[str], Client], receiver: Receiver, world: World
) -> None:
    assert "no endpoint is switched on" in page(browser("owner"), "egress")
    made(browser("owner"), receiver)
    shown = page(browser("owner"), "egress")
    assert receiver.url.removeprefix("http://") in shown
    assert "Nothing else." in shown
    assert "1 endpoint of other teams is not shown" in page(browser("other_supervisor"), "egress")
    assert receiver.url.removeprefix("http://") not in page(browser("reviewer"), "about")
    assert "1 endpoint that events are sent to" in page(browser("reviewer"), "about")


def test_only_who_may_use_it_is_shown_the_way_to_integrations(browser: Callable[[str], Client], world: World) -> None:
    shown = {role for role in world.people() if role != "outsider" and f'href="{reverse("endpoint-list")}"' in page(browser(role), "help")}
    assert shown == {"owner", "supervisor", "other_supervisor"}
