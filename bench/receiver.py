"""A receiver of webhooks on loopback: notes what comes and when, and answers each path as it is told to, until it is told otherwise."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from collections.abc import Callable, Iterator, Mapping

FINE = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
CLOSES = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
"""Fine, and the next request needs another connection."""
FAILS = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n"
GONE = b"HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n"
HANGS = b""
"""No answer; the connection stays open."""
RESETS = b"RST"


def redirects(where: str) -> bytes:
    return f"HTTP/1.1 302 Found\r\nlocation: {where}\r\ncontent-length: 0\r\n\r\n".encode()


@dataclass(frozen=True, slots=True)
class Got:
    """One request, as it came."""

    at: float
    """Seconds since the epoch."""
    path: str
    id: str
    """Its webhook-id."""
    headers: Mapping[str, str]
    body: bytes


class Receiver:
    """`answers` holds what a path says, FINE where it holds nothing; `on_request` is called before the answer goes out."""

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.answers: dict[str, bytes] = {}
        self.on_request: Callable[[Got], None] = lambda _: None
        self.ready = threading.Event()
        self.port = 0
        self._loop = asyncio.new_event_loop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ids(self, path: str) -> list[str]:
        return [each.id for each in list(self.got) if each.path == path]

    def run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=512))
        self.port = server.sockets[0].getsockname()[1]
        self.ready.set()
        self._loop.run_forever()
        hanging = asyncio.all_tasks(self._loop)
        for task in hanging:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*hanging, return_exceptions=True))

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                got = await _read(reader)
                self.got.append(got)
                self.on_request(got)
                answer = self.answers.get(got.path, FINE)
                if answer == HANGS:
                    await asyncio.sleep(3600)
                if answer == RESETS:
                    _reset(writer)
                    return
                writer.write(answer)
                await writer.drain()
        writer.close()


async def _read(reader: StreamReader) -> Got:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Got(time.time(), head[0].split(" ")[1], headers.get("webhook-id", ""), headers, body)


def _reset(writer: StreamWriter) -> None:
    """Ends the connection with a reset instead of an end of stream."""
    opened: socket.socket = writer.get_extra_info("socket")
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextmanager
def receiving() -> Iterator[Receiver]:
    """In a thread of its own."""
    receiver = Receiver()
    thread = threading.Thread(target=receiver.run, daemon=True)
    thread.start()
    receiver.ready.wait()
    try:
        yield receiver
    finally:
        receiver.stop()
        thread.join(5)
