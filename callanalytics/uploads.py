"""Refuses a body larger than this installation takes, or than its disk holds, before a byte of it is read."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from django.conf import settings
from django.shortcuts import render
from django.template.defaultfilters import filesizeformat

from callanalytics.api.errors import problem_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase

COPIES = 2
"""An upload lies on the disk twice for a moment: as it arrived, and as the copy that is kept."""


class UploadLimitMiddleware:
    """Answers 413 or 507 by the stated length; a body without one (chunked) reaches no view under WSGI."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        stated = request.META.get("CONTENT_LENGTH") or "0"
        size = int(stated) if stated.isdecimal() else 0
        if size > settings.MAX_UPLOAD_BYTES:
            return _too_large(request, size)
        # Files of any size land on the disk; a form without one needs none.
        lands = request.content_type == "multipart/form-data" or size > settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        if lands and COPIES * size > _free():
            return _no_space(request, size)
        return self.get_response(request)


def _free() -> int:
    return shutil.disk_usage(settings.FILE_UPLOAD_TEMP_DIR).free


def _too_large(request: HttpRequest, size: int) -> HttpResponse:
    message = (
        f"The upload is {filesizeformat(size)}; at most {filesizeformat(settings.MAX_UPLOAD_BYTES)} are taken at a time. "
        "Nothing was kept. Send files one by one, or compress them (FLAC, Opus)."
    )
    return _refused(request, message, code="too_large", status=413)


def _no_space(request: HttpRequest, size: int) -> HttpResponse:
    message = (
        f"There is no room for {filesizeformat(size)}: the disk for recordings is full. Nothing was kept; tell who runs this platform."
    )
    return _refused(request, message, code="no_space", status=507)


def _refused(request: HttpRequest, message: str, *, code: str, status: int) -> HttpResponse:
    if request.path.startswith("/api/"):
        return problem_response(status, code, message, {"file": [message]})
    return render(request, "dashboard/upload_refused.html", {"message": message, "status": status}, status=status)
