"""What Celery runs: thin doors that take ids and may run twice."""

from __future__ import annotations

from uuid import UUID

from callanalytics.calls import lease, leftovers, queueing
from callanalytics.celery import app
from worker import analysing, clock

__all__ = ["call_analyze", "calls_sweep", "clock", "files_sweep"]


@app.task(name=queueing.CALL_ANALYZE)
def call_analyze(call_id: str) -> None:
    analysing.call_attempt(UUID(call_id))


@app.task(name="worker.calls_sweep")
def calls_sweep() -> None:
    """Take back calls whose worker went silent, and announce those that wait unheard."""
    lease.call_requeue_expired()


@app.task(name="worker.files_sweep")
def files_sweep() -> None:
    """Remove files that no row knows, a part of them each time."""
    leftovers.leftovers_remove()
