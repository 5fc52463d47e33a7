"""Lists in pages, by cursor: no page skips or repeats a row because another came in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from django.core.exceptions import ValidationError
from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet
    from rest_framework.request import Request
    from rest_framework.response import Response
    from rest_framework.serializers import BaseSerializer

Row = TypeVar("Row", bound="Model")


class NewestFirst(CursorPagination):
    """By the call's start, as calls and flags have it."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200
    ordering: tuple[str, ...] = ("-started_at", "-id")

    def paginate_queryset(self, *args: Any, **kwargs: Any) -> list[Any] | None:
        try:
            return super().paginate_queryset(*args, **kwargs)
        except ValidationError as error:
            # A cursor that decodes, to a place that is no time.
            raise NotFound(self.invalid_cursor_message) from error


def paged(
    found: QuerySet[Row], request: Request, shape: type[BaseSerializer[Row]], context: dict[str, Any], pages: NewestFirst | None = None
) -> Response:
    """One page of rows as `{"next", "previous", "results"}`."""
    pages = pages or NewestFirst()
    page = pages.paginate_queryset(found, request)
    return pages.get_paginated_response(shape(page, many=True, context=context).data)  # type: ignore[arg-type]  # many takes a list
