"""Results checked by a second way of computing them, in plain Python from the price file itself."""

from __future__ import annotations

import csv
import gzip
import itertools
import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import bokeh_sampledata
import pytest

from accounts.models import User
from backtests import selectors
from backtests.models import Backtest

Run = Callable[..., Backtest]
FILE = Path(bokeh_sampledata.__file__).parent / "_data" / "stocks.csv.gz"
FIRST, LAST = "2006-01-03", "2012-12-31"  # no split in these years, so raw prices need no adjusting
FAST, SLOW, STRENGTH, CASH = 10, 30, 0.001, 100_000.0


def prices() -> list[dict[str, Any]]:
    with gzip.open(FILE, "rt") as file:
        rows = [row for row in csv.DictReader(file) if row["Ticker"] == "AAPL" and FIRST <= row["Date"] <= LAST]
    return sorted(
        ({"day": row["Date"], "open": float(row["Open"]), "close": float(row["Close"])} for row in rows),
        key=lambda row: row["day"],
    )


def crossover_by_hand(rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[float]]:
    """Round trips and closing equity of the crossover with 10 % of equity in whole shares, filled at the next open."""
    cents = [Fraction(round(row["close"] * 100)) for row in rows]

    def apart(i: int) -> Fraction:
        return sum(cents[i - FAST + 1 : i + 1]) / FAST - sum(cents[i - SLOW + 1 : i + 1]) / SLOW

    cash, held, entry, trips, equity = CASH, 0, {}, [], []
    order = 0  # shares to trade at the next open
    for i, row in enumerate(rows):
        if order > 0:
            cash, held, entry = cash - order * row["open"], order, {"day": row["day"], "px": row["open"]}
        elif order < 0:
            cash += held * row["open"]
            profit = held * (row["open"] - entry["px"])
            trips.append({"entry": entry["day"], "exit": row["day"], "qty": held, "pnl": profit})
            held = 0
        order = 0
        equity.append(cash + held * row["close"])
        if i < SLOW:
            continue
        now, before = apart(i), apart(i - 1)
        if abs(now) / (sum(cents[i - SLOW + 1 : i + 1]) / SLOW) < STRENGTH:
            continue
        if now > 0 >= before and held == 0:
            order = math.floor(equity[-1] * 0.10 / row["close"])
        elif now < 0 <= before and held > 0:
            order = -held
    return trips, equity


@pytest.mark.row("H1", "H2", "H6", "D4")
def test_the_crossover_on_apple_is_what_a_hand_computation_says(alice: User, run_now: Run) -> None:
    done = run_now(alice, start_date=FIRST, end_date=LAST, adjustment="raw")
    assert done.state == "DONE", done.failure_reason
    trips, equity = crossover_by_hand(prices())
    rows = selectors.round_trips(done, page_size=1_000).rows
    assert len(trips) > 15
    assert [(r["entry_time"][:10], r["exit_time"][:10], r["qty"]) for r in rows] == [
        (t["entry"], t["exit"], t["qty"]) for t in trips
    ]
    assert [r["pnl_net"] for r in rows] == pytest.approx([t["pnl"] for t in trips], rel=1e-9)
    stored = selectors.result(done, "equity")
    assert stored is not None
    assert stored.equity["equity"].tolist() == pytest.approx(equity, rel=1e-12)
    assert float(done.final_equity or 0) == pytest.approx(equity[-1], abs=0.005)
    assert done.win_rate_pct == pytest.approx(sum(t["pnl"] > 0 for t in trips) / len(trips) * 100)

    peak, deepest = CASH, 0.0
    for value in equity:
        peak = max(peak, value)
        deepest = max(deepest, 1 - value / peak)
    assert done.max_drawdown_pct == pytest.approx(deepest * 100)
    returns = [b / a - 1 for a, b in itertools.pairwise(equity)]
    mean = sum(returns) / len(returns)
    spread = math.sqrt(sum((r - mean) ** 2 for r in returns) / (len(returns) - 1))
    assert done.sharpe == pytest.approx(mean / spread * math.sqrt(252))


@pytest.mark.row("H11")
def test_the_benchmark_is_holding_and_beta_of_holding_is_one(alice: User, run_now: Run) -> None:
    whole = {"position_size_value": 100, "max_position_size_pct": 100}
    done = run_now(alice, strategy="buy_and_hold", start_date=FIRST, end_date=LAST, adjustment="raw", settings=whole)
    rows = prices()
    assert done.benchmark_return_pct == pytest.approx((rows[-1]["close"] / rows[0]["close"] - 1) * 100)
    metrics = selectors.summary(done)["metrics"]  # type: ignore[index]
    assert metrics["beta"] == pytest.approx(1, abs=0.02)
    assert metrics["correlation"] == pytest.approx(1, abs=0.01)

    other = run_now(alice, start_date=FIRST, end_date=LAST, benchmark="IBM", adjustment="raw")
    chart = selectors.chart(other)
    assert chart is not None
    assert chart["benchmark_label"] == "IBM held"
    assert chart["benchmark"][0] == 100_000
    assert other.benchmark_return_pct != done.benchmark_return_pct
    assert abs(selectors.summary(other)["metrics"]["correlation"]) < 0.9  # type: ignore[index]


