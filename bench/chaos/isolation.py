"""A disk that can be filled and names that can change, in a mount namespace that ends with the benchmark: the machine keeps its own."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
MNT_DETACH = 2
"""Of Linux, unshare(2), mount(2) and umount2(2)."""
DNS = "127.0.0.77"
NAME = "receiver.chaos.test"


def enter() -> str | None:
    """A mount namespace of our own; why not, where the machine allows none. Call it before any thread is started."""
    own = (os.getuid(), os.getgid())
    if LIBC.unshare(CLONE_NEWNS if own[0] == 0 else CLONE_NEWNS | CLONE_NEWUSER):
        return f"no mount namespace: {os.strerror(ctypes.get_errno())}"
    if own[0]:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{own[0]} {own[0]} 1")
        Path("/proc/self/gid_map").write_text(f"{own[1]} {own[1]} 1")
    return _mounted(b"none", b"/", None, MS_REC | MS_PRIVATE, None)


def small_disk(folder: Path, size_mb: int) -> str | None:
    """A disk of so many megabytes at a folder; why not, where that is not allowed."""
    return _mounted(b"tmpfs", bytes(folder), b"tmpfs", 0, f"size={size_mb}m,mode=777".encode())


def gone_disk(folder: Path) -> None:
    LIBC.umount2(bytes(folder), MNT_DETACH)


def own_names(file: Path) -> str | None:
    """Names are asked of our own server on DNS; why not, where that is not allowed."""
    file.write_text(f"nameserver {DNS}\noptions attempts:1 timeout:2\n")
    return _mounted(bytes(file), b"/etc/resolv.conf", None, MS_BIND, None)


def _mounted(source: bytes, target: bytes, kind: bytes | None, flags: int, data: bytes | None) -> str | None:
    if LIBC.mount(source, target, kind, flags, data):
        return f"mount of {target.decode()}: {os.strerror(ctypes.get_errno())}"
    return None


class Names:
    """A name server that answers each question for NAME with the next of its addresses, good for no time at all."""

    def __init__(self, addresses: Sequence[str]) -> None:
        """Raises OSError where port 53 is not ours to take."""
        self.asked = 0
        self.addresses = addresses
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((DNS, 53))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            question, client = self._socket.recvfrom(512)
            self._socket.sendto(self._answer(question), client)

    def _answer(self, question: bytes) -> bytes:
        """RFC 1035: an address for type A, nothing for any other type, no such name for any other name."""
        end = question.index(b"\0", 12) + 5
        name, (kind,) = b".".join(_labels(question)).decode(), struct.unpack(">H", question[end - 4 : end - 2])
        known, wanted = name == NAME, name == NAME and kind == 1
        head = question[:2] + struct.pack(">HHHHH", 0x8180 | (0 if known else 3), 1, int(wanted), 0, 0)
        return head + question[12:end] + (self._record() if wanted else b"")

    def _record(self) -> bytes:
        address = self.addresses[self.asked % len(self.addresses)]
        self.asked += 1
        return struct.pack(">HHHIH", 0xC00C, 1, 1, 0, 4) + socket.inet_aton(address)


def _labels(question: bytes) -> Iterator[bytes]:
    at = 12
    while length := question[at]:
        yield question[at + 1 : at + 1 + length].lower()
        at += length + 1


class Trap:
    """Listens where nothing may ever connect, and counts who does."""

    def __init__(self, address: str, port: int) -> None:
        self.sprung = 0
        self._socket = socket.create_server((address, port))
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            self.sprung += 1
            connection.close()
