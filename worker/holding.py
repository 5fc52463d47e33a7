"""Keeps ours what was claimed: a thread renews its lease while the work goes on, and the work hears when it was taken away."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection

from worker import stopping

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    Answer = TypeVar("Answer")

log = logging.getLogger(__name__)

REPORT_EVERY_S = 1.0
LOOK_EVERY_S = 0.5
"""How soon a worker that is asked to stop gives back what it has. It happens here, because the work may be deep in a model for seconds."""

ASK_AGAIN_AFTER_S = (2.0, 5.0, 15.0, 30.0)
"""A database that restarts must not cost the work of minutes or hours; the lease outlasts these waits."""


class LeaseLostError(Exception):
    """What was claimed belongs to another worker now, or to nobody: what was made so far is dropped."""


class Claim(Protocol):
    """A row that this worker took, and the lease that it is held by. As text it says what it is, as in `call …`."""

    @property
    def call_id(self) -> UUID: ...

    @property
    def token(self) -> UUID: ...

    def renew(self) -> bool:
        """Keep it for another LEASE_S; False where it was taken away."""
        ...

    def give_back(self) -> object:
        """Return it to the queue as if it had not been tried, where it is still held."""
        ...


def patiently(ask: Callable[[], Answer], between: Callable[[], object] = lambda: None) -> Answer:
    """What the database answers, asked again where it does not; `between` two turns something may raise to end it."""
    for wait in ASK_AGAIN_AFTER_S:
        try:
            return ask()
        except (OperationalError, InterfaceError) as error:
            log.warning("the database did not answer, asked again in %.0f s: %s", wait, error)
            connection.close()
            time.sleep(wait)
            between()
    return ask()


class Hold:
    """Something claimed. Renewed every LEASE_RENEW_S by a thread, because a step may be silent for longer than a lease lasts."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self._lost, self._done = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._renew, name=f"lease of {claim}", daemon=True)
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
            raise LeaseLostError(f"{self.claim} was taken away")

    def report(self, write: Callable[[], bool]) -> None:
        """Write how far the work is, at most once a second; `write` answers False where the lease is gone. Raises LeaseLostError then.

        A database that does not answer costs the report, not the work: the lease has a thread of its own.
        """
        self.check()
        now = time.monotonic()
        if now - self._reported_at < REPORT_EVERY_S:
            return
        self._reported_at = now
        try:
            held = write()
        except DatabaseError as error:
            log.warning("%s: its progress could not be written: %s", self.claim, error)
            connection.close()
            return
        if not held:
            self._lost.set()
            self.check()

    def store(self, write: Callable[[], Answer]) -> Answer:
        """What `write` gives, asked again where the database does not answer. Raises LeaseLostError once the lease is gone."""
        self.check()
        return patiently(write, self.check)

    def give_back(self) -> None:
        """Return it to the queue as if it had not been tried; from here on the lease is lost."""
        self._lost.set()
        self.claim.give_back()

    def _renew(self) -> None:
        try:
            self._keep()
        except DatabaseError as error:
            log.warning("%s could not be given back, its lease will run out: %s", self.claim, error)
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
            held = self.claim.renew()
        except DatabaseError as error:
            log.warning("%s: its lease could not be renewed: %s", self.claim, error)
            connection.close()
            return True
        if not held:
            self._lost.set()
        return held
