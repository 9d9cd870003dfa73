"""`manage.py import_bars FILE`: bring in a CSV or Parquet file of bars."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from engine.errors import InputError
from marketdata.columns import TIMEFRAME_NS
from marketdata.services import imports
from marketdata.zones import CALENDAR_ZONES


class Command(BaseCommand):
    requires_system_checks: list[str] = []  # they import every URL module, which costs more than the work
    help = "Import bars from a CSV or Parquet file; everything in it, or nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--symbol", default="", help="needed when the file has no symbol column")
        parser.add_argument(
            "--timeframe", default="", choices=["", *TIMEFRAME_NS], help="default: found from the times"
        )
        parser.add_argument("--calendar", default="XNYS", choices=list(CALENDAR_ZONES), help="exchange hours")
        parser.add_argument("--zone", default="UTC", help="zone of times that carry none")
        parser.add_argument("--user", default="", help="user name; without it, everybody sees the instrument")

    def handle(self, *args: Any, **options: Any) -> None:
        owner_id = None
        if options["user"]:
            user = get_user_model().objects.filter(username=options["user"]).first()
            if user is None:
                raise CommandError(f"there is no user {options['user']!r}")
            owner_id = user.pk
        try:
            outcome = imports.bring_in(
                options["file"],
                owner_id=owner_id,
                symbol=options["symbol"],
                timeframe=options["timeframe"],
                calendar=options["calendar"],
                zone=options["zone"],
            )
        except InputError as error:
            lines = [f"{f.path}: {f.message}" + (f" ({f.hint})" if f.hint else "") for f in error.faults]
            raise CommandError("nothing was imported:\n  " + "\n  ".join(lines)) from None
        except OSError as error:
            raise CommandError(f"nothing was imported: {error.strerror}") from None
        for series in outcome["symbols"]:
            self.stdout.write(
                f"{series['symbol']} {outcome['timeframe']}: {series['added']} bars added, "
                f"{series['changed']} changed, {series['unchanged']} unchanged, {series['total']} in all."
            )
        for note in outcome["notes"]:
            self.stdout.write(note)
