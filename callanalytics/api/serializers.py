"""What the API takes and gives, field by field; the rules themselves live in the services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.reverse import reverse

from callanalytics.api.fields import ChannelsField, MomentField, PageSerializer, Strict, WordsField
from callanalytics.calls import selectors
from callanalytics.calls.models import Call, CallStatus, Direction, Flag, FlagStatus, FrustrationSegment, Notice, Utterance
from callanalytics.calls.selectors import CALL_EMOTION
from callanalytics.people.models import ScoringChoice
from callanalytics.routing.links import call_link
from callanalytics.routing.models import SeverityChoice

if TYPE_CHECKING:
    from collections.abc import Collection

    from callanalytics.people.selectors import Access


class CallFieldsSerializer(Strict):
    """What is known of a call that comes in; all of it may be left out."""

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


class NewCallSerializer(CallFieldsSerializer):
    """A recording and what is known of it, as multipart fields."""

    file = serializers.FileField(
        max_length=255,
        error_messages={
            "required": "Send the recording in this field, as multipart/form-data.",
            "invalid": "This must be a file, sent as multipart/form-data.",
            "empty": "The file is empty; nothing was recorded, or the upload broke off. Send it again.",
        },
    )


class AnnouncedCallSerializer(CallFieldsSerializer):
    """Where a recording lies and what is known of it, as JSON. A worker fetches it."""

    url = serializers.CharField(
        max_length=4000,
        help_text="`https://…`, or `s3://bucket/key` where this installation has credentials. A signature in it is shown to nobody.",
        error_messages={"required": "Say where the recording lies, or send it as multipart/form-data."},
    )


class ObjectionSerializer(Strict):
    objected = serializers.BooleanField()


class CallFiltersSerializer(PageSerializer):
    """What the list of calls can be narrowed to; times are those of the call's start."""

    status = serializers.ChoiceField(CallStatus.choices, required=False)
    team = serializers.CharField(required=False, max_length=120)
    queue = serializers.CharField(required=False, max_length=120)
    agent = serializers.CharField(required=False, max_length=60)
    flagged = serializers.BooleanField(required=False, allow_null=True, default=None)
    since = MomentField(required=False)
    until = MomentField(required=False)
    text = serializers.CharField(
        required=False, max_length=200, help_text="Part of the file name, external id, customer reference or agent."
    )
    fields = WordsField(  # type: ignore[assignment]  # declared fields are taken out of the class before it is made
        required=False, max_length=300, help_text="Only these fields of each call, separated by commas."
    )


class SparseSerializer(Strict):
    """Which fields of one call are wanted."""

    fields = WordsField(  # type: ignore[assignment]  # as above
        required=False, max_length=300, help_text="Only these fields, separated by commas; without `analysis` the answer is short."
    )


class CallSerializer(serializers.ModelSerializer[Call]):
    """A call's row. Numbers that tell of somebody's emotion are null for those who may not see them."""

    url = serializers.SerializerMethodField(help_text="Where its state and, in time, its analysis are read.")
    team = serializers.SlugRelatedField[Any](slug_field="name", read_only=True)
    agent = serializers.SlugRelatedField[Any](slug_field="code", read_only=True, allow_null=True)
    queue = serializers.SlugRelatedField[Any](slug_field="name", read_only=True, allow_null=True)
    scoring = serializers.ChoiceField(ScoringChoice.choices, read_only=True, allow_blank=True)
    channels = serializers.ListField(child=serializers.CharField(), read_only=True, help_text="Who is on which, in order.")
    tags = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = Call
        extra_kwargs = {name: {"allow_null": True} for name in CALL_EMOTION}
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
            "source",
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
        read_only_fields = fields

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        wanted: Collection[str] = self.context.get("fields", ())
        return {name: field for name, field in super().get_fields().items() if not wanted or name in wanted}

    @extend_schema_field(OpenApiTypes.URI)
    def get_url(self, call: Call) -> str:
        return str(reverse("api-call", args=[call.id], request=self.context["request"]))

    def to_representation(self, call: Call) -> dict[str, Any]:
        shown = super().to_representation(call)
        access: Access = self.context["access"]
        if not access.can_review(call.team_id):
            shown |= {name: None for name in CALL_EMOTION if name in shown}
        return shown


