"""A session over several symbols in a host process says what the backtest of the same bars says, also where one of the
symbols lacks bars."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from accounts.models import User
from bots.models import TradingSession
from marketdata.columns import BarColumns
from tests.bots.host import market
from tests.bots.host.processes import HostProcess
from tests.bots.host.test_parity_day import same_as_the_backtest
from tests.strategies.panels import bars_of, returning

pytestmark = pytest.mark.django_db(transaction=True)
SETTINGS = {"allow_short": True, "commission_rate": 0.0001, "slippage_model": "proportional", "slippage_value": 0.0001}
COUNT = market.WARMUP + market.REPLAYED
TIMES = market.BEGIN + np.arange(COUNT, dtype=np.int64) * market.MINUTE


def put(closes: dict[str, Any], missing: dict[str, list[int]]) -> None:
    """Stores the series; `missing`: places, counted from the first replayed bar, of bars that a symbol lacks."""
    for symbol, close in closes.items():
        bars = bars_of(symbol, np.round(close, 2), timeframe="1m", ts=TIMES)
        kept = np.ones(COUNT, bool)
        kept[[market.WARMUP + place for place in missing.get(symbol, [])]] = False
        columns = (bars.ts, bars.open, bars.high, bars.low, bars.close, bars.volume)
        market.put(symbol, BarColumns(*(column[kept] for column in columns)), calendar="24/7")


def several(count: int) -> dict[str, Any]:
    """Symbols that follow one walk, each with a quick process of its own."""
    rng = np.random.default_rng(4)
    walk = 4 + np.cumsum(rng.normal(0, 0.002, COUNT))
    return {f"MADE-{'ABCDE'[k]}": np.exp(walk + returning(rng, COUNT, 0.5, 0.003)) for k in range(count)}


CASES = [
    pytest.param("pairs", 2, {"lookback": 60, "z_window": 30, "entry_z": 1.2, "exit_z": 0.3, "max_p": 0.5}, id="pairs"),
    pytest.param("stat_arb", 5, {"lookback": 40, "leg_pct": 8}, id="stat_arb"),
    pytest.param("price_arbitrage", 2, {"cost_bps": 10, "threshold_bps": 20}, id="price_arbitrage"),
    pytest.param("market_making", 2, {"spread_vol": 0.5, "min_half_bps": 1, "may_short": True}, id="market_making"),
    pytest.param(
        "allocation",
        5,
        {"lookback": 40, "method": "min_variance", "compute": "drift", "drift_pct": 0.1},
        id="allocation",
    ),
]


@pytest.mark.slow
@pytest.mark.row("D10", "D11", "K7", "W1", "C8")
@pytest.mark.parametrize(("strategy", "count", "parameters"), CASES)
def test_a_session_is_the_backtest(
    alice: User, strategy: str, count: int, parameters: dict[str, Any], start_host: Callable[..., HostProcess]
) -> None:
    closes = several(count)
    first, second = list(closes)[:2]
    put(closes, {first: [40, 41, 90], second: [12, 91, 140]})
    session = market.session(
        alice,
        symbols=list(closes),
        strategy=strategy,
        strategy_parameters=parameters,
        settings=SETTINGS | ({"rebalance_frequency": "on_signal"} if strategy == "allocation" else {}),
    )
    same_as_the_backtest(session, start_host)
    told = session.decisions.get(symbol=second, ts_ns=TIMES[market.WARMUP + 40])
    assert told.action == "HOLD"
    assert ("Not every symbol" in told.reasoning) == (strategy != "market_making"), "which quotes each by itself"


@pytest.mark.slow
@pytest.mark.row("D10", "W1")
def test_legs_are_placed_together_in_a_session(alice: User, start_host: Callable[..., HostProcess]) -> None:
    """One slot is too few for two legs: the session denies both, and the backtest says the same."""
    put(several(2), {})
    session: TradingSession = market.session(
        alice,
        symbols=["MADE-A", "MADE-B"],
        strategy="pairs",
        strategy_parameters={"lookback": 60, "z_window": 30, "entry_z": 1.2, "max_p": 0},
        settings=SETTINGS | {"max_open_positions": 1},
    )
    same_as_the_backtest(session, start_host, least=0)
    assert session.trades.count() == 0
    assert {"no_slot", "leg_refused"} <= set(session.decisions.values_list("outcome", flat=True))
