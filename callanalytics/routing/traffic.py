"""What this installation talks to: everything that requests or mails go to, and may go to, with what went there within a day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import Count, Max, Q
from django.utils import timezone

from callanalytics.calls.selectors import call_list
from callanalytics.people.selectors import access_for
from callanalytics.routing.addresses import host, mail_server
from callanalytics.routing.models import Attempt, Endpoint
from callanalytics.routing.selectors import endpoint_list

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from callanalytics.people.models import User

NEWEST = 500
"""Recordings that were fetched, looked at for where from."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Requests to one endpoint within a day."""

    last_at: datetime
    requests: int
    failed: int


@dataclass(frozen=True, slots=True)
class HostTraffic:
    host: str
    endpoints: tuple[Endpoint, ...]
    last_at: datetime | None
    requests: int
    failed: int


@dataclass(frozen=True, slots=True)
class FetchedFrom:
    host: str
    calls: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class WhatLeaves:
    hosts: tuple[HostTraffic, ...]
    others: int
    """Endpoints that are switched on and that the user may not see."""
    allowed: tuple[str, ...]
    mail_server: str
    recording_stores: tuple[str, ...]
    """Hosts with a key in the settings that recordings are fetched from."""
    fetched: tuple[FetchedFrom, ...]
    """Where the newest recordings were fetched from, of those that the user may read."""


def what_leaves(*, user: User) -> WhatLeaves:
    endpoints = list(endpoint_list(user=user).filter(enabled=True))
    others = 0 if access_for(user).is_owner else Endpoint.objects.filter(enabled=True).count() - len(endpoints)
    return WhatLeaves(_by_host(endpoints), others, tuple(settings.EGRESS_ALLOW), mail_server(), _recording_stores(), _fetched(user))


def _by_host(endpoints: list[Endpoint]) -> tuple[HostTraffic, ...]:
    counts = _counted(endpoints)
    found: dict[str, list[Endpoint]] = {}
    for each in endpoints:
        found.setdefault(host(each), []).append(each)
    return tuple(_of_host(name, own, [counts[each.id] for each in own if each.id in counts]) for name, own in sorted(found.items()))


def _of_host(name: str, endpoints: list[Endpoint], counts: list[Counted]) -> HostTraffic:
    last_at = max((each.last_at for each in counts), default=None)
    return HostTraffic(name, tuple(endpoints), last_at, sum(each.requests for each in counts), sum(each.failed for each in counts))


def _counted(endpoints: list[Endpoint]) -> dict[UUID, Counted]:
    recent = Attempt.objects.filter(at__gte=timezone.now() - timedelta(days=1), delivery__endpoint__in=endpoints).order_by()
    rows = recent.values("delivery__endpoint_id").annotate(last=Max("at"), requests=Count("id"), failed=Count("id", filter=~Q(error="")))
    return {row["delivery__endpoint_id"]: Counted(row["last"], row["requests"], row["failed"]) for row in rows}


def _recording_stores() -> tuple[str, ...]:
    s3 = settings.S3
    store = urlsplit(s3.endpoint).netloc or f"*.s3.{s3.region}.amazonaws.com"
    named = ((bool(s3.access_key_id), store), (bool(settings.TWILIO.account_sid), "*.twilio.com"))
    return tuple(name for has_key, name in named if has_key)


def _fetched(user: User) -> tuple[FetchedFrom, ...]:
    found: dict[str, FetchedFrom] = {}
    newest = call_list(user=user).exclude(source_digest="").order_by("-id").values_list("source", "created_at")[:NEWEST]
    for source, at in newest:
        name = urlsplit(source).netloc
        known = found.get(name, FetchedFrom(name, 0, at))
        found[name] = FetchedFrom(name, known.calls + 1, known.last_at)
    return tuple(sorted(found.values(), key=lambda each: each.host))
