"""The composition root: Django's settings become the analysis configuration, and that the engines, once per process and after the fork."""

from __future__ import annotations

import dataclasses
import logging
import os
from functools import cache
from typing import TYPE_CHECKING, Any

from celery.signals import celeryd_init, worker_process_init
from django.conf import settings

from analysis import config as configuration
from analysis import registry
from analysis.config import Config
from analysis.errors import AnalysisError
from callanalytics.checks import weights_licence_log
from callanalytics.egress import Egress, Policy

if TYPE_CHECKING:
    from analysis.ports import Denoiser, Engines

log = logging.getLogger(__name__)


@dataclasses.dataclass(slots=True)
class Worker:
    """What this process knows of the worker it belongs to, noted before the fork."""

    processes: int = 1
    analyses: bool = True
    """Whether it takes calls: a worker for deliveries only loads no models."""


worker = Worker()


@cache
def config() -> Config:
    """The site's TOML over the defaults. The environment alone says whether non-commercial weights may be used."""
    base = configuration.load(settings.ANALYSIS_CONFIG) if settings.ANALYSIS_CONFIG else Config()
    if base.tone.accept_noncommercial and not settings.ACCEPT_NONCOMMERCIAL_WEIGHTS:
        message = "%s accepts non-commercial weights, but CALLANALYTICS_ACCEPT_NONCOMMERCIAL_WEIGHTS alone decides: they stay off"
        log.warning(message, settings.ANALYSIS_CONFIG)
    threads = base.transcribe.threads or (1 if worker.processes > 1 else 0)
    return dataclasses.replace(
        base,
        tone=dataclasses.replace(base.tone, accept_noncommercial=settings.ACCEPT_NONCOMMERCIAL_WEIGHTS),
        transcribe=dataclasses.replace(base.transcribe, threads=threads),
    )


@cache
def engines() -> Engines:
    """Everything an analysis needs. Raises AnalysisError where weights are missing, and tries again at the next call."""
    return registry.build(config())


@cache
def denoiser() -> Denoiser:
    """For copies to listen to. Raises AnalysisError where its package is missing."""
    return registry.denoiser(config())


@cache
def egress() -> Egress:
    """For recordings that are fetched."""
    return Egress(Policy.of(settings.EGRESS_ALLOW))


@celeryd_init.connect
def _note_worker(conf: Any, options: dict[str, Any], **_: object) -> None:
    """Runs in the parent, before it forks. `options` are those of `celery worker`, as it parsed them."""
    asked = options.get("concurrency") or conf.worker_concurrency or os.cpu_count() or 1
    worker.processes = 1 if _is_solo(options.get("pool_cls")) else int(asked)
    queues = options.get("queues") or ()
    worker.analyses = not queues or any(name.startswith("analysis") for name in queues)
    if worker.analyses:
        weights_licence_log()


def _is_solo(pool: object) -> bool:
    """Celery gives the pool as its class, or as the name it was asked for by."""
    return pool == "solo" or getattr(pool, "__module__", "") == "celery.concurrency.solo"


@worker_process_init.connect
def _build(**_: object) -> None:
    """Runs in each process after the fork: model runtimes start threads, and threads do not survive a fork."""
    if worker.processes > 1:
        # Read by OpenMP when torch is loaded: one thread a process beats several that fight for the same cores.
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    if not worker.analyses:
        return
    try:
        engines()
    except AnalysisError as error:
        log.error("no call can be analysed: %s", error)
