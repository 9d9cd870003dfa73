"""What is written down of a finished run beside its result: its fingerprint, its comparison, its performance record."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from backtests.models import Backtest, PerformanceRecord
from engine.errors import Fault, InputError
from strategies.performance import PerformanceOfRun

if TYPE_CHECKING:
    from backtests.runner.documents import Stored

_LARGEST_SUM = 1e22  # `Backtest.final_equity` has 24 digits, two of them cents

# What can make a rerun differ, in the words of the page.
_CAUSES = {
    "strategy_version": "The strategy's code or declaration",
    "data_hash": "The price data",
    "engine_version": "The engine",
    "library_versions": "A numeric library",
}


def data_hash(parts: Iterable[str]) -> str:
    """One fingerprint for all price data of a run: bars to decide on, to match on, of the benchmark, in this order."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def compared(original: Backtest, values: Mapping[str, Any]) -> dict[str, Any]:
    """Whether a rerun gave the identical result, and what changed.

    ``{"original": id, "identical": bool | None, "changed": [{"what", "label", "before", "now"}], "result_hash":
    {"before", "now"}}``; identical is None when the original never finished. `result_hash` covers every order, fill,
    round trip, denial and equity point to the last bit. Changes are listed even when the result is the same.
    """
    changed = [
        {"what": name, "label": label, "before": getattr(original, name), "now": values[name]}
        for name, label in _CAUSES.items()
        if getattr(original, name) != values[name]
    ]
    finished = original.state == Backtest.State.DONE
    return {
        "original": str(original.pk),
        "identical": original.result_hash == values["result_hash"] if finished else None,
        "changed": changed if finished else [],
        "result_hash": {"before": original.result_hash, "now": values["result_hash"]},
    }


def performance(backtest: Backtest, stored: Stored) -> dict[str, Any]:
    """The fields of the `PerformanceRecord` of a finished backtest."""
    return {
        "strategy_name": backtest.strategy_label,
        "strategy_type": backtest.strategy,
        "saved_strategy_id": backtest.saved_strategy_id,
        "execution_type": PerformanceRecord.Execution.BACKTEST,
        "symbols": backtest.symbols,
        "timeframe": backtest.timeframe,
        "start": _moment(stored.first_ts),
        "end": _moment(stored.last_ts),
        "initial_capital": backtest.initial_capital,
        "final_capital": stored.headline["final_equity"],
        "total_return_pct": stored.headline["total_return_pct"],
        "win_rate_pct": stored.headline["win_rate_pct"],
        "total_trades": stored.headline["trade_count"],
        "max_drawdown_pct": stored.headline["max_drawdown_pct"],
        "sharpe_ratio": stored.headline["sharpe"],
        "metrics": stored.parts["summary"]["metrics"],
        "config": backtest.config,
        "trades": stored.newest_trades,
        "equity_history": stored.daily_equity,
    }


def money(value: float) -> Decimal:
    """A float of the engine as the cents of a row. Raises InputError for a sum that no row can hold."""
    if not abs(value) < _LARGEST_SUM:
        message = f"The prices of this run turn its capital into {value:.3g}, more money than there is"
        raise InputError(Fault("symbols", "out_of_range", message, "Look at the bars on the data page"))
    return Decimal(repr(value)).quantize(Decimal("0.01"))


def _moment(ts: int) -> datetime:
    """Nanoseconds since 1970 as an aware datetime."""
    return datetime.fromtimestamp(ts // 1_000_000_000, tz=UTC)


def keep(run: PerformanceOfRun) -> None:
    """The record of a session that has ended; a second one of the same session changes nothing."""
    figures = run.metrics
    PerformanceRecord.objects.bulk_create(
        [
            PerformanceRecord(
                owner_id=run.owner_id,
                session_id=run.session_id,
                strategy_name=run.strategy_name[:120],
                strategy_type=run.strategy_type,
                saved_strategy_id=run.saved_strategy_id,
                execution_type=run.execution_type,
                symbols=run.symbols,
                timeframe=run.timeframe,
                start=run.start,
                end=run.end,
                initial_capital=money(run.initial_capital),
                final_capital=money(figures["final_equity"]),
                total_return_pct=figures["total_return_pct"],
                win_rate_pct=figures["win_rate_pct"],
                total_trades=figures["trade_count"],
                max_drawdown_pct=figures["max_drawdown_pct"],
                sharpe_ratio=figures["sharpe"],
                metrics=figures,
                config=run.config,
                trades=run.trades,
                equity_history=run.equity_history,
            )
        ],
        ignore_conflicts=True,
    )


def kept(session_ids: Collection[int]) -> set[int]:
    """Those of the sessions that have a record."""
    return set(PerformanceRecord.objects.filter(session_id__in=session_ids).values_list("session_id", flat=True))
