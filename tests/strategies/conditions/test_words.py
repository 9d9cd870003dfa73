"""Trees in plain words."""

from __future__ import annotations

from typing import Any

import pytest

from strategies.conditions import clean, sentence, sentences
from tests.strategies.conditions.made import CLOSE, RSI, compare, group, short

MACD = {"indicator": "macd"}
BANDS = {"indicator": "bollinger"}


@pytest.mark.row("E3", "E6")
@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (short(value=30), "RSI(14) is below 30"),
        (
            [short(value=30), short("SMA", "above", period=20, price="close")],
            "RSI(14) is below 30 and SMA(20) is above the close",
        ),
        (compare("volume", "above", 1_500_000), "the volume is above 1,500,000"),
        (compare("close", "below", 0.25), "the close is below 0.25"),
        (compare(RSI | {"timeframe": "1h"}, "between", low={"value": 40}, high={"value": 60}),
         "RSI(14) on 1h is between 40 and 60"),
        (compare(CLOSE | {"bars_ago": 1}, "below", CLOSE | {"bars_ago": 2}),
         "the close, 1 bar ago, is below the close, 2 bars ago"),
        (compare(RSI, "rising", bars=1), "RSI(14) has risen over 1 bar"),
        (compare("low", "falling", bars=3, for_bars=2), "the low has fallen over 3 bars (held for 2 bars)"),
        (compare(MACD, "crosses_above", MACD | {"output": "signal"}), "MACD(12, 26, 9) crosses above its signal line"),
        (compare(MACD, "crosses_below", MACD | {"output": "signal", "fast": 5}),
         "MACD(12, 26, 9) crosses below the signal line of MACD(5, 26, 9)"),
        (compare("close", "below", BANDS | {"output": "lower", "width": 2.5, "ma_type": "EMA"}),
         "the close is below the lower line of Bollinger bands(20, 2.5, exponential)"),
        (compare({"indicator": "sma", "source": "volume"}, "below", "volume"),
         "SMA(20) of the volume is below the volume"),
        (compare({"indicator": "obv"}, "above", 0), "OBV is above 0"),
        (compare({"indicator": "volume_sma", "period": 10}, "above", 0), "Average volume(10) is above 0"),
        (group("or", short(value=30), [short(value=20)][0]), "RSI(14) is below 30 or RSI(14) is below 20"),
        (group("or", short(value=30), group("and", short(value=20), short(value=10))),
         "RSI(14) is below 30 or (RSI(14) is below 20 and RSI(14) is below 10)"),
        (group("not", short(value=30)), "not (RSI(14) is below 30)"),
        (group("not", short(value=30), short(value=20)), "none of (RSI(14) is below 30, RSI(14) is below 20)"),
        (group("and", short(value=30), group("or", short(value=2), short(value=1), for_bars=3), for_bars=2),
         "(RSI(14) is below 30 and (RSI(14) is below 2 or RSI(14) is below 1) held for 3 bars) held for 2 bars"),
    ],
)  # fmt: skip
def test_a_sentence(raw: Any, words: str) -> None:
    assert sentence(clean(raw)) == words


@pytest.mark.row("E6")
def test_a_sentence_for_each_tree_that_there_is() -> None:
    tree = clean(short(value=30))
    assert sentences({"buy": tree, "sell": None, "short": tree, "cover": tree}) == {
        "buy": "Buy when RSI(14) is below 30",
        "short": "Sell short when RSI(14) is below 30",
        "cover": "Cover when RSI(14) is below 30",
    }
