"""Buttons that change a call: who is who, retry, delete, objection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from callanalytics.calls import services
from callanalytics.errors import ApplicationError
from callanalytics.privacy.services import call_erase
from dashboard.doors import guarded, signed_in
from dashboard.forms import DeleteForm, ObjectionForm

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from django.forms import Form
    from django.http import HttpRequest, HttpResponse


@require_POST
@guarded
def call_swap(request: HttpRequest, call_id: UUID) -> HttpResponse:
    _change(
        request,
        lambda: services.call_swap_roles(user=signed_in(request), call_id=call_id),
        "Agent and customer are swapped; the call is analysed again.",
    )
    return redirect("call-detail", call_id)


@require_POST
@guarded
def call_roles_confirm(request: HttpRequest, call_id: UUID) -> HttpResponse:
    _change(
        request,
        lambda: services.call_confirm_roles(user=signed_in(request), call_id=call_id),
        "The roles are confirmed; the call is analysed again with them.",
    )
    return redirect("call-detail", call_id)


@require_POST
@guarded
def call_customer_set(request: HttpRequest, call_id: UUID, voice: int) -> HttpResponse:
    _change(
        request,
        lambda: services.call_set_customer(user=signed_in(request), call_id=call_id, voice=voice),
        f"Voice {voice + 1} is the customer; the call is analysed again.",
    )
    return redirect("call-detail", call_id)


@require_POST
@guarded
def call_retry(request: HttpRequest, call_id: UUID) -> HttpResponse:
    _change(request, lambda: services.call_retry(user=signed_in(request), call_id=call_id), "The call waits to be analysed again.")
    return redirect("call-detail", call_id)


@require_POST
@guarded
def call_objection(request: HttpRequest, call_id: UUID) -> HttpResponse:
    form = ObjectionForm(request.POST)
    if not form.is_valid():
        _complain(request, form)
        return redirect("call-detail", call_id)
    objected = form.cleaned_data["objected"]
    told = (
        "The objection is recorded; emotion scores are removed." if objected else "The objection is withdrawn; the call is analysed again."
    )
    _change(request, lambda: services.call_objection_set(user=signed_in(request), call_id=call_id, objected=objected), told)
    return redirect("call-detail", call_id)


@require_POST
@guarded
def call_delete(request: HttpRequest, call_id: UUID) -> HttpResponse:
    form = DeleteForm(request.POST)
    if not form.is_valid():
        _complain(request, form)
        return redirect("call-detail", call_id)
    receipt = call_erase(user=signed_in(request), call_id=call_id, reason=form.cleaned_data["reason"])
    messages.success(request, f"The call is deleted. Receipt {receipt.id}.")
    return redirect("call-list")


def _change(request: HttpRequest, change: Callable[[], object], told: str) -> None:
    """Make a change and tell of it; what cannot be done now is told, what may not be done is the door's."""
    try:
        change()
    except ApplicationError as error:
        if error.code in ("forbidden", "not_found"):
            raise
        messages.error(request, error.message)
    else:
        messages.success(request, told)


def _complain(request: HttpRequest, form: Form) -> None:
    for errors in form.errors.values():
        for error in errors:
            messages.error(request, str(error))
