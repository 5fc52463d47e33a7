"""Takes in what turns up in a watched place, each file once, also after a restart."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rest_framework import serializers

from callanalytics.api import filing
from callanalytics.api.adapters import asterisk
from callanalytics.api.errors import field_details
from callanalytics.api.serializers import CallFieldsSerializer
from callanalytics.calls.watched import watched_news, watched_note
from callanalytics.egress import EgressError
from callanalytics.errors import ApplicationError

if TYPE_CHECKING:
    import re
    from collections.abc import Callable

    from callanalytics.api.places import Place
    from callanalytics.calls.services import Ingested
    from callanalytics.calls.watched import Found

AGAIN = "no_space"
"""The code of a refusal that passes by itself."""


class Watch:
    """One place, the team of its calls, and how its names are read. `tell` is called with a line and whether it is of trouble."""

    def __init__(self, place: Place, tell: Callable[[str, bool], object], *, team: str, pattern: re.Pattern[str] | None) -> None:
        self._place, self._tell = place, tell
        self._team, self._pattern = team, pattern

    def turn(self, is_stopped: Callable[[], bool] = lambda: False) -> int:
        """Look once; how many were not taken. Raises OSError or EgressError where the place does not answer."""
        refused = 0
        for page in self._place.look():
            for found in watched_news([each for each in page if self._is_meant(each)]):
                if is_stopped():
                    return refused
                refused += not self._taken(found)
        return refused

    def _is_meant(self, found: Found) -> bool:
        return self._pattern is None or self._pattern.fullmatch(found.name) is not None

    def _taken(self, found: Found) -> bool:
        try:
            ingested = self._place.take(found, filing.new_call(self._fields(found), user=None, file_name=found.name))
        except serializers.ValidationError as error:
            return self._refused(found, "; ".join(f"{name}: {each}" for name, told in field_details(error.detail).items() for each in told))
        except ApplicationError as error:
            return self._later(found, error.message) if error.code == AGAIN else self._refused(found, error.message)
        except (OSError, EgressError) as error:
            return self._later(found, str(error))
        return self._done(found, ingested)

    def _fields(self, found: Found) -> dict[str, Any]:
        """What lies beside the file says most, then its name, then the command."""
        said: dict[str, Any] = {"team": self._team} if self._team else {}
        said |= asterisk.name_fields(found.name, self._pattern or asterisk.FREEPBX) | _beside(self._place.beside(found))
        return CallFieldsSerializer.read(said)

    def _done(self, found: Found, ingested: Ingested) -> bool:
        watched_note(found, call=ingested.call)
        self._tell(f"{found.name}: {'queued' if ingested.created else 'was there already'}", False)
        try:
            self._place.done(found)
        except OSError as error:
            self._tell(f"{found.name}: {error}", True)
        return True

    def _refused(self, found: Found, reason: str) -> bool:
        watched_note(found, call=None)
        self._tell(f"{found.name}: refused: {reason} It is left where it is, and looked at again once it changes.", True)
        return False

    def _later(self, found: Found, reason: str) -> bool:
        self._tell(f"{found.name}: not taken yet: {reason}", True)
        return False


def _beside(content: bytes) -> dict[str, Any]:
    if not content:
        return {}
    try:
        said = json.loads(content)
    except ValueError as error:
        raise ApplicationError("What lies beside it is no JSON.") from error
    if not isinstance(said, dict):
        raise ApplicationError("What lies beside it is no JSON object of a call's fields.")
    return said
