"""The first page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.shortcuts import render
from django.views.decorators.http import require_safe

from dashboard import overview_page
from dashboard.doors import guarded, rights, signed_in

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse


@require_safe
@guarded
def overview(request: HttpRequest) -> HttpResponse:
    page = overview_page.build(signed_in(request), rights(request), days=overview_page.period(request.GET.get("days", "")))
    return render(request, "dashboard/overview.html", {"page": page})
