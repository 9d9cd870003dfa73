"""The claims on portfolio studies (`backtests.jobs.claims`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backtests.jobs.claims import Claims
from backtests.jobs.words import Words
from backtests.models import AllocationStudy
from backtests.portfolios import selectors
from backtests.proof import trials
from engine.errors import InputError


def _sentences(error: InputError) -> str:
    return " ".join(fault.message.rstrip(".") + "." for fault in error.faults)


class StudyClaims(Claims[AllocationStudy]):
    model, noun = AllocationStudy, "portfolio"
    words = Words(
        worked="worked on it",
        invalid=_sentences,
        too_slow="It took longer than {limit}, the most that is allowed. Rebalance less often, or try less.",
    )
    progress = ("phase", "steps_done", "steps_total")
    event = "portfolio_progress"
    keeps_faults = True

    def news(self, row: AllocationStudy) -> Mapping[str, Any]:
        return selectors.progress(row)

    def keep(self, row: AllocationStudy, *found: Any) -> None:
        """Count the try."""
        same = AllocationStudy.objects.filter(owner=row.owner_id, state=AllocationStudy.State.DONE, config=row.config)
        if not same.exclude(pk=row.pk).exists():  # the same request once more is no other variant
            trials.count(row.owner_id, trials.key_of(row.config["source"], row.symbols), 1)


claims = StudyClaims()
