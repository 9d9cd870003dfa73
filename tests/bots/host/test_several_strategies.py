"""Ensembles and strategies of several timeframes in sessions side by side: each says what the whole series says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from accounts.models import User
from bots import parity
from bots.host.tape import Tape
from bots.models import TradingSession
from engine import Bars
from marketdata.columns import BarColumns
from strategies.base import code_of
from tests.bots.host import market
from tests.bots.host.processes import HostProcess, eventually

pytestmark = pytest.mark.django_db(transaction=True)
MEMBERS = [
    {"strategy": "ma_crossover", "parameters": {"fast_window": 3, "slow_window": 8, "min_strength_threshold": 0.0}},
    {"strategy": "mean_reversion", "parameters": {"threshold": 0.004}, "weight": 30, "name": "Small dips"},
    {"strategy": "mean_reversion", "parameters": {"window": 4, "threshold": 0.002}, "weight": 40, "timeframe": "15m"},
]
CHOSEN: dict[str, dict[str, Any]] = {
    "ensemble": {
        "members": MEMBERS,
        "vote": "any",
        "calibrate": "history",
        "calibration_bars": 100,
        "calibration_floor": 5,
        "validators": [{"type": "volatility", "lookback": 60}, {"type": "regime", "efficiency": 0.1}],
    },
    "multi_timeframe": {"trend_timeframe": "15m", "trend_window": 4, "trend_slope": 1, "trigger": "crossover",
                        "fast_window": 2, "slow_window": 5},
    "ai_enhanced": {"train_window": 100, "refit_every": 30, "threshold": 0.1},
}  # fmt: skip
REPEATED = {"ensemble": {**CHOSEN["ensemble"], "vote": "weighted", "threshold": 0.3}}


@pytest.mark.row("D13", "D15", "D16", "D17", "D18", "G15", "H15", "W1")
def test_sessions_side_by_side_say_what_the_whole_series_says(
    alice: User, bars: None, start_host: Callable[..., HostProcess]
) -> None:
    wanted = [*CHOSEN.items(), *REPEATED.items()]
    sessions = [market.session(alice, strategy=slug, strategy_parameters=values) for slug, values in wanted]
    start_host()
    keys = [session.pk for session in sessions]
    done = TradingSession.objects.filter(pk__in=keys, state="STOPPED")
    eventually(lambda: done.count() == len(keys), "the replays to end", 180)
    for session in TradingSession.objects.filter(pk__in=keys):
        assert session.word == "COMPLETED", session.strategy
        assert _says_what_the_series_says(session) > 0, session.strategy
        assert session.trades.exists(), session.strategy
        report = parity.make(session)
        assert report.identical, (session.strategy, report.differences)
    spans = [(s.cycles.earliest("pk").decided_at, s.cycles.latest("pk").decided_at) for s in done]
    assert max(first for first, _ in spans) < min(last for _, last in spans), (
        "at the same time, not one after the other"
    )


def _says_what_the_series_says(session: TradingSession) -> int:
    """Compares every decision of the ledger; returns how many of them signalled."""
    tape = Tape.of(session)
    strategy = tape.plan.build()
    spoken = 0
    for symbol in session.symbols:
        known, before = tape.plan.markets[symbol], tape.warmup[symbol]
        whole = BarColumns.concat([before, tape.deciding[symbol]])
        series = Bars.from_arrays(symbol, "1m", whole.ts, *whole.arrays(), calendar=known.calendar)
        said = strategy.scored_signals(series)[len(before) :]
        rows = list(session.decisions.filter(symbol=symbol, decides=True).order_by("ts_ns"))
        assert [code_of(row.action, row.exits) for row in rows] == said["action"].tolist()
        assert [row.confidence for row in rows] == said["confidence"].tolist()
        places = list(range(len(before), len(series)))
        assert [row.evidence for row in rows] == strategy.evidence(series, places)
        spoken += int(np.count_nonzero(said["action"]))
    return spoken
