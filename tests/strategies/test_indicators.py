"""Indicators: the numbers of TA-Lib, known before the bar ends and never changed by what comes later."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import talib
from hypothesis import given
from hypothesis import strategies as st

from engine import Bars
from engine.errors import InputError
from strategies import indicators
from strategies.causality import check_indicator
from strategies.indicators import crosses_above, crosses_below, registry
from strategies.indicators import functions as f
from strategies.params import IntParam
from tests.strategies.series import FIRST_DAY_NS, MINUTE_NS, bits, from_close, real_daily, walk

NAMES = [entry.name for entry in indicators.all()]

# name → (parameters, TA-Lib's own answer by output name)
References = dict[str, tuple[dict[str, Any], Callable[[Bars], dict[str, Any]]]]
REFERENCE: References = {
    "sma": ({"period": 30}, lambda b: {"sma": talib.SMA(b.close, 30)}),
    "ema": ({"period": 12}, lambda b: {"ema": talib.EMA(b.close, 12)}),
    "rsi": ({}, lambda b: {"rsi": talib.RSI(b.close, 14)}),
    "macd": ({}, lambda b: dict(zip(("macd", "signal", "histogram"), talib.MACD(b.close, 12, 26, 9), strict=True))),
    "bollinger": (
        {},
        lambda b: dict(zip(("upper", "middle", "lower"), talib.BBANDS(b.close, 20, 2.0, 2.0), strict=True)),
    ),
    "atr": ({}, lambda b: {"atr": talib.ATR(b.high, b.low, b.close, 14)}),
    "stochastic": (
        {},
        lambda b: dict(zip(("k", "d"), talib.STOCH(b.high, b.low, b.close, 14, 3, 0, 3, 0), strict=True)),
    ),
    "volume_sma": ({}, lambda b: {"volume_sma": talib.SMA(b.volume, 20)}),
    "obv": ({}, lambda b: {"obv": talib.OBV(b.close, b.volume)}),
    "adx": ({}, lambda b: {"adx": talib.ADX(b.high, b.low, b.close, 14)}),
    "roc": ({}, lambda b: {"roc": talib.ROC(b.close, 10)}),
    "momentum": ({}, lambda b: {"momentum": talib.MOM(b.close, 10)}),
    "donchian": ({}, lambda b: {"upper": talib.MAX(b.high, 20), "lower": talib.MIN(b.low, 20)}),
}


def wilder(first: float, values: np.ndarray, period: int) -> np.ndarray:
    """Wilder's smoothing by hand: each value moves the average by 1 / period."""
    out = [first]
    for value in values:
        out.append((out[-1] * (period - 1) + value) / period)
    return np.array(out)


@pytest.mark.row("F1", "F2", "F3", "F4", "F5", "F6", "F7", "F8", "F9", "F10")
@pytest.mark.parametrize("name", REFERENCE)
def test_equals_talib_from_the_first_valid_bar(name: str) -> None:
    bars = walk(3_000)
    params, reference = REFERENCE[name]
    mine = indicators.calculate(name, bars, **params)
    for output, expected in reference(bars).items():
        assert np.array_equal(np.isnan(mine[output]), np.isnan(expected)), "valid from the same bar on"
        np.testing.assert_allclose(mine[output], expected, rtol=1e-9, atol=1e-9)
        assert np.isfinite(mine[output]).any()


@pytest.mark.row("F1", "F3", "F5", "F6")
def test_the_formulas_by_hand() -> None:
    """The conventions that sources disagree on, computed without the library."""
    bars = walk(200)
    close, period = bars.close, 14
    average = [close[i - 19 : i + 1].mean() for i in range(19, 200)]
    np.testing.assert_allclose(f.sma(close, 20)[19:], average, rtol=1e-12)
    deviation = np.array([close[i - 19 : i + 1].std(ddof=0) for i in range(19, 200)])
    np.testing.assert_allclose(f.bollinger(close)[0][19:], np.array(average) + 2 * deviation, rtol=1e-9)

    change = np.diff(close)
    gains, losses = np.maximum(change, 0), np.maximum(-change, 0)
    up = wilder(gains[:period].mean(), gains[period:], period)
    down = wilder(losses[:period].mean(), losses[period:], period)
    np.testing.assert_allclose(f.rsi(close, period)[period:], 100 * up / (up + down), rtol=1e-9)

    before = close[:-1]
    reach = np.maximum(bars.high[1:], before) - np.minimum(bars.low[1:], before)
    ranges = wilder(reach[:period].mean(), reach[period:], period)
    np.testing.assert_allclose(f.atr(bars.high, bars.low, close, period)[period:], ranges, rtol=1e-9)


