"""The strategy that trades condition trees: its signals, its reasons, and what it tells of itself."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from engine import Bars, Rules, simulate
from engine.errors import InputError
from strategies import catalogue
from strategies.base import BUY, EXIT, EXIT_LONG, EXIT_SHORT, HOLD, SELL
from strategies.causality import check
from strategies.conditions import (
    TREES,
    Conditions,
    TreeParam,
    evaluate,
    explain,
    measure,
    refuse_timeframe,
    uses_conditions,
)
from strategies.incremental import Incremental
from tests.strategies.conditions.made import CLOSE, RSI, compare, group, short
from tests.strategies.series import DAY_NS, FIRST_DAY_NS, from_close, walk

MACD = {"indicator": "macd"}
SIGNAL = {"indicator": "macd", "output": "signal"}
TREE_OF_EACH: dict[str, Any] = {
    "buy": [short(value=35), compare("close", "above", {"indicator": "donchian", "period": 20, "output": "lower"})],
    "sell": group("or", short(condition="above", value=65), compare(MACD, "crosses_below", SIGNAL)),
    "short": compare({"indicator": "ema", "period": 9}, "crosses_below", {"indicator": "ema", "period": 21}),
    "cover": group("not", compare(RSI | {"period": 4, "timeframe": "15m"}, "below", 30, for_bars=2)),
}


@pytest.mark.row("E4", "D2")
@pytest.mark.parametrize(
    ("true", "code"),
    [
        ("", HOLD),
        ("buy", BUY),
        ("sell", EXIT_LONG),
        ("short", SELL),
        ("cover", EXIT_SHORT),
        ("buy sell", HOLD),
        ("short cover", HOLD),
        ("buy short", HOLD),
        ("sell cover", EXIT),
        ("buy cover", BUY),
        ("sell short", SELL),
        # Of three, an entry and its own exit cancel out, and the third is left.
        ("buy sell short", SELL),
        ("buy short cover", BUY),
        ("buy sell cover", EXIT_SHORT),
        ("sell short cover", EXIT_LONG),
        ("buy sell short cover", HOLD),
    ],
)
def test_what_each_combination_says(true: str, code: int) -> None:
    """One bar, on which exactly these trees hold."""
    trees = {name: compare("close", "above", 1 if name in true.split() else 9) for name in TREES}
    assert Conditions(**trees).signals(from_close([5])).tolist() == [code]


@pytest.mark.row("E1", "E4")
def test_a_sell_closes_and_never_opens() -> None:
    strategy = Conditions(buy=compare("close", "below", 2), sell=compare("close", "above", 4))
    assert strategy.signals(from_close([1, 3, 5, 5, 1])).tolist() == [1, 0, -2, -2, 1]
    assert strategy.allows_short is False
    assert Conditions(short=compare("close", "below", 2)).allows_short is True
    told = strategy.generate_signals(from_close([1, 3, 5]))
    assert [(one.action, one.exits, one.confidence) for one in told] == [("BUY", "", 1.0), ("SELL", "long", 1.0)]


@pytest.mark.row("E4", "E5")
def test_the_engine_trades_the_four_trees() -> None:
    """Each bar opens where the one before it closed, so that every fill is the close of the bar that decided."""
    closes = [5, 1, 3, 9, 9, 9, 3, 1, 1, 5]
    opens = [5, *closes[:-1]]
    ts = FIRST_DAY_NS + np.arange(len(closes)) * DAY_NS
    bars = Bars.from_arrays("X", "1d", ts, opens, np.maximum(opens, closes), np.minimum(opens, closes), closes,
                            calendar="24/7")  # fmt: skip
    level = {"buy": compare("close", "below", 2), "sell": compare("close", "above", 8)}
    rules = Rules(sizing="fixed", size_value=10, allow_short=True, max_position_size_pct=None)

    def fills(**trees: Any) -> list[tuple[int, float]]:
        result = simulate({"X": bars}, {"X": Conditions(**trees).scored_signals(bars)}, rules=rules)
        return [(int(row["side"] * row["qty"]), float(row["px"])) for row in result.fills]

    assert fills(**level) == [(10, 1.0), (-10, 9.0), (10, 1.0)], "9 sells what there is, and nothing more"
    both = fills(**level, short=compare("close", "above", 8, for_bars=2), cover=compare("close", "below", 4))
    assert both == [(10, 1.0), (-10, 9.0), (-10, 9.0), (10, 3.0), (10, 1.0)]


@pytest.mark.row("E1", "A8")
def test_something_must_open_a_position() -> None:
    with pytest.raises(InputError) as caught:
        Conditions(sell=compare("close", "above", 4))
    assert [(fault.path, fault.code) for fault in caught.value.faults] == [("buy", "required")]
    with pytest.raises(InputError) as caught:
        Conditions(buy=group("and", short(period=0, value=1)), cover=[])
    assert [(fault.path, fault.code) for fault in caught.value.faults] == [
        ("buy.children[0].indicator.period", "out_of_range"),
        ("cover", "required"),
    ]


@pytest.mark.row("E5", "W8", "D2")
def test_a_strategy_of_four_trees_passes_the_causality_check_and_bar_by_bar_is_all_at_once() -> None:
    bars = walk(280, timeframe="1m")
    strategy = Conditions(**TREE_OF_EACH)
    signals = strategy.signals(bars)
    assert set(np.unique(signals).tolist()) >= {BUY, SELL, EXIT_LONG, EXIT_SHORT}
    report = check(strategy, bars)
    assert report.ok, report.problems
    live = Incremental(strategy, symbol="WALK", timeframe="1m", calendar="24/7")
    columns = zip(bars.ts, bars.open, bars.high, bars.low, bars.close, bars.volume, strict=True)
    names = ("ts", "open", "high", "low", "close", "volume")
    whole = Conditions(**TREE_OF_EACH)
    for i, row in enumerate(columns):
        values = [value.item() for value in row]
        assert live.on_bar(dict(zip(names, values, strict=True))) == whole.explain(bars, i)


@pytest.mark.row("E5")
def test_a_decision_says_what_was_true_and_keeps_every_node() -> None:
    bars = from_close([3, 2, 1, 2, 9])
    strategy = Conditions(
        buy=group("or", compare("close", "below", 2), compare("close", "rising", bars=3)),
        sell=compare("close", "above", 8),
    )
    buy, hold, both = strategy.explain(bars, 2), strategy.explain(bars, 1), strategy.explain(bars, 4)
    assert strategy.warmup() == 4
    assert [early.action for early in (buy, hold)] == ["HOLD", "HOLD"]
    assert buy.reasoning == "Not enough history: it needs 4 bars and has 3."
    assert both.reasoning == (
        "Buy when the close (9) has risen over 3 bars; Sell when the close (9) is above 8. They cancel each other out."
    )
    known = strategy.explain(bars, 3)
    assert known.reasoning == "No condition holds (buy, sell)."
    evidence = both.metadata["evidence"]
    assert evidence == {name: explain(tree, bars, [4])[0] for name, tree in strategy.trees.items()}
    assert json.loads(json.dumps(both.as_dict())) == both.as_dict()


@pytest.mark.row("E4", "E5")
def test_lines_are_the_indicators_that_the_trees_read() -> None:
    strategy = Conditions(**TREE_OF_EACH)
    bars = walk(120, timeframe="1m")
    drawn = strategy.overlays(bars)
    assert [(one["label"], one["pane"]) for one in drawn] == [
        ("RSI(14)", "own"),
        ("the lower line of Donchian channel(20)", "price"),
        ("MACD(12, 26, 9)", "own"),
        ("the signal line of MACD(12, 26, 9)", "own"),
        ("EMA(9)", "price"),
        ("EMA(21)", "price"),
        ("RSI(4) on 15m", "own"),
    ]
    assert all(one["values"].shape == (120,) and one["values"].dtype == np.float64 for one in drawn)
    many = Conditions(buy=group("or", *(short(period=k, value=30) for k in range(2, 40))))
    assert len(many.lines(bars)) == 12
    assert Conditions(buy=compare("close", "above", 3)).overlays(bars) == []


@pytest.mark.row("E4", "H15", "G15")
def test_history_and_timeframes_are_declared() -> None:
    strategy = Conditions(**TREE_OF_EACH)
    assert list(strategy.timeframes()) == ["15m"]
    assert strategy.warmup() == 35, "MACD has its first value on bar 34, and crosses from the next on"
    assert strategy.bars_needed("1m", "24/7") == 6 * 15 + 1
    assert strategy.bars_needed("15m", "XNYS") == 35
    refuse_timeframe(strategy.parameters, "5m")
    with pytest.raises(InputError, match="Bars of 15m cannot be made of bars of 1h"):
        refuse_timeframe(strategy.parameters, "1h")


@pytest.mark.row("E5", "W8")
def test_measuring_a_saved_tree() -> None:
    bars = walk(600, timeframe="1m")
    told = measure({"buy": short(value=35), "sell": compare("close", "above", 0)}, bars)
    assert json.loads(json.dumps(told)) == told
    assert told["ok"] is True
    assert told["problems"] == []
    assert told["declared_warmup"] == 15
    assert 15 < told["memory"] < 300
    assert told["true_bars"]["buy"] == evaluate(Conditions(buy=short(value=35)).buy, bars).sum()
    assert (told["always"], told["never"]) == (["sell"], [])
    assert measure({"buy": short(value=0)}, bars)["never"] == ["buy"]


@pytest.mark.row("A4", "E1")
def test_a_tree_is_found_however_deep_it_is_hidden() -> None:
    tree = {"buy": short(value=30)}
    inner = {"members": [{"strategy": "momentum", "parameters": {}}, {"strategy": "conditions", "parameters": tree}]}
    outer = {"members": [{"strategy": "bollinger"}, {"strategy": "ensemble", "parameters": inner, "weight": 2}]}
    assert uses_conditions("conditions", tree)
    assert uses_conditions("ensemble", inner)
    assert uses_conditions("ensemble", outer)
    assert not uses_conditions("momentum", {"rsi_window": 14})
    assert not uses_conditions("ensemble", {"members": [{"strategy": "momentum", "parameters": {}}, 3, None]})
    assert not uses_conditions("ensemble", {"members": "conditions"})
    endless: dict[str, Any] = {}
    endless["members"] = [{"strategy": "ensemble", "parameters": endless}]
    assert uses_conditions("ensemble", endless), "what has no end is not waved through"


@pytest.mark.row("E1", "D2")
def test_the_catalogue_knows_it_and_does_not_list_it() -> None:
    assert catalogue.get("conditions") is Conditions
    assert Conditions in catalogue.all()
    assert Conditions not in catalogue.listed()
    assert Conditions.declaration()["parameters"][0]["type"] == "conditions"
    assert len(Conditions.version()) == 12
    rebuilt = catalogue.get("conditions")(**json.loads(json.dumps(Conditions(**TREE_OF_EACH).parameters)))
    assert rebuilt.parameters == Conditions(**TREE_OF_EACH).parameters


@pytest.mark.row("E1", "A8")
def test_a_tree_is_typed_as_json() -> None:
    param = Conditions.params["buy"]
    assert isinstance(param, TreeParam)
    assert param.parse(json.dumps(short(value=30))) == param.clean(short(value=30))
    assert param.parse("  ") is None
    assert param.words(param.clean(short(value=30))) == "RSI(14) is below 30"
    assert param.words(None) == "off"
    with pytest.raises(InputError, match="not valid JSON"):
        param.parse("{")
    with pytest.raises(InputError) as caught:
        Conditions.parse({"buy": "[1, NaN]"})
    assert caught.value.faults[0].path == "buy[1]"


@pytest.mark.row("E4")
def test_a_strategy_asked_about_other_bars_answers_for_them() -> None:
    strategy = Conditions(buy=compare("close", "above", CLOSE | {"bars_ago": 1}))
    up, down = from_close([1, 2, 3]), from_close([3, 2, 1])
    assert strategy.signals(up).tolist() == [0, 1, 1]
    assert strategy.signals(down).tolist() == [0, 0, 0]
    assert strategy.signals(up).tolist() == [0, 1, 1]
