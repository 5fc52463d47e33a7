"""A delivery on its way: claimed by a conditional UPDATE, held by a lease, delivered, tried again later, given up."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from callanalytics.events.models import Event
from callanalytics.events.services import event_record
from callanalytics.events.types import TEST
from callanalytics.routing.clock import database_now
from callanalytics.routing.models import Attempt, Delivery, DeliveryStatus, DisabledReason, Endpoint, EndpointKind
from callanalytics.routing.outbox import taken

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from django.db.models import QuerySet

    from callanalytics.people.models import User

SCHEDULE_S = (0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Wait before each attempt, of the Standard Webhooks specification: 75 hours and 35 minutes in all."""
JITTER = 0.1
"""Of a wait, added at random, so that a receiver that comes back is not met by everything at once."""
LONGEST_WAIT_S = 86_400.0
"""A receiver's Retry-After may not ask for more."""
LEASE_S = 60
"""Longer than any request may take; a delivery whose relay died is tried again after it."""
MAIL_LEASE_S = 600
"""Of a mail: a mail server may take EMAIL_TIMEOUT for every recipient, and a mail whose lease ran out meanwhile is sent twice."""
REST_AFTER = 5
"""Failed attempts in a row from which an endpoint rests, so that it slows nobody ..."""
REST_S, LONGEST_REST_S = 5.0, 300.0
"""... at first, doubling, and at most."""
GIVE_UP_AFTER = timedelta(days=5)
GONE = 410
FORGOTTEN_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of one request."""

    delivered: bool
    milliseconds: int
    status_code: int | None = None
    error: str = ""
    retry_after_s: float = 0.0
    request: Mapping[str, Any] | None = None
    response: Mapping[str, Any] | None = None
    dropped: bool = False
    """Nothing was sent, for the reason in `error`, and nothing will be."""


def endpoints_ready() -> list[Endpoint]:
    """Endpoints that may be sent to and that something is due for."""
    due = Delivery.objects.filter(endpoint=OuterRef("pk"), status=DeliveryStatus.WAITING, due_at__lte=Now())
    awake = Q(resting_until__isnull=True) | Q(resting_until__lte=Now())
    return list(Endpoint.objects.filter(awake, Exists(due), enabled=True))


def deliveries_claim(endpoint: Endpoint, limit: int) -> list[Delivery]:
    """Take due deliveries of one endpoint, the one that is due longest first; one alone where it failed often and is tried again.

    A mail gathers, so it takes them all.
    """
    token = uuid4()
    due = Delivery.objects.filter(endpoint=endpoint, status=DeliveryStatus.WAITING, due_at__lte=Now())
    if endpoint.ordered:
        due = due.filter(~Exists(_before()), ~Exists(_at_another_relay()))
    with transaction.atomic():
        rows = taken(due.order_by("due_at", "event_id"))
        alone = endpoint.failures >= REST_AFTER and endpoint.kind != EndpointKind.EMAIL
        ids = list(rows.values_list("id", flat=True)[: 1 if alone else limit])
        Delivery.objects.filter(id__in=ids, status=DeliveryStatus.WAITING).update(
            status=DeliveryStatus.SENDING,
            attempts=F("attempts") + 1,
            lease_token=token,
            lease_until=Now() + timedelta(seconds=MAIL_LEASE_S if endpoint.kind == EndpointKind.EMAIL else LEASE_S),
        )
    # By the ids too, for which there is an index.
    return list(Delivery.objects.filter(id__in=ids, lease_token=token).select_related("event", "endpoint").order_by("event_id"))


def _before() -> QuerySet[Delivery]:
    """Deliveries of the same subject to the same endpoint that come first."""
    return Delivery.objects.filter(
        endpoint=OuterRef("endpoint"), subject=OuterRef("subject"), status__in=Delivery.UNDER_WAY, event_id__lt=OuterRef("event_id")
    )


def _at_another_relay() -> QuerySet[Event]:
    """Events of the same subject that come first and whose deliveries are still being made."""
    return Event.objects.filter(relayed_at__isnull=True, subject=OuterRef("subject"), id__lt=OuterRef("event_id"))


def deliveries_release(deliveries: Sequence[Delivery]) -> None:
    """Give deliveries that were claimed at once back untried, their attempt not counted."""
    tokens = {delivery.lease_token for delivery in deliveries}
    held = Delivery.objects.filter(id__in=[delivery.id for delivery in deliveries], status=DeliveryStatus.SENDING, lease_token__in=tokens)
    held.update(status=DeliveryStatus.WAITING, attempts=F("attempts") - 1, lease_token=None, lease_until=None)


def deliveries_settle(deliveries: Sequence[Delivery], tried: Tried) -> int:
    """Write down what came of claimed deliveries of one endpoint that went in one request, and what follows for them and the endpoint.

    How many those are whose lease was not lost.
    """
    with transaction.atomic():
        telling = _telling(deliveries)
        held = [
            delivery for delivery in deliveries if _held(delivery).update(**_next(delivery, tried, erased=delivery.event_id not in telling))
        ]
        Attempt.objects.bulk_create(_attempt(delivery, tried, erased=delivery.event_id not in telling) for delivery in held)
        if held and not tried.dropped:
            _endpoint_note(held[0].endpoint_id, tried)
    return len(held)


def _telling(deliveries: Sequence[Delivery]) -> set[UUID]:
    """Ids of the events that still tell something. They are locked: an erasure comes before this, or after it and finds the attempt."""
    events = Event.objects.select_for_update(no_key=True).filter(id__in=[delivery.event_id for delivery in deliveries]).order_by("id")
    return {event_id for event_id, payload in events.values_list("id", "payload") if payload}


def _held(delivery: Delivery) -> QuerySet[Delivery]:
    return Delivery.objects.filter(id=delivery.id, status=DeliveryStatus.SENDING, lease_token=delivery.lease_token)


def _attempt(delivery: Delivery, tried: Tried, *, erased: bool) -> Attempt:
    return Attempt(
        delivery=delivery,
        milliseconds=tried.milliseconds,
        status_code=tried.status_code,
        error=tried.error[:300],
        request={} if erased else dict(tried.request or {}),
        response={} if erased else dict(tried.response or {}),
    )


def _next(delivery: Delivery, tried: Tried, *, erased: bool) -> dict[str, Any]:
    """What a delivery is after a try; one of a call that was erased meanwhile is not tried again."""
    free = {"lease_token": None, "lease_until": None}
    if tried.delivered:
        return {**free, "status": DeliveryStatus.DELIVERED, "delivered_at": Now()}
    if tried.dropped or erased:
        return {**free, "status": DeliveryStatus.DROPPED}
    if delivery.attempts >= (1 if delivery.event.type == TEST else len(SCHEDULE_S)):
        return {**free, "status": DeliveryStatus.FAILED}
    wait_s = max(SCHEDULE_S[delivery.attempts] * random.uniform(1.0, 1.0 + JITTER), min(tried.retry_after_s, LONGEST_WAIT_S))
    return {**free, "status": DeliveryStatus.WAITING, "due_at": delivery.endpoint.due(database_now() + timedelta(seconds=wait_s))}


def _endpoint_note(endpoint_id: UUID, tried: Tried) -> None:
    """An endpoint that answers is well; one that fails again and again rests, and after days is switched off."""
    own = Endpoint.objects.filter(id=endpoint_id)
    if tried.delivered:
        own.exclude(failures=0).update(failures=0, failing_since=None, resting_until=None)
        return
    if tried.status_code == GONE:
        endpoint_disable(endpoint_id, DisabledReason.GONE)
        return
    own.update(failures=F("failures") + 1, failing_since=Coalesce("failing_since", Now()))
    endpoint = own.get()
    if endpoint.failing_since is not None and timezone.now() - endpoint.failing_since > GIVE_UP_AFTER:
        endpoint_disable(endpoint_id, DisabledReason.FAILING)
    elif endpoint.failures >= REST_AFTER or tried.retry_after_s:
        own.update(resting_until=Now() + timedelta(seconds=_rest_s(endpoint.failures, tried)))


def _rest_s(failures: int, tried: Tried) -> float:
    doubled = REST_S * 2.0 ** min(failures - REST_AFTER, 10) if failures >= REST_AFTER else 0.0
    return min(max(doubled, tried.retry_after_s), LONGEST_REST_S)


def endpoint_disable(endpoint_id: UUID, reason: DisabledReason, actor: User | None = None) -> None:
    """Switch an endpoint off; what waits for it waits on. Call it in a transaction."""
    changed = Endpoint.objects.filter(id=endpoint_id, enabled=True).update(
        enabled=False, disabled_reason=reason, disabled_at=Now(), resting_until=None
    )
    if changed:
        payload = {"endpoint": str(endpoint_id), "reason": str(reason)}
        event_record(type="endpoint.disabled", subject=endpoint_id, team=None, payload=payload, actor=actor)


def deliveries_requeue_expired() -> int:
    """Deliveries whose relay went silent are due again; how many. The attempt counts: the receiver may have got it."""
    return Delivery.objects.filter(status=DeliveryStatus.SENDING, lease_until__lt=Now()).update(
        status=DeliveryStatus.WAITING, lease_token=None, lease_until=None, due_at=Now()
    )


def deliveries_replay(deliveries: QuerySet[Delivery]) -> int:
    """Send again, under the same id, what was delivered or given up; how many. What an erased call's events told is gone."""
    ended = deliveries.filter(status__in=(DeliveryStatus.DELIVERED, DeliveryStatus.FAILED)).exclude(event__payload={})
    chosen = Delivery.objects.filter(id__in=ended.order_by().values("id"))
    return chosen.update(status=DeliveryStatus.WAITING, attempts=0, due_at=Now(), delivered_at=None)


def deliveries_forget(before: datetime) -> int:
    """Remove what ended before a time, with its attempts; how many deliveries. A part at a time, so that nobody waits long for the rows."""
    ended = Delivery.objects.filter(created_at__lt=before).exclude(status__in=Delivery.UNDER_WAY).order_by()
    removed = 0
    while ids := list(ended.values_list("id", flat=True)[:FORGOTTEN_AT_ONCE]):
        removed += Delivery.objects.filter(id__in=ids).delete()[1].get("routing.Delivery", 0)
    return removed
