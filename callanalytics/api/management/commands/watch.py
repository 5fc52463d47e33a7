"""`callanalytics watch FOLDER` or `s3://bucket/prefix`: hands in the recordings that turn up there, until it is stopped."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, close_old_connections, connection

from analysis import stop_signals
from callanalytics.api.places import Bucket, Folder
from callanalytics.api.watching import Watch
from callanalytics.calls import s3
from callanalytics.egress import Egress, EgressError, Policy
from callanalytics.errors import ApplicationError
from callanalytics.people.services import team_named

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable

    from callanalytics.api.places import Place

EVERY_S = {"folder": 5.0, "bucket": 60.0}
LOOK_S = 0.2


class Command(BaseCommand):
    help = "Hand in the recordings of a folder or a prefix in S3, those that are there and those that come; Ctrl-C stops it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "place", metavar="FOLDER|s3://BUCKET/PREFIX", help="where recordings turn up; call.wav.json says more of call.wav"
        )
        parser.add_argument("--team", default="", help="the team of the calls; else the agent's, the queue's, or Unassigned")
        parser.add_argument(
            "--pattern", default="", metavar="REGEX", help="only files of such names; its named groups are fields, as in (?P<agent>\\d+)"
        )
        parser.add_argument("--settle", type=float, default=10.0, metavar="S", help="a file is whole once it stayed the same for so long")
        parser.add_argument("--every", type=float, metavar="S", help="look every so many seconds: 5 for a folder, 60 for S3")
        parser.add_argument("--done-folder", type=Path, metavar="FOLDER", help="move what was taken there; else it stays where it is")
        parser.add_argument("--once", action="store_true", help="take what is there and end; exit status 1 where something was not taken")

    def handle(self, *_args: Any, place: str, **options: Any) -> None:
        self._check(options)
        watched = _place(place, options)
        watch = Watch(watched, self._tell, team=options["team"], pattern=re.compile(options["pattern"]) if options["pattern"] else None)
        every = options["every"] or EVERY_S["bucket" if place.startswith(s3.SCHEME) else "folder"]
        stopped: list[int] = []
        with stop_signals.handled(stopped.append):
            if options["once"]:
                self._once(watch, options["settle"] if isinstance(watched, Folder) else 0.0)
            while not (stopped or options["once"]):
                self._turn(watch, lambda: bool(stopped))
                _wait(every, lambda: bool(stopped))

    def _check(self, options: dict[str, Any]) -> None:
        try:
            team_named(options["team"])
            re.compile(options["pattern"])
        except (ApplicationError, re.error) as error:
            raise CommandError(f"--pattern: {error}" if isinstance(error, re.error) else error.message) from error

    def _once(self, watch: Watch, settle_s: float) -> None:
        refused = watch.turn()
        if settle_s:
            time.sleep(settle_s)
            refused = watch.turn()
        if refused:
            raise CommandError(f"{refused} not taken.")

    def _turn(self, watch: Watch, is_stopped: Callable[[], bool]) -> None:
        close_old_connections()
        try:
            watch.turn(is_stopped)
        except (OSError, EgressError) as error:
            self._tell(f"The place does not answer, and is looked at again: {error}", True)
        except OperationalError as error:
            connection.close()
            self._tell(f"The database does not answer, and is asked again: {error}", True)

    def _tell(self, line: str, trouble: bool) -> None:
        (self.stderr if trouble else self.stdout).write(line)
        self.stdout.flush()


def _place(place: str, options: dict[str, Any]) -> Place:
    if not place.startswith(s3.SCHEME):
        if not Path(place).is_dir():
            raise CommandError(f"{place} is no folder.")
        return Folder(Path(place), settle_s=options["settle"], done_folder=options["done_folder"])
    if options["done_folder"]:
        raise CommandError("Nothing is moved in S3; leave --done-folder out.")
    try:
        s3.check_access()
    except EgressError as error:
        raise CommandError(error.message) from error
    bucket, _, prefix = place.removeprefix(s3.SCHEME).partition("/")
    return Bucket(bucket, prefix, Egress(Policy.of(settings.EGRESS_ALLOW)))


def _wait(seconds: float, is_stopped: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while not is_stopped() and time.monotonic() < until:
        time.sleep(LOOK_S)