class AnalysedCallSerializer(CallSerializer):
    """A call with its whole analysis; null until there is one."""

    analysis = serializers.SerializerMethodField()

    class Meta(CallSerializer.Meta):
        fields: tuple[str, ...] = (*CallSerializer.Meta.fields, "analysis")  # type: ignore[assignment]  # one more than there

    @extend_schema_field({"type": ["object", "null"], "description": "What `python -m analysis` prints."})
    def get_analysis(self, call: Call) -> dict[str, Any] | None:
        return selectors.document_get(user=self.context["request"].user, call_id=call.id)


class UtteranceSerializer(serializers.ModelSerializer[Utterance]):
    """What one party said; no emotion value."""

    id = serializers.IntegerField(source="number")

    class Meta:
        model = Utterance
        fields = ("id", "voice", "party", "start", "end", "text", "language", "asr_confidence")


class SegmentSerializer(serializers.ModelSerializer[FrustrationSegment]):
    class Meta:
        model = FrustrationSegment
        fields = ("start", "end", "peak", "mean", "utterances")


class FlagSerializer(serializers.ModelSerializer[Flag]):
    """A stretch that someone should look at, with its evidence."""

    call = serializers.SerializerMethodField()
    page = serializers.SerializerMethodField(help_text="Where people look at it.")
    evidence = serializers.DictField()

    class Meta:
        model = Flag
        fields = (
            "id",
            "call",
            "page",
            "rule",
            "severity",
            "status",
            "start",
            "end",
            "peak",
            "main_part",
            "evidence",
            "retracted_reason",
            "started_at",
            "created_at",
        )

    @extend_schema_field(OpenApiTypes.URI)
    def get_call(self, flag: Flag) -> str:
        return str(reverse("api-call", args=[flag.call_id], request=self.context["request"]))

    @extend_schema_field(OpenApiTypes.URI)
    def get_page(self, flag: Flag) -> str:
        return call_link(flag.call_id, flag.start)


class FlagFiltersSerializer(PageSerializer):
    """What the list of flags can be narrowed to; times are those of the call's start."""

    status = serializers.ChoiceField(FlagStatus.choices, required=False)
    severity = serializers.ChoiceField(SeverityChoice.values, required=False)
    rule = serializers.CharField(required=False, max_length=60)
    team = serializers.CharField(required=False, max_length=120)
    since = MomentField(required=False)
    until = MomentField(required=False)


class MeasuresSerializer(serializers.Serializer[Any]):
    """Plain numbers of the whole call and signs that the customer has to work; nobody's emotion."""

    seconds = serializers.FloatField(allow_null=True)
    measures = serializers.DictField(allow_null=True, help_text="Talk share, silence and interruptions; null until the call is analysed.")
    parties = serializers.ListField(child=serializers.DictField(), help_text="Who each voice is, and how sure that is.")
    effort = serializers.ListField(child=serializers.DictField(), help_text="Repeats, holds, transfers ...; none for the call's agent.")


class ErasedSerializer(serializers.Serializer[Any]):
    """What is left of a call."""

    receipt = serializers.UUIDField()
    counts = serializers.DictField(help_text="How much of what was removed.")


class ProblemFieldSerializer(serializers.Serializer[Any]):
    field = serializers.CharField(help_text="As it was sent; empty for the whole body.")
    detail = serializers.CharField()


class ProblemSerializer(serializers.Serializer[Any]):
    """Problem details of RFC 9457."""

    type = serializers.CharField(help_text="Stable, for programs to go by, as in urn:callanalytics:problem:conflict.")
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="What was wrong and what to do.")
    errors = ProblemFieldSerializer(many=True, required=False)  # type: ignore[assignment]  # taken out of the class, as above
    subject = serializers.CharField(required=False, help_text="The id of what is in the way, as of the call that has this external id.")
