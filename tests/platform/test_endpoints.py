"""What people do with endpoints: who may, what is refused, and what is sent again."""

from __future__ import annotations

import base64
import dataclasses
import ipaddress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import transaction
from django.utils import timezone
from standardwebhooks import Webhook

from callanalytics import egress
from callanalytics.calls.models import Call
from callanalytics.egress import Egress, Policy
from callanalytics.errors import ApplicationError, NotFoundError
from callanalytics.events.models import Event
from callanalytics.events.services import event_record
from callanalytics.events.types import PUBLIC, TEST
from callanalytics.routing import addresses, endpoints, replays, selectors, sending
from callanalytics.routing.deliveries import Tried, deliveries_claim, deliveries_settle, endpoints_ready
from callanalytics.routing.endpoints import EndpointDetails
from callanalytics.routing.links import link
from callanalytics.routing.models import Delivery, DeliveryStatus, DisabledReason, Endpoint, EndpointKind
from callanalytics.routing.outbox import events_relay
from callanalytics.routing.traffic import what_leaves
from tests import factories
from tests.factories import ROLES

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_django import Settings

    from callanalytics.people.models import Team, User
    from tests.factories import World
    from tests.receiver import Receiver

ROUTING_KEY = "R0UTINGKEY" + "0" * 22
FLAG = dict(PUBLIC["flag.raised"].example)
OF_ONE: dict[Callable[..., object], dict[str, Any]] = {
    selectors.endpoint_get: {},
    selectors.delivery_list: {},
    endpoints.endpoint_update: {},
    endpoints.endpoint_switch: {"enabled": False},
    endpoints.endpoint_rotate_secret: {},
    endpoints.endpoint_test: {},
    endpoints.endpoint_delete: {},
    replays.deliveries_replay_failed: {},
    replays.deliveries_replay_range: {"since": timezone.now(), "until": timezone.now()},
}
"""Everything that is done with one endpoint."""


def details(receiver: Receiver, **fields: Any) -> EndpointDetails:
    return EndpointDetails(**({"name": "CRM", "kind": "webhook", "address": f"{receiver.url}/fine"} | fields))


def created(user: User, receiver: Receiver, **fields: Any) -> Endpoint:
    return endpoints.endpoint_create(user=user, details=details(receiver, **fields)).endpoint


def refusal(act: Callable[..., object], *given: Any, **named: Any) -> ApplicationError:
    with pytest.raises(ApplicationError) as caught:
        act(*given, **named)
    return caught.value


def happened(subject: str = "f1", team: Team | None = None, type: str = "flag.raised", **payload: Any) -> Event:
    with transaction.atomic():
        return event_record(type=type, subject=subject, team=team, payload=FLAG | payload)


def settled(tried: Tried) -> None:
    """Everything that is due now is claimed and settled so."""
    for own in Endpoint.objects.all():
        deliveries_settle(deliveries_claim(own, 100), tried)


@pytest.mark.parametrize("role", ROLES)
def test_each_role_sees_the_endpoints_of_its_teams_only(world: World, receiver: Receiver, role: str) -> None:
    for name, teams in {"all": [], "both": [world.billing, world.sales], "sales": [world.sales], "billing": [world.billing]}.items():
        created(world.owner, receiver, name=name, team_ids=frozenset(team.id for team in teams))
    readable = {"owner": {"all", "both", "sales", "billing"}, "supervisor": {"both", "sales", "billing"}, "other_supervisor": {"sales"}}
    user = world.people()[role]
    assert {own.name for own in selectors.endpoint_list(user=user)} == readable.get(role, set())
    assert {health.endpoint.name for health in selectors.endpoint_healths(user=user)} == readable.get(role, set())
    for own in Endpoint.objects.all():
        if own.name not in readable.get(role, set()):
            for act, given in OF_ONE.items():
                named = given | ({"details": endpoints.endpoint_details(own)} if act is endpoints.endpoint_update else {})
                assert isinstance(refusal(act, user=user, endpoint_id=own.id, **named), NotFoundError), act
    assert Endpoint.objects.filter(enabled=True).count() == 4
    assert not Delivery.objects.exists()