@pytest.mark.row("H17")
def test_shares_per_trade_buys_that_many(alice: User, run_now: Run) -> None:
    done = run_now(alice, shares_per_trade=13)
    assert {row["qty"] for row in selectors.round_trips(done, page_size=1_000).rows} == {13.0}


@pytest.mark.row("H5")
def test_symbols_share_one_cash_account_or_stand_alone(alice: User, run_now: Run) -> None:
    symbols = ["MSFT", "AAPL", "IBM"]
    shared = run_now(alice, symbols=symbols)
    assert {entry["symbol"] for entry in selectors.summary(shared)["by_symbol"]} == set(symbols)  # type: ignore[index]
    assert shared.trade_count == sum(e["trades"] for e in selectors.summary(shared)["by_symbol"])  # type: ignore[index]

    alone = run_now(alice, symbols=symbols, symbols_alone=True)
    single = [run_now(alice, symbols=[symbol], initial_capital=33_333.33) for symbol in symbols]
    assert alone.trade_count == sum(run.trade_count or 0 for run in single)
    assert float(alone.final_equity or 0) == pytest.approx(sum(float(run.final_equity or 0) for run in single), abs=5)
    whole = selectors.result(alone, "equity", "positions", "fills")
    parts = [selectors.result(run, "equity", "positions", "fills") for run in single]
    assert whole is not None
    summed = sum(part.equity["equity"] for part in parts if part is not None)
    assert whole.equity["equity"].tolist() == pytest.approx(summed.tolist(), rel=1e-4)
    assert (whole.positions["exit_ts"][1:] >= whole.positions["exit_ts"][:-1]).all()
    metrics = selectors.summary(alone)["metrics"]  # type: ignore[index]
    worth = whole.equity["equity"]
    peak = [max([100_000.0, *worth[: i + 1].tolist()]) for i in range(0, len(worth), 97)]
    assert metrics["max_drawdown_pct"] >= max(
        (1 - value / top) * 100 for value, top in zip(worth[::97].tolist(), peak, strict=True)
    )
    assert metrics["trade_count"] == alone.trade_count


@pytest.mark.row("H13")
def test_only_the_chosen_metrics_are_reported(alice: User, run_now: Run) -> None:
    done = run_now(alice, metrics=["sortino", "sharpe"])
    assert list(selectors.summary(done)["metrics"]) == ["sortino", "sharpe"]  # type: ignore[index]
    assert done.trade_count is not None, "the row's own figures are always there"


@pytest.mark.row("H3")
def test_costs_and_slippage_are_paid_and_shown(alice: User, run_now: Run) -> None:
    free = run_now(alice)
    dear = run_now(
        alice,
        settings={"commission_rate": 0.001, "slippage_model": "proportional", "slippage_value": 0.002, "latency_ms": 5},
    )
    costs = selectors.summary(dear)["costs"]  # type: ignore[index]
    assert costs["commission"] > 0
    assert costs["slippage"] == pytest.approx(2 * costs["commission"], rel=0.01)
    assert costs["total"] == pytest.approx(costs["commission"] + costs["slippage"])
    assert dear.final_equity < free.final_equity
    assert selectors.summary(free)["costs"]["total"] == 0  # type: ignore[index]


@pytest.mark.row("H4")
def test_stops_are_looked_at_before_the_strategy_sees_the_bar(alice: User, run_now: Run) -> None:
    done = run_now(alice, settings={"stop_loss_pct": 3, "take_profit_pct": 4})
    summary = selectors.summary(done)
    assert summary is not None
    assert summary["exit_reasons"]["stop_loss"] > 0
    assert summary["exit_reasons"]["take_profit"] > 0
    for row in selectors.round_trips(done, filters={"exit_reason": "stop_loss"}, page_size=1_000).rows:
        assert row["exit_px"] <= row["entry_px"] * 0.97 + 1e-9, "a gap through the stop is paid in full"


def test_refused_entries_are_told_with_their_reason(alice: User, run_now: Run) -> None:
    done = run_now(alice, symbols=["AAPL", "IBM", "MSFT"], settings={"max_open_positions": 1})
    denials = selectors.summary(done)["denials"]  # type: ignore[index]
    assert denials[0]["reason"] == "no_slot"
    assert denials[0]["count"] > 3
