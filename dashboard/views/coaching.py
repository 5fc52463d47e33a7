"""Coaching notes: written on a call, read by the agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.core.paginator import Paginator
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from callanalytics.errors import ApplicationError
from callanalytics.review import selectors, services
from dashboard.doors import guarded, rights, signed_in
from dashboard.forms import CoachingNoteForm
from dashboard.views.call import call_page

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse

PAGE_SIZE = 30


@require_safe
@guarded
def coaching_list(request: HttpRequest) -> HttpResponse:
    access = rights(request)
    page = Paginator(selectors.coaching_notes(user=signed_in(request)), PAGE_SIZE).get_page(request.GET.get("page"))
    context = {"page": page, "notes": page.object_list, "agent_id": access.agent_id, "is_agent": not access.is_reader}
    return render(request, "dashboard/coaching.html", context)


@require_POST
@guarded
def coaching_note_add(request: HttpRequest, call_id: UUID) -> HttpResponse:
    """A note to the call's agent; a faulty one is shown again on the call's page."""
    form = CoachingNoteForm(request.POST)
    if form.is_valid():
        try:
            services.coaching_note_add(
                user=signed_in(request), call_id=call_id, text=form.cleaned_data["text"], flag_id=form.cleaned_data["flag"]
            )
        except ApplicationError as error:
            if error.code in ("forbidden", "not_found"):
                raise
            form.add_error(None, error.message)
    if not form.is_valid():
        return call_page(request, call_id, note_form=form, status=422)
    messages.success(request, "The note is sent.")
    return redirect("call-detail", call_id)


@require_POST
@guarded
def coaching_note_read(request: HttpRequest, note_id: int) -> HttpResponse:
    services.coaching_note_read(user=signed_in(request), note_id=note_id)
    return redirect("coaching-list")
