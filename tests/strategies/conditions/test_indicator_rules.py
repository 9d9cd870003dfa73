"""A bot's `indicators{}` and the trees it stands for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.errors import InputError
from strategies.conditions import Conditions, clean, evaluate, from_indicators, sentences
from strategies.indicators import crosses_above, crosses_below
from strategies.indicators import functions as f
from tests.strategies.series import walk


@pytest.mark.row("C13", "E2")
@pytest.mark.parametrize(
    ("sent", "buy", "sell"),
    [
        ({"RSI": {"period": 10, "oversold": 25, "overbought": 75}}, "RSI(10) is below 25", "RSI(10) is above 75"),
        ({"rsi": {}}, "RSI(14) is below 30", "RSI(14) is above 70"),
        ({"MACD": {"fast": 5, "slow": 20, "signal": 4}}, "MACD(5, 20, 4) crosses above its signal line",
         "MACD(5, 20, 4) crosses below its signal line"),
        ({"SMA": {"period": 50}}, "the close crosses above SMA(50)", "the close crosses below SMA(50)"),
        ({"EMA": None}, "the close crosses above EMA(20)", "the close crosses below EMA(20)"),
        ({"Bollinger": {"width": 2.5}}, "the close is below the lower line of Bollinger bands(20, 2.5)",
         "the close is above the upper line of Bollinger bands(20, 2.5)"),
        ({"Stochastic": {"oversold": 10.5}}, "the k line of Stochastic(14, 3, 3) is below 10.5",
         "the k line of Stochastic(14, 3, 3) is above 80"),
        ({"RSI": {}, "SMA": {"period": 5}}, "RSI(14) is below 30 or the close crosses above SMA(5)",
         "RSI(14) is above 70 or the close crosses below SMA(5)"),
    ],
)  # fmt: skip
def test_the_equivalent_sentences(sent: Any, buy: str, sell: str) -> None:
    trees = from_indicators(sent)
    assert sentences(trees) == {"buy": f"Buy when {buy}", "sell": f"Sell when {sell}"}
    assert {name: clean(tree) for name, tree in trees.items()} == trees, "they are canonical"
    assert Conditions(**trees).warmup() > 1


@pytest.mark.row("C13", "E4")
def test_they_say_what_the_rules_say() -> None:
    """RSI below oversold, or MACD crossing up; mirrored. By the indicators themselves."""
    bars = walk(1_500)
    trees = from_indicators({"RSI": {"period": 14, "oversold": 30, "overbought": 70}, "MACD": {}})
    rsi, (macd, signal, _) = f.rsi(bars.close, 14), f.macd(bars.close)
    assert np.array_equal(evaluate(trees["buy"], bars), (rsi < 30) | crosses_above(macd, signal))
    assert np.array_equal(evaluate(trees["sell"], bars), (rsi > 70) | crosses_below(macd, signal))
    assert evaluate(trees["buy"], bars).any()


@pytest.mark.row("C13", "A8")
@pytest.mark.parametrize(
    ("sent", "path", "code"),
    [
        (None, "indicators", "wrong_type"),
        ([], "indicators", "wrong_type"),
        ({}, "indicators", "required"),
        ({"ATR": {}}, "indicators.ATR", "unknown_choice"),
        ({"RSI": {"period": 0}}, "indicators.RSI.period", "out_of_range"),
        ({"RSI": {"period": "14"}}, "indicators.RSI.period", "not_a_number"),
        ({"RSI": {"oversold": True}}, "indicators.RSI.oversold", "not_a_number"),
        ({"RSI": {"oversold": 101}}, "indicators.RSI.oversold", "out_of_range"),
        ({"RSI": {"oversold": 70, "overbought": 70}}, "indicators.RSI.oversold", "conflict"),
        ({"RSI": {"level": 3}}, "indicators.RSI.level", "unknown_field"),
        ({"RSI": 14}, "indicators.RSI", "wrong_type"),
        ({"MACD": {"fast": 26}}, "indicators.MACD.fast", "conflict"),
        ({"RSI": {}, "rsi": {}}, "indicators.rsi", "conflict"),
        ({3: {}}, "indicators", "wrong_type"),
        ({"R\x00": {}}, "indicators.R\\u0000", "bad_text"),
    ],
)
def test_a_fault_stands_where_it_was_sent(sent: Any, path: str, code: str) -> None:
    with pytest.raises(InputError) as caught:
        from_indicators(sent)
    assert [(fault.path, fault.code) for fault in caught.value.faults] == [(path, code)]
    assert "RSI" in caught.value.faults[0].hint or code not in ("unknown_choice", "required")
