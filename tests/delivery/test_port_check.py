"""A port that cannot be served on is said plainly, before anything is installed."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from worker.port_check import port_trouble

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    listener = socket.create_server(("127.0.0.1", 0))
    yield listener
    listener.close()


def port_of(listener: socket.socket) -> str:
    return str(listener.getsockname()[1])


def test_a_free_port_is_no_trouble() -> None:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        port = port_of(opened)
    assert port_trouble(port) is None


def test_a_taken_port_names_the_port_and_what_to_do(listener: socket.socket) -> None:
    port = port_of(listener)
    assert port_trouble(port) == (
        f"Port {port} is taken by another program. Stop that one, or choose another port: make demo PORT={int(port) + 1}"
    )


def test_a_port_taken_on_every_address_is_taken_here_too() -> None:
    with socket.create_server(("0.0.0.0", 0)) as everywhere:
        assert "is taken" in str(port_trouble(port_of(everywhere)))


@pytest.mark.parametrize("port", ["", "http", "0", "65536", "-1", "80.5"])
def test_what_is_no_port_is_said(port: str) -> None:
    assert port_trouble(port) == f"PORT must be a number from 1 to 65535, not {port!r}."


def test_make_demo_stops_at_a_taken_port_without_installing_anything(listener: socket.socket, tmp_path: Path) -> None:
    for name in ("Makefile", "worker"):
        (tmp_path / name).symlink_to(ROOT / name)
    command = ["make", "-C", str(tmp_path), "demo", f"PORT={port_of(listener)}", f"PYTHON={sys.executable}"]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert finished.returncode != 0
    assert f"Port {port_of(listener)} is taken" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert not (tmp_path / ".venv").exists()
