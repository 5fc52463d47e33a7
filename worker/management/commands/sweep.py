"""`callanalytics sweep`: what the clock does every few seconds and hours, once and by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils import timezone

from callanalytics.calls.cleaning import cleaner_copies_requeue_expired
from callanalytics.calls.lease import call_requeue_expired
from callanalytics.calls.leftovers import FOLDERS, leftovers_remove
from callanalytics.calls.resumable import uploads_expire
from callanalytics.routing.deliveries import deliveries_forget


class Command(BaseCommand):
    help = "Take back calls whose worker went silent, announce those that wait, remove files of no call, forget old deliveries."

    def handle(self, *_args: Any, **_options: Any) -> None:
        returned = call_requeue_expired()
        cleaner_copies_requeue_expired()
        self.stdout.write(f"{returned} {'call' if returned == 1 else 'calls'} taken back from workers that went silent.")
        expired = uploads_expire()
        self.stdout.write(f"{expired} {'upload' if expired == 1 else 'uploads'} removed that nobody went on with.")
        removed = leftovers_remove(FOLDERS)
        self.stdout.write(f"{removed} {'file' if removed == 1 else 'files'} removed that belonged to no call.")
        forgotten = deliveries_forget(timezone.now() - timedelta(days=settings.DELIVERIES_DAYS))
        self.stdout.write(f"{forgotten} {'delivery' if forgotten == 1 else 'deliveries'} of long ago forgotten.")
