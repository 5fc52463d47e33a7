"""What keeps this installation from working: database, broker, weights."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from kombu import Connection

from callanalytics import weights

if TYPE_CHECKING:
    from collections.abc import Callable


def problems() -> list[str]:
    """One sentence for each thing that is missing; empty when calls can be taken and analysed."""
    checks: tuple[Callable[[], str | None], ...] = (_database, _broker, weights.missing, weights.transcriber_missing)
    return [problem for check in checks if (problem := check())]


def _database() -> str | None:
    try:
        executor = MigrationExecutor(connection)
        unapplied = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        return f"The database does not answer: {_line(error)}"
    return "The database is not up to date: run `callanalytics migrate`." if unapplied else None


def _broker() -> str | None:
    url = settings.CELERY_BROKER_URL
    if urlsplit(url).scheme == "filesystem":
        folder = settings.BROKER_FOLDER
        return None if folder.is_dir() else f"The broker's folder {folder} does not exist: start a worker once."
    try:
        with Connection(url, connect_timeout=2) as broker:
            broker.ensure_connection(max_retries=1, interval_start=0, timeout=3)
    except Exception as error:  # noqa: BLE001  # each transport raises its own; whatever it is, the broker cannot be reached
        return f"The broker does not answer: {_line(error)}"
    return None


def _line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
