"""A call is held by one worker at a time, and is never lost or stuck."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from django.db import transaction
from django.utils import timezone

from callanalytics.calls.models import Call, CallStatus
from callanalytics.calls.services import (
    call_claim,
    call_fail,
    call_give_back,
    call_requeue_expired,
    call_retry,
    lease_renew,
    progress_report,
)
from callanalytics.errors import ApplicationError
from callanalytics.events.models import Event
from callanalytics.events.services import event_record
from tests import factories

if TYPE_CHECKING:
    from pytest_django import DjangoCaptureOnCommitCallbacks

    from tests.factories import World


def silent(call: Call) -> None:
    """Let a lease run out."""
    Call.objects.filter(id=call.id).update(lease_until=timezone.now() - timedelta(seconds=1))


def due(call: Call) -> None:
    Call.objects.filter(id=call.id).update(next_attempt_at=timezone.now() - timedelta(seconds=1))


def test_a_call_is_claimed_once(world: World) -> None:
    call = factories.queued_call(world.billing)
    taken = call_claim(call.id, uuid4())
    assert taken is not None
    assert (taken.status, taken.attempts) == (CallStatus.RUNNING, 1)
    assert call_claim(call.id, uuid4()) is None


def test_a_call_that_is_gone_is_not_claimed(world: World) -> None:
    assert call_claim(uuid4(), uuid4()) is None


def test_clocks_of_machines_may_differ(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    call = factories.queued_call(world.billing)
    true = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: true() - timedelta(hours=1))
    token = factories.claimed(call)
    monkeypatch.setattr(timezone, "now", lambda: true() + timedelta(hours=1))
    assert call_requeue_expired() == 0
    assert lease_renew(call.id, token)


def test_a_call_that_is_given_back_is_due_at_once_with_its_attempt(
    world: World, nudged: list[str], django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    call = factories.queued_call(world.billing)
    token = factories.claimed(call)
    with django_capture_on_commit_callbacks(execute=True):
        assert call_give_back(call.id, token, "The worker was stopped.")
    assert nudged == [str(call.id)]
    assert not call_give_back(call.id, token, "again")
    call.refresh_from_db()
    assert (call.status, call.attempts, call.reason) == (CallStatus.QUEUED, 0, "The worker was stopped.")
    factories.claimed(call)


def test_progress_is_shown_and_renews_the_lease(world: World) -> None:
    call = factories.queued_call(world.billing)
    token = factories.claimed(call)
    silent(call)
    assert progress_report(call.id, token, step="transcribe", percent=41.7)
    call.refresh_from_db()
    assert (call.step, call.percent) == ("transcribe", 41)
    assert call.lease_until is not None
    assert call.lease_until > timezone.now() + timedelta(seconds=110)


def test_a_worker_whose_call_was_given_away_can_neither_renew_report_nor_fail_it(world: World) -> None:
    call = factories.queued_call(world.billing)
    old = factories.claimed(call)
    silent(call)
    assert call_requeue_expired() == 1
    due(call)
    new = factories.claimed(call)
    assert not lease_renew(call.id, old)
    assert not progress_report(call.id, old, step="flags", percent=99)
    assert call_fail(call.id, old, "late", permanent=True) is None
    assert lease_renew(call.id, new)


def test_a_failure_that_may_pass_is_tried_three_times_in_all(world: World) -> None:
    call = factories.queued_call(world.billing)
    states = []
    for _ in range(3):
        due(call)
        states.append(call_fail(call.id, factories.claimed(call), "The disk is full.", permanent=False))
    assert states == [CallStatus.QUEUED, CallStatus.QUEUED, CallStatus.FAILED]
    call.refresh_from_db()
    assert (call.attempts, call.reason, call.lease_token, call.permanent) == (3, "The disk is full.", None, False)
    assert Event.objects.filter(type="call.failed", subject=str(call.id)).count() == 1


def test_a_failed_attempt_waits_before_the_next(world: World) -> None:
    call = factories.queued_call(world.billing)
    call_fail(call.id, factories.claimed(call), "The disk is full.", permanent=False)
    assert call_claim(call.id, uuid4()) is None
    due(call)
    assert call_claim(call.id, uuid4()) is not None


def test_a_file_that_cannot_be_read_fails_at_once(world: World) -> None:
    call = factories.queued_call(world.billing)
    assert call_fail(call.id, factories.claimed(call), "not audio", permanent=True) == CallStatus.FAILED
    call.refresh_from_db()
    assert call.permanent


def test_a_worker_that_dies_three_times_fails_the_call_with_its_last_step(world: World) -> None:
    call = factories.queued_call(world.billing)
    for _ in range(3):
        due(call)
        token = factories.claimed(call)
        progress_report(call.id, token, step="decode", percent=1)
        silent(call)
        assert call_requeue_expired() == 1
    call.refresh_from_db()
    assert call.status == CallStatus.FAILED
    assert "decode" in call.reason


def test_the_sweeper_leaves_a_lease_that_holds(world: World) -> None:
    call = factories.queued_call(world.billing)
    token = factories.claimed(call)
    assert call_requeue_expired() == 0
    assert lease_renew(call.id, token)


def test_the_sweeper_announces_what_waits_once_in_a_while(
    world: World, nudged: list[str], django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    lost, fresh = factories.queued_call(world.billing), factories.queued_call(world.billing)
    Call.objects.filter(id=lost.id).update(created_at=timezone.now() - timedelta(minutes=5))
    for _ in range(2):
        with django_capture_on_commit_callbacks(execute=True):
            call_requeue_expired()
    assert nudged == [str(lost.id)]
    assert fresh.id != lost.id


def test_a_call_is_announced_again_when_its_next_attempt_is_due(
    world: World, nudged: list[str], django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    call = factories.queued_call(world.billing)
    call_fail(call.id, factories.claimed(call), "The disk is full.", permanent=False)
    for is_due in (False, True):
        if is_due:
            due(call)
        with django_capture_on_commit_callbacks(execute=True):
            call_requeue_expired()
        assert bool(nudged) is is_due


def test_retry_gives_a_failed_call_its_attempts_back(world: World) -> None:
    call = factories.queued_call(world.billing)
    call_fail(call.id, factories.claimed(call), "not audio", permanent=True)
    retried = call_retry(user=world.supervisor, call_id=call.id)
    assert (retried.status, retried.attempts, retried.reason, retried.permanent) == (CallStatus.QUEUED, 0, "", False)


def test_retry_of_a_call_on_its_way_is_refused(world: World) -> None:
    call = factories.queued_call(world.billing)
    with pytest.raises(ApplicationError, match="queued already"):
        call_retry(user=world.supervisor, call_id=call.id)


@pytest.mark.django_db(transaction=True)
def test_an_event_outside_a_transaction_is_refused() -> None:
    with pytest.raises(RuntimeError):
        event_record(type="call.lost", subject="x", team=None)
    with transaction.atomic():
        assert event_record(type="call.lost", subject="x", team=None).pk
