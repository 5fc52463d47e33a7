"""Breaks a whole installation on purpose and prints what was lost, done twice or stuck. The aim is none of any, whatever breaks.

python -m bench.chaos [--calls 200] [--fault NAME ...] [--quick]

It starts a PostgreSQL and a Redis of its own on free ports, as an ordinary user, and the whole platform on them; it touches no others.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from analysis import stop_signals
from bench import machine, servers
from bench.chaos import isolation
from bench.installation import Installation
from bench.receiver import receiving

if TYPE_CHECKING:
    from bench.chaos.faults import Struck
    from bench.chaos.recordings import Cut
    from bench.chaos.site import Site

LONGEST_S = 19 * 60
QUICK = ("none", "thrice", "flushall")
QUICK_CALLS = 6
DISK_MB = 400
CONFIG = '[transcribe]\nweights = "tiny.en"\n'
HEAD = ("calls", "lost", "twice", "repeated ids", "false alerts", "stuck", "failed", "recovered s")


def main() -> None:
    began = time.monotonic()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=200, help="in all, shared out among the faults")
    parser.add_argument("--fault", action="append", default=[], metavar="NAME", help="only this one, and the calls without a fault")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_CALLS} calls each, and without --fault only {', '.join(QUICK)}")
    parser.add_argument("--keep", action="store_true", help="leave the folder with all logs, and say where it is")
    given = parser.parse_args()
    servers.refuse_foreign()
    no_namespace = isolation.enter()
    with stop_signals.handled(stop_signals.leave), ExitStack() as opened:
        home = Path(tempfile.mkdtemp(prefix="chaos-")) if given.keep else Path(opened.enter_context(tempfile.TemporaryDirectory()))
        site = _site(opened, home, no_namespace)
        print(machine.describe("Django", "celery", "kombu", "redis", "psycopg2-binary"), flush=True)
        ok = _run(site, given, began)
        if given.keep:
            print(f"logs are in {home}")
    raise SystemExit(0 if ok else 1)


def _site(opened: ExitStack, home: Path, no_namespace: str | None) -> Site:
    """Everything started, with one healthy receiver."""
    media = home / "home" / "media"
    postgres, redis = opened.enter_context(servers.postgres(home)), opened.enter_context(servers.own_redis(home))
    receiver = opened.enter_context(receiving())
    media.mkdir(parents=True)
    no_disk = no_namespace or isolation.small_disk(media, DISK_MB)
    opened.callback(isolation.gone_disk, media)
    config = home / "analysis.toml"
    config.write_text(CONFIG)
    more = {
        "CALLANALYTICS_ANALYSIS_CONFIG": str(config),
        "CALLANALYTICS_ACCEPT_NONCOMMERCIAL_WEIGHTS": "true",
        "CALLANALYTICS_EGRESS_ALLOW": "http://127.0.0.1/32",
    }
    installation = opened.enter_context(Installation(home / "home", postgres, redis, more))
    os.environ |= installation.environment | {"DJANGO_SETTINGS_MODULE": "callanalytics.settings"}
    import django

    django.setup()
    from bench.chaos.site import HEALTHY, WORKERS, Site
    from callanalytics.people.models import User

    User.objects.create_superuser("owner")
    site = Site(installation, receiver, installation.api_key(), no_disk)
    installation.web()
    for name in (*WORKERS, "relay", "beat"):
        site.start(name)
    site.endpoint("healthy", receiver.url + HEALTHY)
    return site


def _run(site: Site, given: argparse.Namespace, began: float) -> bool:
    from bench.chaos.faults import FAULTS, SkippedError, Struck
    from bench.chaos.site import NotReachedError

    names = _names(given, list(FAULTS))
    count = QUICK_CALLS if given.quick else max(QUICK_CALLS, given.calls // len(names))
    flags = _flags(site)
    rows: list[tuple[str, Struck]] = []
    skipped: list[str] = []
    for name in names:
        title, fault = FAULTS[name]
        try:
            struck = fault(site, count)
        except (SkippedError, NotReachedError) as error:
            skipped.append(f"{title}: {error}")
            continue
        rows += _rows(title, struck)
        site.settle(struck[0].numbers)
        print(f"  {time.monotonic() - began:4.0f} s  {title}", flush=True)
    rows.append(("all calls", Struck(site.handed, time.time())))
    _wait_for_all(site, rows, flags, began)
    return _told(site, rows, skipped, flags, began)


def _names(given: argparse.Namespace, known: list[str]) -> list[str]:
    if unknown := [name for name in given.fault if name not in known]:
        raise SystemExit(f"There is no fault {unknown[0]!r}; known are {', '.join(known)}.")
    if given.fault:
        return ["none", *(name for name in known if name in given.fault and name != "none")]
    return list(QUICK) if given.quick else known


def _flags(site: Site) -> dict[Cut, int]:
    """How many flags a call of each kind has where nothing is broken; it also waits until the workers have built their engines."""
    from bench.chaos.recordings import CUTS, kind
    from bench.chaos.site import HEALTHY
    from bench.chaos.verdict import messages
    from callanalytics.calls.models import Call

    numbers = site.hand_in(len(CUTS))
    site.settle(numbers, 180)
    if not site.ended(numbers):
        raise SystemExit(f"Without any fault, {len(CUTS)} calls did not come through in three minutes.")
    kinds = {str(call.id): kind(numbers[call.external_id]) for call in Call.objects.filter(external_id__in=numbers)}
    site.until(lambda: not site.untold(), 30, "events without a fault")
    raised = [kinds[message.call] for message in messages(site.got(HEALTHY))[0] if message.type == "flag.raised"]
    return {cut: raised.count(cut) for cut in CUTS}


def _rows(title: str, struck: list[Struck]) -> list[tuple[str, Struck]]:
    from bench.chaos.faults import PATHS

    return [(PATHS.get(each.path, title), each) for each in struck]


def _wait_for_all(site: Site, rows: list[tuple[str, Struck]], flags: dict[Cut, int], began: float) -> None:
    """Until everything has ended, or there is no time left."""
    while time.monotonic() - began < LONGEST_S:
        site.tick()
        verdicts = [site.judged(struck.numbers, struck.path, flags) for _, struck in rows]
        if not site.later and not site.untold() and all(verdict.ended_at for verdict in verdicts):
            return
        time.sleep(2)


def _told(site: Site, rows: list[tuple[str, Struck]], skipped: list[str], flags: dict[Cut, int], began: float) -> bool:
    """Print the table; whether nothing was lost, done twice, raised wrongly, stuck or failed."""
    print(f"\n{'fault':<46}{'  '.join(HEAD)}")
    well = True
    for title, struck in rows:
        found = site.judged(struck.numbers, struck.path, flags)
        after = "-" if found.ended_at is None else f"{max(0.0, found.ended_at - struck.at):.0f}"
        cells = (found.calls, found.lost, found.twice, found.repeated, found.alarms, found.stuck, found.failed, after)
        print(f"{title:<46}{'  '.join(f'{cell:>{len(name)}}' for name, cell in zip(HEAD, cells, strict=True))}")
        well &= not (found.lost or found.twice or found.alarms or found.stuck or found.failed)
    untold = site.untold()
    print(f"\nEvents that never reached the healthy receiver: {len(untold)} {' '.join(untold[:5])}")
    for title, struck in rows:
        for note in struck.notes:
            print(f"{title}: {note}")
    for each in skipped:
        print(f"not done: {each}")
    print(f"{site.sent} calls in {time.monotonic() - began:.0f} s, load {os.getloadavg()[0]:.1f}", flush=True)
    return well and not untold


if __name__ == "__main__":
    main()
