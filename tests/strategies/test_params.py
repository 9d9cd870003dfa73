"""Declared parameters: what they take, what they refuse, and how they say it."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Fault, InputError
from strategies import catalogue, session_settings
from strategies.base import Strategy, register
from strategies.params import (
    BoolParam,
    ChoiceParam,
    DaysParam,
    FloatParam,
    IntParam,
    Param,
    PctParam,
    TimeParam,
    clean_all,
    parse_all,
)


class Declared:
    """One of each kind."""

    window = IntParam(20, min=2, max=500)
    threshold = FloatParam(0.05, min=0.001, max=0.5)
    stop = PctParam(None, min=0.1, max=99)
    kind = ChoiceParam("SMA", choices=["SMA", "EMA"])
    switch = BoolParam(False)
    start = TimeParam("09:30")
    days = DaysParam(("MON", "TUE"))


PARAMS: dict[str, Param] = {name: value for name, value in vars(Declared).items() if isinstance(value, Param)}
ALL_PARAMS = [
    *PARAMS.values(),
    *(param for declared in catalogue.all() for param in declared.params.values()),
    *session_settings.SETTINGS.values(),
]


def refused(param: Param, value: object) -> tuple[str, str]:
    with pytest.raises(InputError) as caught:
        param.clean(value)
    (fault,) = caught.value.faults
    assert fault.message
    assert fault.hint
    return fault.path, fault.code


def outcome(read: Callable[[Any], Any], value: object) -> tuple[Any, tuple[Fault, ...]]:
    """(what came out, no faults) or (None, the faults)."""
    try:
        return read(value), ()
    except InputError as error:
        return None, error.faults


@pytest.mark.row("A8", "D2")
@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("window", True, "not_a_number"),
        ("window", "20", "not_a_number"),
        ("window", 1, "out_of_range"),
        ("window", 501, "out_of_range"),
        ("window", 20.5, "wrong_type"),
        pytest.param("window", 10**5000, "out_of_range", id="five thousand digits"),
        ("window", float("nan"), "not_a_finite_number"),
        ("window", None, "required"),
        ("window", [20], "not_a_number"),
        ("threshold", float("inf"), "not_a_finite_number"),
        pytest.param("threshold", 10**400, "out_of_range", id="beyond every float"),
        ("threshold", 0, "out_of_range"),
        ("threshold", False, "not_a_number"),
        ("kind", "sma", "unknown_choice"),
        ("kind", 1, "wrong_type"),
        ("switch", 1, "wrong_type"),
        ("switch", "true", "wrong_type"),
        ("start", "9:30", "not_a_time"),
        ("start", "24:00", "not_a_time"),
        ("start", 930, "wrong_type"),
        ("days", "MON", "wrong_type"),
        ("days", ["MO"], "unknown_choice"),
        ("days", [None], "unknown_choice"),
        ("days", [], "required"),
    ],
)
def test_a_wrong_value_is_refused_with_its_place_and_a_stable_code(name: str, value: object, code: str) -> None:
    assert refused(PARAMS[name], value) == (name, code)


@pytest.mark.row("A8")
def test_values_come_out_in_one_type() -> None:
    window, start, days = PARAMS["window"], PARAMS["start"], PARAMS["days"]
    assert (window.clean(20.0), type(window.clean(20.0))) == (20, int)
    assert type(PARAMS["threshold"].clean(0.25)) is float
    assert PARAMS["stop"].clean(None) is None
    assert start.clean("16:05") == datetime.time(16, 5)
    assert days.clean(["FRI", "MON", "FRI"]) == ("MON", "FRI")


@pytest.mark.row("A8")
def test_every_fault_is_told_at_once_and_unknown_names_are_faults() -> None:
    with pytest.raises(InputError) as caught:
        clean_all(PARAMS, {"window": 0, "kind": "WMA", "windw": 3})
    assert {(f.path, f.code) for f in caught.value.faults} == {
        ("windw", "unknown_field"),
        ("window", "out_of_range"),
        ("kind", "unknown_choice"),
    }
    with pytest.raises(InputError, match="Expected an object"):
        clean_all(PARAMS, [1])


@pytest.mark.row("A8")
def test_text_of_forms_and_command_lines_is_read_by_type() -> None:
    read = parse_all(
        PARAMS,
        {"window": " 30 ", "threshold": "1e-1", "stop": "", "switch": "true", "start": "10:00", "days": "tue,mon"},
    )
    assert read["window"] == 30
    assert read["threshold"] == 0.1
    assert read["stop"] is None
    assert read["switch"] is True
    assert read["start"] == datetime.time(10)
    assert read["days"] == ("MON", "TUE")
    assert read["kind"] == "SMA"
    with pytest.raises(InputError) as caught:
        parse_all(PARAMS, {"window": "ten", "threshold": "nan", "switch": "maybe"})
    assert [f.code for f in caught.value.faults] == ["not_a_number", "not_a_finite_number", "wrong_type"]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.row("A8")
@given(param=st.sampled_from(ALL_PARAMS), value=JSON_VALUES)
def test_whatever_is_sent_is_cleaned_or_refused(param: Param, value: object) -> None:
    """Nothing but a value within the declaration comes out, and nothing but InputError is raised."""
    cleaned, faults = outcome(param.clean, value)
    assert all(re.split(r"[.\[]", fault.path)[0] == param.name for fault in faults)
    json.dumps([fault.as_dict() for fault in faults]).encode()
    if faults:
        return
    declared = param.declaration()
    assert not isinstance(value, bool) or declared["type"] == "bool"
    assert param.clean(cleaned) == cleaned
    assert param.clean(json.loads(json.dumps(param.json(cleaned)))) == cleaned
    if cleaned is not None and declared["min"] is not None:
        assert declared["min"] <= cleaned <= declared["max"]


@given(param=st.sampled_from(ALL_PARAMS), text=st.text(max_size=50))
def test_whatever_is_typed_is_read_or_refused(param: Param, text: str) -> None:
    cleaned, faults = outcome(param.parse, text)
    assert all(re.split(r"[.\[]", fault.path)[0] == param.name for fault in faults)
    assert faults or param.clean(cleaned) == cleaned


def test_every_declaration_is_complete_enough_for_a_form() -> None:
    for declared in catalogue.all():
        description = declared.declaration()
        assert json.loads(json.dumps(description)) == description
        assert description["description"]
        assert len(description["version"]) == 12
    for param in ALL_PARAMS[len(PARAMS) :]:
        described = param.declaration()
        assert described["label"]
        assert described["help"], param.name
        assert set(described) == {
            "name", "type", "default", "min", "max", "step", "choices", "label", "help", "unit", "group", "optional",
        }  # fmt: skip


def test_values_in_words() -> None:
    def said(name: str, value: object) -> str:
        return session_settings.SETTINGS[name].words(value)

    assert said("stop_loss_pct", 2.0) == "2 %"
    assert said("stop_loss_pct", None) == "off"
    assert said("position_sizing_method", "kelly") == "Kelly, from this run's closed positions"
    assert said("extended_hours", False) == "no"
    assert said("trading_hours_start", datetime.time(9, 30)) == said("trading_hours_start", "09:30") == "09:30"
    assert said("trading_days", ["MON", "FRI"]) == "Mon, Fri"
    assert said("max_holding_time", 86_400) == "86,400 s"
    assert "buy when the close is a threshold below" in catalogue.get("mean_reversion").describe().lower()
    assert "`" not in "".join(declared.describe() for declared in catalogue.all())


def test_a_default_outside_its_own_bounds_cannot_be_declared() -> None:
    with pytest.raises((InputError, RuntimeError)):

        class Wrong:
            window = IntParam(1, min=2, max=5)


def test_parameters_of_an_object_cannot_be_changed_behind_its_checks() -> None:
    strategy = catalogue.get("ma_crossover")(fast_window=5)
    with pytest.raises(AttributeError):
        strategy.fast_window = 500
    assert strategy.parameters["fast_window"] == 5


def test_registration_refuses_what_cannot_be_shown_or_found() -> None:
    with pytest.raises(ValueError, match="docstring"):

        @register
        class NoWords(Strategy):
            slug, label, kind = "no_words", "No words", "trend"

    with pytest.raises(ValueError, match="taken"):

        @register
        class Again(Strategy):
            """The slug belongs to another."""

            slug, label, kind = "ma_crossover", "Again", "trend"

    with pytest.raises(InputError, match="There is no strategy"):
        catalogue.get("no_words")
