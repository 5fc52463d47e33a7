"""The list of calls, and handing calls in."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, cast

from django.conf import settings
from django.contrib import messages
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from callanalytics.calls import selectors, services
from callanalytics.calls.models import CallStatus
from callanalytics.errors import ApplicationError
from dashboard.doors import guarded, rights, signed_in, supervisor_required
from dashboard.forms import CallFilterForm, UploadForm

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse


@require_safe
@guarded
def call_list(request: HttpRequest) -> HttpResponse:
    access, user = rights(request), signed_in(request)
    form = CallFilterForm(request.GET, user=user)
    page = selectors.call_page(user=user, filters=form.filters(), number=_number(request.GET.get("page", "1")))
    context = {
        "form": form,
        "page": page,
        "calls": page.calls,
        "total": page.total,
        "sees_emotion": access.is_reader,
        "may_upload": access.is_supervisor,
        "waits": any(call.status in (CallStatus.QUEUED, CallStatus.RUNNING) for call in page.calls),
        "older_url": _page_url(request, page.number + 1) if page.number < page.pages else "",
        "newer_url": _page_url(request, page.number - 1) if page.number > 1 else "",
    }
    return render(request, "dashboard/calls.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@guarded
def call_upload(request: HttpRequest) -> HttpResponse:
    supervisor_required(request)
    user = signed_in(request)
    form = UploadForm(request.POST or None, request.FILES or None, user=user)
    problems: list[str] = []
    if request.method == "POST" and form.is_valid():
        kept, problems = _ingest(request, form)
        if not problems:
            return redirect("call-detail", kept[0]) if len(kept) == 1 else redirect("call-list")
    context = {"form": form, "problems": problems, "limit": settings.MAX_UPLOAD_BYTES, "most_files": settings.DATA_UPLOAD_MAX_NUMBER_FILES}
    return render(request, "dashboard/upload.html", context, status=422 if request.method == "POST" else 200)


def _ingest(request: HttpRequest, form: UploadForm) -> tuple[list[UUID], list[str]]:
    """Take every file in on its own: one that is refused stops no other."""
    kept: list[UUID] = []
    problems: list[str] = []
    new: list[str] = []
    known: list[str] = []
    unmapped: list[str] = []
    for recording, details in form.details():
        try:
            ingested = services.call_ingest(cast("BinaryIO", recording.file), details, user=signed_in(request))
        except ApplicationError as error:
            problems.append(error.message if details.file_name in error.message else f"{details.file_name}: {error.message}")
            continue
        kept.append(ingested.call.id)
        (new if ingested.created else known).append(details.file_name)
        if not ingested.created and details.channels and tuple(ingested.call.channels) != details.channels:
            unmapped.append(details.file_name)
    if new:
        messages.success(request, f"{new[0]} waits to be analysed." if len(new) == 1 else f"{len(new)} recordings wait to be analysed.")
    if known:
        messages.info(request, f"There already, and not taken again: {', '.join(known)}.")
    if unmapped:
        messages.warning(
            request,
            f"Who is on which channel was not changed for {', '.join(unmapped)}: the call keeps what it had. Say who is who on its "
            "page, or delete the call and send the recording again.",
        )
    return kept, problems


def _page_url(request: HttpRequest, number: int) -> str:
    query = request.GET.copy()
    query["page"] = str(number)
    return f"?{query.urlencode()}"


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 9 else 1
