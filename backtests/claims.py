"""The claims on backtests (`backtests.jobs.claims`), and what is written with a result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backtests import parts, selectors
from backtests.jobs.claims import Claims
from backtests.jobs.words import Words
from backtests.models import Backtest, PerformanceRecord
from backtests.proof import trials
from backtests.sweeps import selectors as sweep_selectors


class BacktestClaims(Claims[Backtest]):
    """`finish` takes the row's values, the parts of its result, and its performance record."""

    model, noun = Backtest, "backtest"
    words = Words(
        worked="ran this backtest",
        invalid="It cannot be run: {}".format,
        too_slow="It took longer than {limit}, the most that one backtest may take.",
    )
    progress = ("phase", "bars_done", "bars_total")
    event = "backtest_progress"
    keeps_faults = True

    def news(self, row: Backtest) -> Mapping[str, Any]:
        return selectors.progress(row)

    def keep(self, row: Backtest, *found: Mapping[str, Any]) -> None:
        result_parts, performance = found
        parts.write(row, dict(result_parts))
        _count_try(row)
        PerformanceRecord.objects.update_or_create(backtest=row, defaults={"owner_id": row.owner_id, **performance})


def _count_try(backtest: Backtest) -> None:
    """Count it as a variant that its owner tried on these data, unless they had: in a backtest, or in a sweep."""
    before = Backtest.objects.filter(owner=backtest.owner_id, state=Backtest.State.DONE, strategy=backtest.strategy)
    configs = before.exclude(pk=backtest.pk).values_list("config", flat=True)
    tried = any(trials.is_same(config, backtest.config) for config in configs.iterator())
    if not tried and not sweep_selectors.has_run(backtest.owner_id, backtest.idempotency_key, backtest.config):
        trials.count(backtest.owner_id, trials.key_of(backtest.config["source"], backtest.symbols), 1)


claims = BacktestClaims()
