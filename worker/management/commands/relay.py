"""`callanalytics relay`: delivers events to the endpoints, until it is stopped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand

from analysis import stop_signals
from callanalytics.egress import Egress, Policy
from callanalytics.routing.links import link
from worker.relay import Relay

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = "Deliver events to webhooks and other endpoints; Ctrl-C stops it, and what it is sending is sent to its end."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--heartbeat", type=Path, help="A file that is touched every turn, for whoever watches the process.")

    def handle(self, *_args: Any, heartbeat: Path | None, **_options: Any) -> None:
        stopped: list[int] = []
        with stop_signals.handled(stopped.append):
            Relay(Egress(Policy.of(settings.EGRESS_ALLOW)), link).run(lambda: bool(stopped), heartbeat)
