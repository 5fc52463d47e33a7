"""A real relay: events reach their endpoints, whatever another endpoint does and however the relay ends."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from django.db import transaction

from callanalytics.egress import Egress, Policy
from callanalytics.events.models import Event
from callanalytics.events.services import event_record
from callanalytics.routing.models import Endpoint
from tests.receiver import receiving
from tests.worker.installation import Installation
from worker.relay import EACH, THREADS, Relay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.receiver import Receiver

EVENTS = """
from django.db import transaction
from callanalytics.events.services import event_record
from callanalytics.routing.models import Endpoint
for path in {paths}:
    Endpoint.objects.create(
        name=path, kind="webhook", address="{url}" + path, secrets=[{{"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "until": None}}]
    )
with transaction.atomic():
    for number in range({count}):
        event_record(type="call.received", subject=str(number), team=None, payload={{"call": "", "external_id": str(number)}})
"""
STATES = (
    "SELECT d.status, count(*), sum(d.attempts) FROM routing_delivery d JOIN routing_endpoint e ON e.id = d.endpoint_id "
    "WHERE e.name = '{}' GROUP BY 1"
)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


@pytest.fixture
def site(tmp_path: Path, receiver: Receiver) -> Iterator[Installation]:
    with Installation(tmp_path, {"CALLANALYTICS_EGRESS_ALLOW": receiver.url}) as made:
        yield made


def prepare(site: Installation, receiver: Receiver, *paths: str, count: int) -> None:
    site.manage("shell", "-c", EVENTS.format(paths=paths, url=receiver.url, count=count))


def until(met: Callable[[], bool], site: Installation, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline, site.log()[-3000:]
        time.sleep(0.05)


def test_every_event_reaches_its_endpoint_while_another_hangs_and_a_third_fails(site: Installation, receiver: Receiver) -> None:
    prepare(site, receiver, "/fine", "/silent", "/missing", count=80)
    site.command("relay")
    until(lambda: len(receiver.ids("/fine")) == 80, site)
    assert len(set(receiver.ids("/fine"))) == 80
    assert len(receiver.ids("/silent")) < 80, "it was still waited for"
    site.until(STATES.format("/fine"), lambda row: tuple(row) == ("delivered", 80, 80))
    assert {status for status, *_ in site.sql(STATES.format("/missing"))} == {"waiting"}
    assert len(receiver.ids("/missing")) < 20, "an endpoint that fails rests"


def test_a_relay_killed_between_sending_and_marking_sends_the_same_id_again(site: Installation, receiver: Receiver) -> None:
    prepare(site, receiver, "/held", count=1)
    killed = site.command("relay")
    until(lambda: len(receiver.ids("/held")) == 1, site)
    site.kill(killed)
    assert site.sql(STATES.format("/held")) == [("sending", 1, 1)]
    site.sql("UPDATE routing_delivery SET lease_until = '2020-01-01 00:00:00'")
    receiver.released.set()
    site.command("relay")
    site.until(STATES.format("/held"), lambda row: tuple(row) == ("delivered", 1, 2))
    first, second = receiver.ids("/held")
    assert first == second


def test_a_relay_that_is_stopped_ends_what_it_is_sending(site: Installation, receiver: Receiver) -> None:
    prepare(site, receiver, "/held", count=1)
    stopped = site.command("relay")
    until(lambda: len(receiver.ids("/held")) == 1, site)
    stopped.terminate()
    receiver.released.set()
    assert stopped.wait(30) == 0
    assert site.sql(STATES.format("/held")) == [("delivered", 1, 1)]


def test_two_relays_send_nothing_twice(site: Installation, receiver: Receiver) -> None:
    prepare(site, receiver, "/fine", count=150)
    for _ in range(2):
        site.command("relay")
    site.until(STATES.format("/fine"), lambda row: tuple(row) == ("delivered", 150, 150))
    assert len(receiver.ids("/fine")) == len(set(receiver.ids("/fine"))) == 150


def test_a_relay_touches_its_heartbeat_and_outlives_a_database_that_does_not_answer(site: Installation, receiver: Receiver) -> None:
    prepare(site, receiver, "/fine", count=1)
    site.sql("ALTER TABLE routing_endpoint RENAME TO elsewhere")
    beat = site.temporary / "beat"
    running = site.command("relay", "--heartbeat", beat)
    until(lambda: "does not answer" in site.log(), site)
    assert not beat.exists()
    assert running.poll() is None
    site.sql("ALTER TABLE elsewhere RENAME TO routing_endpoint")
    until(lambda: len(receiver.ids("/fine")) == 1, site)
    assert beat.exists()


@pytest.mark.django_db
def test_an_event_that_cannot_be_followed_stops_nothing_but_its_own_handover(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with transaction.atomic():
        for subject in ("before", "bad", "after"):
            event_record(type="flag.raised", subject=subject, team=None, payload={"severity": "high"})
    followed: list[str] = []

    def follow(events: Sequence[Event]) -> None:
        assert "bad" not in [event.subject for event in events]
        followed.extend(event.subject for event in events)

    monkeypatch.setattr("callanalytics.routing.outbox.flags_follow", follow)
    relay = Relay(Egress(Policy.of([])), lambda event: "")
    for _ in range(4):
        relay.turn()
    assert followed == ["before", "after"]
    assert not Event.objects.filter(relayed_at__isnull=True).exists()
    assert "the oldest events of the outbox" in caplog.text


def test_no_more_is_claimed_than_there_are_threads(receiver: Receiver) -> None:
    relay = Relay(Egress(Policy.of([receiver.url])), lambda _: "")
    hanging = [Endpoint(name="hangs") for _ in range(THREADS // EACH)]
    for each in hanging[:-1]:
        relay._busy[each.id] = EACH
    relay._busy[hanging[-1].id] = 1
    assert [relay._room(each) for each in (hanging[0], hanging[-1], Endpoint(name="well"))] == [0, EACH - 1, EACH - 1]
    relay._busy[hanging[-1].id] = EACH
    assert relay._room(Endpoint(name="well")) == 0


FLAGGED = """
import sys; sys.path.insert(0, ".")
from tests import factories
from callanalytics.people.models import Team
from callanalytics.routing.plans import NewStep, plan_save
plan_save(user=factories.user("owner", is_superuser=True), team=None, values={"debounce_seconds": 1}, steps=[NewStep(10), NewStep(10)])
factories.done_call(Team.objects.create(name="T"))
"""
HANDOVER = "SELECT status, step, overdue FROM routing_handover"


def test_a_relay_opens_handovers_and_tells_the_next_step_when_nobody_claims(site: Installation) -> None:
    site.manage("shell", "-c", FLAGGED)
    site.command("relay")
    for reached in (("open", 1, 0), ("open", 2, 0), ("open", 2, 1)):
        site.until(HANDOVER, lambda row, reached=reached: tuple(row) == reached)  # type: ignore[misc]  # lambdas have no types
        site.sql("UPDATE routing_handover SET claim_by = '2020-01-01 00:00:00'")
    told = "SELECT type, count(*) FROM events_event WHERE type LIKE 'handover.%' GROUP BY 1 ORDER BY 1"
    assert site.sql(told) == [("handover.escalated", 1), ("handover.opened", 1)]
