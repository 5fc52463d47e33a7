"""Who sees which endpoints, and what became of what was sent to them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db.models import Count, Exists, OuterRef, Q
from django.utils import timezone

from callanalytics.errors import ApplicationError, NotFoundError
from callanalytics.events.types import TEST
from callanalytics.people.selectors import access_for
from callanalytics.routing.models import Delivery, DeliveryStatus, DisabledReason, Endpoint

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from django.contrib.auth.models import AnonymousUser
    from django.db.models import QuerySet

    from callanalytics.people.models import User

LATE = timedelta(seconds=30)


def endpoint_list(*, user: User | AnonymousUser) -> QuerySet[Endpoint]:
    """All of them for an owner; for a supervisor those that get events of supervised teams only; none for anybody else."""
    access = access_for(user)
    endpoints = Endpoint.objects.prefetch_related("teams")
    if access.is_owner:
        return endpoints
    own, link = access.supervised_team_ids, Endpoint.teams.through.objects.filter(endpoint=OuterRef("pk"))
    return endpoints.filter(Exists(link.filter(team__in=own))).exclude(Exists(link.exclude(team__in=own)))


def endpoint_get(*, user: User | AnonymousUser, endpoint_id: UUID) -> Endpoint:
    """Raises NotFoundError."""
    found = endpoint_list(user=user).filter(id=endpoint_id).first()
    if found is None:
        raise NotFoundError("endpoint")
    return found


def supervisor_required(user: User | AnonymousUser) -> None:
    """Endpoints are for owners and supervisors. Raises ApplicationError `forbidden`."""
    if not access_for(user).is_supervisor:
        raise ApplicationError("Only owners and supervisors may see and change endpoints.", code="forbidden")


@dataclass(frozen=True, slots=True)
class Health:
    endpoint: Endpoint
    waiting: int
    failed: int
    """Deliveries that were given up."""
    last_delivered_at: datetime | None


def endpoint_healths(*, user: User | AnonymousUser) -> list[Health]:
    endpoints = list(endpoint_list(user=user))
    waiting, failed = _counts(endpoints, *Delivery.UNDER_WAY), _counts(endpoints, DeliveryStatus.FAILED)
    return [Health(own, waiting.get(own.id, 0), failed.get(own.id, 0), _last_delivered_at(own)) for own in endpoints]


def endpoint_health(*, user: User | AnonymousUser, endpoint_id: UUID) -> Health:
    """Raises NotFoundError."""
    own = endpoint_get(user=user, endpoint_id=endpoint_id)
    waiting, failed = _counts([own], *Delivery.UNDER_WAY), _counts([own], DeliveryStatus.FAILED)
    return Health(own, waiting.get(own.id, 0), failed.get(own.id, 0), _last_delivered_at(own))


def _counts(endpoints: list[Endpoint], *status: str) -> dict[UUID, int]:
    """How many have one of these states; a test that failed is over."""
    found = Delivery.objects.filter(endpoint__in=endpoints, status__in=status).exclude(event__type=TEST).order_by()
    return dict(found.values_list("endpoint_id").annotate(count=Count("id")))


def _last_delivered_at(endpoint: Endpoint) -> datetime | None:
    newest = Delivery.objects.filter(endpoint=endpoint, status=DeliveryStatus.DELIVERED).order_by("-id")
    return newest.values_list("delivered_at", flat=True).first()


def endpoints_given_up(*, user: User | AnonymousUser) -> QuerySet[Endpoint]:
    """Those that were switched off because they failed, and that nobody has looked after yet."""
    return endpoint_list(user=user).filter(enabled=False, disabled_reason__in=(DisabledReason.GONE, DisabledReason.FAILING))


@dataclass(frozen=True, slots=True)
class DeliveryFilters:
    status: str = ""
    type: str = ""
    since: datetime | None = None
    until: datetime | None = None
    before: UUID | None = None
    """Only what is older than this delivery, for the next page."""


def delivery_list(*, user: User | AnonymousUser, endpoint_id: UUID, filters: DeliveryFilters | None = None) -> QuerySet[Delivery]:
    """Deliveries of an endpoint, newest first; a supervisor sees those of supervised teams only. Raises NotFoundError."""
    endpoint = endpoint_get(user=user, endpoint_id=endpoint_id)
    return _narrowed(_visible(user, Delivery.objects.filter(endpoint=endpoint)), filters or DeliveryFilters())


def delivery_get(*, user: User | AnonymousUser, delivery_id: UUID) -> Delivery:
    """Raises NotFoundError."""
    found = _visible(user, Delivery.objects.filter(id=delivery_id, endpoint__in=endpoint_list(user=user).order_by())).first()
    if found is None:
        raise NotFoundError("delivery")
    return found


def is_resting(endpoint: Endpoint) -> bool:
    """It failed several times in a row, and nothing is sent to it for a while."""
    return endpoint.resting_until is not None and endpoint.resting_until > timezone.now()


def is_late(delivery: Delivery) -> bool:
    """Due for a while, to an endpoint that could be sent to, and yet not sent: probably no relay runs."""
    now, endpoint = timezone.now(), delivery.endpoint
    may_go = endpoint.enabled and not is_resting(endpoint)
    return delivery.status == DeliveryStatus.WAITING and may_go and max(delivery.due_at, delivery.created_at) < now - LATE


def _visible(user: User | AnonymousUser, deliveries: QuerySet[Delivery]) -> QuerySet[Delivery]:
    """An endpoint may have had other teams before; what went to it then is not for a supervisor of its teams now."""
    access = access_for(user)
    deliveries = deliveries.select_related("event", "event__team", "endpoint")
    if access.is_owner:
        return deliveries
    return deliveries.filter(Q(event__team__in=access.supervised_team_ids) | Q(event__type=TEST))


def _narrowed(deliveries: QuerySet[Delivery], filters: DeliveryFilters) -> QuerySet[Delivery]:
    given = {
        "status": filters.status or None,
        "event__type": filters.type or None,
        "event__created_at__gte": filters.since,
        "event__created_at__lt": filters.until,
        "id__lt": filters.before,
    }
    return deliveries.filter(**{name: value for name, value in given.items() if value is not None})
