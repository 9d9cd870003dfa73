"""Several timeframes in one strategy: closed coarse bars only, on half days, over weekends and round the clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import Bars
from engine.errors import InputError
from engine.resample import close_times, resample
from strategies import catalogue
from strategies.base import EXIT_LONG, EXIT_SHORT
from strategies.causality import check
from strategies.indicators import functions as f
from tests.strategies.series import bits, walk

MINUTE = 60_000_000_000
# New York's regular sessions around a half day, and around the change to daylight saving time.
THANKSGIVING = [(f"2015-11-{day}", 14.5, 210 if day == 27 else 390) for day in (23, 24, 25, 27, 30)]
THANKSGIVING.append(("2015-12-01", 14.5, 390))
DAYLIGHT = [("2016-03-10", 14.5, 390), ("2016-03-11", 14.5, 390), ("2016-03-14", 13.5, 390), ("2016-03-15", 13.5, 390)]


DIPS = {"window": 2, "threshold": 0.001}
OFF = {"strategy": "ma_crossover", "enabled": False}


def minutes(sessions: list[tuple[str, float, int]], seed: int = 5) -> Bars:
    """Minutes of New York's sessions: (day, hour of the open in UTC, minutes)."""
    opens = [int(np.datetime64(day, "ns").astype(np.int64)) + int(hour * 60) * MINUTE for day, hour, _ in sessions]
    ts = np.concatenate(
        [first + np.arange(count) * MINUTE for first, (_, _, count) in zip(opens, sessions, strict=True)]
    )
    made = walk(len(ts), seed, timeframe="1m", cents=False)
    return Bars.from_arrays("MADE", "1m", ts, made.open, made.high, made.low, made.close, made.volume, calendar="XNYS")


def every_prefix_agrees(strategy: Any, bars: Bars, cuts: np.ndarray) -> None:
    whole, sure = strategy.signals(bars), strategy.confidence(bars)
    lines = strategy.lines(bars)
    for k in cuts.tolist():
        part = bars[:k]
        assert np.array_equal(strategy.signals(part), whole[:k]), k
        assert bits(strategy.confidence(part)) == bits(sure[:k])
        for name, values in strategy.lines(part).items():
            assert bits(values) == bits(lines[name][:k]), (name, k)


def ensemble(timeframe: str, **parameters: Any) -> Any:
    members = [{"strategy": "mean_reversion", "parameters": DIPS, "timeframe": timeframe}, {**OFF, "timeframe": "1d"}]
    return catalogue.get("ensemble")(members=members, **{"hold_for_bars": 1, **parameters})


@pytest.mark.row("G15", "H15")
@pytest.mark.parametrize("timeframe", ["5m", "15m", "1h", "4h"])
@pytest.mark.parametrize("sessions", [THANKSGIVING, DAYLIGHT], ids=["a half day", "the clocks change"])
def test_a_coarse_member_speaks_when_its_bar_has_closed(sessions: list, timeframe: str) -> None:
    bars = minutes(sessions)
    strategy = ensemble(timeframe)
    coarse = resample(bars, timeframe)
    known_at = close_times(coarse)
    said = catalogue.get("mean_reversion")(**DIPS).signals(coarse)
    expected = np.zeros(len(bars), np.int8)
    closing = np.searchsorted(bars.ts_close, known_at)
    here = closing < len(bars)
    expected[closing[here]] = said[here]
    assert np.array_equal(strategy.signals(bars), expected)
    assert np.count_nonzero(expected) > 0
    assert (bars.ts_close[closing[here]] == known_at[here]).all(), "not a minute late, on the half day either"
    around = np.concatenate([closing[here][-12:] + offset for offset in (0, 1, 2)])
    every_prefix_agrees(strategy, bars, np.unique(np.clip(around, 1, len(bars))))


@pytest.mark.row("G15", "H15")
def test_days_in_minutes_are_known_at_the_close_of_the_session() -> None:
    bars = minutes(THANKSGIVING)
    strategy = catalogue.get("multi_timeframe")(trend_window=2, trend_slope=1, rsi_window=5)
    trend = strategy.lines(bars)["trend"]
    ends = np.cumsum([count for _, _, count in THANKSGIVING])
    days = resample(bars, "1d").close
    average = f.sma(days, 2)
    for day, (begin, end) in enumerate(zip([0, *ends], ends, strict=False)):
        # The last minute of a session knows its day; the minutes before it know the day before.
        known = day - 1
        expected = (
            np.nan
            if known < 2
            else float(np.sign(days[known] - average[known]))
            * (np.sign(days[known] - average[known]) == np.sign(average[known] - average[known - 1]))
        )
        assert np.array_equal(np.unique(trend[begin : end - 1]), [expected], equal_nan=True), day
    assert ends[3] - ends[2] == 210, "the half day"
    every_prefix_agrees(strategy, bars, np.concatenate([ends - 1, ends, [1, 700, 1_171, 1_379, 1_381]]))


