"""Refuses a body larger than this installation takes, before a byte of it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.http import HttpResponse, JsonResponse

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase


class UploadLimitMiddleware:
    """Answers 413 by the stated length; a body without one (chunked) reaches no view under WSGI."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        stated = request.META.get("CONTENT_LENGTH") or "0"
        if stated.isdigit() and int(stated) > settings.MAX_UPLOAD_BYTES:
            return _too_large(request, int(stated))
        return self.get_response(request)


def _too_large(request: HttpRequest, stated: int) -> HttpResponse:
    message = (
        f"The upload is {stated / 1e9:.1f} GB; at most {settings.MAX_UPLOAD_BYTES / 1e9:.1f} GB are taken. "
        "Send files one by one, or compress them (FLAC, Opus)."
    )
    if request.path.startswith("/api/"):
        return JsonResponse({"error": {"code": "too_large", "message": message, "fields": {"file": [message]}}}, status=413)
    return HttpResponse(message + "\n", status=413, content_type="text/plain")
