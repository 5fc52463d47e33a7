"""How many events a second one relay process delivers, and how soon while another endpoint is dead. Aims: 200 a second, 2 s at p95.

python -m bench.relay [--database postgres|sqlite] [--events 2000] [--queued 100000]
"""

from __future__ import annotations

import argparse
import base64
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from bench import machine, servers
from bench.receiver import HANGS, receiving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.receiver import Receiver
    from callanalytics.routing.models import Endpoint

ROOT = Path(__file__).resolve().parents[1]
AIM_A_SECOND, AIM_P95_S = 200, 2.0
SECRET = "whsec_" + base64.b64encode(os.urandom(24)).decode()
PATIENCE_S = 120.0
BATCH = 5000
THREADS = 4
"""As the relay has for one endpoint."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=("postgres", "sqlite"), help="one of them alone")
    parser.add_argument("--events", type=int, default=2000)
    parser.add_argument("--queued", type=int, default=100_000, help="deliveries that wait for the dead endpoint")
    parser.add_argument("--seconds", type=int, default=30, help="how long new events come while it is dead, 20 a second")
    parser.add_argument("--bare", metavar="URL", help=argparse.SUPPRESS)
    given = parser.parse_args()
    servers.refuse_foreign()
    if given.bare:
        _bare(given.bare, given.events)
    elif given.database:
        _measured(given)
    else:
        print(machine.describe("Django", "httpcore", "psycopg2-binary"))
        for database in ("postgres", "sqlite"):
            subprocess.run([sys.executable, "-m", "bench.relay", "--database", database, *sys.argv[1:]], cwd=ROOT, check=True)


def _measured(given: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as opened:
        receiver = opened.enter_context(receiving())
        home = Path(folder)
        os.environ |= {
            "CALLANALYTICS_HOME": str(home / "home"),
            "CALLANALYTICS_EGRESS_ALLOW": "http://127.0.0.1/32",
            "CALLANALYTICS_LOG_LEVEL": "ERROR",
            "DJANGO_SETTINGS_MODULE": "callanalytics.settings",
        }
        if given.database == "postgres":
            os.environ["DATABASE_URL"] = opened.enter_context(servers.postgres(home)).url
        _prepare()
        bare = _bare_rate(receiver, given.events)
        _report_rate(given.database, _rate(receiver, given.events), bare)
        _report_dead(given, receiver)


def _prepare() -> None:
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


@dataclass(frozen=True, slots=True)
class Rate:
    a_second: float
    cpu_ms: float
    """Of the relay's process, for each delivery; on a busy machine the clock also counts the neighbours."""
    load: float


def _rate(receiver: Receiver, count: int) -> Rate:
    endpoint = _endpoint("healthy", receiver.url + "/rate")
    _happen(count)
    with _relay() as relay:
        ids = _received(receiver, "/rate", count)
        cpu_s = _cpu_s(relay)
        _settled(endpoint, count)
    _check(len(set(ids)) == len(ids) == count, f"{len(ids)} requests for {count} events")
    endpoint.delete()
    return Rate(_a_second(receiver, "/rate"), 1000 * cpu_s / count, os.getloadavg()[0])


def _bare_rate(receiver: Receiver, count: int) -> Rate:
    """The same requests from the same number of threads, signed, with no database: what the machine can do at most."""
    command = [sys.executable, "-m", "bench.relay", "--bare", receiver.url + "/bare", "--events", str(count)]
    done = subprocess.Popen(command, cwd=ROOT, env={k: v for k, v in os.environ.items() if k not in servers.FOREIGN})
    _received(receiver, "/bare", count)
    cpu_s = _cpu_s(done)
    done.wait(PATIENCE_S)
    return Rate(_a_second(receiver, "/bare"), 1000 * cpu_s / count, os.getloadavg()[0])


def _bare(url: str, count: int) -> None:
    from standardwebhooks import Webhook

    from callanalytics.egress import Egress, Policy

    egress, body, signer = Egress(Policy.of(["http://127.0.0.1/32"])), b"{}" * 150, Webhook(SECRET)

    def post(number: int) -> None:
        signed = signer.sign(str(number), datetime.now(UTC).replace(tzinfo=None), body.decode())
        egress.post(url, body, {"webhook-id": str(number), "webhook-signature": signed}, timeout_s=15, max_bytes=4096)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(post, range(count)))
    time.sleep(1)  # until its processor time is read


def _a_second(receiver: Receiver, path: str) -> float:
    times = sorted(got.at for got in receiver.got if got.path == path)
    return (len(times) - 1) / (times[-1] - times[0])


def _cpu_s(process: subprocess.Popen[bytes]) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _relay() -> Iterator[subprocess.Popen[bytes]]:
    relay = subprocess.Popen([sys.executable, "manage.py", "relay"], cwd=ROOT)
    try:
        yield relay
    finally:
        relay.kill()
        relay.wait()