@pytest.mark.row("G15", "H15", "W8")
@pytest.mark.parametrize(
    ("strategy", "parameters"),
    [
        ("multi_timeframe", {"trend_timeframe": "1h", "trend_window": 10, "trend_slope": 2}),
        ("multi_timeframe", {"trend_timeframe": "15m", "trend_window": 10, "trigger": "crossover"}),
        ("multi_timeframe", {"trend_timeframe": "1h", "trend_window": 5, "exit_on_trend_end": False}),
    ],
)
@pytest.mark.parametrize("market", ["XNYS", "24/7"])
def test_the_trend_strategy_looks_at_no_later_bar(strategy: str, parameters: dict[str, Any], market: str) -> None:
    bars = minutes(THANKSGIVING) if market == "XNYS" else walk(2_200, timeframe="1m", cents=False)
    made = catalogue.get(strategy)(**parameters)
    report = check(made, bars, points=120)
    assert report.ok, report.problems
    signals, trend = made.signals(bars), made.lines(bars)["trend"]
    assert (trend[signals == 1] == 1).all()
    assert (trend[signals == -1] == -1).all()
    assert np.count_nonzero(np.abs(signals) == 1) > 0
    left = np.flatnonzero(signals == EXIT_LONG)
    assert (trend[left] != 1).all()
    assert (trend[left - 1] == 1).all()
    closes = parameters.get("exit_on_trend_end", True)
    assert (np.isin(signals, (EXIT_LONG, EXIT_SHORT)).sum() > 0) == closes


@pytest.mark.row("G15", "H15")
def test_history_of_the_stated_length_is_enough() -> None:
    """Started later, on no more than the bars it asks for, it says the same."""
    bars = walk(30_000, timeframe="1m", cents=False)
    strategies = [
        catalogue.get("multi_timeframe")(trend_timeframe="1h", trend_window=20, trigger="crossover"),
        ensemble("1h", hold_for_bars=3, validators=[{"type": "regime", "measure": "efficiency"}]),
        ensemble("15m", calibrate="history", calibration_bars=600, calibration_floor=5),
        catalogue.get("ai_enhanced")(base="bollinger"),
    ]
    for strategy in strategies:
        whole = strategy.signals(bars)
        places = np.flatnonzero(whole)
        needed = strategy.bars_needed("1m", "24/7")
        places = places[places >= needed][:: max(len(places) // 40, 1)]
        assert len(places) > 10, strategy
        for i in places.tolist():
            part = bars[i + 1 - needed : i + 1]
            assert strategy.signals(part)[-1] == whole[i], (strategy, i)


@pytest.mark.row("G15")
def test_a_timeframe_that_is_finer_is_refused_in_words() -> None:
    with pytest.raises(InputError, match="cannot be made"):
        ensemble("5m").signals(walk(50))
    with pytest.raises(InputError, match="cannot be made"):
        catalogue.get("multi_timeframe")(trend_timeframe="1h").signals(walk(50))


@pytest.mark.row("G15", "H15")
def test_on_bars_as_coarse_as_its_own_it_reads_those() -> None:
    bars = walk(800)
    assert np.array_equal(
        ensemble("1d").signals(bars),
        catalogue.get("mean_reversion")(**DIPS).signals(bars),
    )
    assert np.count_nonzero(catalogue.get("multi_timeframe")(trend_window=20).signals(bars)) > 10


@pytest.mark.row("G15", "H15")
@pytest.mark.shared_data
def test_a_real_month_of_minutes_with_hours_and_days(shared_data: Path) -> None:
    table = np.genfromtxt(shared_data / "spy_1min_2013-10.csv", delimiter=",", names=True, dtype=None, encoding="ascii")
    ts = np.array([np.datetime64(text.rstrip("Z"), "ns") for text in table["time"]]).astype(np.int64)
    columns = [table[name].astype(np.float64) for name in ("open", "high", "low", "close", "volume")]
    bars = Bars.from_arrays("SPY", "1m", ts, *columns)
    strategies = [
        catalogue.get("multi_timeframe")(trend_window=3, trend_slope=1),
        ensemble("1h", validators=[{"type": "liquidity"}]),
        ensemble("1d", vote="any"),
    ]
    rng = np.random.default_rng(1)
    for strategy in strategies:
        assert np.count_nonzero(strategy.signals(bars)) > 0, strategy
        every_prefix_agrees(strategy, bars, np.sort(rng.choice(len(bars), 25, replace=False)) + 1)
