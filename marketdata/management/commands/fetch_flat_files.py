"""`manage.py fetch_flat_files AAPL MSFT --start 2024-01-02 --end 2024-03-28`: Polygon's files into the store."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from engine.errors import InputError
from marketdata.providers import ProviderError
from marketdata.providers.polygon_files import FOLDERS
from marketdata.services import flat_files


class Command(BaseCommand):
    requires_system_checks: list[str] = []  # they import every URL module, which costs more than the work
    help = "Fetch Polygon's flat files (one a day, of all stocks) and store the bars of some symbols."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("symbols", nargs="+")
        parser.add_argument("--timeframe", default="1d", choices=list(FOLDERS))
        parser.add_argument("--start", type=date.fromisoformat, required=True, help="first day, 2024-01-02")
        parser.add_argument("--end", type=date.fromisoformat, required=True, help="last day")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            done = flat_files.fetch(options["symbols"], options["timeframe"], options["start"], options["end"])
        except InputError as error:
            raise CommandError("; ".join(f"{fault.path}: {fault.message}" for fault in error.faults)) from None
        except ProviderError as error:
            raise CommandError(error.message) from None
        for symbol, bars in done.bars.items():
            self.stdout.write(f"{symbol} {options['timeframe']}: {bars} bars added or changed.")
        self.stdout.write(f"{done.files} files read.")
        if done.missing:
            self.stdout.write("No file of: " + ", ".join(map(str, done.missing)))
        if done.until is not None:
            self.stdout.write(f"Files of days after {done.until} are not made yet.")
