"""`manage.py load_sample_data`: what every installation starts with. Safe to run at every start."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from marketdata.services import sample


class Command(BaseCommand):
    requires_system_checks: list[str] = []  # they import every URL module, which costs more than the work
    help = "Load sample prices, exchange calendar and synthetic instruments; does nothing when they are there."

    def handle(self, *args: Any, **options: Any) -> None:
        begun = time.perf_counter()
        loaded = sample.load(now=timezone.now())
        took = time.perf_counter() - begun
        if not options["verbosity"]:
            return
        if loaded.sessions or loaded.instruments or loaded.series:
            self.stdout.write(
                f"Sample data: {loaded.instruments} instruments, {loaded.series} series, "
                f"{loaded.sessions} exchange sessions written in {took:.1f} s."
            )
        else:
            self.stdout.write(f"Sample data is complete ({took:.2f} s).")
