"""What a split keeps, for any ratio, size and levels: docs/fills.md §18."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import InputError, Rules
from tests.engine.made import START
from tests.engine.test_broker_fills import changes, go, holding, portfolio


@pytest.mark.row("W17")
@given(
    ratio=st.tuples(st.integers(1, 30), st.integers(1, 30)), qty=st.floats(0.001, 50_000.0), px=st.floats(0.5, 5_000.0),
    stop_pct=st.floats(0.5, 40.0), target_pct=st.floats(0.5, 90.0), trail_pct=st.floats(0.5, 40.0),
)  # fmt: skip
def test_a_split_keeps_worth_cost_and_distances(
    ratio: tuple[int, int], qty: float, px: float, stop_pct: float, target_pct: float, trail_pct: float
) -> None:
    by = ratio[0] / ratio[1]
    rules = Rules(stop_loss_pct=stop_pct, take_profit_pct=target_pct, trailing_stop_pct=trail_pct, time_in_force="gtc")
    one = portfolio(cash=1e12, rules=rules)
    one.adopt("A", qty, px, START)
    go(one, bar=(px, px * 1.1, px * 0.9, px, 1.0))
    before, cash, equity = one.positions()[0], one.cash, one.equity
    one.split("A", by)
    (after,) = one.positions()
    assert after.qty == pytest.approx(qty * by, rel=1e-12)
    assert after.qty * after.avg_px == pytest.approx(before.qty * before.avg_px, rel=1e-12)
    assert after.qty * after.mark == pytest.approx(before.qty * before.mark, rel=1e-12)
    for name in ("stop_px", "target_px", "trailing_px", "avg_px"):
        away = getattr(after, name) / after.mark, getattr(before, name) / before.mark
        assert away[0] == pytest.approx(away[1], rel=1e-12)
    assert (one.cash, one.equity) == (cash, pytest.approx(equity, rel=1e-12))
    go(one, bar=(px / by, px / by * 1.1, px / by * 0.9, px / by, 1.0))
    assert one.equity == pytest.approx(equity, rel=1e-12), "the market that follows is the one from before"
    assert one.positions()[0].trailing_px == pytest.approx(before.trailing_px / by, rel=1e-12)


@pytest.mark.row("W17")
def test_units_are_those_that_the_broker_rounds_to() -> None:
    """Brokers count nine places: what is held after a split is closed by just so many, and nothing of it stays."""
    for told in (610.004066692, 610.004066693):  # half of the ninth place: either is right
        one = portfolio()
        one.adopt("A", 406.669377795, 20.0, START)
        go(one)
        one.request_exit("A", "user")
        one.split("A", 1.5, told)
        assert one.positions()[0].qty == told
        assert [row[1] for row in changes(one.fill(0, told, 13.0))] == ["filled"]
        assert one.positions() == []


def test_units_that_no_rounding_explains_are_refused() -> None:
    one = holding()
    for qty in (399.99, -400.0, float("nan")):
        with pytest.raises(InputError, match="are not"):
            one.split("A", 4.0, qty)
    assert one.positions()[0].qty == 100.0