@pytest.mark.row("F2", "F4")
def test_exponential_averages_start_from_a_simple_one() -> None:
    close = walk(60).close
    by_hand = [close[:10].mean()]
    for value in close[10:]:
        by_hand.append(by_hand[-1] + (value - by_hand[-1]) * 2 / 11)
    np.testing.assert_allclose(f.ema(close, 10)[9:], by_hand, rtol=1e-12)
    line, signal, histogram = f.macd(close)
    np.testing.assert_allclose(histogram[33:], line[33:] - signal[33:], rtol=1e-12)
    assert np.isnan(line[:33]).all()


@pytest.mark.row("F10")
def test_returns_volatility_momentum_and_flow() -> None:
    bars = walk(120)
    close, volume = bars.close, bars.volume
    simple = close[1:] / close[:-1] - 1
    np.testing.assert_allclose(f.returns(close)[1:], simple, rtol=1e-12)
    expected = [simple[i - 20 : i].std(ddof=1) for i in range(20, 120)]
    np.testing.assert_allclose(f.volatility(close)[20:], expected, rtol=1e-8)
    np.testing.assert_allclose(f.momentum(close, 10)[10:], close[10:] - close[:-10], rtol=1e-12)
    signed = np.sign(np.diff(close)) * volume[1:]
    flow = [signed[i - 20 : i].sum() for i in range(20, 120)]
    np.testing.assert_allclose(f.net_flow(close, volume)[20:], flow, atol=1e-6)
    assert np.isnan(f.net_flow(close, volume)[:20]).all()
    ribbon = indicators.calculate("moving_averages", bars)
    assert list(ribbon) == ["ma_5", "ma_10", "ma_20", "ma_30"]
    for name, values in ribbon.items():
        assert bits(values) == bits(f.sma(close, int(name[3:])))


def test_vwap_starts_again_each_trading_day() -> None:
    """Two sessions of minutes, the second after a night: each average counts its own day only."""
    opens = np.array([FIRST_DAY_NS + 870 * MINUTE_NS, FIRST_DAY_NS + (870 + 1_440) * MINUTE_NS])  # 14:30Z, both days
    ts = (opens[:, None] + np.arange(3) * MINUTE_NS).ravel()
    close = np.array([10.0, 11, 12, 20, 22, 24])
    volume = np.array([100.0, 0, 300, 0, 50, 50])
    bars = Bars.from_arrays("T", "1m", ts, close, close, close, close, volume, calendar="XNYS")
    expected = [10, 10, (1_000 + 3_600) / 400, np.nan, 22, 23]
    np.testing.assert_allclose(indicators.calculate("vwap", bars)["vwap"], expected, rtol=1e-12)


@pytest.mark.row("F1", "F3", "F11", "W8")
@pytest.mark.parametrize("name", NAMES)
def test_no_indicator_looks_ahead_on_any_prefix(name: str) -> None:
    report = check_indicator(name, walk(280, timeframe="1m"))
    assert report.ok, report.problems
    assert report.replays == 280


@pytest.mark.row("W8")
@pytest.mark.parametrize("name", NAMES)
@given(n=st.integers(1, 400), cut=st.integers(1, 400), seed=st.integers(0, 10_000), cents=st.booleans())
def test_a_prefix_gives_the_same_bits(name: str, n: int, cut: int, seed: int, cents: bool) -> None:
    bars = walk(n, seed, cents=cents)
    full = indicators.calculate(name, bars)
    part = indicators.calculate(name, bars[: min(cut, n)])
    for output, values in full.items():
        assert bits(values[: min(cut, n)]) == bits(part[output])


@pytest.mark.row("W8")
def test_crossings_of_truncated_prices_are_the_crossings_of_all() -> None:
    """Running sums meet exact ties on cent prices; no prefix may decide one of them differently."""
    close = walk(5_000, cents=True).close
    fast, slow = f.sma(close, 5), f.sma(close, 10)
    up, down = crosses_above(fast, slow), crosses_below(fast, slow)
    assert (np.abs(fast - slow)[9:] < 1e-12).any(), "the series has ties"
    for cut in range(10, 5_000, 37):
        cut_fast, cut_slow = f.sma(close[:cut], 5), f.sma(close[:cut], 10)
        assert np.array_equal(crosses_above(cut_fast, cut_slow), up[:cut])
        assert np.array_equal(crosses_below(cut_fast, cut_slow), down[:cut])


