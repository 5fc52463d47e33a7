"""Writes the outbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction

from callanalytics.events.models import Event

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from callanalytics.people.models import Team, User


def event_record(
    *, type: str, subject: UUID | str, team: Team | None, payload: Mapping[str, Any] | None = None, actor: User | None = None
) -> Event:
    """Write an event beside its change. Raises RuntimeError outside a transaction, where one could survive without the other."""
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("event_record must run in the transaction of its change")
    return Event.objects.create(type=type, subject=str(subject), team=team, payload=dict(payload or {}), actor=actor)
