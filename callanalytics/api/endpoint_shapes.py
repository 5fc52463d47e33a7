"""What the API takes and gives of endpoints and deliveries, field by field."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.reverse import reverse

from callanalytics.api.fields import MomentField, PageSerializer, Strict
from callanalytics.events.types import PUBLIC
from callanalytics.routing import endpoints as services
from callanalytics.routing.addresses import LONGEST, address_shown
from callanalytics.routing.models import Attempt, Delivery, DeliveryStatus, Endpoint, EndpointKind, SeverityChoice

ADDRESS = "A URL; e-mail addresses with commas between them; or the routing key of PagerDuty's Events API v2."
SHOWN = "As people may see it: of a chat's URL and a routing key the end only."
TYPES = "Types of events that it gets, as in flag.raised; none for all."
TEAMS = "Names of the teams whose events it gets; none for all, which takes a key for all teams."


class EndpointChangesSerializer(Strict):
    """What of an endpoint can be changed; what is left out stays."""

    name = serializers.CharField(required=False, max_length=services.NAME)
    address = serializers.CharField(required=False, max_length=LONGEST, help_text=ADDRESS)
    types = serializers.ListField(child=serializers.ChoiceField(list(PUBLIC)), required=False, max_length=len(PUBLIC), help_text=TYPES)
    teams = serializers.ListField(child=serializers.CharField(max_length=120), required=False, max_length=100, help_text=TEAMS)
    severity = serializers.ChoiceField(SeverityChoice.choices, required=False, allow_blank=True, help_text="Least severity of flags.")
    ordered = serializers.BooleanField(required=False, help_text="Events of one call or flag wait for the one before.")
    digest_minutes = serializers.IntegerField(
        required=False, min_value=0, max_value=services.LONGEST_DIGEST_MINUTES, help_text="Of e-mail: one mail gathers what came within."
    )
    enabled = serializers.BooleanField(required=False, help_text="Switched on, what waited is sent, and what failed is forgotten.")


class NewEndpointSerializer(EndpointChangesSerializer):
    """An endpoint to be made."""

    name = serializers.CharField(max_length=services.NAME)
    kind = serializers.ChoiceField(EndpointKind.choices)
    address = serializers.CharField(max_length=LONGEST, help_text=ADDRESS)
    enabled = None  # type: ignore[assignment]  # DRF's way to leave a field out


class RotationSerializer(Strict):
    keep_hours = serializers.IntegerField(
        default=services.KEEP_HOURS, min_value=0, max_value=services.LONGEST_KEEP_HOURS, help_text="How long the old secret signs along."
    )


class ReplaySerializer(Strict):
    """Either everything that was given up, or a range of time with what the endpoint missed in it."""

    failed = serializers.BooleanField(default=False)
    since = MomentField(required=False)
    until = MomentField(required=False)


class ReplayedSerializer(serializers.Serializer[Any]):
    deliveries = serializers.IntegerField(help_text="How many are sent again.")


class DeliveryFiltersSerializer(PageSerializer):
    """What the deliveries of an endpoint can be narrowed to; times are those of the events."""

    status = serializers.ChoiceField(DeliveryStatus.choices, required=False)
    type = serializers.ChoiceField(list(PUBLIC), required=False)
    since = MomentField(required=False)
    until = MomentField(required=False)


class EndpointSerializer(serializers.ModelSerializer[Endpoint]):
    """Somewhere that events are sent to."""

    url = serializers.SerializerMethodField()
    address = serializers.SerializerMethodField(help_text=SHOWN)
    types = serializers.ListField(child=serializers.CharField(), read_only=True, help_text=TYPES)
    teams = serializers.SlugRelatedField[Any](slug_field="name", many=True, read_only=True, help_text=TEAMS)
    disabled_reason = serializers.CharField(read_only=True, help_text="gone, failing or by_hand; empty while it is on.")

    class Meta:
        model = Endpoint
        fields = (
            "id",
            "url",
            "name",
            "kind",
            "address",
            "types",
            "teams",
            "severity",
            "ordered",
            "digest_minutes",
            "enabled",
            "disabled_reason",
            "disabled_at",
            "failures",
            "failing_since",
            "created_at",
        )
        read_only_fields = fields

    @extend_schema_field(OpenApiTypes.URI)
    def get_url(self, endpoint: Endpoint) -> str:
        return str(reverse("api-endpoint", args=[endpoint.id], request=self.context["request"]))

    def get_address(self, endpoint: Endpoint) -> str:
        return address_shown(endpoint)


class EndpointHealthSerializer(EndpointSerializer):
    """An endpoint with how it fares."""

    waiting = serializers.SerializerMethodField(help_text="Deliveries that wait.")
    given_up = serializers.SerializerMethodField(help_text="Deliveries that failed for good.")
    last_delivered_at = serializers.SerializerMethodField()

    class Meta(EndpointSerializer.Meta):
        fields: tuple[str, ...] = (*EndpointSerializer.Meta.fields, "waiting", "given_up", "last_delivered_at")  # type: ignore[assignment]  # more than there
        read_only_fields: tuple[str, ...] = fields  # type: ignore[assignment]  # as above

    def get_waiting(self, _endpoint: Endpoint) -> int:
        return int(self.context["health"].waiting)

    def get_given_up(self, _endpoint: Endpoint) -> int:
        return int(self.context["health"].failed)

    @extend_schema_field({"type": ["string", "null"], "format": "date-time"})
    def get_last_delivered_at(self, _endpoint: Endpoint) -> str | None:
        at = self.context["health"].last_delivered_at
        return None if at is None else at.isoformat()


class SecretEndpointSerializer(EndpointSerializer):
    """An endpoint with its signing secret, this once."""

    secret = serializers.SerializerMethodField(help_text="For webhooks, shown only now; empty for other kinds.")

    class Meta(EndpointSerializer.Meta):
        fields: tuple[str, ...] = (*EndpointSerializer.Meta.fields, "secret")  # type: ignore[assignment]  # more than there
        read_only_fields: tuple[str, ...] = fields  # type: ignore[assignment]  # as above

    def get_secret(self, _endpoint: Endpoint) -> str:
        return str(self.context["secret"])


class DeliverySerializer(serializers.ModelSerializer[Delivery]):
    """One event on its way to one endpoint."""

    url = serializers.SerializerMethodField()
    endpoint = serializers.SerializerMethodField()
    event = serializers.UUIDField(source="event_id", read_only=True, help_text="What receivers see as webhook-id.")
    type = serializers.CharField(source="event.type", read_only=True)
    happened_at = serializers.DateTimeField(source="event.created_at", read_only=True)

    class Meta:
        model = Delivery
        fields = ("id", "url", "endpoint", "event", "type", "subject", "happened_at", "status", "attempts", "due_at", "delivered_at")
        read_only_fields = fields

    @extend_schema_field(OpenApiTypes.URI)
    def get_url(self, delivery: Delivery) -> str:
        return str(reverse("api-delivery", args=[delivery.id], request=self.context["request"]))

    @extend_schema_field(OpenApiTypes.URI)
    def get_endpoint(self, delivery: Delivery) -> str:
        return str(reverse("api-endpoint", args=[delivery.endpoint_id], request=self.context["request"]))


class AttemptSerializer(serializers.ModelSerializer[Attempt]):
    """One try, with the beginning of what was sent and came back, without secrets."""

    request = serializers.DictField(read_only=True)
    response = serializers.DictField(read_only=True)

    class Meta:
        model = Attempt
        fields = ("at", "milliseconds", "status_code", "error", "request", "response")
        read_only_fields = fields


class TriedDeliverySerializer(DeliverySerializer):
    """A delivery with everything that was tried, newest first."""

    tries = AttemptSerializer(many=True, read_only=True)

    class Meta(DeliverySerializer.Meta):
        fields: tuple[str, ...] = (*DeliverySerializer.Meta.fields, "tries")  # type: ignore[assignment]  # more than there
        read_only_fields: tuple[str, ...] = fields  # type: ignore[assignment]  # as above
