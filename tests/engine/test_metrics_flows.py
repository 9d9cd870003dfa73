"""Time-weighted and money-weighted returns against closed forms, and against sums done by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.metrics import money_weighted, time_weighted

ROW = pytest.mark.row("W18")


@ROW
@pytest.mark.parametrize(
    ("start", "flows", "end", "expected"),
    [
        (100.0, [], 110.0, 0.1),
        # 100 → 110, 90 come in, 200 → 180: 1.1 × 0.9. By end over money put in it would be -5.3 %.
        (100.0, [(110.0, 90.0)], 180.0, -0.01),
        # Nothing is earned at all, whatever comes and goes.
        (100.0, [(100.0, 900.0), (1000.0, -500.0)], 500.0, 0.0),
        # GIPS's own kind of example: 1,000,000; +50,000 at 1,041,000; 1,150,000 at the end.
        (1_000_000.0, [(1_041_000.0, 50_000.0)], 1_150_000.0, 1.041 * (1_150_000 / 1_091_000) - 1),
        (100.0, [(50.0, -50.0), (0.0, 100.0)], 110.0, None),  # for a while nothing was there
        (0.0, [], 10.0, None),
        (100.0, [], 0.0, -1.0),
        (100.0, [(math.nan, 5.0)], 10.0, None),
    ],
)
def test_time_weighted(start: float, flows: list, end: float, expected: float | None) -> None:
    assert time_weighted(start, flows, end) == (None if expected is None else pytest.approx(expected, abs=1e-12))


@ROW
@given(st.lists(st.tuples(st.floats(-0.5, 0.5), st.floats(-0.5, 2.0)), max_size=8), st.floats(-0.5, 0.5))
def test_flows_make_no_difference_to_the_time_weighted_return(periods: list, last: float) -> None:
    """Grow by each return, let a share of what is there come or go: the chain is the product of the returns alone."""
    value, flows, growth = 100.0, [], 1.0
    for earned, share in periods:
        value *= 1 + earned
        growth *= 1 + earned
        flows.append((value, value * share))
        value += value * share
    growth *= 1 + last
    assert time_weighted(100.0, flows, value * (1 + last)) == pytest.approx(growth - 1, abs=1e-9)


@ROW
@pytest.mark.parametrize(
    ("flows", "end", "years", "expected"),
    [
        ([(0.0, 100.0)], 110.0, 1.0, 0.1),
        ([(0.0, 100.0)], 121.0, 2.0, 0.1),
        ([(0.0, 100.0)], 200.0, 0.5, 3.0),  # doubled in half a year
        ([(0.0, 100.0)], 50.0, 1.0, -0.5),
        ([(0.0, 100.0)], 0.0, 1.0, -1.0),
        ([(0.0, 1000.0)], 1000.0, 1 / 365.25, 0.0),
        # 100 (1+r)² + 100 (1+r) = 231 → (1+r) = 1.1
        ([(0.0, 100.0), (1.0, 100.0)], 231.0, 2.0, 0.1),
        # 1000 (1+r)² - 600 (1+r) = 590 → r = (600 + √(600² + 4·1000·590)) / 2000 - 1
        ([(0.0, 1000.0), (1.0, -600.0)], 590.0, 2.0, (600 + math.sqrt(600**2 + 4 * 1000 * 590)) / 2000 - 1),
        # The spreadsheet's example of an IRR: -70,000 and then 12,000, 15,000, 18,000, 21,000, 26,000 is 8.66 %.
        ([(0.0, 70_000.0), (1.0, -12_000.0), (2.0, -15_000.0), (3.0, -18_000.0), (4.0, -21_000.0)], 26_000.0, 5.0,
         0.0866309480),
        # 100 (1+r)² - 230 (1+r) + 132 = 0 has the roots 10 % and 20 %: neither is the answer.
        ([(0.0, 100.0), (1.0, -230.0)], 0.0, 1.0, 1.3),
        ([(0.0, 100.0), (1.0, -230.0), (2.0, 132.0)], 0.0, 2.0, None),
        ([(0.0, -100.0)], 10.0, 1.0, None),
        ([], 10.0, 1.0, None),
        ([(0.0, 100.0)], -1.0, 1.0, None),
        ([(0.0, 100.0)], 100.0, 0.0, None),
        ([(0.0, 100.0), (3.0, 1.0)], 100.0, 2.0, None),  # after the end
        ([(0.0, math.inf)], 100.0, 2.0, None),
    ],
)  # fmt: skip
def test_money_weighted(flows: list, end: float, years: float, expected: float | None) -> None:
    assert money_weighted(flows, end, years) == (None if expected is None else pytest.approx(expected, abs=1e-9))


@ROW
@given(st.floats(-0.9, 5.0), st.lists(st.tuples(st.floats(0.0, 3.0), st.floats(1.0, 1e6)), min_size=1, max_size=10))
def test_what_grew_at_one_rate_has_that_rate(rate: float, put_in: list) -> None:
    end = sum(amount * (1 + rate) ** (3.0 - t) for t, amount in put_in)
    assert money_weighted([(0.0, 1000.0), *put_in], end + 1000.0 * (1 + rate) ** 3.0, 3.0) == pytest.approx(
        rate, rel=1e-8, abs=1e-8
    )


@ROW
@given(st.lists(st.tuples(st.floats(0.0, 3.0), st.floats(-1e9, 1e9)), min_size=1, max_size=10), st.floats(0.0, 1e12))
def test_it_never_fails_and_what_it_says_is_so(flows: list, end: float) -> None:
    rate = money_weighted(flows, end, 3.0)
    if rate is not None and rate > -0.99:
        grown = [amount * (1 + rate) ** (3.0 - t) for t, amount in flows]
        size = max(map(abs, [*grown, end]))
        assert math.fsum(grown) == pytest.approx(end, abs=1e-6 * max(size, 1.0))
