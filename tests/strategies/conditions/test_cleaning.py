"""What a condition tree may look like, the one form it is brought into, and how each fault is named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.errors import InputError
from strategies import indicators
from strategies.conditions import MAX_JSON_DEPTH, MAX_NODES, Conditions, clean, depth, nodes, parse
from strategies.conditions.shapes import COMPARE_FIELDS, SHORT_FIELDS
from tests.strategies.conditions.made import CLOSE, RSI, compare, group, short


def faults(raw: object) -> list[tuple[str, str]]:
    with pytest.raises(InputError) as caught:
        clean(raw)
    return [(fault.path, fault.code) for fault in caught.value.faults]


def only(raw: object) -> tuple[str, str]:
    (found,) = faults(raw)
    return found


def hint(raw: object) -> str:
    with pytest.raises(InputError) as caught:
        clean(raw)
    return caught.value.faults[0].hint


RSI_BELOW_30 = {"type": "compare", "left": RSI, "condition": "below", "right": {"value": 30}}


@pytest.mark.row("E2", "E3")
@pytest.mark.parametrize(
    ("sent", "canonical"),
    [
        (short(period=14, value=30), RSI_BELOW_30),
        (short("rsi", value=30.0), RSI_BELOW_30),
        ([short(value=30)], RSI_BELOW_30),
        (compare({"indicator": "Rsi"}, "below", 30), RSI_BELOW_30),
        (compare(RSI | {"bars_ago": 0, "timeframe": None}, "below", 30, for_bars=1), RSI_BELOW_30),
        (
            [short(value=30), short("SMA", "above", period=20, price="close")],
            group("and", RSI_BELOW_30, compare({"indicator": "sma", "period": 20, "source": "close"}, "above", CLOSE)),
        ),
        (
            short("EMA", "crosses_above", period=10, bars_ago=1, indicator={"type": "EMA", "period": 30}),
            compare(
                {"indicator": "ema", "period": 10, "source": "close", "bars_ago": 1},
                "crosses_above",
                {"indicator": "ema", "period": 30, "source": "close"},
            ),
        ),
        (
            short("MACD", "above", output="histogram", timeframe="1h", value=-0.5) | {"for_bars": 3},
            compare(
                {"indicator": "macd", "fast": 12, "slow": 26, "signal": 9, "output": "histogram", "timeframe": "1h"},
                "above",
                -0.5,
                for_bars=3,
            ),
        ),
        (
            short(condition="between", value=[40, 60.5]),
            compare(RSI, "between", low={"value": 40}, high={"value": 60.5}),
        ),
        (short(condition="rising", bars=5, for_bars=2), compare(RSI, "rising", bars=5, for_bars=2)),
        (short(condition="falling"), compare(RSI, "falling", bars=1)),
        (
            compare({"indicator": "macd", "signal": 5}, "crosses_below", {"indicator": "macd", "output": "signal"}),
            compare(
                {"indicator": "macd", "fast": 12, "slow": 26, "signal": 5, "output": "macd"},
                "crosses_below",
                {"indicator": "macd", "fast": 12, "slow": 26, "signal": 9, "output": "signal"},
            ),
        ),
    ],
)
def test_every_accepted_form_has_one_canonical_form(sent: Any, canonical: Any) -> None:
    assert clean(sent) == canonical
    assert clean(canonical) == canonical
    assert json.dumps(clean(sent)) == json.dumps(clean(canonical)), "the order of fields is one as well"


@pytest.mark.row("E2")
def test_groups_nest_and_are_counted() -> None:
    tree = clean([short(value=30), group("or", short(value=20), group("not", short(value=10), for_bars=2))])
    assert [node["type"] for node in nodes(tree)] == ["and", "compare", "or", "compare", "not", "compare"]
    assert depth(tree) == 4
    assert depth(clean(short(value=3))) == 1


@pytest.mark.row("E2", "A8")
@pytest.mark.parametrize(
    ("raw", "path", "code"),
    [
        ([], "$", "required"),
        (None, "$", "required"),
        ("RSI < 30", "$", "wrong_type"),
        ({}, "$.type", "required"),
        ({"type": "AND", "children": []}, "$.type", "unknown_choice"),
        ({"type": 1}, "$.type", "wrong_type"),
        ({"type": "xor", "children": []}, "$.type", "unknown_choice"),
        (group("and"), "$.children", "required"),
        ({"type": "or"}, "$.children", "required"),
        ({"type": "or", "children": {}}, "$.children", "wrong_type"),
        (group("not", None), "$.children[0]", "required"),
        (group("or", short(value=1), colour="red"), "$.colour", "unknown_field"),
        (group("or", short(value=1), for_bars=0), "$.for_bars", "out_of_range"),
        (group("or", short(value=1), for_bars=1001), "$.for_bars", "out_of_range"),
        (group("or", short(value=1), for_bars=2.5), "$.for_bars", "wrong_type"),
        (group("or", short(value=1), for_bars=True), "$.for_bars", "not_a_number"),
        (short(value=True), "$.indicator.value", "not_a_number"),
        (short(value="30"), "$.indicator.value", "not_a_number"),
        (short(value="nan"), "$.indicator.value", "not_a_finite_number"),
        (short(value=float("nan")), "$.indicator.value", "not_a_finite_number"),
        (short(value=float("inf")), "$.indicator.value", "not_a_finite_number"),
        pytest.param(short(value=10**4000), "$.indicator.value", "not_a_finite_number", id="four thousand digits"),
        (short(value=1e16), "$.indicator.value", "out_of_range"),
        (short(), "$.indicator", "required"),
        (short(value=1, price="close"), "$.indicator.price", "required"),
        (short(price="typical"), "$.indicator.price", "unknown_choice"),
        (short(price=True), "$.indicator.price", "wrong_type"),
        (short("RSX", value=1), "$.indicator.type", "unknown_choice"),
        (short(None, value=1), "$.indicator.type", "required"),
        (short(14, value=1), "$.indicator.type", "unknown_choice"),
        (short(condition="under", value=1), "$.indicator.condition", "unknown_choice"),
        (short(period=0, value=1), "$.indicator.period", "out_of_range"),
        (short(period=-1, value=1), "$.indicator.period", "out_of_range"),
        (short(period=1e9, value=1), "$.indicator.period", "out_of_range"),
        (short(period="14", value=1), "$.indicator.period", "not_a_number"),
        (short(period=True, value=1), "$.indicator.period", "not_a_number"),
        (short(perod=14, value=1), "$.indicator.perod", "unknown_field"),
        (short(condition="between", value=[60, 40]), "$.indicator.value[0]", "conflict"),
        (short(condition="between", value=[60]), "$.indicator.value", "wrong_type"),
        (short(condition="between", value=["a", 2]), "$.indicator.value[0]", "not_a_number"),
        (short(condition="rising", value=3), "$.indicator.value", "unknown_field"),
        (short(value=3, bars=2), "$.indicator.bars", "unknown_field"),
        (short(value=3, timeframe="7m"), "$.indicator.timeframe", "unknown_choice"),
        (short(value=3, for_bars=2) | {"for_bars": 2}, "$.indicator.for_bars", "conflict"),
        (short(value=3) | {"period": 14}, "$.period", "unknown_field"),
        ({"type": "indicator"}, "$.indicator", "required"),
        ({"type": "indicator", "indicator": "RSI"}, "$.indicator", "wrong_type"),
        (short(indicator={"type": "SMA", "period": 0}), "$.indicator.indicator.period", "out_of_range"),
        (compare(RSI, "below"), "$.right", "required"),
        (compare(None, "below", 3), "$.left", "required"),
        (compare(RSI, "between", 3, low={"value": 1}, high={"value": 2}), "$.right", "unknown_field"),
        (compare(RSI, "between", low={"value": 1}), "$.high", "required"),
        (compare(RSI, "rising", bars=0), "$.bars", "out_of_range"),
        (compare(RSI, "rising", {"value": 2}), "$.right", "unknown_field"),
        (compare(1, "rising"), "$.left", "conflict"),
        (compare(1, "below", 2), "$.right", "conflict"),
        (compare(RSI, "above", {"indicator": "RSI"}), "$.right", "conflict"),
        (compare(RSI | {"bars_ago": -1}, "above", 3), "$.left.bars_ago", "out_of_range"),
        (compare(RSI | {"value": 3}, "above", 3), "$.left", "conflict"),
        (compare({}, "above", 3), "$.left", "required"),
        (compare({"value": 3, "timeframe": "1h"}, "above", CLOSE), "$.left.timeframe", "unknown_field"),
        (compare({"price": "close", "period": 3}, "above", 3), "$.left.period", "unknown_field"),
        (compare({"price": ["close"]}, "above", 3), "$.left.price", "wrong_type"),
        (compare({"indicator": "macd", "output": "line"}, "above", 3), "$.left.output", "unknown_choice"),
        (compare(RSI | {"output": "upper"}, "above", 3), "$.left.output", "unknown_choice"),
        (compare(RSI, "above", {"value": None}), "$.right.value", "not_a_number"),
        (group("and", short(value=1), group("or", short("SMA", "above", period=0, price="close"))),
         "$.children[1].children[0].indicator.period", "out_of_range"),
        ([short(value=1), short(value="x")], "$[1].indicator.value", "not_a_number"),
        (short("RSI\u202e", value=1), "$.indicator.type", "bad_text"),
        (short("\ud800", value=1), "$.indicator.type", "bad_text"),
        (short("a\x00", value=1), "$.indicator.type", "bad_text"),
        ({3: 4}, "$", "wrong_type"),
    ],
)  # fmt: skip
def test_a_fault_is_named_with_its_place(raw: object, path: str, code: str) -> None:
    assert only(raw) == (path, code)


@pytest.mark.row("E2", "A8")
def test_hints_say_what_is_allowed() -> None:
    assert hint(short(period=0, value=1)) == "From 2 to 5000 bars."
    assert "sma, ema" in hint(short("nonsense", value=1))
    assert hint({"type": "nand"}) == "One of: and, or, not, compare, indicator."
    assert "crosses_above" in hint(short(condition="under", value=1))
    assert hint(compare(RSI, "above", {"price": "typical"})) == "One of: open, high, low, close, volume."
    assert hint(compare(RSI | {"timeframe": "2h"}, "above", 3)) == "One of: 1s, 1m, 5m, 15m, 1h, 4h, 1d."


@pytest.mark.row("E2", "A8")
def test_all_faults_are_told_at_once_up_to_twenty() -> None:
    wrong = group("and", short(period=0, value="x"), short("NOPE", value=1), group("or"))
    assert faults(wrong) == [
        ("$.children[0].indicator.period", "out_of_range"),
        ("$.children[0].indicator.value", "not_a_number"),
        ("$.children[1].indicator.type", "unknown_choice"),
        ("$.children[2].children", "required"),
    ]
    assert len(faults([short(value=None, period=-k) for k in range(50)])) == 20


def nested(levels: int, around: Any = None) -> Any:
    node = around or short(value=1)
    for _ in range(levels - 1):
        node = group("not", node)
    return node


@pytest.mark.row("E2", "A8")
def test_depth_and_nodes_have_limits_that_are_reached_exactly() -> None:
    assert depth(clean(nested(32))) == 32
    longest = short("EMA", "above", indicator={"type": "EMA", "period": 3})
    assert len(nodes(clean([nested(31, longest), short(value=1)]))) == 33
    path, code = only(nested(33))
    assert code == "tree_too_deep"
    assert path == "$" + ".children[0]" * 32
    full = group("or", *(short(value=k) for k in range(MAX_NODES - 1)))
    assert len(nodes(clean(full))) == MAX_NODES
    assert only(group("or", *(short(value=k) for k in range(MAX_NODES)))) == ("$.children[499]", "tree_too_large")


@pytest.mark.row("E2", "A8")
def test_the_trees_of_a_strategy_count_together() -> None:
    half = group("or", *(short(value=k) for k in range(MAX_NODES // 2 - 1)))
    assert Conditions(buy=half, sell=half).warmup() == 15
    with pytest.raises(InputError) as caught:
        Conditions(buy=half, sell=half, short=short(value=1))
    assert caught.value.faults[0].code == "tree_too_large"


@pytest.mark.row("E2", "A8")
def test_nothing_bottomless_or_endless_gets_in() -> None:
    bottomless: Any = short(value=1)
    for _ in range(100_000):
        bottomless = {"type": "not", "children": [bottomless]}
    assert only(bottomless)[1] == "tree_too_deep"
    while isinstance(bottomless, dict) and "children" in bottomless:  # taken apart, because freeing it recurses
        bottomless = bottomless["children"].pop()
    endless: list[Any] = []
    endless.append(endless)
    assert only(endless)[1] == "tree_too_deep"
    wide: dict[str, Any] = {"type": "or"}
    wide["children"] = [wide, wide, wide]
    assert only(wide)[1] in ("tree_too_deep", "tree_too_large")
    assert only([short(value=1)] * 1_000_000)[1] == "tree_too_large"
    assert only({str(k): k for k in range(100_000)})[1] == "tree_too_large"


@pytest.mark.row("E2", "A8")
@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param('{"type":"not","children":[' * 100_000 + "]}" * 100_000, "tree_too_large", id="2.8 MB"),
        pytest.param('{"type":"not","children":[' * 2_000 + "]}" * 2_000, "tree_too_deep", id="2,000 deep"),
        pytest.param("[" * 60_000, "tree_too_deep", id="60,000 brackets"),
        ("{", "malformed"),
        ("", "malformed"),
        ('{"type": "and", "type": "or", "children": []}', "duplicate_key"),
        ('{"value": NaN}', "not_a_finite_number"),
        ('{"value": 1e999}', "not_a_finite_number"),
        pytest.param('{"value": ' + "9" * 4_000 + "}", "not_a_finite_number", id="4,000 digits"),
        ('{"type": "\\ud800"}', "bad_text"),
        ('{"type": "a\\u0000"}', "bad_text"),
        (b'{"type": "\xff"}', "bad_text"),
        pytest.param(" " * 65_537, "tree_too_large", id="a byte too many"),
        pytest.param("é" * 32_769, "tree_too_large", id="bytes, not letters"),
    ],
)
def test_text_is_measured_before_it_is_read(text: str | bytes, code: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text)
    assert caught.value.faults[0].code == code
    assert caught.value.faults[0].path.startswith("$")


@pytest.mark.row("E2")
def test_text_of_a_tree_in_its_longest_form_is_read() -> None:
    longest = nested(32, short("EMA", "above", indicator={"type": "EMA", "period": 3}))
    assert parse(json.dumps(longest)) == clean(longest)
    assert json.dumps(longest).count("{") + json.dumps(longest).count("[") < MAX_JSON_DEPTH
    assert parse(json.dumps(short(value=30)).encode(), "buy")["condition"] == "below"
    with pytest.raises(InputError, match=r"^buy\.indicator\.value"):
        parse(json.dumps(short(value="30")), "buy")


def test_no_indicator_has_a_parameter_with_the_name_of_a_field() -> None:
    fields = {*SHORT_FIELDS, *COMPARE_FIELDS}
    assert [(one.name, sorted(fields & set(one.params))) for one in indicators.all() if fields & set(one.params)] == []
