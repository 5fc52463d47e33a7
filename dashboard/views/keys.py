"""API keys: who reaches the API, with what, until when; made here and shown once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from callanalytics.errors import ApplicationError
from callanalytics.people.keys import api_key_create, api_key_list, api_key_revoke
from dashboard.doors import guarded, signed_in, supervisor_required
from dashboard.key_forms import KeyForm

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse


@require_safe
@guarded
def key_list(request: HttpRequest) -> HttpResponse:
    supervisor_required(request)
    return render(request, "dashboard/keys.html", {"keys": api_key_list(user=signed_in(request))})


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@guarded
def key_new(request: HttpRequest) -> HttpResponse:
    """The form; what it makes is the answer itself, because the key's text is kept nowhere that a next page could read it."""
    supervisor_required(request)
    form = KeyForm(request.POST or None, user=signed_in(request))
    if request.method == "POST" and form.is_valid():
        try:
            made = api_key_create(user=signed_in(request), **form.details())
        except ApplicationError as error:
            form.add_error(error.field if error.field in form.fields else None, error.message)
        else:
            return render(request, "dashboard/key_made.html", {"key": made.key, "text": made.text})
    return render(request, "dashboard/key_form.html", {"form": form}, status=422 if request.method == "POST" else 200)


@require_POST
@guarded
def key_revoke(request: HttpRequest, key_id: UUID) -> HttpResponse:
    api_key_revoke(user=signed_in(request), key_id=key_id)
    messages.success(request, "The key is revoked; whoever uses it is refused from now on.")
    return redirect("key-list")
