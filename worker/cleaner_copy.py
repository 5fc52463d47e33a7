"""One attempt at the cleaner copy of a call: decoded, denoised, put in its place; or given back with its reason."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

from analysis import playback
from analysis.errors import AnalysisError
from analysis.steps import decode
from callanalytics.calls import cleaning, files, queueing
from callanalytics.calls.models import Call
from worker import runtime, stopping
from worker.analysing import in_senders_words

if TYPE_CHECKING:
    from uuid import UUID

log = logging.getLogger(__name__)

UNEXPECTED = "Making the copy stopped on an error of its own ({kind}: {text}). The worker's log has the details."


class _UnwantedError(Exception):
    """The call was erased, or another worker was faster."""


class _StopError(Exception):
    """This worker is to stop."""


def cleaner_copy_attempt(call_id: UUID) -> None:
    """May run twice: a copy that is there, or being made, is left alone. Raises what nobody foresaw after recording it."""
    if stopping.is_asked():
        queueing.enqueue(call_id, queueing.CLEANER_COPY_MAKE)
        return
    token = uuid4()
    call = cleaning.cleaner_copy_claim(call_id, token)
    if call is None:
        return
    try:
        _make(call, token)
    except _UnwantedError:
        if not Call.objects.filter(id=call_id).exists():
            files.cleaner_path(call).unlink(missing_ok=True)
    except _StopError:
        cleaning.cleaner_copy_give_back(call_id, token)
    except AnalysisError as error:
        cleaning.cleaner_copy_finish(call_id, token, reason=in_senders_words(call, error.message))
    except Exception as error:
        log.exception("the cleaner copy of call %s failed", call_id)
        text = str(error).strip().partition("\n")[0]
        cleaning.cleaner_copy_finish(call_id, token, reason=UNEXPECTED.format(kind=type(error).__name__, text=text))
        raise
    except BaseException:
        cleaning.cleaner_copy_give_back(call_id, token)
        raise


def _make(call: Call, token: UUID) -> None:
    report, denoiser = partial(_report, call, token), runtime.denoiser()
    with decode.open_recording(files.recording_path(call), runtime.engines().decoders, runtime.config().decode) as recording:
        report(0.0)
        with files.replaced_atomically(files.cleaner_path(call)) as draft:
            playback.write(recording, draft, denoiser, report)
    if not cleaning.cleaner_copy_finish(call.id, token):
        raise _UnwantedError


def _report(call: Call, token: UUID, done: float) -> None:
    if stopping.is_asked():
        raise _StopError
    if not cleaning.cleaner_copy_report(call.id, token, done):
        raise _UnwantedError
