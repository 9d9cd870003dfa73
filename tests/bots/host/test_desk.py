"""The deciding side of a session by itself: what a bar that is none leaves behind."""

from __future__ import annotations

import numpy as np
import pytest

from bots.host.desk import Desk, Market, Plan
from bots.host.history import pack, unpack
from engine import InputError
from marketdata.columns import BarColumns
from strategies import session_settings

MINUTE = 60_000_000_000
GOOD = (10.0, 11.0, 9.0, 10.5, 100.0)


def desk() -> Desk:
    plan = Plan(
        strategy="ma_crossover",
        parameters={"fast_window": 2, "slow_window": 3},
        symbols=("A",),
        timeframe="1m",
        match_timeframe="1m",
        markets={"A": Market("24/7")},
        initial_cash=1_000.0,
        settings=session_settings.clean({}),
    )
    return Desk(plan)


@pytest.mark.row("W11")
@pytest.mark.parametrize(
    "bad",
    [(10.0, 9.0, 11.0, 10.5, 100.0), (0.0, 11.0, 0.0, 10.5, 1.0), (10.0, float("nan"), 9.0, 10.0, 1.0)],
    ids=["high below low", "a price of zero", "not a number"],
)
def test_a_bar_that_makes_none_leaves_no_trace(bad: tuple[float, ...]) -> None:
    one = desk()
    one.decide(MINUTE, {"A": GOOD}, {"A": (MINUTE, GOOD)})
    before = one.portfolio.checkpoint()
    with pytest.raises(InputError):
        one.decide(2 * MINUTE, {"A": bad}, {"A": (2 * MINUTE, bad)})
    assert len(one.histories["A"]) == 1
    assert one.portfolio.checkpoint() == before
    one.decide(2 * MINUTE, {"A": GOOD}, {"A": (2 * MINUTE, GOOD)})
    assert one.histories["A"].last_ts == 2 * MINUTE


def test_the_warm_up_comes_back_as_it_went_in() -> None:
    ts = np.arange(3, dtype=np.int64) * MINUTE
    bars = {"A": BarColumns(ts, *(np.full(3, 0.1 + k) for k in range(5))), "B": BarColumns.empty()}
    again = unpack(pack(bars))
    assert set(again) == {"A", "B"}
    assert len(again["B"]) == 0
    for name in ("ts", "open", "high", "low", "close", "volume"):
        assert getattr(again["A"], name).tobytes() == getattr(bars["A"], name).tobytes()
