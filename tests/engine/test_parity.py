"""One step, three clocks: the batch run, the run step by step, the run in chunks and the sweep give the same bits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine import Bars, Cancelled, Costs, InputError, Portfolio, Result, Rules, simulate, simulate_many
from engine.bars import COLUMNS
from tests.engine.made import random_bars, random_signals

RULES = {
    "plain": Rules(),
    "protected": Rules(stop_loss_pct=1.0, take_profit_pct=1.5, trailing_stop_pct=1.2, max_holding_bars=9),
    "short": Rules(allow_short=True, stop_loss_pct=1.0, take_profit_pct=2.0, size_value=40.0),
    "limits": Rules(order_type="limit", limit_offset_pct=0.3, time_in_force="gtc", order_timeout_bars=7),
    "stops": Rules(order_type="stop", stop_offset_pct=0.3, time_in_force="gtc", stop_loss_pct=1.0, take_profit_pct=1.0),
    "stop_limits": Rules(order_type="stop_limit", stop_offset_pct=0.2, limit_offset_pct=0.1, time_in_force="gtc"),
    "trailing": Rules(order_type="trailing_stop", stop_offset_pct=0.5, time_in_force="gtc", trailing_stop_pct=1.0),
    "auctions": Rules(time_in_force="cls", allow_short=True),
    "opening": Rules(time_in_force="opg", stop_loss_pct=3.0),
    "this_close": Rules(fill_at="this_close", allow_short=True, stop_loss_pct=1.0, close_at_end=True),
    "slots": Rules(max_open_positions=1, sizing="equal_weight", size_at="fill", close_at_end=True),
    "halts": Rules(daily_loss_limit_pct=0.2, max_drawdown_pct=4.0, size_value=90.0, max_position_size_pct=None),
    "volatility": Rules(sizing="volatility", size_value=0.5, atr_period=5),
    "kelly": Rules(sizing="kelly", kelly_min_trades=3, stop_loss_pct=1.0, take_profit_pct=2.0),
    "risk": Rules(sizing="risk", size_value=1.0, stop_loss_pct=2.0, allow_scale_in=True, allow_fractional=True),
    "rebalance": Rules(sizing="equal_weight", rebalance="daily", max_position_size_pct=None),
    "waits": Rules(allow_partial_fills=False, latency_ms=120_000, min_confidence=0.4),
    "whole": Rules(time_in_force="fok", size_value=90.0, max_position_size_pct=None),
}
COSTS = Costs(
    commission_rate=0.0005, commission_min=1.0, slippage="volume_impact", slippage_value=0.01, volume_cap_ratio=0.3
)


def market(gap: float = 0.2, symbols: int = 3, count: int = 700) -> tuple[dict[str, Bars], dict[str, np.ndarray]]:
    bars = {name: random_bars(k, count, symbol=name, gap=gap) for k, name in enumerate("ABC"[:symbols])}
    return bars, {name: random_signals(9 + k, len(one), structured=True) for k, (name, one) in enumerate(bars.items())}


def step_by_step(bars: dict[str, Bars], signals: dict[str, np.ndarray], **options: Any) -> Result:
    """Drive a Portfolio over the same bars, one time at a time."""
    portfolio = Portfolio(bars, **options)
    rows = {name: {int(ts): k for k, ts in enumerate(one.ts)} for name, one in bars.items()}
    times = sorted(set().union(*rows.values()))
    for ts in times:
        now = {name: rows[name][ts] for name in bars if ts in rows[name]}
        prices = {name: tuple(float(getattr(bars[name], c)[k]) for c in COLUMNS) for name, k in now.items()}
        portfolio.step(ts, prices, {name: signals[name][k] for name, k in now.items()}, last=ts == times[-1])
    return portfolio.result()


def assert_same(one: Result, other: Result) -> None:
    for name in ("orders", "fills", "positions", "denials", "equity", "daily", "open_positions", "book"):
        left, right = np.asarray(getattr(one, name)), np.asarray(getattr(other, name))
        assert len(left) == len(right), name
        for field in left.dtype.names or ():
            np.testing.assert_array_equal(left[field], right[field], err_msg=f"{name}.{field}")


@pytest.mark.row("H2")
@pytest.mark.parametrize("symbols", [1, 3])
@pytest.mark.parametrize("name", RULES)
def test_a_portfolio_driven_bar_by_bar_gives_the_bits_of_the_backtest(name: str, symbols: int) -> None:
    """One symbol also holds the quick way through calm bars (engine/calm.py) against the full step."""
    bars, signals = market(symbols=symbols)
    batch = simulate(bars, signals, rules=RULES[name], costs=COSTS, starting_cash=20_000.0)
    assert len(batch.orders) >= 4
    stepped = step_by_step(bars, signals, rules=RULES[name], costs=COSTS, starting_cash=20_000.0)
    assert_same(batch, stepped)


@pytest.mark.row("H2")
@pytest.mark.parametrize("name", ["plain", "short", "slots", "this_close", "rebalance"])
def test_symbols_on_one_time_line_give_the_same_bits_as_bar_by_bar(name: str) -> None:
    """Without gaps the signals of 64 steps are looked up at once; bar by bar, and in chunks of 37, they are not."""
    bars, signals = market(gap=0.0)
    assert all(np.array_equal(one.ts, bars["A"].ts) for one in bars.values())
    whole = simulate(bars, signals, rules=RULES[name], costs=COSTS)
    assert_same(whole, step_by_step(bars, signals, rules=RULES[name], costs=COSTS))
    assert_same(whole, simulate(bars, signals, rules=RULES[name], costs=COSTS, chunk=37))


@pytest.mark.parametrize("calendar", ["XNYS", "24/7"])
def test_sessions_are_the_same_bar_by_bar(calendar: str) -> None:
    bars = {"A": random_bars(5, 3_000, timeframe="5m", calendar=calendar)}
    signals = {"A": random_signals(6, 3_000)}
    for tif, kind in (("day", "limit"), ("opg", "market"), ("cls", "market")):
        rules = Rules(time_in_force=tif, order_type=kind, daily_loss_limit_pct=0.5)
        batch = simulate(bars, signals, rules=rules)
        assert len(batch.fills) > 0
        assert_same(batch, step_by_step(bars, signals, rules=rules))


@pytest.mark.parametrize("seed", range(6))
def test_calm_bars_over_many_days_give_the_bits_of_the_full_step(seed: int) -> None:
    """Few signals in ten days of 5-minute bars: long stretches flat and invested, in and out of drawdown."""
    bars = {"A": random_bars(seed, 2_880, timeframe="5m")}
    signals = {"A": random_signals(seed + 50, 2_880, rate=0.01)}
    for rules in (
        Rules(size_value=90.0, max_position_size_pct=None),
        Rules(allow_short=True, trailing_stop_pct=4.0, take_profit_pct=9.0, time_in_force="gtc", close_at_end=True),
    ):
        batch = simulate(bars, signals, rules=rules)
        assert_same(batch, step_by_step(bars, signals, rules=rules))
        assert_same(batch, simulate(bars, signals, rules=rules, chunk=13))


@pytest.mark.parametrize("name", ["plain", "protected", "short", "this_close"])
def test_a_run_in_chunks_is_the_run_at_once(name: str) -> None:
    bars, signals = market()
    seen: list[tuple[int, int]] = []
    whole = simulate(bars, signals, rules=RULES[name], costs=COSTS)
    parts = simulate(
        bars,
        signals,
        rules=RULES[name],
        costs=COSTS,
        chunk=37,
        on_progress=lambda done, total: seen.append((done, total)),
    )
    assert_same(whole, parts)
    assert seen[0] == (37, len(whole.equity))
    assert seen[-1] == (len(whole.equity), len(whole.equity))


def test_the_logs_grow_without_a_cap() -> None:
    bars = {"A": random_bars(1, 30_000)}
    signals = {"A": np.tile(np.array([1, -1], dtype=np.int8), 15_000)}
    whole = simulate(bars, signals, rules=Rules())
    assert len(whole.fills) > 20_000  # the buffers begin with 4096 rows
    assert_same(whole, simulate(bars, signals, rules=Rules(), chunk=11))


def test_cancelling_between_chunks_raises() -> None:
    bars, signals = market()
    with pytest.raises(Cancelled):
        simulate(bars, signals, chunk=50, on_progress=lambda done, total: done < 100)


@pytest.mark.row("H13")
@pytest.mark.parametrize("threads", [1, 2])
def test_each_row_of_a_sweep_is_the_run_alone(threads: int) -> None:
    bars, _ = market()
    cells = [{name: random_signals(k, len(one)) for name, one in bars.items()} for k in range(len(RULES))]
    rules = list(RULES.values())
    rows = simulate_many(bars, signals=cells, rules=rules, costs=COSTS, starting_cash=20_000.0, threads=threads)
    for k, row in enumerate(rows):
        alone = simulate(bars, cells[k], rules=rules[k], costs=COSTS, starting_cash=20_000.0)
        assert row == alone.metrics()


def test_a_sweep_may_make_its_signals_when_their_turn_comes() -> None:
    bars = {"A": random_bars(3, 500)}
    cells = [random_signals(k, 500) for k in range(6)]
    made = simulate_many(bars, signals=[lambda cell=cell: cell for cell in cells], rules=Rules(size_value=20.0))
    assert made == simulate_many(bars, signals=cells, rules=[Rules(size_value=20.0)] * 6)
    assert list(simulate_many(bars, signals=cells[:1], names=["sharpe"])[0]) == ["sharpe"]


def test_a_sweep_stops_at_the_first_error_and_on_request() -> None:
    bars = {"A": random_bars(3, 500)}
    good, bad = random_signals(1, 500), random_signals(1, 499)
    with pytest.raises(InputError, match="one entry a bar"):
        simulate_many(bars, signals=[good, bad, good], threads=2)
    with pytest.raises(InputError, match="for 3 combinations"):
        simulate_many(bars, signals=[good] * 3, rules=[Rules()] * 2)
    with pytest.raises(Cancelled):
        simulate_many(bars, signals=[good] * 50, on_progress=lambda done, total: done < 3)


def test_symbols_in_any_order_give_the_same_run() -> None:
    bars, signals = market()
    turned = {name: bars[name] for name in reversed(bars)}
    assert_same(simulate(bars, signals), simulate(turned, {name: signals[name] for name in "BCA"}))


def test_gaps_do_not_change_a_symbol_that_trades_alone() -> None:
    """A market on one time line and the same market beside a silent symbol with other bars give the same fills."""
    one = random_bars(1, 600, symbol="A")
    other = random_bars(2, 600, symbol="B", gap=0.5)
    rules = replace(RULES["protected"], max_position_size_pct=None)
    alone = simulate({"A": one}, {"A": random_signals(3, 600)}, rules=rules)
    both = simulate(
        {"A": one, "B": other}, {"A": random_signals(3, 600), "B": np.zeros(len(other), np.int8)}, rules=rules
    )
    np.testing.assert_array_equal(np.asarray(alone.fills), np.asarray(both.fills))
    np.testing.assert_array_equal(alone.equity["equity"], both.equity["equity"])


def test_the_portfolio_refuses_what_makes_no_step() -> None:
    bars, _ = market()
    portfolio = Portfolio(bars)
    portfolio.step(1_000, {"A": (10.0, 11.0, 9.0, 10.0, 5.0)}, {"A": 1})
    for ts, prices, signals in (
        (1_000, {"A": (10.0, 11.0, 9.0, 10.0, 5.0)}, {}),
        (2_000, {"A": (10.0, 9.0, 9.0, 10.0, 5.0)}, {}),
        (2_000, {"X": (10.0, 11.0, 9.0, 10.0, 5.0)}, {}),
        (2_000, {"A": (10.0, 11.0, 9.0, 10.0, 5.0)}, {"B": 1}),
        (2_000, {"A": (10.0, 11.0, 9.0, 10.0, 5.0)}, {"A": 3}),
        (2_000, {}, {}),
    ):
        with pytest.raises(InputError):
            portfolio.step(ts, prices, signals)
    log = portfolio.step(2_000, {"A": (10.0, 11.0, 9.0, 10.0, 5.0)})
    assert [float(row["qty"]) for row in log.fills] == [1_000.0]
    assert log.fills.frame()["symbol"].tolist() == ["A"]
