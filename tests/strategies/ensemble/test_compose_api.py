"""Ensembles through the API: composed of what is there, checked, kept as snapshots, run by their id."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import Tier, User
from strategies import selectors, services
from strategies.models import CustomStrategy
from strategies.services import composing
from tests.strategies.trees import make_custom

URL = "/api/strategies/compose"
MA: dict[str, Any] = {"strategy": "ma_crossover", "weight": 60}
MOMENTUM: dict[str, Any] = {"strategy": "momentum", "weight": 40}


def body(**changed: Any) -> dict[str, Any]:
    return {"name": "Together", "members": [MA, MOMENTUM], **changed}


def faults(answer: Any) -> dict[str, str]:
    return {fault["path"]: fault["code"] for fault in answer.json()["errors"]}


def paying(user: User) -> User:
    user.tier_id = Tier.ENTERPRISE
    user.save()
    return user


@pytest.mark.row("D20", "D13", "D14", "D15", "B15")
def test_compose_of_catalogue_strategies(api, alice) -> None:
    chosen = {"vote": "weighted", "threshold": 0.6, "validators": [{"type": "trend"}], "strategy_weight_balance": 0.5}
    answer = api(alice).post(URL, body(parameters=chosen, settings={"stop_loss_pct": 3}), format="json")
    assert answer.status_code == 201, answer.json()
    row = answer.json()
    assert answer["Location"] == f"/api/strategies/{row['id']}"
    assert (row["strategy"], row["strategy_type"], row["settings"]) == ("ensemble", "ensemble", {"stop_loss_pct": 3.0})
    members = row["parameters"]["members"]
    assert [(member["strategy"], member["weight"]) for member in members] == [
        ("ma_crossover", 60.0),
        ("momentum", 40.0),
    ]
    assert members[0]["parameters"]["slow_window"] == 30, "defaults are written out"
    assert row["parameters"]["validators"][0]["window"] == 200
    read = api(alice).get(f"/api/strategies/{row['id']}").json()
    assert read["parameters"] == row["parameters"]


@pytest.mark.row("D20", "B15")
def test_the_plain_route_takes_ensembles_too(api, alice) -> None:
    sent = {"name": "Plain", "strategy": "ensemble", "parameters": {"members": [MA, MOMENTUM], "vote": "any"}}
    created = api(alice).post("/api/strategies", sent, format="json")
    assert created.status_code == 201, created.json()
    sent["parameters"] = {"members": [MA, {"strategy": "momentum", "parameters": {"rsi_window": 1}}]}
    refused = api(alice).patch(f"/api/strategies/{created.json()['id']}", sent, format="json")
    assert refused.status_code == 400
    assert faults(refused) == {"parameters.members[1].parameters.rsi_window": "out_of_range"}


@pytest.mark.row("D20")
def test_members_by_id_are_snapshots(api, alice, bob) -> None:
    mine = services.create(alice, name="Quick", strategy="ma_crossover", parameters={"fast_window": 4})
    shared = services.create(
        bob, name="Bob's", strategy="bollinger", parameters={"window": 15}, is_public=True, description="B"
    )
    members = [
        {"saved_strategy_id": mine.pk, "weight": 10},
        {"saved_strategy_id": shared.pk, "name": "From Bob", "timeframe": "1d"},
    ]
    answer = api(alice).post(URL, body(members=members), format="json")
    assert answer.status_code == 201, answer.json()
    kept = answer.json()["parameters"]["members"]
    assert [member["name"] for member in kept] == ["Quick", "From Bob"]
    services.update(alice, mine.pk, {"parameters": {"fast_window": 9}})
    services.remove(bob, shared.pk)
    read = api(alice).get(f"/api/strategies/{answer.json()['id']}").json()["parameters"]["members"]
    assert read == kept
    assert (read[0]["parameters"]["fast_window"], read[1]["parameters"]["window"]) == (4, 15)


@pytest.mark.row("D20", "A4")
def test_conditions_may_be_members_where_the_tier_has_them(api, alice) -> None:
    custom = make_custom(alice)
    sent = body(members=[{"custom_strategy_id": custom.pk}, MA])
    refused = api(alice).post(URL, sent, format="json")
    assert refused.status_code == 403
    assert not selectors.for_user(alice).exists()
    answer = api(paying(alice)).post(URL, sent, format="json")
    assert answer.status_code == 201, answer.json()
    assert answer.json()["parameters"]["members"][0]["strategy"] == "conditions"
    CustomStrategy.objects.filter(pk=custom.pk).update(is_active=False)
    off = api(alice).post(URL, {**sent, "name": "Again"}, format="json")
    assert off.status_code == 422


@pytest.mark.row("A5", "D20")
def test_what_is_somebody_elses_is_as_if_it_were_not_there(api, alice, bob) -> None:
    private = services.create(bob, name="Private", strategy="momentum")
    custom = make_custom(bob)
    answers = [
        api(alice).post(URL, body(members=[MA, member]), format="json")
        for member in (
            {"saved_strategy_id": private.pk},
            {"saved_strategy_id": 987_654},
            {"custom_strategy_id": custom.pk},
            {"custom_strategy_id": 987_654},
        )
    ]
    assert [answer.status_code for answer in answers] == [400] * 4
    shown = [{k: v for k, v in answer.json().items() if k != "request_id"} for answer in answers]
    assert shown[0] == shown[1]
    assert shown[2] == shown[3]
    assert faults(answers[0]) == {"members[1].saved_strategy_id": "not_found"}


@pytest.mark.row("D13")
def test_a_list_of_those_that_are_enabled(api, alice) -> None:
    members = [{**MA, "name": "Crossing"}, MOMENTUM, {"strategy": "bollinger"}]
    answer = api(alice).post(URL, body(members=members, enabled_strategies=["Crossing", "bollinger"]), format="json")
    assert answer.status_code == 201, answer.json()
    assert [member["enabled"] for member in answer.json()["parameters"]["members"]] == [True, False, True]
    refused = api(alice).post(URL, body(members=members, enabled_strategies=["breakout"]), format="json")
    assert faults(refused) == {"enabled_strategies": "unknown_choice"}
    none = api(alice).post(URL, body(members=members, enabled_strategies=[]), format="json")
    assert faults(none) == {"members": "conflict"}


@pytest.mark.row("A8", "D20")
@pytest.mark.parametrize(
    ("changed", "path", "code"),
    [
        ({"members": [MA]}, "members", "out_of_range"),
        ({"members": []}, "members", "required"),
        ({"members": [MA] * 13}, "members", "out_of_range"),
        ({"members": "two"}, "members", "wrong_type"),
        ({"members": [MA, 7]}, "members[1]", "wrong_type"),
        ({"members": [MA, {}]}, "members[1].strategy", "unknown_choice"),
        ({"members": [MA, {"saved_strategy_id": "1"}]}, "members[1].saved_strategy_id", "not_a_number"),
        ({"members": [MA, {"saved_strategy_id": 2**70}]}, "members[1].saved_strategy_id", "out_of_range"),
        ({"members": [MA, {**MOMENTUM, "saved_strategy_id": 1}]}, "members[1].saved_strategy_id", "conflict"),
        ({"members": [MA, {**MOMENTUM, "weight": -1}]}, "members[1].weight", "out_of_range"),
        ({"parameters": {"vote": "loudest"}}, "parameters.vote", "unknown_choice"),
        ({"parameters": {"validators": [{"type": "mood"}]}}, "parameters.validators[0].type", "unknown_choice"),
        ({"parameters": {"members": []}}, "parameters.members", "unknown_field"),
        ({"name": ""}, "name", None),
        ({"colour": "red"}, "colour", "unknown_field"),
    ],
)
def test_a_bad_body_is_refused_with_its_path(api, alice, changed, path, code) -> None:
    answer = api(alice).post(URL, body(**changed), format="json")
    assert answer.status_code == 400, answer.json()
    assert path in faults(answer), answer.json()
    assert code is None or faults(answer)[path] == code
    assert not selectors.for_user(alice).exists()


def test_a_name_twice_is_a_conflict(api, alice) -> None:
    assert api(alice).post(URL, body(), format="json").status_code == 201
    assert api(alice).post(URL, body(), format="json").status_code == 409


@pytest.mark.row("D20")
def test_an_ensemble_can_be_a_member(alice: User) -> None:
    inner = composing.compose(alice, name="Inner", members=[MA, MOMENTUM])
    outer = composing.compose(alice, name="Outer", members=[{"saved_strategy_id": inner.pk}, {"strategy": "bollinger"}])
    assert outer.parameters["members"][0]["strategy"] == "ensemble"
    assert len(outer.parameters["members"][0]["parameters"]["members"]) == 2


@pytest.mark.row("D20", "G15", "B9")
def test_a_run_on_bars_too_coarse_for_a_member_is_refused_where_it_is_asked_for(api, alice) -> None:
    row = composing.compose(alice, name="Hours", members=[{**MA, "timeframe": "1h"}, MOMENTUM])
    sent = {"saved_strategy_id": row.pk, "symbols": ["AAPL"], "timeframe": "1d"}
    answer = api(alice).post("/api/backtest/run", sent, format="json")
    assert answer.status_code == 400
    assert faults(answer) == {"timeframe": "conflict"}
