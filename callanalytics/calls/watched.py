"""What is remembered of the files of watched places."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from callanalytics.calls.models import Call, WatchedFile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Found:
    """A file of a watched place: where it lies, its version, and that of what lies beside it."""

    place: str
    name: str
    version: str
    beside: str = ""

    @property
    def key(self) -> str:
        return hashlib.sha256(self.place.encode(errors="surrogateescape")).hexdigest()

    @property
    def whole_version(self) -> str:
        return f"{self.version}+{self.beside}"


def watched_news(found: Sequence[Found]) -> list[Found]:
    """Those that were neither taken nor refused as they are now. One that was taken is no news for what was put beside it later."""
    rows: Mapping[str, WatchedFile] = WatchedFile.objects.in_bulk([each.key for each in found])
    return [each for each in found if each.key not in rows or _is_other(rows[each.key], each)]


def watched_note(found: Found, *, call: Call | None) -> None:
    """Remember that it became this call, or none."""
    said = {"version": found.whole_version, "call": call, "refused": call is None}
    WatchedFile.objects.update_or_create(key=found.key, defaults=said)


def _is_other(row: WatchedFile, found: Found) -> bool:
    if row.refused:
        return row.version != found.whole_version
    return row.version.partition("+")[0] != found.version
