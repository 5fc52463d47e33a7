"""README's `make demo` in a fresh clone: installs, analyses the sample calls, serves them, and leaves nothing running."""

from __future__ import annotations

import http.cookiejar
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
READY_S = 900
"""With a cold package cache the install alone takes some minutes."""
AGAIN_S = 120


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def processes_of(clone: Path) -> list[str]:
    """Command lines of every process that works in the clone or runs a program of it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            inside = (process / "cwd").resolve().is_relative_to(clone)
        except OSError:
            continue
        if command and (inside or str(clone) in command):
            found.append(command)
    return found


class Demo:
    """`make demo` in a session of its own, as a terminal starts it."""

    def __init__(self, clone: Path, port: int) -> None:
        self.clone, self.port = clone, port
        self.log = clone.parent / f"demo-{port}.log"
        # A plain machine has none of the platform's own variables set.
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("CALLANALYTICS_", "DJANGO_"))}
        environment.pop("DATABASE_URL", None)
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                ["make", "demo", f"PORT={port}", f"PYTHON={sys.base_prefix}/bin/python3"],
                cwd=clone,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_ready(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while "Ctrl-C stops everything" not in self.output:
            assert self.process.poll() is None, self.output[-4000:]
            assert time.monotonic() < deadline, self.output[-4000:]
            time.sleep(0.5)

    def interrupt(self) -> None:
        """As Ctrl-C does: the terminal's whole foreground group is told."""
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(30)

    def end(self) -> None:
        """For a test that failed: nothing of it may go on. The demo ends its own processes when it is asked to."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(30)


class Visitor:
    """A browser without scripts: keeps its cookies."""

    def __init__(self, port: int) -> None:
        self.base = f"http://localhost:{port}"
        self._cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self._cookies))

    def get(self, path: str) -> tuple[str, str]:
        """Where it ended up, and the page."""
        with self._opener.open(self.base + path, timeout=20) as answer:
            return answer.url.removeprefix(self.base), answer.read().decode()

    def log_in(self, output: str) -> str:
        """With the login that the demo printed; gives the path it leads to."""
        where, page = self.get("/")
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        assert token, page[:2000]
        known = {
            name: re.search(rf"^{label}: +(\S+)$", output, re.MULTILINE)
            for name, label in (("username", "Login"), ("password", "Password"))
        }
        fields = {name: found.group(1) for name, found in known.items() if found} | {"csrfmiddlewaretoken": token.group(1)}
        request = urllib.request.Request(self.base + where, urllib.parse.urlencode(fields).encode(), {"Referer": self.base + where})
        with self._opener.open(request, timeout=20) as answer:
            return str(answer.url.removeprefix(self.base))


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fresh") / "callanalytics"
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(folder)], check=True)
    return folder


@pytest.fixture
def demo(clone: Path) -> Iterator[Demo]:
    started = Demo(clone, free_port())
    yield started
    started.end()


@pytest.mark.demo
def test_make_demo_in_a_fresh_clone_shows_the_analysed_samples_and_stops_whole(demo: Demo) -> None:
    demo.wait_ready(READY_S)
    visitor = Visitor(demo.port)
    assert visitor.get("/")[0].startswith("/login/")
    assert visitor.log_in(demo.output) == "/"
    page = visitor.get("/api/v1/calls/")[1]
    calls = json.loads(page)["results"]
    samples = json.loads((ROOT / "samples" / "samples.json").read_text())["calls"]
    assert {call["file_name"]: call["status"] for call in calls} == {sample["file"]: "done" for sample in samples}
    listed = visitor.get("/calls/")[1]
    assert [sample["file"] for sample in samples if sample["file"] not in listed] == []
    assert len(processes_of(demo.clone)) > 2
    assert any("callanalytics relay" in command for command in processes_of(demo.clone))
    demo.interrupt()
    assert processes_of(demo.clone) == []
    with pytest.raises(OSError, match=r"refused|Connection"):
        visitor.get("/healthz")


@pytest.mark.demo
def test_a_second_run_takes_seconds_and_has_a_new_password(demo: Demo) -> None:
    before = [log for log in demo.clone.parent.glob("demo-*.log") if log != demo.log]
    assert before, "the first run comes first"
    demo.wait_ready(AGAIN_S)
    visitor = Visitor(demo.port)
    assert visitor.log_in(demo.output) == "/"
    passwords = {re.findall(r"^Password: +(\S+)$", text, re.MULTILINE)[0] for text in (demo.output, before[0].read_text())}
    assert len(passwords) == 2
    demo.interrupt()
    assert processes_of(demo.clone) == []


@pytest.mark.demo
def test_the_dashboard_is_not_reached_from_other_machines(demo: Demo) -> None:
    demo.wait_ready(AGAIN_S)
    addresses = {str(info[4][0]) for info in socket.getaddrinfo(socket.gethostname(), demo.port, socket.AF_INET)} - {"127.0.0.1"}
    for address in {address for address in addresses if not address.startswith("127.")}:
        with pytest.raises(OSError, match=r"refused|Connection"):
            socket.create_connection((address, demo.port), timeout=5)
    listening = subprocess.run(["ss", "-Hltn", f"sport = :{demo.port}"], capture_output=True, text=True, check=False).stdout
    assert not listening or f"127.0.0.1:{demo.port}" in listening
    demo.interrupt()


@pytest.mark.demo
def test_a_production_database_is_refused(clone: Path) -> None:
    environment = {**os.environ, "DATABASE_URL": "postgres://nobody@127.0.0.1:9/none"}
    command = [".venv/bin/python", "manage.py", "demo", "--port", str(free_port())]
    finished = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert finished.returncode == 1
    assert "embedded database" in finished.stderr
    assert "Traceback" not in finished.stderr
