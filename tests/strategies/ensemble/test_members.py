"""What may be a member, and how a refusal says where the fault is."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InputError
from strategies import catalogue
from strategies.ensemble import MOST_MEMBERS_IN_ALL
from strategies.panel import PanelStrategy

GOOD: dict[str, Any] = {"strategy": "ma_crossover"}


def faults(parameters: object) -> dict[str, str]:
    with pytest.raises(InputError) as refused:
        catalogue.get("ensemble").clean(parameters)
    return {fault.path: fault.code for fault in refused.value.faults}


@pytest.mark.row("D13", "D20")
def test_every_default_is_written_out() -> None:
    cleaned = catalogue.get("ensemble")(members=[GOOD, {"strategy": "momentum", "weight": 30, "timeframe": "1d"}])
    first, second = cleaned.parameters["members"]
    assert first == {
        "strategy": "ma_crossover",
        "parameters": {"fast_window": 10, "slow_window": 30, "ma_type": "SMA", "min_strength_threshold": 0.001},
        "weight": 50.0,
        "enabled": True,
        "timeframe": None,
        "name": "",
    }
    assert (second["weight"], second["timeframe"]) == (30.0, "1d")
    again = catalogue.get("ensemble")(**json.loads(json.dumps(cleaned.parameters)))
    assert again.parameters == cleaned.parameters


@pytest.mark.row("A8", "D20")
@pytest.mark.parametrize(
    ("members", "path", "code"),
    [
        (None, "members", "required"),
        ([], "members", "required"),
        ([GOOD], "members", "out_of_range"),
        ([GOOD] * 13, "members", "out_of_range"),
        ("two", "members", "wrong_type"),
        ({"0": GOOD}, "members", "wrong_type"),
        ([GOOD, 5], "members[1]", "wrong_type"),
        ([GOOD, {}], "members[1].strategy", "unknown_choice"),
        ([GOOD, {"strategy": "no_such"}], "members[1].strategy", "unknown_choice"),
        ([GOOD, {**GOOD, "colour": 1}], "members[1].colour", "unknown_field"),
        ([GOOD, {**GOOD, "weight": 101}], "members[1].weight", "out_of_range"),
        ([GOOD, {**GOOD, "weight": "50"}], "members[1].weight", "not_a_number"),
        ([GOOD, {**GOOD, "weight": float("nan")}], "members[1].weight", "not_a_finite_number"),
        ([GOOD, {**GOOD, "enabled": 1}], "members[1].enabled", "wrong_type"),
        ([GOOD, {**GOOD, "timeframe": "2h"}], "members[1].timeframe", "unknown_choice"),
        ([GOOD, {**GOOD, "name": "a\u202eb"}], "members[1].name", "bad_text"),
        ([GOOD, {**GOOD, "parameters": {"fast_window": 0}}], "members[1].parameters.fast_window", "out_of_range"),
        ([GOOD, {**GOOD, "parameters": []}], "members[1].parameters", "wrong_type"),
        ([{**GOOD, "enabled": False}] * 2, "members", "conflict"),
    ],
)
def test_a_fault_has_its_path(members: object, path: str, code: str) -> None:
    assert faults({"members": members}) == {path: code}


def test_every_fault_is_told_at_once() -> None:
    bad = {"members": [{**GOOD, "weight": -1}, {"strategy": "?"}], "threshold": 2, "validators": [{"type": "mood"}]}
    assert set(faults(bad)) == {"members[0].weight", "members[1].strategy", "threshold", "validators[0].type"}


def nested(depth: int, width: int = 2) -> dict[str, Any]:
    """Parameters of an ensemble that is `depth` ensembles deep."""
    inner = GOOD if depth == 1 else {"strategy": "ensemble", "parameters": nested(depth - 1, width)}
    return {"members": [inner] + [GOOD] * (width - 1)}


def test_ensembles_nest_three_deep() -> None:
    assert catalogue.get("ensemble")(**nested(3)).warmup() == 31
    assert faults(nested(4)) == {"members": "out_of_range"}
    deep = nested(1)
    for _ in range(20_000):
        deep = {"members": [{"strategy": "ensemble", "parameters": deep}, GOOD]}
    assert faults(deep) == {"members": "out_of_range"}
    endless: dict[str, Any] = {"members": [GOOD]}
    endless["members"].append({"strategy": "ensemble", "parameters": endless})
    assert faults(endless) == {"members": "out_of_range"}


def test_members_of_members_are_counted() -> None:
    wide = {"strategy": "ensemble", "parameters": {"members": [GOOD] * 12}}
    assert 3 + 3 * 12 > MOST_MEMBERS_IN_ALL >= 2 + 2 * 12
    assert len(catalogue.get("ensemble")(members=[wide, wide]).voters) == 2
    assert faults({"members": [wide, wide, wide]}) == {"members": "out_of_range"}


def test_a_strategy_of_several_symbols_is_no_member() -> None:
    together = [entry.slug for entry in catalogue.all() if issubclass(entry, PanelStrategy)]
    for slug in together:
        assert faults({"members": [GOOD, {"strategy": slug}]})["members[1].strategy"] == "conflict"


@pytest.mark.row("D13")
def test_what_a_member_reads_beside_bars() -> None:
    asks = {"strategy": "sentiment"}
    assert faults({"members": [GOOD, {"strategy": "microstructure"}]}) == {"members[1].strategy": "unavailable"}
    ensemble = catalogue.get("ensemble")(
        members=[GOOD, {"strategy": "ensemble", "parameters": {"members": [GOOD, asks]}}]
    )
    assert ensemble.extras() == catalogue.get("sentiment")().extras()
    assert ensemble.needs == ("news",)
    assert catalogue.get("ensemble")(members=[GOOD, {**asks, "enabled": False}]).extras() == ()


@pytest.mark.row("A8")
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["strategy", "parameters", "members", "weight", "type", "validators", "x"]), inner
            )
        ),
        max_leaves=20,
    )
)
def test_junk_is_refused_and_nothing_else_happens(junk: object) -> None:
    for parameters in (junk, {"members": junk}, {"members": [GOOD, junk]}, {"members": [GOOD] * 2, "validators": junk}):
        with contextlib.suppress(InputError):
            catalogue.get("ensemble").clean(parameters)


def test_text_of_a_form_is_json() -> None:
    parsed = catalogue.get("ensemble").parse({"members": json.dumps([GOOD, GOOD])})
    assert len(parsed["members"]) == 2
    for text in ("[[", "[" * 100_000, "5", "{}"):
        with pytest.raises(InputError):
            catalogue.get("ensemble").parse({"members": text})
