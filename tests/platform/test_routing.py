"""Events on their way out: each to whoever asks for it, once in the end, in order where that is asked, and never for ever."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from standardwebhooks import Webhook

from callanalytics.egress import Answer, Egress, Policy
from callanalytics.events.models import Event
from callanalytics.events.services import event_record
from callanalytics.events.types import PUBLIC, public_payload
from callanalytics.privacy.services import call_erase
from callanalytics.routing import deliveries, sending
from callanalytics.routing.deliveries import (
    SCHEDULE_S,
    Tried,
    deliveries_claim,
    deliveries_forget,
    deliveries_release,
    deliveries_replay,
    deliveries_requeue_expired,
    deliveries_settle,
    endpoint_disable,
    endpoints_ready,
)
from callanalytics.routing.links import link
from callanalytics.routing.models import Attempt, Delivery, DeliveryStatus, DisabledReason, Endpoint, EndpointKind
from callanalytics.routing.outbox import events_relay, wants
from tests import factories
from tests.receiver import receiving
from worker.tasks import deliveries_sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_django import Settings

    from callanalytics.people.models import Team
    from tests.factories import World
    from tests.receiver import Receiver

SECRET, OLD_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_dGhlIG9sZCBzZWNyZXQgb2YgdGhlIGVuZHBvaW50"
FLAG = dict(PUBLIC["flag.raised"].example)
DELIVERED = Tried(True, 12, 200)
FAILED = Tried(False, 12, 500, error="It answered 500.")


def endpoint(address: str = "https://crm.example/hook", **fields: Any) -> Endpoint:
    return Endpoint.objects.create(
        name="CRM", kind=EndpointKind.WEBHOOK, address=address, secrets=[{"secret": SECRET, "until": None}], **fields
    )


def happened(type: str = "flag.raised", subject: str = "f1", team: Team | None = None, **payload: Any) -> Event:
    with transaction.atomic():
        return event_record(type=type, subject=subject, team=team, payload=FLAG | payload)


def delivery(own: Endpoint | None = None, **event: Any) -> Delivery:
    """One that waits, and is due."""
    own = own or endpoint()
    made = happened(**event)
    events_relay()
    return Delivery.objects.get(endpoint=own, event=made)


def due(own: Delivery) -> None:
    Delivery.objects.filter(id=own.id).update(due_at=timezone.now() - timedelta(seconds=1))


def tried(own: Delivery, outcome: Tried) -> Delivery:
    """Claimed and settled, as a relay does it."""
    due(own)
    Endpoint.objects.filter(id=own.endpoint_id).update(resting_until=None)
    (claimed,) = deliveries_claim(own.endpoint, 1)
    assert claimed.id == own.id
    assert deliveries_settle([claimed], outcome)
    own.refresh_from_db()
    own.endpoint.refresh_from_db()
    return own


def test_an_event_becomes_one_delivery_for_each_endpoint_and_only_once(world: World) -> None:
    first, second, off = endpoint(), endpoint(), endpoint(enabled=False, disabled_reason=DisabledReason.BY_HAND)
    event = happened()
    assert events_relay() == 1
    assert events_relay() == 0
    Event.objects.update(relayed_at=None)
    assert events_relay() == 1, "a relay that died between the two writes does it again"
    assert set(Delivery.objects.values_list("endpoint", "event")) == {(first.id, event.id), (second.id, event.id)}
    assert not off.deliveries.exists()


def test_what_stays_inside_is_told_to_nobody(world: World) -> None:
    endpoint()
    for type in ("coaching.read", "call.delayed", "calibration.made"):
        assert type not in PUBLIC
        happened(type)
    assert events_relay() == 3
    assert not Delivery.objects.exists()


def test_an_endpoint_gets_the_types_teams_and_severities_that_it_asks_for(world: World) -> None:
    flags, billing, severe = endpoint(types=["flag.raised", "flag.retracted"]), endpoint(), endpoint(severity="high")
    billing.teams.add(world.billing)
    mild, high = happened(team=world.billing, severity="medium"), happened(team=world.sales, severity="high")
    call = happened("call.failed", team=world.billing)
    del call.payload["severity"]
    asked = {own: [wants(own, event) for event in (mild, high, call)] for own in (flags, billing, severe)}
    assert asked == {flags: [True, True, False], billing: [True, False, True], severe: [False, True, True]}


@pytest.mark.parametrize("type", PUBLIC)
def test_every_public_type_has_an_example_of_its_own_fields(type: str) -> None:
    known = PUBLIC[type]
    assert known.summary
    assert set(known.example) <= set(known.fields)
    assert public_payload(type, {**known.example, "reason": "He shouted", "agent": "A17"}) == {
        name: value for name, value in {**known.example, "reason": "He shouted"}.items() if name in known.fields
    }


def test_a_delivery_is_claimed_once(world: World) -> None:
    own = delivery()
    (claimed,) = deliveries_claim(own.endpoint, 5)
    assert (claimed.status, claimed.attempts) == (DeliveryStatus.SENDING, 1)
    assert deliveries_claim(own.endpoint, 5) == []
    assert endpoints_ready() == []


def test_a_delivery_that_is_given_back_was_not_tried(world: World) -> None:
    own = delivery()
    deliveries_release(deliveries_claim(own.endpoint, 5))
    own.refresh_from_db()
    assert (own.status, own.attempts, own.lease_token) == (DeliveryStatus.WAITING, 0, None)
    assert endpoints_ready() == [own.endpoint]


def test_a_relay_that_died_loses_nothing_and_one_that_comes_back_late_writes_nothing(world: World) -> None:
    own = delivery()
    (late,) = deliveries_claim(own.endpoint, 1)
    assert deliveries_requeue_expired() == 0
    Delivery.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert deliveries_requeue_expired() == 1
    (again,) = deliveries_claim(own.endpoint, 1)
    assert not deliveries_settle([late], DELIVERED)
    assert deliveries_settle([again], DELIVERED)
    assert Attempt.objects.count() == 1


def test_what_was_delivered_is_done(world: World) -> None:
    own = tried(delivery(), DELIVERED)
    assert (own.status, own.attempts, own.lease_until) == (DeliveryStatus.DELIVERED, 1, None)
    assert own.delivered_at is not None
    assert endpoints_ready() == []


def test_failures_are_tried_again_by_the_schedule_and_given_up_after_it(world: World) -> None:
    own = delivery()
    for number, wait_s in enumerate(SCHEDULE_S[1:], 1):
        own = tried(own, FAILED)
        assert (own.status, own.attempts) == (DeliveryStatus.WAITING, number)
        left_s = (own.due_at - timezone.now()).total_seconds()
        assert wait_s - 2 < left_s < wait_s * 1.1 + 2
    own = tried(own, FAILED)
    assert (own.status, own.attempts) == (DeliveryStatus.FAILED, len(SCHEDULE_S))
    assert sum(SCHEDULE_S) == 75 * 3600 + 35 * 60 + 5
    assert own.tries.count() == len(SCHEDULE_S)


def test_a_receiver_may_ask_for_more_time(world: World) -> None:
    own = tried(delivery(), Tried(False, 9, 503, retry_after_s=120.0))
    assert 115 < (own.due_at - timezone.now()).total_seconds() < 125
    assert own.endpoint.resting_until is not None
    assert endpoints_ready() == []


def test_an_endpoint_that_fails_again_and_again_rests_and_is_then_asked_gently(world: World) -> None:
    own = endpoint()
    waiting = [delivery(own, subject=f"f{number}") for number in range(8)]
    for each in waiting[: deliveries.REST_AFTER]:
        (claimed,) = deliveries_claim(own, 1)
        assert claimed.id == each.id
        deliveries_settle([claimed], FAILED)
        own.refresh_from_db()
    assert own.resting_until is not None
    assert endpoints_ready() == []
    Endpoint.objects.update(resting_until=timezone.now() - timedelta(seconds=1))
    assert endpoints_ready() == [own]
    probe = deliveries_claim(own, 5)
    assert len(probe) == 1, "one alone, until it is well again"
    deliveries_settle([probe[0]], DELIVERED)
    own.refresh_from_db()
    assert own.failures == 0
    assert {own.failing_since, own.resting_until} == {None}
    assert len(deliveries_claim(own, 5)) == 2


@pytest.mark.parametrize(("failing", "stays"), [(timedelta(days=4, hours=23), True), (timedelta(days=5, minutes=1), False)])
def test_an_endpoint_that_fails_for_five_days_is_switched_off_with_an_event(world: World, failing: timedelta, stays: bool) -> None:
    own = delivery()
    Endpoint.objects.update(failing_since=timezone.now() - failing, failures=40)
    own = tried(own, FAILED)
    assert own.endpoint.enabled is stays
    told = Event.objects.filter(type="endpoint.disabled")
    assert told.exists() is not stays
    if not stays:
        assert told.get().payload == {"endpoint": str(own.endpoint_id), "reason": "failing"}
        assert own.status == DeliveryStatus.WAITING, "it waits for the endpoint to be switched on again"
        due(own)
        assert endpoints_ready() == []


def test_gone_is_gone(world: World) -> None:
    own = tried(delivery(), Tried(False, 3, 410))
    assert (own.endpoint.enabled, own.endpoint.disabled_reason) == (False, DisabledReason.GONE)
    with transaction.atomic():
        endpoint_disable(own.endpoint_id, DisabledReason.BY_HAND)
    assert Event.objects.filter(type="endpoint.disabled").count() == 1


def test_order_by_subject_is_kept_where_it_is_asked_for(world: World) -> None:
    own = endpoint(ordered=True)
    first, other = delivery(own, subject="f1"), delivery(own, subject="f2")
    second = delivery(own, subject="f1", type="flag.retracted")
    claimed = {each.id for each in deliveries_claim(own, 9)}
    assert claimed == {first.id, other.id}
    assert deliveries_claim(own, 9) == [], "the first is on its way"
    held = Delivery.objects.get(id=first.id)
    deliveries_settle([held], FAILED)
    assert deliveries_claim(own, 9) == [], "the first waits to be tried again"
    assert tried(first, DELIVERED).status == DeliveryStatus.DELIVERED
    assert [each.id for each in deliveries_claim(own, 9)] == [second.id]


def test_order_is_kept_while_another_relay_still_makes_what_comes_first(world: World) -> None:
    own = endpoint(ordered=True)
    first, second = happened(subject="f1"), happened("flag.retracted", subject="f1")
    events_relay()
    own.deliveries.filter(event=first).delete()
    Event.objects.filter(id=first.id).update(relayed_at=None)
    assert deliveries_claim(own, 9) == []
    events_relay()
    assert [each.event_id for each in deliveries_claim(own, 9)] == [first.id]
    assert own.deliveries.filter(event=second, status=DeliveryStatus.WAITING).exists()


def test_a_claim_looks_through_no_more_than_is_due(world: World) -> None:
    own = delivery().endpoint
    with CaptureQueriesContext(connection) as asked:
        assert deliveries_claim(own, 5)
    read = [each["sql"] for each in asked if each["sql"].startswith(("SELECT", "UPDATE"))]
    with connection.cursor() as cursor:
        for statement in read:
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}")
            assert not [row for row in cursor.fetchall() if row[3].startswith("SCAN routing_delivery")], statement
    assert len(read) == 3


def test_without_asking_for_order_nothing_waits_for_another(world: World) -> None:
    own = endpoint()
    both = {delivery(own, subject="f1").id, delivery(own, subject="f1", type="flag.retracted").id}
    assert {each.id for each in deliveries_claim(own, 9)} == both


def test_what_ended_can_be_sent_again_under_its_id(world: World) -> None:
    own = tried(delivery(), DELIVERED)
    waiting = delivery(own.endpoint, subject="f2")
    assert deliveries_replay(Delivery.objects.all()) == 1
    own.refresh_from_db()
    assert (own.status, own.attempts, own.delivered_at) == (DeliveryStatus.WAITING, 0, None)
    assert {each.event_id for each in deliveries_claim(own.endpoint, 9)} == {own.event_id, waiting.event_id}


def test_a_delivery_that_is_on_its_way_while_its_call_is_erased_leaves_no_body_and_is_not_tried_again(world: World) -> None:
    own = endpoint()
    call = factories.done_call(world.billing, external_id="C-20481")
    events_relay()
    claimed = deliveries_claim(own, 9)
    call_erase(user=world.owner, call_id=call.id, reason="asked for")
    for number, each in enumerate(claimed):
        body = {"headers": {}, "body": "C-20481"}
        assert deliveries_settle([each], Tried(number == 0, 1, 200 if number == 0 else 500, request=body, response=body))
    assert [each.status for each in own.deliveries.order_by("event_id")] == [DeliveryStatus.DELIVERED, *["dropped"] * (len(claimed) - 1)]
    assert len(claimed) > 1
    assert set(Attempt.objects.values_list("request__body", "response__body")) == {(None, None)}


def test_of_an_erased_call_that_no_relay_had_seen_nobody_is_told_but_that_it_is_gone(world: World) -> None:
    own = endpoint()
    call = factories.done_call(world.billing)
    call_erase(user=world.owner, call_id=call.id, reason="asked for")
    while events_relay():
        pass
    assert [each.event.type for each in own.deliveries.all()] == ["call.erased"]


def test_an_endpoint_of_other_teams_is_told_nothing_even_where_it_was_addressed_before(world: World) -> None:
    own = endpoint(types=["call.failed"])
    asked = happened("handover.escalated", team=world.billing, told=[str(own.id)])
    assert wants(own, asked)
    own.teams.add(world.sales)
    assert not wants(Endpoint.objects.get(), asked)


def test_old_deliveries_are_forgotten_and_what_is_under_way_is_not(world: World) -> None:
    own = tried(delivery(), DELIVERED)
    waiting = delivery(own.endpoint, subject="f2")
    Delivery.objects.update(created_at=timezone.now() - timedelta(days=40))
    assert deliveries_forget(timezone.now() - timedelta(days=30)) == 1
    assert list(Delivery.objects.all()) == [waiting]
    assert not Attempt.objects.exists()


@pytest.mark.parametrize("sweep", [deliveries_sweep, lambda: call_command("sweep")], ids=["by the clock", "by hand"])
def test_the_sweep_forgets_deliveries_after_the_days_that_are_set(world: World, settings: Settings, sweep: Callable[[], None]) -> None:
    settings.DELIVERIES_DAYS = 7
    own = endpoint()
    kept, old = tried(delivery(own, subject="new"), DELIVERED), tried(delivery(own, subject="old"), DELIVERED)
    for each, days in ((kept, 6), (old, 8)):
        Delivery.objects.filter(id=each.id).update(created_at=timezone.now() - timedelta(days=days))
    sweep()
    assert list(Delivery.objects.all()) == [kept]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


def sent(own: Delivery, receiver: Receiver) -> Tried:
    return sending.send([own], own.endpoint, Egress(Policy.of([receiver.url])), link)


def test_a_webhook_is_signed_thin_and_links_to_the_call(world: World, receiver: Receiver) -> None:
    call = factories.done_call(world.billing)
    own = delivery(endpoint(receiver.url + "/fine"), call=str(call.id), reason="He shouted: where is my money", start=28.04)
    outcome = sent(own, receiver)
    assert (outcome.delivered, outcome.status_code, outcome.error) == (True, 200, "")
    ((_, _, body, headers),) = receiver.asked
    told = Webhook(SECRET).verify(body, headers)
    assert headers["webhook-id"] == told["id"] == str(own.event_id)
    assert (told["type"], told["schema"]) == ("flag.raised", "callanalytics/event/1")
    assert told["data"]["link"] == f"http://localhost:8000/calls/{call.id}/?t=28.0"
    assert set(told["data"]) == {*FLAG, "subject", "link"}
    assert b"money" not in body
    assert abs((datetime.now(UTC) - datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)).total_seconds()) < 5


def test_what_cannot_be_made_into_a_request_is_a_failure_that_is_told(world: World, receiver: Receiver) -> None:
    own = delivery(endpoint(receiver.url + "/fine"))
    own.endpoint.secrets = [{"secret": "whsec_no secret at all", "until": None}]
    outcome = sent(own, receiver)
    assert (outcome.delivered, outcome.dropped, receiver.asked) == (False, False, [])
    assert "an error of this platform's own" in outcome.error


def test_while_a_secret_is_changed_both_sign(world: World, receiver: Receiver) -> None:
    until = {"past": timezone.now() - timedelta(minutes=1), "future": timezone.now() + timedelta(hours=1)}
    for when, verified in (("future", True), ("past", False)):
        own = delivery(endpoint(receiver.url + "/fine"), subject=when)
        own.endpoint.secrets = [{"secret": OLD_SECRET, "until": until[when].isoformat()}, {"secret": SECRET, "until": None}]
        sent(own, receiver)
        _, _, body, headers = receiver.asked[-1]
        assert Webhook(SECRET).verify(body, headers)["id"] == str(own.event_id)
        assert (len(headers["webhook-signature"].split()) == 2) is verified
        if verified:
            assert Webhook(OLD_SECRET).verify(body, headers)["id"] == str(own.event_id)


@pytest.mark.parametrize(("path", "status", "error"), [("/metadata", 302, "302"), ("/missing", 404, "404"), ("/reset", None, "broke off")])
def test_what_is_no_success_is_a_failure(world: World, receiver: Receiver, path: str, status: int | None, error: str) -> None:
    outcome = sent(delivery(endpoint(receiver.url + path)), receiver)
    assert (outcome.delivered, outcome.status_code) == (False, status)
    assert error in outcome.error
    assert len(receiver.asked) == 1


def test_the_log_holds_no_signature_and_is_cut(world: World, receiver: Receiver) -> None:
    outcome = sent(delivery(endpoint(receiver.url + "/long")), receiver)
    assert outcome.request is not None
    assert outcome.response is not None
    assert outcome.request["headers"]["webhook-signature"] == "…"
    assert "v1," not in json.dumps([outcome.request, outcome.response])
    assert len(outcome.response["body"]) == sending.KEPT_BYTES
    assert outcome.response["truncated"]


@pytest.mark.parametrize(
    ("status", "asked", "seconds"),
    [
        (429, "120", 120),
        (503, "Wed, 21 Oct 2026 07:28:30 GMT", 30),
        (503, "Wed, 21 Oct 2026 07:00:00 GMT", 0),
        (500, "120", 0),
        (429, "soon", 0),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(status: int, asked: str, seconds: float) -> None:
    now = datetime(2026, 10, 21, 7, 28, 0, tzinfo=UTC)
    assert sending.retry_after_s(Answer(status, {"retry-after": asked}, b"", False), now) == seconds
