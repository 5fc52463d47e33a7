"""The API's one error shape, problem details of RFC 9457, whatever went wrong and wherever it was found."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation, TooManyFilesSent
from django.db import InterfaceError, OperationalError
from django.http import Http404, JsonResponse, UnreadablePostError
from django.views import defaults
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import exception_handler

from callanalytics.calls.files import FULL_DISK
from callanalytics.errors import ApplicationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse

log = logging.getLogger(__name__)

STATUS: Mapping[str, int] = {
    "invalid": status.HTTP_400_BAD_REQUEST,
    "forbidden": status.HTTP_403_FORBIDDEN,
    "not_found": status.HTTP_404_NOT_FOUND,
    "conflict": status.HTTP_409_CONFLICT,
    "under_way": status.HTTP_409_CONFLICT,
    "locked": status.HTTP_423_LOCKED,
    "checksum": 460,  # of the tus protocol
    "too_large": status.HTTP_413_REQUEST_ENTITY_TOO_LARGE,
    "unprocessable": status.HTTP_422_UNPROCESSABLE_ENTITY,
    "no_space": status.HTTP_507_INSUFFICIENT_STORAGE,
}
RETRY_AFTER_S: Mapping[str, int] = {"under_way": 1, "locked": 1}
"""Of what passes by itself."""
TITLES: Mapping[int, str] = {each.value: each.phrase for each in HTTPStatus} | {460: "Checksum Mismatch"}
MEDIA_TYPE = "application/problem+json"
KIND = "urn:callanalytics:problem:"
"""Of the member `type`: stable, for programs to go by."""
SEVERAL = "Some fields are not as they must be; see errors."
UNREADABLE = "The request could not be read: it is not well formed, nested too deep, or broke off."
NO_SPACE = "The disk for recordings is full. Nothing was kept: tell who runs this platform, and send it again."
AGAIN_AFTER_S = 5
UNAVAILABLE = "The database does not answer at the moment. Send the request again; what was answered before is kept."
OUR_FAULT = "Something went wrong on our side, and was written to the log. Nothing is known to be lost; try again in a moment."

Fields = dict[str, list[str]]


def problem(status_code: int, code: str, detail: str, fields: Fields | None = None, *, subject: UUID | None = None) -> dict[str, Any]:
    """The members of RFC 9457, with `errors` for single fields and `subject` for the id of what is in the way."""
    found: dict[str, Any] = {"type": f"{KIND}{code}", "title": TITLES.get(status_code, "Error"), "status": status_code, "detail": detail}
    if fields:
        found["errors"] = [{"field": field, "detail": each} for field, details in fields.items() for each in details]
    return found | ({"subject": str(subject)} if subject else {})


def problem_response(status_code: int, code: str, detail: str, fields: Fields | None = None) -> JsonResponse:
    """The same outside a view of the API."""
    return JsonResponse(problem(status_code, code, detail, fields), status=status_code, content_type=MEDIA_TYPE)


def answered(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's EXCEPTION_HANDLER. None, for a failure of our own, lets Django answer 500 and log it."""
    if isinstance(error, ApplicationError):
        fields = {error.field: [error.message]} if error.field else None
        status_code = STATUS.get(error.code, 400)
        return _response(problem(status_code, error.code, error.message, fields, subject=error.subject), RETRY_AFTER_S.get(error.code))
    if isinstance(error, OSError) and error.errno in FULL_DISK:
        return _response(problem(507, "no_space", NO_SPACE))
    if isinstance(error, OperationalError | InterfaceError):
        log.exception("the database does not answer")
        return _response(problem(503, "unavailable", UNAVAILABLE), AGAIN_AFTER_S)
    if isinstance(error, RequestDataTooBig | TooManyFilesSent):
        return _response(problem(413, "too_large", str(error)))
    if isinstance(error, SuspiciousOperation | UnreadablePostError | RecursionError):
        return _response(problem(400, "invalid", UNREADABLE))
    response = exception_handler(error, context)
    return None if response is None else _reshaped(error, response)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler400, for what is refused before a view is found."""
    if _is_api(request):
        return problem_response(400, "invalid", "The request could not be read, or its Host is not one this installation answers to.")
    return defaults.bad_request(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500."""
    return problem_response(500, "server_error", OUR_FAULT) if _is_api(request) else defaults.server_error(request)


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


def _reshaped(error: Exception, response: Response) -> Response:
    """DRF's own answer in our shape, with its headers (WWW-Authenticate, Allow, Retry-After)."""
    if isinstance(error, exceptions.ValidationError):
        fields = field_details(error.detail)
        problems = [each for found in fields.values() for each in found]
        response.data = problem(response.status_code, "invalid", problems[0] if len(problems) == 1 else SEVERAL, fields)
    else:
        response.data = problem(response.status_code, _code(error), _message(error, response))
    response.content_type = MEDIA_TYPE
    return response


def field_details(detail: Any) -> Fields:
    """What a serializer found, as texts by field; "" for the whole."""
    if not isinstance(detail, dict):
        return {"": [sayable(item) for item in detail]}
    return {sayable(name): [sayable(item) for item in (items if isinstance(items, list) else [items])] for name, items in detail.items()}


def sayable(given: object) -> str:
    """JSON may hold half of a surrogate pair, which no answer can."""
    return str(given).encode(errors="replace").decode()


def _code(error: Exception) -> str:
    if isinstance(error, Http404):
        return "not_found"
    if isinstance(error, PermissionDenied):
        return "forbidden"
    return error.default_code if isinstance(error, exceptions.APIException) else "error"


def _message(error: Exception, response: Response) -> str:
    if isinstance(error, exceptions.NotAuthenticated):
        return "Send an API key, as in `Authorization: Bearer ca_…`; a supervisor makes one under Integrations."
    data = response.data
    return str(data.get("detail", data)) if isinstance(data, dict) else str(data)


def _response(found: dict[str, Any], retry_after_s: int | None = None) -> Response:
    headers = {"Retry-After": str(retry_after_s)} if retry_after_s is not None else None
    return Response(found, status=found["status"], headers=headers, content_type=MEDIA_TYPE)
