"""What a request for a backtest may say, and how each wrong one is answered."""

from __future__ import annotations

import math
from datetime import date
from decimal import Decimal

import pytest

from backtests.runner import clean
from engine.errors import InputError

GOOD = {"strategy": "ma_crossover", "symbols": ["AAPL"]}
TODAY = date(2026, 1, 15)


def refused(**changes: object) -> dict[str, str]:
    """Path → code of every fault of GOOD with these changes."""
    with pytest.raises(InputError) as caught:
        clean({**GOOD, **changes}, today=TODAY)
    assert all(fault.message for fault in caught.value.faults)
    return {fault.path: fault.code for fault in caught.value.faults}


def test_a_short_request_is_filled_in_from_the_declarations() -> None:
    config = clean({**GOOD, "strategy_parameters": {"fast_window": 5}}, today=TODAY)
    assert config.strategy_parameters["fast_window"] == 5
    assert config.strategy_parameters["slow_window"] == 30
    assert config.timeframe == "1d"
    assert config.initial_capital == Decimal(100_000)
    assert config.settings["max_position_size_pct"] == 25
    assert config.settings["position_size_value"] == 10


def test_a_cleaned_request_is_clean() -> None:
    raw = {
        **GOOD,
        "preset": "conservative",
        "settings": {"stop_loss_pct": 3, "trading_days": ["MON", "FRI"], "trading_hours_start": "10:00"},
        "start_date": "2004-01-01",
        "end_date": "2013-12-31",
        "initial_capital": 12345.67,
        "metrics": ["total_return_pct"],
        "benchmark": "ibm",
        "name": " ten years ",
    }
    config = clean(raw, today=TODAY)
    assert config.settings["stop_loss_pct"] == 3, "what was sent comes before the preset"
    assert config.settings["take_profit_pct"] == 4, "what was not sent comes from the preset"
    assert config.name == "ten years"
    assert clean(config.as_dict(), today=TODAY) == config


@pytest.mark.row("H17")
def test_shares_per_trade_is_a_fixed_size() -> None:
    config = clean({**GOOD, "shares_per_trade": 7, "settings": {"capital_per_trade": 500}}, today=TODAY)
    assert config.settings["position_sizing_method"] == "fixed"
    assert config.settings["position_size_value"] == 7
    assert config.settings["capital_per_trade"] is None, "a fixed number of shares replaces an amount of money"
    assert clean(config.as_dict(), today=TODAY) == config


