"""One attempt at the cleaner copy of a call: decoded, denoised, put in its place; or given back with its reason."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

from analysis import playback
from analysis.errors import AnalysisError
from analysis.steps import decode
from callanalytics.calls import cleaning, files, queueing
from worker import runtime, stopping
from worker.analysing import in_senders_words, unexpected
from worker.holding import Hold, LeaseLostError
from worker.placing import cleared_if_erased, placed

if TYPE_CHECKING:
    from uuid import UUID

    from callanalytics.calls.models import Call

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CopyClaim:
    """A cleaner copy that is to be made, as worker.holding asks for it."""

    call_id: UUID
    token: UUID

    def __str__(self) -> str:
        return f"the cleaner copy of call {self.call_id}"

    def renew(self) -> bool:
        return cleaning.cleaner_copy_renew(self.call_id, self.token)

    def give_back(self) -> bool:
        return cleaning.cleaner_copy_give_back(self.call_id, self.token)


def cleaner_copy_attempt(call_id: UUID) -> None:
    """May run twice: a copy that is there, or being made, is left alone. Raises what nobody foresaw after recording it."""
    if stopping.is_asked():
        queueing.enqueue(call_id, queueing.CLEANER_COPY_MAKE)
        return
    claim = CopyClaim(call_id, uuid4())
    call = cleaning.cleaner_copy_claim(call_id, claim.token)
    if call is None:
        return
    with cleared_if_erased(call), Hold(claim) as hold:
        try:
            _make(call, hold)
        except LeaseLostError as lost:
            log.warning("%s; what was made of it is dropped", lost)
        except AnalysisError as error:
            _failed(hold, in_senders_words(call, error.message))
        except Exception as error:
            log.exception("%s failed", claim)
            _failed(hold, unexpected("Making the copy", error))
            raise
        except BaseException:
            hold.give_back()
            raise


def _make(call: Call, hold: Hold) -> None:
    report, denoiser = partial(_report, hold), runtime.denoiser()
    with decode.open_recording(files.recording_path(call), runtime.engines().decoders, runtime.config().decode) as recording:
        report(0.0)
        with placed(files.cleaner_path(call), hold) as draft:
            playback.write(recording, draft, denoiser, report)
    if not hold.store(lambda: cleaning.cleaner_copy_finish(hold.claim.call_id, hold.claim.token)):
        raise LeaseLostError(f"{hold.claim} was taken away before it was finished")


def _report(hold: Hold, done: float) -> None:
    hold.report(lambda: cleaning.cleaner_copy_report(hold.claim.call_id, hold.claim.token, done))


def _failed(hold: Hold, reason: str) -> None:
    cleaning.cleaner_copy_finish(hold.claim.call_id, hold.claim.token, reason=reason)
