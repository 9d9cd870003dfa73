"""Statistical arbitrage: the s-scores against the formulas of the paper, and the couples that they make."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from engine.errors import InputError
from strategies import catalogue
from strategies.base import BUY, EXIT_LONG, EXIT_SHORT, SELL
from strategies.panel import Panel
from tests.strategies.panels import basket

ARBITRAGE = catalogue.get("stat_arb")


@pytest.mark.row("D11")
def test_the_s_score_is_that_of_avellaneda_and_lee() -> None:
    """Worked out again the slow way, window by window, with the library's own regressions."""
    bars, lookback = basket(200, 5), 40
    strategy = ARBITRAGE(lookback=lookback)
    panel = Panel(bars)
    returns = {symbol: series.close[1:] / series.close[:-1] - 1 for symbol, series in bars.items()}
    seen = 0
    for symbol, own in returns.items():
        lines = strategy.panel_lines(panel, symbol)
        others = np.mean([other for name, other in returns.items() if name != symbol], axis=0)
        for end in range(lookback, 200, 3):
            y, x = own[end - lookback : end], others[end - lookback : end]
            beta, alpha = np.polyfit(x, y, 1)
            summed = np.cumsum(y - alpha - beta * x)
            b, a = np.polyfit(summed[:-1], summed[1:], 1)
            noise = np.var(summed[1:] - a - b * summed[:-1])
            assert lines["beta"][end] == pytest.approx(beta, rel=1e-7)
            if 0 < b < math.exp(-2 / lookback):
                score = (summed[-1] - a / (1 - b)) / math.sqrt(noise / (1 - b * b))
                assert lines["s_score"][end] == pytest.approx(score, rel=1e-6, abs=1e-9)
                seen += 1
            else:
                assert np.isnan(lines["s_score"][end]), "it does not return within half of the window"
        assert np.isnan(lines["s_score"][:lookback]).all()
    assert seen > 150


@pytest.mark.row("D11")
@pytest.mark.parametrize("most", [1, 3])
def test_couples_are_opened_far_apart_and_closed_near(most: int) -> None:
    bars = basket(1_200, 8)
    strategy = ARBITRAGE(lookback=40, max_pairs=most, leg_pct=12)
    answers, panel = strategy.read(bars), Panel(bars)
    names = sorted(bars)
    score = {symbol: strategy.panel_lines(panel, symbol)["s_score"] for symbol in names}
    held: dict[str, int] = {}
    opened = 0
    for row in range(1_200):
        now = {symbol: int(answers[symbol]["action"][row]) for symbol in names}
        leaving = {symbol for symbol in names if now[symbol] in (EXIT_LONG, EXIT_SHORT)}
        assert {symbol: held[symbol] for symbol in leaving} == {
            symbol: BUY if now[symbol] == EXIT_LONG else SELL for symbol in leaving
        }
        assert sum(held[symbol] for symbol in leaving) == 0, "both sides of a couple leave together"
        held = {symbol: side for symbol, side in held.items() if symbol not in leaving}
        for symbol in names:
            if now[symbol] in (BUY, SELL):
                assert symbol not in held
                assert now[symbol] * score[symbol][row] <= -1.25
                assert answers[symbol]["target_weight"][row] == 0.12 * now[symbol]
                held[symbol] = now[symbol]
                opened += 1
        assert sum(held.values()) == 0, "as much is bought as is sold"
        assert len(held) <= 2 * most
        fallen = [s for s in names if now[s] == BUY]
        if fallen and len(held) == 2 * most == 2:
            free = [score[s][row] for s in names if s not in leaving and np.isfinite(score[s][row])]
            assert score[fallen[0]][row] == min(free), "the one that has fallen most"
    assert opened > 40


@pytest.mark.row("D11")
def test_the_exit_is_half_the_distance_of_the_two() -> None:
    bars = basket(900, 6)
    strategy = ARBITRAGE(lookback=40, max_pairs=1)
    answers, panel = strategy.read(bars), Panel(bars)
    score = {symbol: strategy.panel_lines(panel, symbol)["s_score"] for symbol in bars}
    low = high = ""
    closed = 0
    for row in range(900):
        now = {symbol: int(answer["action"][row]) for symbol, answer in answers.items()}
        if low:
            near = (score[high][row] - score[low][row]) / 2 <= 0.5
            assert (now[low] == EXIT_LONG) == (now[high] == EXIT_SHORT) == near
            closed += near
            low, high = ("", "") if near else (low, high)
        for symbol, code in now.items():
            low, high = (symbol, high) if code == BUY else (low, symbol) if code == SELL else (low, high)
    assert closed > 10


@pytest.mark.row("D11", "A8")
def test_an_exit_beyond_the_entry_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        ARBITRAGE(exit_s=1.25)
    assert (caught.value.faults[0].path, caught.value.faults[0].code) == ("exit_s", "conflict")


@pytest.mark.row("D11")
def test_twenty_symbols_of_a_year_of_minutes_take_seconds() -> None:
    bars = basket(98_280, 20)
    start = time.process_time()
    ARBITRAGE().read(bars)
    assert time.process_time() - start < 10
