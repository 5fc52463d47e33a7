"""Resumable upload, as the tus protocol 1.0.0 has it (https://tus.io/protocols/resumable-upload): for recordings that take long to send.

Core, with the extensions creation, creation-with-upload, termination, checksum and expiration.
"""

from __future__ import annotations

import base64
from functools import wraps
from io import BytesIO
from typing import TYPE_CHECKING, Any, cast

from django.conf import settings
from django.utils.http import http_date
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import api_view, parser_classes
from rest_framework.parsers import BaseParser
from rest_framework.response import Response
from rest_framework.reverse import reverse

from callanalytics.api import filing
from callanalytics.api.authentication import asking, scoped
from callanalytics.api.errors import problem_response
from callanalytics.api.serializers import CallFieldsSerializer
from callanalytics.calls import resumable
from callanalytics.calls.ingest import NewCall, call_check
from callanalytics.errors import ApplicationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase
    from rest_framework.request import Request

    from callanalytics.calls.models import Upload
    from callanalytics.calls.resumable import Source

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,termination,checksum,expiration"
PART = "application/offset+octet-stream"
OVERRIDES = frozenset({"PATCH", "DELETE", "HEAD"})
SAID_BY_CLIENTS = frozenset({"filetype", "name", "type", "relativePath"})
"""Metadata that clients send by themselves, and that is nothing of a call."""


class UploadFieldsSerializer(CallFieldsSerializer):
    """The metadata of an upload: the file's name, and what is known of the call."""

    filename = serializers.CharField(required=False, allow_blank=True, max_length=255)


class PartParser(BaseParser):
    """Leaves a part unread: it may be gigabytes."""

    media_type = PART

    def parse(self, stream: Any, *_how: Any) -> Any:
        return stream


def _header(name: str, description: str, *, required: bool = False) -> OpenApiParameter:
    return OpenApiParameter(name, str, OpenApiParameter.HEADER, description=description, required=required)


RESUMABLE = _header("Tus-Resumable", "1.0.0", required=True)
OFFSET = _header("Upload-Offset", "How many bytes are there already, as HEAD tells it.", required=True)
CHECKSUM = _header("Upload-Checksum", "`sha1` or `sha256`, a space, and the part's checksum in base64.")
LENGTH = _header("Upload-Length", "Bytes of the whole recording.", required=True)
METADATA = _header(
    "Upload-Metadata",
    "Pairs of a name and a value in base64, separated by commas: `filename`, and the fields of a call as in `POST /calls/`.",
)


def tus(view: Any) -> Any:
    """Says the version on every answer, refuses another one, and takes the method from X-HTTP-Method-Override."""

    @wraps(view)
    def answered(request: HttpRequest, **arguments: Any) -> HttpResponseBase:
        override = request.headers.get("X-HTTP-Method-Override", "").upper()
        if request.method == "POST" and override in OVERRIDES:
            request.method = override
        known = request.method == "OPTIONS" or request.headers.get("Tus-Resumable") == VERSION
        response: HttpResponseBase = view(request, **arguments) if known else _other_version()
        response["Tus-Resumable"] = VERSION
        return response

    return answered


@extend_schema(
    operation_id="uploads_create",
    parameters=[RESUMABLE, LENGTH, METADATA, CHECKSUM],
    request={PART: OpenApiTypes.BINARY},
    responses={201: OpenApiResponse(description="Begun; Location says where its parts are sent, Upload-Expires until when.")},
    tags=["uploads"],
)
@tus
@api_view(["POST", "OPTIONS"])
@parser_classes([PartParser])
@scoped(POST="calls:write")
def uploads(request: Request) -> Response:
    """Begin a resumable upload (tus 1.0.0), for large recordings and lines that break. Any tus client does the rest.

    The metadata is that of a call; it is looked at now, not after the last byte. A body, if there is one, is the first part.
    """
    if request.method == "OPTIONS":
        return Response(status=status.HTTP_204_NO_CONTENT, headers=_abilities())
    user = asking(request)
    fields = _metadata(request.headers.get("Upload-Metadata", ""))
    call_check(_details(fields, request), user=user)
    upload = resumable.upload_create(_number(request, "Upload-Length"), fields, user=user)
    if request.content_type == PART:
        upload = _appended(request, upload, 0)
    headers = _state(request, upload) | {"Location": reverse("api-upload", args=[upload.id], request=request)}
    return Response(status=status.HTTP_201_CREATED, headers=headers)


