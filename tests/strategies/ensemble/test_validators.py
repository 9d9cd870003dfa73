"""Validators: the values they read, what passes, and that they are asked about entries only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from engine import Bars
from engine.errors import InputError
from strategies import catalogue
from strategies.base import BUY, SELL
from strategies.ensemble.validators import KINDS, Regime, Trend, Validator, Volatility, build
from strategies.indicators import functions as f
from tests.strategies.ensemble.scripted import in_the_catalogue, member
from tests.strategies.series import bits, from_close, walk


@pytest.fixture(autouse=True)
def scripted() -> Iterator[None]:
    with in_the_catalogue():
        yield


def passes(validator: Validator, bars: Bars, side: int = BUY) -> list[bool]:
    return validator.passes({"close": bars.close, **validator.series(bars)}, side).tolist()


def two(script: list[int], **parameters: Any) -> Any:
    members = [member(script), member(script)]
    return catalogue.get("ensemble")(members=members, **{"hold_for_bars": 1, **parameters})


@pytest.mark.row("D15")
def test_the_trend_filter() -> None:
    rising, falling = from_close(100 * 1.01 ** np.arange(60)), from_close(100 * 0.99 ** np.arange(60))
    only_average = Trend(window=10, min_adx=0)
    assert passes(only_average, rising) == [False] * 9 + [True] * 51
    assert not any(passes(only_average, falling))
    assert passes(only_average, falling, SELL) == [False] * 9 + [True] * 51
    zigzag = from_close([100, 101] * 30)
    assert not any(passes(Trend(window=10, min_adx=20), zigzag)[30:]), "no trend in a zigzag"
    assert any(passes(only_average, zigzag))


@pytest.mark.row("D15")
def test_the_volatility_filter() -> None:
    bars = walk(400)
    volatility = f.volatility(bars.close, 20)
    percentile = Volatility(window=20, lookback=50).series(bars)["percentile"]
    for i in (69, 70, 200, 399):
        expected = 100 * np.mean(volatility[i - 49 : i + 1] <= volatility[i])
        assert percentile[i] == pytest.approx(expected)
    assert np.isnan(percentile[:69]).all()
    calm = passes(Volatility(window=20, lookback=50, max_percentile=50), bars)
    assert np.array_equal(calm, percentile <= 50)
    bounded = passes(Volatility(window=20, lookback=50, max_percentile=100, min_pct=1.5, max_pct=2.5), bars)
    assert np.array_equal(bounded, (percentile >= 0) & (volatility >= 0.015) & (volatility <= 0.025))


@pytest.mark.row("D15")
def test_the_liquidity_filter() -> None:
    bars = from_close([10.0] * 6, [100, 100, 100, 100, 20, 400])
    assert passes(KINDS["liquidity"](window=3, min_ratio=0.5), bars) == [False, False, True, True, False, True]
    assert passes(KINDS["liquidity"](window=3, min_ratio=0, min_turnover=1_000), bars)[2:] == [True, True, False, True]
    assert not any(passes(KINDS["liquidity"](window=3, min_ratio=0), from_close([10.0] * 6))), "nothing was traded"


@pytest.mark.row("D15")
def test_the_regime_filter() -> None:
    straight, zigzag = from_close(np.arange(100.0, 130.0)), from_close([100.0, 101.0] * 15)
    assert Regime(window=10).series(straight)["regime"][10:].tolist() == [1.0] * 20
    assert Regime(window=10).series(zigzag)["regime"][10:].tolist() == [0.0] * 20
    assert passes(Regime(window=10), straight) == [False] * 10 + [True] * 20
    assert passes(Regime(window=10, wanted="range"), straight) == [False] * 30
    assert passes(Regime(window=10, wanted="range"), zigzag) == [False] * 10 + [True] * 20
    assert not any(passes(Regime(window=10, measure="adx"), zigzag))
    flat = Regime(window=10, wanted="range")
    assert passes(flat, from_close([100.0] * 12))[10:] == [True, True], "no movement is no trend"


@pytest.mark.row("D15")
@pytest.mark.parametrize("kind", list(KINDS))
def test_a_validator_reads_nothing_later_and_passes_nothing_early(kind: str) -> None:
    bars, validator = (
        walk(300),
        KINDS[kind](**({"window": 20, "lookback": 30} if kind == "volatility" else {"window": 20})),
    )
    whole = validator.series(bars)
    for k in range(1, 300, 7):
        for name, values in validator.series(bars[:k]).items():
            assert bits(values) == bits(whole[name][:k]), (name, k)
    for side in (BUY, SELL):
        assert not any(passes(validator, bars, side)[: validator.warmup() - 1])
    for i in (150, 299):
        at = {"close": float(bars.close[i]), **{name: float(values[i]) for name, values in whole.items()}}
        for side in (BUY, SELL):
            assert bool(validator.passes(at, side)) == passes(validator, bars, side)[i], "one bar and all bars agree"
            assert validator.limit(side)


@pytest.mark.row("D15")
def test_it_refuses_entries_and_lets_every_exit_through() -> None:
    falling = from_close(100 * 0.99 ** np.arange(40))
    script = [0] * 20 + [1, 0, -1, 0]
    trend = [{"type": "trend", "window": 10, "min_adx": 0}]
    free = two(script).signals(falling)
    assert free[20:24].tolist() == [1, 0, -1, 0]
    held_back = two(script, validators=trend).signals(falling)
    assert held_back[20:24].tolist() == [2, 0, -1, 0], "no purchase in a falling market, but a short is closed"
    rising = from_close(100 * 1.01 ** np.arange(40))
    assert two(script, validators=trend).signals(rising)[20:24].tolist() == [1, 0, -2, 0]


@pytest.mark.row("D15")
def test_the_switches() -> None:
    falling = from_close(100 * 0.99 ** np.arange(40))
    script, trend = [0] * 20 + [1], {"type": "trend", "window": 10, "min_adx": 0}
    assert two(script, validators=[trend]).signals(falling)[20] == 2
    assert two(script, validators=[trend], validator_enabled=False).signals(falling)[20] == 1
    assert two(script, validators=[{**trend, "enabled": False}]).signals(falling)[20] == 1


@pytest.mark.row("D15")
def test_an_entry_comes_when_the_validator_lets_it() -> None:
    """Members still agree on it when the price has come above its average."""
    close = np.concatenate([np.full(20, 100.0), [99.0, 99.0, 103.0, 104.0, 104.0]])
    script = [0] * 20 + [1]
    trend = [{"type": "trend", "window": 10, "min_adx": 0}]
    ensemble = two(script, validators=trend, hold_for_bars=5)
    assert ensemble.signals(from_close(close))[20:].tolist() == [2, 0, 1, 0, 0]


@pytest.mark.row("A8", "D15")
@pytest.mark.parametrize(
    ("validator", "path"),
    [
        ("trend", "validators[0]"),
        ({}, "validators[0].type"),
        ({"type": ["trend"]}, "validators[0].type"),
        ({"type": "trend", "window": 1}, "validators[0].window"),
        ({"type": "trend", "lookback": 20}, "validators[0].lookback"),
        ({"type": "volatility", "min_percentile": 60, "max_percentile": 50}, "validators[0].min_percentile"),
        ({"type": "regime", "wanted": "calm"}, "validators[0].wanted"),
        ({"type": "liquidity", "enabled": "yes"}, "validators[0].enabled"),
    ],
)
def test_a_bad_validator_is_refused_with_its_path(validator: object, path: str) -> None:
    with pytest.raises(InputError) as refused:
        catalogue.get("ensemble").clean({"members": [{"strategy": "momentum"}] * 2, "validators": [validator]})
    assert [fault.path for fault in refused.value.faults] == [path]


def test_every_kind_is_built_from_what_is_stored() -> None:
    for kind in KINDS:
        cleaned = catalogue.get("ensemble").clean(
            {"members": [{"strategy": "momentum"}] * 2, "validators": [{"type": kind}]}
        )["validators"][0]
        assert cleaned["enabled"] is True
        assert type(build(cleaned)) is KINDS[kind]
        assert KINDS[kind].describe()
