"""`callanalytics sweep`: what the clock does every few seconds, once and by hand."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from callanalytics.calls.lease import call_requeue_expired


class Command(BaseCommand):
    help = "Take back calls whose worker went silent, and announce those that wait unheard."

    def handle(self, *_args: Any, **_options: Any) -> None:
        returned = call_requeue_expired()
        self.stdout.write(f"{returned} {'call' if returned == 1 else 'calls'} taken back from workers that went silent.")
