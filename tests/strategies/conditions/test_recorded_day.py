"""A recorded day, every bar: what a session would say as each bar closes is what the backtest says of the whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strategies.conditions import Conditions, evaluate, explain, measure, nodes
from tests.strategies.conditions import reference
from tests.strategies.conditions.made import CLOSE, RSI, compare, group, short
from tests.strategies.test_timeframes import ns, recorded

HOUR = {"indicator": "ema", "period": 3, "timeframe": "1h"}
BANDS = {"indicator": "bollinger", "period": 20}
TREES: dict[str, Any] = {
    "buy": group(
        "and",
        group("or", short(value=35), compare("close", "crosses_above", BANDS | {"output": "lower"})),
        group("not", compare("close", "below", CLOSE | {"timeframe": "1d"}), compare("volume", "falling", bars=4)),
    ),
    "sell": group(
        "or",
        compare(RSI, "crosses_below", 60),
        compare("close", "above", BANDS | {"output": "upper"}, for_bars=2),
    ),
    "short": compare("close", "crosses_below", HOUR),
    "cover": [compare("close", "above", HOUR, for_bars=3), compare(HOUR, "rising", bars=1)],
}


@pytest.mark.shared_data
@pytest.mark.row("E4", "E5", "W8", "G15")
def test_live_explanations_agree_with_the_backtest_on_every_bar(shared_data: Path) -> None:
    """SPY on 8 October 2013, with the day before as history; bars before the open and after the close included."""
    spy = recorded(shared_data / "spy_1min_2013-10.csv")
    first, end = (int(np.searchsorted(spy.ts, ns(f"2013-10-0{day}T04:00"))) for day in (7, 9))
    day = int(np.searchsorted(spy.ts, ns("2013-10-08T04:00"))) - first
    bars = spy[first:end]
    backtest, live = Conditions(**TREES), Conditions(**TREES)
    signals, lines = backtest.signals(bars), backtest.lines(bars)
    truth = {name: evaluate(tree, bars) for name, tree in backtest.trees.items()}
    told = {name: explain(tree, bars, list(range(len(bars)))) for name, tree in backtest.trees.items()}
    assert {int(code) for code in np.unique(signals[day:])} == {-3, -2, -1, 0, 1, 2}
    assert len(bars) - day > 390
    for i in range(day, len(bars)):
        opinion = live.explain(bars[: i + 1], -1)
        assert opinion.code == signals[i]
        evidence = opinion.metadata["evidence"]
        for name in truth:
            assert (evidence[name]["is"] is True) == truth[name][i]
            assert evidence[name] == told[name][i]
        for name, values in lines.items():
            assert opinion.metadata["values"].get(name, None) == (values[i] if np.isfinite(values[i]) else None)
    verdicts = [node["is"] for tree in told.values() for one in tree for node in nodes(one)]
    assert {True, False, None} == set(verdicts)


@pytest.mark.shared_data
@pytest.mark.row("E4", "W8")
def test_a_recorded_half_day_the_slow_way(shared_data: Path) -> None:
    goog = recorded(shared_data / "goog_1min_half_day_2015-12.csv")
    trees = Conditions(**TREES).trees
    truth = {name: evaluate(tree, goog) for name, tree in trees.items()}
    for i in range(40, len(goog), 61):
        for name, tree in trees.items():
            assert (reference.verdict(tree, goog, i) is True) == truth[name][i], (name, i)


@pytest.mark.shared_data
@pytest.mark.row("E5", "W8")
def test_the_check_of_a_saved_strategy_on_recorded_minutes(shared_data: Path) -> None:
    told = measure(TREES, recorded(shared_data / "spy_1min_2013-10.csv")[:1_200])
    assert told["ok"], told["problems"]
    assert told["memory"] > told["declared_warmup"] == 21
    assert all(told["true_bars"].values())