@pytest.mark.row("D4")
def test_a_crossing_is_one_bar_and_a_touch_is_none() -> None:
    a = np.array([np.nan, 1, 2, 3, 2, 2, 3, 1, 2])
    b = np.array([np.nan, 2, 2, 2, 2, 2, 2, 2, 2])
    assert np.flatnonzero(crosses_above(a, b)).tolist() == [3, 6]
    assert np.flatnonzero(crosses_below(a, b)).tolist() == [7]
    assert np.flatnonzero(crosses_above(a, 2.0)).tolist() == [3, 6]
    assert np.flatnonzero(crosses_below(2.0, a)).tolist() == [3, 6]
    assert crosses_above(np.empty(0), np.empty(0)).shape == (0,)


@pytest.mark.row("D22")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_too_little_history_is_no_error(name: str, n: int) -> None:
    for values in indicators.calculate(name, walk(5)[:n]).values():
        assert values.shape == (n,)
        assert values.dtype == np.float64


@pytest.mark.row("F11", "A8")
def test_unknown_names_and_values_are_refused() -> None:
    bars = walk(10)
    for name, params, path in (
        ("smma", {}, "indicator"),
        ("sma", {"length": 3}, "length"),
        ("sma", {"period": 0}, "period"),
        ("sma", {"period": True}, "period"),
        ("rsi", {"period": 1}, "period"),
        ("sma", {"source": "vwap"}, "source"),
    ):
        with pytest.raises(InputError) as caught:
            indicators.calculate(name, bars, **params)
        assert caught.value.faults[0].path == path


@pytest.mark.row("F11")
def test_a_new_indicator_is_registered_in_one_place_and_works_like_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of pandas-ta-classic's, which TA-Lib does not have: Hull's moving average."""
    import pandas_ta_classic as ta

    monkeypatch.setattr(registry, "_registry", {entry.name: entry for entry in indicators.all()})

    @indicators.register("hull", "Hull moving average", period=IntParam(9, min=4, max=200))
    def hull(bars: Bars, period: int) -> np.ndarray:
        """A weighted average of weighted averages."""
        values = ta.hma(bars.frame()["close"], length=period)
        return np.full(len(bars), np.nan) if values is None else values.to_numpy()

    bars = walk(300)
    values = indicators.calculate("hull", bars, period=16)["hull"]
    half, whole = talib.WMA(bars.close, 8), talib.WMA(bars.close, 16)
    np.testing.assert_allclose(values, talib.WMA(2 * half - whole, 4), rtol=1e-9)
    assert check_indicator("hull", bars, period=16).ok
    assert indicators.get("hull").declaration()["parameters"][0]["default"] == 9
    assert indicators.all()[-1].name == "hull"
    with pytest.raises(InputError):
        indicators.calculate("hull", bars, period=3)
    with pytest.raises(ValueError, match="already"):
        indicators.register("sma", "Another")(hull)


def test_a_second_library_agrees() -> None:
    """pandas-ta-classic's own code (no TA-Lib) for a mean and a band: another implementation, the same numbers."""
    import pandas_ta_classic as ta

    frame = walk(500).frame()
    np.testing.assert_allclose(
        f.sma(frame["close"].to_numpy(), 20), ta.sma(frame["close"], 20, talib=False).to_numpy(), rtol=1e-9
    )
    bands = ta.bbands(frame["close"], 20, 2.0, ddof=0, talib=False)
    upper, _, lower = f.bollinger(frame["close"].to_numpy())
    np.testing.assert_allclose(lower, bands.iloc[:, 0].to_numpy(), rtol=1e-9)
    np.testing.assert_allclose(upper, bands.iloc[:, 2].to_numpy(), rtol=1e-9)


@pytest.mark.shared_data
@pytest.mark.row("F1", "F3", "F5")
def test_on_real_prices(shared_data: Path) -> None:
    bars = real_daily(shared_data, "SPY")
    assert len(bars) == 2_014
    for name, (params, reference) in REFERENCE.items():
        mine = indicators.calculate(name, bars, **params)
        for output, expected in reference(bars).items():
            np.testing.assert_allclose(mine[output], expected, rtol=1e-9, atol=1e-9)
        assert check_indicator(name, bars, points=60, **params).ok


def test_an_average_of_one_bar_is_the_series_and_no_view_of_it() -> None:
    bars = from_close([3.0, 1, 2])
    for name in ("sma", "ema"):
        values = indicators.calculate(name, bars, period=1)[name]
        assert values.tolist() == [3, 1, 2]
        assert not np.shares_memory(values, bars.close)
