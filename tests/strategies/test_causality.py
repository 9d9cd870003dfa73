"""The causality check finds planted looks ahead, names the bar, and lets clean strategies pass."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engine import Bars
from strategies import catalogue
from strategies.base import Strategy, votes
from strategies.causality import CausalityReport, check, check_indicator, check_outputs
from strategies.indicators import functions as f
from tests.strategies.panels import by_itself
from tests.strategies.series import real_daily, walk

Signals = Callable[[Bars], NDArray[np.int8]]


def planted(signals: Signals, *, lines: Callable[[Bars], dict] | None = None, needs: int = 1) -> Strategy:
    """A strategy made of one function; not registered."""

    class Planted(Strategy):
        """For one test."""

        slug, label, kind = "planted", "Planted", "trend"

        def warmup(self) -> int:
            return needs

        def signals(self, bars: Bars) -> NDArray[np.int8]:
            return signals(bars)

        def lines(self, bars: Bars) -> dict[str, NDArray[np.float64]]:
            return lines(bars) if lines else {}

    return Planted()


def tomorrow(bars: Bars) -> NDArray[np.int8]:
    """Buys when the next close is higher: pandas' shift(-1)."""
    later = np.append(bars.close[1:], np.nan)
    return votes(later > bars.close, later < bars.close)


def whole_mean(bars: Bars) -> NDArray[np.int8]:
    """Buys below the mean of the whole series."""
    mean = bars.close.mean() if len(bars) else 0
    return votes(bars.close < mean, bars.close > mean)


def centred(bars: Bars) -> NDArray[np.int8]:
    """An average centred on its bar."""
    average = np.convolve(bars.close, np.ones(5) / 5, mode="same") if len(bars) > 4 else bars.close
    return votes(bars.close < average, bars.close > average)


def scaled_by_last(bars: Bars) -> NDArray[np.int8]:
    """Prices as ratios of the last one; a level of 0.995 means something else every day."""
    scaled = bars.close / bars.close[-1] if len(bars) else bars.close
    return votes(scaled < 0.995, scaled > 1.005)


def coarse_bar(bars: Bars) -> NDArray[np.int8]:
    """Reads the close of the five-minute bar from its first minute on."""
    group = bars.ts // 300_000_000_000
    last = np.searchsorted(group, group, side="right") - 1
    return votes(bars.close < bars.close[last], bars.close > bars.close[last])


def scaled_range(bars: Bars) -> NDArray[np.int8]:
    """Min-max scaling over all that is known in the end, as feature pipelines do."""
    span = np.ptp(bars.close) if len(bars) else 0
    place = (bars.close - bars.close.min()) / span if span else np.zeros(len(bars))
    return votes(place < 0.2, place > 0.8)


LEAKS = [tomorrow, whole_mean, centred, scaled_by_last, coarse_bar, scaled_range]


@pytest.mark.row("W8")
@pytest.mark.parametrize("leak", LEAKS, ids=lambda leak: leak.__name__)
@pytest.mark.parametrize("n", [250, 2_500])
def test_a_planted_leak_is_found(leak: Signals, n: int) -> None:
    report = check(planted(leak), walk(n, timeframe="1m"))
    assert not report.ok
    assert report.first_leak is not None
    assert report.first_leak.output == "signals"
    assert report.first_leak.full != report.first_leak.cut
    assert "looks ahead" in report.problems[0]


@pytest.mark.row("W8")
def test_the_first_leaking_bar_is_named() -> None:
    """A clean strategy that looks one bar ahead at bar 137 only."""
    bars = walk(250)

    def once(part: Bars) -> NDArray[np.int8]:
        signals = votes(part.close < 45, part.close > 55)
        if len(part) > 138:
            signals[137] = 1 if part.close[138] > part.close[137] else -1
        return signals

    report = check(planted(once), bars)
    assert (report.first_leak.bar, report.first_leak.known) == (137, 138)
    assert report.first_leak_time == "2010-05-21T00:00:00Z", "bar 137 of daily bars from 2010-01-04 on"


@pytest.mark.row("W8")
def test_a_leak_in_a_line_is_found_before_it_changes_a_decision() -> None:
    strategy = planted(
        lambda bars: np.zeros(len(bars), np.int8),
        lines=lambda bars: {"level": np.full(len(bars), bars.high.max() if len(bars) else 0.0)},
    )
    report = check(strategy, walk(100))
    assert report.first_leak.output == "level"


@pytest.mark.row("W8")
def test_a_rare_leak_is_found_around_its_signals() -> None:
    """On a long series only some prefixes are replayed; those around signals are among them."""

    def crash_seer(bars: Bars) -> NDArray[np.int8]:
        drop = np.append(bars.close[1:] / bars.close[:-1] - 1, 0.0)
        return votes(np.zeros(len(bars), bool), drop < -0.0035)

    bars = walk(20_000, timeframe="1m")
    assert 0 < np.count_nonzero(crash_seer(bars)) < 20
    report = check(planted(crash_seer), bars)
    assert not report.ok
    assert report.replays == 300


@pytest.mark.row("W8")
def test_answers_that_change_between_calls_are_found() -> None:
    calls = iter(range(1_000_000))

    def moody(bars: Bars) -> NDArray[np.int8]:
        return np.full(len(bars), next(calls) % 2, np.int8)

    report = check(planted(moody), walk(50))
    assert any("not repeatable" in problem for problem in report.problems)


