"""Where people look at what an event tells of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.urls import reverse

if TYPE_CHECKING:
    from callanalytics.events.models import Event


def link(event: Event) -> str:
    """The call's page, at the flag where there is one; the dashboard for what has no call."""
    call_id = event.payload.get("call")
    if not call_id:
        return f"{settings.PUBLIC_URL}/"
    start = event.payload.get("start")
    at = "" if start is None else f"?t={start:.1f}"
    return f"{settings.PUBLIC_URL}{reverse('call-detail', args=[call_id])}{at}"
