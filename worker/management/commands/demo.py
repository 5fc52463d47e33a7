"""`make demo`: analyses the sample calls with the real engines and serves the dashboard, until Ctrl-C."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.template.defaultfilters import pluralize

from callanalytics.calls.models import CallStatus
from worker import demo_data
from worker.port_check import port_trouble
from worker.processes import ProcessEndedError, Processes, StopRequest, StopRequestedError, wait_for_page
from worker.progress import follow

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterator

    from callanalytics.calls.models import Call

HOST = "127.0.0.1"
MOST_WORKERS = 4
"""Each holds the models, about a gigabyte."""

FIRST = "Note it: it is printed only here, and the next start makes a new one."
RENEWED = "The password is new: the one of the last start no longer works, and pages that are still open ask you to sign in again."

ENVIRONMENT = {
    "CALLANALYTICS_ACCEPT_NONCOMMERCIAL_WEIGHTS": "true",
    "OMP_NUM_THREADS": "1",
    "PYTHONUNBUFFERED": "1",
}


class Command(BaseCommand):
    help = "Analyse the sample calls and serve the dashboard on this machine only; Ctrl-C stops everything."
    # They would look at this process's environment; the demo's processes get one of their own.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", default="8000", help="Where the dashboard is served, on 127.0.0.1.")

    def handle(self, *_args: Any, port: str, **_options: Any) -> None:
        self._refuse(port)
        with StopRequest() as stop_request, self._alone(), contextlib.suppress(StopRequestedError):
            call_command("migrate", interactive=False, verbosity=0)
            login = demo_data.login_renew()
            calls = demo_data.samples_ingest()
            with Processes(settings.CALLANALYTICS_HOME / "log", stop_request) as processes:
                self._serve(processes, port, login, calls)
        self.stderr.write("Stopped.")

    def _refuse(self, port: str) -> None:
        trouble = port_trouble(port)
        if trouble:
            raise CommandError(trouble)
        if not settings.ENV.embedded or not settings.CELERY_BROKER_URL.startswith("filesystem:"):
            raise CommandError(
                "The demo runs on the embedded database and broker only: unset DATABASE_URL and CELERY_BROKER_URL (also in .env)."
            )

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One demo at a time over the same data; the lock goes with the process, however it ends."""
        with (settings.CALLANALYTICS_HOME / "demo.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise CommandError(f"The demo is already running on {settings.CALLANALYTICS_HOME}. Stop that one first.") from error
            yield

    def _serve(self, processes: Processes, port: str, login: demo_data.Login, calls: list[Call]) -> None:
        try:
            environment = ENVIRONMENT | {"CALLANALYTICS_PUBLIC_URL": f"http://localhost:{port}"}
            processes.start("worker", worker_command(), environment)
            processes.start("relay", [sys.executable, "-m", "callanalytics", "relay"], environment)
            processes.start("web", web_command(port), environment)
            wait_for_page(f"http://{HOST}:{port}/healthz", processes)
            ended = follow(calls, check=processes.check, in_lines=True)
            self._welcome(port, login, ended)
            while True:
                processes.check()
                time.sleep(0.3)
        except ProcessEndedError as error:
            raise CommandError(str(error)) from error

    def _welcome(self, port: str, login: demo_data.Login, calls: list[Call]) -> None:
        for call in calls:
            flags = f"{call.flag_count} flag{pluralize(call.flag_count)}"
            self.stdout.write(f"{call.file_name}: {flags if call.status == CallStatus.DONE else f'failed: {call.reason}'}")
        self.stdout.write(
            f"\nThe dashboard is ready:  http://localhost:{port}/\n"
            f"Login:                   {login.username}\n"
            f"Password:                {login.password}\n"
            f"{RENEWED if login.renewed else FIRST}\n\n"
            "Upload calls of your own there. The demo scores voices with weights for non-commercial use (THIRD_PARTY.md).\n"
            "Ctrl-C stops everything."
        )
        self.stdout.flush()


def web_command(port: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "gunicorn",
        "callanalytics.wsgi",
        "--bind",
        f"{HOST}:{port}",
        "--workers",
        "2",
        "--threads",
        "4",
        "--timeout",
        "120",
        "--no-control-socket",
    ]


def worker_command() -> list[str]:
    """One process a core, one thread each: measured faster than one process with all threads."""
    processes = str(min(os.cpu_count() or 1, MOST_WORKERS))
    return [sys.executable, "-m", "celery", "-A", "callanalytics", "worker", "--concurrency", processes, "--loglevel", "INFO"]
