"""Endpoints that events go to, and what became of what was sent there: made, changed, tried out, read, replayed."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any
from uuid import UUID

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.decorators import api_view, parser_classes
from rest_framework.parsers import JSONParser
from rest_framework.response import Response

from callanalytics.api.authentication import asking, scoped
from callanalytics.api.endpoint_shapes import (
    DeliveryFiltersSerializer,
    DeliverySerializer,
    EndpointChangesSerializer,
    EndpointHealthSerializer,
    EndpointSerializer,
    NewEndpointSerializer,
    ReplayedSerializer,
    ReplaySerializer,
    RotationSerializer,
    SecretEndpointSerializer,
    TriedDeliverySerializer,
)
from callanalytics.api.fields import PageSerializer
from callanalytics.api.idempotency import idempotent
from callanalytics.api.paging import NewestFirst, paged
from callanalytics.api.schema import IDEMPOTENCY_KEY, page_of
from callanalytics.errors import ApplicationError
from callanalytics.people.selectors import teams_uploadable
from callanalytics.people.services import team_known
from callanalytics.routing import endpoints as services
from callanalytics.routing import replays, selectors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rest_framework.request import Request

    from callanalytics.people.models import User


class NewestEndpoints(NewestFirst):
    ordering = ("-created_at", "-id")


class NewestDeliveries(NewestFirst):
    ordering = ("-id",)


@extend_schema(
    methods=["GET"], operation_id="endpoints_list", parameters=[PageSerializer], responses=page_of(EndpointSerializer), tags=["endpoints"]
)
@extend_schema(
    methods=["POST"],
    operation_id="endpoints_create",
    parameters=[IDEMPOTENCY_KEY],
    request=NewEndpointSerializer,
    responses={201: OpenApiResponse(SecretEndpointSerializer, "Made. An answer to a repeated Idempotency-Key holds no secret.")},
    tags=["endpoints"],
)
@api_view(["GET", "POST"])
@parser_classes([JSONParser])
@scoped(GET="endpoints:read", POST="endpoints:write")
def endpoints(request: Request) -> Response:
    """Endpoints that get events of the key's teams only, newest first; or make one."""
    user = asking(request)
    selectors.supervisor_required(user)
    if request.method == "POST":
        return _added(request)
    PageSerializer.read(request.query_params)
    return paged(selectors.endpoint_list(user=user), request, EndpointSerializer, {"request": request}, NewestEndpoints())


@extend_schema(methods=["GET"], operation_id="endpoints_read", responses=EndpointHealthSerializer, tags=["endpoints"])
@extend_schema(
    methods=["PATCH"],
    operation_id="endpoints_change",
    request=EndpointChangesSerializer,
    responses=EndpointHealthSerializer,
    tags=["endpoints"],
)
@extend_schema(methods=["DELETE"], operation_id="endpoints_delete", responses={204: None}, tags=["endpoints"])
@api_view(["GET", "PATCH", "DELETE"])
@parser_classes([JSONParser])
@scoped(GET="endpoints:read", PATCH="endpoints:write", DELETE="endpoints:write")
def endpoint(request: Request, endpoint_id: UUID) -> Response:
    """One endpoint and how it fares; change it, or delete it with its log."""
    user = asking(request)
    if request.method == "DELETE":
        services.endpoint_delete(user=user, endpoint_id=endpoint_id)
        return Response(status=status.HTTP_204_NO_CONTENT)
    if request.method == "PATCH":
        _change(request, user, endpoint_id)
    health = selectors.endpoint_health(user=user, endpoint_id=endpoint_id)
    return Response(EndpointHealthSerializer(health.endpoint, context={"request": request, "health": health}).data)


@extend_schema(operation_id="endpoints_rotate_secret", request=RotationSerializer, responses=SecretEndpointSerializer, tags=["endpoints"])
@api_view(["POST"])
@parser_classes([JSONParser])
@scoped(POST="endpoints:write")
def endpoint_rotate(request: Request, endpoint_id: UUID) -> Response:
    """Give a webhook a new secret, shown only now. The old one signs along for a while, so that the receiver may change over."""
    user = asking(request)
    selectors.endpoint_get(user=user, endpoint_id=endpoint_id)
    given = RotationSerializer.read(request.data)
    return _with_secret(request, services.endpoint_rotate_secret(user=user, endpoint_id=endpoint_id, **given))


@extend_schema(operation_id="endpoints_test", request=None, responses={202: DeliverySerializer}, tags=["endpoints"])
@api_view(["POST"])
@scoped(POST="endpoints:write")
def endpoint_test(request: Request, endpoint_id: UUID) -> Response:
    """Send a signed endpoint.test to this endpoint alone, before everything that waits; its delivery tells what came back."""
    delivery = services.endpoint_test(user=asking(request), endpoint_id=endpoint_id)
    return Response(DeliverySerializer(delivery, context={"request": request}).data, status=status.HTTP_202_ACCEPTED)


