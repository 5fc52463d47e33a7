"""The broker without a server: whole messages, each to one reader, oldest first."""

from __future__ import annotations

import multiprocessing
from queue import Empty
from typing import TYPE_CHECKING, Any

import pytest
from kombu import Connection
from kombu.exceptions import ChannelError

from callanalytics import folder_broker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MESSAGES = 300


@pytest.fixture
def channel(tmp_path: Path) -> Iterator[Any]:
    folder_broker.install()
    with _connection(tmp_path) as connection:
        yield connection.channel()


def _connection(folder: Path) -> Connection:
    options = {"data_folder_in": f"{folder}/m", "data_folder_out": f"{folder}/m", "control_folder": f"{folder}/c"}
    return Connection("filesystem://", transport_options=options)


def _write(folder: Path, writer: int) -> None:
    folder_broker.install()
    with _connection(folder) as connection:
        channel: Any = connection.channel()
        for number in range(MESSAGES):
            channel._put("analysis", {"id": f"{writer}-{number}", "text": "x" * 2000})


def test_filesystem_names_our_transport(channel: Any) -> None:
    assert isinstance(channel, folder_broker.Channel)


def test_messages_come_oldest_first_and_once(channel: Any) -> None:
    for number in range(5):
        channel._put("analysis", {"n": number})
    assert [channel._get("analysis")["n"] for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(Empty):
        channel._get("analysis")


def test_queues_whose_names_end_alike_are_kept_apart(channel: Any) -> None:
    channel._put("analysis.gpu", {"n": 1})
    for other in ("gpu", "analysis"):
        with pytest.raises(Empty):
            channel._get(other)
    assert channel._get("analysis.gpu") == {"n": 1}


def test_a_message_that_is_still_being_written_is_not_seen(channel: Any, tmp_path: Path) -> None:
    (tmp_path / "m" / ".00000000000000000001_a.analysis.msg").touch()
    with pytest.raises(Empty):
        channel._get("analysis")
    assert channel._size("analysis") == 0


def test_nothing_is_left_behind_of_a_taken_message(channel: Any, tmp_path: Path) -> None:
    channel._put("analysis", {})
    channel._get("analysis")
    assert list((tmp_path / "m").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_a_channel_error(channel: Any, tmp_path: Path) -> None:
    (tmp_path / "m").rmdir()
    with pytest.raises(ChannelError, match="cannot write"):
        channel._put("analysis", {})


def test_two_writers_and_a_fast_reader_lose_and_break_nothing(channel: Any, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(tmp_path, number)) for number in range(2)]
    for writer in writers:
        writer.start()
    seen: list[str] = []
    while len(seen) < 2 * MESSAGES and (any(writer.is_alive() for writer in writers) or channel._size("analysis")):
        try:
            seen.append(channel._get("analysis")["id"])
        except Empty:
            continue
    assert sorted(seen) == sorted(f"{writer}-{number}" for writer in range(2) for number in range(MESSAGES))
