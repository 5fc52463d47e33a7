"""Many calls in one request."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view, parser_classes
from rest_framework.parsers import BaseParser, JSONParser
from rest_framework.response import Response
from rest_framework.reverse import reverse

from callanalytics.api import filing, manifests
from callanalytics.api.authentication import asking, scoped
from callanalytics.api.errors import sayable
from callanalytics.api.serializers import AnnouncedCallSerializer
from callanalytics.errors import ApplicationError

if TYPE_CHECKING:
    from rest_framework.request import Request

    from callanalytics.api.manifests import Outcome


class CsvParser(BaseParser):
    """Rows by the names in the first line."""

    media_type = "text/csv"

    def parse(self, stream: Any, *_how: Any) -> Any:
        return manifests.rows_of_csv(stream.read(), list(AnnouncedCallSerializer().fields))


class OutcomeSerializer(serializers.Serializer[Any]):
    """What came of one row."""

    row = serializers.IntegerField(help_text="1 is the first call of the list.")
    status = serializers.ChoiceField(["accepted", "existing", "refused"])
    id = serializers.UUIDField(allow_null=True, help_text="The call's; null where the row is refused.")
    url = serializers.URLField(allow_null=True)
    external_id = serializers.CharField()
    errors = serializers.DictField(  # type: ignore[assignment]  # declared fields are taken out of the class before it is made
        child=serializers.ListField(child=serializers.CharField()), help_text="Why it is refused, by field."
    )


class BatchSerializer(serializers.Serializer[Any]):
    accepted = serializers.IntegerField()
    existing = serializers.IntegerField(help_text="There already, from this list or an earlier sending.")
    refused = serializers.IntegerField()
    rows = OutcomeSerializer(many=True)


@extend_schema(
    operation_id="calls_batch",
    request={"application/json": AnnouncedCallSerializer(many=True), "text/csv": OpenApiTypes.STR},
    responses=BatchSerializer,
    tags=["calls"],
)
@api_view(["POST"])
@parser_classes([JSONParser, CsvParser])
@scoped(POST="calls:write")
def batch(request: Request) -> Response:
    """Hand in up to 10,000 calls by their addresses: a JSON list, or CSV whose first line names the fields.

    Each row is taken in or refused by itself. Sending the same list again is harmless: give each call an external id.
    """
    user = asking(request)
    filing.adder_required(user)
    rows = request.data
    if not isinstance(rows, list):
        raise ApplicationError("Send a JSON list of calls, or CSV.")
    manifests.check_length(rows)
    outcomes = list(manifests.taken(rows, lambda row: manifests.announced(row, user=user)))
    counts = Counter(each.status for each in outcomes)
    told = {status: counts[status] for status in ("accepted", "existing", "refused")}
    return Response({**told, "rows": [_shown(each, rows[each.row - 1], request) for each in outcomes]})


def _shown(outcome: Outcome, row: Any, request: Request) -> dict[str, Any]:
    call = outcome.call
    given = row.get("external_id", "") if isinstance(row, dict) else ""
    return {
        "row": outcome.row,
        "status": outcome.status,
        "id": str(call.id) if call else None,
        "url": reverse("api-call", args=[call.id], request=request) if call else None,
        "external_id": call.external_id if call else sayable(given)[:120],
        "errors": outcome.errors,
    }
