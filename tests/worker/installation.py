"""A whole installation of its own for a test: its database, media and broker, and processes that the test may kill."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 300.0


@dataclass
class Installation:
    home: Path
    environment: dict[str, str] = field(default_factory=dict)
    connect: Callable[[], Any] | None = None
    """Opens its database; SQLite's file where there is none."""
    port: int = 0
    """Of its web server, once it is started."""
    server: subprocess.Popen[bytes] | None = None
    _started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __enter__(self) -> Self:
        self.temporary.mkdir()
        self.manage("migrate", "--verbosity", "0")
        return self

    def __exit__(self, *reason: object) -> None:
        for process in self._started:
            self.kill(process)

    @property
    def temporary(self) -> Path:
        """The temporary folder of all its processes."""
        return self.home / "tmp"

    def left(self) -> list[Path]:
        """What ended processes left in the temporary folder."""
        return [path for path in self.temporary.rglob("*") if path.is_file()]

    def manage(self, *arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "manage.py", *map(str, arguments)]
        return subprocess.run(command, cwd=ROOT, env=self._environ(), capture_output=True, text=True, check=check, timeout=PATIENCE_S)

    def command(self, *arguments: str | Path) -> subprocess.Popen[bytes]:
        """The same, started only; it says what it says into the log."""
        return self._start("manage.py", *map(str, arguments))

    def worker(self, *arguments: str) -> subprocess.Popen[bytes]:
        return self._start("-m", "celery", "-A", "callanalytics", "worker", "-c", "1", "--loglevel", "INFO", *arguments)

    def serve(self) -> str:
        """The address of gunicorn, as production runs it, once it answers; the same one when it is started again."""
        self.port = self.port or _free_port()
        limits = ("--threads", "4", "--limit-request-line", "8190")
        self.server = self._start("-m", "gunicorn", "callanalytics.wsgi", "--bind", f"127.0.0.1:{self.port}", *limits)
        address = f"http://127.0.0.1:{self.port}"
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/healthz", timeout=5):
                return address
            time.sleep(0.1)
        raise AssertionError(f"gunicorn does not answer\n{self.log()[-3000:]}")

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.home / "worker.log").open("ab") as log:
            started = subprocess.Popen(
                [sys.executable, *arguments], cwd=ROOT, env=self._environ(), stdout=log, stderr=log, start_new_session=True
            )
        self._started.append(started)
        return started

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """As a deployment does it, and Ctrl-C in the demo."""
        process.terminate()
        process.wait(PATIENCE_S)

    def kill_children(self, worker: subprocess.Popen[bytes]) -> None:
        """Only the processes of its pool, as the kernel does when memory runs out."""
        found = subprocess.run(["pgrep", "-P", str(worker.pid)], capture_output=True, text=True, check=True, timeout=10)
        for pid in found.stdout.split():
            os.kill(int(pid), signal.SIGKILL)

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        connection = self.connect() if self.connect else sqlite3.connect(self.home / "callanalytics.sqlite3", timeout=30)
        try:
            cursor = connection.cursor()
            cursor.execute(statement)
            rows = cursor.fetchall() if cursor.description else []
            connection.commit()
            return rows
        finally:
            connection.close()

    def until(self, statement: str, wanted: Callable[[tuple[Any, ...]], bool], *, timeout_s: float = PATIENCE_S) -> tuple[Any, ...]:
        """The first row of the statement, once it is as wanted; fails with the worker's log."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            rows = self.sql(statement)
            if rows and wanted(rows[0]):
                return rows[0]
            time.sleep(0.05)
        raise AssertionError(f"{statement} stayed {rows}\n{self.log()[-3000:]}")

    def log(self) -> str:
        return (self.home / "worker.log").read_text() if (self.home / "worker.log").exists() else ""

    def _environ(self) -> dict[str, str]:
        own = {
            "CALLANALYTICS_HOME": str(self.home),
            "CALLANALYTICS_ACCEPT_NONCOMMERCIAL_WEIGHTS": "true",
            "OMP_NUM_THREADS": "1",
            "TMPDIR": str(self.temporary),
        }
        return {**os.environ, **own, **self.environment}


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port