@extend_schema(operation_id="endpoints_replay", request=ReplaySerializer, responses={202: ReplayedSerializer}, tags=["endpoints"])
@api_view(["POST"])
@parser_classes([JSONParser])
@scoped(POST="endpoints:write")
def endpoint_replay(request: Request, endpoint_id: UUID) -> Response:
    """Send again, under the same ids, everything that was given up, or a range of time with what the endpoint missed while it was off."""
    user = asking(request)
    selectors.endpoint_get(user=user, endpoint_id=endpoint_id)
    given = ReplaySerializer.read(request.data)
    return Response({"deliveries": _replayed(user, endpoint_id, given)}, status=status.HTTP_202_ACCEPTED)


@extend_schema(
    operation_id="deliveries_list", parameters=[DeliveryFiltersSerializer], responses=page_of(DeliverySerializer), tags=["endpoints"]
)
@api_view(["GET"])
@scoped(GET="endpoints:read")
def deliveries(request: Request, endpoint_id: UUID) -> Response:
    """What was sent, is being sent, or waits to be sent to an endpoint, newest first."""
    user = asking(request)
    given = DeliveryFiltersSerializer.read(request.query_params)
    known = {name: value for name, value in given.items() if name in ("status", "type", "since", "until")}
    found = selectors.delivery_list(user=user, endpoint_id=endpoint_id, filters=selectors.DeliveryFilters(**known))
    return paged(found, request, DeliverySerializer, {"request": request}, NewestDeliveries())


@extend_schema(operation_id="deliveries_read", responses=TriedDeliverySerializer, tags=["endpoints"])
@api_view(["GET"])
@scoped(GET="endpoints:read")
def delivery(request: Request, delivery_id: UUID) -> Response:
    """One delivery with its attempts."""
    found = selectors.delivery_get(user=asking(request), delivery_id=delivery_id)
    return Response(TriedDeliverySerializer(found, context={"request": request}).data)


@extend_schema(operation_id="deliveries_replay", request=None, responses={202: DeliverySerializer}, tags=["endpoints"])
@api_view(["POST"])
@scoped(POST="endpoints:write")
def delivery_replay(request: Request, delivery_id: UUID) -> Response:
    """Send one delivery again, under the same id. 409 while it is on its way."""
    found = replays.delivery_replay(user=asking(request), delivery_id=delivery_id)
    return Response(DeliverySerializer(found, context={"request": request}).data, status=status.HTTP_202_ACCEPTED)


def _again(request: Request, endpoint_id: str) -> Response:
    """What a request that made this endpoint is answered with when it is sent once more: its secret was shown."""
    return _with_secret(request, services.Shown(selectors.endpoint_get(user=asking(request), endpoint_id=UUID(endpoint_id)), ""))


@idempotent(_again)
def _added(request: Request) -> Response:
    given = NewEndpointSerializer.read(request.data)
    user = asking(request)
    shown = services.endpoint_create(user=user, details=services.EndpointDetails(**_details(given, user)))
    response = _with_secret(request, shown)
    response.status_code = status.HTTP_201_CREATED
    response["Location"] = response.data["url"]
    return response


def _change(request: Request, user: User, endpoint_id: UUID) -> None:
    known = selectors.endpoint_get(user=user, endpoint_id=endpoint_id)
    changes = EndpointChangesSerializer.read(request.data)
    enabled = changes.pop("enabled", None)
    if changes:
        details = dataclasses.replace(services.endpoint_details(known), **_details(changes, user))
        services.endpoint_update(user=user, endpoint_id=endpoint_id, details=details)
    if enabled is not None:
        services.endpoint_switch(user=user, endpoint_id=endpoint_id, enabled=enabled)


def _details(fields: Mapping[str, Any], user: User) -> dict[str, Any]:
    known = dict(fields)
    if "teams" in known:
        known["team_ids"] = _team_ids(known.pop("teams"), user)
    if "types" in known:
        known["types"] = tuple(known["types"])
    return known


def _team_ids(names: list[str], user: User) -> frozenset[int]:
    """One answer for a team of others and for one that there is not."""
    found = [team_known(name, teams_uploadable(user)) for name in names]
    for name, team in zip(names, found, strict=True):
        if team is None:
            raise ApplicationError(f"There is no team {name!r} that you may choose.", field="teams")
    return frozenset(team.id for team in found if team is not None)


def _replayed(user: User, endpoint_id: UUID, given: Mapping[str, Any]) -> int:
    if given["failed"] == ("since" in given or "until" in given) or ("since" in given) != ("until" in given):
        raise ApplicationError("Send either failed as true, or both since and until.")
    if given["failed"]:
        return replays.deliveries_replay_failed(user=user, endpoint_id=endpoint_id)
    return replays.deliveries_replay_range(user=user, endpoint_id=endpoint_id, since=given["since"], until=given["until"])


def _with_secret(request: Request, shown: services.Shown) -> Response:
    return Response(SecretEndpointSerializer(shown.endpoint, context={"request": request, "secret": shown.secret}).data)
