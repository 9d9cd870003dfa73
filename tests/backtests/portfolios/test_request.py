"""What a portfolio study is asked: read once and again, refused with the field, drawn in to the account's limits."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from accounts.models import User
from accounts.services import risk
from backtests.portfolios import caps, services
from backtests.portfolios.request import REBALANCE, equal_weight
from engine.errors import InputError
from tests.accounts.cast import alice  # noqa: F401
from tests.backtests.portfolios.made import BODY, read

LIMITED = {"method": "min_variance", "max_weight_pct": 60}


def faults(**changes: Any) -> dict[str, str]:
    with pytest.raises(InputError) as caught:
        read(**changes)
    return {fault.path: fault.code for fault in caught.value.faults}


@pytest.mark.row("K7")
def test_a_request_is_read_and_reads_itself_again() -> None:
    config = read()
    assert read(**config.as_dict()) == config
    assert (config.method, config.rebalance, config.account_limits) == ("min_variance", "monthly", True)
    assert config.run.settings["rebalance_frequency"] == "monthly"
    assert config.run.settings["max_position_size_pct"] == 61, "room for the weights"
    assert read(parameters={"method": "kelly"}).run.settings["max_position_size_pct"] == 26


@pytest.mark.row("J9")
@pytest.mark.parametrize(
    ("rebalance", "compute", "setting", "only_new"),
    [
        ("never", "once", "never", True),
        ("daily", "daily", "daily", False),
        ("weekly", "weekly", "weekly", False),
        ("monthly", "monthly", "monthly", False),
        ("on_signal", "monthly", "on_signal", True),
        ("drift", "drift", "on_signal", True),
    ],
)
def test_the_rebalancing_says_when_weights_are_computed_and_followed(
    rebalance: str, compute: str, setting: str, only_new: bool
) -> None:
    config = read(rebalance=rebalance)
    assert set(REBALANCE) >= {rebalance}
    assert config.parameters["compute"] == compute
    assert config.parameters["only_new"] is only_new
    assert config.run.settings["rebalance_frequency"] == setting
    assert read(**config.as_dict()) == config


def test_weights_may_be_computed_at_other_times_than_they_are_followed() -> None:
    config = read(rebalance="weekly", parameters={**LIMITED, "compute": "once"})
    assert config.parameters["compute"] == "once"


@pytest.mark.row("A8")
@pytest.mark.parametrize(
    ("changes", "path", "code"),
    [
        ({"symbols": ["AAPL"]}, "symbols", "out_of_range"),
        ({"symbols": None}, "symbols", "required"),
        ({"rebalance": "yearly"}, "rebalance", "unknown_choice"),
        ({"account_limits": 1}, "account_limits", "wrong_type"),
        ({"weights": []}, "weights", "unknown_field"),
        ({"parameters": {"method": "best"}}, "parameters.method", "unknown_choice"),
        ({"parameters": {**LIMITED, "max_weight_pct": 20}}, "parameters.max_weight_pct", "infeasible"),
        ({"parameters": {**LIMITED, "only_new": True}}, "parameters.only_new", "conflict"),
        ({"parameters": {**LIMITED, "compute": "drift"}}, "parameters.compute", "conflict"),
        ({"parameters": {**LIMITED, "groups": [{"name": "x", "symbols": ["X"]}]}}, "parameters.groups[0].symbols",
         "unknown_choice"),
        ({"parameters": {"method": "target_return", "max_weight_pct": 60}}, "parameters.target_return_pct", "required"),
        ({"settings": {"max_position_size_pct": 30}}, "settings.max_position_size_pct", "conflict"),
        ({"settings": {"rebalance_frequency": "daily"}}, "settings.rebalance_frequency", "conflict"),
        ({"settings": {"commission": 1}}, "settings.commission", "unknown_field"),
        ({"rebalance": "drift", "parameters": {**LIMITED, "compute": "daily"}}, "parameters.compute", "conflict"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_at_its_field(changes: dict[str, Any], path: str, code: str) -> None:
    assert faults(**changes) == {path: code}


def test_a_request_is_an_object() -> None:
    from backtests.portfolios.request import clean

    with pytest.raises(InputError, match="not an object"):
        clean([BODY], lambda body: pytest.fail("it is not read"))  # type: ignore[arg-type,return-value]


@pytest.mark.row("K7")
def test_equal_weights_keep_bars_costs_and_times() -> None:
    config = read(parameters={**LIMITED, "groups": [{"name": "g", "symbols": ["IBM"], "max_pct": 20}], "cost_bps": 5})
    run = equal_weight(config)
    assert run.strategy_parameters["method"] == "equal_weight"
    assert run.strategy_parameters["groups"] == []
    assert run.strategy_parameters["lookback"] == config.parameters["lookback"]
    assert run.settings == {**config.run.settings, "max_position_size_pct": 100.0}
    assert (run.symbols, run.start_date) == (config.run.symbols, config.run.start_date)


# --- the account's limits (W14) ---------------------------------------------------------------------------------------


@pytest.fixture
def limits(alice: User) -> User:  # noqa: F811
    groups = {"Big": {"symbols": ["AAPL", "MSFT"], "cap": Decimal(50_000)}}
    risk.set_envelope(
        alice, {"symbol_cap": Decimal(45_000), "gross_cap": Decimal(80_000), "net_cap": None, "groups": groups}
    )
    return alice


@pytest.mark.row("W14", "K5")
@pytest.mark.django_db
def test_the_account_s_limits_bound_the_weights(limits: User, sample_data: None) -> None:
    found = services.check(limits, BODY)
    parameters = found.config.parameters
    assert parameters["max_invested_pct"] == 80
    assert parameters["max_weight_pct"] == 56.25, "45 % once all is cut to 80 %"
    assert parameters["groups"] == [{"min_pct": None, "max_pct": 62.5, "name": "Big", "symbols": ["AAPL", "MSFT"]}]
    kelly = services.check(limits, {**BODY, "parameters": {**BODY["parameters"], "method": "kelly"}}).config
    assert kelly.parameters["max_weight_pct"] == 45, "whose weights need not add up to anything"
    assert {(cap.kind, round(cap.most_pct)) for cap in found.caps} == {("symbol", 45), ("total", 80), ("group", 50)}
    assert found.config == services.check(limits, found.config.as_dict()).config, "sent again it is the same"
    wider = services.check(limits, {**BODY, "initial_capital": 40_000}).config
    assert wider.parameters == services.check(limits, {**BODY, "account_limits": False}).config.parameters


@pytest.mark.row("W14")
@pytest.mark.django_db
def test_the_settings_limits_bound_the_weights_too(alice: User, sample_data: None) -> None:  # noqa: F811
    settings = {"account_symbol_cap": 50_000, "max_gross_exposure_pct": 90, "max_symbol_concentration_pct": 55}
    parameters = services.check(alice, {**BODY, "settings": settings}).config.parameters
    assert (parameters["max_weight_pct"], parameters["max_invested_pct"]) == (pytest.approx(50 / 0.9), 90.0)


@pytest.mark.row("W14")
@pytest.mark.django_db
def test_limits_that_leave_no_weights_are_said_as_such(limits: User, sample_data: None) -> None:
    risk.set_envelope(limits, {"symbol_cap": Decimal(20_000)})
    with pytest.raises(InputError) as caught:
        services.check(limits, BODY)
    (fault,) = caught.value.faults
    assert (fault.path, fault.code) == ("account_limits", "infeasible")
    assert "Account’s limit of one symbol 20 %" in fault.message
    assert services.check(limits, {**BODY, "account_limits": False}).config.parameters["max_weight_pct"] == 60


@pytest.mark.row("W14")
def test_each_cap_names_what_it_would_cut() -> None:
    limits = [
        caps.Cap("symbol_cap", "One symbol", caps.SYMBOL, 40.0),
        caps.Cap("gross_cap", "Gross", caps.TOTAL, 95.0),
        caps.Cap("groups.Big", "Big", caps.GROUP, 60.0, ("A", "B")),
        caps.Cap("net_cap", "Net", caps.TOTAL, 100.0),
    ]
    found = caps.cuts(limits, {"A": 50.0, "B": 30.0, "C": 20.0})
    assert [(cut.cap.name, cut.what, cut.weight_pct) for cut in found] == [
        ("symbol_cap", "A", 50.0),
        ("gross_cap", "All positions", 100.0),
        ("groups.Big", "A, B", 80.0),
    ]
    assert caps.cuts(limits, {"A": 40.0, "B": 20.0, "C": 35.0}) == []
