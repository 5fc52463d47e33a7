"""Where people look at what an event tells of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.urls import reverse

if TYPE_CHECKING:
    from uuid import UUID

    from callanalytics.events.models import Event


def link(event: Event) -> str:
    """The call's page, at the flag where there is one; the dashboard for what has no call."""
    call_id = event.payload.get("call")
    return call_link(call_id, event.payload.get("start")) if call_id else f"{settings.PUBLIC_URL}/"


def call_link(call_id: UUID | str, start: float | None = None) -> str:
    """A call's page, at a place in it where one is given, in seconds."""
    at = "" if start is None else f"?t={start:.1f}"
    return f"{settings.PUBLIC_URL}{reverse('call-detail', args=[call_id])}{at}"