@pytest.mark.row("A8")
@pytest.mark.parametrize(
    ("changes", "path", "code"),
    [
        # a boolean, text, NaN, infinity or a giant for a number
        ({"initial_capital": True}, "initial_capital", "not_a_number"),
        ({"initial_capital": "100000"}, "initial_capital", "not_a_number"),
        ({"initial_capital": math.nan}, "initial_capital", "not_a_finite_number"),
        ({"initial_capital": math.inf}, "initial_capital", "not_a_finite_number"),
        ({"initial_capital": 10**4000}, "initial_capital", "out_of_range"),
        ({"initial_capital": 0}, "initial_capital", "out_of_range"),
        ({"initial_capital": -5}, "initial_capital", "out_of_range"),
        ({"initial_capital": 1e-30}, "initial_capital", "out_of_range"),
        ({"initial_capital": 100.001}, "initial_capital", "out_of_range"),
        ({"seed": 1.5}, "seed", "not_a_number"),
        ({"seed": -1}, "seed", "out_of_range"),
        ({"shares_per_trade": 0}, "shares_per_trade", "out_of_range"),
        ({"symbols_alone": 1}, "symbols_alone", "wrong_type"),
        # dates
        ({"start_date": "1900-01-01"}, "start_date", "out_of_range"),
        ({"end_date": "2026-01-16"}, "end_date", "out_of_range"),
        ({"start_date": "2010-02-30"}, "start_date", "bad_date"),
        ({"start_date": "2010-01-01T09:30:00"}, "start_date", "bad_date"),
        ({"start_date": "01/02/2010"}, "start_date", "bad_date"),
        ({"start_date": 20100101}, "start_date", "wrong_type"),
        ({"start_date": "2013-01-01", "end_date": "2012-12-31"}, "end_date", "out_of_range"),
        # symbols
        ({"symbols": None}, "symbols", "required"),
        ({"symbols": []}, "symbols", "required"),
        ({"symbols": "AAPL"}, "symbols", "wrong_type"),
        ({"symbols": ["AAPL", "aapl"]}, "symbols[1]", "conflict"),
        ({"symbols": ["AAPL", "../etc/passwd"]}, "symbols[1]", "bad_text"),
        ({"symbols": ["BTC/USD"]}, "symbols[0]", "bad_text"),  # no instrument can have it
        ({"symbols": ["AAPL", "=1+1"]}, "symbols[1]", "bad_text"),
        ({"symbols": ["A\u0000B"]}, "symbols[0]", "bad_text"),
        ({"symbols": ["А" * 3]}, "symbols[0]", "bad_text"),  # Cyrillic
        ({"symbols": [f"S{i}" for i in range(101)]}, "symbols", "out_of_range"),
        ({"symbols": [1]}, "symbols[0]", "wrong_type"),
        # choices and names
        ({"strategy": None}, "strategy", "required"),
        ({"strategy": "no_such"}, "strategy", "unknown_choice"),
        ({"strategy": ["ma_crossover"]}, "strategy", "wrong_type"),
        ({"timeframe": "2d"}, "timeframe", "unknown_choice"),
        ({"match_timeframe": "1d", "timeframe": "1h"}, "match_timeframe", "out_of_range"),
        ({"adjustment": "none"}, "adjustment", "unknown_choice"),
        ({"source": "../x"}, "source", "unknown_choice"),
        ({"preset": "brave"}, "preset", "unknown_choice"),
        ({"metrics": ["no_such"]}, "metrics[0]", "unknown_choice"),
        ({"metrics": []}, "metrics", "required"),
        ({"benchmark": "a b"}, "benchmark", "bad_text"),
        ({"name": "x" * 121}, "name", "out_of_range"),
        ({"name": "a\u202eb"}, "name", "bad_text"),
        # nested
        ({"strategy_parameters": {"fast_window": 0}}, "strategy_parameters.fast_window", "out_of_range"),
        ({"strategy_parameters": {"nope": 1}}, "strategy_parameters.nope", "unknown_field"),
        ({"strategy_parameters": [1]}, "strategy_parameters", "wrong_type"),
        ({"settings": {"stop_loss_pct": "2"}}, "settings.stop_loss_pct", "not_a_number"),
        ({"settings": {"stop_loss": 2}}, "settings.stop_loss", "unknown_field"),
        ({"settings": 3}, "settings", "wrong_type"),
        # what nobody may set
        ({"owner": 1}, "owner", "unknown_field"),
        ({"state": "DONE"}, "state", "unknown_field"),
    ],
)  # fmt: skip
def test_each_wrong_value_is_refused_by_its_place(changes: dict[str, object], path: str, code: str) -> None:
    assert refused(**changes) == {path: code}


@pytest.mark.row("A8")
def test_all_faults_are_named_at_once() -> None:
    found = refused(symbols=[], seed="x", settings={"stop_loss_pct": -1}, strategy_parameters={"fast_window": True})
    assert set(found) == {"symbols", "seed", "settings.stop_loss_pct", "strategy_parameters.fast_window"}


def test_something_else_than_an_object_is_refused() -> None:
    for raw in (None, [], "x", 1):
        with pytest.raises(InputError):
            clean(raw)


def test_given_signals_need_no_strategy_and_take_no_parameters() -> None:
    assert clean({"symbols": ["A"]}, signals_given=True).strategy == ""
    with pytest.raises(InputError) as caught:
        clean({"symbols": ["A"], "strategy_parameters": {"window": 1}}, signals_given=True)
    assert caught.value.faults[0].path == "strategy_parameters"
