"""The installation that is broken: its processes, the calls that are in it, and an integrator that sends again what was not accepted."""

from __future__ import annotations

import base64
import os
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import httpx
from django.db import InterfaceError, OperationalError, connection

from bench.chaos.recordings import recording
from bench.chaos.verdict import ENDED, judged, messages, untold
from callanalytics.calls.models import Call
from callanalytics.routing.models import Endpoint

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Mapping, Sequence

    from bench.chaos.recordings import Cut
    from bench.chaos.verdict import Verdict
    from bench.installation import Installation
    from bench.receiver import Got, Receiver

    Answer = TypeVar("Answer")

HEALTHY = "/healthy"
WORKERS = ("worker-a", "worker-b")
CLIENTS = 4
ACCEPTED = (200, 202)
SOFT_S = 45.0
"""How long a fault's calls are waited for before the next fault; the rest is waited for at the end."""
POLL_S = 0.2
PATIENCE_S = 60.0
NAMELESS = re.compile(r".*/#\d+ \(deleted\)")
SECRET = "whsec_" + base64.b64encode(os.urandom(24)).decode()


class NotReachedError(Exception):
    """The moment that a fault is to hit did not come."""


@dataclass
class Site:
    installation: Installation
    receiver: Receiver
    key: str
    disk: str | None
    """Why there is no small disk, where there is none."""
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    sent: int = 0
    handed: dict[str, int] = field(default_factory=dict)
    """Every accepted call, by external id and number."""
    refused: int = 0
    """Requests that were not accepted, and sent again."""
    later: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    """What is to happen at a time while other things go on."""

    def start(self, name: str, **environment: str) -> None:
        options = {
            "relay": ("manage.py", "relay"),
            "beat": ("-m", "celery", "-A", "callanalytics", "beat", "--schedule", str(self.installation.home / "schedule")),
        }
        worker = ("-m", "celery", "-A", "bench.chaos.short_visibility", "worker", "-c", "2", "-n", f"{name}@%h", "--loglevel", "WARNING")
        self.processes[name] = self.installation.start(name, *options.get(name, worker), **environment)

    def kill(self, name: str) -> None:
        """With its children, as when a machine goes down."""
        process = self.processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self, name: str) -> None:
        """As a deployment does it."""
        process = self.processes.pop(name)
        process.terminate()
        process.wait(60)

    def children(self, name: str) -> list[int]:
        pid = self.processes[name].pid
        with open(f"/proc/{pid}/task/{pid}/children") as listed:  # noqa: PTH123
            return [int(child) for child in listed.read().split()]

    def stopped_child(self) -> int:
        """A process of a pool that has a call, halted in the middle of it. Raises NotReachedError where none has."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            for pid in [pid for name in WORKERS for pid in self.analysing(name)]:
                os.kill(pid, signal.SIGSTOP)
                if _has_decoded(pid):
                    return pid
                os.kill(pid, signal.SIGCONT)
            time.sleep(0.05)
        raise NotReachedError("no process of a pool has a call")

    def analysing(self, name: str) -> list[int]:
        """The processes of a worker's pool that have a call."""
        return [pid for pid in self.children(name) if _has_decoded(pid)]

    def endpoint(self, name: str, address: str) -> Endpoint:
        return Endpoint.objects.create(name=name, kind="webhook", address=address, secrets=[{"secret": SECRET, "until": None}])

    def hand_in(self, count: int, *, apart_s: float = 0.0) -> dict[str, int]:
        """New calls, each sent until it is accepted: external id and number."""
        numbers = range(self.sent, self.sent + count)
        self.sent += count
        with ThreadPoolExecutor(CLIENTS) as clients:
            done = []
            for number in numbers:
                done.append(clients.submit(self._hand_in, number))
                time.sleep(apart_s)
            for each in done:
                each.result()
        accepted = {external_id(number): number for number in numbers}
        self.handed |= accepted
        return accepted

    def _hand_in(self, number: int) -> None:
        fields = {"external_id": external_id(number), "channels": "agent,customer", "language": "en"}
        audio, until = recording(number), time.monotonic() + 300
        while not self._accepted(fields, audio):
            self.refused += 1
            if time.monotonic() > until:
                raise SystemExit(f"call {number} was not accepted for five minutes")
            time.sleep(1)

    def _accepted(self, fields: Mapping[str, str], audio: bytes) -> bool:
        url = f"http://127.0.0.1:{self.installation.web_port}/api/v1/calls/"
        headers = {"Authorization": f"Bearer {self.key}", "Idempotency-Key": fields["external_id"]}
        try:
            answer = httpx.post(url, data=dict(fields), files={"file": ("call.wav", audio)}, headers=headers, timeout=30, trust_env=False)
        except httpx.HTTPError:
            return False
        return answer.status_code in ACCEPTED

    def until(self, met: Callable[[], bool], patience_s: float, what: str) -> None:
        """Raises NotReachedError."""
        deadline = time.monotonic() + patience_s
        while not met():
            if time.monotonic() > deadline:
                raise NotReachedError(what)
            self.tick()
            time.sleep(POLL_S)

    def tick(self) -> None:
        """Do what it is time for."""
        for due in [each for each in self.later if each[0] <= time.monotonic()]:
            self.later.remove(due)
            due[1]()

    def running(self, step: str = "") -> set[str]:
        """External ids of calls that a worker has, at a step or anywhere."""
        where = {"step": step} if step else {}
        return asked(lambda: set(Call.objects.filter(status="running", **where).values_list("external_id", flat=True)))

    def ended(self, numbers: Mapping[str, int]) -> bool:
        """Whether these calls are done with, and the healthy receiver knows."""
        rows = asked(lambda: dict(Call.objects.filter(external_id__in=numbers, status__in=ENDED).values_list("id", "external_id")))
        told = {message.call for message in messages(self.got(HEALTHY))[0] if message.type in ("call.analyzed", "call.failed")}
        return len(rows) == len(numbers) and {str(call_id) for call_id in rows} <= told

    def done(self, numbers: Mapping[str, int]) -> int:
        return asked(lambda: Call.objects.filter(external_id__in=numbers, status__in=ENDED).count())

    def settle(self, numbers: Mapping[str, int], patience_s: float = SOFT_S) -> None:
        """Wait for these calls, but not for ever."""
        deadline = time.monotonic() + patience_s
        while not self.ended(numbers) and time.monotonic() < deadline:
            self.tick()
            time.sleep(0.5)

    def got(self, path: str) -> Sequence[Got]:
        return [each for each in list(self.receiver.got) if each.path == path]

    def judged(self, numbers: Mapping[str, int], path: str, flags: Mapping[Cut, int]) -> Verdict:
        return asked(lambda: judged(numbers, self.got(path), flags))

    def untold(self) -> list[str]:
        return asked(lambda: untold(self.got(HEALTHY)))

    @property
    def media(self) -> Path:
        return self.installation.home / "media"


def external_id(number: int) -> str:
    return f"C-{number:04d}"


def asked(ask: Callable[[], Answer], patience_s: float = 60.0) -> Answer:
    """What the database answers, asked again while it does not."""
    until = time.monotonic() + patience_s
    while True:
        try:
            return ask()
        except (OperationalError, InterfaceError):
            connection.close()
            if time.monotonic() > until:
                raise
            time.sleep(0.5)


def _has_decoded(pid: int) -> bool:
    """Whether a process has decoded audio, which lies in a file without a name, from its decoding to its storing."""
    opened = []
    with suppress(FileNotFoundError):
        for each in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                opened.append(str(each.readlink()))
    return any(NAMELESS.fullmatch(link) for link in opened)
