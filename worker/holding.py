"""Keeps a claimed call ours: a thread renews its lease while the work goes on, and the work hears when it was taken away."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.db import DatabaseError, connection

from callanalytics.calls import lease
from worker import stopping

if TYPE_CHECKING:
    from uuid import UUID

log = logging.getLogger(__name__)

REPORT_EVERY_S = 1.0
LOOK_EVERY_S = 0.5
"""How soon a worker that is asked to stop gives its call back. It happens here, because the work may be deep in a model for seconds."""

STOPPED = "The worker was stopped while it analysed the call; the next one starts on it again."


class LeaseLostError(Exception):
    """The call belongs to another worker now, or to nobody: what was found so far is not stored."""


class Hold:
    """A claimed call. Renewed every LEASE_RENEW_S by a thread, because a step may be silent for longer than a lease lasts."""

    def __init__(self, call_id: UUID, token: UUID) -> None:
        self.call_id, self.token = call_id, token
        self._lost, self._done = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._renew, name=f"lease of {call_id}", daemon=True)
        self._reported_at = float("-inf")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._done.set()
        self._thread.join()

    def check(self) -> None:
        """Raises LeaseLostError once the lease is gone."""
        if self._lost.is_set():
            raise LeaseLostError(f"call {self.call_id} was taken away")

    def report(self, step: str, done: float) -> None:
        """Write where the analysis is, `done` in 0-1, at most once a second. Raises LeaseLostError once the lease is gone.

        A database that does not answer costs the report, not the work: the lease has a thread of its own.
        """
        self.check()
        now = time.monotonic()
        if now - self._reported_at < REPORT_EVERY_S:
            return
        self._reported_at = now
        try:
            held = lease.progress_report(self.call_id, self.token, step=step, percent=100 * done)
        except DatabaseError as error:
            log.warning("call %s: its progress could not be written: %s", self.call_id, error)
            connection.close()
            return
        if not held:
            self._lost.set()
            self.check()

    def give_back(self) -> None:
        """Return the call to the queue as if it had not been tried; from here on the lease is lost."""
        self._lost.set()
        lease.call_give_back(self.call_id, self.token, STOPPED)

    def _renew(self) -> None:
        try:
            self._keep()
        except DatabaseError as error:
            log.warning("call %s could not be given back, its lease will run out: %s", self.call_id, error)
        finally:
            connection.close()

    def _keep(self) -> None:
        due = time.monotonic() + settings.LEASE_RENEW_S
        while not self._done.wait(min(LOOK_EVERY_S, settings.LEASE_RENEW_S)):
            if stopping.is_asked():
                self.give_back()
                return
            if time.monotonic() >= due:
                if not self._renewed():
                    return
                due = time.monotonic() + settings.LEASE_RENEW_S

    def _renewed(self) -> bool:
        """False where the lease is gone. A database that does not answer is asked again: the lease outlasts three such turns."""
        try:
            held = lease.lease_renew(self.call_id, self.token)
        except DatabaseError as error:
            log.warning("call %s: its lease could not be renewed: %s", self.call_id, error)
            connection.close()
            return True
        if not held:
            self._lost.set()
        return held
