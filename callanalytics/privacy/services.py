"""Erases a call and leaves a receipt."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from django.db import transaction

from callanalytics.calls import files
from callanalytics.calls.models import AnalysisRun, Call, EffortSign, Flag, FrustrationSegment, Recording, Utterance
from callanalytics.calls.selectors import call_to_supervise
from callanalytics.errors import ApplicationError, NotFoundError
from callanalytics.events.models import Event
from callanalytics.events.services import event_record
from callanalytics.privacy.models import Erasure
from callanalytics.review.models import BlindSample, CoachingNote, Verdict
from callanalytics.routing.models import Attempt, Delivery, DeliveryStatus, Handover, Suppression
from callanalytics.routing.opening import call_leave
from callanalytics.routing.plans import openings_serialize

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from callanalytics.people.models import User

COUNTED = {
    "analyses": AnalysisRun,
    "utterances": Utterance,
    "segments": FrustrationSegment,
    "effort_signs": EffortSign,
    "flags": Flag,
    "verdicts": Verdict,
    "blind_samples": BlindSample,
    "coaching_notes": CoachingNote,
    "handovers": Handover,
    "suppressions": Suppression,
}
log = logging.getLogger(__name__)

NO_REASON = "no reason given"


def call_erase(*, user: User, call_id: UUID, reason: str) -> Erasure:
    """Remove a call: rows, documents, copies to listen to and peaks, its audio unless another call shares it, and what its events told.

    A worker that is analysing it loses its lease with the row and stores nothing. Files go when the transaction commits, so a failed
    erasure leaves the call whole. Raises NotFoundError, or ApplicationError `forbidden`.
    """
    for _ in range(2):
        erasure = _erased_at_once(user, call_id, reason)
        if erasure is not None:
            return erasure
    raise ApplicationError("The call changed while it was deleted; delete it again.", code="conflict")


def _erased_at_once(user: User, call_id: UUID, reason: str) -> Erasure | None:
    """None where the recording of a call that was handed in by its address arrived just now: that happens once, and it goes too."""
    seen = call_to_supervise(user=user, call_id=call_id)
    with transaction.atomic():
        openings_serialize()
        # The recording before the call, as call_ingest does: the audio cannot gain a call while it is decided whether it goes.
        recording = Recording.objects.select_for_update().filter(id=seen.recording_id).first() if seen.recording_id else None
        call = Call.objects.select_related("team").select_for_update(of=("self",)).filter(id=seen.id).first()
        if call is None:
            raise NotFoundError("call")
        if call.recording_id != seen.recording_id:
            return None
        shared = recording is not None and Call.objects.filter(recording=recording).exclude(id=call.id).exists()
        doomed = _files(call, None if shared else recording)
        counts = {name: model._default_manager.filter(call=call).count() for name, model in COUNTED.items()}
        erasure = _erased(call, user, reason, counts | {"files": sum(1 for file in doomed if file.exists()), "audio_shared": shared})
        if recording is not None and not shared:
            recording.delete()
        transaction.on_commit(lambda: _remove(doomed))
    return erasure


def _files(call: Call, recording: Recording | None) -> list[Path]:
    documents = AnalysisRun.objects.filter(call=call).exclude(document="").values_list("document", flat=True)
    audio = [files.absolute(recording.file)] if recording is not None else []
    return [*audio, *files.copy_paths(call), *(files.absolute(name) for name in documents)]


def _erased(call: Call, user: User, reason: str, counts: dict[str, int | bool]) -> Erasure:
    """Delete the rows, empty what earlier events told of the call, and write receipt and event."""
    subjects = [str(call.id), *(str(flag_id) for flag_id in Flag.objects.filter(call=call).values_list("id", flat=True))]
    told = Event.objects.filter(subject__in=subjects)
    # In the order in which a relay locks what one mail told.
    list(told.select_for_update().order_by("id").values_list("id"))
    told.update(payload={})
    Delivery.objects.filter(subject__in=subjects, status=DeliveryStatus.WAITING).update(status=DeliveryStatus.DROPPED)
    Attempt.objects.filter(delivery__subject__in=subjects).update(request={}, response={})
    public_id, why = call.id, (reason.strip() or NO_REASON)[:500]
    call_leave(call)
    paged = Handover.objects.filter(call=call, status__in=Handover.UNDER_WAY, paged_at__isnull=False)
    ended = [{"call": str(public_id), "handover": str(handover.id), "told": handover.told} for handover in paged]
    call.delete()
    for payload in ended:
        event_record(type="handover.withdrawn", subject=payload["handover"], team=call.team, payload=payload, actor=user)
    erasure = Erasure.objects.create(
        call_public_id=public_id, external_id=call.external_id, team=call.team, actor=user, reason=why, counts=counts
    )
    payload = {"call": str(public_id), "receipt": str(erasure.id), "reason": why}
    event_record(type="call.erased", subject=public_id, team=call.team, payload=payload, actor=user)
    return erasure


def _remove(doomed: list[Path]) -> None:
    """The call is erased by now: a file that cannot go keeps none of the others, and calls.leftovers tries it again."""
    for file in doomed:
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            log.error("%s of an erased call could not be removed yet: %s", file, error)
