"""Refuses a body larger than this installation takes, or than its disk holds, before a byte of it is read, and one that falls silent."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.conf import settings
from django.shortcuts import render
from django.template.defaultfilters import filesizeformat

from callanalytics.api.errors import problem_response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from socket import socket

    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase

COPIES = 2
"""An upload lies on the disk twice for a moment: as it arrived, and as the copy that is kept."""


ON_DISK = frozenset({"multipart/form-data", "application/offset+octet-stream"})
"""What arrives in a file; all else is read into memory."""
MOST_IN_MEMORY = 32 << 20
NO_LENGTH = "Say how long the body is (Content-Length); one that is sent in chunks without a length is not read here."
IN_PARTS = f"At most {MOST_IN_MEMORY >> 20} MB are taken so: send a list in parts, and a recording as multipart/form-data or by tus."
SILENCE_S = 60.0
"""A sender that says nothing for so long is gone, as behind a line that fell: its thread, and the lock of its upload, are free again."""


class UploadLimitMiddleware:
    """Answers 411, 413 or 507 by the stated length; a body without one (chunked) reaches no view under WSGI."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        stated = request.META.get("CONTENT_LENGTH") or "0"
        size = int(stated) if stated.isdecimal() else 0
        if not stated.strip("0") and "HTTP_TRANSFER_ENCODING" in request.META:
            return _refused(request, NO_LENGTH, code="length_required", status=411)
        if size > settings.MAX_UPLOAD_BYTES:
            return _too_large(request, size)
        if size > MOST_IN_MEMORY and request.content_type not in ON_DISK:
            return _refused(request, IN_PARTS, code="too_large", status=413)
        # Files of any size land on the disk; a form without one needs none.
        lands = request.content_type == "multipart/form-data" or size > settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        if lands and COPIES * size > _free():
            return _no_space(request, size)
        with _listening(request):
            return self.get_response(request)


@contextmanager
def _listening(request: HttpRequest) -> Iterator[None]:
    """Reads of the body end after a silence; not what is sent back, which may be a recording that somebody listens to."""
    connection: socket | None = request.META.get("gunicorn.socket")
    if connection is None:
        yield
        return
    connection.settimeout(SILENCE_S)
    try:
        yield
    finally:
        connection.settimeout(None)


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
