"""The servers that benchmarks start for themselves, and the receiver that they send to."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from bench import servers
from bench.receiver import FAILS, GONE, HANGS, RESETS, receiving, redirects

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not pytest's own, which no other user may enter."""
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


@pytest.mark.services
def test_postgresql_runs_as_an_ordinary_user_and_keeps_what_was_committed_before_a_crash(folder: Path) -> None:
    with servers.postgres(folder) as server:
        assert server.process is not None
        assert Path(f"/proc/{server.process.pid}").stat().st_uid != 0
        opened = server.connect()
        with opened, opened.cursor() as cursor:
            cursor.execute("CREATE TABLE kept AS SELECT 7 AS number")
        server.stop(signal.SIGQUIT)
        assert not server.answers()
        server.start()
        again = server.connect()
        with again, again.cursor() as cursor:
            cursor.execute("SELECT number FROM kept")
            assert cursor.fetchone() == (7,)
        again.close()
        pid = server.process.pid
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.services
def test_redis_keeps_its_messages_when_it_is_stopped(folder: Path) -> None:
    with servers.own_redis(folder) as server:
        server.client().lpush("analysis", "message")
        server.stop()
        server.start()
        assert server.client().llen("analysis") == 1
        assert server.url.startswith("redis://127.0.0.1:")


def test_a_folder_is_given_to_whom_the_servers_run_as(folder: Path) -> None:
    owned = servers.owned(folder / "data")
    user = servers.ordinary().get("user", os.getuid())
    assert owned.stat().st_uid == user != 0


def test_the_receiver_answers_each_path_as_it_is_told_to_and_notes_what_came() -> None:
    with receiving() as receiver, httpx.Client(base_url=receiver.url, timeout=1, trust_env=False) as client:
        receiver.answers |= {"/500": FAILS, "/gone": GONE, "/moved": redirects("http://x.test/"), "/reset": RESETS, "/hangs": HANGS}
        sent = {
            path: client.post(path, content=b"{}", headers={"webhook-id": f"id of {path}"}) for path in ("/", "/500", "/gone", "/moved")
        }
        assert {path: answer.status_code for path, answer in sent.items()} == {"/": 200, "/500": 500, "/gone": 410, "/moved": 302}
        assert sent["/moved"].headers["location"] == "http://x.test/"
        with pytest.raises(httpx.ReadError):
            client.post("/reset", content=b"{}")
        with pytest.raises(httpx.ReadTimeout):
            client.post("/hangs", content=b"{}")
        assert receiver.ids("/500") == ["id of /500"]
        receiver.answers["/hangs"] = b"HTTP/1.1 204 No Content\r\n\r\n"
        assert client.post("/hangs", content=b"{}").status_code == 204
        assert [got.path for got in receiver.got] == ["/", "/500", "/gone", "/moved", "/reset", "/hangs", "/hangs"]
