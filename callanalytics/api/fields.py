"""What requests are read with: strict about names, forgiving about how words and times are written."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time
from typing import Any

from django.utils.dateparse import parse_date, parse_datetime
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from analysis.values import Party

PARTIES = "one or two of agent, customer and unknown, in the order of the channels, as in agent,customer"


class Strict(serializers.Serializer[Any]):
    """Names the fields it does not know instead of dropping them: a typing slip in `objected` must not be silent."""

    @classmethod
    def read(cls, data: Any) -> dict[str, Any]:
        """What was sent, as it is meant. Raises ValidationError that names every field which is not as it must be."""
        given = cls(data=data)
        given.is_valid(raise_exception=True)
        return dict(given.validated_data)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        fields = super().get_fields()
        for field in fields.values():
            if isinstance(field, serializers.ChoiceField):
                field.error_messages["invalid_choice"] = f'"{{input}}" is none of {", ".join(filter(None, map(str, field.choices)))}.'
        return fields

    def to_internal_value(self, data: Mapping[str, Any]) -> Any:
        names = data if isinstance(data, Mapping) else ()
        unknown = {str(name): [f"Unknown field; known are {', '.join(self.fields)}."] for name in names if name not in self.fields}
        try:
            value = super().to_internal_value(data)
        except serializers.ValidationError as error:
            raise serializers.ValidationError({**unknown, **error.detail} if isinstance(error.detail, dict) else error.detail) from error
        if unknown:
            raise serializers.ValidationError(unknown)
        return value


@extend_schema_field(OpenApiTypes.STR)
class WordsField(serializers.CharField):
    """Several words, separated by commas or sent as one field each."""

    def get_value(self, dictionary: Mapping[str, Any]) -> Any:
        many = getattr(dictionary, "getlist", None)
        return ",".join(many(self.field_name)) if many and self.field_name in dictionary else super().get_value(dictionary)

    def to_internal_value(self, data: Any) -> Any:
        text = super().to_internal_value(",".join(map(str, data)) if isinstance(data, list) else data)
        return tuple(word.strip() for word in text.split(",") if word.strip())

    def run_validators(self, value: Any) -> None:
        # Over the text, because those of a CharField would look at the tuple: count its words, and find no null character in it.
        super().run_validators(",".join(value))


@extend_schema_field(OpenApiTypes.STR)
class ChannelsField(WordsField):
    def to_internal_value(self, data: Any) -> Any:
        parties = tuple(word.lower() for word in super().to_internal_value(data))
        if len(parties) > 2 or not set(parties) <= set(Party):
            raise serializers.ValidationError(f"Must be {PARTIES}.")
        return parties


@extend_schema_field(OpenApiTypes.DATETIME)
class MomentField(serializers.Field[datetime, str, str, Any]):
    """A date (its midnight) or a time in ISO 8601, UTC where it names no zone."""

    default_error_messages = {
        "invalid": "{given!r} is no date; write 2026-01-31 or 2026-01-31T14:05:00+01:00.",
        "far": "{given!r} lies outside the years 1970 to 2100.",
    }

    def to_internal_value(self, data: str) -> datetime:
        try:
            day = parse_date(data)
            found = datetime.combine(day, time()) if day else parse_datetime(data)
        except (ValueError, TypeError):
            found = None
        if found is None:
            self.fail("invalid", given=data)
        if not 1970 <= found.year <= 2100:
            self.fail("far", given=data)
        return found if found.tzinfo else found.replace(tzinfo=UTC)

    def to_representation(self, value: datetime) -> str:
        return value.isoformat()


class PageSerializer(Strict):
    """Which page of a list, and how long."""

    cursor = serializers.CharField(required=False, help_text="From `next` or `previous` of another page.")
    page_size = serializers.IntegerField(required=False, min_value=1, max_value=200, help_text="50 unless told.")
