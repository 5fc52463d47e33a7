"""`callanalytics analyze FILE…`: stores recordings as calls and analyses them, here or by the workers."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.template.defaultfilters import pluralize
from django.urls import reverse

from analysis import stop_signals
from analysis.values import Party, ScoringMode
from callanalytics.calls import lease
from callanalytics.calls.ingest import Ingested, NewCall, call_ingest
from callanalytics.calls.models import Call, CallStatus, Direction, Notice
from callanalytics.errors import ApplicationError
from callanalytics.people import services as people
from worker.analysing import AttemptFailedError, call_attempt
from worker.progress import ENDED, CallProgress, follow

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable


SWEEP_EVERY_S = 5.0
"""A sweep looks through the whole installation; the call's own row is read much more often."""


class Command(BaseCommand):
    help = "Store recordings as calls and analyse them. Exit status 1 where one failed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a recording in any common format, mono or stereo")
        parser.add_argument("--team", default="", help="the team's name; else the agent's team, the queue's, or Unassigned")
        parser.add_argument("--agent", default="", metavar="CODE", help="the agent's code, as in A17; made where it is new")
        parser.add_argument("--queue", default="", metavar="NAME", help="the line the call came in on; made where it is new")
        parser.add_argument("--external-id", default="", metavar="ID", help="the call's id in the contact center, for one file")
        parser.add_argument("--channels", default="", metavar="PARTIES", help="who is on which channel, as in agent,customer")
        parser.add_argument("--language", default="", metavar="CODE", help="the call's language; detected where not given")
        parser.add_argument("--direction", default="", choices=[value for value in Direction.values if value])
        parser.add_argument("--scoring", default="", choices=[mode.value for mode in ScoringMode], help="how far the calls may be scored")
        parser.add_argument("--notice", default=Notice.UNKNOWN.value, choices=Notice.values, help="whether the caller was told")
        parser.add_argument("--objected", action="store_true", help="the caller objected: never scored for emotion")
        parser.add_argument("--enqueue", action="store_true", help="leave the analysis to the workers")
        parser.add_argument("--wait", action="store_true", help="with --enqueue, wait for the workers to finish")

    def handle(self, *_args: Any, files: list[Path], **options: Any) -> None:
        if options["external_id"] and len(files) > 1:
            raise CommandError("--external-id names one call; give one file with it.")
        with stop_signals.handled(stop_signals.leave):
            failed = [file for file in files if not self._taken(file, options)]
        if failed:
            raise CommandError(f"{len(failed)} of {len(files)} failed: {', '.join(file.name for file in failed)}", returncode=1)

    def _taken(self, file: Path, options: dict[str, Any]) -> bool:
        """Store one file and analyse it; false where that failed, after saying why."""
        try:
            ingested = _ingested(file, options)
            call = ingested.call
            if not ingested.created:
                self.stdout.write(f"{file}: this call was there already ({call.status})")
            if not options["enqueue"]:
                call = _analysed(call)
            elif options["wait"]:
                call = _followed(call, over=_ended_or_later)
        except (ApplicationError, OSError) as error:
            self.stderr.write(f"{file}: {_reason(error)}")
            return False
        return self._told(file, call, finished=not options["enqueue"] or options["wait"])

    def _told(self, file: Path, call: Call, *, finished: bool) -> bool:
        address = reverse("call-detail", args=[call.id])
        if finished and call.status != CallStatus.DONE:
            again = "; a worker will try again" if call.status == CallStatus.QUEUED else ""
            self.stderr.write(f"{file}: {call.status}: {call.reason}{again}. See {address} in the dashboard.")
            return False
        flags = f", {call.flag_count} flag{pluralize(call.flag_count)}" if call.status == CallStatus.DONE else ""
        self.stdout.write(f"{file}: {call.status}{flags}. See {address} in the dashboard.")
        return True


def _ingested(file: Path, options: dict[str, Any]) -> Ingested:
    if not file.is_file():
        raise ApplicationError("there is no such file")
    team = people.team_named(options["team"])
    agent, queue = people.agent_and_queue(options["agent"], options["queue"], team)
    details = NewCall(
        file_name=file.name,
        team=team,
        external_id=options["external_id"],
        agent=agent,
        queue=queue,
        direction=options["direction"],
        channels=tuple(Party(word) if word in set(Party) else word for word in _words(options["channels"])),
        language=options["language"],
        notice=options["notice"],
        objected=options["objected"],
        scoring=options["scoring"],
    )
    return call_ingest(file, details, user=None)


def _words(text: str) -> list[str]:
    return [word.strip().lower() for word in text.split(",") if word.strip()]


def _reason(error: ApplicationError | OSError) -> str:
    return error.message if isinstance(error, ApplicationError) else error.strerror or str(error)


def _analysed(call: Call) -> Call:
    """Analyse a call in this process. Where another one has it, watch that one, and take over if it fell silent: there may be no worker."""
    if call.status == CallStatus.FAILED:
        with transaction.atomic():
            lease.call_requeue(call, actor=None, why="analyze command")
    if call.status == CallStatus.DONE:
        return call
    sweep = _every(SWEEP_EVERY_S, lease.call_requeue_expired)
    while not _tried(call):
        call = _followed(call, over=_ended_or_due, check=sweep)
        if call.status in ENDED:
            return call
    return Call.objects.get(id=call.id)


def _tried(call: Call) -> bool:
    """One attempt in this process; false where the call is another worker's, or not due yet."""
    try:
        with CallProgress(call.file_name) as shown:
            return call_attempt(call.id, listener=shown.advance) is not None
    except AttemptFailedError:
        return True


def _followed(call: Call, *, over: Callable[[Call], bool], check: Callable[[], object] = lambda: None) -> Call:
    """Watch a call that somebody else analyses."""
    found = follow([call], over=over, check=check)
    if not found:
        raise ApplicationError("the call was deleted before it was analysed")
    return found[0]


def _ended_or_later(call: Call) -> bool:
    return call.status in ENDED or (call.status == CallStatus.QUEUED and call.next_attempt_at is not None)


def _ended_or_due(call: Call) -> bool:
    """Ended, or free for this process to take: a worker that was killed lost its lease, and the call waited its time."""
    return call.status in ENDED or lease.call_is_due(call.id)


def _every(seconds: float, act: Callable[[], object]) -> Callable[[], None]:
    """Does it at the first time of asking, and then at most once in so many seconds."""
    done_at = float("-inf")

    def ask() -> None:
        nonlocal done_at
        if time.monotonic() - done_at >= seconds:
            act()
            done_at = time.monotonic()

    return ask
