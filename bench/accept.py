"""How many calls a second the API takes in: metadata and a file of 1 MB each, gunicorn on PostgreSQL. The aim is 40 a second on two cores.

python -m bench.accept [--calls 400] [--clients 8] [--profile FILE]
"""

from __future__ import annotations

import argparse
import http.client
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench import machine, servers
from bench.installation import ROOT, Installation

if TYPE_CHECKING:
    from collections.abc import Mapping

AIM_A_SECOND = 40
WARM_UP = 24
SIZE = 1_000_000
BOUNDARY = "d7d9a2f0c4"
FIELDS: Mapping[str, str] = {
    "agent": "A17",
    "queue": "billing",
    "direction": "inbound",
    "started_at": "2026-01-31T09:30:00Z",
    "channels": "agent,customer",
    "language": "en",
    "notice": "given",
    "customer_reference": "C-4471",
    "tags": "bench",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=400)
    parser.add_argument("--clients", type=int, default=8, help="that send at the same time")
    parser.add_argument("--profile", help="have py-spy write where the web server spends its time into this file")
    given = parser.parse_args()
    servers.refuse_foreign()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as opened:
        home = Path(folder)
        postgres, redis = opened.enter_context(servers.postgres(home)), opened.enter_context(servers.own_redis(home))
        site = opened.enter_context(Installation(home / "home", postgres, redis))
        print(machine.describe("Django", "djangorestframework", "gunicorn", "psycopg2-binary"))
        print(
            f"\n{given.clients} clients, {SIZE / 1e6:.0f} MB each: {'a second':>16}{'median ms':>11}{'p95 ms':>8}{'CPU ms':>8}{'load':>6}"
        )
        bare = _measured(site, "bench.bare_store", "/store/", given)
        _show("a view that only stores the file", bare)
        taken = _measured(site, "callanalytics.wsgi", "/api/v1/calls/", given)
        _show("POST /api/v1/calls/", taken, "yes" if taken.a_second >= AIM_A_SECOND else "NO")
        print(f"{'of the bare view':<42}{taken.a_second / bare.a_second:>9.0%}    at least {AIM_A_SECOND} a second")
        _check_rows(postgres, given.calls + WARM_UP)


@dataclass(frozen=True, slots=True)
class Timed:
    a_second: float
    each_ms: list[float]
    cpu_ms: float
    """Of the web server's processes, for each call; on a busy machine the clock also counts the neighbours."""


def _measured(site: Installation, application: str, path: str, given: argparse.Namespace) -> Timed:
    key = site.api_key()
    web = site.web(application)
    with ProcessPoolExecutor(given.clients) as pool:
        _sent(pool, site.web_port, path, key, 0, WARM_UP, given.clients)
        spy = _spy(web.pid, given.profile) if given.profile else None
        before, began = _cpu_s(web.pid), time.perf_counter()
        each_ms = _sent(pool, site.web_port, path, key, WARM_UP, given.calls, given.clients)
        took = time.perf_counter() - began
    cpu_s = _cpu_s(web.pid) - before
    if spy:
        spy.wait(60)
    web.terminate()
    web.wait(30)
    return Timed(given.calls / took, each_ms, 1000 * cpu_s / given.calls)


def _sent(pool: ProcessPoolExecutor, port: int, path: str, key: str, first: int, count: int, clients: int) -> list[float]:
    """Milliseconds of each call; every client sends its share, one after another."""
    shares = [range(first + place, first + count, clients) for place in range(clients)]
    done = [pool.submit(send, port, path, key, share) for share in shares]
    return [ms for each in done for ms in each.result()]


def send(port: int, path: str, key: str, numbers: range) -> list[float]:
    """Hand in these calls, over one connection."""
    audio, took = os.urandom(SIZE), []
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "Authorization": f"Bearer {key}"}
    for number in numbers:
        body = _body({**FIELDS, "external_id": f"C-{number}"}, f"{number:016d}".encode() + audio[16:])
        began = time.perf_counter()
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        said = answer.read()
        if answer.status != 202:
            raise SystemExit(f"{path} answered {answer.status}: {said[:500]!r}")
        took.append(1000 * (time.perf_counter() - began))
    return took


def _body(fields: Mapping[str, str], audio: bytes) -> bytes:
    parts = [f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()]
    file = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="call.wav"\r\nContent-Type: audio/wav\r\n\r\n'
    return "".join((*parts, file)).encode() + audio + f"\r\n--{BOUNDARY}--\r\n".encode()


def _cpu_s(parent: int) -> float:
    """Processor time of a process and its children, so far."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    ticks = 0
    for pid in (parent, *children):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _spy(pid: int, file: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["py-spy", "record", "--subprocesses", "--format", "raw", "-d", "5", "-o", file, "-p", str(pid)], cwd=ROOT)


def _show(name: str, timed: Timed, verdict: str = "") -> None:
    p95 = statistics.quantiles(timed.each_ms, n=20)[-1]
    shown = f"{timed.a_second:>9.0f}{statistics.median(timed.each_ms):>11.0f}{p95:>8.0f}{timed.cpu_ms:>8.1f}{os.getloadavg()[0]:>6.1f}"
    print(f"{name:<42}{shown}  {verdict}", flush=True)


def _check_rows(postgres: servers.Postgres, count: int) -> None:
    with postgres.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM calls_call")
        (kept,) = cursor.fetchone()
    if kept != count:
        sys.exit(f"{kept} calls were kept of {count}")


if __name__ == "__main__":
    main()