@extend_schema(
    methods=["PATCH"],
    operation_id="uploads_append",
    description="Send the next part of a resumable upload.",
    parameters=[RESUMABLE, OFFSET, CHECKSUM],
    request={PART: OpenApiTypes.BINARY},
    responses={204: OpenApiResponse(description="Kept; with the last byte, Content-Location says which call it became.")},
    tags=["uploads"],
)
@extend_schema(
    methods=["DELETE"],
    operation_id="uploads_delete",
    description="Give a resumable upload up.",
    parameters=[RESUMABLE],
    responses={204: OpenApiResponse(description="Forgotten; a call that it became stays.")},
    tags=["uploads"],
)
@tus
@api_view(["HEAD", "PATCH", "DELETE", "OPTIONS"])
@parser_classes([PartParser])
@scoped(GET="calls:write", PATCH="calls:write", DELETE="calls:write")
def upload(request: Request, upload_id: UUID) -> Response:
    """One resumable upload: its next part, or an end to it. HEAD answers with the same headers, Upload-Offset among them."""
    if request.method == "OPTIONS":
        return Response(status=status.HTTP_204_NO_CONTENT, headers=_abilities())
    found = resumable.upload_get(upload_id, user=asking(request))
    if request.method == "HEAD":
        return Response(headers=_state(request, found) | {"Upload-Length": str(found.length), "Cache-Control": "no-store"})
    if request.method == "DELETE":
        resumable.upload_delete(found)
        return Response(status=status.HTTP_204_NO_CONTENT)
    found = _appended(request, found, _number(request, "Upload-Offset"))
    return Response(status=status.HTTP_204_NO_CONTENT, headers=_state(request, found))


def _appended(request: Request, upload: Upload, offset: int) -> Upload:
    body = cast("Source", request.data or BytesIO())
    return resumable.upload_append(upload, offset, body, lambda found: _details(found.fields, request), _checksum(request))


def _details(fields: Mapping[str, str], request: Request) -> NewCall:
    given = UploadFieldsSerializer.read({name: value for name, value in fields.items() if name not in SAID_BY_CLIENTS})
    return filing.new_call(given, user=asking(request), file_name=given.get("filename") or "recording")


def _metadata(text: str) -> dict[str, str]:
    """`name base64,name base64`, where a value may be missing."""
    found: dict[str, str] = {}
    for pair in filter(None, (each.strip() for each in text.split(","))):
        name, _, value = pair.partition(" ")
        try:
            found[name] = base64.b64decode(value.strip(), validate=True).decode()
        except ValueError as error:
            raise ApplicationError(f"The value of {name} is not base64 of UTF-8 text.", field="Upload-Metadata") from error
    return found


def _checksum(request: Request) -> resumable.Checksum | None:
    given = request.headers.get("Upload-Checksum", "")
    if not given:
        return None
    algorithm, _, digest = given.partition(" ")
    if algorithm not in resumable.ALGORITHMS:
        raise ApplicationError(f"Checksums are made by {' or '.join(resumable.ALGORITHMS)}.", field="Upload-Checksum")
    try:
        return resumable.Checksum(algorithm, base64.b64decode(digest, validate=True))
    except ValueError as error:
        raise ApplicationError("The checksum is not base64.", field="Upload-Checksum") from error


def _number(request: Request, header: str) -> int:
    text = request.headers.get(header, "")
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise ApplicationError(f"{header} must be a number of bytes.", field=header)
    return int(text)


def _state(request: Request, upload: Upload) -> dict[str, str]:
    state = {"Upload-Offset": str(upload.offset), "Upload-Expires": http_date(upload.expires_at.timestamp())}
    if upload.call_id is not None:
        state["Content-Location"] = reverse("api-call", args=[upload.call_id], request=request)
    return state


def _abilities() -> dict[str, str]:
    return {
        "Tus-Version": VERSION,
        "Tus-Extension": EXTENSIONS,
        "Tus-Max-Size": str(settings.MAX_UPLOAD_BYTES),
        "Tus-Checksum-Algorithm": ",".join(resumable.ALGORITHMS),
    }


def _other_version() -> HttpResponseBase:
    response = problem_response(412, "precondition", f"Send Tus-Resumable: {VERSION}; no other version is spoken here.")
    response["Tus-Version"] = VERSION
    return response
