"""Laws of condition trees, on arbitrary ones: against a slow reference, their explanation, their past."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import Bars
from engine.errors import Fault, InputError
from strategies.conditions import (
    Conditions,
    Operand,
    Tree,
    clean,
    evaluate,
    explain,
    from_indicators,
    nodes,
    operands,
    parse,
    sentence,
    sentences,
    warmup,
)
from strategies.conditions.evaluation import Evaluation
from tests.strategies.conditions import reference
from tests.strategies.conditions.made import trees
from tests.strategies.series import walk

COARSE = ("1m", "5m", "15m")
MINUTES = walk(75, 3, timeframe="1m")


@pytest.mark.row("E4", "E5")
@given(raw=trees(COARSE))
@settings(max_examples=60)
def test_a_tree_says_on_each_bar_what_the_slow_way_says(raw: Any) -> None:
    tree = clean(raw)
    asked = Evaluation(MINUTES)
    true, false = asked.true(tree), asked.false(tree)
    places = [0, 1, 2, 7, 20, 33, 34, 48, 61, 74]
    slow = [reference.verdict(tree, MINUTES, i) for i in places]
    assert [bool(true[i]) for i in places] == [said is True for said in slow]
    assert [bool(false[i]) for i in places] == [said is False for said in slow]
    assert [told["is"] for told in explain(tree, MINUTES, places)] == slow


@pytest.mark.row("E4", "W8")
@given(raw=trees(COARSE), known=st.integers(0, 75))
@settings(max_examples=100)
def test_the_future_changes_nothing(raw: Any, known: int) -> None:
    tree = clean(raw)
    assert np.array_equal(evaluate(tree, MINUTES)[:known], evaluate(tree, MINUTES[:known]))
    strategy = Conditions(buy=tree, cover=tree)
    full, cut = strategy.lines(MINUTES), strategy.lines(MINUTES[:known])
    assert list(full) == list(cut)
    assert all(np.array_equal(full[name][:known], cut[name], equal_nan=True) for name in full)


@pytest.mark.row("E5")
@given(raw=trees(COARSE))
@settings(max_examples=100)
def test_an_explanation_is_the_tree_and_agrees_with_it_on_every_node_and_bar(raw: Any) -> None:
    tree = clean(raw)
    asked = Evaluation(MINUTES)
    told = explain(tree, MINUTES, list(range(len(MINUTES))))
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    answers = [evaluate(node, MINUTES) for node in nodes(tree)]
    for i, explained in enumerate(told):
        assert [bool(node["is"]) for node in nodes(explained)] == [bool(answer[i]) for answer in answers]
        assert _bare(explained) == tree
    for one, node in zip(nodes(told[40]), nodes(tree), strict=True):
        for name in ("left", "right", "low", "high"):
            if name in node and "value" not in node[name]:
                number = asked.values(node[name])[40]
                assert one[name]["value"] == (None if np.isnan(number) else number)


@pytest.mark.row("E2", "E3")
@given(raw=trees(("1h", "1d"), leaves=12))
def test_the_canonical_form_is_one_and_stays(raw: Any) -> None:
    tree = clean(raw)
    assert clean(tree) == tree
    assert parse(json.dumps(tree)) == tree
    assert clean([raw]) == tree
    assert len(sentence(tree)) > 5
    assert "\n" not in sentence(tree)


@pytest.mark.row("E4", "D22")
@given(raw=trees(leaves=4), n=st.integers(0, 75))
@settings(max_examples=60)
def test_no_signal_before_every_operand_is_known(raw: Any, n: int) -> None:
    strategy = Conditions(buy=raw)
    needed = strategy.warmup()
    signals = strategy.signals(MINUTES[:n])
    assert not signals[: needed - 1].any()
    tree = strategy.parameters["buy"]
    assert needed == warmup([tree])
    asked = Evaluation(MINUTES[:n])
    if needed <= n and all(_without_gaps(asked, one) for node in nodes(tree) for one in operands(node)):
        assert (asked.true(tree) | asked.false(tree))[needed - 1 :].all()


FIELDS = (
    "type children left right low high condition indicator price value bars for_bars bars_ago timeframe output period"
)
WORDS = "and or not compare indicator rsi RSI close above between rising crosses_below 1h"
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.sampled_from(WORDS.split()),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(FIELDS.split()) | st.text(max_size=3), inner, max_size=6)
    ),
    max_leaves=25,
)


def outcome(read: Callable[[Any], Tree], raw: Any) -> tuple[Tree | None, tuple[Fault, ...]]:
    """(the tree, no faults) or (None, the faults)."""
    try:
        return read(raw), ()
    except InputError as error:
        return None, error.faults


@pytest.mark.row("E2", "A8")
@given(raw=JUNK)
@settings(max_examples=400)
def test_junk_is_refused_with_a_place_and_never_breaks_anything(raw: object) -> None:
    tree, faults = outcome(clean, raw)
    assert len(faults) <= 20
    for fault in faults:
        assert fault.path.startswith("$")
        assert fault.code
        assert fault.message
        json.dumps(fault.as_dict()).encode()
    if tree is not None:
        assert clean(tree) == tree
        assert sentences({"buy": tree})["buy"].startswith("Buy when ")


@pytest.mark.row("C13", "A8")
@given(raw=JUNK | st.dictionaries(st.sampled_from(["RSI", "macd", "Bollinger", "SMA", "xyz"]), JUNK, max_size=3))
def test_junk_for_a_bot_s_rules_is_refused_or_makes_trees(raw: Any) -> None:
    try:
        trees_of = from_indicators(raw)
    except InputError as error:
        paths = [fault.path for fault in error.faults]
    else:
        paths = ["indicators"]
        assert Conditions(**trees_of).warmup() > 0
    assert all(path.startswith("indicators") for path in paths)


@pytest.mark.row("E2", "A8")
@given(text=st.binary(max_size=60) | st.text(max_size=60))
def test_any_text_is_a_tree_or_refused(text: bytes | str) -> None:
    tree, faults = outcome(parse, text)
    assert tree is not None or faults
    assert all(fault.path.startswith("$") for fault in faults)


def _without_gaps(asked: Evaluation, operand: Operand) -> bool:
    """Whether it has a value on each bar from its first on; some have none where a whole window is equal."""
    if "indicator" not in operand:
        return True
    known = np.isfinite(asked.values(operand))
    return not known.any() or bool(known[int(np.argmax(known)) :].all())


def _bare(explained: Any) -> Any:
    """An explained tree without what explains it."""
    if isinstance(explained, list):
        return [_bare(entry) for entry in explained]
    if not isinstance(explained, dict):
        return explained
    added = {"is", "before"} | ({"value"} if "indicator" in explained or "price" in explained else set())
    return {name: _bare(entry) for name, entry in explained.items() if name not in added}


def test_the_made_minutes_hold_coarse_bars() -> None:
    """So that the laws above are about something."""
    assert isinstance(MINUTES, Bars)
    daily = clean({"type": "compare", "left": {"price": "close", "timeframe": "15m"}, "condition": "above",
                   "right": {"price": "close"}})  # fmt: skip
    told = Evaluation(MINUTES)
    assert told.true(daily).any()
    assert told.false(daily).any()
