"""Market making: where the quotes stand, how they lean, and that the inventory is what the simulator would leave."""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backtests.runner import clean
from backtests.runner.execute import run
from engine import Bars
from strategies import catalogue
from strategies.catalogue.market_making import MarketMaking
from strategies.indicators import functions as f
from strategies.panel import Panel
from tests.strategies.panels import venues, without
from tests.strategies.series import FIRST_DAY_NS, MINUTE_NS, walk

Lines = dict[str, np.ndarray]


def lines(strategy: MarketMaking, bars: Bars) -> Lines:
    return strategy.panel_lines(Panel({bars.symbol: bars}), bars.symbol)


def result_of(bars: dict[str, Bars], settings: dict[str, Any], **parameters: Any) -> Any:
    config = clean(
        {
            "strategy": "market_making",
            "strategy_parameters": parameters,
            "symbols": list(bars),
            "timeframe": "1m",
            "source": "file",
            "initial_capital": 1_000_000,
            "settings": {"max_position_size_pct": 100} | settings,
        }
    )
    return run(config, bars)


@pytest.mark.row("D12")
@pytest.mark.parametrize("fair", ["ema", "vwap"])
def test_the_quotes_stand_around_the_fair_price(fair: str) -> None:
    bars = venues(600)["A"]
    strategy = MarketMaking(fair=fair, window=30, spread_vol=1.5, skew=0, refresh_bps=0, max_quotes=100, may_short=True)
    told = lines(strategy, bars)
    typical = (bars.high + bars.low + bars.close) / 3
    middle = (
        f.ema(typical, 30) if fair == "ema" else f.vwap(bars.high, bars.low, bars.close, bars.volume, bars.trading_day)
    )
    assert np.array_equal(told["fair"], middle, equal_nan=True)
    half = np.maximum(1.5 * f.volatility(bars.close, 30), 5 / 10_000) * middle
    quoted = np.isfinite(told["bid"]) & np.isfinite(told["ask"])
    assert quoted.sum() > 300
    assert not np.isfinite(told["bid"][:30]).any()
    # On cents, outwards: never nearer to the fair price than it should be.
    for price, exact in ((told["bid"], middle - half), (told["ask"], middle + half)):
        apart = np.abs(price - exact)[quoted]
        assert apart.max() <= 0.01 + 1e-9
    assert (told["bid"] <= middle - half + 1e-9)[quoted].all()
    assert (told["ask"] >= middle + half - 1e-9)[quoted].all()


@pytest.mark.row("D12")
def test_inventory_leans_the_quotes_against_itself_and_has_an_end() -> None:
    bars = venues(3_000)["A"]
    strategy = MarketMaking(skew=2.0, max_quotes=3, refresh_bps=0, may_short=True, spread_vol=0.5, min_half_bps=1)
    told = lines(strategy, bars)
    half = np.maximum(0.5 * f.volatility(bars.close, 20), 1 / 10_000) * told["fair"]
    answer = strategy.read({"A": bars})["A"]
    units = answer["quote_qty"]
    full = told["inventory"] >= 3 * units
    short = told["inventory"] <= -3 * units
    assert full.any()
    assert short.any()
    assert np.isnan(told["bid"][full]).all(), "nothing more is bid for"
    assert np.isnan(told["ask"][short]).all()
    asked = np.isfinite(told["ask"])
    lean = 2.0 * half * np.clip(told["inventory"] / (3 * units), -1, 1)
    assert np.abs(told["ask"] - (told["fair"] + half - lean))[asked].max() <= 0.01 + 1e-9
    assert np.nanmax(np.abs(told["inventory"])) <= 3 * np.nanmax(units)


@pytest.mark.row("D12")
@pytest.mark.parametrize("may_short", [False, True])
@pytest.mark.parametrize("value", [1_000, 333, 25_000])
def test_its_inventory_is_what_the_simulator_holds_when_nothing_is_refused(may_short: bool, value: float) -> None:
    """The strategy works out its fills from the bars; the engine fills them. Both must hold the same, bar by bar."""
    bars = venues(2_500)
    done = result_of(
        bars, {"allow_short": may_short}, may_short=may_short, spread_vol=0.6, min_half_bps=2, quote_value=value
    )
    assert len(done.engine.denials) == 0
    fills = done.engine.fills
    for place, symbol in enumerate(done.engine.symbols):
        mine = fills[fills["symbol"] == place]
        assert len(mine) > 100
        held = np.zeros(2_500)
        np.add.at(held, np.searchsorted(bars[symbol].ts, mine["ts"]), mine["qty"] * mine["side"])
        inventory = lines(done.strategy, bars[symbol])["inventory"]
        assert np.array_equal(np.cumsum(held)[20:], inventory[20:])
        assert inventory[20:].max() > 0
        assert (np.nanmin(inventory) < 0) == may_short


