"""Settings of a run: defaults, presets, contradictions, cautions, and what the engine is told."""

from __future__ import annotations

import datetime
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from backtests.runner import config as runner
from engine.errors import InputError
from strategies import session_settings as settings
from strategies.schemas import object_schema


def cautioned(**sent: object) -> set[tuple[str, str]]:
    return {(fault.path, fault.code) for fault in settings.cautions(settings.clean(sent))}


@pytest.mark.row("J11")
def test_the_defaults_are_the_ones_that_were_asked_for() -> None:
    default = settings.as_json(settings.clean({}))
    assert default["stop_loss_pct"] is None
    assert default["take_profit_pct"] is None
    assert default["max_position_size_pct"] == 25
    assert (default["position_sizing_method"], default["position_size_value"]) == ("percentage", 10)
    assert default["order_type_default"] == "market"
    assert default["slippage_model"] == "none"
    assert default["commission_rate"] == 0
    assert (default["trading_hours_start"], default["trading_hours_end"]) == ("09:30", "16:00")
    assert default["trading_days"] == ["MON", "TUE", "WED", "THU", "FRI"]
    assert default == settings.as_json(settings.preset("standard"))


@pytest.mark.row("J12")
def test_the_conservative_preset_has_its_figures() -> None:
    request = runner.clean({"strategy": "momentum", "symbols": ["AAPL"], "start_date": "2010-01-04"})
    assert request.initial_capital == 100_000
    cautious = settings.clean({}, preset_name="conservative")
    assert cautious["position_size_value"] == cautious["max_position_size_pct"] == 5
    assert cautious["stop_loss_pct"] == 2
    assert cautious["take_profit_pct"] == 4
    assert cautious["daily_loss_limit_pct"] == 2
    assert cautious["max_open_positions"] == 10
    assert cautious["risk_free_rate_pct"] == 2
    active = settings.clean({}, preset_name="active")
    figures = ("position_size_value", "stop_loss_pct", "take_profit_pct", "daily_loss_limit_pct")
    assert [active[name] for name in figures] == [10, 2, 5, 10]


@pytest.mark.row("J12")
def test_what_is_sent_stands_over_the_preset() -> None:
    mixed = settings.clean({"stop_loss_pct": None, "take_profit_pct": 9}, preset_name="conservative")
    assert (mixed["stop_loss_pct"], mixed["take_profit_pct"], mixed["daily_loss_limit_pct"]) == (None, 9, 2)
    with pytest.raises(InputError) as caught:
        settings.clean({}, preset_name="reckless")
    assert caught.value.faults[0].path == "preset"


def test_presets_hold_only_declared_settings_and_legal_values() -> None:
    for name, values in settings.PRESETS.items():
        assert settings.clean(values) == settings.preset(name)
        assert not settings.cautions(settings.preset(name)), name


@pytest.mark.row("A8")
@pytest.mark.parametrize(
    ("sent", "path"),
    [
        ({"order_type_default": "trailing_stop"}, "stop_price_offset_pct"),
        ({"fill_at": "this_close", "latency_ms": 5}, "latency_ms"),
        ({"fill_at": "this_close", "order_type_default": "limit"}, "order_type_default"),
        ({"rebalance_frequency": "daily", "position_sizing_method": "kelly"}, "position_sizing_method"),
        ({"time_in_force": "opg", "order_type_default": "stop"}, "order_type_default"),
        ({"slippage_model": "proportional", "slippage_value": 3}, "slippage_value"),
    ],
)
def test_settings_that_contradict_each_other_are_refused_under_their_own_names(sent: dict, path: str) -> None:
    with pytest.raises(InputError) as caught:
        settings.clean(sent)
    assert [fault.path for fault in caught.value.faults] == [path]


def test_what_is_legal_but_unusual_is_cautioned() -> None:
    assert cautioned() == set()
    assert cautioned(position_size_value=150) == {("position_size_value", "size_over_equity")}
    assert cautioned(position_size_value=40) == {("position_size_value", "size_over_limit")}
    assert cautioned(position_sizing_method="fixed", position_size_value=500) == set()
    assert cautioned(position_sizing_method="risk", position_size_value=1) == {("stop_loss_pct", "risk_without_stop")}
    assert cautioned(trading_days=["SAT", "SUN"]) == {("trading_days", "contradictory_window")}
    assert cautioned(trading_hours_start="17:00", trading_hours_end="19:00") == {
        ("trading_hours_start", "contradictory_window")
    }
    assert cautioned(trading_hours_start="17:00", trading_hours_end="19:00", extended_hours=True) == set()
    assert ("trading_hours_end", "window_over_midnight") in cautioned(trading_hours_start="22:00")
    assert cautioned(take_profit_pct=0.1, commission_rate=0.001) == {("take_profit_pct", "target_below_costs")}
    assert cautioned(stop_loss_pct=2, trailing_stop_pct=5) == {("trailing_stop_pct", "stop_never_first")}
    assert cautioned(stop_loss_pct=20, daily_loss_limit_pct=1) == {("daily_loss_limit_pct", "one_trade_ends_the_day")}


@pytest.mark.row("B31")
def test_the_documented_schema_takes_what_is_taken_and_refuses_what_is_refused() -> None:
    documented = Draft7Validator(as_draft_7(object_schema(settings.declarations())))
    for name in settings.PRESETS:
        documented.validate(settings.as_json(settings.preset(name)))
    for wrong in (
        {"stop_loss_pct": -2},
        {"stop_loss_pct": True},
        {"max_open_positions": 1.5},
        {"order_type_default": "Market"},
        {"trading_hours_start": "9:30"},
        {"trading_days": []},
        {"trading_days": ["MO"]},
        {"commission_rate": None},
        {"stop_los_pct": 2},
    ):
        assert not documented.is_valid(wrong), wrong
        with pytest.raises(InputError):
            settings.clean(wrong)


