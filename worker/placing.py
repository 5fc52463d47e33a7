"""Files that a worker makes of a call to be heard and seen: in place only while the work is still its own, and gone with an erased call."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.db import DatabaseError, connection

from callanalytics.calls import files
from callanalytics.calls.models import Call
from worker.holding import patiently

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from worker.holding import Hold

log = logging.getLogger(__name__)


@contextmanager
def placed(target: Path, hold: Hold) -> Iterator[Path]:
    """A draft that takes its place when the block ends well and the work is still ours."""
    with files.replaced_atomically(target) as draft:
        yield draft
        hold.check()


@contextmanager
def cleared_if_erased(call: Call) -> Iterator[None]:
    """However the block ends, a call that was erased meanwhile leaves no copy of its audio behind."""
    try:
        yield
    finally:
        if _is_erased(call):
            for path in files.copy_paths(call):
                path.unlink(missing_ok=True)


def _is_erased(call: Call) -> bool:
    try:
        return not patiently(Call.objects.filter(id=call.id).exists)
    except DatabaseError as error:
        log.error("whether call %s was erased is not known; files that belong to no call are removed in time: %s", call.id, error)
        connection.close()
        return False
