"""A server on loopback that notes what it is asked and answers as the path says."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class Receiver(ThreadingHTTPServer):
    """`asked` holds method, path, body and headers in the order they came."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str, bytes, dict[str, str]]] = []
        self.files: dict[str, bytes] = {}
        """What lies at which path."""
        self.moved = ""
        """Where `/moved` leads."""
        self.released = threading.Event()
        """Set, it lets what is `held` go."""

    def ids(self, path: str) -> list[str]:
        """Ids of the events that came to a path, in their order."""
        return [headers["webhook-id"] for _, asked, _, headers in self.asked if asked == path]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.asked.append((self.command, self.path, body, {name.lower(): value for name, value in self.headers.items()}))
        path = self.path.partition("?")[0]
        if path in self.server.files:
            self.say(200, self.server.files[path])
        else:
            getattr(self, "answer_" + path.strip("/"))()

    do_GET = do_POST  # noqa: N815 - the name is the server's

    def say(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer_fine(self) -> None:
        self.say(200, b"thanks")

    def answer_accepted(self) -> None:
        self.say(202, b'{"status": "success", "message": "Event processed"}')

    def answer_long(self) -> None:
        self.say(200, b"x" * 100_000)

    def answer_metadata(self) -> None:
        self.say(302, location="http://169.254.169.254/latest/meta-data/")

    def answer_moved(self) -> None:
        self.say(302, location=self.server.moved)

    def answer_elsewhere(self) -> None:
        self.say(302, location="/fine")

    def answer_round(self) -> None:
        self.say(302, location="/round")

    def answer_missing(self) -> None:
        self.say(404, b"no")

    def answer_forbidden(self) -> None:
        self.say(403, b"expired")

    def answer_busy(self) -> None:
        self.say(503)

    def answer_short(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "1000")
        self.end_headers()
        self.wfile.write(b"x" * 10)
        self.close_connection = True

    def answer_silent(self) -> None:
        time.sleep(5)

    def answer_held(self) -> None:
        self.server.released.wait(30)
        with contextlib.suppress(OSError):
            self.say(200)

    def answer_dribble(self) -> None:
        with contextlib.suppress(OSError):
            for letter in b"HTTP/1.1 200 OK\r\nx-slow: " + b"x" * 100:
                self.wfile.write(bytes([letter]))
                self.wfile.flush()
                time.sleep(0.1)

    def answer_reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_given: Any) -> None:
        """Tests look at `asked` instead."""


@contextlib.contextmanager
def receiving() -> Iterator[Receiver]:
    with Receiver() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
