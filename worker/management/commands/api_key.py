"""`callanalytics api_key`: makes an API key and shows it, once."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from callanalytics.errors import ApplicationError
from callanalytics.people.keys import api_key_create
from callanalytics.people.scopes import Scope
from callanalytics.people.services import team_named

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = "Make an API key. Its text is shown once; only a digest is kept."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="Who uses it, as in CRM.")
        parser.add_argument("--scopes", nargs="+", default=[Scope.CALLS_READ], choices=Scope.values, metavar="SCOPE",
                            help=f"What it may do: {', '.join(Scope.values)}.")  # fmt: skip
        parser.add_argument("--team", default="", help="The team that it is for, with those below; without, all.")
        parser.add_argument("--days", type=int, help="Days after which it expires; without, never.")

    def handle(self, *_args: Any, **options: Any) -> None:
        days: int | None = options["days"]
        until = None if days is None else timezone.now() + timedelta(days=days)
        try:
            team = team_named(options["team"])
            made = api_key_create(user=None, name=options["name"], scopes=options["scopes"], team=team, expires_at=until)
        except ApplicationError as error:
            raise CommandError(error.message) from error
        self.stderr.write("Keep it well: it is not shown again.")
        self.stdout.write(made.text)
