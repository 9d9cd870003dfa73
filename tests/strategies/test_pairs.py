"""Pairs trading: when it enters and leaves, and how large the legs are, on bars small enough to check by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine import Bars
from engine.errors import InputError
from strategies import catalogue
from strategies.base import BUY, EXIT, EXIT_LONG, EXIT_SHORT, HOLD, SELL
from strategies.cointegration import engle_granger
from strategies.panel import Panel
from tests.strategies.panels import couple, real_closes, strangers

Lines = dict[str, Bars]
PAIRS = catalogue.get("pairs")


def told(bars: Lines, **parameters: object) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """(codes of the first leg, codes of the second, lines) of complete bars."""
    strategy = PAIRS(**{"lookback": 60, "z_window": 30, **parameters})
    answers, lines = strategy.read(bars), strategy.panel_lines(Panel(bars), "Y")
    return answers["Y"]["action"], answers["X"]["action"], lines


@pytest.mark.row("D10")
def test_the_defaults() -> None:
    strategy = PAIRS()
    assert (strategy.entry_z, strategy.exit_z, strategy.stop_z, strategy.max_p) == (2.0, 0.5, None, 0.1)
    assert strategy.warmup() == 120


@pytest.mark.row("D10")
def test_it_enters_far_out_and_leaves_near_the_average() -> None:
    first, second, lines = told(couple(1_500), max_p=0)
    z, ratio = lines["zscore"], lines["hedge_ratio"]
    assert np.array_equal(first == BUY, (z <= -2) & (ratio > 0))
    assert np.array_equal(first == SELL, (z >= 2) & (ratio > 0))
    assert np.array_equal(second == BUY, first == SELL)
    assert np.array_equal(second == SELL, first == BUY)
    # A pair is closed once, on the first bar on which the spread is back, whether or not it stopped there.
    side, out = 0, []
    for row in range(len(z)):
        if first[row] in (BUY, SELL):
            side = int(first[row])
        elif side and (side * z[row] >= -0.5):
            out.append(row)
            side = 0
    assert np.flatnonzero(np.isin(first, [EXIT, EXIT_LONG, EXIT_SHORT])).tolist() == out
    assert len(out) > 15
    for row in out:
        assert (first[row], second[row]) in ((EXIT_LONG, EXIT_SHORT), (EXIT_SHORT, EXIT_LONG), (EXIT, EXIT))


@pytest.mark.row("D10")
def test_it_enters_only_while_the_test_finds_them_cointegrated() -> None:
    bars = couple(1_500)
    free, _, _ = told(bars, max_p=0)
    first, _, lines = told(bars, max_p=0.05, test_every=25, lags=1)
    y, x = np.log(bars["Y"].close), np.log(bars["X"].close)
    p = engle_granger(y, x, 60, 25, 1)[1]
    assert np.array_equal(lines["p_value"], p, equal_nan=True)
    entered = np.isin(first, [BUY, SELL])
    assert np.array_equal(entered, np.isin(free, [BUY, SELL]) & (p <= 0.05))
    assert 0 < entered.sum() < np.isin(free, [BUY, SELL]).sum()
    unrelated, _, _ = told(strangers(1_500), max_p=0.01)
    assert np.isin(unrelated, [BUY, SELL]).sum() < entered.sum() / 2


@pytest.mark.row("D10")
def test_a_stop_closes_and_waits_until_the_spread_has_come_back() -> None:
    bars = couple(3_000)
    first, _, lines = told(bars, max_p=0, stop_z=2.6)
    z = lines["zscore"]
    waits, stops = False, 0
    for row in range(60, len(z)):
        if abs(z[row]) >= 2.6:
            stops += first[row] in (EXIT_LONG, EXIT_SHORT)
            waits = True
        elif abs(z[row]) <= 0.5:
            waits = False
        assert (first[row] in (BUY, SELL)) == (abs(z[row]) >= 2 and not waits)
    assert stops > 5


@pytest.mark.row("D10")
@pytest.mark.parametrize("prices", ["log", "price"])
@pytest.mark.parametrize("slope", [0.4, 1.2])
def test_the_legs_follow_the_hedge_ratio(prices: str, slope: float) -> None:
    bars = couple(800, ratio=slope)
    strategy = PAIRS(lookback=60, z_window=30, max_p=0, prices=prices, leg_pct=15)
    answers, lines = strategy.read(bars), strategy.panel_lines(Panel(bars), "Y")
    entries = np.flatnonzero(np.isin(answers["Y"]["action"], [BUY, SELL]))
    assert len(entries) > 10
    for row in entries:
        first, second = (float(answers[symbol]["target_weight"][row]) for symbol in "YX")
        assert np.sign(first) == answers["Y"]["action"][row]
        assert first * second < 0
        assert max(abs(first), abs(second)) == pytest.approx(0.15)
        ratio = lines["hedge_ratio"][row]
        if prices == "log":
            assert abs(second / first) == pytest.approx(ratio)
        else:
            units = [abs(w) / bars[s].close[row] for w, s in ((first, "Y"), (second, "X"))]
            assert units[1] / units[0] == pytest.approx(ratio)
    leaving = np.isin(answers["Y"]["action"], [EXIT, EXIT_LONG, EXIT_SHORT])
    assert (answers["Y"]["target_weight"][leaving] == 0).all()
    assert np.isnan(answers["Y"]["target_weight"][answers["Y"]["action"] == HOLD]).all()


@pytest.mark.row("D10")
def test_a_pair_that_moves_against_each_other_is_none() -> None:
    first, _, lines = told(couple(800, ratio=-1.0), max_p=0)
    assert np.nanmedian(lines["hedge_ratio"]) < 0
    assert not np.isin(first[lines["hedge_ratio"] <= 0], [BUY, SELL]).any()


@pytest.mark.row("D10", "A8")
@pytest.mark.parametrize(
    ("values", "path"),
    [({"exit_z": 2}, "exit_z"), ({"stop_z": 2}, "stop_z"), ({"stop_z": 1.5, "exit_z": 3}, "exit_z")],
)
def test_levels_in_the_wrong_order_are_refused(values: dict[str, float], path: str) -> None:
    with pytest.raises(InputError) as caught:
        PAIRS(**values)
    assert (caught.value.faults[0].path, caught.value.faults[0].code) == (path, "conflict")


@pytest.mark.row("D1", "D10")
def test_the_reason_names_the_spread_the_ratio_and_the_test() -> None:
    bars = couple(600)
    signals = PAIRS(lookback=60, z_window=30).generate_panel_signals(bars)
    entry = next(signal for signal in signals if not signal.exits)
    assert "deviations from its average (hedge ratio" in entry.reasoning
    assert "p of the test" in entry.reasoning
    assert 0.5 <= entry.confidence < 1
    assert set(entry.metadata["values"]) == {"close", "zscore", "hedge_ratio", "p_value"}
    leaving = next(signal for signal in signals if signal.exits)
    assert leaving.reasoning.endswith("both legs are closed.")
    assert leaving.confidence == 1


@pytest.mark.shared_data
@pytest.mark.row("D10")
def test_on_real_stocks_it_has_something_to_say(shared_data: Path) -> None:
    bars = real_closes(shared_data, "MA", "JPM")
    answers = PAIRS(lookback=250, max_p=0.1).read(bars)
    assert np.isin(answers["MA"]["action"], [BUY, SELL]).any()
