"""The one seam to the broker: tells a worker of a call once its row is committed, and never fails whoever asked.

The row is the queue of record. A message that does not get through costs time, not the call: the sweeper nudges again.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from django.db import transaction
from kombu.exceptions import KombuError, OperationalError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from celery import Celery
    from kombu import Connection

log = logging.getLogger(__name__)

CALL_ANALYZE = "worker.call_analyze"
CLEANER_COPY_MAKE = "worker.cleaner_copy_make"

IMPATIENT: Mapping[str, object] = {
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0.1,
    "interval_max": 0.1,
    "socket_connect_timeout": 1,
    "socket_timeout": 2,
}
"""A person waits for the answer: a broker that does not take the message within about 2 s is left alone."""


LEFT_ALONE_S = 10.0
"""A broker that just failed is not asked again for this long: a sweep that nudges hundreds of calls does not wait for each."""

_silent_until = 0.0


def enqueue(call_id: UUID, task: str = CALL_ANALYZE) -> None:
    """Nudge a worker once the transaction is committed; at once where there is none."""
    transaction.on_commit(partial(_nudge, call_id, task))


def _nudge(call_id: UUID, task: str = CALL_ANALYZE) -> None:
    global _silent_until
    if time.monotonic() < _silent_until:
        return
    try:
        _send(task, str(call_id))
    except OperationalError as error:
        _silent_until = time.monotonic() + LEFT_ALONE_S
        log.error("the broker took no message for call %s, the sweeper will try again: %s", call_id, error)


class _Kept(threading.local):
    """A connection of this thread, for the next message: making one takes longer than sending."""

    connection: Connection | None = None
    of: tuple[Celery, int] | None = None
    """A connection is not for the children of a process."""


_kept = _Kept()


def _send(task: str, *arguments: str) -> None:
    """Raises OperationalError. A kept connection that broke, as where the broker was started anew, is made again once."""
    from callanalytics.celery import app

    if _kept.connection is not None and _kept.of == (app, os.getpid()):
        try:
            _sent(app, _kept.connection, task, arguments)
        except OperationalError:
            _kept.connection = None
        else:
            return
    connection = app.connection_for_write(transport_options=dict(IMPATIENT))
    _sent(app, connection, task, arguments)
    _kept.connection, _kept.of = connection, (app, os.getpid())


def _sent(app: Celery, connection: Connection, task: str, arguments: tuple[str, ...]) -> None:
    # ValueError: Kombu reads the filesystem broker's table of queues while a worker is writing it for the first time.
    broken: tuple[type[BaseException], ...] = (*connection.connection_errors, *connection.channel_errors, KombuError, OSError, ValueError)
    try:
        app.send_task(task, arguments, connection=connection, retry=False)
    except broken as error:
        connection.release()
        raise OperationalError(str(error)) from error
