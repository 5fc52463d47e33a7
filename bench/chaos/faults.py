"""The faults, each while its own calls are in flight. Each gives the time from which recovery counts: when it struck, or was over."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2  # type: ignore[import-untyped]
from django.utils import timezone

from bench.chaos import isolation
from bench.chaos.short_visibility import VISIBILITY_S
from bench.chaos.site import HEALTHY, WORKERS, NotReachedError, Site, asked, external_id
from bench.receiver import CLOSES, FAILS, FINE, GONE, HANGS, RESETS, redirects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from bench.receiver import Got
    from callanalytics.routing.models import Endpoint

REDIS_DOWN_S = 30
FROZEN_S = 170
"""Longer than a lease, the wait after it and two sweeps."""
SKEW_S = 600
IN_TROUBLE_S = 20
METADATA = "http://169.254.169.254/latest/meta-data/"
STORING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%\"calls_utterance\"%'"


class SkippedError(Exception):
    """This machine does not let the fault be made; says why."""


@dataclass
class Struck:
    """What a fault leaves to be judged."""

    numbers: Mapping[str, int]
    at: float
    """Seconds since the epoch."""
    path: str = HEALTHY
    """Of the receiver that is looked at."""
    notes: list[str] = field(default_factory=list)


def nothing(site: Site, count: int) -> list[Struck]:
    """The same calls without a fault, to compare with."""
    began = time.time()
    return [Struck(site.hand_in(count), began)]


def worker_killed(site: Site, count: int) -> list[Struck]:
    """kill -9 of a worker with its pool, in the middle of a transcription; another is started at once."""
    numbers = site.hand_in(count)
    name = WORKERS[0]
    for _ in range(40):
        site.until(lambda: bool(site.running("transcribe")), 60, "no call is being transcribed")
        os.killpg(site.processes[name].pid, signal.SIGSTOP)
        time.sleep(1.0)
        before = site.running("transcribe")
        time.sleep(1.5)
        held = before & site.running("transcribe")
        if held and site.analysing(name):
            break
        os.killpg(site.processes[name].pid, signal.SIGCONT)
    else:
        raise NotReachedError("the worker was never met in the middle of a transcription")
    site.kill(name)
    at = time.time()
    site.start(name)
    return [Struck(numbers, at, notes=[f"it was transcribing {', '.join(sorted(held))}"])]


def child_killed(site: Site, count: int) -> list[Struck]:
    """SIGKILL of one process of a pool at work, as the kernel sends it when memory runs out."""
    numbers = site.hand_in(count)
    os.kill(site.stopped_child(), signal.SIGKILL)
    return [Struck(numbers, time.time())]


def frozen(site: Site, count: int) -> list[Struck]:
    """A process that stands still for longer than its lease, and then goes on where it was."""
    numbers = site.hand_in(count)
    pid = site.stopped_child()
    site.later.append((time.monotonic() + FROZEN_S, lambda: os.kill(pid, signal.SIGCONT)))
    return [Struck(numbers, time.time())]


def long_task(site: Site, count: int) -> list[Struck]:
    """A task that takes longer than the broker's visibility timeout, so that its message is handed out again meanwhile."""
    numbers = site.hand_in(count)
    pid = site.stopped_child()
    site.settle(numbers, VISIBILITY_S + 15)
    os.kill(pid, signal.SIGCONT)
    return [Struck(numbers, time.time())]


def thrice(site: Site, count: int) -> list[Struck]:
    """Every message comes three times more."""
    from callanalytics.calls.models import Call
    from callanalytics.celery import app

    numbers = site.hand_in(count)
    at = time.time()
    for call_id in asked(lambda: list(Call.objects.filter(external_id__in=numbers).values_list("id", flat=True))):
        for _ in range(3):
            app.send_task("worker.call_analyze", [str(call_id)])
    return [Struck(numbers, at)]


def flushed(site: Site, count: int) -> list[Struck]:
    """FLUSHALL: every message is gone."""
    numbers = site.hand_in(count)
    site.until(lambda: bool(site.running()), 60, "no call is analysed")
    left = count - site.done(numbers)
    site.installation.redis.client().flushall()
    return [Struck(numbers, time.time(), notes=[f"{left} of {count} were not done"])]


