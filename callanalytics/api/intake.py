"""What other systems send when a recording is there: each in its own words, turned into a call that is fetched."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.authentication import BaseAuthentication, SessionAuthentication, get_authorization_header
from rest_framework.decorators import api_view, authentication_classes, parser_classes
from rest_framework.parsers import FormParser, JSONParser
from rest_framework.response import Response
from rest_framework.reverse import reverse

from callanalytics.api import manifests
from callanalytics.api.adapters import ADAPTERS, NotTaken, twilio
from callanalytics.api.authentication import KeyAuthentication, asking, known, scoped
from callanalytics.errors import ApplicationError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rest_framework.request import Request

    from callanalytics.people.models import ApiKey, User


class BasicKeyAuthentication(BaseAuthentication):
    """An API key as the password of HTTP Basic, whatever the user name: some systems can send nothing else."""

    def authenticate(self, request: Request) -> tuple[User, ApiKey] | None:
        credentials = basic_credentials(request)
        return known(credentials.partition(":")[2]) if credentials else None

    def authenticate_header(self, _request: Request) -> str:
        return 'Basic realm="callanalytics"'


class IntakeSerializer(serializers.Serializer[Any]):
    """What came of a notice."""

    status = serializers.ChoiceField(["accepted", "existing", "ignored"])
    id = serializers.UUIDField(allow_null=True, help_text="The call's; null where the notice is of no recorded call.")
    url = serializers.URLField(allow_null=True)
    reason = serializers.CharField(help_text="Why it is ignored; empty where it is not.")


@extend_schema(
    operation_id="intake",
    parameters=[OpenApiParameter("provider", str, OpenApiParameter.PATH, enum=sorted(ADAPTERS))],
    request={"application/json": OpenApiTypes.OBJECT, "application/x-www-form-urlencoded": OpenApiTypes.OBJECT},
    responses={
        202: OpenApiResponse(IntakeSerializer, "Taken in; its recording is fetched."),
        200: OpenApiResponse(IntakeSerializer, "Known already, or of no recorded call."),
    },
    tags=["calls"],
)
@api_view(["POST"])
@authentication_classes([BasicKeyAuthentication, KeyAuthentication, SessionAuthentication])
@parser_classes([JSONParser, FormParser])
@scoped(POST="calls:write")
def intake(request: Request, provider: str) -> Response:
    """Tell of a recording as another system tells it: Twilio's callback, a contact record of Amazon Connect, an export of Genesys Cloud …

    Fields of a call that the notice does not know, as `team` or `channels`, stand in the query. An API key may be the password of Basic.
    """
    user = asking(request)
    adapt = ADAPTERS.get(provider)
    if adapt is None:
        raise NotFoundError(f"provider; known are {', '.join(sorted(ADAPTERS))}")
    payload = request.data.dict() if hasattr(request.data, "dict") else request.data
    if not isinstance(payload, dict):
        raise ApplicationError("Send an object with the fields of the notice.")
    if provider == "twilio":
        _check_signature(request, payload)
    try:
        fields = adapt(payload)
    except NotTaken as reason:
        return Response({"status": "ignored", "id": None, "url": None, "reason": str(reason)})
    ingested = manifests.announced(fields | request.query_params.dict(), user=user)
    told = {
        "status": "accepted" if ingested.created else "existing",
        "id": str(ingested.call.id),
        "url": reverse("api-call", args=[ingested.call.id], request=request),
        "reason": "",
    }
    return Response(told, status=status.HTTP_202_ACCEPTED if ingested.created else status.HTTP_200_OK)


def basic_credentials(request: Request) -> str:
    """User and password of HTTP Basic, with a colon between them; empty where there are none."""
    scheme, _, text = get_authorization_header(request).decode("latin-1").partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(text.strip(), validate=True).decode()
    except ValueError:
        return ":"


def _check_signature(request: Request, form: Mapping[str, Any]) -> None:
    """Raises ApplicationError `forbidden` for what Twilio did not sign, where this installation knows Twilio's token."""
    token = settings.TWILIO.auth_token
    if not token:
        return
    signature, url = request.headers.get("X-Twilio-Signature", ""), settings.PUBLIC_URL + request.get_full_path()
    texts = {name: str(value) for name, value in form.items()}
    if not twilio.is_signed(signature, url, texts, token, credentials=basic_credentials(request)):
        message = f"Twilio did not sign this for {settings.PUBLIC_URL}{request.path}; is that the address that Twilio calls?"
        raise ApplicationError(message, code="forbidden")
