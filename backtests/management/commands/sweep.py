"""`manage.py sweep FILE --user NAME`: start a sweep from a JSON file, wait for its end, print the best.

FILE holds the body of POST /api/sweeps (docs/guide.md). With --count it says only how many combinations there are. The
chunks are run by the site's workers; --here runs them in this process as well, so that no worker is needed.
"""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from backtests.models import Sweep
from backtests.sweeps import selectors, services
from engine.errors import InputError
from tradingsite.lib.errors import ApiError

_MAX_JSON_BYTES = 1_000_000
_TICK_S = 0.5


class Command(BaseCommand):
    help = "Sweep a strategy over combinations of its parameters and settings."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="JSON: the body of POST /api/sweeps")
        parser.add_argument("--user", required=True, help="whose sweep it is")
        parser.add_argument("--count", action="store_true", help="count the combinations and end")
        parser.add_argument("--here", action="store_true", help="run chunks in this process too")
        parser.add_argument("--best", type=int, default=10, help="how many combinations to print; default 10")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.select_related("tier").filter(username=options["user"]).first()
        if user is None:
            raise CommandError(f"There is no user {options['user']}", returncode=2)
        body = self._body(options["file"])
        try:
            if options["count"]:
                found = services.check(user, body)
                self.stdout.write(
                    f"{found.config.cells:,} of {found.total:,} combinations, about {found.seconds:.0f} s"
                )
                return
            sweep = services.submit(user, body)
        except InputError as error:
            lines = [f"{f.path or 'input'}: {f.message}" + (f" ({f.hint})" if f.hint else "") for f in error.faults]
            raise CommandError("\n".join(lines), returncode=2) from None
        except ApiError as refusal:
            lines = [refusal.message, *(f"{fault.path}: {fault.message}" for fault in refusal.faults)]
            raise CommandError("\n".join(lines), returncode=2) from None
        self.stdout.write(f"Sweep {sweep.pk}: {sweep.cells_total:,} combinations")
        if not options["here"]:
            self.stdout.write("Workers of the running site do them; --here does them in this process, too.")
        self._wait(sweep, here=options["here"])
        if sweep.state != Sweep.State.DONE:
            raise CommandError(f"It ended {sweep.state}. {sweep.failure_reason}".strip())
        for row in selectors.best(sweep, options["best"]):
            values = ", ".join(f"{name} {value}" for name, value in (row["parameters"] | row["settings"]).items())
            mark = "" if row["feasible"] else "  (outside the limits)"
            self.stdout.write(f"{row['cell']:>8}  {sweep.objective} {row['values'][sweep.objective]}  {values}{mark}")

    def _body(self, path: Path) -> Any:
        try:
            if path.stat().st_size > _MAX_JSON_BYTES:
                raise CommandError(f"{path} is larger than a megabyte", returncode=2)
            return json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise CommandError(f"{path} cannot be read as JSON: {error}", returncode=2) from None

    def _wait(self, sweep: Sweep, *, here: bool) -> None:
        told = -1
        while sweep.is_active:
            if not (here and self._work()):
                time.sleep(_TICK_S)
            sweep.refresh_from_db()
            if sweep.cells_done != told:
                told = sweep.cells_done
                self.stdout.write(f"{told:,} of {sweep.cells_total:,}")

    def _work(self) -> bool:
        from backtests.sweeps import job

        return job.run_next()
