"""What is stored of a finished run: headline figures for its row, parts for its pages, a fingerprint of every bit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from backtests.runner import report
from backtests.runner.config import RunConfig
from backtests.runner.explanations import explanations
from backtests.runner.result import LOGS
from engine.result import iso_times
from engine.types import DENIAL_NAMES, REASON_NAMES

if TYPE_CHECKING:
    from backtests.runner.result import RunResult
    from engine import Bars

MAX_RECORD_TRADES = 1_000
MAX_RECORD_DAYS = 2_600
MAX_DENIALS = 1_000
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Stored:
    """headline: values of the backtest's row by column (money as float). parts: result parts by name, see
    `backtests.parts`. result_hash: SHA-256 over every order, fill, round trip, denial and equity point.
    newest_trades, daily_equity: for the performance record, cut to the newest."""

    headline: dict[str, Any]
    parts: dict[str, Any]
    result_hash: str
    newest_trades: list[dict[str, Any]]
    daily_equity: list[list[Any]]
    first_ts: int
    last_ts: int

    @property
    def first_day(self) -> date:
        return _EPOCH + timedelta(days=self.first_ts // 86_400_000_000_000)

    @property
    def last_day(self) -> date:
        return _EPOCH + timedelta(days=self.last_ts // 86_400_000_000_000)


def build(config: RunConfig, bars: Mapping[str, Bars], result: RunResult) -> Stored:
    """Everything that pages and API will ever read of this run. bars: those it decided on."""
    figures, run = result.figures, result.engine
    daily_dates = np.asarray(run.daily["date"]).astype("datetime64[D]")
    parts: dict[str, Any] = {
        "summary": summary(result),
        "chart": report.equity_chart(
            np.asarray(run.equity["ts"]),
            np.asarray(run.equity["equity"]),
            result.benchmark,
            run.starting_cash,
            result.benchmark_label,
        ),
        "head": {
            "symbols": list(run.symbols),
            "periods_per_year": run.periods_per_year,
            "metrics": list(config.metrics) if config.metrics is not None else None,
            "risk_free_rate_pct": result.risk_free_rate_pct,
        },
        "book": run.book,
        "benchmark_daily": run.benchmark_daily,
        "why": explanations(bars, result),
        **{name: getattr(run, name) for name in LOGS},
    }
    lines = result.overlays({symbol: bars[symbol] for symbol in config.symbols})
    for index, symbol in enumerate(run.symbols):
        parts[f"price:{symbol}"] = report.price_chart(
            symbol,
            bars[symbol].ts,
            [getattr(bars[symbol], name) for name in ("open", "high", "low", "close", "volume")],
            lines[symbol],
            np.asarray(run.fills)[run.fills["symbol"] == index],
        )
    if result.spread_trades is not None:
        parts["spread_trades"] = result.spread_trades
    newest = np.asarray(run.positions)[-MAX_RECORD_TRADES:]
    return Stored(
        headline={
            name: figures[name]
            for name in (
                "total_return_pct",
                "benchmark_return_pct",
                "max_drawdown_pct",
                "sharpe",
                "win_rate_pct",
                "trade_count",
                "final_equity",
            )
        },
        parts=parts,
        result_hash=result.fingerprint(),
        newest_trades=report.round_trip_rows(newest, run.symbols),
        daily_equity=[
            [str(day), value]
            for day, value in zip(
                daily_dates[-MAX_RECORD_DAYS:], run.daily["equity"][-MAX_RECORD_DAYS:].tolist(), strict=True
            )
        ],
        first_ts=int(run.equity["ts"][0]),
        last_ts=int(run.equity["ts"][-1]),
    )


def summary(result: RunResult) -> dict[str, Any]:
    """The figures of the result page.

    ``{"metrics": {name: value | None}`` (the chosen ones, see `engine.metrics.describe`), ``"benchmark_metrics": {the
    return-based ones}``, ``"benchmark_label", "starting_cash", "final_equity", "costs": {"commission", "slippage",
    "total"}`` in money, ``"ambiguous_bars", "bars", "first_time", "last_time"`` (ISO), ``"denials": [{"reason",
    "symbol", "side", "count", "cut", "first_time", "last_time"}]`` most frequent first (cut: made smaller, not
    refused), ``"monthly_returns", "return_histogram"`` (see `report`), ``"open_positions": [{"symbol", "side", "qty",
    "entry_time", "entry_px", "mark", "unrealised"}], "exit_reasons": {code: count}, "by_symbol": [{"symbol", "trades",
    "wins", "pnl_net", "bars"}]}``.
    """
    figures, run = result.figures, result.engine
    days, marks = np.asarray(run.daily["date"]).astype("datetime64[D]"), np.asarray(run.daily["equity"])
    times = iso_times(run.equity["ts"][[0, -1]])
    return {
        "metrics": result.chosen_metrics,
        "benchmark_metrics": result.benchmark_metrics,
        "benchmark_label": result.benchmark_label,
        "starting_cash": run.starting_cash,
        "final_equity": run.final_equity,
        "costs": {
            "commission": figures["total_commission"],
            "slippage": figures["total_slippage"],
            "total": figures["total_costs"],
        },
        "ambiguous_bars": run.ambiguous_bars,
        "bars": result.bars,
        "first_time": times[0],
        "last_time": times[1],
        "denials": _denials(run.denials, run.symbols),
        "monthly_returns": report.monthly_returns(days, marks, run.starting_cash),
        "return_histogram": report.histogram(marks, run.starting_cash),
        "open_positions": _open_positions(run.open_positions, run.symbols),
        "exit_reasons": _counts(np.asarray(run.positions["exit_reason"])),
        "by_symbol": _by_symbol(result),
    }


def _denials(denials: np.ndarray, symbols: Sequence[str]) -> list[dict[str, Any]]:
    """Refusals and cuts of the same kind put together."""
    found: dict[tuple[int, int, int, bool], list[int]] = {}
    for row in denials.tolist():
        values = dict(zip(denials.dtype.names or (), row, strict=True))
        key = (values["reason"], values["symbol"], values["side"], values["allowed"] > 0)
        entry = found.setdefault(key, [0, values["ts"], values["last_ts"]])
        entry[0] += values["count"]
        entry[1], entry[2] = min(entry[1], values["ts"]), max(entry[2], values["last_ts"])
    rows = sorted(found.items(), key=lambda item: -item[1][0])[:MAX_DENIALS]
    return [
        {
            "reason": DENIAL_NAMES[reason],
            "symbol": symbols[symbol],
            "side": "BUY" if side > 0 else "SELL",
            "count": count,
            "cut": cut,
            "first_time": iso_times([first])[0],
            "last_time": iso_times([last])[0],
        }
        for (reason, symbol, side, cut), (count, first, last) in rows
    ]


def _open_positions(held: np.ndarray, symbols: Sequence[str]) -> list[dict[str, Any]]:
    times = iso_times(held["entry_ts"])
    return [
        {
            "symbol": symbols[row["symbol"]],
            "side": report.SIDES[int(row["side"])],
            "qty": float(row["qty"]),
            "entry_time": times[i],
            "entry_px": float(row["entry_px"]),
            "mark": float(row["mark"]),
            "unrealised": float(row["unrealised"]),
        }
        for i, row in enumerate(held)
    ]


def _counts(codes: np.ndarray) -> dict[str, int]:
    values, counts = np.unique(codes, return_counts=True)
    return {REASON_NAMES[code]: count for code, count in zip(values.tolist(), counts.tolist(), strict=True)}


def _by_symbol(result: RunResult) -> list[dict[str, Any]]:
    trips, n = np.asarray(result.engine.positions), len(result.engine.symbols)
    trades = np.bincount(trips["symbol"], minlength=n)
    wins = np.bincount(trips["symbol"], weights=trips["pnl_net"] > 0, minlength=n)
    pnl = np.bincount(trips["symbol"], weights=trips["pnl_net"], minlength=n)
    return [
        {
            "symbol": symbol,
            "trades": int(trades[i]),
            "wins": int(wins[i]),
            "pnl_net": float(pnl[i]),
            "bars": result.bars_of[i],
        }
        for i, symbol in enumerate(result.engine.symbols)
    ]
