"""A call on its way: claimed by a conditional UPDATE, held by a lease, given back, failed, swept up."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from callanalytics.calls import queueing
from callanalytics.calls.models import Call, CallStatus
from callanalytics.events.services import event_record

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models import QuerySet
    from django.db.models.expressions import CombinedExpression

    from callanalytics.people.models import User

logger = logging.getLogger(__name__)

RETRY_AFTER_S = (30, 120)
"""Wait before the second and the third attempt: a full disk or a busy machine needs a moment."""
NUDGE_AFTER_S = 300
"""A queued call, or copy, that no worker took for this long is announced again: its message was lost."""
NUDGES_A_SWEEP = 500

NOT_LEASED = {"lease_token": None, "lease_until": None}
FRESH = {
    **NOT_LEASED,
    "status": CallStatus.QUEUED,
    "attempts": 0,
    "step": "",
    "percent": 0,
    "reason": "",
    "permanent": False,
    "next_attempt_at": None,
    "nudged_at": None,
}
"""A call that is to be analysed from the start; whoever held it has lost its lease and stores nothing."""


def call_claim(call_id: UUID, token: UUID) -> Call | None:
    """Take a queued call for one worker; None where another has it, or it is not due, or it is gone. Counts an attempt."""
    taken = (
        _due()
        .filter(id=call_id)
        .update(
            status=CallStatus.RUNNING,
            attempts=F("attempts") + 1,
            lease_token=token,
            lease_until=from_now(settings.LEASE_S),
            next_attempt_at=None,
            step="",
            percent=0,
            reason="",
        )
    )
    return Call.objects.select_related("team", "agent", "queue", "recording").get(id=call_id) if taken else None


def call_is_due(call_id: UUID) -> bool:
    """Whether the call waits for whoever takes it now, by the clock that a claim goes by."""
    return _due().filter(id=call_id).exists()


def lease_renew(call_id: UUID, token: UUID) -> bool:
    """Keep a claimed call for another LEASE_S; False where it was taken away, and the worker must stop."""
    return held(call_id, token).update(lease_until=from_now(settings.LEASE_S)) == 1


def progress_report(call_id: UUID, token: UUID, *, step: str, percent: float) -> bool:
    """Say where the analysis is, and renew its lease; False where that was lost."""
    whole = min(100, max(0, int(percent)))
    return held(call_id, token).update(step=step, percent=whole, lease_until=from_now(settings.LEASE_S)) == 1


def call_fail(call_id: UUID, token: UUID, message: str, *, permanent: bool) -> str | None:
    """Record why an attempt failed: back to the queue for later, or failed for good. The new status, None where the lease was lost."""
    with transaction.atomic():
        call = held(call_id, token).select_for_update().first()
        if call is None:
            return None
        again = not permanent and call.attempts < settings.MAX_ATTEMPTS
        _settle_attempt(call, message, again=again, permanent=permanent)
    return CallStatus.QUEUED if again else CallStatus.FAILED


def call_give_back(call_id: UUID, token: UUID, why: str) -> bool:
    """Return a claimed call to the queue at once, with its attempt not counted; False where the lease was lost before."""
    with transaction.atomic():
        call = held(call_id, token).select_related("team").select_for_update(of=("self",)).first()
        if call is None:
            return False
        Call.objects.filter(id=call_id).update(**FRESH | {"attempts": F("attempts") - 1, "reason": why})
        event_record(type="call.delayed", subject=call_id, team=call.team, payload={"reason": why, "attempt": call.attempts})
        queueing.enqueue(call_id)
    return True


def call_requeue_expired() -> int:
    """The sweeper: calls whose worker went silent go back to the queue or fail with their reason; what waits is announced again.

    Returns how many leases had run out. Safe to run anywhere, any number of times.
    """
    expired = list(Call.objects.filter(status=CallStatus.RUNNING, lease_until__lt=Now()).values_list("id", "lease_token"))
    returned = sum(_give_up(call_id, token) for call_id, token in expired if token is not None)
    _nudge()
    return returned


def call_requeue(call: Call, *, actor: User | None, why: str) -> None:
    """Analyse a call again from the start. Call it inside the transaction of what made that necessary."""
    Call.objects.filter(id=call.id).update(**FRESH)
    event_record(type="call.queued", subject=call.id, team=call.team, payload={"why": why}, actor=actor)
    queueing.enqueue(call.id)


def _give_up(call_id: UUID, token: UUID) -> bool:
    """One expired lease; False where its worker came back or another sweeper was faster."""
    with transaction.atomic():
        call = held(call_id, token).filter(lease_until__lt=Now()).select_for_update().first()
        if call is None:
            return False
        again = call.attempts < settings.MAX_ATTEMPTS
        at = f" at the step {call.step}" if call.step else ""
        _settle_attempt(call, f"The worker stopped without a word{at}, attempt {call.attempts}.", again=again)
    logger.warning("call %s: lease ran out%s, attempt %d", call_id, at, call.attempts)
    return True


def _settle_attempt(call: Call, message: str, *, again: bool, permanent: bool = False) -> None:
    """End an attempt, inside the caller's transaction. `nudged_at` is emptied, so that the sweeper announces it when it is due."""
    wait = RETRY_AFTER_S[min(call.attempts, len(RETRY_AFTER_S)) - 1]
    Call.objects.filter(id=call.id).update(
        **NOT_LEASED,
        status=CallStatus.QUEUED if again else CallStatus.FAILED,
        reason=message[:500],
        permanent=permanent,
        percent=0,
        next_attempt_at=from_now(wait) if again else None,
        nudged_at=None,
    )
    kind = "call.delayed" if again else "call.failed"
    payload = call.told | {"reason": message[:500], "attempt": call.attempts, "permanent": permanent}
    event_record(type=kind, subject=call.id, team=call.team, payload=payload)


def _nudge() -> None:
    """Announce queued calls that are due and were not announced lately."""
    # A call that was only just made has its own message on the way.
    fresh = Q(nudged_at__isnull=True, attempts=0, created_at__gt=from_now(-settings.LEASE_RENEW_S))
    announce(_due().exclude(fresh), queueing.CALL_ANALYZE)


def announce(waiting: QuerySet[Any], task: str) -> None:
    """Nudge a worker for each row, oldest first, that was not announced lately. The rows' key is the call's id."""
    unheard = Q(nudged_at__isnull=True) | Q(nudged_at__lt=from_now(-NUDGE_AFTER_S))
    call_ids = list(waiting.filter(unheard).order_by("created_at").values_list("pk", flat=True)[:NUDGES_A_SWEEP])
    waiting.model._default_manager.filter(pk__in=call_ids).update(nudged_at=Now())
    for call_id in call_ids:
        queueing.enqueue(call_id, task)


def _due() -> QuerySet[Call]:
    return Call.objects.filter(Q(next_attempt_at__isnull=True) | Q(next_attempt_at__lte=Now()), status=CallStatus.QUEUED)


def held(call_id: UUID, token: UUID) -> QuerySet[Call]:
    """The call, if the lease of this token still holds it."""
    return Call.objects.filter(id=call_id, status=CallStatus.RUNNING, lease_token=token)


def from_now(seconds: float) -> CombinedExpression:
    """By the database's clock: those of the machines that claim and sweep may differ by more than a lease lasts."""
    return Now() + timedelta(seconds=seconds)
