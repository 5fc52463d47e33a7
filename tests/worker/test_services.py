"""A worker process on a real PostgreSQL and a real Redis, as in production."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2  # type: ignore[import-untyped]
import pytest
import redis

from bench import servers
from tests.worker.installation import ROOT, Installation

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.services

REDIS = os.environ.get("CALLANALYTICS_TEST_REDIS", "redis://127.0.0.1:6379")
POSTGRES = os.environ.get("CALLANALYTICS_TEST_POSTGRES", "postgres://postgres@127.0.0.1:5432")
STATE = "SELECT status, step, attempts, reason, lease_token FROM calls_call"
CALL_EVENTS = "SELECT type FROM events_event WHERE type LIKE 'call.%' ORDER BY created_at"


@pytest.fixture
def broker() -> Iterator[str]:
    """An empty database of Redis, emptied of our own keys afterwards and never flushed."""
    for number in range(15, 0, -1):
        client = redis.Redis.from_url(f"{REDIS}/{number}", socket_connect_timeout=2)
        try:
            if client.dbsize():
                continue
        except redis.RedisError as error:
            pytest.skip(f"no Redis at {REDIS}: {error}")
        yield f"{REDIS}/{number}"
        for pattern in ("_kombu.*", "unacked*", "analysis*", "delivery*", "maintenance*", "*.pidbox", "*.reply.*"):
            for key in client.scan_iter(pattern):
                client.delete(key)
        return
    pytest.skip(f"every database of {REDIS} is in use")


@pytest.fixture
def database() -> Iterator[str]:
    """A database of its own, dropped afterwards."""
    name = f"callanalytics_test_worker_{os.getpid()}"
    try:
        server = psycopg2.connect(POSTGRES, dbname="postgres", connect_timeout=3)
    except psycopg2.OperationalError as error:
        pytest.skip(f"no PostgreSQL at {POSTGRES}: {error}")
    server.autocommit = True
    with server.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
        yield name
    with server.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")
    server.close()


@pytest.fixture
def site(tmp_path: Path, broker: str, database: str) -> Iterator[Installation]:
    environment = {
        "DATABASE_URL": f"{POSTGRES}/{database}",
        "CELERY_BROKER_URL": broker,
        "CALLANALYTICS_HTTPS": "false",
    }
    with Installation(tmp_path, environment, lambda: psycopg2.connect(f"{POSTGRES}/{database}")) as made:
        yield made


def test_a_call_goes_through_redis_and_postgresql_and_survives_a_killed_process(site: Installation) -> None:
    """Its process is killed once in the middle: Redis gives the message back at once, the lease keeps the call from running twice."""
    worker = site.worker()
    site.manage("analyze", ROOT / "samples" / "recovers.flac", "--enqueue", "--channels", "agent,customer")
    site.until(STATE, lambda row: row[1] == "transcribe")
    site.kill_children(worker)
    site.sql("UPDATE calls_call SET lease_until = '2020-01-01'")
    site.manage("sweep")
    status, _, attempts, reason, _ = site.sql(STATE)[0]
    assert (status, attempts) == ("queued", 1)
    assert reason.startswith("The worker stopped without a word")
    site.sql("UPDATE calls_call SET next_attempt_at = NULL")
    site.manage("sweep")

    done = site.until(STATE, lambda row: row[0] in ("done", "failed"))
    assert (done[0], done[2], done[4]) == ("done", 2, None)
    assert site.sql("SELECT count(*) FROM calls_analysisrun") == [(1,)]
    assert site.sql(CALL_EVENTS) == [("call.received",), ("call.delayed",), ("call.analyzed",)]


def test_a_worker_outlives_a_redis_that_goes_away_while_it_analyses(tmp_path: Path) -> None:
    """The call is finished, and the next one is taken."""
    with tempfile.TemporaryDirectory() as folder, servers.own_redis(Path(folder)) as own:
        environment = {"CELERY_BROKER_URL": f"{own.url}/0"}
        with Installation(tmp_path, environment) as made:
            worker = made.worker("-c", "2")
            made.manage("analyze", ROOT / "samples" / "recovers.flac", "--enqueue", "--channels", "agent,customer")
            made.until(STATE, lambda row: row[1] == "transcribe")
            # With a task at work, room for another, and first noticed where it is controlled from, Kombu's own transport ended it.
            os.kill(worker.pid, signal.SIGSTOP)
            own.client().client_kill_filter(_type="pubsub")
            own.stop(signal.SIGKILL)
            os.kill(worker.pid, signal.SIGCONT)
            time.sleep(1)
            own.start()
            made.until(STATE, lambda row: row[0] == "done")
            made.manage("analyze", ROOT / "samples" / "calm.flac", "--enqueue", "--channels", "agent,customer")
            made.until("SELECT count(*) FROM calls_call WHERE status = 'done'", lambda row: row[0] == 2)
            assert worker.poll() is None
            assert "Unrecoverable" not in made.log()
