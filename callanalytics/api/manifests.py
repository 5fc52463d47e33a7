"""Many calls in one list, as JSON or CSV: each row is taken in or refused by itself, and the answer says which and why.

A list may be sent again as a whole: what was taken in before is found again, and what was refused is looked at anew.
"""

from __future__ import annotations

import csv
import io
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError
from rest_framework import serializers

from callanalytics.api import filing
from callanalytics.api.errors import field_details
from callanalytics.api.serializers import AnnouncedCallSerializer
from callanalytics.calls.services import call_announce
from callanalytics.errors import ApplicationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from callanalytics.calls.models import Call
    from callanalytics.calls.services import Ingested
    from callanalytics.people.models import User

log = logging.getLogger(__name__)

MOST_ROWS = 10_000
DELIMITERS = ",;\t"
NOT_STORED = "This row could not be stored just now; send the list again."


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one row; 1 is the first call of the list."""

    row: int
    call: Call | None = None
    created: bool = False
    errors: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def status(self) -> str:
        if self.call is None:
            return "refused"
        return "accepted" if self.created else "existing"


def rows_of_csv(content: bytes, known: Sequence[str]) -> list[dict[str, Any]]:
    """Rows by the names in the first line; an empty cell says nothing. Raises ApplicationError for what is no such table."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ApplicationError("The list is not in UTF-8; save it as CSV UTF-8.") from error
    head = text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text), delimiter=max(DELIMITERS, key=head.count), strict=True)
    try:
        _check_head(reader.fieldnames or (), known)
        rows = [{name: cell for name, cell in row.items() if cell} for row in reader]
    except csv.Error as error:
        raise ApplicationError(f"The list cannot be read as CSV: {error}.") from error
    if any(None in row for row in rows):
        place = next(number for number, row in enumerate(rows, 1) if None in row)
        raise ApplicationError(f"Row {place} has more cells than the first line has names; put cells with commas in quotes.")
    return rows


def check_length(rows: Sequence[Any]) -> None:
    """Raises ApplicationError for a list that is too long for one request."""
    if len(rows) > MOST_ROWS:
        raise ApplicationError(f"The list has {len(rows)} rows; send at most {MOST_ROWS} at a time.", code="too_large")


def announced(fields: Any, *, user: User | None) -> Ingested:
    """Take in one row that says where its recording lies. Raises ValidationError or ApplicationError."""
    given = AnnouncedCallSerializer.read(fields)
    return call_announce(given["url"], filing.new_call(given, user=user), user=user)


def taken(rows: Sequence[Any], take: Callable[[Any], Ingested]) -> Iterator[Outcome]:
    """Each row by itself, in order; one that fails stops none of the others."""
    for number, row in enumerate(rows, 1):
        try:
            ingested = take(row)
            yield Outcome(number, ingested.call, ingested.created)
        except serializers.ValidationError as error:
            yield Outcome(number, errors=field_details(error.detail))
        except ApplicationError as error:
            yield Outcome(number, errors={error.field or "": [error.message]})
        except DatabaseError:
            log.exception("row %d of a list of calls", number)
            yield Outcome(number, errors={"": [NOT_STORED]})


def _check_head(names: Sequence[str], known: Sequence[str]) -> None:
    unknown = [name for name in names if name not in known]
    if not names or unknown:
        named = f"there is no field {unknown[0]!r}" if unknown else "it is empty"
        raise ApplicationError(f"The first line must name the fields, and {named}; known are {', '.join(known)}.")
    if len(set(names)) < len(names):
        raise ApplicationError("The first line names a field twice.")
