"""The API's one error shape: `{"error": {"code", "message", "fields"}}`, whatever went wrong and wherever it was found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation, TooManyFilesSent
from django.http import Http404
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import exception_handler

from callanalytics.errors import ApplicationError

if TYPE_CHECKING:
    from collections.abc import Mapping

STATUS: Mapping[str, int] = {
    "invalid": status.HTTP_400_BAD_REQUEST,
    "forbidden": status.HTTP_403_FORBIDDEN,
    "not_found": status.HTTP_404_NOT_FOUND,
    "conflict": status.HTTP_409_CONFLICT,
    "too_large": status.HTTP_413_REQUEST_ENTITY_TOO_LARGE,
    "no_space": status.HTTP_507_INSUFFICIENT_STORAGE,
}
SEVERAL = "Some fields are not as they must be; see fields."


def answered(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's EXCEPTION_HANDLER. None, for a failure of our own, lets Django answer 500 and log it."""
    if isinstance(error, ApplicationError):
        fields = {error.field: [error.message]} if error.field else {}
        return _response(STATUS.get(error.code, 400), error.code, error.message, fields)
    if isinstance(error, RequestDataTooBig | TooManyFilesSent):
        return _response(413, "too_large", str(error), {})
    if isinstance(error, SuspiciousOperation):
        return _response(400, "invalid", "The request could not be read.", {})
    response = exception_handler(error, context)
    return None if response is None else _reshaped(error, response)


def _reshaped(error: Exception, response: Response) -> Response:
    """DRF's own answer in our shape, with its headers (WWW-Authenticate, Allow)."""
    if isinstance(error, exceptions.ValidationError):
        fields = _fields(error.detail)
        problems = [problem for found in fields.values() for problem in found]
        message = problems[0] if len(problems) == 1 else SEVERAL
        code = "invalid"
    else:
        fields, code, message = {}, _code(error), _message(response)
    response.data = {"error": {"code": code, "message": message, "fields": fields}}
    return response


def _fields(detail: Any) -> dict[str, list[str]]:
    if not isinstance(detail, dict):
        return {"": [str(item) for item in detail]}
    return {name: [str(item) for item in (items if isinstance(items, list) else [items])] for name, items in detail.items()}


def _code(error: Exception) -> str:
    if isinstance(error, Http404):
        return "not_found"
    if isinstance(error, PermissionDenied):
        return "forbidden"
    return error.default_code if isinstance(error, exceptions.APIException) else "error"


def _message(response: Response) -> str:
    data = response.data
    return str(data.get("detail", data)) if isinstance(data, dict) else str(data)


def _response(status_code: int, code: str, message: str, fields: Mapping[str, list[str]]) -> Response:
    return Response({"error": {"code": code, "message": message, "fields": dict(fields)}}, status=status_code)
