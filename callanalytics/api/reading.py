"""What is known of a call, part by part: transcript, flags, segments, measures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.response import Response

from callanalytics.api import filing
from callanalytics.api.authentication import asking, scoped
from callanalytics.api.fields import Strict
from callanalytics.api.paging import paged
from callanalytics.api.schema import page_of
from callanalytics.api.serializers import (
    FlagFiltersSerializer,
    FlagSerializer,
    MeasuresSerializer,
    SegmentSerializer,
    UtteranceSerializer,
)
from callanalytics.calls import selectors, transcripts

if TYPE_CHECKING:
    from uuid import UUID

    from django.http.response import HttpResponseBase
    from rest_framework.request import Request


class TranscriptFormatSerializer(Strict):
    format = serializers.ChoiceField(["json", *transcripts.FORMATS], default="json")


@extend_schema(
    operation_id="calls_transcript",
    parameters=[TranscriptFormatSerializer],
    responses={
        (200, "application/json"): UtteranceSerializer(many=True),
        (200, "text/plain"): OpenApiTypes.STR,
        (200, "text/vtt"): OpenApiTypes.STR,
        (200, "application/x-subrip"): OpenApiTypes.STR,
    },
    tags=["calls"],
)
@api_view(["GET"])
@scoped(GET="calls:read")
def call_transcript(request: Request, call_id: UUID) -> HttpResponseBase:
    """Who said what and when: as JSON, or as text, WebVTT or SubRip. Empty until the call is analysed."""
    given = TranscriptFormatSerializer.read(request.query_params)
    utterances = selectors.utterance_list(user=asking(request), call_id=call_id)
    if given["format"] == "json":
        return Response(UtteranceSerializer(utterances, many=True).data)
    write, content_type = transcripts.FORMATS[given["format"]]
    return HttpResponse(write(utterances), content_type=content_type)


@extend_schema(operation_id="calls_flags", responses=FlagSerializer(many=True), tags=["flags"])
@api_view(["GET"])
@scoped(GET="calls:read")
def call_flags(request: Request, call_id: UUID) -> Response:
    """The flags of a call, retracted ones too; none for the call's agent."""
    found = selectors.flag_list(user=asking(request), call_id=call_id)
    return Response(FlagSerializer(found, many=True, context={"request": request}).data)


@extend_schema(operation_id="calls_segments", responses=SegmentSerializer(many=True), tags=["calls"])
@api_view(["GET"])
@scoped(GET="calls:read")
def call_segments(request: Request, call_id: UUID) -> Response:
    """Stretches in which the customer is likely frustrated; none for the call's agent."""
    found = selectors.call_detail(user=asking(request), call_id=call_id)
    return Response(SegmentSerializer(found.segments, many=True).data)


@extend_schema(operation_id="calls_measures", responses=MeasuresSerializer, tags=["calls"])
@api_view(["GET"])
@scoped(GET="calls:read")
def call_measures(request: Request, call_id: UUID) -> Response:
    """Plain measures of a call, and signs that its customer had to work."""
    found = selectors.call_detail(user=asking(request), call_id=call_id)
    effort = [{"kind": sign.kind, "at": sign.at, "quote": sign.quote, "utterance": sign.utterance} for sign in found.effort]
    summary = found.summary
    known = {"seconds": found.call.seconds, "measures": summary.get("measures"), "parties": summary.get("parties", []), "effort": effort}
    return Response(MeasuresSerializer(known).data)


@extend_schema(operation_id="flags_list", parameters=[FlagFiltersSerializer], responses=page_of(FlagSerializer), tags=["flags"])
@api_view(["GET"])
@scoped(GET="calls:read")
def flags(request: Request) -> Response:
    """Flags over all calls whose scores may be read, newest call first."""
    user = asking(request)
    given = FlagFiltersSerializer.read(request.query_params)
    found = selectors.flag_search(user=user, filters=filing.flag_filters(given, user=user))
    return paged(found, request, FlagSerializer, {"request": request})


@extend_schema(operation_id="flags_read", responses=OpenApiResponse(FlagSerializer), tags=["flags"])
@api_view(["GET"])
@scoped(GET="calls:read")
def flag(request: Request, flag_id: UUID) -> Response:
    """One flag with its evidence."""
    found = selectors.flag_get(user=asking(request), flag_id=flag_id)
    return Response(FlagSerializer(found, context={"request": request}).data)
