"""Answers a file with HTTP ranges (RFC 9110, section 14) through WhiteNoise's responder, after the view has checked who asks."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from django.http import HttpResponse
from whitenoise.middleware import WhiteNoiseFileResponse
from whitenoise.responders import StaticFile

if TYPE_CHECKING:
    from pathlib import Path

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase


class _Ranged(StaticFile):  # type: ignore[misc]  # WhiteNoise is untyped
    def get_byte_range(self, range_header: str, size: int) -> tuple[int, int]:
        """WhiteNoise takes a range of one byte for an unsatisfiable one; ignoring a range is allowed, so that one gets the whole file."""
        start, end = super().get_byte_range(range_header, size)
        if start == end:
            raise ValueError("a range of one byte")
        return start, end


def file_response(request: HttpRequest, path: Path, *, content_type: str) -> HttpResponseBase:
    """200, 206, 304, 405 or 416. Raises FileNotFoundError, before anything is sent. Kept by the reader's own browser only."""
    if not path.is_file():
        raise FileNotFoundError(path)
    found = _Ranged(
        str(path), [("Content-Type", content_type), ("Accept-Ranges", "bytes"), ("Cache-Control", "private, no-cache")]
    ).get_response(request.method, request.META)
    response: HttpResponseBase
    if found.file is None:
        response = HttpResponse(status=int(found.status))
    else:
        response = WhiteNoiseFileResponse(found.file, status=int(found.status))
    if found.status == HTTPStatus.NOT_MODIFIED:
        del response["Content-Type"]
    for name, value in found.headers:
        response[name] = value
    return response
