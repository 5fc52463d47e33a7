"""The board: flags that wait for a person, claimed and resolved there, and the plans by which they come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from callanalytics.errors import ApplicationError
from callanalytics.routing import board as selectors
from callanalytics.routing import handovers
from dashboard import board_page, overview_page
from dashboard.board_forms import AssignForm, BoardFilterForm, ResolveForm
from dashboard.doors import fragment, guarded, rights, signed_in

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from django.forms import Form
    from django.http import HttpRequest, HttpResponse


@require_safe
@guarded
def board(request: HttpRequest) -> HttpResponse:
    """The whole page, or what of it changes by itself."""
    if not rights(request).is_reader:
        raise PermissionDenied
    return _shown(request)


@require_POST
@guarded
def handover_claim(request: HttpRequest, handover_id: UUID) -> HttpResponse:
    return _changed(request, lambda: handovers.handover_claim(user=signed_in(request), handover_id=handover_id))


@require_POST
@guarded
def handover_release(request: HttpRequest, handover_id: UUID) -> HttpResponse:
    return _changed(request, lambda: handovers.handover_release(user=signed_in(request), handover_id=handover_id))


@require_POST
@guarded
def handover_resolve(request: HttpRequest, handover_id: UUID) -> HttpResponse:
    form = ResolveForm(request.POST)
    selectors.handover_get(user=signed_in(request), handover_id=handover_id)
    return _changed(
        request, lambda: handovers.handover_resolve(user=signed_in(request), handover_id=handover_id, **form.cleaned_data), form
    )


@require_POST
@guarded
def handover_assign(request: HttpRequest, handover_id: UUID) -> HttpResponse:
    found = selectors.handover_get(user=signed_in(request), handover_id=handover_id)
    form = AssignForm(request.POST, team=found.team)
    return _changed(request, lambda: handovers.handover_assign(user=signed_in(request), handover_id=handover_id, **form.cleaned_data), form)


def _changed(request: HttpRequest, change: Callable[[], object], form: Form | None = None) -> HttpResponse:
    """Make a change, and show the board as it is then; what cannot be done now is told there."""
    problem = ""
    if form is not None and not form.is_valid():
        problem = " ".join(str(error) for errors in form.errors.values() for error in errors)
    else:
        try:
            change()
        except ApplicationError as error:
            if error.code in ("forbidden", "not_found"):
                raise
            problem = error.message
    if fragment(request):
        return _shown(request, problem=problem)
    if problem:
        messages.error(request, problem)
    return redirect(f"{reverse('board')}?{request.GET.urlencode()}")


def _shown(request: HttpRequest, *, problem: str = "") -> HttpResponse:
    user = signed_in(request)
    form = BoardFilterForm(request.GET, user=user)
    days = overview_page.period(request.GET.get("days", ""))
    held = request.GET.get("held") == "yes"
    query = request.GET.copy()
    query["held"] = "" if held else "yes"
    context = {
        "page": board_page.build(user, rights(request), form, days=days, with_held=held),
        "form": form,
        "query": request.GET.urlencode(),
        "held_query": query.urlencode(),
        "with_held": held,
        "may_plan": rights(request).is_supervisor,
        "problem": problem,
        "waiting": selectors.open_count(user=user),
    }
    return render(request, "dashboard/_board.html" if fragment(request) else "dashboard/board.html", context)
