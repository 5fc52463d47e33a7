"""The seam to the broker: a message after the commit, and never a failed request."""

from __future__ import annotations

import socket
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from celery import Celery
from django.db import transaction
from kombu.exceptions import OperationalError

from bench import servers
from callanalytics import celery as celery_module
from callanalytics.calls import lease, queueing
from callanalytics.calls.models import Call
from callanalytics.celery import app
from tests.factories import agents_call

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.factories import World


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queueing, "_silent_until", 0.0)


@pytest.fixture
def sent(nudged: object, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    monkeypatch.setattr(queueing, "_send", lambda *message: found.append(message))
    return found


@pytest.fixture
def silent_server() -> Iterator[int]:
    """A port that accepts and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(20)
        yield listener.getsockname()[1]


@pytest.fixture
def own_redis() -> Iterator[servers.Redis]:
    with tempfile.TemporaryDirectory() as folder, servers.own_redis(Path(folder)) as server:
        yield server


def broker(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setattr(celery_module, "app", Celery("broken", broker=url))


@pytest.mark.django_db(transaction=True)
def test_a_worker_is_told_after_the_commit_and_not_after_a_rollback(sent: list[tuple[str, ...]]) -> None:
    kept, lost = uuid4(), uuid4()
    with transaction.atomic():
        queueing.enqueue(kept)
        assert sent == []
    with transaction.atomic():
        queueing.enqueue(lost)
        transaction.set_rollback(True)
    assert sent == [("worker.call_analyze", str(kept))]


@pytest.mark.django_db(transaction=True)
def test_a_closed_port_is_logged_and_fails_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    broker(monkeypatch, "redis://127.0.0.1:1/0")
    logged: list[str] = []
    monkeypatch.setattr(queueing.log, "error", lambda text, *_: logged.append(text))
    started = time.monotonic()
    with transaction.atomic():
        queueing.enqueue(uuid4())
    assert time.monotonic() - started < 5
    assert len(logged) == 1


@pytest.mark.django_db
def test_a_broker_that_says_nothing_is_given_up_after_seconds(monkeypatch: pytest.MonkeyPatch, silent_server: int) -> None:
    broker(monkeypatch, f"redis://127.0.0.1:{silent_server}/0")
    started = time.monotonic()
    queueing._nudge(uuid4())
    assert 0.5 < time.monotonic() - started < 10


def test_a_broker_that_just_failed_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[Any] = []

    def failing(*message: str) -> None:
        tried.append(message)
        raise OperationalError("down")

    monkeypatch.setattr(queueing, "_send", failing)
    for _ in range(500):
        queueing._nudge(uuid4())
    assert len(tried) == 1


def test_a_connection_is_kept_and_made_again_where_the_broker_was_started_anew(
    monkeypatch: pytest.MonkeyPatch, own_redis: servers.Redis
) -> None:
    broker(monkeypatch, f"{own_redis.url}/0")
    logged: list[str] = []
    monkeypatch.setattr(queueing.log, "error", lambda text, *_: logged.append(text))
    for _ in range(3):
        queueing._nudge(uuid4())
    first = queueing._kept.connection
    own_redis.stop()
    own_redis.start()
    for _ in range(2):
        queueing._nudge(uuid4())
    assert own_redis.client().llen("celery") == 5
    assert first is not None
    assert not logged


def test_a_broker_that_goes_away_between_two_messages_fails_nothing(monkeypatch: pytest.MonkeyPatch, own_redis: servers.Redis) -> None:
    broker(monkeypatch, f"{own_redis.url}/0")
    logged: list[str] = []
    monkeypatch.setattr(queueing.log, "error", lambda text, *_: logged.append(text))
    queueing._nudge(uuid4())
    own_redis.stop()
    queueing._nudge(uuid4())
    assert len(logged) == 1


def test_the_sweeper_announces_what_nobody_heard_of(world: World, sent: list[tuple[str, ...]]) -> None:
    call = agents_call(world)
    sent.clear()
    Call.objects.filter(id=call.id).update(created_at="2020-01-01T00:00:00Z")
    lease.call_requeue_expired()
    assert [UUID(message[1]) for message in sent] == [call.id]


def test_clocks_that_are_off_and_a_broker_that_is_away_for_long_stop_no_sweep() -> None:
    """A message expires by the clock of whoever takes it."""
    expire = [entry["options"]["expires"] for entry in app.conf.beat_schedule.values()]
    assert expire
    assert all(after >= 3600 for after in expire)
    assert app.conf.broker_connection_max_retries is None, "tried again for ever"
