"""`manage.py sweep FILE --user NAME`: start a sweep from a JSON file, wait for its end, print the best.

FILE holds the body of POST /api/sweeps (docs/guide.md). With --count it says only how many combinations there are. The
chunks are run by the site's workers; --here runs them in this process as well, so that no worker is needed.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from backtests.management.asking import AskingCommand
from backtests.models import Sweep
from backtests.sweeps import selectors, services


class Command(AskingCommand):
    help = "Sweep a strategy over combinations of its parameters and settings."
    route, noun = "/api/sweeps", "sweep"

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--count", action="store_true", help="count the combinations and end")
        parser.add_argument("--here", action="store_true", help="run chunks in this process too")
        parser.add_argument("--best", type=int, default=10, help="how many combinations to print; default 10")

    def handle(self, *args: Any, **options: Any) -> None:
        user, body = self.asked(options)
        with self.refusals():
            if options["count"]:
                found = services.check(user, body)
                self.stdout.write(
                    f"{found.config.cells:,} of {found.total:,} combinations, about {found.seconds:.0f} s"
                )
                return
            sweep = services.submit(user, body)
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

    def _wait(self, sweep: Sweep, *, here: bool) -> None:
        told = -1
        while sweep.is_active:
            if not (here and self._work()):
                time.sleep(self.TICK_S)
            sweep.refresh_from_db()
            if sweep.cells_done != told:
                told = sweep.cells_done
                self.stdout.write(f"{told:,} of {sweep.cells_total:,}")

    def _work(self) -> bool:
        from backtests.sweeps import job

        return job.run_next()
