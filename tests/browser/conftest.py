"""The demo as a user starts it, and a real Chromium in front of it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import sync_playwright

from tests.browser import desk as stored_calls
from worker.management.commands.demo import web_command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, ConsoleMessage, Page

ROOT = Path(__file__).resolve().parents[2]
READY_S = 900
"""Three sample calls are analysed first; a busy machine with two cores needs minutes."""
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--autoplay-policy=no-user-gesture-required")


@dataclass(frozen=True, slots=True)
class Demo:
    url: str
    user: str
    password: str


@dataclass(slots=True)
class Watched:
    """A page whose complaints are kept: console errors and warnings, failed scripts, answers of 400 and above."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def failed(self, error: str) -> None:
        """A script ended by an error: a complaint, and one that no test may leave behind."""
        self.complaints.append(error)
        self.errors.append(error)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """`manage.py demo` on an installation of its own, with the samples analysed; stopped by Ctrl-C at the end."""
    port = _free_port()
    environment = _environment(tmp_path_factory.mktemp("demo"))
    command = [sys.executable, "manage.py", "demo", "--port", str(port)]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, process_group=0
    ) as started:
        try:
            yield _login(started, port)
        finally:
            started.send_signal(signal.SIGINT)
            started.wait(60)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """For one module only: while Playwright runs, Django takes its thread for an asynchronous one."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("there is no Chromium; install the package chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """An installation of its own with stored calls (tests/browser/desk.py), which takes 1 MB an upload."""
    port = _free_port()
    environment = _environment(tmp_path_factory.mktemp("desk")) | {"CALLANALYTICS_MAX_UPLOAD_MB": "1"}
    subprocess.run([sys.executable, "-m", "tests.browser.desk"], cwd=ROOT, env=environment, check=True)
    with subprocess.Popen(web_command(str(port)), cwd=ROOT, env=environment, stderr=subprocess.DEVNULL) as started:
        try:
            yield _answering(Demo(f"http://127.0.0.1:{port}", stored_calls.LOGIN, stored_calls.PASSWORD))
        finally:
            started.terminate()
            started.wait(60)


@pytest.fixture
def watched(chromium: Browser, demo: Demo) -> Iterator[Watched]:
    """A page that is signed in to the demo."""
    with _signed_in(chromium, demo) as watched:
        yield watched


@pytest.fixture
def at_desk(chromium: Browser, desk: Demo) -> Iterator[Watched]:
    """A page that is signed in where the calls are stored."""
    with _signed_in(chromium, desk) as watched:
        yield watched


@contextlib.contextmanager
def _signed_in(chromium: Browser, demo: Demo) -> Iterator[Watched]:
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, base_url=demo.url)
    watched = Watched(context.new_page())
    watched.page.on("console", lambda message: watched.note(message))
    watched.page.on("pageerror", lambda error: watched.failed(str(error)))
    watched.page.goto("/login/")
    watched.page.get_by_label("Username").fill(demo.user)
    watched.page.get_by_label("Password").fill(demo.password)
    watched.page.get_by_role("button", name="Sign in").click()
    watched.page.wait_for_url(f"{demo.url}/")
    yield watched
    errors = list(watched.errors)
    context.close()
    assert errors == []


def _environment(home: Path) -> dict[str, str]:
    """An installation of its own, embedded whatever the tests run against."""
    kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "CELERY_BROKER_URL", "REDIS_URL")}
    return kept | {"CALLANALYTICS_HOME": str(home), "PYTHONUNBUFFERED": "1"}


def _answering(demo: Demo) -> Demo:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{demo.url}/healthz", timeout=5):
            return demo
        time.sleep(0.2)
    raise AssertionError("the server did not answer")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _login(started: subprocess.Popen[str], port: int) -> Demo:
    """What the demo prints once it is ready."""
    timer = threading.Timer(READY_S, started.terminate)
    timer.start()
    found: dict[str, str] = {}
    assert started.stdout is not None
    for text in started.stdout:
        if told := re.match(r"(Login|Password):\s+(\S+)", text):
            found[told[1]] = told[2]
        if "Password" in found:
            timer.cancel()
            return Demo(f"http://127.0.0.1:{port}", found["Login"], found["Password"])
    timer.cancel()
    raise AssertionError("the demo ended before it was ready")
