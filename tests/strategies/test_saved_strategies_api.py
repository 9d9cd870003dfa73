"""Saved strategies through the API: whose they are, what is checked, what the tier allows."""

from __future__ import annotations

import threading
import uuid
from typing import Any

import pytest
from django.db import connection, connections

from accounts.models import Tier, User
from engine.errors import InputError
from strategies import selectors, services
from strategies.models import UserStrategy
from tests.accounts.factories import UserFactory
from tradingsite.lib.errors import Conflict, QuotaExceeded

URL = "/api/strategies"
BODY = {
    "name": "Slow crossing",
    "description": "Weekly look",
    "strategy": "ma_crossover",
    "parameters": {"fast_window": 20, "slow_window": 100},
    "settings": {"stop_loss_pct": 5},
}


def saved(user: User, name: str = "Mine", **fields: Any) -> UserStrategy:
    fields.setdefault("description", "What it does")
    return services.create(user, name=name, strategy=fields.pop("strategy", "ma_crossover"), **fields)


@pytest.mark.row("B15", "D19")
def test_create_read_change_delete(api, alice) -> None:
    caller = api(alice)
    created = caller.post(URL, BODY, format="json")
    assert created.status_code == 201, created.json()
    row = created.json()
    assert created["Location"] == f"{URL}/{row['id']}"
    assert row["strategy_type"] == "trend"
    assert row["parameters"] == {
        "fast_window": 20, "slow_window": 100, "ma_type": "SMA", "min_strength_threshold": 0.001,
    }  # fmt: skip
    assert row["settings"] == {"stop_loss_pct": 5.0}
    assert (row["owner"], row["is_own"], row["is_public"]) == ("alice", True, False)

    assert caller.get(created["Location"]).json() == row
    assert caller.get(URL).json()["results"] == [row]

    changed = caller.patch(created["Location"], {"parameters": {"fast_window": 5}, "is_public": True}, format="json")
    assert changed.status_code == 200
    assert changed.json()["parameters"]["fast_window"] == 5
    assert changed.json()["parameters"]["slow_window"] == 30, "parameters are replaced as a whole"
    assert changed.json()["name"] == "Slow crossing"

    replaced = caller.put(created["Location"], {"name": "Bands", "strategy": "bollinger"}, format="json")
    assert replaced.status_code == 200
    assert replaced.json()["parameters"] == {"window": 20, "multiplier": 2.0, "ma_type": "SMA"}
    assert replaced.json()["strategy_type"] == "mean_reversion"
    assert replaced.json()["settings"] == {}

    assert caller.delete(created["Location"]).status_code == 204
    assert caller.get(created["Location"]).status_code == 404
    assert caller.get(URL).json()["count"] == 0


@pytest.mark.row("B15", "A5")
def test_another_users_strategy_is_not_there(api, alice, bob) -> None:
    hers = saved(alice)
    caller = api(bob)
    nothing = caller.get(f"{URL}/999999999")
    for method, path, body in (
        ("get", f"{URL}/{hers.pk}", None),
        ("put", f"{URL}/{hers.pk}", BODY),
        ("patch", f"{URL}/{hers.pk}", {"name": "taken over"}),
        ("delete", f"{URL}/{hers.pk}", None),
        ("post", f"{URL}/{hers.pk}/copy", {}),
        ("get", f"{URL}/users/{alice.pk}", None),
    ):
        answer = getattr(caller, method)(path, body, format="json")
        assert answer.status_code == 404, (method, path)
        assert answer.json()["code"] == "not_found"
        if path == f"{URL}/{hers.pk}":
            same = ("code", "message", "errors")
            assert [answer.json()[key] for key in same] == [nothing.json()[key] for key in same]
    hers.refresh_from_db()
    assert hers.name == "Mine"
    assert caller.get(URL).json()["count"] == 0


@pytest.mark.row("B15", "A1")
def test_every_route_wants_a_token(api, alice) -> None:
    hers = saved(alice, is_public=True)
    for path in (URL, f"{URL}/{hers.pk}", f"{URL}/public", f"{URL}/public/trend", f"{URL}/users/{alice.pk}"):
        assert api(None).get(path).status_code == 401, path


