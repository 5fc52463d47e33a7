"""Sends events to endpoints: a few requests at a time to each, so that one that hangs slows nobody."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.db import InterfaceError, OperationalError, close_old_connections

from callanalytics.routing.deliveries import (
    LEASE_S,
    deliveries_claim,
    deliveries_release,
    deliveries_requeue_expired,
    deliveries_settle,
    endpoints_ready,
)
from callanalytics.routing.models import EndpointKind
from callanalytics.routing.opening import handovers_open, handovers_settle
from callanalytics.routing.outbox import events_relay
from callanalytics.routing.paging import handovers_sweep
from callanalytics.routing.sending import TIMEOUT_S, TOGETHER, parcels, send

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from uuid import UUID

    from callanalytics.egress import Egress
    from callanalytics.events.models import Event
    from callanalytics.routing.models import Delivery, Endpoint

log = logging.getLogger(__name__)

THREADS = 32
EACH = 4
"""Requests under way to one endpoint."""
BATCH = 25
"""Deliveries that one thread takes at once; it gives back what it has no time for."""
BATCH_S = LEASE_S - 2 * TIMEOUT_S
"""Time after which it begins no other."""
EVENTS = 500
"""Taken out of the outbox at a time."""
POLL_S = 0.1
AGAIN_S = 1.0
"""Before it asks a database again that did not answer."""
SWEEP_S = 15.0
HANDOVERS_S = 1.0
"""Between two looks at deadlines of handovers."""


@contextmanager
def _unforeseen(what: str) -> Iterator[None]:
    """What goes wrong is written down and in nobody's way; a database that does not answer is in everybody's."""
    try:
        yield
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        log.exception("%s", what)


class Relay:
    """Everything between the outbox and the endpoints, in one process; any number of them may run."""

    def __init__(self, egress: Egress, link: Callable[[Event], str]) -> None:
        self._egress = egress
        self._link = link
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="relay")
        self._busy: Counter[UUID] = Counter()
        self._lock = threading.Lock()
        self._swept = self._looked = 0.0

    def run(self, is_stopped: Callable[[], bool], heartbeat: Path | None = None) -> None:
        """Until it is stopped; what is being sent then is sent to its end. Each turn that the database took touches the heartbeat."""
        try:
            while not is_stopped():
                try:
                    busy = self.turn()
                except (OperationalError, InterfaceError) as error:
                    log.warning("the database does not answer: %s", str(error).strip().partition("\n")[0])
                    time.sleep(AGAIN_S)
                    continue
                if heartbeat is not None:
                    heartbeat.touch()
                if not busy:
                    time.sleep(POLL_S)
        finally:
            self._pool.shutdown()

    def turn(self) -> int:
        """Make the deliveries of new events and start what is due, as far as there is room; how many were made or started."""
        close_old_connections()
        if time.monotonic() - self._swept > SWEEP_S:
            self._swept = time.monotonic()
            deliveries_requeue_expired()
            with _unforeseen("handovers whose flag was taken back"):
                handovers_settle()
        self._handovers()
        begun = self._relayed()
        for endpoint in endpoints_ready():
            for _ in range(self._room(endpoint)):
                claimed = deliveries_claim(endpoint, TOGETHER if endpoint.kind == EndpointKind.EMAIL else BATCH)
                if not claimed:
                    break
                begun += len(claimed)
                with self._lock:
                    self._busy[endpoint.id] += 1
                self._pool.submit(self._deliver, endpoint, claimed)
        return begun

    def _relayed(self) -> int:
        """An event that cannot be followed stops neither those behind it nor its own deliveries: it alone opens no handover."""
        for limit, follow in ((EVENTS, True), (1, True), (1, False)):
            with _unforeseen("the oldest events of the outbox"):
                return events_relay(limit, follow=follow)
        return 0

    def _handovers(self) -> None:
        """Open, tell and escalate what it is time for."""
        if time.monotonic() - self._looked > HANDOVERS_S:
            self._looked = time.monotonic()
            with _unforeseen("the deadlines of handovers"):
                handovers_open()
                handovers_sweep()

    def _room(self, endpoint: Endpoint) -> int:
        """Nothing is claimed that no thread is free for: its lease would run out while it waits."""
        with self._lock:
            return min(EACH - self._busy[endpoint.id], THREADS - self._busy.total())

    def _deliver(self, endpoint: Endpoint, deliveries: Sequence[Delivery]) -> None:
        """One after another; the rest goes back after a failure, so that an endpoint in trouble is asked gently."""
        until = time.monotonic() + BATCH_S
        close_old_connections()
        try:
            for number, parcel in enumerate(parcels(endpoint, deliveries), 1):
                tried = send(parcel, endpoint, self._egress, self._link)
                deliveries_settle(parcel, tried)
                if not (tried.delivered or tried.dropped) or time.monotonic() > until:
                    deliveries_release(deliveries[number * len(parcel) :])
                    break
        except Exception:
            log.exception("deliveries to %s", endpoint.id)
        finally:
            close_old_connections()
            with self._lock:
                self._busy[endpoint.id] -= 1
