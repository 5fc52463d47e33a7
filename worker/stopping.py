"""Whether this worker was asked to stop (SIGTERM, Ctrl-C): its calls then go back to the queue at once, for the next one.

The signal reaches the parent alone; its processes share a byte of memory with it, made before they are forked.
"""

from __future__ import annotations

import mmap

from celery.signals import worker_shutting_down

_asked = mmap.mmap(-1, 1)


def is_asked() -> bool:
    return _asked[0] == 1


@worker_shutting_down.connect
def _note(**_: object) -> None:
    """Runs inside the signal handler, so it takes no lock."""
    _asked[0] = 1