def redis_stopped(site: Site, count: int) -> list[Struck]:
    """Redis is down for half a minute while calls are handed in; each must be accepted nevertheless."""
    before, refused = site.hand_in(count // 3), site.refused
    site.installation.redis.stop(signal.SIGKILL)
    up_at = time.monotonic() + REDIS_DOWN_S
    during = site.hand_in(count - len(before), apart_s=REDIS_DOWN_S / 2 / count)
    took = REDIS_DOWN_S - (up_at - time.monotonic())
    time.sleep(max(0.0, up_at - time.monotonic()))
    site.installation.redis.start()
    note = f"{len(during)} calls were accepted in {took:.0f} s without Redis, {site.refused - refused} requests refused"
    return [Struck(before | during, time.time(), notes=[note])]


def postgres_crashed(site: Site, count: int) -> list[Struck]:
    """PostgreSQL ends as in a crash while an analysis is being stored, and recovers, while more calls are handed in."""
    postgres, refused = site.installation.postgres, site.refused
    before = site.hand_in(count // 2)
    with ExitStack() as opened:
        blocker, watcher = (opened.enter_context(_closed_at_last(postgres.connect())) for _ in range(2))
        blocker.execute("LOCK TABLE calls_utterance IN SHARE MODE")
        site.until(lambda: _one(watcher, STORING) > 0, 60, "no analysis was being stored")
        storing = _one(watcher, STORING)
        clients = opened.enter_context(ThreadPoolExecutor(1))
        during = clients.submit(site.hand_in, count - len(before), apart_s=0.2)
        postgres.stop(signal.SIGQUIT)
        time.sleep(3)
        postgres.start()
        at = time.time()
        numbers = before | during.result()
    notes = [f"{storing} analyses were being stored; {site.refused - refused} requests refused and sent again"]
    return [Struck(numbers, at, notes=notes)]


@contextmanager
def _closed_at_last(connection: Any) -> Iterator[Any]:
    """A cursor of it, in one transaction; the server may be gone when it closes."""
    try:
        yield connection.cursor()
    finally:
        with suppress(psycopg2.Error):
            connection.close()


def _one(cursor: Any, statement: str) -> int:
    """One number; pg_stat_activity is looked at anew, not as it was when the transaction began."""
    cursor.execute("SELECT pg_stat_clear_snapshot()")
    cursor.execute(statement)
    return int(cursor.fetchone()[0])


def relay_killed(site: Site, count: int) -> list[Struck]:
    """kill -9 of the relay when the receiver has got a request and the answer is not written down; another is started at once."""
    got: list[str] = []
    own = {external_id(number) for number in range(site.sent, site.sent + count)}

    def kill(each: Got) -> None:
        if each.path == HEALTHY and not got and json.loads(each.body)["data"].get("external_id") in own:
            got.append(each.id)
            os.kill(site.processes["relay"].pid, signal.SIGKILL)

    site.receiver.on_request = kill
    numbers = site.hand_in(count)
    site.until(lambda: bool(got), 60, "no event came")
    at = time.time()
    site.receiver.on_request = lambda _: None
    site.processes.pop("relay").wait()
    site.start("relay")
    return [Struck(numbers, at, notes=[f"it had sent {got[0]} and noted nothing"])]


TROUBLE = {"500": FAILS, "hangs": HANGS, "resets": RESETS, "redirects": redirects(METADATA), "gone": GONE}


def receivers_in_trouble(site: Site, count: int) -> list[Struck]:
    """Five receivers that each fail in their way beside one that is well, and are well again after a while."""
    endpoints = {how: site.endpoint(how, f"{site.receiver.url}/{how}") for how in TROUBLE}
    since = timezone.now()
    site.receiver.answers |= {f"/{how}": answer for how, answer in TROUBLE.items()}
    began = time.time()
    numbers = site.hand_in(count)
    site.settle(numbers)
    site.until(lambda: time.time() > began + IN_TROUBLE_S, IN_TROUBLE_S + 1, "")
    site.receiver.answers |= {f"/{how}": FINE for how in TROUBLE}
    at = time.time()
    notes = {how: [_tries(endpoint)] for how, endpoint in endpoints.items()}
    _switch_on(endpoints["gone"], since)
    return [Struck(numbers, began), *(Struck(numbers, at, f"/{how}", notes[how]) for how in TROUBLE)]


def _tries(endpoint: Endpoint) -> str:
    from callanalytics.routing.models import Attempt

    tries = Attempt.objects.filter(delivery__endpoint=endpoint)
    said = sorted({f"{each.status_code or each.error}" for each in tries if each.status_code != 200})
    return f"{tries.count()} tries: {', '.join(said)}"


def _switch_on(endpoint: Endpoint, since: datetime) -> None:
    """As a person does it who finds the endpoint switched off."""
    from callanalytics.people.models import User
    from callanalytics.routing.endpoints import endpoint_switch
    from callanalytics.routing.replays import deliveries_replay_range

    owner = User.objects.get(username="owner")
    endpoint_switch(user=owner, endpoint_id=endpoint.id, enabled=True)
    deliveries_replay_range(user=owner, endpoint_id=endpoint.id, since=since, until=timezone.now())


def names_change(site: Site, count: int) -> list[Struck]:
    """A name that means an allowed address when it is checked and another one when it is asked for again."""
    allowed, forbidden = "127.0.0.1", "127.0.0.66"
    if why := isolation.own_names(site.installation.home / "resolv.conf"):
        raise SkippedError(why)
    try:
        names = isolation.Names([allowed, forbidden])
    except OSError as error:
        raise SkippedError(f"a name server needs port 53: {error.strerror}") from error
    trap = isolation.Trap(forbidden, site.receiver.port)
    site.receiver.answers["/renamed"] = CLOSES
    endpoint = site.endpoint("renamed", f"http://{isolation.NAME}:{site.receiver.port}/renamed")
    began = time.time()
    numbers = site.hand_in(count)
    site.settle(numbers)
    names.addresses = [allowed]
    at = time.time()
    note = f"the name was asked for {names.asked} times; {trap.sprung} connections to the forbidden address; {_tries(endpoint)}"
    if trap.sprung:
        raise SystemExit(f"a request went to {forbidden}, which is not allowed")
    return [Struck(numbers, began), Struck(numbers, at, "/renamed", [note])]


def clocks_differ(site: Site, count: int) -> list[Struck]:
    """Workers and relay ten minutes ahead of the web server and the database, the beat ten behind; and every message is lost."""
    library = _other_clock(site.installation.home)
    names = (*WORKERS, "relay", "beat")
    for name in names:
        site.stop(name)
    # Of when each sweep ran last: to a beat that is behind, that lies ahead, as where a clock is put back and not just wrong.
    for schedule in site.installation.home.glob("schedule*"):
        schedule.unlink()
    for name in names:
        site.start(name, LD_PRELOAD=library, CLOCK_OFFSET_S=str(-SKEW_S if name == "beat" else SKEW_S))
    at = time.time()
    numbers = site.hand_in(count)
    site.installation.redis.client().flushall()
    site.settle(numbers, 90)
    for name in names:
        site.stop(name)
        site.start(name)
    return [Struck(numbers, at)]


def _other_clock(folder: Path) -> str:
    library, source = folder / "other_clock.so", Path(__file__).with_name("other_clock.c")
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise SkippedError("a C compiler is needed, for a clock that is wrong in some processes only")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source)], check=True)
    return str(library)


