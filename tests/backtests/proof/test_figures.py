"""Each figure of the proof against values worked out another way."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from backtests.proof import entries, judging, paths, sharpe, variants
from backtests.proof.entries import Held
from backtests.proof.findings import DOUBT, FAIL, NOT_APPLICABLE, PASS, Finding, graded, overall
from backtests.proof.windows import windows
from strategies import catalogue
from tests.backtests.proof.markets import KNOWN, planted, study


def test_deflated_sharpe_as_in_the_paper():
    """The worked example of Bailey and López de Prado (2014): SR 2.5 a year, 5 years of days, skewness -3, kurtosis 10,
    100 tries whose yearly ratios have variance ½: SR₀ = 0.1132 a day, DSR = 0.9004."""
    hurdle = sharpe.expected_highest(100, 0.5 / 250)
    assert hurdle == pytest.approx(0.1132, abs=5e-5)
    assert sharpe.from_moments(2.5 / math.sqrt(250), 1_250, -3.0, 10.0, hurdle) == pytest.approx(0.9004, abs=5e-5)


def test_the_moments_are_those_of_the_returns():
    """Four values whose moments are worked out by hand: mean 1/4, skewness and kurtosis of a coin with chance ¼."""
    returns = np.array([1.0, 0.0, 0.0, 0.0] * 25)
    by_hand = sharpe.from_moments(0.25 / returns.std(ddof=1), 100, 2 / math.sqrt(3), 7 / 3, 0.1)
    assert sharpe.probabilistic(returns, 0.1) == pytest.approx(by_hand, rel=1e-12)


def test_the_hurdle_is_where_luck_takes_the_best():
    """The mean of the highest of N normal numbers, by simulation."""
    rng = np.random.default_rng(1)
    for tries in (10, 200):
        seen = rng.normal(size=(20_000, tries)).max(axis=1).mean()
        assert sharpe.expected_highest(tries, 1.0) == pytest.approx(seen, rel=0.03)
    assert sharpe.expected_highest(1, 1.0) == 0.0


def test_probabilities_of_series_that_say_nothing():
    assert sharpe.probabilistic(np.zeros(100)) == 0.0
    assert sharpe.probabilistic(np.array([0.1, 0.2])) == 0.0
    assert sharpe.per_period(np.array([0.1])) == 0.0


def test_probabilistic_sharpe_is_right_about_as_often_as_it_says():
    """Without an edge it is uniform: five in a hundred series are above 0.95."""
    rng = np.random.default_rng(2)
    share = np.mean([sharpe.probabilistic(rng.normal(0, 0.01, 250)) > 0.95 for _ in range(4_000)])
    assert share == pytest.approx(0.05, abs=0.01)


def test_random_entries_are_uniform_where_entries_are_random_and_small_where_they_know():
    rng = np.random.default_rng(3)
    p_values = []
    for _ in range(200):
        prices = np.exp(np.cumsum(rng.normal(0, 0.01, 400)))
        begin = np.sort(rng.choice(np.arange(0, 390, 10), 15, replace=False))
        held = Held(prices, begin, begin + 8, np.ones(15, np.int64))
        p_values.append(entries.significance([held], 200, rng)[0])
    assert np.mean(np.array(p_values) <= 0.05) == pytest.approx(0.05, abs=0.04)
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.07)
    steps = np.tile([0.01, -0.01], 200)
    prices = np.exp(np.concatenate(([0.0], np.cumsum(steps))))
    begin = np.arange(0, 400, 20)
    knows = Held(prices, begin, begin + 1, np.ones(20, np.int64))
    assert entries.significance([knows], 500, rng)[0] == pytest.approx(1 / 501)


def test_random_entries_keep_lengths_and_never_overlap():
    prices = np.arange(1.0, 41.0)
    lengths = np.array([5, 9, 3, 20])
    entry = np.array([0, 6, 15, 19])
    held = Held(np.exp(prices), entry, entry + lengths, np.ones(4, np.int64))
    # On a straight line the gain is the bars held: whatever is drawn, exposure stays.
    assert entries.random_gains(held, 300, np.random.default_rng(1)) == pytest.approx(np.full(300, lengths.sum()))


def test_blocks_keep_their_mean_length_and_every_place_is_as_likely():
    places = paths.block_places(50, 5.0, 4_000, np.random.default_rng(4))
    joined = (np.diff(places, axis=1) % 50 == 1).mean()
    assert 1 / (1 - joined) == pytest.approx(5.0, rel=0.1)
    assert np.bincount(places.ravel(), minlength=50) / places.size == pytest.approx(np.full(50, 0.02), rel=0.1)


def test_shuffling_keeps_the_trades_and_finds_worse_orders():
    trades = np.array([0.1] * 20 + [-0.1] * 15)
    falls = paths.shuffled(trades, 500, np.random.default_rng(5))
    worst = 100 * (1 - 0.9**15)
    assert falls.max() <= worst + 1e-9
    assert falls.min() < 40 < np.percentile(falls, 99)
    assert paths.drawdown_pct(np.array([[1.1, 0.55, 2.0, 1.0]])) == pytest.approx([50.0])


@pytest.mark.parametrize("anchored", [False, True])
def test_windows_test_what_follows_and_purge_the_gap(anchored):
    found = windows(1_003, anchored=anchored, gap=30)
    assert len(found) == 6
    assert found[-1].test_end == 1_003
    for before, after in pairwise(found):
        assert before.test_end == after.test_start
    for window in found:
        assert window.test_start - window.train_end == 30
        assert (window.train_start == 0) == (anchored or window is found[0])
    assert windows(19, anchored=anchored) == []
    assert windows(100, anchored=anchored, gap=90)[0].train_end == 35  # never more than half a part


def test_neighbours_step_as_declared_and_far_enough_for_large_values():
    crossover = catalogue.get("ma_crossover")
    own = crossover(fast_window=5, slow_window=200).parameters
    moved = variants.neighbours(crossover, own)
    assert [(name, steps, values[name]) for name, steps, values in moved if name.endswith("window")] == [
        ("fast_window", -2, 3),
        ("fast_window", -1, 4),
        ("fast_window", 1, 6),
        ("fast_window", 2, 7),
        ("slow_window", -2, 160),
        ("slow_window", -1, 180),
        ("slow_window", 1, 220),
        ("slow_window", 2, 240),
    ]
    assert all(sum(values[n] != own[n] for n in own) == 1 for _, _, values in moved)


def test_draws_are_valid_values_of_the_declared_ranges_and_repeat_with_their_seed():
    crossover = catalogue.get("ma_crossover")
    own = crossover(**KNOWN).parameters
    first, again = (variants.draws(crossover, own, np.random.default_rng(7)) for _ in range(2))
    assert first == again
    assert len(first) == variants.DRAWS
    assert all(values["fast_window"] < values["slow_window"] and values["ma_type"] == "SMA" for values in first)
    assert variants.draws(catalogue.get("buy_and_hold"), {}, np.random.default_rng(7)) == []


def test_costs_are_charged_as_often_as_they_are_multiplied_and_assumed_where_there_are_none():
    charged = study(planted(1), KNOWN, commission_rate=0.002)
    assert charged.stressed(4) == ({"commission_rate": 0.008}, False)
    assert study(planted(1), KNOWN, slippage_value=0.001).stressed(2)[1]  # a value without a model charges nothing
    settings, assumed = study(planted(1), KNOWN).stressed(2)
    assert assumed
    assert settings == {
        "slippage_model": "proportional",
        "slippage_value": 0.001,
        "commission_rate": 0.001,
    }


def test_verdicts():
    assert [graded(x, passes=0.95, fails=0.9) for x in (0.95, 0.9, 0.89)] == [PASS, DOUBT, FAIL]
    assert [graded(x, passes=5, fails=20) for x in (5, 20, 21)] == [PASS, DOUBT, FAIL]

    def seen(*verdicts: str) -> str:
        return overall(Finding("x", "X", verdict, None, "", "", "") for verdict in verdicts)

    assert seen(PASS, NOT_APPLICABLE) == PASS
    assert seen(PASS, DOUBT) == DOUBT
    assert seen(PASS, DOUBT, FAIL) == FAIL
    assert seen(NOT_APPLICABLE) == seen() == DOUBT


def test_costs_that_eat_the_profit_are_told():
    grades = [
        judging.cost_stress(growth, assumed=False).verdict
        for growth in ({1: 1.2, 2: 1.1, 4: 1.01}, {1: 1.2, 2: 1.1, 4: 0.9}, {1: 1.2, 2: 1.0, 4: 0.9})
    ]
    assert grades == [PASS, DOUBT, FAIL]
