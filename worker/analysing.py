"""One attempt at one call: claimed, fetched, decoded, copied for the browser, analysed, stored; or given back with its reason."""

from __future__ import annotations

import dataclasses
import logging
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

from analysis import pipeline, playback
from analysis.errors import AnalysisError
from analysis.steps import decode
from callanalytics.calls import fetching, files, lease, mapping, queueing, storing
from callanalytics.calls.models import CallStatus
from callanalytics.review.selectors import config_calibrated
from worker import runtime, stopping
from worker.holding import Hold, LeaseLostError
from worker.placing import cleared_if_erased, placed

if TYPE_CHECKING:
    from uuid import UUID

    from analysis.ports import Progress
    from analysis.values import Recording
    from callanalytics.calls.models import Call

log = logging.getLogger(__name__)

STOPPED = "The worker was stopped while it analysed the call; the next one starts on it again."


class AttemptFailedError(Exception):
    """An attempt that failed for a reason nobody foresaw; the call's row already tells of it."""


@dataclasses.dataclass(frozen=True, slots=True)
class CallClaim:
    """A call that is to be analysed, as worker.holding asks for it."""

    call_id: UUID
    token: UUID

    def __str__(self) -> str:
        return f"call {self.call_id}"

    def renew(self) -> bool:
        return lease.lease_renew(self.call_id, self.token)

    def give_back(self) -> bool:
        return lease.call_give_back(self.call_id, self.token, STOPPED)


def call_attempt(call_id: UUID, *, listener: Progress | None = None) -> str | None:
    """Analyse a queued call; its new status, or None where it was not ours to take or was taken away.

    May run twice: only the holder of the lease stores. Raises AttemptFailedError after recording an error that nobody foresaw.
    """
    if stopping.is_asked():
        queueing.enqueue(call_id)
        return None
    claim = CallClaim(call_id, uuid4())
    call = lease.call_claim(call_id, claim.token)
    if call is None:
        log.info("call %s is not waiting, or not due: nothing to do", call_id)
        return None
    with cleared_if_erased(call), Hold(claim) as hold:
        try:
            return _analyzed(call, hold, listener)
        except LeaseLostError as lost:
            log.warning("%s; its analysis is dropped", lost)
            return None
        except AnalysisError as error:
            return _failed(hold, in_senders_words(call, error.message), permanent=error.permanent)
        except Exception as error:
            log.exception("call %s failed", call.id)
            _failed(hold, unexpected("The analysis", error), permanent=False)
            raise AttemptFailedError(f"call {call.id}: {_first_line(error)}") from error
        except BaseException:
            hold.give_back()
            raise


def in_senders_words(call: Call, message: str) -> str:
    """The message with the name that the file came with, instead of the one it is stored under."""
    if call.recording is None:
        return message
    stored = files.recording_path(call)
    return message.replace(str(stored), call.file_name).replace(stored.name, call.file_name)


def unexpected(work: str, error: Exception) -> str:
    """What a call's page says of an error that nobody foresaw: its kind and its first line."""
    return f"{work} stopped on an error of its own ({type(error).__name__}: {_first_line(error)}). The worker's log has the details."


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _analyzed(call: Call, hold: Hold, listener: Progress | None) -> str | None:
    progress = partial(_advance, hold, listener)
    # Asked anew for each call, so that a worker needs no restart; a call keeps what it began with.
    config = config_calibrated(runtime.config())
    engines, given = runtime.engines(), mapping.call_options(call)
    options = pipeline.CallOptions(given.parties, given.scoring, given.language)
    pipeline.refuse_language(call.file_name, engines, config, options)
    _fetch(call, hold)
    progress("decode", 0.0)
    with decode.open_recording(files.recording_path(call), engines.decoders, config.decode) as opened:
        recording = dataclasses.replace(opened, file=call.file_name)
        progress("decode", 1.0)
        _copy(call, recording, hold)
        analysis = pipeline.analyze_recording(
            recording,
            engines=engines,
            config=config,
            options=options,
            progress=progress,
        )
    if hold.store(lambda: storing.analysis_store(hold.claim.call_id, hold.claim.token, analysis)) is None:
        raise LeaseLostError(f"{hold.claim} was taken away, or restricted, before its analysis was stored")
    return CallStatus.DONE


def _fetch(call: Call, hold: Hold) -> None:
    """The recording of a call that was handed in by its address, kept as soon as it is there: no later attempt asks for it again."""
    if call.recording is not None:
        return
    call_id, token = hold.claim.call_id, hold.claim.token

    def heard() -> None:
        hold.report(lambda: lease.progress_report(call_id, token, step="fetch", percent=0))

    heard()
    with fetching.fetched(call, runtime.egress(), heard) as staged:
        call.recording = hold.store(lambda: fetching.recording_settle(call, token, staged))
    if call.recording is None:
        raise LeaseLostError(f"{hold.claim} was taken away before its recording was kept")


def _advance(hold: Hold, listener: Progress | None, step: str, fraction: float) -> None:
    percent = 100 * pipeline.share_done(step, fraction)
    hold.report(lambda: lease.progress_report(hold.claim.call_id, hold.claim.token, step=step, percent=percent))
    if listener is not None:
        listener(step, fraction)


def _copy(call: Call, recording: Recording, hold: Hold) -> None:
    """The playback copy and the peaks, each in place only while the call is still ours."""
    with placed(files.playback_path(call), hold) as draft:
        playback.write(recording, draft)
    with placed(files.peaks_path(call), hold) as draft:
        draft.write_text(playback.peaks(recording).as_json())


def _failed(hold: Hold, message: str, *, permanent: bool) -> str | None:
    return lease.call_fail(hold.claim.call_id, hold.claim.token, message, permanent=permanent)
