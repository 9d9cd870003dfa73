"""A day is replayed through a session in a host process; the backtest of the same bars must say the very same."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from accounts.models import User
from backtests.runner import clean
from backtests.runner.execute import run
from bots import mapping, parity
from bots.host.tape import Tape
from bots.models import TradingSession
from engine import Bars
from engine.types import BUY, REASON_NAMES
from marketdata.columns import BarColumns
from strategies import reading, session_settings
from tests.bots.host import market
from tests.bots.host.processes import HostProcess, eventually

pytestmark = pytest.mark.django_db(transaction=True)
SETTINGS = {
    "stop_loss_pct": 0.15,
    "take_profit_pct": 0.3,
    "commission_rate": 0.0001,
    "slippage_model": "proportional",
    "slippage_value": 0.0002,
}


@pytest.mark.row("W1", "C4", "C8")
@pytest.mark.shared_data
def test_a_real_day_of_spy(
    alice: User, shared_data: Path, exchange_sessions: None, start_host: Callable[..., HostProcess]
) -> None:
    """Tuesday, 8 October 2013, with Monday before it as history; minutes from before the open to after the close."""
    with (shared_data / "spy_1min_2013-10.csv").open() as file:
        rows = list(csv.DictReader(file))
    ts = np.array([np.datetime64(row["time"].rstrip("Z"), "ns") for row in rows]).astype(np.int64)
    prices = (np.array([float(row[name]) for row in rows]) for name in ("open", "high", "low", "close", "volume"))
    market.put("SPY", BarColumns(ts, *prices), calendar="XNYS")
    day = [int(np.datetime64(f"2013-10-0{number}T00:00", "ns").astype(np.int64)) for number in (8, 9)]
    session = market.session(alice, symbols=["SPY"], feed_options=market.replay(day[0], day[1]), settings=SETTINGS)
    same_as_the_backtest(session, start_host)
    assert session.cycles.count() > 390
    assert session.trades.filter(reason="stop_loss").exists()


@pytest.mark.row("W1", "D17", "Q5")
def test_two_made_markets_on_one_account(alice: User, bars: None, start_host: Callable[..., HostProcess]) -> None:
    same_as_the_backtest(market.session(alice, settings=SETTINGS | {"stop_loss_pct": 1.0}), start_host)


def same_as_the_backtest(session: TradingSession, start_host: Callable[..., HostProcess], *, least: int = 10) -> None:
    """Runs the session to its end, and the backtest of the bars that it saw: trades, orders, equity, report.

    least: how many trades there must be for the comparison to mean something.
    """
    start_host()
    eventually(lambda: TradingSession.objects.get(pk=session.pk).state == "STOPPED", "the replay to end", 120)
    session.refresh_from_db()
    assert session.word == "COMPLETED"
    result = _backtest(session)
    symbols = result.orders.symbols
    fills = [
        (symbols[row["symbol"]], "BUY" if row["side"] == BUY else "SELL", REASON_NAMES[row["reason"]],
         mapping.moment(int(row["ts"])), mapping.quantity(float(row["qty"])), mapping.price(float(row["px"])),
         mapping.money(float(row["commission"])))
        for row in result.fills
    ]  # fmt: skip
    columns = ("symbol", "side", "reason", "executed_at", "qty", "px", "commission")
    assert list(session.trades.order_by("pk").values_list(*columns)) == fills
    assert len(fills) >= least
    orders = [(int(serial), symbols[row["symbol"]], mapping.quantity(float(row["qty"])))
              for serial, row in enumerate(result.orders)]  # fmt: skip
    assert list(session.orders.order_by("seq").values_list("seq", "symbol", "qty")) == orders
    equity = list(zip(result.equity["ts"].tolist(), result.equity["equity"].tolist(), strict=True))
    assert list(session.cycles.order_by("ts_ns").values_list("ts_ns", "equity")) == equity, "to the last bit"
    report = parity.make(session)
    assert report.identical, report.differences


def _backtest(session: TradingSession) -> Any:
    """The backtest runner on the bars of the tape, with the strategy's signals of history and day together."""
    tape = Tape.of(session)
    config = clean(
        {
            "strategy": session.strategy,
            "strategy_parameters": session.strategy_parameters,
            "symbols": session.symbols,
            "timeframe": session.timeframe,
            "initial_capital": float(session.initial_cash),
            "source": "file",
            "settings": session_settings.as_json(tape.plan.settings),
        }
    )
    strategy = tape.plan.build()
    day, whole = {}, {}
    for symbol in session.symbols:
        before, traded = tape.warmup[symbol], tape.deciding[symbol]
        whole[symbol], day[symbol] = (
            _bars(session, tape, symbol, part) for part in (BarColumns.concat([before, traded]), traded)
        )
    answers = reading.read(strategy, whole)
    signals = {symbol: answer[len(tape.warmup[symbol]) :] for symbol, answer in answers.items()}
    return run(config, day, signals=signals).engine


def _bars(session: TradingSession, tape: Tape, symbol: str, columns: BarColumns) -> Bars:
    known = tape.plan.markets[symbol]
    return Bars.from_arrays(
        symbol, session.timeframe, columns.ts, *columns.arrays(), calendar=known.calendar,
        tick_size=known.tick_size, lot_size=known.lot_size, fractionable=known.fractionable,
    )  # fmt: skip
