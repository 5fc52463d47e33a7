"""From an event to its deliveries, one for every endpoint that asks for it, and to the handover that a flag opens: made once."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from django.db import connection, transaction
from django.db.models.functions import Now

from callanalytics.events.models import Event
from callanalytics.events.types import PUBLIC, TEST
from callanalytics.routing import pagerduty
from callanalytics.routing.clock import database_now
from callanalytics.routing.models import Delivery, Endpoint, EndpointKind
from callanalytics.routing.opening import FOLLOWED, SEVERITIES, flags_follow
from callanalytics.routing.plans import openings_serialize

if TYPE_CHECKING:
    from django.db.models import QuerySet

Row = TypeVar("Row", Event, Delivery)


def events_relay(limit: int = 500, *, follow: bool = True) -> int:
    """Make the deliveries of events that have none yet, oldest first; how many events that were. Any number of relays may run at once.

    Without `follow` no handover is opened or withdrawn: the way past an event that cannot be followed.
    """
    waiting = Event.objects.filter(relayed_at__isnull=True)
    if not waiting.exists():
        return 0
    with transaction.atomic():
        if waiting.filter(type__in=FOLLOWED).exists():
            openings_serialize()
        else:
            waiting = waiting.exclude(type__in=FOLLOWED)
        events = list(taken(waiting.order_by("created_at", "id"))[:limit])
        if not events:
            return 0
        endpoints = list(Endpoint.objects.filter(enabled=True).prefetch_related("teams"))
        now = database_now()
        made = [
            Delivery(endpoint=endpoint, event=event, subject=event.subject, due_at=endpoint.due(now))
            for event in events
            for endpoint in endpoints
            if wants(endpoint, event)
        ]
        Delivery.objects.bulk_create(made, batch_size=500, ignore_conflicts=True)
        if follow:
            flags_follow(events)
        Event.objects.filter(id__in=[event.id for event in events]).update(relayed_at=Now())
    return len(events)


def taken(rows: QuerySet[Row]) -> QuerySet[Row]:
    """Locked rows that no other relay has. SQLite has one writer at a time and needs no locks."""
    return rows.select_for_update(skip_locked=True, of=("self",)) if connection.features.has_select_for_update_skip_locked else rows


def types_for(kind: str) -> tuple[str, ...]:
    """The types of events that an endpoint of this kind can be told."""
    return tuple(type for type in PUBLIC if kind != EndpointKind.PAGERDUTY or type in pagerduty.ACTIONS)


def wants(endpoint: Endpoint, event: Event) -> bool:
    """Whether an endpoint is addressed by this event, or asks for it: its team, its type, and of flags their severity.

    Nobody is told of an erased call but that it was erased, nor of a test of another endpoint.
    """
    if not event.payload or event.type == TEST or event.type not in types_for(endpoint.kind):
        return False
    teams = {team.id for team in endpoint.teams.all()}
    if teams and event.team_id not in teams:
        return False
    if str(endpoint.id) in event.payload.get("told", ()):
        return True
    if endpoint.types and event.type not in endpoint.types:
        return False
    least, severity = endpoint.severity, event.payload.get("severity", "")
    return not {least, severity} <= set(SEVERITIES) or SEVERITIES.index(severity) >= SEVERITIES.index(least)
