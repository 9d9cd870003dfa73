"""The shipped strategies: when each signals, on series small enough to follow by eye."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Bars
from engine.errors import InputError
from strategies import catalogue
from strategies.base import ACTIONS, Strategy
from strategies.indicators import functions as f
from tests.strategies.panels import by_itself
from tests.strategies.series import bits, from_close, furnished, real_daily, walk

ALL = [pytest.param(declared, id=declared.slug) for declared in by_itself()]

# Their lines have no value on some bars.
SPARSE = ("breakout", "smart_money")


def signals(slug: str, bars: Bars, **parameters: object) -> list[int]:
    return catalogue.get(slug)(**parameters).signals(bars).tolist()


def test_the_catalogue_is_what_was_promised() -> None:
    assert [declared.slug for declared in catalogue.listed()] == [
        "ma_crossover",
        "mean_reversion",
        "momentum",
        "bollinger",
        "breakout",
        "rsi_bollinger",
        "zscore_reversion",
        "pairs",
        "stat_arb",
        "price_arbitrage",
        "market_making",
        "multi_timeframe",
        "ai_enhanced",
        "volume_surge",
        "liquidity",
        "smart_money",
        "microstructure",
        "sentiment",
        "allocation",
        "buy_and_hold",
    ]


@pytest.mark.row("D3", "D4", "D5", "D6", "D7", "D9")
def test_the_defaults_are_the_ones_that_were_asked_for() -> None:
    def defaults(slug: str) -> dict[str, object]:
        return catalogue.get(slug)().parameters

    assert defaults("mean_reversion") == {"window": 20, "threshold": 0.05}
    assert defaults("ma_crossover") == {
        "fast_window": 10, "slow_window": 30, "ma_type": "SMA", "min_strength_threshold": 0.001,
    }  # fmt: skip
    assert catalogue.get("ma_crossover").params["ma_type"].declaration()["choices"] == [
        {"value": "SMA", "label": "Simple"},
        {"value": "EMA", "label": "Exponential"},
    ]
    assert list(defaults("momentum")) == [
        "rsi_window", "rsi_overbought", "rsi_oversold", "momentum_window", "momentum_threshold",
    ]  # fmt: skip
    assert list(defaults("bollinger")) == ["window", "multiplier", "ma_type"]
    assert list(defaults("breakout")) == [
        "lookback_window", "breakout_threshold", "min_volume_ratio", "confirmation_period",
    ]  # fmt: skip
    assert defaults("zscore_reversion") == {"lookback": 20, "entry_z": 2.0, "exit_z": 0.5}


@pytest.mark.row("D3")
def test_mean_reversion() -> None:
    # Averages of 4 from bar 3 on: 100, 97.5, 95, 93.75, 106.25.
    bars = from_close([100, 100, 100, 100, 90, 90, 95, 150])
    assert signals("mean_reversion", bars, window=4, threshold=0.05) == [0, 0, 0, 0, 1, 1, 0, -1]
    # Exactly at the level counts: 100 × (1 - 0.25) = 75 with an average of (125 + 75) / 2.
    assert signals("mean_reversion", from_close([125, 75]), window=2, threshold=0.25) == [0, 1]


@pytest.mark.row("D4")
def test_a_crossover_fires_on_the_crossing_bar_only() -> None:
    bars = from_close([10, 9, 8, 9, 11, 12, 13, 11, 9, 8])
    #  SMA 2            –  9.5 8.5 8.5 10 11.5 12.5 12 10 8.5
    #  SMA 3            –  –   9  8.67 9.33 10.67 12 12 11 9.33
    assert signals("ma_crossover", bars, fast_window=2, slow_window=3, min_strength_threshold=0) == [
        0, 0, 0, 0, 1, 0, 0, 0, -1, 0,
    ]  # fmt: skip


@pytest.mark.row("D4")
def test_a_crossing_weaker_than_the_minimum_is_passed_over() -> None:
    bars = from_close([10, 9, 8, 9, 11, 12, 13, 11, 9, 8])
    # At bar 4 they are 10 / 9.333 - 1 = 7.1 % apart, at bar 8 10 / 11 - 1 = 9.1 %.
    assert signals("ma_crossover", bars, fast_window=2, slow_window=3, min_strength_threshold=0.08) == [
        0, 0, 0, 0, 0, 0, 0, 0, -1, 0,
    ]  # fmt: skip


@pytest.mark.row("D4")
def test_crossovers_of_exponential_averages() -> None:
    bars = walk(400)
    fast, slow = f.ema(bars.close, 5), f.ema(bars.close, 20)
    above = fast > slow
    expected = np.zeros(400, int)
    for i in range(20, 400):
        expected[i] = int(above[i]) - int(above[i - 1])
    got = signals("ma_crossover", bars, fast_window=5, slow_window=20, ma_type="EMA", min_strength_threshold=0)
    assert got == expected.tolist()
    assert set(got) == {-1, 0, 1}


@pytest.mark.row("D5")
def test_momentum_buys_a_rise_that_is_not_overbought() -> None:
    bars = walk(500)
    rsi, change = f.rsi(bars.close, 14), f.returns(bars.close, 10)
    got = np.array(signals("momentum", bars))
    assert np.array_equal(got == 1, (change >= 0.02) & (rsi < 70))
    assert np.array_equal(got == -1, (change <= -0.02) & (rsi > 30))
    assert ((change >= 0.02) & (rsi >= 70)).any(), "the series has a rise that is overbought"
    straight_up = from_close(100 * 1.02 ** np.arange(40))
    assert not any(signals("momentum", straight_up)), "an RSI of 100 is never bought"


@pytest.mark.row("D6")
def test_bollinger() -> None:
    flat = [10.0, 10.2] * 10
    # 20 closes of mean 10.1 and deviation 0.1; the next one leaves the bands.
    assert signals("bollinger", from_close([*flat, 9.0]), window=20)[-1] == 1
    assert signals("bollinger", from_close([*flat, 11.2]), window=20)[-1] == -1
    assert signals("bollinger", from_close([*flat, 10.0]), window=20)[-1] == 0
    assert not any(signals("bollinger", from_close([10.0] * 40))), "bands of no width say nothing"


@pytest.mark.row("D7")
def test_breakout_needs_the_level_the_closes_and_the_volume() -> None:
    quiet, volume = [10.0, 10.5, 10.0, 10.2], [100.0] * 4
    settings = {"lookback_window": 4, "breakout_threshold": 0.01, "min_volume_ratio": 1.5}

    def last(close: list[float], traded: list[float], **changed: object) -> int:
        return signals("breakout", from_close(quiet + close, volume + traded), **{**settings, **changed})[-1]

    assert last([10.7], [200]) == 1, "above 10.5 × 1.01 on twice the volume"
    assert last([10.6], [200]) == 0, "not beyond the threshold"
    assert last([10.7], [140]) == 0, "too little volume"
    assert last([10.7], [0], min_volume_ratio=0) == 1, "0 leaves volume out"
    assert last([9.8], [200]) == -1, "below the support of 10 × 0.99"
    assert last([10.7], [200], confirmation_period=2) == 0, "one close is no confirmation"
    assert last([10.7, 10.8], [200, 160], confirmation_period=2) == 1
    assert last([10.7, 10.5], [200, 160], confirmation_period=2) == 0, "fell back"
    silent = from_close([*quiet, 10.7], [0.0] * 5)
    assert signals("breakout", silent, **settings)[-1] == 0, "no volume at all confirms nothing"


@pytest.mark.row("D9")
def test_rsi_and_bollinger_must_agree() -> None:
    bars = walk(3_000)
    rsi = f.rsi(bars.close, 14)
    upper, _, lower = f.bollinger(bars.close, 20, 2.0)
    got = np.array(signals("rsi_bollinger", bars))
    assert np.array_equal(got == 1, (rsi < 30) & (bars.close <= lower))
    assert np.array_equal(got == -1, (rsi > 70) & (bars.close >= upper))
    assert set(got.tolist()) == {-1, 0, 1}
    assert ((rsi < 30) & (bars.close > lower)).any(), "the series has an RSI that the bands do not confirm"


@pytest.mark.row("D9")
def test_zscore_enters_far_out_and_leaves_on_the_way_back() -> None:
    bars = walk(2_000)
    z = f.zscore(bars.close, 20)
    got = np.array(signals("zscore_reversion", bars))
    assert np.array_equal(got == 1, z <= -2.0)
    back = np.zeros(2_000, bool)
    back[1:] = (z[1:] > -0.5) & (z[:-1] <= -0.5)
    assert np.array_equal(got == -1, back)
    assert not catalogue.get("zscore_reversion").allows_short
    assert not any(signals("zscore_reversion", from_close([5.0] * 50)))


def test_buy_and_hold_always_wants_in() -> None:
    assert signals("buy_and_hold", from_close([1.0, 2, 3])) == [1, 1, 1]


@pytest.mark.row("D22")
@pytest.mark.parametrize("declared", ALL)
def test_too_little_history_gives_no_signal_and_no_error(declared: type[Strategy]) -> None:
    strategy = declared()
    bars = furnished(strategy, walk(200))
    for n in range(strategy.warmup() + 3):
        given = strategy.signals(bars[:n])
        assert given.dtype == np.int8
        assert given.shape == (n,)
        assert not given[: strategy.warmup() - 1].any()
    if strategy.warmup() > 1:
        told = strategy.explain(bars[:3], -1)
        assert told.action == "HOLD"
        assert "Not enough history" in told.reasoning


@pytest.mark.row("D1")
@pytest.mark.parametrize("declared", ALL)
def test_a_signal_says_what_why_and_when(declared: type[Strategy]) -> None:
    strategy = declared()
    bars = furnished(strategy, walk(3_000))
    told = strategy.generate_signals(bars)
    assert {signal.action for signal in told} <= {"BUY", "SELL"}
    assert len(told) == np.count_nonzero(strategy.signals(bars)) > 0
    for signal in (told[0], told[-1], strategy.explain(bars, 100)):
        assert signal.symbol == "WALK"
        assert signal.strategy == declared.slug
        assert signal.ts.tzinfo is datetime.UTC
        i = int(np.searchsorted(bars.ts_close, int(signal.ts.timestamp()) * 10**9))
        assert signal.px == bars.close[i]
        assert signal == strategy.explain(bars, i)
        assert 0 <= signal.confidence <= 1
        assert (signal.confidence > 0) == (signal.action != "HOLD")
        assert "nan" not in signal.reasoning
        plain = json.loads(json.dumps(signal.as_dict(), allow_nan=False))
        assert plain["metadata"]["parameters"] == strategy.parameters
        assert set(plain["metadata"]["values"]) == {"close", *strategy.lines(bars)} or declared.slug in SPARSE


@pytest.mark.row("D1")
def test_the_reasoning_names_the_values_it_was_read_from() -> None:
    bars = from_close([10, 9, 8, 9, 11])
    told = catalogue.get("ma_crossover")(fast_window=2, slow_window=3).explain(bars, -1)
    assert told.action == "BUY"
    assert told.metadata["values"] == {"fast": 10.0, "slow": pytest.approx(28 / 3), "close": 11.0}
    assert "crossed above" in told.reasoning
    assert "9.33" in told.reasoning
    assert told.ts == datetime.datetime(2010, 1, 9, tzinfo=datetime.UTC)
    with pytest.raises(IndexError):
        catalogue.get("ma_crossover")().explain(bars, 5)


@pytest.mark.row("D1")
def test_more_is_more_confident() -> None:
    near, far = from_close([100] * 19 + [94.0]), from_close([100] * 19 + [70.0])
    strategy = catalogue.get("mean_reversion")()
    weak, strong = strategy.explain(near, -1), strategy.explain(far, -1)
    assert weak.action == strong.action == "BUY"
    assert 0.5 <= weak.confidence < strong.confidence < 1


@pytest.mark.parametrize("declared", ALL)
def test_scored_signals_are_the_signals_with_their_confidence(declared: type[Strategy]) -> None:
    strategy = declared()
    bars = furnished(strategy, walk(1_000))
    scored = strategy.scored_signals(bars)
    assert np.array_equal(scored["action"], strategy.signals(bars))
    acting = scored["action"] != 0
    assert np.array_equal(scored["confidence"][acting], strategy.confidence(bars)[acting])
    assert ((scored["confidence"] > 0) == acting).all()
    assert np.isnan(scored["limit_px"]).all()
    assert np.isnan(scored["target_weight"]).all()


@pytest.mark.parametrize("declared", ALL)
def test_overlays_are_the_lines_with_a_name_and_a_place(declared: type[Strategy]) -> None:
    strategy = declared()
    # A thousand minutes make no days, a thousand days do.
    bars = furnished(strategy, walk(1_000, timeframe="1d" if list(strategy.timeframes()) else "1m"))
    drawn = strategy.overlays(bars)
    assert [overlay["name"] for overlay in drawn] == list(strategy.lines(bars)) == list(strategy.line_info)
    for overlay in drawn:
        assert overlay["label"]
        assert overlay["pane"] in ("price", "own")
        assert overlay["values"].shape == (1_000,)
        assert np.isfinite(overlay["values"]).any()
        if overlay["pane"] == "price":
            assert np.nanmedian(overlay["values"] / bars.close) == pytest.approx(1, abs=0.5)


@pytest.mark.row("D2", "A8")
def test_windows_that_contradict_each_other_are_refused() -> None:
    for slug, values, path in (
        ("ma_crossover", {"fast_window": 30, "slow_window": 30}, "fast_window"),
        ("momentum", {"rsi_oversold": 50, "rsi_overbought": 50}, "rsi_oversold"),
        ("rsi_bollinger", {"rsi_oversold": 80}, "rsi_oversold"),
        ("zscore_reversion", {"exit_z": 2}, "exit_z"),
    ):
        with pytest.raises(InputError) as caught:
            catalogue.get(slug)(**values)
        assert [(fault.path, fault.code) for fault in caught.value.faults] == [(path, "conflict")]


@given(data=st.data(), declared=st.sampled_from(by_itself()))
def test_any_legal_parameters_give_legal_signals(data: st.DataObject, declared: type[Strategy]) -> None:
    values: dict[str, object] = {}
    for name, param in declared.params.items():
        told = param.declaration()
        if told["type"] == "int":
            values[name] = data.draw(st.integers(told["min"], min(told["max"], 60)))
        elif told["type"] == "bool":
            values[name] = data.draw(st.booleans())
        elif told["choices"]:
            values[name] = data.draw(st.sampled_from([choice["value"] for choice in told["choices"]]))
        else:
            values[name] = data.draw(st.floats(told["min"], told["max"]))
    try:
        strategy = declared(**values)
    except InputError as error:
        contradictions = {fault.code for fault in error.faults}
    else:
        contradictions = {"conflict"}
        # What reads hours of its own needs bars to make them of.
        finer = "1m" if list(strategy.timeframes()) else "1d"
        bars = furnished(strategy, walk(150, data.draw(st.integers(0, 50)), timeframe=finer))
        given_signals = strategy.signals(bars)
        assert set(np.unique(given_signals).tolist()) <= {0, *ACTIONS}
        assert not given_signals[: strategy.warmup() - 1].any()
        confidence = strategy.confidence(bars)[given_signals != 0]
        assert ((confidence >= 0) & (confidence <= 1)).all()
        assert bits(given_signals[:100]) == bits(strategy.signals(bars[:100]))
        strategy.explain(bars, -1)
    assert contradictions == {"conflict"}


@pytest.mark.parametrize("declared", ALL)
def test_the_version_follows_the_declaration_and_the_source(declared: type[Strategy]) -> None:
    assert declared.version() == declared.version()
    others = {other.version() for other in catalogue.all() if other is not declared}
    assert declared.version() not in others


@pytest.mark.shared_data
@pytest.mark.row("D3", "D4", "D5", "D6", "D9")
def test_on_real_prices_each_strategy_has_something_to_say(shared_data: Path) -> None:
    for symbol in ("SPY", "IBM", "BAC"):
        bars = real_daily(shared_data, symbol)
        for declared in by_itself():
            if declared.slug != "breakout" and not declared.needs:
                assert np.count_nonzero(declared().signals(bars)) > 0, (symbol, declared.slug)
