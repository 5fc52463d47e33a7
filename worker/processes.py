"""Starts the processes of the demo and stops every one of them, whatever the reason for the stop."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from analysis import stop_signals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

GRACE_S = 5.0
"""How long a process may take to finish by itself. The worker gives the calls that it analyses back to the queue in the first second."""
LOG_TAIL = 15
LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1
"""Of Linux, prctl(2)."""


class StopRequestedError(Exception):
    """Someone asked for the end: Ctrl-C, SIGTERM, or a closed terminal."""


class ProcessEndedError(Exception):
    """A process ended that should not have; the message names it and quotes the end of its log."""


class StopRequest:
    """Notes a stop signal. It raises only where it is asked: a signal between starting a process and noting it leaves nothing behind."""

    def __init__(self) -> None:
        self._requested = False
        self._handled = stop_signals.handled(self._note)

    def __enter__(self) -> Self:
        self._handled.__enter__()
        return self

    def __exit__(self, *reason: object) -> None:
        self._handled.__exit__(None, None, None)

    def _note(self, _number: int) -> None:
        self._requested = True

    def check(self) -> None:
        """Raises StopRequestedError once a stop signal has come."""
        if self._requested:
            raise StopRequestedError


def _end_with_parent() -> None:
    """Runs in the new process."""
    if sys.platform == "linux":
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class Started:
    name: str
    process: subprocess.Popen[bytes]
    log: Path


class Processes:
    """A set of processes that ends as one.

    Each runs in a process group of its own: a Ctrl-C then reaches only us, and a kill reaches its children. Where we are killed
    ourselves, the kernel asks each of them to end.
    """

    def __init__(self, log_folder: Path, stop_request: StopRequest) -> None:
        self._log_folder = log_folder
        self._stop_request = stop_request
        self._started: list[Started] = []

    def __enter__(self) -> Self:
        self._log_folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *reason: object) -> None:
        self.stop()

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        log = self._log_folder / f"{name}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
                process_group=0,
                preexec_fn=_end_with_parent,
            )
        self._started.append(Started(name, process, log))

    def check(self) -> None:
        """Raises StopRequestedError where a stop was asked for, and ProcessEndedError where one of them has ended."""
        self._stop_request.check()
        for started in self._started:
            status = started.process.poll()
            if status is not None:
                tail = started.log.read_text(errors="replace").splitlines()[-LOG_TAIL:]
                raise ProcessEndedError(
                    "\n".join([f"The {started.name} process ended with status {status}. The end of {started.log}:", *tail])
                )

    def stop(self) -> None:
        """Ask each of them to end its own children and itself, wait a little, then end what is left of their groups."""
        for started in self._started:
            started.process.terminate()
        deadline = time.monotonic() + GRACE_S
        for started in self._started:
            with contextlib.suppress(subprocess.TimeoutExpired):
                started.process.wait(max(0.0, deadline - time.monotonic()))
        for started in self._started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(started.process.pid, signal.SIGKILL)
            started.process.wait()
        self._started.clear()


def wait_for_page(url: str, processes: Processes, *, timeout_s: float = 60.0) -> None:
    """Until the address answers. Raises StopRequestedError, and ProcessEndedError where a process ends first or nothing answers in time."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        processes.check()
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2):
            return
        time.sleep(0.2)
    raise ProcessEndedError(f"{url} did not answer within {timeout_s:.0f} seconds.")
