# ruff: noqa: N999 - the name of the command
"""`callanalytics import manifest.csv`: hands in the calls of a list, whose recordings lie beside it or at an address."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from rest_framework import serializers

from analysis import stop_signals
from callanalytics.api import filing, manifests
from callanalytics.api.serializers import CallFieldsSerializer
from callanalytics.calls.services import call_announce, call_ingest
from callanalytics.errors import ApplicationError

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from callanalytics.calls.services import Ingested


class ImportedCallSerializer(CallFieldsSerializer):
    """A row of the list: a file beside it, or an address, and what is known of the call."""

    file = serializers.CharField(required=False, max_length=4000)
    url = serializers.CharField(required=False, max_length=4000)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("file" in attrs) == ("url" in attrs):
            raise serializers.ValidationError({"file": "Name a file beside the list, or an address in url."})
        return attrs


class Command(BaseCommand):
    help = "Hand in the calls of a list: fields of the API, and `file` or `url` in each row. Exit status 1 where one was refused."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("manifest", type=Path, metavar="MANIFEST", help="a CSV file whose first line names the fields, or a JSON list")
        parser.add_argument("--team", default="", help="the team of rows that name none; else the agent's, the queue's, or Unassigned")

    def handle(self, *_args: Any, manifest: Path, team: str, **_options: Any) -> None:
        rows = _rows(manifest)
        with stop_signals.handled(stop_signals.leave):
            refused = sum(not self._told(outcome) for outcome in manifests.taken(rows, lambda row: _taken(row, manifest.parent, team)))
        if refused:
            raise CommandError(f"{refused} of {len(rows)} refused; correct them and import the list again, the others stay as they are.")

    def _told(self, outcome: manifests.Outcome) -> bool:
        if outcome.call is None:
            reasons = "; ".join(f"{field}: {each}" if field else each for field, found in outcome.errors.items() for each in found)
            self.stderr.write(f"row {outcome.row}: refused: {reasons}")
            return False
        self.stdout.write(f"row {outcome.row}: {outcome.call}: {'queued' if outcome.created else 'was there already'}")
        return True


def _rows(manifest: Path) -> list[Any]:
    try:
        content = manifest.read_bytes()
        if manifest.suffix.lower() != ".json":
            return list(manifests.rows_of_csv(content, list(ImportedCallSerializer().fields)))
        rows = json.loads(content)
    except OSError as error:
        raise CommandError(f"{manifest}: {error.strerror}") from error
    except (ApplicationError, ValueError) as error:
        raise CommandError(f"{manifest}: {error}") from error
    if not isinstance(rows, list):
        raise CommandError(f"{manifest} is no JSON list.")
    return rows


def _taken(row: Any, folder: Path, team: str) -> Ingested:
    fields = ImportedCallSerializer.read({"team": team, **row} if isinstance(row, dict) else row)
    if "url" in fields:
        return call_announce(fields["url"], filing.new_call(fields, user=None), user=None)
    file = folder / fields["file"]
    if not file.is_file():
        raise ApplicationError(f"There is no file {file}.", field="file")
    try:
        return call_ingest(file, filing.new_call(fields, user=None, file_name=file.name), user=None)
    except OSError as error:
        raise ApplicationError(f"{file}: {error.strerror}.", field="file") from error
