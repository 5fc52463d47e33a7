"""Handovers: flags that wait for a person, listed, and claimed, given back and resolved by other systems."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.response import Response
from rest_framework.reverse import reverse

from callanalytics.api import filing
from callanalytics.api.authentication import asking, scoped
from callanalytics.api.fields import PageSerializer, Strict
from callanalytics.api.idempotency import idempotent
from callanalytics.api.paging import NewestFirst, paged
from callanalytics.api.schema import IDEMPOTENCY_KEY, page_of
from callanalytics.routing import board
from callanalytics.routing import handovers as services
from callanalytics.routing.links import call_link
from callanalytics.routing.models import Handover, HandoverStatus, Outcome, SeverityChoice

if TYPE_CHECKING:
    from rest_framework.request import Request

WHO = "Who has it there, as your system calls them. It is shown to people on the board and is in no event."


class HandoverFiltersSerializer(PageSerializer):
    """What the list of handovers can be narrowed to."""

    status = serializers.ChoiceField(HandoverStatus.choices, required=False)
    team = serializers.CharField(required=False, max_length=120)
    severity = serializers.ChoiceField(SeverityChoice.choices, required=False)
    mine = serializers.BooleanField(default=False, help_text="Those claimed with this key, or by this person, or meant for them.")


class ClaimSerializer(Strict):
    external_reference = serializers.CharField(required=False, allow_blank=True, max_length=services.REFERENCE_MAX, help_text=WHO)


class ResolveSerializer(ClaimSerializer):
    outcome = serializers.ChoiceField(Outcome.choices)
    note = serializers.CharField(required=False, allow_blank=True, max_length=services.NOTE_MAX)


class HandoverSerializer(serializers.ModelSerializer[Handover]):
    """A flag given to a human, and what came of it."""

    url = serializers.SerializerMethodField()
    flag = serializers.SerializerMethodField(help_text="With its evidence.")
    call = serializers.SerializerMethodField()
    page = serializers.SerializerMethodField(help_text="Where people look at the flag.")
    team = serializers.SlugRelatedField[Any](slug_field="name", read_only=True)
    rule = serializers.CharField(source="flag.rule", read_only=True)
    severity = serializers.CharField(source="flag.severity", read_only=True)
    claimed_by = serializers.SerializerMethodField(help_text="Empty while nobody has it.")
    outcome = serializers.ChoiceField(Outcome.choices, read_only=True, allow_blank=True, help_text="Empty until it is resolved.")

    class Meta:
        model = Handover
        fields = (
            "id",
            "url",
            "flag",
            "call",
            "page",
            "team",
            "rule",
            "severity",
            "status",
            "segment_ended_at",
            "opened_at",
            "step",
            "target",
            "claim_by",
            "overdue",
            "claimed_by",
            "external_reference",
            "claimed_at",
            "claimed_after_s",
            "resolved_at",
            "outcome",
            "note",
            "created_at",
        )
        read_only_fields = fields

    @extend_schema_field(OpenApiTypes.URI)
    def get_url(self, handover: Handover) -> str:
        return self._address("api-handover", handover.id)

    @extend_schema_field(OpenApiTypes.URI)
    def get_flag(self, handover: Handover) -> str:
        return self._address("api-flag", handover.flag_id)

    @extend_schema_field(OpenApiTypes.URI)
    def get_call(self, handover: Handover) -> str:
        return self._address("api-call", handover.call_id)

    @extend_schema_field(OpenApiTypes.URI)
    def get_page(self, handover: Handover) -> str:
        return call_link(handover.call_id, handover.flag.start)

    def get_claimed_by(self, handover: Handover) -> str:
        return services.holder(handover) if handover.claimed_at is not None else ""

    def _address(self, name: str, id: UUID) -> str:
        return str(reverse(name, args=[id], request=self.context["request"]))


class NewestHandovers(NewestFirst):
    ordering = ("-created_at", "-id")


@extend_schema(
    operation_id="handovers_list", parameters=[HandoverFiltersSerializer], responses=page_of(HandoverSerializer), tags=["handovers"]
)
@api_view(["GET"])
@scoped(GET="handovers:read")
def handovers(request: Request) -> Response:
    """Handovers of the teams whose calls may be judged, newest first; none for an agent."""
    user = asking(request)
    given = HandoverFiltersSerializer.read(request.query_params)
    found = board.handover_list(user=user, filters=filing.handover_filters(given, user=user))
    return paged(found, request, HandoverSerializer, {"request": request}, NewestHandovers())


@extend_schema(operation_id="handovers_read", responses=HandoverSerializer, tags=["handovers"])
@api_view(["GET"])
@scoped(GET="handovers:read")
def handover(request: Request, handover_id: UUID) -> Response:
    """One handover."""
    return _shown(board.handover_get(user=asking(request), handover_id=handover_id), request)


@extend_schema(operation_id="handovers_claim", request=ClaimSerializer, responses=HandoverSerializer, tags=["handovers"])
@api_view(["POST"])
@scoped(POST="handovers:write")
def handover_claim(request: Request, handover_id: UUID) -> Response:
    """Acknowledge: take an open handover, so that nobody else is told. 409 where somebody has it; claiming again what one has is a 200."""
    user = asking(request)
    board.handover_get(user=user, handover_id=handover_id)
    given = ClaimSerializer.read(request.data)
    return _shown(services.handover_claim(user=user, handover_id=handover_id, **given), request)


def _again(request: Request, handover_id: str) -> Response:
    """What a request that gave this handover back is answered with when it is sent once more."""
    return _shown(board.handover_get(user=asking(request), handover_id=UUID(handover_id)), request)


@extend_schema(
    operation_id="handovers_release", parameters=[IDEMPOTENCY_KEY], request=None, responses=HandoverSerializer, tags=["handovers"]
)
@api_view(["POST"])
@scoped(POST="handovers:write")
@idempotent(_again)
def handover_release(request: Request, handover_id: UUID) -> Response:
    """Give a claimed handover back to the board, with a new deadline."""
    return _shown(services.handover_release(user=asking(request), handover_id=handover_id), request)


@extend_schema(operation_id="handovers_resolve", request=ResolveSerializer, responses=HandoverSerializer, tags=["handovers"])
@api_view(["POST"])
@scoped(POST="handovers:write")
def handover_resolve(request: Request, handover_id: UUID) -> Response:
    """End a handover with what came of it; one that nobody has is claimed with it. The same end twice is a 200, another is a 409."""
    user = asking(request)
    board.handover_get(user=user, handover_id=handover_id)
    given = ResolveSerializer.read(request.data)
    return _shown(services.handover_resolve(user=user, handover_id=handover_id, **given), request)


def _shown(found: Handover, request: Request) -> Response:
    return Response(HandoverSerializer(found, context={"request": request}).data)
