"""What Celery runs: thin doors that take ids and may run twice."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from callanalytics.calls import cleaning, lease, leftovers, queueing, resumable
from callanalytics.celery import app
from callanalytics.routing import deliveries
from worker import analysing, cleaner_copy, clock

__all__ = ["call_analyze", "calls_sweep", "cleaner_copy_make", "clock", "deliveries_sweep", "files_sweep"]


@app.task(name=queueing.CALL_ANALYZE)
def call_analyze(call_id: str) -> None:
    analysing.call_attempt(UUID(call_id))


@app.task(name=queueing.CLEANER_COPY_MAKE)
def cleaner_copy_make(call_id: str) -> None:
    cleaner_copy.cleaner_copy_attempt(UUID(call_id))


@app.task(name="worker.calls_sweep")
def calls_sweep() -> None:
    """Take back calls and copies whose worker went silent, and announce those that wait unheard."""
    lease.call_requeue_expired()
    cleaning.cleaner_copies_requeue_expired()


@app.task(name="worker.files_sweep")
def files_sweep() -> None:
    """Remove uploads that nobody went on with, and files that no row knows, a part of them each time."""
    resumable.uploads_expire()
    leftovers.leftovers_remove()


@app.task(name="worker.deliveries_sweep")
def deliveries_sweep() -> None:
    """Forget what was delivered long ago, and what came back."""
    deliveries.deliveries_forget(timezone.now() - timedelta(days=settings.DELIVERIES_DAYS))
