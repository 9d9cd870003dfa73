"""The classic strategy with a model: what it learns, when it knows it, how it says so."""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np
import pytest

from engine import Bars
from strategies import catalogue, walk_forward
from strategies.causality import check
from tests.strategies.series import from_close, walk

SLUG = "ai_enhanced"
BASES = ["ma_crossover", "mean_reversion", "momentum", "bollinger", "breakout"]


def fitted(bars: Bars, **changed: Any) -> walk_forward.Fitted:
    return walk_forward.fit_all(bars, **{"horizon": 3, "window": 300, "refit_every": 50, "ridge": 1.0, **changed})


@pytest.mark.row("D18", "W8")
@pytest.mark.parametrize("base", BASES)
def test_it_looks_at_no_later_bar(base: str) -> None:
    strategy = catalogue.get(SLUG)(base=base, refit_every=40, train_window=200)
    bars = walk(900)
    report = check(strategy, bars, points=150)
    assert report.ok, report.problems
    assert np.count_nonzero(strategy.signals(bars)) > 0


@pytest.mark.row("D18")
def test_it_needs_fifty_bars() -> None:
    strategy = catalogue.get(SLUG)(model_weight=1.0, threshold=0.01)
    assert strategy.warmup() == 50
    signals = strategy.signals(walk(400))
    assert not signals[:49].any()
    assert signals[49:60].any()
    assert catalogue.get(SLUG)(horizon=20).warmup() > 50


@pytest.mark.row("D18")
def test_it_learns_what_there_is_to_learn() -> None:
    """Closes that swing: what fell rises next. The model finds out; on a random walk it finds next to nothing."""
    swing = from_close(100 + 5 * np.sin(np.arange(900) * 2 * np.pi / 12), np.full(900, 1_000.0))
    model = fitted(swing)
    rises = np.append(swing.close[3:] > swing.close[:-3], [False] * 3)
    late = slice(300, 890)
    assert np.mean((model.probability[late] > 0.5) == rises[late]) > 0.95
    noise = fitted(walk(3_000))
    assert np.nanmean(np.abs(noise.probability - 0.5)) < 0.12


@pytest.mark.row("D18")
def test_a_fit_is_the_penalised_likelihood_at_its_best() -> None:
    bars = walk(400)
    model = fitted(bars)
    k, at = len(model.at) - 1, int(model.at[-1])
    inputs = walk_forward.features(bars)[at - 3 + 1 - int(model.rows[k]) : at - 3 + 1]
    first = at - 3 + 1 - int(model.rows[k])
    target = (bars.close[first + 3 : at + 1] > bars.close[first : at - 2]).astype(float)
    x = np.column_stack([np.ones(len(inputs)), np.clip((inputs - model.mean[k]) / model.scale[k], -5, 5)])
    p = 1 / (1 + np.exp(-x @ model.weights[k]))
    slope = x.T @ (target - p) - np.r_[1e-6, np.ones(7)] * model.weights[k]
    assert np.abs(slope).max() < 1e-6


@pytest.mark.row("D18")
def test_it_fits_on_the_past_and_on_the_stated_bars() -> None:
    bars = walk(700)
    model = fitted(bars)
    spans = bars.ts // (86_400_000_000_000 * 50)
    assert all(spans[at] != spans[at - 1] for at in model.at[1:])
    assert model.rows.max() == 300
    later = fitted(bars[130:])
    # What is left of where it began: the RSI, whose memory never ends.
    assert np.allclose(model.probability[540:], later.probability[410:], atol=1e-4), "begun elsewhere, the same fits"


@pytest.mark.row("D18")
def test_the_weight_decides_who_is_heard() -> None:
    bars = walk(1_000)
    classic = catalogue.get("ma_crossover")()
    alone = catalogue.get(SLUG)(model_weight=0.0, threshold=0.01)
    expected = np.where(classic.confidence(bars) >= 0.01, classic.signals(bars), 0)
    expected[:49] = 0
    assert np.array_equal(alone.signals(bars), expected)
    only = catalogue.get(SLUG)(model_weight=1.0, threshold=0.05)
    lean = 2 * only.lines(bars)["probability"] - 1
    assert np.allclose(only.lines(bars)["score"], lean, equal_nan=True)
    said = np.flatnonzero(only.signals(bars))
    assert (np.sign(lean[said]) == only.signals(bars)[said]).all()
    assert (np.abs(lean[said]) >= 0.05).all()


@pytest.mark.row("D18", "D1")
def test_it_explains_probability_and_largest_features() -> None:
    strategy = catalogue.get(SLUG)()
    bars = walk(600)
    signals = strategy.generate_signals(bars)
    assert signals
    evidence = signals[-1].metadata["evidence"]
    json.dumps(evidence, allow_nan=False)
    assert evidence["kind"] == SLUG
    assert len(evidence["features"]) == 3
    assert {feature["name"] for feature in evidence["features"]} <= set(walk_forward.FEATURES)
    adds = [abs(feature["adds"]) for feature in evidence["features"]]
    assert adds == sorted(adds, reverse=True)
    assert abs(evidence["score"]) >= strategy.threshold
    assert f"{evidence['probability']:.0%}" in signals[-1].reasoning
    i = int(np.flatnonzero(strategy.signals(bars))[-1])
    model, inputs = strategy.fitted(bars), walk_forward.features(bars)
    added = sum(adds for _, _, adds in walk_forward.contributions(model, inputs, i))
    odds = added + model.weights[model.fit[i], 0]
    assert 1 / (1 + np.exp(-odds)) == pytest.approx(evidence["probability"])
    early = strategy.explain(bars, 10)
    assert "evidence" not in early.metadata
    assert "Not enough history" in early.reasoning


@pytest.mark.row("D18")
def test_markets_without_movement_or_volume_do_not_break_it() -> None:
    for bars in (from_close(np.full(300, 10.0)), from_close(np.arange(100.0, 400.0)), from_close(walk(300).close)):
        strategy = catalogue.get(SLUG)()
        probability = strategy.lines(bars)["probability"]
        assert np.isfinite(probability[60:]).all()
        assert ((probability[60:] >= 0) & (probability[60:] <= 1)).all()


@pytest.mark.row("D18")
def test_a_year_of_minutes_takes_no_longer_than_a_coffee_sip() -> None:
    bars = walk(98_280, timeframe="1m", cents=False)
    strategy = catalogue.get(SLUG)()
    strategy.signals(bars[:1_000])
    began = time.process_time()
    strategy.signals(bars)
    assert time.process_time() - began < 4.0
