"""What PagerDuty is sent (Events API v2): one incident for each conversation, however often it is told of."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.conf import settings

from callanalytics.calls.models import Flag
from callanalytics.events.types import TEST
from callanalytics.routing.models import Handover, HandoverStatus
from callanalytics.routing.telling import told

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from callanalytics.events.models import Event
    from callanalytics.routing.models import Endpoint

ACTIONS: Mapping[str, str] = {
    "flag.raised": "trigger",
    "flag.claimed": "acknowledge",
    "flag.resolved": "resolve",
    "flag.retracted": "resolve",
    "call.erased": "resolve",
    "handover.opened": "trigger",
    "handover.escalated": "trigger",
    "handover.released": "trigger",
    "handover.withdrawn": "resolve",
    TEST: "trigger",
}
"""What each type of event does to the incident; no other type is sent."""
TAKEN_BACK = frozenset({"flag.retracted", "handover.withdrawn"})
SEVERITIES = {"high": "critical", "medium": "warning"}
SUMMARY = 1024


class NothingToSendError(Exception):
    """An event that this endpoint is not to be told of after all; the message says why."""


def pagerduty(endpoint: Endpoint, event: Event, link: str, _now: datetime) -> tuple[str, bytes, dict[str, str]]:
    """Raises NothingToSendError."""
    action = ACTIONS[event.type]
    said: dict[str, Any] = {"routing_key": endpoint.address, "event_action": action, "dedup_key": dedup_key(endpoint, event)}
    if event.type != TEST and by_flags(endpoint):
        _refuse_what_changes_nothing(event)
    if action == "trigger":
        said |= _incident(event, link)
    return settings.PAGERDUTY_URL, json.dumps(said, ensure_ascii=False).encode(), {}


def by_flags(endpoint: Endpoint) -> bool:
    """Whether a flag alone opens an incident; else only a handover does."""
    return "flag.raised" in (endpoint.types or ACTIONS)


def dedup_key(endpoint: Endpoint, event: Event) -> str:
    """One for a conversation: its call where flags open incidents, else its handover, which may move to another flag and call.

    Raises NothingToSendError.
    """
    if event.type == TEST:
        return f"callanalytics/test/{event.subject}"
    call, handover = event.payload.get("call"), event.payload.get("handover")
    if not call:
        raise NothingToSendError("The call was deleted.")
    if by_flags(endpoint):
        return f"callanalytics/call/{call}"
    if not handover:
        raise NothingToSendError("Its handover opens and closes the incident, not the flag.")
    return f"callanalytics/handover/{handover}"


def _refuse_what_changes_nothing(event: Event) -> None:
    call = event.payload["call"]
    if event.type in TAKEN_BACK and Flag.objects.filter(call_id=call, status__in=Flag.STANDING).exclude(id=event.subject).exists():
        raise NothingToSendError("Another flag stands in this call, so its incident stays open.")
    if ACTIONS[event.type] == "trigger" and Handover.objects.filter(call_id=call, status=HandoverStatus.RESOLVED).exists():
        raise NothingToSendError("A person has dealt with this call already; a conversation pages once.")


def _incident(event: Event, link: str) -> dict[str, Any]:
    about = told(event, link)
    call = event.payload.get("external_id") or event.payload.get("call") or "a test; nothing needs to be done"
    return {
        "client": "callanalytics",
        "client_url": settings.PUBLIC_URL,
        "links": [{"href": link, "text": "Open in callanalytics"}],
        "payload": {
            "summary": f"{about.headline} ({call})"[:SUMMARY],
            "source": urlsplit(settings.PUBLIC_URL).hostname,
            "severity": "info" if event.type == TEST else SEVERITIES.get(about.severity, "warning"),
            "timestamp": event.created_at.isoformat(),
            "class": event.payload.get("rule", event.type),
            "custom_details": dict(about.facts),
        },
    }
