"""`manage.py import_news FILE`: bring in a CSV or JSON file of news; or, with --provider, what a provider has."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from engine.errors import InputError
from marketdata.news import services
from marketdata.news.base import providers
from tradingsite.lib.errors import ApiError


class Command(BaseCommand):
    requires_system_checks: list[str] = []  # they import every URL module, which costs more than the work
    help = "Import news from a CSV or JSON file (everything in it, or nothing), or from a provider."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "file", type=Path, nargs="?", help="columns published_at, symbol, title[, summary, url, score]"
        )
        parser.add_argument("--symbol", default="", help="of items which name none; with --provider, whose news")
        parser.add_argument("--provider", default="", choices=["", *providers()], help="ask this one, read no file")
        parser.add_argument("--start", default="", help="with --provider: first day, YYYY-MM-DD")
        parser.add_argument("--end", default="", help="with --provider: last day, included")
        parser.add_argument("--user", default="", help="user name; without it, everybody sees the news")

    def handle(self, *args: Any, **options: Any) -> None:
        user = None
        if options["user"]:
            user = get_user_model().objects.filter(username=options["user"]).first()
            if user is None:
                raise CommandError(f"there is no user {options['user']!r}")
        if (options["file"] is None) == (not options["provider"]):
            raise CommandError("name a file or a --provider, one of the two")
        try:
            outcome = self._from_provider(user, options) if options["provider"] else self._from_file(user, options)
        except InputError as error:
            lines = [f"{f.path}: {f.message}" + (f" ({f.hint})" if f.hint else "") for f in error.faults]
            raise CommandError("nothing was imported:\n  " + "\n  ".join(lines)) from None
        except ApiError as error:
            raise CommandError(f"nothing was imported: {error.message}") from None
        except OSError as error:
            raise CommandError(f"nothing was imported: {error.strerror}") from None
        self.stdout.write(
            f"{outcome.added} items added, {outcome.known} known already: {', '.join(outcome.symbols[:20])}."
        )

    def _from_file(self, user: Any, options: dict[str, Any]) -> services.Outcome:
        items = services.read(
            options["file"].read_bytes(),
            symbol=options["symbol"],
            most=services.MAX_ITEMS_BY_COMMAND,
            max_bytes=services.MAX_BYTES_BY_COMMAND,
        )
        return services.store(user, items)

    def _from_provider(self, user: Any, options: dict[str, Any]) -> services.Outcome:
        days = []
        for name in ("start", "end"):
            try:
                days.append(datetime.combine(datetime.fromisoformat(options[name]).date(), time(), UTC))
            except ValueError:
                raise CommandError(f"--{name}: {options[name]!r} is not a day; write 2024-03-01") from None
        first, last = days
        return services.fetch(user, options["provider"], options["symbol"], first, last + timedelta(days=1))