def test_a_supervisor_makes_endpoints_of_supervised_teams_and_of_no_others(world: World, receiver: Receiver) -> None:
    for teams in (frozenset(), frozenset({world.billing.id}), frozenset({world.sales.id, world.billing.id}), frozenset({999_999})):
        error = refusal(created, world.other_supervisor, receiver, team_ids=teams)
        assert (error.field, error.code) == ("teams", "invalid")
    own = created(world.other_supervisor, receiver, team_ids=frozenset({world.sales.id}))
    widened = dataclasses.replace(endpoints.endpoint_details(own), team_ids=frozenset())
    assert refusal(endpoints.endpoint_update, user=world.other_supervisor, endpoint_id=own.id, details=widened).field == "teams"
    for role in ("reviewer", "agent", "outsider"):
        assert refusal(created, world.people()[role], receiver, team_ids=frozenset({world.billing.id})).code == "forbidden"
    assert Endpoint.objects.count() == 1


def test_a_supervisor_sees_of_an_endpoint_that_was_anothers_only_what_is_theirs(world: World, receiver: Receiver) -> None:
    own = created(world.owner, receiver)
    foreign, known = happened(team=world.billing), happened("f2", team=world.sales)
    events_relay()
    own.teams.set([world.sales])
    listed = selectors.delivery_list(user=world.other_supervisor, endpoint_id=own.id)
    assert [each.event_id for each in listed] == [known.id]
    hidden = Delivery.objects.get(event=foreign)
    with pytest.raises(NotFoundError):
        selectors.delivery_get(user=world.other_supervisor, delivery_id=hidden.id)
    settled(Tried(True, 1, 200))
    since, until = timezone.now() - timedelta(hours=1), timezone.now() + timedelta(hours=1)
    assert replays.deliveries_replay_range(user=world.other_supervisor, endpoint_id=own.id, since=since, until=until) == 1


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "n" * 121}, "name"),
        ({"kind": "fax"}, "kind"),
        ({"types": ("flag.raised", "coaching.read")}, "types"),
        ({"types": ("call.received",), "kind": "pagerduty", "address": ROUTING_KEY}, "types"),
        ({"severity": "huge"}, "severity"),
        ({"kind": "pagerduty", "address": "short"}, "address"),
        ({"kind": "email", "address": "nobody"}, "address"),
        ({"kind": "email", "address": ", ".join(["a@example.org"] * 21)}, "address"),
        ({"kind": "email", "address": "a@example.org\nBcc: b@example.org"}, "address"),
        ({"kind": "email", "address": "a@example.org", "digest_minutes": 1441}, "digest_minutes"),
        ({"team_ids": frozenset({999_999})}, "teams"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_field(world: World, receiver: Receiver, fields: dict[str, Any], field: str) -> None:
    assert refusal(created, world.owner, receiver, **fields).field == field
    assert not Endpoint.objects.exists()


@pytest.mark.parametrize("kind", ["webhook", "slack"])
@pytest.mark.parametrize(
    "address",
    [
        "http://hooks.example.org/x",
        "https://localhost/x",
        "https://10.0.0.7/x",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::ffff:127.0.0.1]/x",
        "https://user:word@hooks.example.org/x",
        "https://8.8.8.8:25/x",
        "ftp://hooks.example.org/x",
        "no address",
        "",
        "https://e.example/" + "x" * 2000,
    ],
)
def test_an_address_that_may_not_be_sent_to_is_refused_when_it_is_saved(world: World, kind: str, address: str) -> None:
    made = EndpointDetails(name="CRM", kind=kind, address=address)
    assert refusal(endpoints.endpoint_create, user=world.owner, details=made).field == "address"
    assert not Endpoint.objects.exists()


def test_a_refusal_tells_nothing_of_what_a_name_stands_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def resolved(host: str, port: int) -> Any:
        if host == "unknown.example":
            raise egress.EgressError("The name of the host could not be resolved.", "name")
        return [ipaddress.ip_address("10.9.8.7")]

    monkeypatch.setattr(egress, "resolve", resolved)
    said = {refusal(addresses.address_checked, "webhook", f"https://{host}/").message for host in ("unknown.example", "inner.example")}
    assert len(said) == 1
    assert "10.9" not in said.pop()


