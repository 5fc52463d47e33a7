"""One attempt at one call: claimed, decoded, copied for the browser, analysed, stored; or given back with its reason."""

from __future__ import annotations

import dataclasses
import logging
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

from django.db import InterfaceError, OperationalError, connection

from analysis import pipeline, playback
from analysis.errors import AnalysisError
from analysis.steps import decode
from callanalytics.calls import files, lease, mapping, queueing, storing
from callanalytics.calls.models import Call, CallStatus
from worker import runtime, stopping
from worker.holding import Hold, LeaseLostError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from uuid import UUID

    from analysis.ports import Progress
    from analysis.values import CallAnalysis, Recording
    from callanalytics.calls.models import AnalysisRun

log = logging.getLogger(__name__)

STORE_AGAIN_AFTER_S = (2.0, 5.0, 15.0, 30.0)
"""A database that restarts must not cost the work of minutes or hours; the lease outlasts these waits."""

UNEXPECTED = "The analysis stopped on an error of its own ({kind}: {text}). The worker's log has the details."


class AttemptFailedError(Exception):
    """An attempt that failed for a reason nobody foresaw; the call's row already tells of it."""


def call_attempt(call_id: UUID, *, listener: Progress | None = None) -> str | None:
    """Analyse a queued call; its new status, or None where it was not ours to take or was taken away.

    May run twice: only the holder of the lease stores. Raises AttemptFailedError after recording an error that nobody foresaw.
    """
    if stopping.is_asked():
        queueing.enqueue(call_id)
        return None
    token = uuid4()
    call = lease.call_claim(call_id, token)
    if call is None:
        log.info("call %s is not waiting, or not due: nothing to do", call_id)
        return None
    with Hold(call.id, token) as hold:
        try:
            return _analyzed(call, hold, listener)
        except LeaseLostError as lost:
            log.warning("%s; its analysis is dropped", lost)
            _cleared(call)
            return None
        except AnalysisError as error:
            return _failed(call, hold, in_senders_words(call, error.message), permanent=error.permanent)
        except Exception as error:
            log.exception("call %s failed", call.id)
            text = str(error).strip().partition("\n")[0]
            _failed(call, hold, UNEXPECTED.format(kind=type(error).__name__, text=text), permanent=False)
            raise AttemptFailedError(f"call {call.id}: {text}") from error
        except BaseException:
            hold.give_back()
            raise


def in_senders_words(call: Call, message: str) -> str:
    """The message with the name that the file came with, instead of the one it is stored under."""
    stored = files.recording_path(call)
    return message.replace(str(stored), call.file_name).replace(stored.name, call.file_name)


def _analyzed(call: Call, hold: Hold, listener: Progress | None) -> str | None:
    progress = partial(_advance, hold, listener)
    engines, config, options = runtime.engines(), runtime.config(), mapping.call_options(call)
    progress("decode", 0.0)
    with decode.open_recording(files.recording_path(call), engines.decoders, config.decode) as opened:
        recording = dataclasses.replace(opened, file=call.file_name)
        progress("decode", 1.0)
        _copy(call, recording, hold)
        analysis = pipeline.analyze_recording(
            recording,
            engines=engines,
            config=config,
            options=pipeline.CallOptions(options.parties, options.scoring, options.language),
            progress=progress,
        )
    hold.check()
    if _stored(hold, analysis) is None:
        raise LeaseLostError(f"call {call.id} was taken away, or restricted, before its analysis was stored")
    return CallStatus.DONE


def _stored(hold: Hold, analysis: CallAnalysis) -> AnalysisRun | None:
    for wait in STORE_AGAIN_AFTER_S:
        try:
            return storing.analysis_store(hold.call_id, hold.token, analysis)
        except (OperationalError, InterfaceError) as error:
            log.warning("call %s: the database took no analysis, asked again in %.0f s: %s", hold.call_id, wait, error)
            connection.close()
            time.sleep(wait)
            hold.check()
    return storing.analysis_store(hold.call_id, hold.token, analysis)


def _advance(hold: Hold, listener: Progress | None, step: str, fraction: float) -> None:
    hold.report(step, pipeline.share_done(step, fraction))
    if listener is not None:
        listener(step, fraction)


def _copy(call: Call, recording: Recording, hold: Hold) -> None:
    """The playback copy and the peaks, each in place only while the call is still ours."""
    with _placed(files.playback_path(call), hold) as draft:
        playback.write(recording, draft)
    with _placed(files.peaks_path(call), hold) as draft:
        draft.write_text(playback.peaks(recording).as_json())


@contextmanager
def _placed(target: Path, hold: Hold) -> Iterator[Path]:
    with files.replaced_atomically(target) as draft:
        yield draft
        hold.check()


def _failed(call: Call, hold: Hold, message: str, *, permanent: bool) -> str | None:
    status = lease.call_fail(hold.call_id, hold.token, message, permanent=permanent)
    if status is None:
        _cleared(call)
    return status


def _cleared(call: Call) -> None:
    """A call erased while it was analysed leaves no copy of its audio behind."""
    if not Call.objects.filter(id=call.id).exists():
        files.playback_path(call).unlink(missing_ok=True)
        files.peaks_path(call).unlink(missing_ok=True)
