"""`manage.py config`: the settings in force and the layer each comes from; `--check` tries what they point to."""

from __future__ import annotations

import json
import re
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from tradingsite import checks
from tradingsite.environment import Read, env
from tradingsite.logs import MASK, redact

SECRET = re.compile(r"SECRET|PASSWORD|TOKEN|KEY")


def shown(read: Read) -> str:
    """A setting's value as it may be printed: secrets and the passwords of addresses masked."""
    if SECRET.search(read.name):
        return MASK if read.value else ""
    if isinstance(read.value, list):
        return ",".join(map(str, read.value))
    return redact(str(read.value))


class Command(BaseCommand):
    help = "Print the settings in force and where each comes from; --check tries what they point to."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="try the database, Redis, directories, …")
        parser.add_argument("--json", action="store_true", help="print the settings as JSON")
        parser.epilog = (
            "--set NAME=VALUE (any command) is the strongest layer, then the environment, .env, the default."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["check"]:
            return self._check()
        reads = sorted(env.read.values(), key=lambda read: read.name)
        if options["json"]:
            rows = {read.name: {"value": shown(read), "layer": read.layer} for read in reads}
            self.stdout.write(json.dumps(rows, indent=2))
            return None
        width = max(len(read.name) for read in reads)
        for read in reads:
            self.stdout.write(f"{read.name:<{width}}  {read.layer:<12}  {shown(read)}")
        return None

    def _check(self) -> None:
        problems = 0
        for finding in checks.findings():
            problems += bool(finding.problem)
            state = "ok     " if not finding.problem else "PROBLEM"
            self.stdout.write(f"{state}  {finding.what}" + (f": {redact(finding.problem)}" if finding.problem else ""))
        if problems:
            raise SystemExit(1)
