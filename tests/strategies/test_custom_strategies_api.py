"""Custom strategies through the API: who may make them, what is checked, whose they are."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.models import Tier, User
from bots.models import TradingSession
from strategies import selectors
from strategies.models import ConditionTest, CustomStrategy
from strategies.services import custom as services
from tests.bots.factories import make_session
from tests.strategies.trees import ABOVE_SMA, BODY, RSI_HIGH, RSI_LOW, compare, make_custom

Api = Callable[[User | None], APIClient]
URL, ALIAS = "/api/custom-strategies", "/api/strategies/custom"


@pytest.fixture
def alice(alice: User) -> User:
    """A user of tier PREMIUM."""
    User.objects.filter(pk=alice.pk).update(tier_id=Tier.PREMIUM)
    return User.objects.get(pk=alice.pk)


def send(client: APIClient, method: str, path: str, body: Any = None) -> Any:
    return getattr(client, method)(path, body, format="json")


def nested(levels: int) -> dict[str, Any]:
    tree: dict[str, Any] = RSI_LOW
    for _ in range(levels - 1):
        tree = {"type": "not", "children": [tree]}
    return tree


@pytest.mark.row("B17", "E1", "E2", "E3")
@pytest.mark.parametrize("root", [URL, ALIAS])
def test_create_read_change_delete(api: Api, alice: User, root: str) -> None:
    caller = api(alice)
    short = {"type": "indicator", "indicator": {"type": "RSI", "period": 14, "condition": "below", "value": 35}}
    created = send(caller, "post", root, {**BODY, "description": "Buys dips", "buy_conditions": [short]})
    assert created.status_code == 201, created.json()
    row = created.json()
    assert created["Location"] == f"{URL}/{row['id']}"
    assert row["buy_conditions"] == RSI_LOW, "the short form and the list are brought into the one canonical form"
    assert (row["sell_conditions"], row["short_conditions"], row["cover_conditions"]) == (RSI_HIGH, None, None)
    assert row["sentences"]["buy"] == "Buy when RSI(14) is below 35"
    assert row["sentences"]["short"] is None
    assert (row["nodes"], row["is_active"], row["is_public"], row["is_own"]) == (2, True, False, True)
    assert (row["check"]["state"], row["warmup"], row["measured_warmup"]) == ("pending", None, None)

    assert caller.get(f"{root}/{row['id']}").json() == row
    assert caller.get(root).json()["results"] == [row]

    both = {"type": "and", "children": [RSI_LOW, ABOVE_SMA]}
    CustomStrategy.objects.update(check_state="ok", measured_warmup=15)
    changed = send(caller, "patch", f"{root}/{row['id']}", {"buy_conditions": [RSI_LOW, ABOVE_SMA], "is_public": True})
    assert changed.status_code == 200
    assert changed.json()["buy_conditions"]["children"][0] == both["children"][0]
    assert changed.json()["sell_conditions"] == RSI_HIGH
    assert changed.json()["check"]["state"] == "pending", "changed trees are checked anew"
    assert changed.json()["measured_warmup"] is None
    assert CustomStrategy.objects.get().revision == 2
    renamed = send(caller, "patch", f"{root}/{row['id']}", {"name": "Dips"})
    assert renamed.json()["name"] == "Dips"
    assert CustomStrategy.objects.get().revision == 2, "a name is no tree"
    CustomStrategy.objects.update(check_state="failed", check_reason="the check itself failed")
    saved_again = send(caller, "patch", f"{root}/{row['id']}", {"name": "Dips"}).json()
    assert (saved_again["check"]["state"], CustomStrategy.objects.get().revision) == ("pending", 3)

    replaced = send(caller, "put", f"{root}/{row['id']}", {"name": "Short", "short_conditions": RSI_HIGH})
    assert replaced.status_code == 200
    assert replaced.json()["buy_conditions"] is None
    assert (replaced.json()["description"], replaced.json()["is_public"]) == ("", False)

    assert caller.delete(f"{root}/{row['id']}").status_code == 204
    assert caller.get(f"{root}/{row['id']}").status_code == 404


@pytest.mark.row("A4", "B17")
@pytest.mark.parametrize("tier", [Tier.FREE, Tier.BASIC, Tier.PREMIUM, Tier.ENTERPRISE])
def test_the_tier_decides_who_may_make_them(api: Api, alice: User, tier: str) -> None:
    hers = make_custom(alice, "Before")
    User.objects.filter(pk=alice.pk).update(tier_id=tier)
    caller, allowed = api(alice), tier in (Tier.PREMIUM, Tier.ENTERPRISE)
    answers = [
        send(caller, "post", URL, BODY),
        send(caller, "patch", f"{URL}/{hers.pk}", {"name": "After"}),
        send(caller, "put", f"{URL}/{hers.pk}", {**BODY, "name": "Whole"}),
        send(caller, "post", f"{URL}/{hers.pk}/copy", {}),
    ]
    assert [answer.status_code for answer in answers] == ([201, 200, 200, 201] if allowed else [403] * 4)
    if not allowed:
        told = answers[0].json()
        assert (told["code"], told["tier"]) == ("tier_too_low", tier)
        assert "Premium or Enterprise" in told["message"]
        assert CustomStrategy.objects.get().name == "Before"
    assert caller.get(f"{URL}/{hers.pk}").status_code == 200, "what is there can be read on every tier"
    assert send(caller, "post", f"{URL}/validate", {"buy_conditions": RSI_LOW}).json()["valid"] is True


@pytest.mark.row("A2", "B17")
def test_the_tier_limits_how_many_are_saved_whatever_their_kind(api: Api, alice: User) -> None:
    Tier.objects.filter(code=Tier.PREMIUM).update(max_saved_strategies=2)
    caller = api(alice)
    assert send(caller, "post", "/api/strategies", {"name": "a", "strategy": "momentum"}).status_code == 201
    assert send(caller, "post", URL, BODY).status_code == 201
    refused = send(caller, "post", URL, {**BODY, "name": "third"})
    assert (refused.status_code, refused.json()["code"], refused.json()["current"]) == (403, "quota_exceeded", 2)
    assert send(caller, "post", f"{URL}/{CustomStrategy.objects.get().pk}/copy", {}).status_code == 403
    assert send(caller, "post", "/api/strategies", {"name": "b", "strategy": "momentum"}).status_code == 403
    assert selectors.count(alice) == 2


@pytest.mark.row("B17", "A5")
@pytest.mark.parametrize("root", [URL, ALIAS])
def test_another_users_strategy_is_not_there(api: Api, alice: User, bob: User, root: str) -> None:
    hers = make_custom(alice)
    look = ConditionTest.objects.create(owner=alice, request={})
    User.objects.filter(pk=bob.pk).update(tier_id=Tier.ENTERPRISE)
    caller = api(bob)
    same = ("code", "message", "errors")
    for method, tail, body in (
        ("get", "", None),
        ("put", "", BODY),
        ("patch", "", {"name": "taken over"}),
        ("delete", "", None),
        ("post", "/copy", {}),
    ):
        answer = send(caller, method, f"{root}/{hers.pk}{tail}", body)
        nothing = send(caller, method, f"{root}/987654{tail}", body)
        assert answer.status_code == nothing.status_code == 404, (method, tail)
        assert [answer.json()[key] for key in same] == [nothing.json()[key] for key in same]
    asked = {"custom_strategy_id": hers.pk, "symbol": "AAPL"}
    assert send(caller, "post", f"{root}/test", asked).status_code == 404
    assert caller.get(f"{root}/test/{look.pk}").json()["message"] == caller.get(
        f"{root}/test/{uuid.uuid4()}"
    ).json()["message"]  # fmt: skip
    hers.refresh_from_db()
    assert hers.name == "Mine"
    assert caller.get(root).json()["count"] == 0
    for path in (root, f"{root}/public", f"{root}/{hers.pk}", f"{root}/test/{look.pk}"):
        assert api(None).get(path).status_code == 401, path


@pytest.mark.row("B17", "A5")
def test_public_ones_are_read_and_copied_by_everybody(api: Api, alice: User, bob: User) -> None:
    shared = make_custom(alice, "Shared", is_public=True)
    make_custom(alice, "Private")
    User.objects.filter(pk=bob.pk).update(tier_id=Tier.PREMIUM)
    caller = api(bob)
    assert [row["id"] for row in caller.get(f"{URL}/public").json()["results"]] == [shared.pk]
    seen = caller.get(f"{URL}/{shared.pk}").json()
    assert (seen["owner"], seen["is_own"]) == ("alice", False)
    copy = send(caller, "post", f"{URL}/{shared.pk}/copy", {})
    assert copy.status_code == 201
    told = copy.json()
    assert (told["name"], told["is_public"], told["copied_from"]) == ("Shared (copy)", False, shared.pk)
    assert told["buy_conditions"] == RSI_LOW
    assert told["check"]["state"] == "pending"
    assert send(caller, "patch", f"{URL}/{shared.pk}", {"name": "x"}).status_code == 404
    assert caller.delete(f"{URL}/{shared.pk}").status_code == 404
    services.remove(alice, shared.pk)
    assert caller.get(copy["Location"]).json()["copied_from"] is None


@pytest.mark.row("B17", "E1")
def test_it_is_not_deleted_while_a_session_runs_it(api: Api, alice: User) -> None:
    hers = make_custom(alice)
    session = make_session(alice, strategy="conditions", strategy_parameters=hers.parameters, custom_strategy=hers)
    refused = api(alice).delete(f"{URL}/{hers.pk}")
    assert (refused.status_code, refused.json()["code"]) == (409, "strategy_in_use")
    assert f"session {session.pk}" in refused.json()["message"]
    TradingSession.objects.update(state="STOPPED")
    assert api(alice).delete(f"{URL}/{hers.pk}").status_code == 204
    session.refresh_from_db()
    assert session.strategy_parameters["buy"] == RSI_LOW, "history keeps what it ran"
    assert session.custom_strategy is None


@pytest.mark.row("B17", "A8", "E3")
@pytest.mark.parametrize(
    ("change", "path", "code"),
    [
        ({"name": None}, "name", "required"),
        ({"name": "  "}, "name", "required"),
        ({"name": "x" * 121}, "name", "out_of_range"),
        ({"name": 5}, "name", "wrong_type"),
        ({"description": "x" * 2_001}, "description", "out_of_range"),
        ({"is_active": "yes"}, "is_active", "wrong_type"),
        ({"is_public": 1}, "is_public", "wrong_type"),
        ({"owner": 1}, "owner", "unknown_field"),
        ({"check_state": "ok"}, "check_state", "unknown_field"),
        ({"revision": 7}, "revision", "unknown_field"),
        ({"buy_conditions": None}, "buy_conditions", "required"),
        ({"buy_conditions": []}, "buy_conditions", "required"),
        ({"buy_conditions": "RSI < 30"}, "buy_conditions", "wrong_type"),
        ({"buy_conditions": {"type": "xor", "children": [RSI_LOW]}}, "buy_conditions.type", "unknown_choice"),
        ({"buy_conditions": {"type": "and", "children": []}}, "buy_conditions.children", "required"),
        (
            {"buy_conditions": [RSI_LOW, RSI_HIGH, compare({"indicator": "rsi", "period": 0}, "below", {"value": 1})]},
            "buy_conditions[2].left.period",
            "out_of_range",
        ),
        (
            {"sell_conditions": compare({"indicator": "rsi", "period": True}, "below", {"value": 30})},
            "sell_conditions.left.period",
            "not_a_number",
        ),
        (
            {"cover_conditions": compare({"indicator": "nonsense"}, "below", {"value": 30})},
            "cover_conditions.left.indicator",
            "unknown_choice",
        ),
    ],
    ids=lambda value: str(value)[:50],
)
def test_what_is_sent_is_checked(api: Api, alice: User, change: dict[str, Any], path: str, code: str) -> None:
    answer = send(api(alice), "post", URL, {**BODY, **change})
    assert answer.status_code == 400, answer.json()
    assert (path, code) in {(fault["path"], fault["code"]) for fault in answer.json()["errors"]}
    assert not CustomStrategy.objects.exists()


RAW = {
    "100,000 levels": b'{"buy_conditions":' + b'{"type":"not","children":[' * 100_000,
    "100,000 lists": b'{"buy_conditions":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "33 levels": json.dumps({"name": "x", "buy_conditions": nested(33)}).encode(),
    "501 nodes": json.dumps({"name": "x", "buy_conditions": [RSI_LOW] * 501}).encode(),
    "too many bytes": b'{"name": "' + b"x" * 70_000 + b'"}',
    "lone surrogate": b'{"name": "\\ud800", "buy_conditions": null}',
    "surrogate in the tree": b'{"buy_conditions": {"type": "\\ud800"}}',
    "NUL": b'{"buy_conditions": {"price": "clo\\u0000se"}}',
    "bidi": '{"name": "a\u202eb"}'.encode(),
    "NaN": b'{"buy_conditions": {"value": NaN}}',
    "Infinity": b'{"buy_conditions": {"value": -Infinity}}',
    "1e999": b'{"buy_conditions": {"value": 1e999}}',
    "4,000 digits": b'{"buy_conditions": {"value": ' + b"9" * 4_000 + b"}}",
    "duplicate keys": b'{"buy_conditions": {"type": "and", "type": "or"}}',
    "no JSON": b"buy when rsi < 30",
    "no object": b"[1, 2]",
    "not UTF-8": b'{"name": "\xff"}',
    "empty": b"",
}


@pytest.mark.row("B17", "B18", "B19", "A8")
@pytest.mark.parametrize("raw", RAW.values(), ids=RAW)
@pytest.mark.parametrize("tail", ["", "/validate", "/test"])
def test_hostile_bodies_are_refused_with_the_place(api: Api, alice: User, tail: str, raw: bytes) -> None:
    answer = api(alice).post(URL + tail, raw, content_type="application/json")
    told = answer.json()
    if tail == "/validate" and answer.status_code == 200:
        assert told["valid"] is False
    else:
        assert answer.status_code == 400, told
    assert told["errors"]
    assert all(fault["code"] and fault["message"] for fault in told["errors"])
    assert not CustomStrategy.objects.exists()
    assert not ConditionTest.objects.exists()


@pytest.mark.row("B18")
def test_depth_nodes_and_bytes_say_what_was_too_much(api: Api, alice: User) -> None:
    caller = api(alice)
    for name, code, path in (
        ("100,000 levels", "tree_too_large", ""),
        ("100,000 lists", "tree_too_deep", ""),
        ("too many bytes", "tree_too_large", ""),
        ("33 levels", "tree_too_deep", "buy_conditions"),
        ("501 nodes", "tree_too_large", "buy_conditions"),
    ):
        answer = caller.post(URL, RAW[name], content_type="application/json").json()
        assert answer["errors"][0]["code"] == code, (name, answer)
        assert answer["errors"][0]["path"].startswith(path)
    assert send(caller, "post", f"{URL}/validate", {"buy_conditions": nested(32)}).json()["depth"] == 32


@pytest.mark.row("B18", "E2", "E3")
@pytest.mark.parametrize("root", [URL, ALIAS])
def test_validate_tells_every_fault_and_writes_nothing(api: Api, alice: User, root: str) -> None:
    caller = api(alice)
    good = send(
        caller, "post", f"{root}/validate", {"buy_conditions": [RSI_LOW, ABOVE_SMA], "sell_conditions": RSI_HIGH}
    )
    assert good.status_code == 200
    told = good.json()
    assert (told["valid"], told["errors"], told["nodes"], told["depth"]) == (True, [], 4, 2)
    assert told["sentences"]["buy"] == "Buy when RSI(14) is below 35 and the close is above SMA(20)"
    assert told["sell_conditions"] == RSI_HIGH
    assert send(caller, "post", f"{root}/validate", {k: told[k] for k in services.COLUMNS}).json() == told

    broken = [
        RSI_LOW,
        compare({"indicator": "rsi", "period": -1}, "below", {"value": "30"}),
        compare({"indicator": "rsi"}, "over", {"value": 30}),
    ]
    faulty = send(caller, "post", f"{root}/validate", {"buy_conditions": broken, "sell_conditions": RSI_HIGH})
    assert faulty.status_code == 200
    told = faulty.json()
    assert told["valid"] is False
    assert {fault["path"] for fault in told["errors"]} == {
        "buy_conditions[1].left.period", "buy_conditions[1].right.value", "buy_conditions[2].condition",
    }  # fmt: skip
    assert "crosses_above" in next(f["hint"] for f in told["errors"] if f["path"].endswith("condition"))
    assert told["buy_conditions"] is None
    assert told["sentences"] == {"buy": None, "sell": "Sell when RSI(14) is above 60", "short": None, "cover": None}
    alone = send(caller, "post", f"{root}/validate", {"sell_conditions": RSI_HIGH}).json()
    assert [(fault["path"], fault["code"]) for fault in alone["errors"]] == [("buy_conditions", "required")]
    assert send(caller, "post", f"{root}/validate", {"name": "x"}).status_code == 400
    many = {"buy_conditions": [broken[1]] * 30, "sell_conditions": {"type": "xor"}}
    told = send(caller, "post", f"{root}/validate", many)
    assert (told.status_code, told.json()["valid"], told.json()["sell_conditions"]) == (200, False, None)
    assert not CustomStrategy.objects.exists()


@pytest.mark.row("B17")
def test_a_name_is_used_once_by_each_owner(api: Api, alice: User, bob: User) -> None:
    make_custom(alice, "Mine")
    make_custom(bob, "Mine")
    other = make_custom(alice, "Other")
    again = send(api(alice), "post", URL, {**BODY, "name": "Mine"})
    assert (again.status_code, again.json()["errors"][0]["path"]) == (409, "name")
    assert send(api(alice), "patch", f"{URL}/{other.pk}", {"name": "Mine"}).status_code == 409


@pytest.mark.row("B17", "Q1")
def test_a_list_asks_the_same_few_questions_however_long_it_is(api: Api, alice: User) -> None:
    def asked(path: str) -> int:
        caller = api(alice)
        with CaptureQueriesContext(
            connection,
        ) as seen:
            assert caller.get(path).status_code == 200
        return len(seen)

    make_custom(alice, "0", is_public=True)
    few = [asked(URL), asked(f"{URL}/public")]
    for n in range(1, 12):
        make_custom(alice, str(n), is_public=True)
    assert [asked(URL), asked(f"{URL}/public")] == few