def test_without_a_mail_server_there_is_no_mail_endpoint(world: World, receiver: Receiver, settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    assert "CALLANALYTICS_EMAIL_URL" in refusal(created, world.owner, receiver, kind="email", address="a@example.org").message


def test_a_secret_is_made_here_and_only_for_what_is_signed(world: World, receiver: Receiver) -> None:
    shown = endpoints.endpoint_create(user=world.owner, details=details(receiver))
    assert shown.secret.startswith("whsec_")
    assert 24 <= len(base64.b64decode(shown.secret.removeprefix("whsec_"))) <= 64
    assert shown.endpoint.secrets == [{"secret": shown.secret, "until": None}]
    assert shown.secret != endpoints.endpoint_create(user=world.owner, details=details(receiver)).secret
    for kind, address in (("slack", f"{receiver.url}/fine"), ("pagerduty", ROUTING_KEY), ("email", "a@example.org,b@example.org")):
        other = endpoints.endpoint_create(user=world.owner, details=details(receiver, kind=kind, address=address))
        assert (other.secret, other.endpoint.secrets) == ("", [])
        assert refusal(endpoints.endpoint_rotate_secret, user=world.owner, endpoint_id=other.endpoint.id).code == "conflict"
    assert Endpoint.objects.get(kind="pagerduty").ordered, "an incident opens before it is closed"
    assert Endpoint.objects.get(kind="email").address == "a@example.org, b@example.org"


def test_after_a_rotation_the_old_secret_signs_along_for_as_long_as_was_said(world: World, receiver: Receiver) -> None:
    shown = endpoints.endpoint_create(user=world.owner, details=details(receiver))
    again = endpoints.endpoint_rotate_secret(user=world.owner, endpoint_id=shown.endpoint.id)
    for hours, good in ((23, {shown.secret, again.secret}), (25, {again.secret})):
        signed = sending.signatures(again.endpoint, "e1", timezone.now() + timedelta(hours=hours), "{}").split()
        assert len(signed) == len(good)
    last = endpoints.endpoint_rotate_secret(user=world.owner, endpoint_id=shown.endpoint.id, keep_hours=0)
    assert last.endpoint.secrets == [{"secret": last.secret, "until": None}], "a secret that leaked stops at once, and older ones with it"
    for hours in (-1, 169):
        error = refusal(endpoints.endpoint_rotate_secret, user=world.owner, endpoint_id=shown.endpoint.id, keep_hours=hours)
        assert error.field == "keep_hours"


def test_no_secret_gets_into_the_outbox(world: World, receiver: Receiver) -> None:
    shown = endpoints.endpoint_create(user=world.owner, details=details(receiver))
    again = endpoints.endpoint_rotate_secret(user=world.owner, endpoint_id=shown.endpoint.id)
    endpoints.endpoint_update(user=world.owner, endpoint_id=shown.endpoint.id, details=details(receiver, name="CRM 2", severity="high"))
    endpoints.endpoint_update(user=world.owner, endpoint_id=shown.endpoint.id, details=details(receiver, name="CRM 2", severity="high"))
    endpoints.endpoint_switch(user=world.owner, endpoint_id=shown.endpoint.id, enabled=False)
    endpoints.endpoint_switch(user=world.owner, endpoint_id=shown.endpoint.id, enabled=True)
    endpoints.endpoint_delete(user=world.owner, endpoint_id=shown.endpoint.id)
    told = list(Event.objects.filter(subject=str(shown.endpoint.id)).order_by("id"))
    assert [event.type.removeprefix("endpoint.") for event in told] == [
        "created",
        "secret_rotated",
        "updated",
        "disabled",
        "enabled",
        "deleted",
    ]
    assert told[2].payload == {"changed": ["name", "severity"]}
    assert {event.actor for event in told} == {world.owner}
    assert not any(secret in str(event.payload) for event in told for secret in (shown.secret, again.secret, receiver.url))
    assert {event.type for event in told if event.type in PUBLIC} == {"endpoint.disabled"}


def test_the_kind_stays_and_an_address_is_looked_up_only_when_it_changes(world: World, receiver: Receiver, settings: Settings) -> None:
    own = created(world.owner, receiver)
    settings.EGRESS_ALLOW = []
    renamed = endpoints.endpoint_update(user=world.owner, endpoint_id=own.id, details=details(receiver, name="Other"))
    assert renamed.name == "Other"
    moved = details(receiver, address=f"{receiver.url}/long")
    assert refusal(endpoints.endpoint_update, user=world.owner, endpoint_id=own.id, details=moved).field == "address"
    other = details(receiver, kind="slack")
    assert refusal(endpoints.endpoint_update, user=world.owner, endpoint_id=own.id, details=other).field == "kind"


def test_switched_on_again_what_failed_is_forgotten_and_what_waited_goes(world: World, receiver: Receiver) -> None:
    own = created(world.owner, receiver)
    happened()
    events_relay()
    Endpoint.objects.update(
        enabled=False,
        disabled_reason=DisabledReason.FAILING,
        disabled_at=timezone.now(),
        failures=40,
        failing_since=timezone.now() - timedelta(days=6),
    )
    assert [each.id for each in selectors.endpoints_given_up(user=world.owner)] == [own.id]
    assert not selectors.endpoints_given_up(user=world.supervisor).exists()
    own = endpoints.endpoint_switch(user=world.owner, endpoint_id=own.id, enabled=True)
    assert (own.failures, own.failing_since, own.disabled_at, own.disabled_reason) == (0, None, None, "")
    assert len(deliveries_claim(own, 5)) == 1
    endpoints.endpoint_switch(user=world.owner, endpoint_id=own.id, enabled=False)
    assert not selectors.endpoints_given_up(user=world.owner).exists(), "a person knows what they switched off"


def test_a_test_goes_to_one_endpoint_before_all_that_waits_and_is_tried_once(world: World, receiver: Receiver) -> None:
    shown = endpoints.endpoint_create(user=world.owner, details=details(receiver))
    other = created(world.owner, receiver)
    happened()
    events_relay()
    Endpoint.objects.filter(id=shown.endpoint.id).update(failures=9, resting_until=timezone.now() + timedelta(minutes=4))
    asked = endpoints.endpoint_test(user=world.owner, endpoint_id=shown.endpoint.id)
    assert events_relay() == 0
    assert not other.deliveries.filter(event=asked.event).exists()
    own = Endpoint.objects.get(id=shown.endpoint.id)
    (claimed,) = deliveries_claim(own, 9)
    assert claimed.id == asked.id
    deliveries_settle([claimed], sending.send([claimed], own, Egress(Policy.of([receiver.url])), link))
    ((_, _, body, headers),) = receiver.asked
    assert Webhook(shown.secret).verify(body, headers)["type"] == TEST
    failing = endpoints.endpoint_test(user=world.owner, endpoint_id=own.id)
    deliveries_settle(deliveries_claim(own, 1), Tried(False, 3, 500))
    failing.refresh_from_db()
    assert failing.status == DeliveryStatus.FAILED
    endpoints.endpoint_switch(user=world.owner, endpoint_id=own.id, enabled=False)
    assert refusal(endpoints.endpoint_test, user=world.owner, endpoint_id=own.id).code == "conflict"


def test_a_delivery_that_nobody_sends_is_late(world: World, receiver: Receiver) -> None:
    own = created(world.owner, receiver)
    asked = endpoints.endpoint_test(user=world.owner, endpoint_id=own.id)
    assert not selectors.is_late(asked)
    Delivery.objects.update(created_at=timezone.now() - timedelta(seconds=31))
    late = selectors.delivery_get(user=world.owner, delivery_id=asked.id)
    assert selectors.is_late(late)
    late.endpoint.resting_until = timezone.now() + timedelta(seconds=9)
    assert not selectors.is_late(late)


def test_one_delivery_is_sent_again_and_not_while_it_is_on_its_way(world: World, receiver: Receiver) -> None:
    created(world.owner, receiver)
    event = happened()
    events_relay()
    own = Delivery.objects.get()
    assert refusal(replays.delivery_replay, user=world.owner, delivery_id=own.id).code == "conflict"
    settled(Tried(True, 1, 200))
    assert replays.delivery_replay(user=world.owner, delivery_id=own.id).status == DeliveryStatus.WAITING
    settled(Tried(True, 1, 200))
    Event.objects.filter(id=event.id).update(payload={})
    assert "nothing left" in refusal(replays.delivery_replay, user=world.owner, delivery_id=own.id).message


def test_all_that_failed_is_sent_again(world: World, receiver: Receiver) -> None:
    own, beside = created(world.owner, receiver), created(world.owner, receiver)
    for number in range(4):
        happened(f"f{number}")
    events_relay()
    Delivery.objects.update(attempts=9)
    settled(Tried(False, 1, 500))
    assert Delivery.objects.filter(status=DeliveryStatus.FAILED).count() == 8
    assert replays.deliveries_replay_failed(user=world.owner, endpoint_id=own.id) == 4
    assert beside.deliveries.filter(status=DeliveryStatus.FAILED).count() == 4
    assert replays.deliveries_replay_failed(user=world.owner, endpoint_id=own.id) == 0
    assert Event.objects.get(type="endpoint.replayed").payload == {"deliveries": 4}


def test_a_range_is_sent_again_with_what_was_missed_while_the_endpoint_was_off(world: World, receiver: Receiver) -> None:
    own = created(world.owner, receiver, types=("flag.raised",), team_ids=frozenset({world.billing.id}), severity="high")
    told, old = happened("told", world.billing), happened("old", world.billing)
    events_relay()
    settled(Tried(True, 1, 200))
    endpoints.endpoint_switch(user=world.owner, endpoint_id=own.id, enabled=False)
    missed = happened("missed", world.billing)
    happened("mild", world.billing, severity="medium")
    happened("beside", world.sales)
    happened("other type", world.billing, type="flag.updated")
    events_relay()
    endpoints.endpoint_switch(user=world.owner, endpoint_id=own.id, enabled=True)
    Event.objects.filter(id=old.id).update(created_at=timezone.now() - timedelta(days=2))
    since, until = timezone.now() - timedelta(days=1), timezone.now() + timedelta(minutes=1)
    assert replays.deliveries_replay_range(user=world.owner, endpoint_id=own.id, since=since, until=until) == 2
    assert {each.event_id for each in deliveries_claim(own, 9)} == {told.id, missed.id}
    assert replays.deliveries_replay_range(user=world.owner, endpoint_id=own.id, since=since, until=until) == 0


def test_a_range_holds_no_test_of_another_endpoint(world: World, receiver: Receiver) -> None:
    own, other = created(world.owner, receiver), created(world.owner, receiver)
    endpoints.endpoint_test(user=world.owner, endpoint_id=other.id)
    since, until = timezone.now() - timedelta(hours=1), timezone.now() + timedelta(hours=1)
    assert replays.deliveries_replay_range(user=world.owner, endpoint_id=own.id, since=since, until=until) == 0


def test_a_range_that_is_none_or_too_much_is_refused(world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    own, now = created(world.owner, receiver), timezone.now()
    for since, until in ((now, now), (now, now - timedelta(hours=1)), (now - timedelta(days=32), now)):
        error = refusal(replays.deliveries_replay_range, user=world.owner, endpoint_id=own.id, since=since, until=until)
        assert error.field == "until"
    for number in range(3):
        happened(f"f{number}")
    events_relay()
    settled(Tried(True, 1, 200))
    monkeypatch.setattr(replays, "MOST", 2)
    with pytest.raises(ApplicationError, match="more than 2"):
        replays.deliveries_replay_range(user=world.owner, endpoint_id=own.id, since=now, until=now + timedelta(days=1))
    assert not Delivery.objects.exclude(status=DeliveryStatus.DELIVERED).exists()


def test_the_log_is_narrowed_and_tells_what_went_where(world: World, receiver: Receiver) -> None:
    own = created(world.owner, receiver)
    first, second = happened("f1"), happened("f2", type="flag.retracted")
    events_relay()
    settled(Tried(False, 1, 500, error="It answered 500."))

    def listed(**filters: Any) -> set[object]:
        chosen = selectors.DeliveryFilters(**filters)
        return {each.event_id for each in selectors.delivery_list(user=world.owner, endpoint_id=own.id, filters=chosen)}

    assert listed() == listed(status="waiting") == {first.id, second.id}
    assert listed(type="flag.retracted") == {second.id}
    assert listed(status="delivered") == listed(since=timezone.now() + timedelta(hours=1)) == set()
    assert listed(before=Delivery.objects.get(event=second).id) == {first.id}
    (found,) = selectors.endpoint_healths(user=world.owner)
    assert (found.waiting, found.failed, found.last_delivered_at) == (2, 0, None)


def test_what_leaves_is_listed_by_host_with_what_went_there(world: World, receiver: Receiver, settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "mail.example", 587
    settings.S3 = dataclasses.replace(settings.S3, access_key_id="key", region="eu-central-1")
    settings.TWILIO = dataclasses.replace(settings.TWILIO, account_sid="AC1")
    first, second = created(world.owner, receiver), created(world.owner, receiver, team_ids=frozenset({world.sales.id}))
    created(world.owner, receiver, kind="email", address="a@example.org")
    created(world.owner, receiver, kind="pagerduty", address=ROUTING_KEY)
    off = created(world.owner, receiver, address=f"{receiver.url}/long")
    endpoints.endpoint_switch(user=world.owner, endpoint_id=off.id, enabled=False)
    for source in ("https://store.example/a.wav", "https://store.example/b.wav", "s3://bucket/c.wav"):
        Call.objects.filter(id=factories.queued_call(world.billing).id).update(source=source, source_digest=source)
    happened("f1")
    events_relay()
    settled(Tried(False, 1, 500, error="It answered 500."))
    found = what_leaves(user=world.owner)
    here = next(each for each in found.hosts if each.host == receiver.url.removeprefix("http://"))
    assert {each.id for each in here.endpoints} == {first.id, second.id}
    assert here.requests == here.failed == first.deliveries.count() > 0
    assert here.last_at is not None
    assert {each.host for each in found.hosts} == {here.host, "mail.example:587", "events.pagerduty.com"}
    assert (found.others, found.mail_server, found.allowed) == (0, "mail.example:587", (receiver.url,))
    assert found.recording_stores == ("*.s3.eu-central-1.amazonaws.com", "*.twilio.com")
    assert [(each.host, each.calls) for each in found.fetched] == [("bucket", 1), ("store.example", 2)]
    beside = what_leaves(user=world.other_supervisor)
    assert [(each.endpoints[0].id, each.requests) for each in beside.hosts] == [(second.id, 0)]
    assert (beside.others, beside.fetched) == (3, ())


def test_what_of_an_address_is_a_secret_is_not_shown(world: World) -> None:
    slack = Endpoint(kind=EndpointKind.SLACK, address="https://hooks.slack.com/services/T0/B0/verysecretXYZW")
    assert addresses.address_shown(slack) == "hooks.slack.com/…XYZW"
    assert addresses.address_shown(Endpoint(kind=EndpointKind.PAGERDUTY, address=ROUTING_KEY)) == "…0000"
    assert addresses.address_shown(Endpoint(kind=EndpointKind.WEBHOOK, address="https://crm.example/in")) == "https://crm.example/in"


def test_what_waits_is_sent_at_once_when_a_person_asks(world: World) -> None:
    delivery = factories.delivered(factories.analyzed(factories.agents_call(world)))
    later = timezone.now() + timedelta(hours=5)
    Delivery.objects.filter(id=delivery.id).update(status=DeliveryStatus.WAITING, due_at=later, delivered_at=None)
    Endpoint.objects.update(failures=6, resting_until=later)
    assert endpoints_ready() == []
    assert replays.deliveries_hurry(user=world.supervisor, endpoint_id=delivery.endpoint_id) == 1
    assert [endpoint.id for endpoint in endpoints_ready()] == [delivery.endpoint_id]
    with pytest.raises(NotFoundError):
        replays.deliveries_hurry(user=world.other_supervisor, endpoint_id=delivery.endpoint_id)
