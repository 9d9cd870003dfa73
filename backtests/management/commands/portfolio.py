"""`manage.py portfolio FILE --user NAME`: have weights computed from a JSON file, wait for the end, print them.

FILE holds the body of POST /api/portfolios (docs/portfolios.md). With --check it says only what would be asked. The
work is done by the site's workers; --here does it in this process, so that no worker is needed.
"""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from backtests.management.asking import AskingCommand
from backtests.models import AllocationStudy
from backtests.portfolios import selectors, services
from backtests.portfolios.presenters import PHASES, StudyPage
from backtests.presenters.figures import plain


class Command(AskingCommand):
    help = "Compute the weights of a portfolio, and what they would have done."
    route, noun = "/api/portfolios", "portfolio"

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--check", action="store_true", help="check the request and end")
        parser.add_argument("--here", action="store_true", help="do the work in this process")
        parser.add_argument("--save", metavar="NAME", help="keep the weights as a strategy under a name")

    def handle(self, *args: Any, **options: Any) -> None:
        user, body = self.asked(options)
        with self.refusals():
            if options["check"]:
                found = services.check(user, body)
                self.stdout.write(json.dumps(found.config.as_dict(), indent=2))
                return
            study = services.submit(user, body)
            self.stdout.write(f"Portfolio {study.pk}")
            if not options["here"]:
                self.stdout.write("A worker of the running site does it; --here does it in this process.")
            self._wait(study, here=options["here"])
            if study.state != AllocationStudy.State.DONE:
                hints = [f"{fault['message']} {fault['hint']}".strip() for fault in study.failure_faults]
                raise CommandError("\n".join(hints) or f"It ended {study.state}. {study.failure_reason}".strip())
            self._print(study)
            if options["save"]:
                saved = services.save_as_strategy(user, study.pk, options["save"])
                self.stdout.write(f"Saved as the strategy {saved.name}")

    def _wait(self, study: AllocationStudy, *, here: bool) -> None:
        if here:
            from backtests.portfolios import job

            job.run(study.pk)
        study.refresh_from_db()
        told = ""
        while study.is_active:
            if study.phase != told:
                told = study.phase
                self.stdout.write(PHASES.get(told, told))
            time.sleep(self.TICK_S)
            study.refresh_from_db()

    def _print(self, study: AllocationStudy) -> None:
        document = study.document or {}
        for row in sorted(document["weights"], key=lambda row: -row["weight_pct"]):
            self.stdout.write(f"{row['symbol']:<12}{row['weight_pct']:>8.2f} %   risk {row['risk_pct']:>6.2f} %")
        for words, found in (("Chosen", document["chosen"]), ("Equal", document["equal"])):
            sharpe = "–" if found["sharpe"] is None else f"{found['sharpe']:.2f}"
            self.stdout.write(
                f"{words}: {found['return_pct']:.2f} % a year at a volatility of {found['volatility_pct']:.2f} %, "
                f"Sharpe {sharpe}"
            )
        rows = [(row["label"], plain(row["chosen"]), plain(row["equal"])) for row in StudyPage(study).compared]
        for label, chosen, equal in [("Backtest", "Chosen", "Equal"), *rows]:
            self.stdout.write(f"{label:<24}{chosen:>16}{equal:>16}")
        for cut in selectors.cuts(study):
            self.stdout.write(f"{cut.what} at {cut.weight_pct:.2f} %: {cut.cap.label} is {cut.cap.most_pct:.2f} %")
