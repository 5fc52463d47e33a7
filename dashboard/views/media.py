"""What the player and the download buttons fetch: audio by ranges, waveform, transcript."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from django.http import Http404, HttpResponse
from django.views.decorators.http import require_safe

from callanalytics.calls import files, selectors
from dashboard import transcripts
from dashboard.doors import guarded, signed_in
from dashboard.ranges import file_response

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

FORMATS = {"txt": (transcripts.as_text, "text/plain; charset=utf-8"), "vtt": (transcripts.as_vtt, "text/vtt; charset=utf-8")}


@require_safe
@guarded
def call_audio(request: HttpRequest, call_id: UUID) -> HttpResponseBase:
    """The playback copy."""
    return _file(request, files.playback_path(selectors.call_get(user=signed_in(request), call_id=call_id)), "audio/mp4")


@require_safe
@guarded
def call_peaks(request: HttpRequest, call_id: UUID) -> HttpResponseBase:
    return _file(request, files.peaks_path(selectors.call_get(user=signed_in(request), call_id=call_id)), "application/json")


@require_safe
@guarded
def call_transcript(request: HttpRequest, call_id: UUID) -> HttpResponse:
    """`?format=txt` or `?format=vtt`, as a download."""
    call = selectors.call_get(user=signed_in(request), call_id=call_id)
    name = request.GET.get("format", "txt")
    if name not in FORMATS:
        raise Http404
    write, content_type = FORMATS[name]
    text = write(selectors.utterance_list(user=signed_in(request), call_id=call_id))
    stem = re.sub(r"[^\w.-]+", "-", call.external_id or call.file_name.rsplit(".", 1)[0], flags=re.ASCII).strip("-.") or "call"
    return HttpResponse(text, content_type=content_type, headers={"Content-Disposition": f'attachment; filename="{stem}.{name}"'})


def _file(request: HttpRequest, path: Path, content_type: str) -> HttpResponseBase:
    try:
        return file_response(request, path, content_type=content_type)
    except FileNotFoundError as error:
        raise Http404 from error
