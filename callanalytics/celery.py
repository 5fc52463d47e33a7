"""The Celery application: which queues there are, what runs by the clock, and how each kind of broker is spoken to."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from kombu import Queue

from callanalytics import folder_broker, redis_broker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "callanalytics.settings")
folder_broker.install()
redis_broker.install()

QUEUES = ("analysis", "analysis.gpu", "delivery", "maintenance")

LONGEST_TASK_S = 12 * 3600
"""Redis hands a message out again after this: longer than any call takes (4 h of audio at a third of its length, and slow neighbours)."""

SWEEPS = {"worker.calls_sweep": 15.0, "worker.files_sweep": 3600.0, "worker.deliveries_sweep": 6 * 3600.0}
"""Tasks that run by the clock, and every how many seconds."""

EXPIRES_S = 6 * 3600.0
"""A sweep that waited this long is not worth running. No sooner: it is the worker's clock that says so, and it may be off by minutes."""


def _transport_options(url: str, folder: str) -> dict[str, Any]:
    """What the broker behind the URL needs; `folder` is where the one without a server keeps its messages."""
    if url.startswith("filesystem:"):
        return {
            "data_folder_in": f"{folder}/messages",
            "data_folder_out": f"{folder}/messages",
            "control_folder": f"{folder}/control",
            "polling_interval": 0.25,
        }
    if url.startswith(("redis", "sentinel")):
        return {"visibility_timeout": LONGEST_TASK_S, "socket_keepalive": True, "health_check_interval": 30}
    return {}


def _application() -> Celery:
    from django.conf import settings

    application = Celery("callanalytics")
    application.config_from_object("django.conf:settings", namespace="CELERY")
    application.conf.update(
        broker_transport_options=_transport_options(settings.CELERY_BROKER_URL, str(settings.BROKER_FOLDER)),
        broker_connection_retry_on_startup=True,
        # For ever: a worker that gave up would do nothing when the broker is back.
        broker_connection_max_retries=None,
        broker_connection_timeout=2,
        task_queues=[Queue(name) for name in QUEUES],
        task_create_missing_queues=False,
        task_default_queue="maintenance",
        # What takes minutes of a processor keeps the sweeps waiting in no queue of theirs.
        task_routes={task: {"queue": settings.ANALYSIS_QUEUE} for task in ("worker.call_analyze", "worker.cleaner_copy_make")},
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        # Engines are built when a process starts; Celery would take one that is silent for 4 s for dead.
        worker_proc_alive_timeout=180,
        beat_schedule_filename=str(settings.CALLANALYTICS_HOME / "beat-schedule"),
        beat_schedule={task: {"task": task, "schedule": every, "options": {"expires": EXPIRES_S}} for task, every in SWEEPS.items()},
    )
    application.autodiscover_tasks(["worker"])
    return application


app = _application()
