"""Calls: handed in, listed, read, analysed again, objected to, erased."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.http import QueryDict
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import api_view, parser_classes
from rest_framework.parsers import FormParser, JSONParser, MultiPartParser
from rest_framework.response import Response

from callanalytics.api import filing
from callanalytics.api.authentication import asking, scoped
from callanalytics.api.idempotency import idempotent
from callanalytics.api.paging import paged
from callanalytics.api.schema import IDEMPOTENCY_KEY, page_of
from callanalytics.api.serializers import (
    AnalysedCallSerializer,
    AnnouncedCallSerializer,
    CallFiltersSerializer,
    CallSerializer,
    ErasedSerializer,
    NewCallSerializer,
    ObjectionSerializer,
    SparseSerializer,
)
from callanalytics.calls import selectors, services
from callanalytics.errors import ApplicationError
from callanalytics.people.selectors import access_for
from callanalytics.privacy.services import call_erase

if TYPE_CHECKING:
    from collections.abc import Collection

    from rest_framework.request import Request

    from callanalytics.calls.models import Call
    from callanalytics.calls.services import Ingested


@extend_schema(
    methods=["GET"],
    operation_id="calls_list",
    description="Calls that may be read, newest first.",
    parameters=[CallFiltersSerializer],
    responses=page_of(CallSerializer),
    tags=["calls"],
)
@extend_schema(
    methods=["POST"],
    operation_id="calls_create",
    description="Hand a call in. Its recording is sent along as multipart/form-data, or lies at an address that a worker fetches, as JSON.",
    parameters=[IDEMPOTENCY_KEY],
    request={"multipart/form-data": NewCallSerializer, "application/json": AnnouncedCallSerializer},
    responses={
        202: OpenApiResponse(CallSerializer, "Taken in; its analysis is queued."),
        200: OpenApiResponse(CallSerializer, "It was there already: the same external id, or the same audio or address within 24 hours."),
    },
    tags=["calls"],
)
@api_view(["GET", "POST"])
@parser_classes([MultiPartParser, FormParser, JSONParser])
@scoped(GET="calls:read", POST="calls:write")
def calls(request: Request) -> Response:
    """Calls: list those that may be read, newest first, or hand one in."""
    return _added(request) if request.method == "POST" else _listed(request)


@extend_schema(
    methods=["GET"],
    operation_id="calls_read",
    description="One call. Its state with the reason for it, and its analysis once there is one.",
    parameters=[SparseSerializer],
    responses=AnalysedCallSerializer,
    tags=["calls"],
)
@extend_schema(
    methods=["DELETE"],
    operation_id="calls_erase",
    description="Erase a call and everything about it for good.",
    responses={200: ErasedSerializer},
    tags=["calls"],
)
@api_view(["GET", "DELETE"])
@scoped(GET="calls:read", DELETE="calls:delete")
def call(request: Request, call_id: UUID) -> Response:
    """One call: its state with the reason for it and its analysis, or erase it and everything about it for good."""
    user = asking(request)
    if request.method == "DELETE":
        receipt = call_erase(user=user, call_id=call_id, reason="deleted through the API")
        return Response({"receipt": str(receipt.id), "counts": receipt.counts})
    given = SparseSerializer.read(request.query_params)
    wanted = _wanted(given, AnalysedCallSerializer.Meta.fields)
    found = selectors.call_get(user=user, call_id=call_id)
    return Response(AnalysedCallSerializer(found, context=_context(request, wanted)).data)


def _again(request: Request, call_id: str) -> Response:
    """What a request that made this call, or queued it, is answered with when it is sent once more."""
    return _made(request, selectors.call_get(user=asking(request), call_id=UUID(call_id)), created=True)


@extend_schema(operation_id="calls_reanalyze", parameters=[IDEMPOTENCY_KEY], request=None, responses={202: CallSerializer}, tags=["calls"])
@api_view(["POST"])
@scoped(POST="calls:write")
@idempotent(_again)
def call_reanalyze(request: Request, call_id: UUID) -> Response:
    """Analyse a finished or failed call again. Flags that are found again keep their ids and verdicts."""
    found = services.call_retry(user=asking(request), call_id=call_id)
    return Response(_shown(found, request), status=status.HTTP_202_ACCEPTED)


@extend_schema(operation_id="calls_object", request=ObjectionSerializer, responses=CallSerializer, tags=["calls"])
@api_view(["POST"])
@scoped(POST="calls:write")
def call_objection(request: Request, call_id: UUID) -> Response:
    """Record that the caller objects to scoring, or that this was a mistake."""
    user = asking(request)
    selectors.call_to_supervise(user=user, call_id=call_id)
    given = ObjectionSerializer.read(request.data)
    found = services.call_objection_set(user=user, call_id=call_id, objected=given["objected"])
    return Response(_shown(found, request))


@idempotent(_again)
def _added(request: Request) -> Response:
    ingested = _uploaded(request) if isinstance(request.data, QueryDict) else _announced(request)
    # Whoever may add a call to a team may read all of it; one that was there before is read anew.
    found = ingested.call if ingested.created else selectors.call_get(user=asking(request), call_id=ingested.call.id)
    return _made(request, found, created=ingested.created)


def _announced(request: Request) -> Ingested:
    user = asking(request)
    given = AnnouncedCallSerializer.read(request.data)
    details = filing.new_call(given, user=user)
    return services.call_announce(given["url"], details, user=user)


def _uploaded(request: Request) -> Ingested:
    user = asking(request)
    if len(request.FILES.getlist("file")) > 1:
        raise ApplicationError("Send one recording a request: only the last of several would be kept.", field="file")
    given = NewCallSerializer.read(request.data)
    file = given["file"]
    return services.call_ingest(file.file, filing.new_call(given, user=user, file_name=file.name), user=user)


def _made(request: Request, found: Call, *, created: bool) -> Response:
    shown = _shown(found, request)
    code = status.HTTP_202_ACCEPTED if created else status.HTTP_200_OK
    return Response(shown, status=code, headers={"Location": shown["url"]})


def _listed(request: Request) -> Response:
    user = asking(request)
    given = CallFiltersSerializer.read(request.query_params)
    wanted = _wanted(given, CallSerializer.Meta.fields)
    found = selectors.call_list(user=user, filters=filing.call_filters(given, user=user))
    return paged(found, request, CallSerializer, _context(request, wanted))


def _wanted(given: dict[str, Any], known: Collection[str]) -> tuple[str, ...]:
    """The fields that are asked for. Raises ValidationError where one is not known."""
    wanted: tuple[str, ...] = given.get("fields", ())
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise serializers.ValidationError({"fields": [f"There is no field {unknown[0]!r}; known are {', '.join(known)}."]})
    return wanted


def _shown(found: Call, request: Request) -> dict[str, Any]:
    return dict(CallSerializer(found, context=_context(request)).data)


def _context(request: Request, fields: Collection[str] = ()) -> dict[str, Any]:
    return {"request": request, "access": access_for(asking(request)), "fields": fields}