def _endpoint(name: str, address: str) -> Endpoint:
    from callanalytics.routing.models import Endpoint

    return Endpoint.objects.create(name=name, kind="webhook", address=address, secrets=[{"secret": SECRET, "until": None}])


def _happen(count: int) -> None:
    """Events as the platform writes them."""
    from django.db import transaction

    from callanalytics.events.services import event_record

    with transaction.atomic():
        for number in range(count):
            event_record(type="call.received", subject=str(number), team=None, payload={"call": "", "external_id": f"C-{number}"})


def _received(receiver: Receiver, path: str, count: int) -> list[str]:
    deadline = time.monotonic() + PATIENCE_S
    while len(receiver.ids(path)) < count:
        _check(time.monotonic() < deadline, f"only {len(receiver.ids(path))} of {count} came to {path}")
        time.sleep(0.2)
    return receiver.ids(path)


def _settled(endpoint: Endpoint, count: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while endpoint.deliveries.filter(status="delivered", attempts=1).count() < count:
        _check(time.monotonic() < deadline, "deliveries stayed unsettled")
        time.sleep(0.2)


def _report_rate(database: str, found: Rate, bare: Rate) -> None:
    print(f"\n{database}, one relay, one receiver: {'a second':>10}{'CPU ms':>8}{'load':>6}  at least {AIM_A_SECOND}")
    print(f"{'requests alone, no database':<38}{bare.a_second:>9.0f}{bare.cpu_ms:>8.1f}{bare.load:>6.1f}")
    verdict = "yes" if found.a_second >= AIM_A_SECOND else "NO"
    print(f"{'deliveries':<38}{found.a_second:>9.0f}{found.cpu_ms:>8.1f}{found.load:>6.1f}  {verdict}")
    print(f"{'of the requests alone':<38}{found.a_second / bare.a_second:>9.0%}", flush=True)


def _report_dead(given: argparse.Namespace, receiver: Receiver) -> None:
    dead, healthy = _endpoint("dead", ""), _endpoint("healthy", receiver.url + "/healthy")
    _queue(dead, given.queued)
    receiver.answers["/dead"] = HANGS
    head = f"{given.database}, {given.queued} deliveries wait for a dead endpoint: delay of a healthy one"
    print(f"\n{head}{'median s':>10}{'p95 s':>7}{'max s':>7}{'load':>6}  p95 under {AIM_P95_S:.0f} s")
    for how, address in (("refuses", f"http://127.0.0.1:{servers.free_port()}/dead"), ("hangs", receiver.url + "/dead")):
        type(dead).objects.filter(id=dead.id).update(address=address, failures=0, failing_since=None, resting_until=None)
        delays = _delays(receiver, healthy, given.seconds)
        p95 = statistics.quantiles(delays, n=20)[-1]
        verdict = "yes" if p95 <= AIM_P95_S else "NO"
        shown = f"{statistics.median(delays):>10.2f}{p95:>7.2f}{max(delays):>7.2f}{os.getloadavg()[0]:>6.1f}"
        print(f"{'while it ' + how + f', {len(delays)} new events':<{len(head)}}{shown}  {verdict}", flush=True)


def _queue(dead: Endpoint, count: int) -> None:
    """Events of an hour ago that were told to everybody else."""
    from django.utils import timezone

    from callanalytics.events.models import Event
    from callanalytics.routing.models import Delivery

    ago = timezone.now() - timedelta(hours=1)
    events = (Event(type="call.received", subject=str(number), payload={"call": ""}, relayed_at=ago) for number in range(count))
    while made := list(islice(events, BATCH)):
        Event.objects.bulk_create(made)
        Delivery.objects.bulk_create([Delivery(endpoint=dead, event=event, subject=event.subject, due_at=ago) for event in made])


def _delays(receiver: Receiver, healthy: Endpoint, seconds: int) -> list[float]:
    """Seconds from the commit of each new event to its request, 20 events a second."""
    from callanalytics.events.models import Event

    since = time.time()
    with _relay():
        _happen(1)
        _received(receiver, "/healthy", len(receiver.ids("/healthy")) + 1)
        for _ in range(20 * seconds):
            _happen(1)
            time.sleep(0.05)
        deadline = time.monotonic() + PATIENCE_S
        while healthy.deliveries.filter(status__in=("waiting", "sending")).exists() or Event.objects.filter(relayed_at=None).exists():
            _check(time.monotonic() < deadline, "events of the healthy endpoint wait for ever")
            time.sleep(0.2)
    created = {str(event.id): event.created_at.timestamp() for event in Event.objects.filter(deliveries__endpoint=healthy)}
    return [got.at - created[got.id] for got in receiver.got if got.path == "/healthy" and created[got.id] > since][1:]


def _check(met: bool, message: str) -> None:
    if not met:
        raise SystemExit(message)


if __name__ == "__main__":
    main()
