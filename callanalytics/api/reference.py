"""Where the API describes itself: for programs that find their way, and as a page for people, without a network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponse
from django.urls import resolve
from django.views.decorators.http import require_safe
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.response import Response
from rest_framework.reverse import reverse

from analysis import __version__
from callanalytics.api.authentication import asking, scoped
from callanalytics.errors import NotFoundError

if TYPE_CHECKING:
    from django.http import HttpRequest
    from rest_framework.request import Request

    from callanalytics.people.models import ApiKey

OPENAPI = Path(__file__).with_name("openapi.json")
"""Made from the views by `make openapi`."""


class AboutSerializer(serializers.Serializer[Any]):
    version = serializers.CharField()
    name = serializers.CharField(help_text="The key's, or the user's.")
    team = serializers.CharField(allow_null=True, help_text="The key's team; null for all.")
    scopes = serializers.ListField(child=serializers.CharField(), allow_null=True, help_text="Null for a person, whose role decides.")
    expires_at = serializers.DateTimeField(allow_null=True)
    calls = serializers.URLField()
    openapi = serializers.URLField()


@extend_schema(operation_id="about", responses=AboutSerializer, tags=["about"])
@api_view(["GET"])
@scoped()
def about(request: Request) -> Response:
    """Who asks and what they may: for trying a key."""
    user, key = asking(request), cast("ApiKey | None", request.auth)
    team = key.membership.team if key else None
    return Response(
        {
            "version": __version__,
            "name": key.name if key else user.get_username(),
            "team": team.name if team else None,
            "scopes": key.scopes if key else None,
            "expires_at": key.expires_at if key else None,
            "calls": reverse("api-calls", request=request),
            "openapi": reverse("api-openapi", request=request),
        }
    )


@login_not_required
@require_safe
def openapi(_request: HttpRequest) -> HttpResponse:
    """The description as it lies in the repository."""
    return HttpResponse(OPENAPI.read_bytes(), content_type="application/vnd.oai.openapi+json;version=3.1")


reference = SpectacularSwaggerSplitView.as_view(url_name="api-openapi", template_name="api/reference.html", title="callanalytics API")


@extend_schema(exclude=True)
@api_view(["GET", "POST", "PUT", "PATCH", "DELETE"])
def missing(request: Request) -> Response:
    """Whatever else is asked for below /api/, so that a wrong address gets the API's error too."""
    if request.path.endswith("/") or resolve(f"{request.path}/").url_name == "api-missing":
        raise NotFoundError(f"address as {request.path}")
    raise NotFoundError(f"address as {request.path}; put a slash at its end")
