"""Who sees what: every role through every selector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import IntegrityError, transaction

from callanalytics.calls.models import Flag, Utterance
from callanalytics.calls.overview import overview
from callanalytics.calls.selectors import (
    CALL_EMOTION,
    CallFilters,
    call_detail,
    call_get,
    call_list,
    call_page,
    document_get,
    flag_get,
    flag_list,
    utterance_list,
)
from callanalytics.errors import NotFoundError
from callanalytics.people.models import Agent, Membership, RoleChoice, Team
from callanalytics.people.selectors import Access, access_for, agents_visible, queues_visible, team_tree, teams_readable, teams_uploadable
from callanalytics.review.selectors import coaching_notes, coaching_unread_count, verdicts_of
from callanalytics.review.services import coaching_note_add, verdict_record
from tests import factories
from tests.factories import ROLES

if TYPE_CHECKING:
    from collections.abc import Callable

    from callanalytics.calls.models import Call
    from tests.factories import World


@pytest.fixture
def calls(world: World) -> dict[str, Call]:
    """The agent's own call, a colleague's in the same team, and one in the team beside it; each flagged."""
    return {
        "own": factories.done_call(world.billing, agent=world.agent, queue=world.queue, file_name="own.wav"),
        "team": factories.done_call(world.billing, agent=world.other_agent, file_name="team.wav"),
        "beside": factories.done_call(world.sales, file_name="beside.wav"),
    }


READABLE = {
    "owner": {"own", "team", "beside"},
    "supervisor": {"own", "team", "beside"},
    "other_supervisor": {"beside"},
    "reviewer": {"own", "team"},
    "agent": {"own"},
    "other_agent": {"team"},
    "outsider": set(),
}
JUDGEABLE = READABLE | {"agent": set(), "other_agent": set()}


def found(select: Callable[..., object], **query: Any) -> bool:
    try:
        select(**query)
    except NotFoundError:
        return False
    return True


@pytest.mark.parametrize("role", ROLES)
def test_each_role_reads_its_calls_and_no_other(world: World, calls: dict[str, Call], role: str) -> None:
    user = world.people()[role]
    names = {call.id: name for name, call in calls.items()}
    assert {names[call.id] for call in call_list(user=user)} == READABLE[role]
    assert {names[call.id] for call in call_page(user=user).calls} == READABLE[role]
    for select in (call_get, call_detail, utterance_list, document_get, flag_list):
        assert {name for name, call in calls.items() if found(select, user=user, call_id=call.id)} == READABLE[role], select


@pytest.mark.parametrize("role", ROLES)
def test_each_role_reads_the_flags_and_verdicts_it_may_judge(world: World, calls: dict[str, Call], role: str) -> None:
    flags = {name: Flag.objects.get(call=call) for name, call in calls.items()}
    for flag in flags.values():
        verdict_record(user=world.owner, flag_id=flag.id, answer="confirm")
    user = world.people()[role]
    assert {name for name, flag in flags.items() if found(flag_get, user=user, flag_id=flag.id)} == JUDGEABLE[role]
    assert {name for name, call in calls.items() if verdicts_of(user=user, call_id=call.id).exists()} == JUDGEABLE[role]
    assert {name for name, call in calls.items() if call_detail_flags(user, call)} == JUDGEABLE[role]


def call_detail_flags(user: Any, call: Call) -> list[Flag]:
    return call_detail(user=user, call_id=call.id).flags if found(call_get, user=user, call_id=call.id) else []


def test_an_agent_is_shown_nobodys_emotion_anywhere(world: World, calls: dict[str, Call]) -> None:
    user, call_id = world.agent_user, calls["own"].id
    detail = call_detail(user=user, call_id=call_id)
    assert not detail.emotion
    assert (detail.segments, detail.flags, detail.effort) == ([], [], [])
    assert {(row.frustration, row.anger, row.wording, row.abstained) for row in detail.outline} == {(None, None, None, "")}
    transcript = utterance_list(user=user, call_id=call_id)
    for utterance in [*transcript, *utterance_list(user=user, call_id=call_id, places=slice(0, 1))]:
        assert [getattr(utterance, name) for name in Utterance.EMOTION_FIELDS] == [None] * 5
        assert (utterance.abstained, utterance.tone_abstained) == ("", "")
        assert utterance.measures
        assert utterance.text
    for call in (detail.call, call_get(user=user, call_id=call_id), call_page(user=user).calls[0]):
        assert {getattr(call, name) for name in CALL_EMOTION} == {None}
    assert detail.summary["measures"]
    assert not {"utterances", "effort", "segments", "flags"} & set(detail.summary)
    assert flag_list(user=user, call_id=call_id) == []
    document = document_get(user=user, call_id=call_id)
    assert document is not None
    assert (document["segments"], document["flags"], document["effort"]) == ([], [], [])
    scores = [entry[key] for entry in document["utterances"] for key in ("tone", "wording", "frustration", "disagreement")]
    assert set(scores) == {None}
    assert [entry["text"] for entry in document["utterances"]] == [row.text for row in transcript]
    assert overview(user=user).frustration is None


def test_an_agents_redacted_call_cannot_be_saved_over_the_real_one(world: World, calls: dict[str, Call]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        call_get(user=world.agent_user, call_id=calls["own"].id).save()


def test_an_agent_cannot_find_out_by_filtering(world: World, calls: dict[str, Call]) -> None:
    for flagged in (True, False):
        assert not call_list(user=world.agent_user, filters=CallFilters(flagged=flagged)).exists()


def test_everyone_else_sees_the_emotion_values(world: World, calls: dict[str, Call]) -> None:
    for role in ("owner", "supervisor", "reviewer"):
        detail = call_detail(user=world.people()[role], call_id=calls["own"].id)
        assert detail.emotion
        assert detail.outline[1].frustration == 0.8314
        assert utterance_list(user=world.people()[role], call_id=calls["own"].id)[1].frustration == 0.8314
        assert len(detail.segments) == len(detail.flags) == 1


def test_a_reviewer_who_is_an_agent_elsewhere_sees_each_call_by_its_own_right(world: World, calls: dict[str, Call]) -> None:
    Agent.objects.create(code="R1", team=world.sales, user=world.reviewer)
    own = factories.done_call(world.sales, agent=world.reviewer.agent)
    emotion = {call.id: call_detail(user=world.reviewer, call_id=call.id).emotion for call in (own, calls["team"])}
    assert emotion == {own.id: False, calls["team"].id: True}
    assert {call.id: call.flag_count for call in call_page(user=world.reviewer).calls}[own.id] is None


def test_notes_reach_their_agent_and_their_supervisors(world: World, calls: dict[str, Call]) -> None:
    coaching_note_add(user=world.supervisor, call_id=calls["own"].id, text="Well done")
    seen = {role: coaching_notes(user=user).count() for role, user in world.people().items()}
    assert seen == dict.fromkeys(ROLES, 0) | {"owner": 1, "supervisor": 1, "agent": 1}
    assert {role: coaching_unread_count(user=user) for role, user in world.people().items()} == dict.fromkeys(ROLES, 0) | {"agent": 1}


def test_each_role_sees_its_teams_queues_and_agents(world: World, calls: dict[str, Call]) -> None:
    counts = {
        role: (teams_readable(user).count(), teams_uploadable(user).count(), queues_visible(user).count(), agents_visible(user).count())
        for role, user in world.people().items()
    }
    assert counts == {
        "owner": (3, 3, 1, 2),
        "supervisor": (3, 3, 1, 2),
        "other_supervisor": (1, 1, 0, 0),
        "reviewer": (1, 0, 1, 2),
        "agent": (0, 0, 0, 1),
        "other_agent": (0, 0, 0, 1),
        "outsider": (0, 0, 0, 0),
    }


def test_nobody_and_a_person_who_left_have_no_access(world: World) -> None:
    world.owner.is_active = False
    assert access_for(AnonymousUser()) == access_for(world.owner) == Access()


def test_a_superuser_is_an_owner(db: None) -> None:
    assert access_for(factories.user("root", is_superuser=True)).is_owner


def test_a_ring_of_teams_ends(world: World) -> None:
    Team.objects.filter(id=world.care.id).update(parent=world.billing)
    assert team_tree([world.care.id]) == {world.care.id, world.billing.id, world.sales.id}


def test_the_database_refuses_a_role_without_a_team_and_an_owner_with_one(world: World) -> None:
    for role, team in ((RoleChoice.REVIEWER, None), (RoleChoice.OWNER, world.care)):
        with pytest.raises(IntegrityError), transaction.atomic():
            Membership.objects.create(user=world.outsider, role=role, team=team)


def test_a_call_that_never_was_is_not_found_like_one_that_may_not_be_seen(world: World, calls: dict[str, Call]) -> None:
    messages = []
    for call_id in (uuid4(), calls["own"].id):
        with pytest.raises(NotFoundError) as caught:
            call_get(user=world.outsider, call_id=call_id)
        messages.append(caught.value.message)
    assert messages[0] == messages[1]


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        (CallFilters(text="OWN"), {"own"}),
        (CallFilters(text="a17"), {"own"}),
        (CallFilters(status="failed"), set()),
        (CallFilters(status="done", flagged=True), {"own", "team", "beside"}),
        (CallFilters(flagged=False), set()),
    ],
)
def test_a_list_is_narrowed(world: World, calls: dict[str, Call], filters: CallFilters, names: set[str]) -> None:
    assert {call.file_name.removesuffix(".wav") for call in call_page(user=world.owner, filters=filters).calls} == names


def test_pages_are_cut_and_a_number_past_the_end_gives_the_last(world: World, calls: dict[str, Call]) -> None:
    page = call_page(user=world.owner, number=99, size=2)
    assert (len(page.calls), page.number, page.pages, page.total) == (1, 2, 2, 3)
