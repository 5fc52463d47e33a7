"""Sends again what ended: one delivery, everything that failed, or a range of time with what the endpoint missed in it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models.functions import Now

from callanalytics.errors import ApplicationError
from callanalytics.events.models import Event
from callanalytics.events.services import event_record
from callanalytics.events.types import TEST
from callanalytics.routing.clock import database_now
from callanalytics.routing.deliveries import deliveries_replay
from callanalytics.routing.models import Delivery, DeliveryStatus, Endpoint
from callanalytics.routing.outbox import types_for, wants
from callanalytics.routing.selectors import DeliveryFilters, delivery_get, delivery_list, endpoint_get

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from callanalytics.people.models import User

MOST = 10_000
LONGEST = timedelta(days=31)


def delivery_replay(*, user: User, delivery_id: UUID) -> Delivery:
    """Raises NotFoundError, or ApplicationError `conflict` where it is on its way or its call was deleted."""
    delivery = delivery_get(user=user, delivery_id=delivery_id)
    with transaction.atomic():
        if not deliveries_replay(Delivery.objects.filter(id=delivery.id)):
            why = "is on its way already" if delivery.status in Delivery.UNDER_WAY else "has nothing left to send"
            raise ApplicationError(f"This delivery {why}.", code="conflict")
        _note(delivery.endpoint, user, 1)
    return delivery_get(user=user, delivery_id=delivery_id)


def deliveries_replay_failed(*, user: User, endpoint_id: UUID) -> int:
    """Everything that failed for good; how many deliveries. Raises NotFoundError."""
    failed = delivery_list(user=user, endpoint_id=endpoint_id, filters=DeliveryFilters(status=DeliveryStatus.FAILED))
    with transaction.atomic():
        count = deliveries_replay(failed.exclude(event__type=TEST))
        _note(endpoint_get(user=user, endpoint_id=endpoint_id), user, count)
    return count


def deliveries_hurry(*, user: User, endpoint_id: UUID) -> int:
    """Send what waits for its next attempt now, to a receiver that is well again; how many deliveries. Raises NotFoundError."""
    waiting = delivery_list(user=user, endpoint_id=endpoint_id, filters=DeliveryFilters(status=DeliveryStatus.WAITING))
    with transaction.atomic():
        count = Delivery.objects.filter(id__in=waiting.order_by().values("id"), status=DeliveryStatus.WAITING).update(due_at=Now())
        Endpoint.objects.filter(id=endpoint_id).update(resting_until=None)
        _note(endpoint_get(user=user, endpoint_id=endpoint_id), user, count)
    return count


def deliveries_replay_range(*, user: User, endpoint_id: UUID, since: datetime, until: datetime) -> int:
    """What happened between two times, also while the endpoint was off; how many deliveries. What is on its way is left to it.

    Raises NotFoundError, or ApplicationError where the range is none, or holds more than goes in one go.
    """
    endpoint = endpoint_get(user=user, endpoint_id=endpoint_id)
    if not timedelta(0) < until - since <= LONGEST:
        raise ApplicationError(f"The range must end after it begins, and span at most {LONGEST.days} days.", field="until")
    ended = delivery_list(user=user, endpoint_id=endpoint_id, filters=DeliveryFilters(since=since, until=until))
    missed = _missed(endpoint, since, until)
    with transaction.atomic():
        count = deliveries_replay(ended) + len(Delivery.objects.bulk_create(missed, batch_size=500))
        if count > MOST:
            raise _too_many()
        _note(endpoint, user, count)
    return count


def _missed(endpoint: Endpoint, since: datetime, until: datetime) -> list[Delivery]:
    """Deliveries of events that the endpoint asks for and was never given: it was off, was made later, or asked for less then."""
    events = Event.objects.filter(type__in=types_for(endpoint.kind), created_at__gte=since, created_at__lt=until, relayed_at__isnull=False)
    events = events.exclude(deliveries__endpoint=endpoint).order_by("created_at", "id")
    if endpoint.teams.all():
        events = events.filter(team__in=endpoint.teams.all())
    now, found = database_now(), []
    for event in events.iterator(1000):
        if not wants(endpoint, event):
            continue
        found.append(Delivery(endpoint=endpoint, event=event, subject=event.subject, due_at=now))
        if len(found) > MOST:
            raise _too_many()
    return found


def _too_many() -> ApplicationError:
    return ApplicationError(f"That is more than {MOST} deliveries; choose a shorter range.", field="until")


def _note(endpoint: Endpoint, user: User, count: int) -> None:
    if count:
        event_record(type="endpoint.replayed", subject=endpoint.id, team=None, payload={"deliveries": count}, actor=user)
