"""An SMTP server on loopback that keeps what it is given, or refuses it."""

from __future__ import annotations

import contextlib
import socketserver
import threading
from email import message_from_bytes, policy
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import EmailMessage


class MailServer(socketserver.ThreadingTCPServer):
    """`refusal`, where set, is the answer to every mail."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Session)
        self.mails: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.refusal = b""

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class Session(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self.to: list[str] = []
        self.say(b"220 loopback")
        for line in self.rfile:
            command = line.strip().partition(b" ")[0].upper()
            getattr(self, f"do_{command.decode().lower()}", self.do_other)(line)
            if command == b"QUIT":
                return

    def say(self, answer: bytes) -> None:
        self.wfile.write(answer + b"\r\n")

    def do_other(self, _line: bytes) -> None:
        self.say(b"250 fine")

    def do_rcpt(self, line: bytes) -> None:
        self.to.append(line.decode().partition("<")[2].partition(">")[0])
        self.say(b"250 fine")

    def do_data(self, _line: bytes) -> None:
        if self.server.refusal:
            self.say(self.server.refusal)
            return
        self.say(b"354 go on")
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        self.server.mails.append(message_from_bytes(b"".join(lines), policy=policy.default))
        self.server.recipients.append(self.to)
        self.say(b"250 kept")


@contextlib.contextmanager
def serving() -> Iterator[MailServer]:
    with MailServer() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