@pytest.mark.row("B15", "A5")
def test_the_list_under_the_owners_id(api, alice) -> None:
    hers = saved(alice)
    answer = api(alice).get(f"{URL}/users/{alice.pk}")
    assert [row["id"] for row in answer.json()["results"]] == [hers.pk]


@pytest.mark.row("B16", "A5")
def test_public_strategies_are_seen_by_everybody_and_changed_by_their_owner_only(api, alice, bob) -> None:
    trend = saved(alice, "Shared trend", is_public=True, source_backtest=uuid.uuid4())
    bands = saved(alice, "Shared bands", strategy="bollinger", is_public=True)
    saved(alice, "Private")
    caller = api(bob)
    assert {row["id"] for row in caller.get(f"{URL}/public").json()["results"]} == {trend.pk, bands.pk}
    assert [row["id"] for row in caller.get(f"{URL}/public/trend").json()["results"]] == [trend.pk]
    assert [row["id"] for row in caller.get(f"{URL}/public?strategy=bollinger").json()["results"]] == [bands.pk]
    assert caller.get(f"{URL}/public/breakout").json()["results"] == []
    assert caller.get(f"{URL}/public/nonsense").status_code == 404

    seen = caller.get(f"{URL}/{trend.pk}").json()
    assert (seen["owner"], seen["is_own"]) == ("alice", False)
    assert seen["source_backtest"] is None, "where it came from is its owner's business"
    assert api(alice).get(f"{URL}/{trend.pk}").json()["source_backtest"] == str(trend.source_backtest)
    assert caller.patch(f"{URL}/{trend.pk}", {"name": "x"}, format="json").status_code == 404
    assert caller.delete(f"{URL}/{trend.pk}").status_code == 404


@pytest.mark.row("B16", "D19")
def test_a_copy_is_private_and_outlives_its_original(api, alice, bob) -> None:
    original = saved(alice, "Shared", is_public=True, parameters={"fast_window": 7}, settings={"stop_loss_pct": 3})
    caller = api(bob)
    copy = caller.post(f"{URL}/{original.pk}/copy", {}, format="json")
    assert copy.status_code == 201
    assert copy.json()["name"] == "Shared (copy)"
    assert copy.json()["parameters"]["fast_window"] == 7
    assert copy.json()["settings"] == {"stop_loss_pct": 3}
    assert copy.json()["is_public"] is False
    assert copy.json()["copied_from"] == original.pk
    again = caller.post(f"{URL}/{original.pk}/copy", {"name": "My own"}, format="json")
    assert again.json()["name"] == "My own"
    third = caller.post(f"{URL}/{original.pk}/copy", {}, format="json")
    assert third.json()["name"] == "Shared (copy 2)"
    services.remove(alice, original.pk)
    kept = caller.get(copy["Location"]).json()
    assert kept["parameters"]["fast_window"] == 7
    assert kept["copied_from"] is None


@pytest.mark.row("B15")
def test_a_name_is_used_once_by_each_owner(api, alice, bob) -> None:
    saved(alice, "Mine")
    saved(bob, "Mine")
    again = api(alice).post(URL, {**BODY, "name": "Mine"}, format="json")
    assert again.status_code == 409
    assert again.json()["errors"][0]["path"] == "name"
    other = saved(alice, "Other")
    assert api(alice).patch(f"{URL}/{other.pk}", {"name": "Mine"}, format="json").status_code == 409
    assert api(alice).patch(f"{URL}/{other.pk}", {"name": "Other"}, format="json").status_code == 200


