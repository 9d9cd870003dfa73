"""A session that has ended leaves a performance record with the figures of a backtest."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from accounts.models import User
from backtests.models import PerformanceRecord
from bots.models import Cycle, Position, Trade, TradingSession
from bots.services import performance, sessions
from bots.states import SessionState
from engine import Bars, Costs, Rules, simulate
from engine.types import BUY, REASON_NAMES
from marketdata.zones import from_ns
from tests.bots.factories import fill_session, make_session

HOUR = 3_600 * 10**9
START = 1_700_006_400 * 10**9


@pytest.fixture
def twin(alice: User) -> tuple[TradingSession, Any]:
    """A stopped session that holds exactly what the engine did in a run, and that run."""
    draw = np.random.default_rng(4)
    n = 24 * 40
    close = np.round(100 * np.exp(np.cumsum(draw.normal(0, 0.004, n))), 2)
    opened = np.round(np.append(100.0, close[:-1]), 2)
    ts = START + HOUR * np.arange(n)
    high, low = np.maximum(opened, close), np.minimum(opened, close)
    bars = Bars("SIM-ALPHA", "1h", "24/7", ts, opened, high, low, close, np.full(n, 1e6))
    signals = draw.choice([-1, 0, 0, 0, 0, 1], n).astype(np.int8)
    run = simulate(
        {"SIM-ALPHA": bars},
        {"SIM-ALPHA": signals},
        rules=Rules(stop_loss_pct=2.0, size_value=20.0),
        costs=Costs(commission_rate=0.001, slippage="proportional", slippage_value=0.0005),
        starting_cash=10_000.0,
    )
    session = make_session(alice, state=SessionState.STOPPED, timeframe="1h", stop_reason="scheduled_end")
    Cycle.objects.bulk_create(
        Cycle(
            session=session, ts_ns=int(row["ts"]), closed_at=from_ns(int(row["ts"]) + HOUR), equity=row["equity"],
            cash=row["cash"], exposure=row["exposure"], received_at=from_ns(int(row["ts"])),
            decided_at=from_ns(int(row["ts"])),
        )
        for row in run.equity
    )  # fmt: skip
    for number, row in enumerate(run.positions, 1):
        Position.objects.create(
            session=session, symbol="SIM-ALPHA", number=number, is_open=False, side="BUY", qty=0,
            entered_qty=_exact(row["qty"], 12), entry_px=_exact(row["entry_px"]), exit_px=_exact(row["exit_px"]),
            current_px=_exact(row["exit_px"]), realised_pnl=_exact(row["pnl_net"]),
            commission=_exact(row["commission"]),
            exit_reason=REASON_NAMES[row["exit_reason"]], opened_at=from_ns(int(row["entry_ts"])),
            closed_at=from_ns(int(row["exit_ts"])),
        )  # fmt: skip
    for number, row in enumerate(run.fills):
        Trade.objects.create(
            session=session, symbol="SIM-ALPHA", side="BUY" if row["side"] == BUY else "SELL",
            qty=_exact(row["qty"], 12), px=_exact(row["px"]), commission=_exact(row["commission"]),
            slippage=_exact(row["slippage"]), execution_id=f"x{number}", executed_at=from_ns(int(row["ts"])),
        )  # fmt: skip
    return session, run


def _exact(value: float, places: int = 8) -> Decimal:
    return Decimal(repr(float(value))).quantize(Decimal(10) ** -places)


@pytest.mark.row("C12", "M4")
def test_the_figures_are_those_of_the_same_run_as_a_backtest(twin: tuple[TradingSession, Any]) -> None:
    session, run = twin
    assert performance.record(session)
    record = PerformanceRecord.objects.get()
    expected = run.metrics()
    assert expected["trade_count"] > 20
    differing = {
        "average_holding_bars"
    }  # the tape keeps times, and the engine counts a bar that a stop cut short as none
    for name, value in expected.items():
        if name in differing:
            continue
        found = record.metrics[name]
        assert found == (pytest.approx(value, rel=1e-6, abs=1e-6) if isinstance(value, float) else value), name
    assert (record.execution_type, record.session_id, record.owner) == ("paper", session.pk, session.owner)
    assert record.strategy_type == "ma_crossover"
    assert record.total_trades == len(run.positions) == len(record.trades)
    assert float(record.final_capital) == pytest.approx(run.final_equity, abs=0.01)
    assert len(record.equity_history) == 40
    assert record.config["settings"]["max_position_size_pct"] == 25


@pytest.mark.row("C12")
def test_there_is_one_record_of_a_session_however_often_it_is_asked_for(alice: User) -> None:
    session = fill_session(make_session(alice, state=SessionState.STOPPED))
    for _ in range(2):
        assert performance.record(session)
    assert PerformanceRecord.objects.count() == 1
    assert performance.record_ended() == 0


def test_what_is_not_over_or_saw_no_bar_has_none(alice: User) -> None:
    assert not performance.record(fill_session(make_session(alice)))
    assert not performance.record(make_session(alice, state=SessionState.STOPPED))
    assert not PerformanceRecord.objects.exists()


def test_records_that_are_missing_are_written_later(alice: User) -> None:
    session = fill_session(make_session(alice))
    TradingSession.objects.filter(pk=session.pk).update(state=SessionState.HALTED)
    sessions.stop(alice, session.pk)
    assert performance.record_ended() == 1
    record = PerformanceRecord.objects.get()
    assert record.total_trades == session.total_trades
    assert [row["symbol"] for row in record.trades] == ["SIM-ALPHA"] * session.total_trades


@pytest.mark.row("C12", "B12")
def test_the_record_is_read_beside_those_of_backtests(alice: User, api: Any) -> None:
    session = fill_session(make_session(alice, state=SessionState.STOPPED))
    performance.record(session)
    body = api(alice).get("/api/performance/overview?execution_type=paper").json()
    assert body["records"] == 1
    detail = api(alice).get(f"/api/performance/{body['best']['id']}").json()
    assert detail["session_id"] == session.pk
    assert len(detail["trades"]) == session.total_trades
