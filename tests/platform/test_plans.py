"""Plans of routing: whose they are, what they may hold, and when it is quiet."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any

import pytest

from callanalytics.errors import ApplicationError, NotFoundError
from callanalytics.people.keys import api_key_create
from callanalytics.people.models import Team
from callanalytics.people.selectors import reviewers_of
from callanalytics.routing.models import Endpoint, RoutingPlan
from callanalytics.routing.plans import NewStep, is_quiet, plan_drop, plan_get, plan_list, plan_save, step_next
from tests.factories import ROLES

if TYPE_CHECKING:
    from tests.factories import World

NIGHT = {"quiet_from": time(20), "quiet_to": time(8), "quiet_zone": "Europe/Berlin"}


@pytest.mark.parametrize(
    ("plan", "at", "quiet"),
    [
        ({}, "2026-11-23T03:00", False),
        (NIGHT, "2026-11-23T19:30", True),
        (NIGHT, "2026-11-23T18:59", False),
        (NIGHT, "2026-11-24T06:59", True),
        (NIGHT, "2026-11-24T07:00", False),
        (NIGHT, "2026-07-01T18:30", True),
        (NIGHT, "2026-07-01T06:30", False),
        ({"quiet_from": time(12), "quiet_to": time(13)}, "2026-11-23T12:30", True),
        ({"quiet_from": time(12), "quiet_to": time(13)}, "2026-11-23T13:00", False),
        ({"quiet_from": time(0), "quiet_to": time(0)}, "2026-11-23T13:00", True),
        ({"quiet_days": [5, 6]}, "2026-11-22T13:00", True),
        ({"quiet_days": [5, 6]}, "2026-11-23T13:00", False),
        ({"quiet_days": [0], "quiet_zone": "Pacific/Auckland"}, "2026-11-22T13:00", True),
    ],
)
def test_quiet_hours_go_by_the_clock_of_their_place(plan: dict[str, Any], at: str, quiet: bool) -> None:
    assert is_quiet(RoutingPlan(**plan), datetime.fromisoformat(at).replace(tzinfo=UTC)) is quiet


@pytest.mark.parametrize("role", ROLES)
def test_supervisors_plan_for_their_teams_and_owners_for_every_other(world: World, role: str) -> None:
    user = world.people()[role]
    teams = {"owner": [None, world.billing, world.care, world.sales], "supervisor": [world.billing, world.care, world.sales]}
    expected = teams.get(role, [world.sales] if role == "other_supervisor" else [])
    assert [team for team, _ in plan_list(user=user)] == expected
    for team in (None, *Team.objects.all()):
        if team in expected:
            assert plan_save(user=user, team=team, values={"severity": "high"}, steps=[NewStep(7)]).team == team
        else:
            with pytest.raises(NotFoundError):
                plan_get(user=user, team=team)
            with pytest.raises(NotFoundError):
                plan_save(user=user, team=team, values={}, steps=[NewStep(7)])


def test_a_team_without_a_plan_of_its_own_goes_by_the_default(world: World) -> None:
    assert plan_get(user=world.owner, team=world.sales).team is None
    own = plan_save(user=world.owner, team=world.sales, values={"cool_down_minutes": 5}, steps=[NewStep(3), NewStep(4)])
    assert plan_get(user=world.owner, team=world.sales) == own
    assert [(step.number, step.claim_within_minutes) for step in own.steps.all()] == [(1, 3), (2, 4)]
    second = step_next(own, 1)
    assert second is not None
    assert (second.number, step_next(own, 2)) == (2, None)
    plan_drop(user=world.owner, team=world.sales)
    assert plan_get(user=world.owner, team=world.sales).team is None


def test_a_plan_that_makes_no_sense_is_refused(world: World) -> None:
    elsewhere = Endpoint.objects.create(name="Sales", kind="webhook", address="https://sales.example/")
    elsewhere.teams.add(world.sales)
    wrong: list[tuple[dict[str, Any], list[NewStep], str]] = [
        ({}, [], "1 to 6 steps"),
        ({}, [NewStep(1)] * 7, "1 to 6 steps"),
        ({"quiet_from": time(8)}, [NewStep(1)], "beginning and an end"),
        ({"quiet_zone": "Europe/Bielefeld"}, [NewStep(1)], "no such time zone"),
        ({}, [NewStep(1, "person")], "one person"),
        ({}, [NewStep(1, "queue", person_id=world.owner.id)], "one person"),
        ({}, [NewStep(1, "person", person_id=world.agent_user.id)], "could not claim"),
        ({}, [NewStep(1, "endpoint", endpoint_id=elsewhere.id)], "no such endpoint"),
    ]
    for values, steps, message in wrong:
        with pytest.raises(ApplicationError, match=message):
            plan_save(user=world.owner, team=world.billing, values=values, steps=steps)
    assert not RoutingPlan.objects.filter(team=world.billing).exists()


def test_who_may_judge_a_team_is_found_by_role(world: World) -> None:
    api_key_create(user=None, name="CRM", scopes=["handovers:write"], team=None)
    assert set(reviewers_of(world.billing)) == {world.owner, world.supervisor, world.reviewer}
    assert set(reviewers_of(world.sales)) == {world.owner, world.supervisor, world.other_supervisor}
    assert set(reviewers_of(None)) == {world.owner}
