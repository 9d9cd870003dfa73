"""The causality check finds every planted look ahead, and no indicator, strategy or tree sets it off."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine import Bars
from engine.resample import resample
from strategies import catalogue, indicators
from strategies.base import Strategy
from strategies.causality import check, check_indicator, check_outputs
from strategies.conditions import Conditions
from strategies.indicators import functions as f
from strategies.panel import PanelStrategy
from tests.strategies.conditions.test_strategy import TREE_OF_EACH
from tests.strategies.series import walk

Values = NDArray[np.float64]
Compute = Callable[[Bars], Values]
FIVE_MINUTES = 300_000_000_000


def negative_shift(bars: Bars) -> Values:
    """pandas' shift(-1): tomorrow's close."""
    return np.append(bars.close[1:], np.nan)


def next_open(bars: Bars) -> Values:
    """The price at which it would be filled, as a feature of the bar that decides."""
    return np.append(bars.open[1:], np.nan) / bars.close


def centred_window(bars: Bars) -> Values:
    return np.convolve(bars.close, np.ones(7) / 7, mode="same") if len(bars) >= 7 else bars.close


def whole_mean(bars: Bars) -> Values:
    return bars.close - bars.close.mean() if len(bars) else bars.close


def whole_zscore(bars: Bars) -> Values:
    spread = bars.close.std() if len(bars) else 0.0
    return (bars.close - bars.close.mean()) / spread if spread else np.zeros(len(bars))


def min_max_scaling(bars: Bars) -> Values:
    span = np.ptp(bars.close) if len(bars) else 0.0
    return (bars.close - bars.close.min()) / span if span else np.zeros(len(bars))


def scaled_by_the_last(bars: Bars) -> Values:
    return bars.close / bars.close[-1] if len(bars) else bars.close


def rank_in_the_series(bars: Bars) -> Values:
    return np.argsort(np.argsort(bars.close, kind="stable")).astype(float)


def quantile_of_the_series(bars: Bars) -> Values:
    return (bars.volume > np.quantile(bars.volume, 0.9)).astype(float) if len(bars) else bars.volume


def forming_coarse_bar(bars: Bars) -> Values:
    """The high of the five minutes that the bar lies in, before they are over."""
    group = bars.ts // FIVE_MINUTES
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    return np.maximum.reduceat(bars.high, starts)[np.searchsorted(group[starts], group)] if len(bars) else bars.high


def coarse_bar_by_its_label(bars: Bars) -> Values:
    """An hour's close joined on the hour's start: an hour too early."""
    hours = resample(bars, "1h")
    row = np.searchsorted(hours.ts, bars.ts, side="right") - 1
    return hours.close[row] if len(bars) else bars.close


def filled_backwards(bars: Bars) -> Values:
    """Missing first values of an average taken from the first one that there is."""
    average = f.sma(bars.close, 20)
    known = np.flatnonzero(np.isfinite(average))
    return np.where(np.isnan(average), average[known[0]], average) if known.size else average


def filled_with_the_last(bars: Bars) -> Values:
    average = f.sma(bars.close, 20)
    return np.where(np.isnan(average), average[-1], average) if len(bars) else average


def interpolated(bars: Bars) -> Values:
    """Every tenth close, and a straight line between them."""
    places = np.arange(0, len(bars), 10)
    return np.interp(np.arange(len(bars)), places, bars.close[places]) if len(bars) else bars.close


def swing_highs(bars: Bars) -> Values:
    """A high above the three bars on both of its sides, marked on its own bar."""
    out = np.zeros(len(bars))
    for i in range(3, len(bars) - 3):
        out[i] = bars.high[i] == bars.high[i - 3 : i + 4].max()
    return out


def smoothed_both_ways(bars: Bars) -> Values:
    """An exponential average forwards, and then backwards to undo its lag (filtfilt)."""
    return f.ema(f.ema(bars.close, 5)[::-1].copy(), 5)[::-1] if len(bars) > 20 else np.full(len(bars), np.nan)


def trend_of_the_whole(bars: Bars) -> Values:
    """Distance from a straight line through all closes."""
    times = np.arange(len(bars), dtype=float)
    return bars.close - np.polyval(np.polyfit(times, bars.close, 1), times) if len(bars) > 2 else bars.close


def main_component(bars: Bars) -> Values:
    """Returns and ranges projected on the direction that explains most of the whole series."""
    table = np.stack([np.diff(bars.close, prepend=bars.close[:1]), bars.high - bars.low], axis=1)
    return table @ np.linalg.svd(table, full_matrices=False)[2][0] if len(bars) > 3 else np.zeros(len(bars))


def drawdown_to_come(bars: Bars) -> Values:
    """The lowest low from this bar on: a label among the features."""
    return np.minimum.accumulate(bars.low[::-1])[::-1]


def count_of_bars(bars: Bars) -> Values:
    """How far the end is: known only in the end."""
    return np.arange(len(bars), 0, -1).astype(float)


def spectrum(bars: Bars) -> Values:
    """Noise taken away by a Fourier transform of the whole series."""
    if not len(bars):
        return bars.close
    kept = np.fft.rfft(bars.close)
    kept[len(kept) // 8 :] = 0
    return np.fft.irfft(kept, len(bars))


def only_in_crises(bars: Bars) -> Values:
    """Clean on nearly every bar; it knows of the worst one a bar before."""
    out = np.zeros(len(bars))
    falls = np.flatnonzero(np.diff(bars.close) / bars.close[:-1] < -0.0018)
    out[falls] = 1.0
    return out


LEAKS: tuple[Compute, ...] = (
    negative_shift, next_open, centred_window, whole_mean, whole_zscore, min_max_scaling, scaled_by_the_last,
    rank_in_the_series, quantile_of_the_series, forming_coarse_bar, coarse_bar_by_its_label, filled_backwards,
    filled_with_the_last, interpolated, swing_highs, smoothed_both_ways, trend_of_the_whole, main_component,
    drawdown_to_come, count_of_bars, spectrum, only_in_crises,
)  # fmt: skip


@pytest.mark.row("W8")
@pytest.mark.parametrize("leak", LEAKS, ids=lambda leak: leak.__name__)
@pytest.mark.parametrize("n", [240, 3_000])
def test_every_planted_leak_is_found(leak: Compute, n: int) -> None:
    report = check_outputs(leak.__name__, lambda bars: {"value": leak(bars)}, walk(n, timeframe="1m"))
    assert not report.ok
    assert report.first_leak is not None
    assert report.first_leak.known <= n
    assert "looks ahead" in report.problems[0]


@pytest.mark.row("W8")
@pytest.mark.parametrize("leak", LEAKS, ids=lambda leak: leak.__name__)
def test_a_leak_hidden_in_a_decision_is_found(leak: Compute) -> None:
    """Not the value itself, but whether it is above a level; beside clean outputs."""
    whole = walk(1_200, 5, timeframe="1m")
    level = float(np.nanmedian(leak(whole)))

    def outputs(bars: Bars) -> dict[str, NDArray[Any]]:
        decided = np.nan_to_num(np.sign(leak(bars) - level)).astype(np.int8)
        return {"sma": f.sma(bars.close, 10), "signals": decided, "rsi": f.rsi(bars.close)}

    report = check_outputs(leak.__name__, outputs, whole)
    assert report.first_leak is not None
    assert report.first_leak.output == "signals"


@pytest.mark.row("W8", "F11")
@pytest.mark.parametrize("declared", [pytest.param(one, id=one.name) for one in indicators.all()])
def test_no_indicator_sets_it_off(declared: indicators.Indicator) -> None:
    rng = np.random.default_rng(zlib.crc32(declared.name.encode()))
    for bars in (walk(260, 2), walk(3_000, 4, timeframe="1m")):
        for drawn in ({}, {name: _drawn(param.declaration(), rng) for name, param in declared.params.items()}):
            report = check_indicator(declared.name, bars, points=80, **drawn)
            assert report.ok, (drawn, report.problems)


@pytest.mark.row("W8", "E4")
@pytest.mark.parametrize(
    "strategy",
    [
        *(pytest.param(one(), id=one.slug) for one in catalogue.listed() if not issubclass(one, PanelStrategy)),
        pytest.param(Conditions(**TREE_OF_EACH), id="conditions"),
    ],
)
def test_no_strategy_sets_it_off(strategy: Strategy) -> None:
    for bars in (walk(260, 2, timeframe="1m"), walk(3_000, 4, timeframe="1m")):
        report = check(strategy, bars, points=80)
        assert report.ok, report.problems


def _drawn(told: dict[str, Any], rng: np.random.Generator) -> object:
    if told["choices"]:
        return str(rng.choice([choice["value"] for choice in told["choices"]]))
    if told["type"] == "int":
        return int(rng.integers(told["min"], max(told["min"] + 1, 40)))
    return float(rng.uniform(told["min"], max(told["min"], min(told["max"], 5))))