@pytest.mark.row("A8", "D2")
@pytest.mark.parametrize(
    ("change", "path", "code"),
    [
        ({"strategy": "nonsense"}, "strategy", "unknown_choice"),
        ({"strategy": None}, "strategy", "required"),
        ({"parameters": {"fast_window": "20"}}, "parameters.fast_window", "not_a_number"),
        ({"parameters": {"fast_window": True}}, "parameters.fast_window", "not_a_number"),
        ({"parameters": {"fast_window": 0}}, "parameters.fast_window", "out_of_range"),
        ({"parameters": {"fast_window": 30, "slow_window": 30}}, "parameters.fast_window", "conflict"),
        ({"parameters": {"fst": 1}}, "parameters.fst", "unknown_field"),
        ({"parameters": [1]}, "parameters", "wrong_type"),
        ({"settings": {"stop_loss_pct": -2}}, "settings.stop_loss_pct", "out_of_range"),
        ({"settings": {"order_type_default": "trailing_stop"}}, "settings.stop_price_offset_pct", "required"),
        ({"name": ""}, "name", "required"),
        ({"name": "x" * 121}, "name", "out_of_range"),
        ({"name": 5}, "name", "wrong_type"),
        ({"is_public": "yes"}, "is_public", "wrong_type"),
        ({"owner": 1}, "owner", "unknown_field"),
        ({"id": 1}, "id", "unknown_field"),
        ({"source_backtest": "x"}, "source_backtest", "unknown_field"),
    ],
)
def test_what_is_sent_is_checked_against_the_declaration(api, alice, change: dict, path: str, code: str) -> None:
    answer = api(alice).post(URL, {**BODY, **change}, format="json")
    assert answer.status_code == 400, answer.json()
    assert (path, code) in {(fault["path"], fault["code"]) for fault in answer.json()["errors"]}
    assert not UserStrategy.objects.exists()


@pytest.mark.row("A8")
def test_changing_the_strategy_alone_takes_its_default_parameters(api, alice) -> None:
    hers = saved(alice, parameters={"fast_window": 5})
    answer = api(alice).patch(f"{URL}/{hers.pk}", {"strategy": "mean_reversion"}, format="json")
    assert answer.json()["parameters"] == {"window": 20, "threshold": 0.05}


@pytest.mark.row("A2", "B15")
def test_the_tier_limits_how_many_are_saved(api, alice) -> None:
    Tier.objects.filter(code=Tier.FREE).update(max_saved_strategies=2)
    caller = api(alice)
    for name in ("one", "two"):
        assert caller.post(URL, {**BODY, "name": name}, format="json").status_code == 201
    refused = caller.post(URL, {**BODY, "name": "three"}, format="json")
    assert refused.status_code == 403
    told = refused.json()
    assert (told["code"], told["current"], told["maximum"], told["tier"]) == ("quota_exceeded", 2, 2, "FREE")
    first = selectors.for_user(alice).first()
    assert caller.post(f"{URL}/{first.pk}/copy", {}, format="json").status_code == 403
    services.remove(alice, first.pk)
    assert caller.post(URL, {**BODY, "name": "three"}, format="json").status_code == 201


@pytest.mark.row("A2")
@pytest.mark.django_db(transaction=True)
def test_the_limit_holds_under_parallel_requests() -> None:
    Tier.objects.filter(code=Tier.FREE).update(max_saved_strategies=3)
    user = UserFactory()
    outcomes: list[str] = []

    def save(n: int) -> None:
        try:
            services.create(user, name=f"parallel {n}", strategy="momentum")
            outcomes.append("saved")
        except QuotaExceeded:
            outcomes.append("refused")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=save, args=(n,)) for n in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(outcomes) == ["refused"] * 7 + ["saved"] * 3
    assert selectors.count(user) == 3


@pytest.mark.django_db
def test_a_name_that_text_rules_forbid_never_reaches_the_database(alice) -> None:
    for bad in ("nul\x00", "lone \ud800", "override \u202e"):
        with pytest.raises(InputError) as caught:
            saved(alice, bad)
        assert caught.value.faults[0].code == "bad_text"
    saved(alice, "twice")
    with pytest.raises(Conflict):
        saved(alice, "  twice ")


@pytest.mark.row("M1")
@pytest.mark.django_db
def test_the_tables_are_called_as_promised() -> None:
    tables = set(connection.introspection.table_names())
    assert {"user_strategies", "custom_strategies"} <= tables
