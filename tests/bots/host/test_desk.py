"""The deciding side of a session by itself: what a bar that is none leaves behind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from bots.host import feeds
from bots.host.desk import Desk, Market, Plan
from bots.host.history import pack, unpack
from engine import InputError
from marketdata.columns import BarColumns
from marketdata.feeds import FeedKey
from strategies import session_settings

MINUTE = 60_000_000_000
GOOD = (10.0, 11.0, 9.0, 10.5, 100.0)
FAST = {"fast_window": 2, "slow_window": 3}


def desk(strategy: str = "ma_crossover", parameters: Mapping[str, Any] = FAST) -> Desk:
    plan = Plan(
        strategy=strategy,
        parameters=parameters,
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


@pytest.mark.row("E5", "G15")
def test_a_history_that_no_session_can_hold_is_refused_before_a_bar_is_loaded() -> None:
    """A hundred and fifty days of minutes are a history; five thousand are none."""

    def averaged_over(days: int) -> Desk:
        average = {"indicator": "sma", "period": days, "timeframe": "1d"}
        above = {"type": "compare", "left": {"price": "close"}, "condition": "above", "right": average}
        return desk("conditions", {"buy": above})

    assert averaged_over(150).warmup == 151 * 24 * 60
    with pytest.raises(InputError, match="bars of 1m would be needed before the first decision"):
        feeds.warmup(FeedKey.of("synthetic"), averaged_over(5_000))