def as_draft_7(schema: Any) -> Any:
    """OpenAPI 3.0 says nullable where JSON Schema lists the type."""
    if isinstance(schema, list):
        return [as_draft_7(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {key: as_draft_7(value) for key, value in schema.items() if key != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if schema.get("nullable") is True else plain


@given(data=st.data())
def test_any_legal_settings_survive_json_and_make_rules(data: st.DataObject) -> None:
    sent = {}
    for name, param in settings.SETTINGS.items():
        declared = param.declaration()
        if declared["type"] in ("int", "float", "pct", "ratio", "money") and data.draw(st.booleans()):
            whole = declared["type"] == "int"
            draw = st.integers if whole else st.floats
            sent[name] = data.draw(draw(declared["min"], declared["max"]))
    try:
        cleaned = settings.clean(sent)
    except InputError as error:
        refused = {fault.path for fault in error.faults}
    else:
        refused = set()
    assert refused <= set(settings.SETTINGS)
    if refused:
        return
    assert settings.clean(settings.as_json(cleaned)) == cleaned
    settings.cautions(cleaned)
    rules, costs = settings.to_rules(cleaned, calendar="24/7", timeframe="1m")
    assert rules.size_value == cleaned["position_size_value"]
    assert costs.commission_rate == cleaned["commission_rate"]


@pytest.mark.row("J16", "J17", "W14")
def test_guards_go_over_to_the_engine_as_they_are() -> None:
    guards = {
        "vol_stop_atr": 2.5,
        "max_gross_exposure_pct": 150.0,
        "max_net_exposure_pct": 80.0,
        "account_gross_cap": 90_000.0,
        "account_net_cap": 50_000.0,
        "account_symbol_cap": 9_000.0,
        "max_correlated_positions": 2,
        "correlation_threshold": 0.7,
        "correlation_bars": 30,
        "max_orders_per_minute": 5,
        "price_collar_pct": 3.0,
        "cooldown_bars": 4,
        "flatten_at_session_end": True,
    }
    off, _ = settings.to_rules(settings.clean({}), calendar="XNYS", timeframe="1m")
    on, _ = settings.to_rules(settings.clean(guards), calendar="XNYS", timeframe="1m")
    assert {name: getattr(on, name) for name in guards} == guards
    assert not off.flatten_at_session_end
    switched = [name for name in guards if getattr(off, name) not in (None, False)]
    assert switched == ["correlation_threshold", "correlation_bars"]  # figures of a guard that is off


@pytest.mark.row("J7")
def test_the_default_hours_are_the_exchanges_own_session() -> None:
    default = settings.clean({})
    assert settings.uses_exchange_session(default)
    around_the_clock, _ = settings.to_rules(default, calendar="24/7", timeframe="1d")
    assert around_the_clock.window is None
    exchange, _ = settings.to_rules(default, calendar="XLON", timeframe="1d")
    assert (exchange.window.start, exchange.window.end) == (datetime.time(0), datetime.time(0))
    assert not exchange.window.extended_hours
    own = settings.clean({"trading_hours_start": "10:00", "trading_days": ["TUE", "MON"], "extended_hours": True})
    rules, _ = settings.to_rules(own, calendar="24/7", timeframe="1d")
    assert (rules.window.start, rules.window.end) == (datetime.time(10), datetime.time(16))
    assert rules.window.days == (0, 1)
    assert rules.window.extended_hours


def test_seconds_become_whole_bars() -> None:
    sent = settings.clean({"max_holding_time": 2_000, "maker_order_timeout": 60})
    minutes, _ = settings.to_rules(sent, calendar="24/7", timeframe="1m")
    assert (minutes.max_holding_bars, minutes.order_timeout_bars) == (34, 1)
    days, _ = settings.to_rules(sent, calendar="24/7", timeframe="1d")
    assert (days.max_holding_bars, days.order_timeout_bars) == (1, 1)


def test_with_finer_matching_each_span_is_turned_into_the_bars_that_count_it() -> None:
    sent = settings.clean({"max_holding_time": 7_200, "maker_order_timeout": 600})
    rules, _ = settings.to_rules(sent, calendar="24/7", timeframe="1h", match_timeframe="1m")
    assert (rules.max_holding_bars, rules.order_timeout_bars) == (2, 10)


def test_short_selling_needs_the_strategy_and_the_settings() -> None:
    for wanted in (True, False):
        for able in (True, False):
            sent = settings.clean({"allow_short": wanted})
            rules, _ = settings.to_rules(sent, calendar="24/7", timeframe="1d", allow_short=able)
            assert rules.allow_short is (wanted and able)


def test_web_processes_load_nothing_heavy_for_forms_and_validation() -> None:
    """In a fresh interpreter: declarations, cleaning and the catalogue load neither numba nor pandas nor TA-Lib."""
    program = (
        "import sys\n"
        "from strategies import catalogue, indicators, session_settings\n"
        "session_settings.clean({'stop_loss_pct': 2})\n"
        "[declared.declaration() for declared in catalogue.all()]\n"
        "[entry.declaration() for entry in indicators.all()]\n"
        "heavy = {'numba', 'pandas', 'talib', 'scipy', 'pyarrow', 'exchange_calendars'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
