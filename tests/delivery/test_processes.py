"""The demo's processes end as one, whatever ends them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from worker.processes import ProcessEndedError, Processes, StopRequest, StopRequestedError, wait_for_page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN_PARENT = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"])
print(os.getpid(), child.pid, flush=True)
time.sleep(60)
"""

KILLED_PARENT = """
import sys, time
from pathlib import Path
from worker.processes import Processes, StopRequest
with StopRequest() as request, Processes(Path(sys.argv[1]), request) as processes:
    processes.start("sleeper", [sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(60)"], {})
    time.sleep(60)
"""


@pytest.fixture
def request_to_stop() -> Iterator[StopRequest]:
    with StopRequest() as request:
        yield request


def running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)


def test_leaving_ends_even_children_that_ignore_the_polite_signal(
    tmp_path: Path, request_to_stop: StopRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.processes.GRACE_S", 0.3)
    log = tmp_path / "parent.log"
    with Processes(tmp_path, request_to_stop) as processes:
        processes.start("parent", [sys.executable, "-c", STUBBORN_PARENT], {})
        wait_until(lambda: len(log.read_text().split()) == 2)
        pids = [int(pid) for pid in log.read_text().split()]
        assert all(running(pid) for pid in pids)
    wait_until(lambda: not any(running(pid) for pid in pids))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_signal_ends_the_wait_and_every_process(tmp_path: Path, request_to_stop: StopRequest, number: signal.Signals) -> None:
    with Processes(tmp_path, request_to_stop) as processes:
        processes.start("sleeper", SLEEPER, {})
        processes.check()
        sleeper = processes._started[0].process
        os.kill(os.getpid(), number)
        with pytest.raises(StopRequestedError):
            wait_for_page("http://127.0.0.1:9/", processes)
    assert sleeper.returncode == -signal.SIGTERM


def test_what_was_started_ends_even_when_the_starter_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "sleeper.log"
    with subprocess.Popen([sys.executable, "-c", KILLED_PARENT, str(tmp_path)], cwd=ROOT) as parent:
        wait_until(lambda: log.exists() and log.read_text().endswith("\n"), seconds=20)
        sleeper = int(log.read_text())
        assert running(sleeper)
        parent.kill()
    wait_until(lambda: not running(sleeper))


def test_a_process_that_ends_early_is_named_with_its_last_words(tmp_path: Path, request_to_stop: StopRequest) -> None:
    with Processes(tmp_path, request_to_stop) as processes:
        processes.start("web", [sys.executable, "-c", "print('no such module'); raise SystemExit(3)"], {})
        with pytest.raises(ProcessEndedError, match=r"(?s)web process ended with status 3.*no such module"):
            wait_for_page("http://127.0.0.1:9/", processes)


def test_a_page_that_never_comes_is_said(tmp_path: Path, request_to_stop: StopRequest) -> None:
    with Processes(tmp_path, request_to_stop) as processes, pytest.raises(ProcessEndedError, match="did not answer within 0 seconds"):
        wait_for_page("http://127.0.0.1:9/", processes, timeout_s=0.1)


def test_the_handlers_of_before_are_back_afterwards() -> None:
    before = signal.getsignal(signal.SIGINT)
    with StopRequest():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
