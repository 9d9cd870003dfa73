"""The moving test of Engle and Granger against statsmodels, window by window."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from strategies.cointegration import engle_granger, p_value
from strategies.rolling import moments, slope, spread_zscore
from tests.strategies.panels import couple, real_closes, strangers

Array = NDArray[np.float64]


@pytest.fixture(scope="module")
def coint() -> Callable[..., Any]:
    return pytest.importorskip("statsmodels.tsa.stattools", reason="the oracle of this test").coint


def logs(bars: dict[str, Any]) -> tuple[Array, Array]:
    first, second = (np.log(series.close) for series in bars.values())
    return first, second


@pytest.mark.row("D10")
@pytest.mark.parametrize("lags", [None, 0, 1, 4])
@pytest.mark.parametrize("window", [30, 60, 120, 252])
@pytest.mark.parametrize("kind", [couple, strangers], ids=["a pair", "two strangers"])
def test_every_window_agrees_with_statsmodels(
    coint: Callable[..., Any], kind: Callable[..., Any], window: int, lags: int | None
) -> None:
    first, second = logs(kind(420, seed=11))
    statistic, p = engle_granger(first, second, window, 37, lags)
    assert np.isnan(statistic[: window - 1]).all()
    for row in range(window - 1, 420):
        end = window - 1 + (row - window + 1) // 37 * 37 + 1
        if row + 1 == end:
            chosen = {"maxlag": lags, "autolag": "aic" if lags is None else None}
            expected = coint(first[end - window : end], second[end - window : end], trend="c", **chosen)
        assert statistic[row] == pytest.approx(expected[0], abs=1e-8), "between two tests the last one stands"
        assert p[row] == pytest.approx(expected[1], abs=1e-8)


@pytest.mark.row("D10")
def test_the_p_value_is_mackinnons() -> None:
    mackinnonp = pytest.importorskip("statsmodels.tsa.adfvalues", reason="the oracle of this test").mackinnonp
    for statistic in [-40, -18.87, -18.86, -10, -3.9, -3.34, -2.63, -2.62, -2.61, -1, 0, 0.5, 0.92, 0.93, 5]:
        assert p_value(statistic) == pytest.approx(mackinnonp(statistic, regression="c", N=2), abs=1e-12)
    assert np.isnan(p_value(float("nan")))


@pytest.mark.row("D10")
def test_series_that_do_not_move_or_are_the_same() -> None:
    first, second = logs(couple(100))
    flat = np.full(100, 4.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for one, other in ((flat, second), (first, flat)):
            statistic, p = engle_granger(one, other, 50, 10)
            assert np.isnan(statistic).all()
            assert np.isnan(p).all()
        statistic, p = engle_granger(2 * second + 1, second, 50, 10)
    assert (statistic[49:] == -np.inf).all()
    assert (p[49:] == 0).all()
    assert np.isnan(engle_granger(first[:49], second[:49], 50, 10)[0]).all()
    assert engle_granger(first[:0], second[:0], 50, 10)[0].shape == (0,)


@pytest.mark.row("D10", "W8")
def test_no_value_depends_on_what_comes_later() -> None:
    first, second = logs(couple(400))
    whole = engle_granger(first, second, 60, 7)
    for known in (59, 60, 61, 67, 200, 399):
        part = engle_granger(first[:known], second[:known], 60, 7)
        for a, b in zip(whole, part, strict=True):
            assert a[:known].tobytes() == b.tobytes()


@pytest.mark.row("D10")
def test_the_hedge_ratio_is_the_least_squares_line() -> None:
    first, second = logs(couple(300))
    ratio = slope(moments(first, second, 50))
    z = spread_zscore(first, second, ratio, 20)
    assert np.isnan(ratio[:49]).all()
    for row in range(49, 300):
        rows = slice(row - 49, row + 1)
        assert ratio[row] == pytest.approx(np.polyfit(second[rows], first[rows], 1)[0], abs=1e-9)
        spread = (first - ratio[row] * second)[row - 19 : row + 1]
        assert z[row] == pytest.approx((spread[-1] - spread.mean()) / spread.std(), abs=1e-6)
    assert np.isnan(spread_zscore(2 * second, second, np.full(300, 2.0), 20)).all(), "a spread of rounding is none"


@pytest.mark.shared_data
@pytest.mark.row("D10")
def test_real_stocks_agree_too(coint: Callable[..., Any], shared_data: Path) -> None:
    first, second = logs(real_closes(shared_data, "MA", "JPM"))
    statistic, p = engle_granger(first, second, 250, 101)
    for end in range(250, len(first) + 1, 101):
        expected = coint(first[end - 250 : end], second[end - 250 : end])
        assert statistic[end - 1] == pytest.approx(expected[0], abs=1e-8)
        assert p[end - 1] == pytest.approx(expected[1], abs=1e-8)


@pytest.mark.row("D10")
def test_a_year_of_minutes_takes_no_longer_than_a_breath() -> None:
    first, second = logs(couple(98_280))
    start = time.process_time()
    engle_granger(first, second, 120, 20)
    assert time.process_time() - start < 2.0
