"""The board: what waits is claimed and resolved there by one person, what is held back says why, and plans are made for teams."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from callanalytics.calls.models import Flag
from callanalytics.events.models import Event
from callanalytics.routing.models import Endpoint, Handover, RoutingPlan, Suppression
from callanalytics.routing.outbox import events_relay
from callanalytics.routing.plans import NewStep, plan_save
from tests import factories

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from callanalytics.people.models import Team
    from tests.factories import World

BOARD = "/board/"
HTMX = {"HX-Request": "true"}
PLAN = {
    "enabled": "on",
    "severity": "high",
    "rules": ["high_frustration"],
    "max_age_hours": "12",
    "debounce_seconds": "5",
    "cool_down_minutes": "30",
    "quiet_from": "20:00",
    "quiet_to": "08:00",
    "quiet_zone": "Europe/Berlin",
    "quiet_days": ["5", "6"],
    "step-TOTAL_FORMS": "3",
    "step-INITIAL_FORMS": "1",
    "step-0-target": "queue",
    "step-0-minutes": "10",
    "step-1-target": "",
    "step-1-minutes": "",
}


@pytest.fixture
def plan(world: World) -> RoutingPlan:
    return plan_save(user=world.owner, team=None, values={"debounce_seconds": 0}, steps=[NewStep(10), NewStep(20)])


def handed_over(team: Team, *, minutes_ago: float = 12.5, **details: Any) -> Handover:
    call = factories.done_call(team, started_at=timezone.now() - timedelta(minutes=minutes_ago), **details)
    while events_relay():
        pass
    return Handover.objects.get(call=call)


def shown(client: Client, query: str = "") -> str:
    return client.get(BOARD + query).content.decode()


def test_what_waits_is_shown_with_its_evidence_and_its_deadline(world: World, plan: RoutingPlan, browser: Callable[[str], Client]) -> None:
    handover = handed_over(world.billing, agent=world.agent, customer_reference="K 77", external_id="C1")
    page = shown(browser("reviewer"))
    for text in ("I have called four times", "9 min left to claim", "step 1 of 2", "C1", "customer K 77", "Ended 12 min ago", "Claim"):
        assert text in page, text
    assert f"/calls/{handover.call_id}/?t=0.0#flag-{handover.flag_id}" in page
    assert 'hx-trigger="every 10s"' in page
    assert "Give to…" not in page
    assert "Give to…" in shown(browser("supervisor"))
    assert 'chip info count">1' in page


def test_a_claim_by_htmx_answers_with_the_board_and_the_second_is_told_who_was_first(
    world: World, plan: RoutingPlan, browser: Callable[[str], Client]
) -> None:
    handover = handed_over(world.billing)
    first = browser("reviewer").post(f"{BOARD}{handover.id}/claim/", headers=HTMX).content.decode()
    assert first.startswith('<div id="board"')
    assert "claimed after 12 min" in first
    assert '<span hx-swap-oob="innerHTML:.badge-board"></span>' in first.replace("\n", "")
    second = browser("supervisor").post(f"{BOARD}{handover.id}/claim/", headers=HTMX).content.decode()
    assert "reviewer has claimed this already" in second
    assert 'role="alert"' in second


def test_a_handover_goes_its_way_without_scripts(world: World, plan: RoutingPlan, browser: Callable[[str], Client]) -> None:
    handover, client = handed_over(world.billing), browser("reviewer")
    for act, data in (("claim", {}), ("release", {}), ("claim", {}), ("resolve", {"outcome": "called_back", "note": "Refunded <b>"})):
        response = client.post(f"{BOARD}{handover.id}/{act}/?team={world.billing.id}", data)
        assert response.headers["Location"] == f"{BOARD}?team={world.billing.id}"
    page = shown(client)
    for text in ("Called the customer back", "Refunded &lt;b&gt;", "Nobody waits", "12 min"):
        assert text in page, text
    assert Handover.objects.get().outcome == "called_back"


def test_an_end_without_an_outcome_is_refused(world: World, plan: RoutingPlan, browser: Callable[[str], Client]) -> None:
    handover, client = handed_over(world.billing), browser("reviewer")
    answer = client.post(f"{BOARD}{handover.id}/resolve/", {"outcome": ""}, headers=HTMX)
    assert "Say what came of it." in answer.content.decode()
    assert Handover.objects.get().status == "open"
    assert "Say what came of it." in client.post(f"{BOARD}{handover.id}/resolve/", {"outcome": "x"}, follow=True).content.decode()


def test_a_supervisor_gives_one_to_somebody(world: World, plan: RoutingPlan, browser: Callable[[str], Client]) -> None:
    handover = handed_over(world.billing)
    page = browser("supervisor").post(f"{BOARD}{handover.id}/assign/", {"person": world.reviewer.pk}, headers=HTMX).content.decode()
    assert "for reviewer" in page
    assert "Nothing waits here" in shown(browser("supervisor"), "?whose=mine")
    assert "I have called four times" in shown(browser("reviewer"), "?whose=mine")
    assert "Choose somebody." in browser("supervisor").post(f"{BOARD}{handover.id}/assign/", headers=HTMX).content.decode()


def test_the_board_is_narrowed_and_stays_so(world: World, plan: RoutingPlan, browser: Callable[[str], Client]) -> None:
    handed_over(world.billing, external_id="in billing")
    handed_over(world.sales, external_id="in sales")
    page = shown(browser("owner"), f"?team={world.sales.id}&severity=high")
    assert "in sales" in page
    assert "in billing" not in page
    assert f'hx-get="/board/?team={world.sales.id}&amp;severity=high"' in page
    assert "Nothing waits here" in shown(browser("owner"), "?severity=medium")
    assert "in billing" in shown(browser("owner"), "?team=999&severity=nonsense"), "what makes no sense narrows nothing"


def test_a_calls_page_leads_to_the_board_while_it_waits_there(world: World, plan: RoutingPlan, browser: Callable[[str], Client]) -> None:
    handover = handed_over(world.billing, agent=world.agent)
    page = f"/calls/{handover.call_id}/"
    assert "Waits on the board" in browser("reviewer").get(page).content.decode()
    assert "Waits on the board" not in browser("agent").get(page).content.decode()
    browser("reviewer").post(f"{BOARD}{handover.id}/claim/")
    assert "You have claimed it" in browser("reviewer").get(page).content.decode()
    assert "Claimed by reviewer" in browser("supervisor").get(page).content.decode()
    browser("reviewer").post(f"{BOARD}{handover.id}/resolve/", {"outcome": "solved"})
    assert "Claimed by" not in browser("supervisor").get(page).content.decode()


def test_what_was_held_back_says_why_when_asked(world: World, plan: RoutingPlan, browser: Callable[[str], Client]) -> None:
    factories.done_call(world.billing, started_at=timezone.now() - timedelta(days=3))
    while events_relay():
        pass
    assert Suppression.objects.get().reason == "old"
    client = browser("reviewer")
    page = shown(client)
    assert "Show 1 flag and why" in page
    assert "The call was too long ago" not in page
    assert "The call was too long ago" in shown(client, "?held=yes")
    assert "Nothing was handed over yet" in page


def test_overdue_and_untold_say_so(world: World, plan: RoutingPlan, browser: Callable[[str], Client]) -> None:
    handover, client = handed_over(world.billing), browser("reviewer")
    Handover.objects.update(overdue=True, claim_by=timezone.now() - timedelta(minutes=7, seconds=5))
    assert "7 min overdue" in shown(client)
    Handover.objects.update(overdue=False, claim_by=timezone.now() + timedelta(seconds=100))
    assert 'chip warn"' in shown(client)
    Handover.objects.update(claim_by=None)
    assert "nobody told yet" in shown(client)
    Flag.objects.update(status="rejected")
    client.post(f"{BOARD}{handover.id}/claim/")
    assert "Its flag was taken back meanwhile" in shown(client)


def test_the_time_to_claim_is_shown_over_all_and_by_team(world: World, plan: RoutingPlan, browser: Callable[[str], Client]) -> None:
    client = browser("owner")
    for team, minutes in ((world.billing, 4), (world.sales, 20)):
        client.post(f"{BOARD}{handed_over(team, minutes_ago=minutes).id}/claim/")
    page = shown(client)
    for text in ("Time to claim, by team", "median; 9 of 10 within 19 min", "2 claimed in 30 days", "<td>Sales</td>", "3 min 5"):
        assert text in page, text


def test_a_board_that_no_relay_serves_says_so(world: World, plan: RoutingPlan, browser: Callable[[str], Client]) -> None:
    factories.done_call(world.billing)
    client = browser("reviewer")
    assert "no relay is running" not in shown(client)
    Event.objects.update(created_at=timezone.now() - timedelta(minutes=2))
    assert "no relay is running" in shown(client)


# Plans


def test_a_plan_is_made_for_a_team_and_shown(world: World, browser: Callable[[str], Client]) -> None:
    pager, client = Endpoint.objects.create(name="Pager", kind="webhook", address="https://p.example/"), browser("supervisor")
    page = client.get(f"{BOARD}plans/{world.billing.id}/").content.decode()
    for text in ("goes by the plan for every other team", "Pager", "supervisor", "Europe/Berlin"):
        assert text in page, text
    chain = {"step-2-target": f"endpoint:{pager.id}", "step-2-minutes": "20"}
    answer = client.post(f"{BOARD}plans/{world.billing.id}/", PLAN | chain)
    assert answer.headers["Location"] == f"{BOARD}plans/"
    made = RoutingPlan.objects.get(team=world.billing)
    assert (made.severity, made.rules, made.quiet_days, made.quiet_zone) == ("high", ["high_frustration"], [5, 6], "Europe/Berlin")
    assert [(step.number, step.target, step.claim_within_minutes) for step in made.steps.all()] == [(1, "queue", 10), (2, "endpoint", 20)]
    listed = client.get(f"{BOARD}plans/").content.decode()
    assert "quiet from 20:00 to 08:00, Europe/Berlin" in listed
    again = client.get(f"{BOARD}plans/{world.billing.id}/").content.decode()
    assert f'<option value="endpoint:{pager.id}" selected>' in again
    client.post(f"{BOARD}plans/{world.billing.id}/drop/")
    assert not RoutingPlan.objects.filter(team=world.billing).exists()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"step-0-target": ""}, "1 to 6 steps"),
        ({"step-0-minutes": ""}, "Say how long there is to claim."),
        ({"step-0-target": "person:999999"}, "Select a valid choice"),
        ({"quiet_to": ""}, "a beginning and an end"),
        ({"quiet_zone": "Mars/Olympus"}, "Select a valid choice"),
        ({"max_age_hours": "0"}, "greater than or equal to 1"),
    ],
)
def test_a_plan_that_makes_no_sense_says_what_is_wrong(
    world: World, browser: Callable[[str], Client], change: dict[str, str], told: str
) -> None:
    answer = browser("owner").post(f"{BOARD}plans/default/", PLAN | change)
    assert answer.status_code == 422
    assert told in answer.content.decode()
    assert RoutingPlan.objects.get().cool_down_minutes == 60
