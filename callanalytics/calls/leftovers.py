"""Removes files that no row knows: drafts of processes that were killed, and what a crash left between a file and its row.

Audio or a transcript that nobody can find, nobody can erase; so it may not stay.
"""

from __future__ import annotations

import logging
import re
import time
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings

from callanalytics.calls.models import AnalysisRun, Call, Recording, Upload

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from django.db.models import QuerySet

log = logging.getLogger(__name__)

OLD_S = 24 * 3600
"""No upload and no analysis takes this long: what is younger may still get its row."""
FOLDERS = tuple(f"{number:02x}" for number in range(256))
"""As calls.files spreads its files."""
TURN_S = 3600
DRAFT = re.compile(r"tmp\w+(\.\w+)*")
BATCH = 500


def leftovers_remove(folders: Iterable[str] | None = None) -> int:
    """Remove old leftovers among uploads and in these of the 256 folders of every kind; how many there were.

    Without any it is the one folder whose turn it is: each comes up once in eleven days, and no sweep is long, whatever is stored.
    """
    if folders is None:
        folders = (FOLDERS[int(time.time() / TURN_S) % len(FOLDERS)],)
    doomed = [*_old(settings.MEDIA_ROOT / "incoming"), *_unknown(folders)]
    for file in doomed:
        file.unlink(missing_ok=True)
    if doomed:
        log.warning("%d files that belong to no call were removed below %s", len(doomed), settings.MEDIA_ROOT)
    return len(doomed)


def _unknown(folders: Iterable[str]) -> Iterator[Path]:
    owners: Mapping[str, QuerySet[Any]] = {
        "recordings": Recording.objects.all(),
        "uploads": Upload.objects.filter(call=None),
        "documents": AnalysisRun.objects.exclude(document=""),
        "playback": Call.objects.all(),
        "peaks": Call.objects.all(),
        "cleaner": Call.objects.all(),
    }
    for folder in folders:
        for kind, rows in owners.items():
            yield from _without_row(_old(settings.MEDIA_ROOT / kind / folder), rows)


def _without_row(found: list[Path], rows: QuerySet[Any]) -> Iterator[Path]:
    """Drafts, and files named by an id that no row has; whatever else somebody put there is left alone."""
    yield from (file for file in found if DRAFT.fullmatch(file.name))
    named = {file: public_id for file in found if (public_id := _public_id(file))}
    ids = list(named.values())
    known = {row for at in range(0, len(ids), BATCH) for row in rows.filter(id__in=ids[at : at + BATCH]).values_list("id", flat=True)}
    yield from (file for file, public_id in named.items() if public_id not in known)


def _public_id(file: Path) -> UUID | None:
    try:
        return UUID(file.name.partition(".")[0])
    except ValueError:
        return None


def _old(folder: Path) -> list[Path]:
    before = time.time() - OLD_S
    return [file for file in folder.iterdir() if file.is_file() and file.stat().st_mtime < before] if folder.is_dir() else []
