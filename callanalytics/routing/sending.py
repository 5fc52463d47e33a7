"""One request to one endpoint: what it says by kind, how it is signed, and what its answer means."""

from __future__ import annotations

import json
import logging
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from standardwebhooks import Webhook

from callanalytics.egress import EgressError
from callanalytics.events.types import SCHEMA, public_payload
from callanalytics.routing import mail
from callanalytics.routing.deliveries import Tried
from callanalytics.routing.models import EndpointKind
from callanalytics.routing.pagerduty import NothingToSendError, pagerduty
from callanalytics.routing.slack import slack

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from callanalytics.egress import Answer, Egress
    from callanalytics.events.models import Event
    from callanalytics.routing.models import Delivery, Endpoint

log = logging.getLogger(__name__)

TIMEOUT_S = 15.0
TOGETHER = 200
"""Events that one mail gathers at most."""
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


def send(deliveries: Sequence[Delivery], endpoint: Endpoint, egress: Egress, link: Callable[[Event], str]) -> Tried:
    """Send what goes in one request and read what is answered. Raises nothing: what goes wrong is what came of it."""
    began = time.perf_counter()
    try:
        if endpoint.kind == EndpointKind.EMAIL:
            return _mailed(deliveries, endpoint, link)
        (delivery,) = deliveries
        return _posted(delivery.event, endpoint, egress, link(delivery.event))
    except Exception as error:
        # Else it would be claimed again for ever, and hold what was claimed with it.
        log.exception("what was to be sent to %s", endpoint.id)
        return Tried(
            False, _since(began), error=f"It could not be sent: {type(error).__name__}, an error of this platform's own; see its log."
        )


def parcels(endpoint: Endpoint, deliveries: Sequence[Delivery]) -> list[Sequence[Delivery]]:
    """What goes in one request each: a mail gathers, everything else is told one event at a time."""
    together = endpoint.kind == EndpointKind.EMAIL
    return [deliveries] if together and deliveries else [[delivery] for delivery in deliveries]


def _posted(event: Event, endpoint: Endpoint, egress: Egress, link: str) -> Tried:
    now, began = datetime.now(UTC), time.perf_counter()
    try:
        url, body, headers = BODIES[EndpointKind(endpoint.kind)](endpoint, event, link, now)
    except NothingToSendError as error:
        return Tried(False, 0, error=str(error), dropped=True)
    headers = {"content-type": "application/json", **headers}
    request = {"headers": _redacted(headers), "body": _cut(endpoint, body)}
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
        response={"headers": _redacted(answer.headers), "body": _cut(endpoint, answer.body), "truncated": answer.truncated},
    )


def _mailed(deliveries: Sequence[Delivery], endpoint: Endpoint, link: Callable[[Event], str]) -> Tried:
    """The log keeps no text: what a mail told of one call must go with that call, and others are in it too."""
    began = time.perf_counter()
    letter = mail.digest(deliveries, endpoint, link)
    count = len(deliveries)
    request = {"headers": {"to": ", ".join(letter.to), "subject": letter.subject}, "body": f"{count} event{'s' * (count > 1)} in one mail."}
    try:
        mail.mail_send(letter)
    except mail.MailError as error:
        return Tried(False, _since(began), error=str(error), request=request)
    return Tried(True, _since(began), request=request, response={"headers": {}, "body": "The mail server took it.", "truncated": False})


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


def _cut(endpoint: Endpoint, body: bytes) -> str:
    """A body for the log: its beginning, without what opens PagerDuty's door."""
    text = body[:KEPT_BYTES].decode(errors="replace")
    return text.replace(endpoint.address, "…") if endpoint.kind == EndpointKind.PAGERDUTY else text


BODIES: Mapping[EndpointKind, Callable[[Endpoint, Event, str, datetime], Body]] = {
    EndpointKind.WEBHOOK: webhook,
    EndpointKind.SLACK: slack,
    EndpointKind.PAGERDUTY: pagerduty,
}
"""What each kind is told; mail has a way of its own."""
