"""What a tree says, on series short enough to follow by eye."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine import Bars
from engine.errors import InputError
from strategies import indicators
from strategies.conditions import bars_needed, clean, evaluate, explain, timeframes, warmup
from strategies.conditions import evaluation as evaluating
from strategies.conditions.evaluation import Evaluation
from strategies.indicators import functions as f
from tests.strategies.conditions.made import CLOSE, RSI, compare, group, is_above, short
from tests.strategies.series import from_close, walk

SMA3 = {"indicator": "sma", "period": 3}
MINUTE = 60_000_000_000


def true(raw: Any, closes: list[float]) -> list[int]:
    """Indexes of the bars on which the tree is true."""
    return np.flatnonzero(evaluate(clean(raw), from_close(closes))).tolist()


@pytest.mark.row("E3", "E4")
@pytest.mark.parametrize(
    ("raw", "closes", "places"),
    [
        (compare("close", "above", 3), [3, 4, 3, 5], [1, 3]),
        (compare("close", "below", 4), [3, 4, 3, 5], [0, 2]),
        (compare("close", "between", low={"value": 3}, high={"value": 4}), [2, 3, 4, 5], [1, 2]),
        (compare("close", "crosses_above", 3), [4, 3, 4, 5, 2, 4], [2, 5]),
        (compare("close", "crosses_above", 3), [2, 3, 3, 4], [3]),
        (compare("close", "crosses_below", 3), [4, 3, 2, 1, 3, 2], [2, 5]),
        (compare(3, "crosses_above", CLOSE), [4, 3, 2, 1, 3, 2], [2, 5]),
        (compare("close", "rising", bars=1), [1, 2, 2, 3], [1, 3]),
        (compare("close", "rising", bars=2), [1, 2, 2, 3, 1, 2], [2, 3]),
        (compare("close", "falling", bars=1), [3, 2, 2, 1], [1, 3]),
        (compare("close", "above", CLOSE | {"bars_ago": 2}), [1, 5, 2, 4, 3], [2, 4]),
        (compare(CLOSE | {"bars_ago": 1}, "above", 3), [4, 1, 5, 1], [1, 3]),
        (compare("close", "above", SMA3), [1, 2, 3, 1, 1, 4], [2, 5]),
        (compare("close", "above", 2, for_bars=3), [3, 3, 3, 3, 1, 3, 3, 3], [2, 3, 7]),
        (group("and", compare("close", "above", 2), compare("close", "below", 5)), [1, 3, 5, 4], [1, 3]),
        (group("or", compare("close", "below", 2), compare("close", "above", 4)), [1, 3, 5, 4], [0, 2]),
        (group("not", compare("close", "below", 2), compare("close", "above", 4)), [1, 3, 5, 4], [1, 3]),
        (group("or", compare("close", "below", 2), compare("close", "above", 4), for_bars=2), [1, 5, 3, 5, 1], [1, 4]),
    ],
)
def test_by_eye(raw: Any, closes: list[float], places: list[int]) -> None:
    assert true(raw, closes) == places


@pytest.mark.row("E3", "E4")
def test_the_examples_of_the_list_of_capabilities() -> None:
    bars = walk(300)
    both = clean([short(period=14, value=40), short("SMA", "above", period=20, price="close")])
    expected = (f.rsi(bars.close, 14) < 40) & (f.sma(bars.close, 20) > bars.close)
    assert 5 < expected.sum() < 200
    assert np.array_equal(evaluate(both, bars), expected)


@pytest.mark.row("E4", "D22")
def test_what_is_not_known_signals_nothing_not_even_negated() -> None:
    high = compare(SMA3, "above", 2)
    assert true(high, [5, 5, 5, 1]) == [2, 3]
    assert true(group("not", high), [1, 1, 1, 5]) == [2], "three bars are needed to say that it is not above"
    assert true(group("or", high, compare("close", "above", 4)), [5, 1, 5, 1]) == [0, 2, 3]
    assert true(group("not", group("and", high, compare("close", "above", 4))), [5, 1, 1, 9, 9]) == [1, 2]
    for kind in ("and", "or", "not"):
        assert true(group(kind, high), []) == []


@pytest.mark.row("E4", "D22")
def test_a_series_without_a_value_is_unknown_in_the_middle_too() -> None:
    flat = clean(compare({"indicator": "zscore", "period": 3}, "above", -9))
    bars = from_close([1, 2, 3, 3, 3, 4])
    assert evaluate(flat, bars).tolist() == [False, False, True, True, False, True]
    assert [told["is"] for told in explain(flat, bars, [1, 2, 4])] == [None, True, None]


@pytest.mark.row("E5")
def test_an_explanation_holds_every_value() -> None:
    bars = from_close([1, 2, 3, 5])
    tree = clean(
        group(
            "or",
            compare("close", "crosses_above", SMA3),
            compare(SMA3, "rising", bars=1),
            group("not", is_above(4)),
        )
    )
    sma = {"indicator": "sma", "period": 3, "source": "close"}
    last, first = explain(tree, bars, [-1, 0])
    assert last == {
        "type": "or",
        "children": [
            {
                "type": "compare",
                "left": {"price": "close", "value": 5.0, "before": 3.0},
                "condition": "crosses_above",
                "right": sma | {"value": 10 / 3, "before": 2.0},
                "is": False,
            },
            {
                "type": "compare",
                "left": sma | {"value": 10 / 3, "before": 2.0},
                "condition": "rising",
                "bars": 1,
                "is": True,
            },
            {
                "type": "not",
                "children": [
                    {
                        "type": "compare",
                        "left": {"price": "close", "value": 5.0},
                        "condition": "above",
                        "right": {"value": 4},
                        "is": True,
                    }
                ],
                "is": False,
            },
        ],
        "is": True,
    }  # fmt: skip
    assert first["children"][0]["right"] == sma | {"value": None, "before": None}
    assert [child["is"] for child in first["children"]] == [None, None, True]
    with pytest.raises(IndexError):
        explain(tree, bars, [4])


def minutes(count: int, first: str = "2024-01-10T09:58") -> Bars:
    """One-minute bars of a market that never closes; each closes at its number."""
    ts = np.datetime64(first, "ns").astype(np.int64) + np.arange(count) * MINUTE
    closes = np.arange(1.0, count + 1)
    return Bars.from_arrays("X", "1m", ts, closes, closes, closes, closes, closes, calendar="24/7")


@pytest.mark.row("E4", "G15")
def test_a_coarser_bar_is_read_once_it_has_closed() -> None:
    """09:58 and 09:59 end a five-minute bar; 10:00 to 10:04 are the next."""
    bars = minutes(14)
    asked = Evaluation(bars)
    five = asked.values({"price": "close", "timeframe": "5m"})
    assert np.array_equal(five, [np.nan, 2, 2, 2, 2, 2, 7, 7, 7, 7, 7, 12, 12, 12], equal_nan=True)
    volume = asked.values({"price": "volume", "timeframe": "5m"})
    assert volume[[1, 6, 11]].tolist() == [3.0, 3 + 4 + 5 + 6 + 7.0, 8 + 9 + 10 + 11 + 12.0]
    before = asked.values({"price": "close", "timeframe": "5m", "bars_ago": 1})
    assert np.array_equal(before, [np.nan] * 6 + [2] * 5 + [7] * 3, equal_nan=True)
    crossed = clean(compare({"price": "close", "timeframe": "5m"}, "crosses_above", 6))
    assert np.flatnonzero(evaluate(crossed, bars)).tolist() == [6], "on the bar at whose close it became known"
    risen = clean(compare({"price": "close", "timeframe": "5m"}, "rising", bars=2))
    assert np.flatnonzero(evaluate(risen, bars)).tolist() == [11, 12, 13], "two five-minute bars before 12 there was 2"


@pytest.mark.row("E4", "G15")
def test_a_timeframe_of_the_run_is_its_bars_and_a_finer_one_is_refused() -> None:
    bars = walk(200)
    plain, named = clean(short(value=45)), clean(short(value=45, timeframe="1d"))
    assert evaluate(plain, bars).any()
    assert np.array_equal(evaluate(plain, bars), evaluate(named, bars))
    with pytest.raises(InputError, match="cannot be made of bars of 1d") as caught:
        evaluate(clean(short(value=45, timeframe="1h")), bars)
    assert caught.value.faults[0].path == "timeframe"


@pytest.mark.row("E4")
def test_equal_parts_are_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked_for = []
    calculate = indicators.calculate

    def counting(name: str, bars: Bars, **params: object) -> Any:
        asked_for.append((name, bars.timeframe))
        return calculate(name, bars, **params)

    monkeypatch.setattr(evaluating.indicators, "calculate", counting)
    macd = {"indicator": "macd"}
    part = group("or", short(value=30), compare(macd, "crosses_above", macd | {"output": "signal"}))
    tree = clean(
        [part, group("not", part), compare(RSI, "rising", bars=3), compare(RSI | {"timeframe": "5m"}, "above", 3)]
    )
    evaluate(tree, walk(300, timeframe="1m"))
    assert sorted(asked_for) == [("macd", "1m"), ("rsi", "1m"), ("rsi", "5m")]


@pytest.mark.row("E4")
def test_little_memory_changes_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    bars = walk(400)
    parts = [
        compare({"indicator": "sma", "period": k}, "above", {"indicator": "sma", "period": 60}) for k in range(5, 50)
    ]
    tree = clean(group("or", group("and", *parts[::2]), group("not", *parts, for_bars=2), for_bars=3))
    plenty = evaluate(tree, bars)
    monkeypatch.setattr(evaluating, "_KEPT_BYTES", 10_000)
    asked = Evaluation(bars)
    assert np.array_equal(asked.true(tree), plenty)
    assert 0 < plenty.sum() < 400
    assert sum(array.nbytes for array in asked._kept.values() if not isinstance(array, dict)) <= 10_000


@pytest.mark.row("D22", "E4")
@pytest.mark.parametrize(
    ("raw", "needed"),
    [
        (compare("close", "above", 3), 1),
        (compare(CLOSE | {"bars_ago": 4}, "above", 3), 5),
        (short(value=30), 15),
        (short(value=30) | {"for_bars": 4}, 18),
        (short(condition="crosses_above", value=30), 16),
        (short(condition="rising", bars=3), 18),
        (short(value=30, bars_ago=2), 17),
        (compare({"indicator": "macd"}, "above", 0), 34),
        (compare({"indicator": "adx"}, "above", 20), 28),
        (compare({"indicator": "adx", "output": "plus_di"}, "above", 20), 15),
        (compare({"indicator": "sma", "period": 5000}, "above", "close"), 5000),
        (short(value=30, timeframe="1d"), 1),
        (group("or", short(value=30), group("not", compare(SMA3, "above", 2), for_bars=2), for_bars=10), 24),
    ],
)
def test_the_declared_warm_up(raw: Any, needed: int) -> None:
    assert warmup([clean(raw)]) == needed
    assert warmup([clean(compare("close", "above", 1)), clean(raw)]) == needed


@pytest.mark.row("G15", "H15")
def test_history_for_coarser_timeframes() -> None:
    tree = clean([short(value=30, timeframe="1d"), compare("close", "above", SMA3)])
    assert bars_needed([tree], "1d", "XNYS") == 15
    assert bars_needed([tree], "1m", "24/7") == 16 * 1440
    assert bars_needed([tree], "1h", "XNYS") == 16 * 16
    assert bars_needed([clean(short(value=30, timeframe="1h"))], "5m", "XNYS") == 16 * 12
    assert bars_needed([], "1m", "24/7") == warmup([]) == 1
    assert timeframes([tree, clean(short(value=3, timeframe="1h"))]) == ["1h", "1d"]
