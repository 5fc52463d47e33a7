"""System checks: settings that are each fine and wrong together, said before anyone is surprised by them."""

from __future__ import annotations

import logging
import os
import re
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Tags, Warning, register

from analysis.config import load
from analysis.errors import AnalysisError
from callanalytics import weights
from callanalytics.egress import Policy

if TYPE_CHECKING:
    from collections.abc import Sequence

log = logging.getLogger(__name__)

RATE = re.compile(r"[1-9]\d*/(s|sec|second|m|min|minute|h|hour|d|day)")


@register(Tags.files)
def media_writable(**_kwargs: Any) -> Sequence[CheckMessage]:
    if os.access(settings.MEDIA_ROOT, os.W_OK | os.X_OK):
        return []
    return [Error(f"{settings.MEDIA_ROOT} cannot be written.", hint="Set CALLANALYTICS_MEDIA_ROOT.", id="callanalytics.E001")]


@register()
def analysis_config_readable(**_kwargs: Any) -> Sequence[CheckMessage]:
    if settings.ANALYSIS_CONFIG is None:
        return []
    try:
        load(settings.ANALYSIS_CONFIG)
    except AnalysisError as error:
        return [Error(error.message, hint="Correct CALLANALYTICS_ANALYSIS_CONFIG.", id="callanalytics.E002")]
    return []


@register()
def network_settings_readable(**_kwargs: Any) -> Sequence[CheckMessage]:
    """Before the first request, which would fail by them."""
    found: list[CheckMessage] = []
    try:
        Policy.of(settings.EGRESS_ALLOW)
    except ValueError as error:
        found.append(Error(f"{error}.", hint="Correct CALLANALYTICS_EGRESS_ALLOW.", id="callanalytics.E003"))
    if not RATE.fullmatch(settings.API_RATE):
        hint = "Set CALLANALYTICS_API_RATE to one as 100/s or 2000/min."
        found.append(Error(f"{settings.API_RATE!r} is no rate of requests.", hint=hint, id="callanalytics.E004"))
    return found


@register(deploy=True)
def weights_licence(**_kwargs: Any) -> Sequence[CheckMessage]:
    """Says which heads may not be used commercially, and what follows from the setting.

    For `check --deploy` alone: it is true of the processes that serve and score, whose environment another command does not know.
    """
    heads = ", ".join(f"{head.name} ({head.license})" for head in weights.noncommercial())
    if not heads:
        return []
    if settings.ACCEPT_NONCOMMERCIAL_WEIGHTS:
        return [Info(f"Weights that exclude commercial use score calls: {heads}.", id="callanalytics.I002")]
    off = "they score once CALLANALYTICS_ACCEPT_NONCOMMERCIAL_WEIGHTS is set"
    return [Info(f"Weights that exclude commercial use are switched off; {off}: {heads}.", id="callanalytics.I001")]


def weights_licence_log() -> None:
    """The same as one line of the log, for a server or a worker that starts."""
    for message in weights_licence():
        log.info(message.msg)


@register(Tags.database, deploy=True)
def sqlite_alone(**_kwargs: Any) -> Sequence[CheckMessage]:
    sqlite = settings.DATABASES["default"]["ENGINE"].endswith("sqlite3")
    if not sqlite or settings.CELERY_BROKER_URL.startswith("filesystem"):
        return []
    text = "Workers on other machines cannot share SQLite, and a broker with a server suggests that there are some."
    return [Warning(text, hint="Set DATABASE_URL to a PostgreSQL.", id="callanalytics.W001")]
