"""What the player and the download buttons fetch: audio by ranges, waveform, transcript."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from callanalytics import weights
from callanalytics.calls import files, selectors, transcripts
from callanalytics.calls.models import CallStatus
from callanalytics.calls.services import cleaner_copy_ask
from callanalytics.errors import ApplicationError
from dashboard.doors import fragment, guarded, signed_in
from dashboard.ranges import file_response

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from callanalytics.people.models import User


@require_safe
@guarded
def call_audio(request: HttpRequest, call_id: UUID) -> HttpResponseBase:
    """The playback copy."""
    return _file(request, files.playback_path(selectors.call_get(user=signed_in(request), call_id=call_id)), "audio/mp4")


@require_safe
@guarded
def cleaner_audio(request: HttpRequest, call_id: UUID) -> HttpResponseBase:
    """The copy with its noise taken out, once it is made."""
    return _file(request, files.cleaner_path(selectors.call_get(user=signed_in(request), call_id=call_id)), "audio/mp4")


@require_http_methods(["GET", "HEAD", "POST"])
@guarded
def cleaner_copy(request: HttpRequest, call_id: UUID) -> HttpResponse:
    """Where the cleaner copy stands, and asking for one; a plain form goes back to the call."""
    user = signed_in(request)
    if request.method == "POST":
        try:
            cleaner_copy_ask(user=user, call_id=call_id)
        except ApplicationError as error:
            if error.code != "conflict":
                raise
            messages.error(request, error.message)
        if not fragment(request):
            return redirect("call-detail", call_id)
    context = {"call": selectors.call_get(user=user, call_id=call_id), "cleaner": cleaner_state(user, call_id)}
    return render(request, "dashboard/_cleaner_copy.html", context)


@require_safe
@guarded
def call_peaks(request: HttpRequest, call_id: UUID) -> HttpResponseBase:
    return _file(request, files.peaks_path(selectors.call_get(user=signed_in(request), call_id=call_id)), "application/json")


@require_safe
@guarded
def call_transcript(request: HttpRequest, call_id: UUID) -> HttpResponse:
    """`?format=txt`, `vtt` or `srt`, as a download."""
    call = selectors.call_get(user=signed_in(request), call_id=call_id)
    name = request.GET.get("format", "txt")
    if name not in transcripts.FORMATS:
        raise Http404
    write, content_type = transcripts.FORMATS[name]
    text = write(selectors.utterance_list(user=signed_in(request), call_id=call_id))
    stem = re.sub(r"[^\w.-]+", "-", call.external_id or call.file_name.rsplit(".", 1)[0], flags=re.ASCII).strip("-.") or "call"
    return HttpResponse(text, content_type=content_type, headers={"Content-Disposition": f'attachment; filename="{stem}.{name}"'})


def cleaner_state(user: User, call_id: UUID) -> dict[str, object]:
    """What the player says of the cleaner copy: `copy`, where there is one or one on its way, and whether one may be asked for."""
    copy = selectors.cleaner_copy_get(user=user, call_id=call_id)
    wanting = copy is None or copy.status == CallStatus.FAILED
    return {"copy": copy, "offered": wanting and weights.denoiser_installed()}


def _file(request: HttpRequest, path: Path, content_type: str) -> HttpResponseBase:
    try:
        return file_response(request, path, content_type=content_type)
    except FileNotFoundError as error:
        raise Http404 from error
