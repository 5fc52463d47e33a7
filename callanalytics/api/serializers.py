"""What the API takes and gives, field by field; the rules themselves live in the services."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any

from django.utils.dateparse import parse_date, parse_datetime
from rest_framework import serializers
from rest_framework.reverse import reverse

from analysis.values import Party
from callanalytics.calls.models import Call, CallStatus, Direction, Notice
from callanalytics.calls.selectors import CALL_EMOTION
from callanalytics.people.models import ScoringChoice

if TYPE_CHECKING:
    from callanalytics.people.selectors import Access

PARTIES = "one or two of agent, customer and unknown, in the order of the channels, as in agent,customer"


class Strict(serializers.Serializer[Any]):
    """Names the fields it does not know instead of dropping them: a typing slip in `objected` must not be silent."""

    def to_internal_value(self, data: Mapping[str, Any]) -> Any:
        names = data if isinstance(data, Mapping) else ()
        unknown = {_sayable(name): [f"Unknown field; known are {', '.join(self.fields)}."] for name in names if name not in self.fields}
        try:
            value = super().to_internal_value(data)
        except serializers.ValidationError as error:
            raise serializers.ValidationError({**unknown, **error.detail} if isinstance(error.detail, dict) else error.detail) from error
        if unknown:
            raise serializers.ValidationError(unknown)
        return value


def _sayable(name: object) -> str:
    """JSON may hold half of a surrogate pair, which no answer can."""
    return str(name).encode(errors="replace").decode()


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


class ChannelsField(WordsField):
    def to_internal_value(self, data: Any) -> Any:
        parties = tuple(word.lower() for word in super().to_internal_value(data))
        if len(parties) > 2 or not set(parties) <= set(Party):
            raise serializers.ValidationError(f"Must be {PARTIES}.")
        return parties


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


class NewCallSerializer(Strict):
    """A recording and what is known of it, as multipart fields."""

    file = serializers.FileField(
        max_length=255,
        error_messages={
            "required": "Send the recording in this field, as multipart/form-data.",
            "invalid": "This must be a file, sent as multipart/form-data.",
            "empty": "The file is empty; nothing was recorded, or the upload broke off. Send it again.",
        },
    )
    external_id = serializers.CharField(required=False, allow_blank=True, max_length=120)
    agent = serializers.CharField(required=False, allow_blank=True, max_length=60)
    queue = serializers.CharField(required=False, allow_blank=True, max_length=120)
    team = serializers.CharField(required=False, allow_blank=True, max_length=120)
    direction = serializers.ChoiceField(Direction.choices, required=False)
    started_at = MomentField(required=False)
    channels = ChannelsField(required=False, allow_blank=True)
    language = serializers.RegexField(
        r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})?$",
        required=False,
        allow_blank=True,
        max_length=16,
        error_messages={"invalid": "Must be a language code, as in en or es."},
    )
    notice = serializers.ChoiceField(Notice.choices, required=False)
    objected = serializers.BooleanField(required=False)
    scoring = serializers.ChoiceField(ScoringChoice.choices, required=False, allow_blank=True)
    customer_reference = serializers.CharField(required=False, allow_blank=True, max_length=120)
    tags = WordsField(required=False, allow_blank=True, max_length=1000)


class ObjectionSerializer(Strict):
    objected = serializers.BooleanField()


class CallFiltersSerializer(Strict):
    """What `GET /api/calls/` can be narrowed to; times are those of the call's start."""

    status = serializers.ChoiceField(CallStatus.choices, required=False)
    team = serializers.CharField(required=False)
    queue = serializers.CharField(required=False)
    agent = serializers.CharField(required=False)
    flagged = serializers.BooleanField(required=False, allow_null=True, default=None)
    since = MomentField(required=False)
    until = MomentField(required=False)
    text = serializers.CharField(required=False, max_length=200)
    cursor = serializers.CharField(required=False)
    page_size = serializers.IntegerField(required=False, min_value=1, max_value=200)


class CallSerializer(serializers.ModelSerializer[Call]):
    """A call's row. Numbers that tell of somebody's emotion are null for those who may not see them."""

    url = serializers.SerializerMethodField()
    team = serializers.SlugRelatedField[Any](slug_field="name", read_only=True)
    agent = serializers.SlugRelatedField[Any](slug_field="code", read_only=True)
    queue = serializers.SlugRelatedField[Any](slug_field="name", read_only=True)

    class Meta:
        model = Call
        fields = (
            "id",
            "url",
            "external_id",
            "team",
            "agent",
            "queue",
            "direction",
            "started_at",
            "created_at",
            "file_name",
            "channels",
            "language",
            "notice",
            "objected",
            "scoring",
            "customer_reference",
            "tags",
            "status",
            "step",
            "percent",
            "reason",
            "attempts",
            "seconds",
            "frustrated_s",
            "peak_frustration",
            "flag_count",
        )

    def get_url(self, call: Call) -> str:
        return str(reverse("api-call", args=[call.id], request=self.context["request"]))

    def to_representation(self, call: Call) -> dict[str, Any]:
        shown = super().to_representation(call)
        access: Access = self.context["access"]
        if not access.can_review(call.team_id):
            shown |= {name: None for name in CALL_EMOTION if name in shown}
        return shown