@pytest.mark.row("W8")
def test_a_strategy_that_remembers_the_whole_series_cannot_hide_behind_it() -> None:
    """It keeps its answers by bar: once it has seen everything, a prefix gets answers with the future in them."""
    kept: dict[int, int] = {}

    def remembering(bars: Bars) -> NDArray[np.int8]:
        for ts, signal in zip(bars.ts.tolist(), whole_mean(bars).tolist(), strict=True):
            kept.setdefault(ts, signal) if len(bars) < 250 else kept.update({ts: signal})
        return np.array([kept[ts] for ts in bars.ts.tolist()], np.int8)

    strategy = planted(remembering)
    strategy.signals(walk(250))
    assert np.array_equal(strategy.signals(walk(250)[:100]), strategy.signals(walk(250))[:100]), "hidden once warm"
    kept.clear()
    report = check(strategy, walk(250))
    assert report.first_leak is not None


@pytest.mark.row("W8", "D22")
def test_a_strategy_that_fails_on_little_history_is_not_passed() -> None:
    def impatient(bars: Bars) -> NDArray[np.int8]:
        return votes(bars.close < bars.close[20], bars.close > bars.close[20])

    report = check(planted(impatient), walk(100))
    assert report.problems == ("fails on 0 bars: IndexError: index 20 is out of bounds for axis 0 with size 0",)


@pytest.mark.row("W8")
def test_the_wrong_number_of_values_is_found() -> None:
    report = check(planted(lambda bars: np.zeros(max(len(bars) - 1, 0), np.int8)), walk(50))
    assert report.problems == ("signals has 49 values for 50 bars",)


@pytest.mark.row("W8", "D22")
def test_a_signal_before_the_declared_warm_up_is_found() -> None:
    report = check(planted(lambda bars: np.ones(len(bars), np.int8), needs=10), walk(50))
    assert report.problems == ("a signal at bar 0, before its declared warm-up of 10 bars",)


@pytest.mark.row("W8")
@pytest.mark.parametrize("declared", [pytest.param(d, id=d.slug) for d in by_itself()])
def test_every_shipped_strategy_passes(declared: type[Strategy]) -> None:
    for bars in (walk(280), walk(280, 11, timeframe="1m"), walk(8_000, 3, timeframe="1m")):
        report = check(declared(), bars)
        assert report.ok, report.problems
        assert report.replays == min(len(bars), 300)


CLEAN: dict[str, Signals] = {
    "yesterday": lambda bars: votes(*_against(bars.close, np.append(np.nan, bars.close[:-1])[: len(bars)])),
    "expanding mean": lambda bars: votes(*_against(bars.close, np.cumsum(bars.close) / np.arange(1, len(bars) + 1))),
    "running peak": lambda bars: votes(*_against(bars.close, 0.95 * np.maximum.accumulate(bars.close))),
    "closed hours": lambda bars: votes(*_against(bars.close, _last_closed_hour(bars))),
}


def _against(a: NDArray, b: NDArray) -> tuple[NDArray, NDArray]:
    return a < b, a > b


def _last_closed_hour(bars: Bars) -> NDArray:
    """The close of the last whole hour before each minute; NaN in the first."""
    hour = bars.ts // 3_600_000_000_000
    first = np.searchsorted(hour, hour, side="left")
    return np.where(first > 0, bars.close[first - 1], np.nan) if len(bars) else bars.close


@pytest.mark.row("W8")
@pytest.mark.parametrize("name", CLEAN)
def test_clean_strategies_pass(name: str) -> None:
    report = check(planted(CLEAN[name]), walk(280, timeframe="1m"))
    assert report.ok, report.problems


@pytest.mark.row("W8")
def test_the_warm_up_is_measured() -> None:
    def memory(report: CausalityReport) -> int | None:
        return report.memory

    crossing = check(catalogue.get("ma_crossover")(fast_window=3, slow_window=12), walk(280))
    assert crossing.declared_warmup == 13
    assert crossing.first_valid == 11
    assert memory(crossing) == 13, "two averages on two bars"
    assert memory(check_indicator("sma", walk(280), period=20)) == 20
    assert memory(check_indicator("donchian", walk(280), period=7)) == 7
    wilder = memory(check_indicator("rsi", walk(2_000), period=14))
    assert 150 < wilder < 500, "an average without an end remembers more than its period"
    assert memory(check_indicator("obv", walk(280))) is None, "a sum from the start needs the start"


@pytest.mark.row("W8")
def test_any_function_of_bars_can_be_checked() -> None:
    def features(bars: Bars) -> dict[str, NDArray]:
        return {"rsi": f.rsi(bars.close), "rank": np.argsort(np.argsort(bars.close)).astype(float)}

    report = check_outputs("features", features, walk(120))
    assert report.first_leak.output == "rank"
    assert check_outputs("empty", lambda bars: {}, walk(5)[:0]).ok


@pytest.mark.shared_data
@pytest.mark.row("W8")
def test_shipped_strategies_on_real_prices(shared_data: Path) -> None:
    bars = real_daily(shared_data, "AIG")
    for declared in by_itself():
        report = check(declared(), bars, points=120)
        assert report.ok, report.problems
