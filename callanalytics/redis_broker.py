"""Kombu's Redis transport, whose worker outlives a Redis that goes away while a task runs; see docs/decisions/0003-redis-transport.md."""

from __future__ import annotations

from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis
from redis.exceptions import ConnectionError


class Channel(redis.Channel):
    def _connparams(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Raises ConnectionError where the connection is closed: Celery expects that, and ends at the AttributeError of Kombu."""
        if self.connection.client is None:
            raise ConnectionError("the connection to the broker is closed")
        parameters: dict[str, Any] = super()._connparams(*args, **kwargs)  # type: ignore[misc]  # the stubs leave it out
        return parameters


class Transport(redis.Transport):
    Channel = Channel


def install() -> None:
    """Let `redis://` and `rediss://` mean this transport."""
    TRANSPORT_ALIASES["redis"] = TRANSPORT_ALIASES["rediss"] = f"{__name__}:Transport"
