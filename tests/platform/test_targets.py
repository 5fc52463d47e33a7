"""Ready-made targets: what a chat, a pager and a mailbox are told of the same events, by the same machinery."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import transaction
from django.utils import timezone

from callanalytics.calls.models import Flag, FlagStatus
from callanalytics.egress import Egress, Policy
from callanalytics.events.models import Event
from callanalytics.events.services import event_record
from callanalytics.events.types import PUBLIC, TEST
from callanalytics.privacy.services import call_erase
from callanalytics.routing import pagerduty, sending
from callanalytics.routing.addresses import MOST_ADDRESSES
from callanalytics.routing.deliveries import deliveries_claim, deliveries_settle, endpoints_ready
from callanalytics.routing.links import link
from callanalytics.routing.models import Attempt, Delivery, DeliveryStatus, Endpoint, EndpointKind, Handover, HandoverStatus
from callanalytics.routing.outbox import events_relay, types_for
from callanalytics.routing.telling import told
from tests import factories
from tests.mail_server import serving
from tests.receiver import receiving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django import Settings

    from callanalytics.calls.models import Call
    from tests.factories import World
    from tests.mail_server import MailServer
    from tests.receiver import Receiver

FLAG = dict(PUBLIC["flag.raised"].example)
ROUTING_KEY = "R0UTINGKEY" + "0" * 22


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    with receiving() as server:
        settings.PAGERDUTY_URL = f"{server.url}/accepted"
        yield server


@pytest.fixture
def mails(settings: Settings) -> Iterator[MailServer]:
    with serving() as server:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        yield server


def endpoint(kind: EndpointKind, address: str, **fields: Any) -> Endpoint:
    return Endpoint.objects.create(name=kind.label, kind=kind, address=address, **fields)


def happened(type: str = "flag.raised", subject: str = "f1", **payload: Any) -> Event:
    with transaction.atomic():
        return event_record(type=type, subject=subject, team=None, payload=FLAG | payload)


def analysed(world: World) -> Call:
    """A flagged call that everybody has been told of already."""
    call = factories.done_call(world.billing)
    Event.objects.update(relayed_at=timezone.now())
    return call


def relayed(receiver: Receiver | None = None) -> list[Delivery]:
    """One turn of everything that is due, in this thread: a relay's own would not see the test's transaction."""
    events_relay()
    Delivery.objects.filter(status=DeliveryStatus.WAITING).update(due_at=timezone.now() - timedelta(seconds=1))
    egress = Egress(Policy.of([receiver.url] if receiver else []))
    for own in endpoints_ready():
        while claimed := deliveries_claim(own, sending.TOGETHER):
            for parcel in sending.parcels(own, claimed):
                deliveries_settle(parcel, sending.send(parcel, own, egress, link))
    return list(Delivery.objects.order_by("event_id"))


def test_every_kind_of_endpoint_can_be_told() -> None:
    assert {*sending.BODIES, EndpointKind.EMAIL} == set(EndpointKind)


@pytest.mark.parametrize("type", PUBLIC)
def test_every_type_of_event_can_be_said_in_plain_words(type: str) -> None:
    known = PUBLIC[type]
    event = factories.event(type, dict(known.example))
    about = told(event, "https://calls.example/")
    assert about.headline[:1].isupper()
    assert "_" not in about.headline
    said = " ".join(f"{label} {value}" for label, value in about.facts)
    assert not any(f"{identity}" in said for name, identity in known.example.items() if name in ("call", "flag", "handover", "endpoint"))
    assert "{" not in said


def test_a_chat_reads_severity_rule_evidence_and_a_link(world: World, receiver: Receiver) -> None:
    endpoint(EndpointKind.SLACK, f"{receiver.url}/fine")
    happened(external_id="C <!channel> & co")
    (own,) = relayed(receiver)
    assert own.status == DeliveryStatus.DELIVERED
    ((_, _, body, headers),) = receiver.asked
    assert headers["content-type"] == "application/json"
    said = json.loads(body)
    assert "|Flag raised: High frustration>*" in said["text"]
    assert f"<http://localhost:8000/calls/{FLAG['call']}/?t=28.0|" in said["text"]
    assert "<!channel>" not in body.decode()
    assert "C &lt;!channel&gt; &amp; co" in said["text"]
    for evidence in (
        "Severity: high",
        "Frustration at its peak: 91 %",
        "Mostly by: wording",
        "+6.1 dB, +3.4 semitones",
        "Where: 0:28–0:52",
    ):
        assert evidence in said["text"]
    header, section, context = said["blocks"]
    assert header["text"]["text"] == ":red_circle: Flag raised: High frustration"
    assert len(section["fields"]) == 6
    assert f"calls/{FLAG['call']}/" in context["elements"][0]["text"]


def paged(receiver: Receiver) -> list[dict[str, Any]]:
    return [json.loads(body) for _, path, body, _ in receiver.asked if path == "/accepted"]


def test_a_pager_has_one_incident_a_conversation_that_opens_is_taken_and_closes(world: World, receiver: Receiver) -> None:
    own = endpoint(EndpointKind.PAGERDUTY, ROUTING_KEY, ordered=True)
    for type in ("flag.raised", "handover.opened", "handover.escalated", "flag.claimed", "flag.resolved"):
        happened(type, handover="h1")
    assert {each.status for each in relayed(receiver)} == {DeliveryStatus.DELIVERED}
    said = paged(receiver)
    assert [each["event_action"] for each in said] == ["trigger", "trigger", "trigger", "acknowledge", "resolve"]
    assert {each["dedup_key"] for each in said} == {f"callanalytics/call/{FLAG['call']}"}
    incident = said[0]
    assert incident["routing_key"] == own.address
    assert incident["payload"]["severity"] == "critical"
    assert incident["payload"]["summary"] == "Flag raised: High frustration (C-20481)"
    assert incident["payload"]["custom_details"]["Voice"].startswith("+6.1 dB")
    assert incident["links"][0]["href"].endswith(f"/calls/{FLAG['call']}/?t=28.0")


def test_a_pager_of_handovers_follows_them_to_another_call_and_leaves_flags_alone(world: World, receiver: Receiver) -> None:
    endpoint(EndpointKind.PAGERDUTY, ROUTING_KEY, ordered=True, types=["handover.opened", "handover.withdrawn", "flag.retracted"])
    happened("handover.opened", handover="h1")
    happened("handover.withdrawn", handover="h1", call="019abf2e-5d30-7a54-9a6f-3f2c8a1b0c22")
    happened("flag.retracted")
    assert [each.status for each in relayed(receiver)] == [DeliveryStatus.DELIVERED, DeliveryStatus.DELIVERED, DeliveryStatus.DROPPED]
    assert [(each["event_action"], each["dedup_key"]) for each in paged(receiver)] == [
        ("trigger", "callanalytics/handover/h1"),
        ("resolve", "callanalytics/handover/h1"),
    ]


def test_a_conversation_that_a_person_has_dealt_with_pages_nobody_again(world: World, receiver: Receiver) -> None:
    call = analysed(world)
    now = timezone.now()
    Handover.objects.create(
        call=call,
        flag=Flag.objects.get(call=call),
        team=world.billing,
        segment_ended_at=now,
        opens_at=now,
        status=HandoverStatus.RESOLVED,
        claimed_at=now,
        claimed_after_s=1.0,
        resolved_at=now,
        outcome="solved",
    )
    endpoint(EndpointKind.PAGERDUTY, ROUTING_KEY, ordered=True)
    happened(call=str(call.id))
    (own,) = relayed(receiver)
    assert own.status == DeliveryStatus.DROPPED
    assert receiver.asked == []


def test_the_pagers_key_is_not_in_the_log(world: World, receiver: Receiver) -> None:
    endpoint(EndpointKind.PAGERDUTY, ROUTING_KEY, ordered=True)
    happened()
    relayed(receiver)
    assert ROUTING_KEY in receiver.asked[0][2].decode()
    attempt = Attempt.objects.get()
    assert attempt.status_code == 202
    assert ROUTING_KEY not in json.dumps([attempt.request, attempt.response])
    assert FLAG["call"] in attempt.request["body"]


def test_the_incident_of_an_erased_call_is_closed(world: World, receiver: Receiver) -> None:
    endpoint(EndpointKind.PAGERDUTY, ROUTING_KEY, ordered=True)
    call = factories.done_call(world.billing)
    relayed(receiver)
    call_erase(user=world.owner, call_id=call.id, reason="asked for")
    relayed(receiver)
    assert [each["event_action"] for each in paged(receiver)][-1] == "resolve"
    assert {each["dedup_key"] for each in paged(receiver)} == {f"callanalytics/call/{call.id}"}


def test_a_pager_is_told_of_nothing_but_what_opens_and_closes_incidents(world: World, receiver: Receiver) -> None:
    endpoint(EndpointKind.PAGERDUTY, ROUTING_KEY, ordered=True)
    for type in ("call.received", "flag.updated", "handover.moved"):
        happened(type)
    assert relayed(receiver) == []
    assert set(types_for(EndpointKind.PAGERDUTY)) == set(pagerduty.ACTIONS) & set(PUBLIC)
    assert set(types_for(EndpointKind.SLACK)) == set(PUBLIC)


@pytest.mark.parametrize(("stands", "status"), [(True, DeliveryStatus.DROPPED), (False, DeliveryStatus.DELIVERED)])
def test_a_retracted_flag_closes_no_incident_that_another_keeps_open(
    world: World, receiver: Receiver, stands: bool, status: DeliveryStatus
) -> None:
    call = analysed(world)
    flag = Flag.objects.get(call=call)
    Flag.objects.filter(id=flag.id).update(status=FlagStatus.OPEN if stands else FlagStatus.REJECTED)
    endpoint(EndpointKind.PAGERDUTY, ROUTING_KEY, ordered=True)
    happened("flag.retracted", subject="01890000-0000-7000-8000-000000000000", call=str(call.id))
    (own,) = relayed(receiver)
    assert own.status == status
    assert len(receiver.asked) == (0 if stands else 1)
    assert ("stands in this call" in own.tries.get().error) is stands


def test_a_mail_gathers_what_came_within_its_window(world: World, mails: MailServer) -> None:
    own = endpoint(EndpointKind.EMAIL, "a@example.org, b@example.org", digest_minutes=15)
    for number in range(3):
        happened(subject=f"f{number}", external_id=f"C-{number} <b>")
    happened("call.failed", subject="c1", severity="", rule="", attempt=3)
    events_relay()
    (due_at,) = set(Delivery.objects.values_list("due_at", flat=True))
    assert due_at.timestamp() % 900 == 0
    assert timedelta(0) < due_at - timezone.now() <= timedelta(minutes=15)
    assert endpoints_ready() == []
    assert {each.status for each in relayed()} == {DeliveryStatus.DELIVERED}
    (mail,) = mails.mails
    assert mails.recipients == [["a@example.org", "b@example.org"]]
    assert mail["subject"] == "callanalytics: 3 × flag raised, call failed"
    text, html = (part.get_content() for part in mail.iter_parts())
    for told_in in (text, html):
        assert told_in.count(f"http://localhost:8000/calls/{FLAG['call']}/") == 4
        assert "Frustration at its peak" in told_in
    assert "C-1 <b>" in text
    assert "C-1 &lt;b&gt;" in html
    assert text.index("C-2") < text.index("C-1"), "newest first"
    assert own.deliveries.filter(attempts=1).count() == 4


def test_the_log_of_a_mail_holds_nothing_of_the_calls_in_it(world: World, mails: MailServer) -> None:
    endpoint(EndpointKind.EMAIL, "a@example.org")
    happened()
    relayed()
    attempt = Attempt.objects.get()
    assert attempt.request["headers"] == {"to": "a@example.org", "subject": "callanalytics: flag raised"}
    assert "C-20481" not in json.dumps([attempt.request, attempt.response])


def test_a_refused_mail_is_one_failure_and_is_tried_again_as_one(world: World, mails: MailServer) -> None:
    own = endpoint(EndpointKind.EMAIL, "a@example.org", digest_minutes=5)
    mails.refusal = b"451 try later, password=hunter2"
    for number in range(6):
        happened(subject=f"f{number}")
    waiting = relayed()
    assert {(each.status, each.attempts) for each in waiting} == {(DeliveryStatus.WAITING, 1)}
    assert len({each.due_at for each in waiting}) == 1, "together again"
    own.refresh_from_db()
    assert own.failures == 1
    assert {each.error for each in Attempt.objects.all()} == {"The mail server refused it with 451."}
    mails.refusal = b""
    assert {each.status for each in relayed()} == {DeliveryStatus.DELIVERED}
    assert len(mails.mails) == 1


def test_a_mail_server_may_take_its_time_for_every_recipient(world: World, mails: MailServer, settings: Settings) -> None:
    own = endpoint(EndpointKind.EMAIL, "a@example.org")
    happened()
    events_relay()
    (claimed,) = deliveries_claim(own, sending.TOGETHER)
    assert claimed.lease_until is not None
    steps = MOST_ADDRESSES + 10  # connect, greet, TLS, greet, sign in, sender, data, text, end
    assert (claimed.lease_until - timezone.now()).total_seconds() > steps * settings.EMAIL_TIMEOUT


def test_without_a_mail_server_a_mail_fails_and_says_why(world: World, settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    endpoint(EndpointKind.EMAIL, "a@example.org")
    happened()
    (own,) = relayed()
    assert own.status == DeliveryStatus.WAITING
    assert "CALLANALYTICS_EMAIL_URL" in own.tries.get().error


def test_a_mail_server_that_is_not_there_is_a_failure(world: World, mails: MailServer, settings: Settings) -> None:
    settings.EMAIL_PORT = 9
    endpoint(EndpointKind.EMAIL, "a@example.org")
    happened()
    (own,) = relayed()
    assert own.tries.get().error == "The mail server did not take it (ConnectionRefusedError)."


def test_windows_are_the_same_for_all_and_end_after_what_is_in_them() -> None:
    own = Endpoint(digest_minutes=60)
    assert (
        own.due(datetime(2026, 1, 1, 10, 0, tzinfo=UTC))
        == own.due(datetime(2026, 1, 1, 10, 59, tzinfo=UTC))
        == datetime(2026, 1, 1, 11, tzinfo=UTC)
    )
    at = datetime(2026, 1, 1, 10, 7, tzinfo=UTC)
    assert Endpoint(digest_minutes=0).due(at) == at


def test_a_test_of_a_pager_is_no_alarm(world: World) -> None:
    event = factories.event(TEST, {"endpoint": "e"})
    body = json.loads(pagerduty.pagerduty(Endpoint(address=ROUTING_KEY), event, "https://calls.example/", timezone.now())[1])
    assert (body["event_action"], body["payload"]["severity"]) == ("trigger", "info")
    assert "nothing needs to be done" in body["payload"]["summary"]
