"""`manage.py strategies`: the catalogue, with every parameter, as the command line takes them."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from engine.errors import InputError
from strategies import catalogue, reading


class Command(BaseCommand):
    help = "List the strategies of the catalogue and their parameters."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("strategy", nargs="?", help="slug of the one to list; default: all")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            chosen = [catalogue.get(options["strategy"])] if options["strategy"] else catalogue.listed()
        except InputError as error:
            raise CommandError(str(error), returncode=2) from None
        for strategy in chosen:
            declared = strategy.declaration()
            self.stdout.write(f"{declared['slug']}  ({declared['label']}; {declared['kind']})")
            if words := reading.symbols_words(strategy):
                self.stdout.write(f"  {words}")
            for param in declared["parameters"]:
                bounds = ""
                if param.get("choices"):
                    bounds = " | ".join(str(choice["value"]) for choice in param["choices"])
                elif param.get("min") is not None:
                    bounds = f"{param['min']} to {param['max']}"
                self.stdout.write(f"  --param {param['name']}={param['default']}  {bounds}  {param['help']}")
