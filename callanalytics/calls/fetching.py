"""Fetches the recording of a call that was announced by its address, under the lease of the worker that has it."""

from __future__ import annotations

import base64
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.conf import settings
from django.template.defaultfilters import filesizeformat

from analysis.errors import AnalysisError
from callanalytics.calls import files, s3
from callanalytics.calls.ingest import files_and_rows, recording_kept, recording_place
from callanalytics.calls.lease import held
from callanalytics.egress import EgressError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from uuid import UUID

    from callanalytics.calls.files import Incoming, Staged
    from callanalytics.calls.models import Call, Recording
    from callanalytics.egress import URL, Egress

FETCH_S = 3600.0
SILENCE_S = 30.0
"""A server that says nothing for so long is asked another time."""
PERMANENT = frozenset({"refused", "too_large"})
LATER = frozenset({408, 425, 429})
"""Answers of the client's kind that pass by themselves, beside all of 500 and more."""
TOO_OLD = "An address that is signed may be too old; hand the call in again with a new one."
TWILIO_HOST = re.compile(r"api(\.[a-z0-9-]+){0,2}\.twilio\.com")
"""Also of a region, as in api.dublin.ie1.twilio.com."""
TWILIO_RECORDING = re.compile(r"/2010-04-01/Accounts/[A-Za-z0-9]+/(Calls/[A-Za-z0-9]+/)?Recordings/[A-Za-z0-9]+(\.(wav|mp3))?")


class _Watched:
    """A draft that tells of each piece, so that a worker that must stop hears of it in the middle."""

    def __init__(self, draft: Incoming, heard: Callable[[], object]) -> None:
        self._draft, self._heard = draft, heard

    def write(self, chunk: bytes, /) -> None:
        self._heard()
        self._draft.write(chunk)


@contextmanager
def fetched(call: Call, egress: Egress, heard: Callable[[], object]) -> Iterator[Staged]:
    """What lies at the call's address, staged to be settled within the block.

    `heard` is called for each piece that arrives, and may raise to end it. Raises AnalysisError, in words for who announced the call.
    """
    try:
        with files.incoming() as draft:
            _download(call, _Watched(draft, heard), egress)
            staged = draft.whole()
            if staged.size == 0:
                raise AnalysisError(f"What lies at {call.source} is empty; nothing was recorded, or it is not there yet.", permanent=False)
            yield staged
    except EgressError as error:
        raise AnalysisError(_in_words(error), permanent=_is_permanent(error)) from error
    except OSError as error:
        if error.errno not in files.FULL_DISK:
            raise
        message = "The recording was fetched and not kept: the disk for recordings is full. Tell who runs this platform."
        raise AnalysisError(message, permanent=False) from error


def _download(call: Call, out: _Watched, egress: Egress) -> None:
    url = s3.object_url(call.source_url) if call.source_url.startswith(s3.SCHEME) else call.source_url
    limit = settings.MAX_UPLOAD_BYTES
    egress.fetch(url, out, timeout_s=FETCH_S, silence_s=SILENCE_S, max_bytes=limit, headers_for=credentials)


def credentials(url: URL) -> Mapping[str, str]:
    """What a server is told of who asks: Twilio, and nobody else, the account and its token.

    For recordings alone: whoever may hand calls in must not have all else of the account fetched, as messages or keys.
    """
    is_recording = url.scheme == "https" and TWILIO_HOST.fullmatch(url.host) and TWILIO_RECORDING.fullmatch(url.path)
    if not (is_recording and settings.TWILIO.account_sid and settings.TWILIO.auth_token):
        return {}
    pair = f"{settings.TWILIO.account_sid}:{settings.TWILIO.auth_token}"
    return {"authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def recording_settle(call: Call, token: UUID, staged: Staged) -> Recording | None:
    """Give the call the team's recording of these bytes, which the team may have already; None where the lease is lost.

    With it the address has done its work, and is forgotten.
    """
    with files_and_rows() as placed:
        # Recording before call, as erasure locks them.
        recording, new = recording_kept(staged, call.file_name, call.team)
        mine = held(call.id, token).select_for_update().first()
        if mine is None:
            if new:
                recording.delete()
            return None
        held(call.id, token).update(recording=recording, source_url="")
        recording_place(staged, recording, placed, new=new)
    return recording


def _is_permanent(error: EgressError) -> bool:
    if error.status is not None:
        return error.status < 500 and error.status not in LATER
    return error.kind in PERMANENT


def _in_words(error: EgressError) -> str:
    if error.kind == "too_large":
        return f"The recording is larger than {filesizeformat(settings.MAX_UPLOAD_BYTES)}; compress it (FLAC, Opus)."
    if error.status in (401, 403):
        return f"The recording could not be fetched: the server answered {error.status}, no entry. {TOO_OLD}"
    if error.status in (404, 410):
        return f"The recording could not be fetched: the server answered {error.status}, there is nothing at this address."
    return f"The recording could not be fetched. {error.message}"
