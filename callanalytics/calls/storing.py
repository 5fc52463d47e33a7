"""Stores an analysis: document and rows, under the lease that it was made with, or nothing at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction
from uuid6 import uuid7

from analysis.document import to_document
from callanalytics.calls import files, mapping, scoring
from callanalytics.calls.flagging import flag_count_refresh, flags_merge
from callanalytics.calls.lease import FRESH, NOT_LEASED, call_requeue
from callanalytics.calls.models import AnalysisRun, Call, CallStatus, EffortSign, Flag, FrustrationSegment, Utterance
from callanalytics.events.services import event_record

if TYPE_CHECKING:
    from uuid import UUID

    from analysis.values import CallAnalysis
    from callanalytics.calls.mapping import Rows

BATCH = 500


def analysis_store(call_id: UUID, token: UUID, analysis: CallAnalysis) -> AnalysisRun | None:
    """Make an analysis the current one of its call. None, with nothing stored, where the lease is lost or more is scored than allowed."""
    document = to_document(analysis)
    run_id = uuid7()
    name = files.document_name(run_id)
    files.document_write(name, document)
    run: AnalysisRun | None = None
    try:
        with transaction.atomic():
            call = _leased(call_id, token)
            if call is None:
                return None
            if scoring.looser(analysis.scoring.mode, scoring.allowed(call).mode):
                call_requeue(call, actor=None, why="scoring was restricted while it ran")
                return None
            rows = mapping.rows(call, analysis, document, run_id=run_id)
            rows.run.document = name
            _store(call, rows)
            _finish(call, analysis, rows)
            run = rows.run
            return run
    finally:
        if run is None or not AnalysisRun.objects.filter(id=run_id).exists():
            files.remove(name)


def _leased(call_id: UUID, token: UUID) -> Call | None:
    """The call, locked until the end of the transaction, if this worker still holds it."""
    held = Call.objects.select_related("team", "queue").filter(id=call_id, status=CallStatus.RUNNING, lease_token=token)
    return held.select_for_update(of=("self",)).first()


def _store(call: Call, rows: Rows) -> None:
    """Rows of the new run in place of the old run's; old runs keep their line, their document and the verdicts that name them."""
    AnalysisRun.objects.filter(call=call, current=True).update(current=False)
    rows.run.save(force_insert=True)
    for model in (Utterance, FrustrationSegment, EffortSign):
        model.objects.filter(call=call).delete()
    Utterance.objects.bulk_create(rows.utterances, batch_size=BATCH)
    FrustrationSegment.objects.bulk_create(rows.segments, batch_size=BATCH)
    EffortSign.objects.bulk_create(rows.effort, batch_size=BATCH)
    flags_merge(call, rows.flags, gone=_gone(rows.run))


def _gone(run: AnalysisRun) -> str:
    return (
        "a newer analysis did not find it again"
        if run.scoring == "full"
        else f"a newer analysis with scoring {run.scoring} did not find it"
    )


def _finish(call: Call, analysis: CallAnalysis, rows: Rows) -> None:
    done = {
        **FRESH,
        **NOT_LEASED,
        **mapping.totals(rows),
        "status": CallStatus.DONE,
        "attempts": call.attempts,
        "percent": 100,
        "seconds": analysis.recording.seconds,
        "language": analysis.language or call.language,
    }
    Call.objects.filter(id=call.id).update(**done)
    flag_count_refresh(call.id)
    call.refresh_from_db()
    standing = Flag.objects.filter(call=call, status__in=Flag.STANDING).count()
    payload = call.told | {"run": str(rows.run.id), "scoring": rows.run.scoring, "seconds": call.seconds, "flags": standing}
    event_record(type="call.analyzed", subject=call.id, team=call.team, payload=payload)
