"""The sweeps of an installation without a beat: the worker's own clock sends them, and ends with the worker.

Celery's `-B` is not used: its beat is a child that goes on alone when the worker is killed (docs/decisions/0001-embedded-broker.md).
"""

from __future__ import annotations

from typing import Any

from celery.signals import worker_ready
from django.conf import settings

from callanalytics.celery import SWEEPS, app


@worker_ready.connect
def _start(sender: Any, **_: object) -> None:
    """Sweeps at once, for what an earlier worker left, and then by the clock. With a broker that has a server, beat does this."""
    if settings.CELERY_BROKER_URL.startswith("filesystem:"):
        for task, every_s in SWEEPS.items():
            _send(task, every_s)
            sender.timer.call_repeatedly(every_s, _send, (task, every_s))


def _send(task: str, every_s: float) -> None:
    app.send_task(task, expires=every_s, retry=False)
