"""The sweep of an installation without a beat: the worker's own clock sends it, and ends with the worker.

Celery's `-B` is not used: its beat is a child that goes on alone when the worker is killed (docs/decisions/0001-embedded-broker.md).
"""

from __future__ import annotations

from typing import Any

from celery.signals import worker_ready
from django.conf import settings

from callanalytics.celery import SWEEP, SWEEP_EVERY_S, app


@worker_ready.connect
def _start(sender: Any, **_: object) -> None:
    """Sweeps at once, for what an earlier worker left, and then by the clock. With a broker that has a server, beat does this."""
    if settings.CELERY_BROKER_URL.startswith("filesystem:"):
        _sweep()
        sender.timer.call_repeatedly(SWEEP_EVERY_S, _sweep)


def _sweep() -> None:
    app.send_task(SWEEP, expires=SWEEP_EVERY_S, retry=False)
