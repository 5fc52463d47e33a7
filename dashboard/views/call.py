"""One call: its page and its state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.shortcuts import render
from django.views.decorators.http import require_safe

from callanalytics.calls import selectors
from callanalytics.calls.models import CallStatus
from callanalytics.review.selectors import coaching_notes
from dashboard import call_page as building
from dashboard.doors import guarded, rights, signed_in

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse

    from dashboard.forms import CoachingNoteForm

WAITING = (CallStatus.QUEUED, CallStatus.RUNNING)


@require_safe
@guarded
def call_detail(request: HttpRequest, call_id: UUID) -> HttpResponse:
    return call_page(request, call_id)


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
    context = {"call": detail.call, "page": page, "may_retry": page.may_manage, "note_form": note_form}
    return render(request, "dashboard/call.html", context, status=status)
