"""How long the dashboard's pages take with thousands of stored calls on SQLite. Prints a table of medians; the aim is under 200 ms.

python -m bench.dashboard [--calls 5000] [--rounds 15]
"""

from __future__ import annotations

import argparse
import os
import platform
import sqlite3
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.test import Client

    from bench.dashboard_rows import Center
    from callanalytics.calls.models import Call

LIMIT_MS = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {
            "CALLANALYTICS_HOME": home,
            "CALLANALYTICS_ALLOWED_HOSTS": "testserver",
            "DJANGO_SETTINGS_MODULE": "callanalytics.settings",
        }
        os.environ.pop("DATABASE_URL", None)
        measure(Path(home), calls=arguments.calls, rounds=arguments.rounds)


def measure(home: Path, *, calls: int, rounds: int) -> None:
    import django

    django.setup()
    center = _seeded(calls)
    size = (home / "callanalytics.sqlite3").stat().st_size / 1e6
    machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    print(f"{machine}; Python {platform.python_version()}, Django {django.__version__}")
    print(f"SQLite {sqlite3.sqlite_version}, {calls} calls, {size:.0f} MB; median and slowest of {rounds} requests, after one to warm up\n")
    print(f"{'page':<34}{'who':<12}{'median ms':>10}{'max ms':>9}{'CPU ms':>8}{'kB':>7}  under {LIMIT_MS} ms")
    for who, name, address in _pages():
        _report(who, name, _timed(_client(center, who), address, rounds))


def _seeded(calls: int) -> Center:
    from django.core.management import call_command
    from django.db import connection

    from bench.dashboard_rows import Center, document_write, long_stored, stored

    call_command("migrate", verbosity=0)
    center = Center(seed=1)
    stored(center, calls)
    document_write(_sample())
    long_stored(center)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return center


def _sample() -> Call:
    from callanalytics.calls.models import Call

    return Call.objects.filter(flag_count=1, agent__code="A0").latest("started_at")


def _long() -> Call:
    from callanalytics.calls.models import Call

    return Call.objects.get(external_id="C-long")


def _pages() -> list[tuple[str, str, str]]:
    from callanalytics.calls.models import Call

    call, long = f"/calls/{_sample().pk}/", f"/calls/{_long().pk}/"
    last = max(Call.objects.count() // 50, 1)
    return [
        ("owner", "overview, 30 days", "/"),
        ("owner", "overview, 90 days", "/?days=90"),
        ("supervisor", "overview, 30 days", "/"),
        ("owner", "calls", "/calls/"),
        ("owner", "calls, last page", f"/calls/?page={last}"),
        ("owner", "calls, flagged", "/calls/?flagged=yes"),
        ("owner", "calls, voice and words disagree", "/calls/?disagreement=yes"),
        ("owner", "calls, search", "/calls/?text=customer+77"),
        ("supervisor", "calls", "/calls/"),
        ("agent", "my calls", "/calls/"),
        ("supervisor", "call", call),
        ("agent", "call, as its agent", call),
        ("supervisor", "call of 4 hours", long),
        ("agent", "call of 4 hours, as its agent", long),
        ("supervisor", "part of its transcript (htmx)", f"{long}parts/6/"),
        ("supervisor", "call state (htmx)", f"{call}status/"),
        ("supervisor", "transcript, VTT", f"{call}transcript/?format=vtt"),
        ("supervisor", "random stretch", "/review/random/"),
        ("supervisor", "coaching", "/coaching/"),
        ("supervisor", "upload form", "/calls/upload/"),
        ("supervisor", "help", "/help/"),
        ("supervisor", "about", "/about/"),
    ]


def _client(center: Center, who: str) -> Client:
    from django.test import Client

    client = Client()
    client.force_login({"owner": center.owner, "supervisor": center.supervisor, "agent": center.agent_user}[who])
    return client


@dataclass(frozen=True, slots=True)
class Timed:
    wall_ms: list[float]
    cpu_ms: list[float]
    """What the request itself took; on a busy machine the wall clock also counts the neighbours."""
    size: int
    """Bytes of the answer."""


def _timed(client: Client, address: str, rounds: int) -> Timed:
    wall_ms: list[float] = []
    cpu_ms: list[float] = []
    for _ in range(rounds + 1):
        wall, cpu = time.perf_counter(), time.process_time()
        response = client.get(address)
        wall_ms.append((time.perf_counter() - wall) * 1000)
        cpu_ms.append((time.process_time() - cpu) * 1000)
        if response.status_code != 200:
            raise SystemExit(f"{address} answered {response.status_code}")
    return Timed(wall_ms[1:], cpu_ms[1:], len(response.content))


def _report(who: str, name: str, timed: Timed) -> None:
    wall, cpu = statistics.median(timed.wall_ms), statistics.median(timed.cpu_ms)
    verdict = "yes" if wall < LIMIT_MS else "NO"
    print(f"{name:<34}{who:<12}{wall:>10.0f}{max(timed.wall_ms):>9.0f}{cpu:>8.0f}{timed.size / 1000:>7.0f}  {verdict}", flush=True)


if __name__ == "__main__":
    main()
