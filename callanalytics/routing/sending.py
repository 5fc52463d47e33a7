"""One request to one endpoint: what it says by kind, how it is signed, and what its answer means."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from standardwebhooks import Webhook

from callanalytics.egress import EgressError
from callanalytics.events.types import SCHEMA, public_payload
from callanalytics.routing.deliveries import Tried
from callanalytics.routing.models import EndpointKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from callanalytics.egress import Answer, Egress
    from callanalytics.events.models import Event
    from callanalytics.routing.models import Delivery, Endpoint

TIMEOUT_S = 15.0
KEPT_BYTES = 4096
"""Of request and response each, for the delivery log."""
WAITS = frozenset({429, 502, 503, 504})
"""Answers whose Retry-After counts."""

Body = tuple[str, bytes, "dict[str, str]"]


def message(event: Event, link: str) -> dict[str, Any]:
    """What a webhook is sent: the event's id, type, time, and the public part of its payload."""
    return {
        "id": str(event.id),
        "type": event.type,
        "schema": SCHEMA,
        "timestamp": event.created_at.isoformat(),
        "data": public_payload(event.type, event.payload) | {"subject": event.subject, "link": link},
    }


def signatures(endpoint: Endpoint, event_id: str, now: datetime, body: str) -> str:
    """One for each secret that is still good, so that a receiver may change to a new one at its leisure."""
    good = [each["secret"] for each in endpoint.secrets if each["until"] is None or datetime.fromisoformat(each["until"]) > now]
    # The library takes the time as one without a zone.
    return " ".join(Webhook(secret).sign(event_id, now.replace(tzinfo=None), body) for secret in reversed(good))


def webhook(endpoint: Endpoint, event: Event, link: str, now: datetime) -> Body:
    body = json.dumps(message(event, link), ensure_ascii=False, separators=(",", ":"))
    signed = {
        "webhook-id": str(event.id),
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signatures(endpoint, str(event.id), now, body),
    }
    return endpoint.address, body.encode(), signed


def send(delivery: Delivery, endpoint: Endpoint, egress: Egress, link: Callable[[Event], str]) -> Tried:
    """Send one delivery and read what it answers. Raises nothing: what goes wrong is what came of it."""
    now = datetime.now(UTC)
    url, body, headers = BODIES[EndpointKind(endpoint.kind)](endpoint, delivery.event, link(delivery.event), now)
    headers = {"content-type": "application/json", **headers}
    began = time.perf_counter()
    request = {"headers": _redacted(headers), "body": body[:KEPT_BYTES].decode(errors="replace")}
    try:
        answer = egress.post(url, body, headers, timeout_s=TIMEOUT_S, max_bytes=KEPT_BYTES)
    except EgressError as error:
        return Tried(False, _since(began), error=error.message, request=request)
    good = 200 <= answer.status < 300
    return Tried(
        delivered=good,
        milliseconds=_since(began),
        status_code=answer.status,
        error="" if good else f"It answered {answer.status}.",
        retry_after_s=0.0 if good else retry_after_s(answer, now),
        request=request,
        response={"headers": _redacted(answer.headers), "body": answer.body.decode(errors="replace"), "truncated": answer.truncated},
    )


def retry_after_s(answer: Answer, now: datetime) -> float:
    """Seconds that the answer asks to wait, in seconds or as a date (RFC 9110); 0 where it asks for nothing that can be read."""
    asked = answer.headers.get("retry-after", "").strip()
    if answer.status not in WAITS or not asked:
        return 0.0
    if asked.isdecimal():
        return float(asked)
    try:
        return max(0.0, (parsedate_to_datetime(asked) - now).total_seconds())
    except (TypeError, ValueError):
        return 0.0


def _since(began: float) -> int:
    return round((time.perf_counter() - began) * 1000)


def _redacted(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers for the log: nothing that opens a door, and no signature."""
    secret = ("authorization", "cookie", "set-cookie", "webhook-signature", "x-api-key")
    return {name: "…" if name in secret else value[:500] for name, value in list(headers.items())[:50]}


BODIES: Mapping[EndpointKind, Callable[[Endpoint, Event, str, datetime], Body]] = {EndpointKind.WEBHOOK: webhook}