def disk_full(site: Site, count: int) -> list[Struck]:
    """The disk of the recordings has no byte left while calls are handed in; after ten seconds there is room again."""
    if site.disk:
        raise SkippedError(site.disk)
    from callanalytics.calls.models import Call

    refused, ballast, since = site.refused, site.media / "ballast", timezone.now()
    _fill(ballast)
    with ThreadPoolExecutor(1) as clients:
        handed = clients.submit(site.hand_in, count)
        time.sleep(10)
        accepted = asked(lambda: Call.objects.filter(created_at__gte=since).count())
        ballast.unlink()
        at = time.time()
        numbers = handed.result()
    note = f"{site.refused - refused} requests refused and sent again, {accepted} accepted on the full disk"
    return [Struck(numbers, at, notes=[note])]


def _fill(ballast: Path) -> None:
    with ballast.open("wb") as out:
        for size in (1 << 20, 1 << 12):
            with suppress(OSError):
                while True:
                    os.write(out.fileno(), b"\0" * size)


FAULTS: dict[str, tuple[str, Callable[[Site, int], list[Struck]]]] = {
    "none": ("no fault", nothing),
    "worker-killed": ("kill -9 a worker that transcribes", worker_killed),
    "child-killed": ("SIGKILL a pool child (out of memory)", child_killed),
    "frozen": ("a process frozen beyond its lease", frozen),
    "flushall": ("FLUSHALL on Redis", flushed),
    "redis-stopped": ("Redis down 30 s during uploads", redis_stopped),
    "postgres-crashed": ("PostgreSQL crashes in a store", postgres_crashed),
    "relay-killed": ("kill -9 the relay between send and mark", relay_killed),
    "receivers": ("beside receivers in trouble", receivers_in_trouble),
    "names": ("a DNS answer that changes", names_change),
    "long-task": ("a task beyond the visibility timeout", long_task),
    "thrice": ("each message three times more", thrice),
    "clocks": ("clocks that differ by 10 and 20 min", clocks_differ),
    "disk-full": ("disk full while storing uploads", disk_full),
}
"""By the name that `--fault` takes: what the table calls it, and what does it, in the order of a full run."""
PATHS = {
    "/500": "a receiver that answers 500",
    "/hangs": "a receiver that hangs",
    "/resets": "a receiver that resets",
    "/redirects": "a receiver that redirects to 169.254.169.254",
    "/gone": "a receiver that answers 410, switched on again",
    "/renamed": "the receiver behind that name",
}