@pytest.mark.row("D12")
def test_quotes_that_hardly_move_keep_their_place() -> None:
    bars = {"A": venues(1_500)["A"]}
    still = result_of(bars, {}, refresh_bps=5)
    restless = result_of(bars, {}, refresh_bps=0)
    assert len(still.engine.orders) < 0.75 * len(restless.engine.orders)
    told = lines(still.strategy, bars["A"])
    moved = np.abs(np.diff(told["bid"])) / told["fair"][1:] * 10_000
    filled = np.diff(told["inventory"]) != 0
    assert (moved[~filled & (moved > 0)] > 0.5).all()


@pytest.mark.row("D12")
def test_a_quote_smaller_than_a_lot_is_none() -> None:
    bars = venues(200)["A"]
    answer = MarketMaking(quote_value=50).read({"A": bars})["A"]
    assert set(answer["quote_qty"][20:].tolist()) == {0.0}
    assert np.isnan(answer["bid_px"]).all()
    told = MarketMaking(quote_value=50).explain_latest({"A": bars}, ["A"])["A"]
    assert "nothing is quoted" in told.reasoning


@pytest.mark.row("D12")
def test_each_symbol_is_quoted_by_itself() -> None:
    bars = venues(400)
    bars["B"] = without(bars["B"], [50, 51, 399])
    strategy = catalogue.get("market_making")()
    together = strategy.read(bars)
    for symbol, series in bars.items():
        alone = strategy.read({symbol: series})[symbol]
        for name in alone.dtype.names:
            assert np.array_equal(alone[name], together[symbol][name], equal_nan=True)
    told = strategy.explain_latest(bars, ["A"])["A"]
    assert told.action == "HOLD"
    assert "it bids" in told.reasoning
    assert {"bid_px", "quote_qty"} <= set(told.terms)


@pytest.mark.row("D12")
def test_its_limits_are_said_where_people_read_about_it() -> None:
    words = MarketMaking.describe()
    for said in ("queue", "touches a quote fills it", "A strategy sees bars, never positions", "never as a promise"):
        assert said in words


@pytest.mark.row("D12")
def test_a_year_of_minutes_takes_a_second_or_so() -> None:
    bars = walk(98_280, timeframe="1m")
    assert bars.ts[1] - bars.ts[0] == MINUTE_NS
    assert bars.ts[0] == FIRST_DAY_NS
    start = time.process_time()
    MarketMaking().read({"WALK": bars})
    assert time.process_time() - start < 3


@pytest.mark.shared_data
@pytest.mark.row("D12")
def test_on_real_minutes_it_quotes_and_holds_what_it_thinks(shared_data: Path) -> None:
    with (shared_data / "spy_1min_2013-10.csv").open() as file:
        rows = list(csv.DictReader(file))
    ts = np.array([np.datetime64(row["time"].rstrip("Z"), "ns") for row in rows]).astype(np.int64)
    columns = [np.array([float(row[name]) for row in rows]) for name in ("open", "high", "low", "close", "volume")]
    day = (ts // MINUTE_NS % 1440 >= 810) & (ts // MINUTE_NS % 1440 < 1200)  # 13:30 to 20:00, New York's summer time
    ts, columns = ts[day], [column[day] for column in columns]
    bars = {"SPY": Bars.from_arrays("SPY", "1m", ts, *columns)}
    done = result_of(bars, {}, quote_value=5_000, min_half_bps=1, spread_vol=0.8)
    assert len(done.engine.fills) > 100
    held = np.zeros(len(ts))
    fills = done.engine.fills
    np.add.at(held, np.searchsorted(ts, fills["ts"]), fills["qty"] * fills["side"])
    assert len(done.engine.denials) == 0
    assert np.array_equal(np.cumsum(held)[20:], lines(done.strategy, bars["SPY"])["inventory"][20:])
