"""`callanalytics relay`: delivers events to the endpoints, until it is stopped."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from analysis import stop_signals
from callanalytics.egress import Egress, Policy
from callanalytics.routing.links import link
from worker.relay import Relay


class Command(BaseCommand):
    help = "Deliver events to webhooks and other endpoints; Ctrl-C stops it, and what it is sending is sent to its end."

    def handle(self, *_args: Any, **_options: Any) -> None:
        stopped: list[int] = []
        with stop_signals.handled(stopped.append):
            Relay(Egress(Policy.of(settings.EGRESS_ALLOW)), link).run(lambda: bool(stopped))
