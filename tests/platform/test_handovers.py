"""Flags that are handed to people: opened once a conversation, held back with a reason, escalated in time, claimed by one."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from callanalytics.calls.models import Call, Flag
from callanalytics.calls.services import analysis_store, call_objection_set, call_retry
from callanalytics.errors import ApplicationError, NotFoundError
from callanalytics.events.models import Event
from callanalytics.events.types import PUBLIC, public_payload
from callanalytics.people.models import Membership, RoleChoice
from callanalytics.privacy.services import call_erase
from callanalytics.review.services import verdict_record
from callanalytics.routing.board import HandoverFilters, claim_times, handover_get, handover_list, open_count, suppression_list, worst_first
from callanalytics.routing.handovers import handover_assign, handover_claim, handover_release, handover_resolve
from callanalytics.routing.models import Delivery, Endpoint, Handover, RoutingPlan, Suppression
from callanalytics.routing.opening import flags_follow, handovers_open, handovers_settle
from callanalytics.routing.outbox import events_relay
from callanalytics.routing.paging import handovers_sweep
from callanalytics.routing.plans import NewStep, plan_default_make, plan_save
from tests import factories
from tests.analysis import made
from tests.factories import ROLES

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from analysis.values import CallAnalysis
    from callanalytics.people.models import Team
    from tests.factories import World

BOARD = NewStep(10)


@pytest.fixture
def plan(world: World) -> RoutingPlan:
    """The default plan, which opens at once."""
    return planned(world, BOARD)


def planned(world: World, *steps: NewStep, team: Team | None = None, **values: Any) -> RoutingPlan:
    return plan_save(user=world.owner, team=team, values={"debounce_seconds": 0, **values}, steps=steps)


def flagged(team: Team, *, minutes_ago: float = 5.0, found: CallAnalysis | None = None, **details: Any) -> Flag:
    """The flag of a new call, before any relay has seen its events."""
    call = factories.done_call(team, found, started_at=timezone.now() - timedelta(minutes=minutes_ago), **details)
    return Flag.objects.filter(call=call).order_by("start").first() or pytest.fail("no flag")


def relayed() -> None:
    """What a relay does in one turn, until nothing is left."""
    while events_relay():
        handovers_sweep()


def handed_over(team: Team, **details: Any) -> Handover:
    flag = flagged(team, **details)
    relayed()
    return Handover.objects.get(flag=flag)


def why(flag: Flag) -> str:
    return Suppression.objects.get(flag=flag).reason


def told(type: str) -> list[Event]:
    return list(Event.objects.filter(type=type).order_by("created_at", "id"))


def late(handover: Handover) -> Handover:
    """Its deadline has passed, and the relay has looked."""
    Handover.objects.filter(id=handover.id).update(claim_by=timezone.now() - timedelta(seconds=1))
    handovers_sweep()
    handover.refresh_from_db()
    return handover


def reanalyzed(call: Call, *flags: Any, world: World) -> None:
    """A newer analysis, which finds these flags."""
    call_retry(user=world.owner, call_id=call.id)
    again = dataclasses.replace(made.analysis(), flags=flags)
    assert analysis_store(call.id, factories.claimed(call), again) is not None


# Opening


def test_a_call_of_which_nobody_said_when_it_began_ended_before_it_came_in(world: World, plan: RoutingPlan) -> None:
    handover = handed_over(world.billing, minutes_ago=0.0)
    assert handover.segment_ended_at == handover.call.created_at
    claimed = handover_claim(user=world.reviewer, handover_id=handover.id)
    assert claimed.claimed_after_s is not None
    assert claimed.claimed_after_s >= 0


def test_a_flag_opens_one_handover_with_a_deadline_and_tells_of_it_once(world: World, plan: RoutingPlan) -> None:
    handover = handed_over(world.billing)
    assert (handover.status, handover.step, handover.target) == ("open", 1, "queue")
    assert handover.segment_ended_at == handover.call.started_at + timedelta(seconds=7.9)
    assert handover.claim_by is not None
    assert handover.paged_at is not None
    assert abs((handover.claim_by - handover.paged_at).total_seconds() - 600) < 1
    (event,) = told("handover.opened")
    assert event.subject == str(handover.flag_id)
    assert (event.payload["handover"], event.payload["step"], event.payload["target"]) == (str(handover.id), 1, "queue")
    assert event.payload["claim_by"] == handover.claim_by.isoformat()


def test_out_of_the_box_the_board_has_it_and_nobody_outside_is_told(world: World) -> None:
    flag = flagged(world.billing)
    relayed()
    waiting = Handover.objects.get(flag=flag)
    assert (waiting.status, waiting.opened_at) == ("waiting", None)
    Handover.objects.update(opens_at=timezone.now() - timedelta(seconds=1))
    assert handovers_open() == 1
    relayed()
    handovers_sweep()
    opened = Handover.objects.get(flag=flag)
    assert (opened.status, opened.target, opened.told) == ("open", "queue", [])


def test_events_that_come_again_open_nothing_twice(world: World, plan: RoutingPlan) -> None:
    handed_over(world.billing)
    Event.objects.update(relayed_at=None)
    relayed()
    assert Handover.objects.count() == len(told("handover.opened")) == 1


def test_several_flags_of_a_call_are_one_handover_that_shows_the_worst(world: World, plan: RoutingPlan) -> None:
    mild = dataclasses.replace(made.flag(0.5, 3.0), severity="medium")
    call = flagged(world.billing, found=dataclasses.replace(made.analysis(), flags=(mild, made.flag(4.2, 7.9)))).call
    relayed()
    handover = Handover.objects.get(call=call)
    assert handover.flag.severity == "high"
    other = Flag.objects.get(call=call, severity="medium")
    assert (why(other), Suppression.objects.get(flag=other).handover) == ("joined", handover)


def test_a_new_analysis_pages_nobody_again(world: World, plan: RoutingPlan) -> None:
    handover = handed_over(world.billing)
    reanalyzed(handover.call, made.flag(4.3, 7.9), world=world)
    reanalyzed(handover.call, made.flag(4.3, 7.9), made.flag(9.0, 11.0), world=world)
    relayed()
    assert Handover.objects.count() == len(told("handover.opened")) == 1
    handover_resolve(user=world.reviewer, handover_id=handover.id, outcome="called_back")
    reanalyzed(handover.call, made.flag(0.0, 1.0), world=world)
    relayed()
    assert why(Flag.objects.get(call=handover.call, start=0.0)) == "again"
    assert Handover.objects.count() == len(told("handover.opened")) == 1


def test_the_database_holds_one_handover_a_call_and_one_under_way_a_customer(world: World, plan: RoutingPlan) -> None:
    handover = handed_over(world.billing, customer_reference="K 7")
    other = flagged(world.billing, customer_reference="K 7")
    facts = {"team": world.billing, "segment_ended_at": timezone.now(), "opens_at": timezone.now(), "customer_reference": "K 7"}
    for call in (handover.call, other.call):
        with pytest.raises(IntegrityError), transaction.atomic():
            Handover.objects.create(flag=other, call=call, **facts)


def test_a_customer_who_calls_again_joins_the_open_handover_and_then_cools_down(world: World, plan: RoutingPlan) -> None:
    first = handed_over(world.billing, customer_reference="K 7")
    second = flagged(world.billing, customer_reference="K 7")
    relayed()
    assert why(second) == "joined"
    handover_resolve(user=world.reviewer, handover_id=first.id, outcome="solved")
    third = flagged(world.billing, customer_reference="K 7")
    other = flagged(world.billing, customer_reference="K 8")
    nobody = [flagged(world.billing) for _ in range(2)]
    elsewhere = flagged(world.sales, customer_reference="K 7")
    relayed()
    assert why(third) == "cool_down"
    assert Handover.objects.filter(flag__in=[other, elsewhere, *nobody]).count() == 4
    Handover.objects.filter(id=first.id).update(
        paged_at=F("paged_at") - timedelta(minutes=61), claimed_at=F("claimed_at") - timedelta(minutes=61)
    )
    fourth = flagged(world.billing, customer_reference="K 7")
    relayed()
    assert Handover.objects.filter(flag=fourth).exists()


@pytest.mark.parametrize(
    ("values", "details", "reason"),
    [
        ({"enabled": False}, {}, "off"),
        ({"rules": ["high_effort"]}, {}, "rule"),
        ({"severity": "high"}, {"mild": True}, "mild"),
        ({}, {"minutes_ago": 24 * 60 + 1}, "old"),
        ({"max_age_hours": 1}, {"minutes_ago": 61}, "old"),
    ],
)
def test_what_the_plan_does_not_ask_for_is_held_back_and_says_why(
    world: World, values: dict[str, Any], details: dict[str, Any], reason: str
) -> None:
    planned(world, BOARD, **values)
    if details.pop("mild", False):
        details["found"] = dataclasses.replace(made.analysis(), flags=(dataclasses.replace(made.flag(), severity="medium"),))
    flag = flagged(world.billing, **details)
    relayed()
    assert why(flag) == reason
    assert not Handover.objects.exists()
    assert told("handover.opened") == []


def test_a_flag_that_becomes_worse_is_handed_over_then(world: World) -> None:
    planned(world, BOARD, severity="high")
    mild = dataclasses.replace(made.flag(), severity="medium")
    flag = flagged(world.billing, found=dataclasses.replace(made.analysis(), flags=(mild,)))
    relayed()
    assert why(flag) == "mild"
    reanalyzed(flag.call, made.flag(), world=world)
    relayed()
    assert Handover.objects.get(flag=flag).status == "open"
    assert not Suppression.objects.exists()


def test_a_team_goes_by_its_own_plan(world: World, plan: RoutingPlan) -> None:
    planned(world, BOARD, team=world.billing, enabled=False)
    silent, heard = flagged(world.billing), flagged(world.sales)
    relayed()
    assert why(silent) == "off"
    assert Handover.objects.get().flag == heard


def test_what_is_taken_back_within_the_wait_opens_nothing(world: World) -> None:
    planned(world, BOARD, debounce_seconds=30)
    flag = flagged(world.billing)
    relayed()
    verdict_record(user=world.reviewer, flag_id=flag.id, answer="reject")
    Handover.objects.update(opens_at=timezone.now() - timedelta(seconds=1))
    assert handovers_open() == 0
    relayed()
    assert why(flag) == "brief"
    assert not Handover.objects.exists()
    assert told("handover.opened") == told("handover.withdrawn") == []


def test_a_change_within_the_wait_begins_it_anew(world: World) -> None:
    planned(world, BOARD, debounce_seconds=30)
    handover = handed_over(world.billing)
    Handover.objects.update(opens_at=timezone.now() - timedelta(seconds=1))
    reanalyzed(handover.call, made.flag(4.3, 8.2), world=world)
    relayed()
    handover.refresh_from_db()
    assert handover.status == "waiting"
    assert (handover.opens_at - timezone.now()).total_seconds() > 25
    assert handover.segment_ended_at == handover.call.started_at + timedelta(seconds=8.2)


# Taking back


def test_a_rejected_flag_withdraws_its_open_handover(world: World, plan: RoutingPlan) -> None:
    handover = handed_over(world.billing)
    verdict_record(user=world.reviewer, flag_id=handover.flag_id, answer="reject", reason="calm")
    relayed()
    handover.refresh_from_db()
    assert (handover.status, handover.claim_by) == ("withdrawn", None)
    (event,) = told("handover.withdrawn")
    assert "calm" not in str(public_payload(event.type, event.payload))
    with pytest.raises(ApplicationError, match="withdrawn") as caught:
        handover_claim(user=world.reviewer, handover_id=handover.id)
    assert caught.value.code == "conflict"


def test_one_that_stands_again_is_on_the_board_again_and_pages_nobody_again(world: World, plan: RoutingPlan) -> None:
    handover = handed_over(world.billing)
    for answer in ("reject", "confirm"):
        verdict_record(user=world.reviewer, flag_id=handover.flag_id, answer=answer)
        relayed()
    handovers_sweep()
    handover.refresh_from_db()
    assert (handover.status, handover.step) == ("open", 1)
    assert handover.claim_by is not None
    assert len(told("handover.opened")) == 1


def test_the_handover_of_a_flag_that_a_new_analysis_moved_stays_and_tells_so(world: World, plan: RoutingPlan) -> None:
    handover = handed_over(world.billing)
    before = handover.flag_id
    reanalyzed(handover.call, made.flag(9.0, 11.5), world=world)
    relayed()
    handover.refresh_from_db()
    assert (handover.status, handover.flag.start) == ("open", 9.0)
    assert handover.segment_ended_at == handover.call.started_at + timedelta(seconds=11.5)
    (event,) = told("handover.moved")
    assert (event.subject, event.payload["from_flag"]) == (str(handover.flag_id), str(before))
    assert len(told("handover.opened")) == 1
    assert told("handover.withdrawn") == []


def test_a_flag_that_joined_takes_over_when_the_first_is_taken_back(world: World, plan: RoutingPlan) -> None:
    handover = handed_over(world.billing, customer_reference="K 7")
    joined = flagged(world.billing, customer_reference="K 7")
    relayed()
    verdict_record(user=world.reviewer, flag_id=handover.flag_id, answer="reject")
    relayed()
    handover.refresh_from_db()
    assert (handover.flag, handover.call, handover.status) == (joined, joined.call, "open")
    assert not Suppression.objects.filter(flag=joined).exists()


def test_what_somebody_has_claimed_stays_theirs_to_end(world: World, plan: RoutingPlan) -> None:
    handover = handed_over(world.billing)
    handover_claim(user=world.reviewer, handover_id=handover.id)
    verdict_record(user=world.reviewer, flag_id=handover.flag_id, answer="reject")
    relayed()
    assert handover_resolve(user=world.reviewer, handover_id=handover.id, outcome="false_alarm").status == "resolved"


def test_a_relay_that_opened_beside_a_rejection_is_put_right(world: World, plan: RoutingPlan) -> None:
    """Two relays: one opens while the other sees the rejection and finds nothing to withdraw yet."""
    handover = handed_over(world.billing)
    verdict_record(user=world.reviewer, flag_id=handover.flag_id, answer="reject")
    Event.objects.update(relayed_at=timezone.now())
    assert handovers_settle() == 1
    handover.refresh_from_db()
    assert handover.status == "withdrawn"
    assert handovers_settle() == 0


def test_an_objection_withdraws_and_an_erased_call_takes_all_with_it(world: World, plan: RoutingPlan) -> None:
    objected, erased = handed_over(world.billing), handed_over(world.billing, customer_reference="K 7")
    joined = flagged(world.billing, customer_reference="K 7")
    relayed()
    call_objection_set(user=world.owner, call_id=objected.call_id, objected=True)
    call_erase(user=world.owner, call_id=joined.call_id, reason="asked for")
    receipt = call_erase(user=world.owner, call_id=erased.call_id, reason="asked for")
    relayed()
    assert list(Handover.objects.values_list("id", "status")) == [(objected.id, "withdrawn")]
    assert not Suppression.objects.exists()
    assert receipt.counts["handovers"] == 1
    assert {str(event.payload) for event in Event.objects.filter(subject=str(erased.flag_id))} == {"{}"}


def test_who_was_told_of_a_call_that_is_erased_hears_that_it_is_gone_by_its_ids_alone(world: World, plan: RoutingPlan) -> None:
    handover = handed_over(world.billing, external_id="C1")
    handover_claim(user=world.reviewer, handover_id=handover.id)
    call_erase(user=world.owner, call_id=handover.call_id, reason="asked for")
    (event,) = told("handover.withdrawn")
    assert event.payload == {"call": str(handover.call_id), "handover": str(handover.id), "told": []}


def test_a_flag_that_joined_the_handover_of_an_erased_call_keeps_it(world: World, plan: RoutingPlan) -> None:
    handover = handed_over(world.billing, customer_reference="K 7")
    joined = flagged(world.billing, customer_reference="K 7")
    relayed()
    call_erase(user=world.owner, call_id=handover.call_id, reason="asked for")
    left = Handover.objects.get()
    assert (left.id, left.flag, left.status) == (handover.id, joined, "open")
    assert (len(told("handover.moved")), told("handover.withdrawn")) == (1, [])


def test_events_of_things_that_are_no_flags_are_passed_over(world: World, plan: RoutingPlan) -> None:
    for subject in ("f1", "019abf2e-5d30-7a54-9a6f-3f2c8a1b0c11"):
        flags_follow([Event(type="flag.raised", subject=subject)])
    assert not Handover.objects.exists()


# Time


def test_nobody_claims_and_the_chain_is_told_to_its_end(world: World) -> None:
    planned(world, BOARD, NewStep(5, "person", person_id=world.supervisor.id), team=world.billing)
    handover = late(handed_over(world.billing))
    assert (handover.step, handover.target, handover.person, handover.overdue) == (2, "person", world.supervisor, False)
    handovers_sweep()
    (event,) = told("handover.escalated")
    assert (event.payload["step"], event.payload["target"]) == (2, "person")
    assert world.supervisor.username not in str(event.payload)
    handover = late(handover)
    assert (handover.status, handover.step, handover.overdue) == ("open", 2, True)
    handovers_sweep()
    assert len(told("handover.escalated")) == 1
    assert handover_claim(user=world.reviewer, handover_id=handover.id).overdue is False


def test_what_is_claimed_in_time_is_not_escalated(world: World) -> None:
    planned(world, BOARD, BOARD)
    handover = handed_over(world.billing)
    handover_claim(user=world.reviewer, handover_id=handover.id)
    assert late(handover).step == 1
    assert told("handover.escalated") == []


def test_in_quiet_hours_it_opens_and_nobody_is_told_until_they_end(world: World) -> None:
    quiet = planned(world, BOARD, BOARD, quiet_days=list(range(7)))
    handover = handed_over(world.billing)
    assert (handover.status, handover.paged_at, handover.claim_by) == ("open", None, None)
    assert told("handover.opened") == []
    RoutingPlan.objects.filter(id=quiet.id).update(quiet_days=[])
    assert handovers_sweep() == 1
    assert len(told("handover.opened")) == 1
    RoutingPlan.objects.filter(id=quiet.id).update(quiet_days=list(range(7)))
    handover = late(handover)
    assert (handover.step, handover.claim_by) == (1, None), "no time runs in quiet hours"
    RoutingPlan.objects.filter(id=quiet.id).update(quiet_days=[])
    handovers_sweep()
    handover.refresh_from_db()
    assert handover.claim_by is not None
    assert handover.claim_by > timezone.now() + timedelta(minutes=9)
    assert (len(told("handover.opened")), told("handover.escalated")) == (1, [])


def test_quiet_hours_of_one_team_hold_back_nothing_of_another(world: World, plan: RoutingPlan) -> None:
    planned(world, BOARD, team=world.billing, quiet_days=list(range(7)))
    assert handed_over(world.billing).paged_at is None
    assert handed_over(world.sales).paged_at is not None
    planned(world, BOARD, quiet_days=list(range(7)))
    planned(world, BOARD, team=world.billing, quiet_days=[])
    handovers_sweep()
    assert handed_over(world.sales).paged_at is None
    assert not Handover.objects.filter(team=world.billing, paged_at__isnull=True).exists()


# Other systems


def test_a_step_for_an_endpoint_is_told_to_it_alone_and_it_hears_the_end(world: World) -> None:
    pager = Endpoint.objects.create(name="Pager", kind="webhook", address="https://pager.example/", types=["call.failed"])
    calls = Endpoint.objects.create(name="CRM", kind="webhook", address="https://crm.example/", types=["flag.raised"])
    planned(world, NewStep(5, "endpoint", endpoint_id=pager.id), BOARD)
    handover = late(handed_over(world.billing))
    handover_claim(user=world.reviewer, handover_id=handover.id)
    handover_resolve(user=world.reviewer, handover_id=handover.id, outcome="called_back", note="Frau Maier war dankbar")
    relayed()
    sent = {
        own.name: list(Delivery.objects.filter(endpoint=own).order_by("event_id").values_list("event__type", flat=True))
        for own in (pager, calls)
    }
    assert sent == {"Pager": ["handover.opened", "flag.claimed", "flag.resolved"], "CRM": ["flag.raised"]}
    for event in Event.objects.filter(type__in=("handover.opened", "flag.claimed", "flag.resolved")):
        public = public_payload(event.type, event.payload)
        assert set(public) <= set(PUBLIC[event.type].fields)
        assert not {"told", "person", "note", "claimed_by"} & set(public)
        assert "Maier" not in str(event.payload)


def test_who_asks_for_all_types_hears_of_every_handover(world: World, plan: RoutingPlan) -> None:
    every = Endpoint.objects.create(name="Log", kind="webhook", address="https://log.example/")
    handed_over(world.billing)
    assert "handover.opened" in Delivery.objects.filter(endpoint=every).values_list("event__type", flat=True)


def test_a_step_whose_person_or_system_is_gone_is_the_boards(world: World) -> None:
    gone = Endpoint.objects.create(name="Pager", kind="webhook", address="https://pager.example/")
    planned(world, NewStep(5, "endpoint", endpoint_id=gone.id))
    gone.delete()
    assert handed_over(world.billing).target == "queue"
    RoutingPlan.objects.get().steps.all().delete()
    assert handed_over(world.sales).step == 1


# People


def test_one_of_two_gets_it_and_the_other_is_told_who(world: World, plan: RoutingPlan) -> None:
    handover = handed_over(world.billing)
    first = handover_claim(user=world.reviewer, handover_id=handover.id)
    assert first.claimed_by == world.reviewer
    with pytest.raises(ApplicationError, match=r"reviewer has claimed this already, at \d\d:\d\d UTC") as caught:
        handover_claim(user=world.supervisor, handover_id=handover.id)
    assert caught.value.code == "conflict"
    assert handover_claim(user=world.reviewer, handover_id=handover.id).claimed_at == first.claimed_at, "twice by the same is once"
    assert len(told("flag.claimed")) == 1
    assert told("flag.claimed")[0].actor == world.reviewer


def test_another_system_says_who_claimed_and_events_do_not(world: World, plan: RoutingPlan) -> None:
    handover = handed_over(world.billing)
    handover_claim(user=world.supervisor, handover_id=handover.id, external_reference="pagerduty:ann")
    with pytest.raises(ApplicationError, match="pagerduty:ann"):
        handover_claim(user=world.supervisor, handover_id=handover.id, external_reference="pagerduty:ben")
    assert "ann" not in str([event.payload for event in Event.objects.all()])
    with pytest.raises(ApplicationError, match="at most 200"):
        handover_claim(user=world.supervisor, handover_id=handover.id, external_reference="x" * 201)


def test_the_time_from_the_end_of_the_stretch_to_the_claim_is_kept(world: World, plan: RoutingPlan) -> None:
    for minutes in (2, 4, 6, 8, 30):
        handover = handed_over(world.billing, minutes_ago=minutes)
        handover_claim(user=world.reviewer, handover_id=handover.id)
    handover.refresh_from_db()
    assert handover.claimed_after_s == pytest.approx(30 * 60 - 7.9, abs=5)
    handed_over(world.sales, minutes_ago=1)
    (every, billing) = claim_times(user=world.supervisor, days=7)
    assert (every.n, billing.team, billing.n) == (5, "Billing", 5)
    assert billing.median_s == pytest.approx(6 * 60 - 7.9, abs=5)
    assert billing.p90_s == pytest.approx(30 * 60 - 7.9, abs=5)
    assert claim_times(user=world.other_supervisor, days=7) == []
    Handover.objects.filter(claimed_at__isnull=False).update(claimed_at=timezone.now() - timedelta(days=8))
    assert claim_times(user=world.supervisor, days=7) == []


def test_a_claim_can_be_given_back_by_its_holder_or_a_supervisor(world: World, plan: RoutingPlan) -> None:
    Membership.objects.create(user=world.outsider, role=RoleChoice.REVIEWER, team=world.billing)
    handover = handed_over(world.billing)
    with pytest.raises(ApplicationError, match="Nobody has claimed"):
        handover_release(user=world.reviewer, handover_id=handover.id)
    handover_claim(user=world.reviewer, handover_id=handover.id, external_reference="x")
    with pytest.raises(ApplicationError, match="has claimed this already"):
        handover_release(user=world.outsider, handover_id=handover.id)
    back = handover_release(user=world.supervisor, handover_id=handover.id)
    assert (back.status, back.claimed_by, back.external_reference, back.claimed_after_s) == ("open", None, "", None)
    handovers_sweep()
    assert handover_get(user=world.reviewer, handover_id=handover.id).claim_by is not None
    assert (len(told("handover.released")), len(told("handover.opened"))) == (1, 1)


def test_it_ends_once_with_an_outcome(world: World, plan: RoutingPlan) -> None:
    handover = handed_over(world.billing)
    with pytest.raises(ApplicationError, match="must be one of called_back"):
        handover_resolve(user=world.reviewer, handover_id=handover.id, outcome="done")
    with pytest.raises(ApplicationError, match="at most 1000"):
        handover_resolve(user=world.reviewer, handover_id=handover.id, outcome="other", note="x" * 1001)
    done = handover_resolve(user=world.reviewer, handover_id=handover.id, outcome="called_back", note=" Refunded. ")
    assert (done.status, done.outcome, done.note, done.claimed_by, done.resolved_by) == (
        "resolved",
        "called_back",
        "Refunded.",
        world.reviewer,
        world.reviewer,
    )
    assert [len(told(type)) for type in ("flag.claimed", "flag.resolved")] == [1, 1]
    assert told("flag.resolved")[0].payload["outcome"] == "called_back"
    again = handover_resolve(user=world.reviewer, handover_id=handover.id, outcome="called_back", note="Refunded.")
    assert (again.resolved_at, len(told("flag.resolved"))) == (done.resolved_at, 1), "twice the same is once"
    acts: list[Callable[..., Handover]] = [handover_claim, partial(handover_resolve, outcome="other"), handover_release]
    for act in acts:
        with pytest.raises(ApplicationError, match=r"resolved already, at .*Called the customer back"):
            act(user=world.owner, handover_id=handover.id)


def test_anothers_is_ended_by_a_supervisor_only(world: World, plan: RoutingPlan) -> None:
    handover = handed_over(world.billing)
    handover_claim(user=world.supervisor, handover_id=handover.id)
    with pytest.raises(ApplicationError, match="supervisor has claimed"):
        handover_resolve(user=world.reviewer, handover_id=handover.id, outcome="solved")
    assert handover_resolve(user=world.owner, handover_id=handover.id, outcome="solved").resolved_by == world.owner


def test_a_supervisor_says_whom_it_is_for(world: World, plan: RoutingPlan) -> None:
    handover = handed_over(world.billing)
    given = handover_assign(user=world.supervisor, handover_id=handover.id, person=world.reviewer)
    assert (given.status, given.person, given.target) == ("open", world.reviewer, "person")
    with pytest.raises(ApplicationError, match="Only a supervisor"):
        handover_assign(user=world.reviewer, handover_id=handover.id, person=world.reviewer)
    with pytest.raises(ApplicationError, match="cannot see"):
        handover_assign(user=world.supervisor, handover_id=handover.id, person=world.agent_user)
    handover_claim(user=world.reviewer, handover_id=handover.id)
    with pytest.raises(ApplicationError, match="reviewer has claimed"):
        handover_assign(user=world.supervisor, handover_id=handover.id, person=world.owner)


@pytest.mark.parametrize("role", ROLES)
def test_each_role_sees_the_handovers_of_its_teams_and_agents_none(world: World, plan: RoutingPlan, role: str) -> None:
    billing, sales = handed_over(world.billing, agent=world.agent), handed_over(world.sales)
    mild = dataclasses.replace(made.flag(), severity="none")
    flagged(world.billing, found=dataclasses.replace(made.analysis(), flags=(mild,)), agent=world.agent)
    relayed()
    user = world.people()[role]
    both: set[UUID] = {billing.id, sales.id}
    seen = {"owner": both, "supervisor": both, "other_supervisor": {sales.id}, "reviewer": {billing.id}}.get(role, set())
    assert {row.id for row in handover_list(user=user)} == seen
    assert open_count(user=user) == len(seen)
    assert suppression_list(user=user).count() == (billing.id in seen)
    acts: list[Callable[..., Handover]] = [
        handover_get,
        handover_claim,
        handover_release,
        partial(handover_resolve, outcome="solved"),
        partial(handover_assign, person=world.owner),
    ]
    for hidden in both - seen:
        for act in acts:
            with pytest.raises(NotFoundError):
                act(user=user, handover_id=hidden)


def test_the_worst_come_first_and_of_those_the_oldest(world: World, plan: RoutingPlan) -> None:
    mild = dataclasses.replace(made.analysis(), flags=(dataclasses.replace(made.flag(), severity="medium"),))
    milder = handed_over(world.billing, minutes_ago=30, found=mild)
    newest, oldest = handed_over(world.billing, minutes_ago=2), handed_over(world.billing, minutes_ago=9)
    assert list(worst_first(handover_list(user=world.owner))) == [oldest, newest, milder]


def test_the_board_is_narrowed(world: World, plan: RoutingPlan) -> None:
    mine, other = handed_over(world.billing), handed_over(world.sales)
    given = handed_over(world.sales)
    handover_claim(user=world.supervisor, handover_id=mine.id)
    handover_assign(user=world.owner, handover_id=given.id, person=world.supervisor)

    def found(**filters: Any) -> set[UUID]:
        return {row.id for row in handover_list(user=world.supervisor, filters=HandoverFilters(**filters))}

    assert found(mine=True) == {mine.id, given.id}
    assert found(team_id=world.sales.id) == {other.id, given.id}
    assert found(severity="medium") == set()
    assert found(statuses=("open",)) == {other.id, given.id}
    assert found(statuses=("claimed",), mine=True) == {mine.id}


def test_the_default_plan_is_made_once(world: World) -> None:
    assert plan_default_make() == plan_default_make()
    assert RoutingPlan.objects.get().steps.count() == 1
    with pytest.raises(IntegrityError), transaction.atomic():
        RoutingPlan.objects.create(team=None)
