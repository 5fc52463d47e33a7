"""`callanalytics sweep`: what the clock does every few seconds and hours, once and by hand."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from callanalytics.calls.cleaning import cleaner_copies_requeue_expired
from callanalytics.calls.lease import call_requeue_expired
from callanalytics.calls.leftovers import FOLDERS, leftovers_remove
from callanalytics.calls.resumable import uploads_expire


class Command(BaseCommand):
    help = "Take back calls whose worker went silent, announce those that wait unheard, and remove files that belong to no call."

    def handle(self, *_args: Any, **_options: Any) -> None:
        returned = call_requeue_expired()
        cleaner_copies_requeue_expired()
        self.stdout.write(f"{returned} {'call' if returned == 1 else 'calls'} taken back from workers that went silent.")
        expired = uploads_expire()
        self.stdout.write(f"{expired} {'upload' if expired == 1 else 'uploads'} removed that nobody went on with.")
        removed = leftovers_remove(FOLDERS)
        self.stdout.write(f"{removed} {'file' if removed == 1 else 'files'} removed that belonged to no call.")
