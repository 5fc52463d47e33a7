"""The endpoints: thin doors on services and selectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django.core.exceptions import ValidationError
from rest_framework import status
from rest_framework.decorators import api_view, parser_classes
from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination
from rest_framework.parsers import FormParser, JSONParser, MultiPartParser
from rest_framework.response import Response

from callanalytics.api import filing
from callanalytics.api.serializers import CallFiltersSerializer, CallSerializer, NewCallSerializer, ObjectionSerializer
from callanalytics.calls import selectors, services
from callanalytics.errors import ApplicationError, NotFoundError
from callanalytics.people.selectors import access_for
from callanalytics.privacy.services import call_erase

if TYPE_CHECKING:
    from uuid import UUID

    from rest_framework.request import Request

    from callanalytics.calls.models import Call
    from callanalytics.people.models import User


class NewestFirst(CursorPagination):
    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200
    ordering = ("-started_at", "-id")

    def paginate_queryset(self, *args: Any, **kwargs: Any) -> list[Any] | None:
        try:
            return super().paginate_queryset(*args, **kwargs)
        except ValidationError as error:
            # A cursor that decodes, to a place that is no time.
            raise NotFound(self.invalid_cursor_message) from error


@api_view(["GET", "POST"])
@parser_classes([MultiPartParser, FormParser])
def calls(request: Request) -> Response:
    """List the calls that the user may read, or take one in."""
    return _added(request) if request.method == "POST" else _listed(request)


@api_view(["GET", "DELETE"])
def call(request: Request, call_id: UUID) -> Response:
    """One call with its analysis (design section 7, null until there is one), or erase it for good."""
    user = _user(request)
    if request.method == "DELETE":
        receipt = call_erase(user=user, call_id=call_id, reason="deleted through the API")
        return Response({"receipt": str(receipt.id), "counts": receipt.counts})
    found = selectors.call_get(user=user, call_id=call_id)
    return Response({**_shown(found, request), "analysis": selectors.document_get(user=user, call_id=call_id)})


@api_view(["POST"])
def call_retry(request: Request, call_id: UUID) -> Response:
    """Analyse a finished or failed call again."""
    found = services.call_retry(user=_user(request), call_id=call_id)
    return Response(_shown(found, request), status=status.HTTP_202_ACCEPTED)


@api_view(["POST"])
@parser_classes([JSONParser, FormParser, MultiPartParser])
def call_objection(request: Request, call_id: UUID) -> Response:
    """Record that the caller objects to scoring, or that this was a mistake."""
    user = _user(request)
    selectors.call_to_supervise(user=user, call_id=call_id)
    given = ObjectionSerializer(data=request.data)
    given.is_valid(raise_exception=True)
    found = services.call_objection_set(user=user, call_id=call_id, objected=given.validated_data["objected"])
    return Response(_shown(found, request))


@api_view(["GET", "POST", "PUT", "PATCH", "DELETE"])
def missing(_request: Request, path: str) -> Response:
    """Whatever else is asked for below /api/, so that a wrong address gets the API's error too."""
    raise NotFoundError(f"address as /api/{path}")


def _added(request: Request) -> Response:
    user = _user(request)
    if len(request.FILES.getlist("file")) > 1:
        raise ApplicationError("Send one recording a request: only the last of several would be kept.", field="file")
    given = NewCallSerializer(data=request.data)
    given.is_valid(raise_exception=True)
    details = filing.new_call(given.validated_data, user=user)
    ingested = services.call_ingest(given.validated_data["file"].file, details, user=user)
    shown = _shown(selectors.call_get(user=user, call_id=ingested.call.id), request)
    code = status.HTTP_202_ACCEPTED if ingested.created else status.HTTP_200_OK
    return Response(shown, status=code, headers={"Location": shown["url"]})


def _listed(request: Request) -> Response:
    user = _user(request)
    given = CallFiltersSerializer(data=request.query_params)
    given.is_valid(raise_exception=True)
    found = selectors.call_list(user=user, filters=filing.call_filters(given.validated_data, user=user))
    pages = NewestFirst()
    page = cast("list[Call]", pages.paginate_queryset(found, request))
    return pages.get_paginated_response(CallSerializer(page, many=True, context=_context(request)).data)


def _shown(found: Call, request: Request) -> dict[str, Any]:
    return dict(CallSerializer(found, context=_context(request)).data)


def _context(request: Request) -> dict[str, Any]:
    return {"request": request, "access": access_for(_user(request))}


def _user(request: Request) -> User:
    """Who asks; the permission class has already turned away everybody who is nobody. Raises NotFoundError for a user without a role."""
    user = cast("User", request.user)
    if access_for(user).is_outsider:
        raise NotFoundError("address for a user without a role")
    return user
