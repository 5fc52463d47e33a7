"""One call: its page and its state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import Http404
from django.shortcuts import render
from django.views.decorators.http import require_safe

from callanalytics.calls import selectors
from callanalytics.calls.models import CallStatus
from callanalytics.review.selectors import coaching_notes
from dashboard import call_page as building
from dashboard import casting, transcript_parts
from dashboard.board_page import on_board
from dashboard.doors import guarded, rights, signed_in
from dashboard.views.media import cleaner_state

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse

    from callanalytics.calls.selectors import CallDetail
    from dashboard.casting import Casting
    from dashboard.forms import CoachingNoteForm
    from dashboard.transcript_parts import Part

WAITING = (CallStatus.QUEUED, CallStatus.RUNNING)


@require_safe
@guarded
def call_detail(request: HttpRequest, call_id: UUID) -> HttpResponse:
    return call_page(request, call_id)


@require_safe
@guarded
def call_part(request: HttpRequest, call_id: UUID, number: int) -> HttpResponse:
    """One part of the transcript, for htmx."""
    if number >= transcript_parts.MOST:
        raise Http404("no such part")
    user, part = signed_in(request), transcript_parts.Part(number)
    emotion = rights(request).can_review(selectors.call_get(user=user, call_id=call_id).team_id)
    utterances = selectors.utterance_list(user=user, call_id=call_id, places=part.places)
    if not utterances:
        raise Http404("no such part")
    flags = selectors.flag_list(user=user, call_id=call_id)
    part = transcript_parts.filled(part, utterances, flags, emotion=emotion)
    return render(request, "dashboard/_transcript_part.html", {"part": part})


@require_safe
@guarded
def call_status(request: HttpRequest, call_id: UUID) -> HttpResponse:
    """The state of a call, for htmx; once it is over the whole page is asked for again."""
    call = selectors.call_get(user=signed_in(request), call_id=call_id)
    context = {"call": call, "may_retry": rights(request).can_supervise(call.team_id)}
    response = render(request, "dashboard/_call_status.html", context)
    if call.status not in WAITING:
        response["HX-Refresh"] = "true"
    return response


def call_page(request: HttpRequest, call_id: UUID, *, note_form: CoachingNoteForm | None = None, status: int = 200) -> HttpResponse:
    """The page, also for showing a faulty note again."""
    user = signed_in(request)
    detail = selectors.call_detail(user=user, call_id=call_id)
    page = building.build(detail, rights(request), notes=coaching_notes(user=user, call_id=call_id))
    parts = _parts(request, detail, page.seconds)
    context = {"call": detail.call, "page": page, "parts": parts, "may_retry": page.may_manage, "note_form": note_form}
    context["casting"] = _casting(request, detail) if page.may_manage else None
    context["cleaner"] = cleaner_state(user, call_id)
    context["on_board"] = on_board(user, call_id)
    return render(request, "dashboard/call.html", context, status=status)


def _casting(request: HttpRequest, detail: CallDetail) -> Casting:
    if not casting.is_open(detail.summary):
        return casting.build(detail.summary, ())
    first = slice(casting.FIRST_LINES)
    return casting.build(detail.summary, selectors.utterance_list(user=signed_in(request), call_id=detail.call.id, places=first))


def _parts(request: HttpRequest, detail: CallDetail, seconds: float) -> list[Part]:
    """The parts of the transcript, with the lines of the one that is asked for."""
    parts = transcript_parts.outlined(detail.outline, seconds=seconds)
    if parts:
        number = transcript_parts.asked_for(parts, request.GET)
        utterances = selectors.utterance_list(user=signed_in(request), call_id=detail.call.id, places=parts[number].places)
        parts[number] = transcript_parts.filled(parts[number], utterances, detail.flags, emotion=detail.emotion)
    return parts
