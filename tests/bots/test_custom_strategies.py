"""Bots and sessions of conditions: by the id of a custom strategy, and as a bot's indicator rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse
from rest_framework.test import APIClient

from accounts.models import Tier, User
from bots.models import Bot, TradingSession
from strategies import conditions
from strategies import services as strategy_services
from strategies.models import CustomStrategy
from strategies.services import custom
from tests.bots.factories import fill_session, make_session
from tests.strategies.trees import ABOVE_SMA, DOWN_CROSS, RSI_HIGH, RSI_LOW, UP_CROSS, make_custom

Api = Callable[[User | None], APIClient]
START, BOTS = "/api/trading/sessions/start", "/api/bots"
MARKET = {"symbols": ["SIM-ALPHA"], "timeframe": "1m"}
RULES = {"RSI": {"period": 10, "oversold": 25, "overbought": 75}, "MACD": {"fast": 8, "slow": 21, "signal": 5}}


@pytest.fixture
def dora(db: None) -> User:
    """A user of tier PREMIUM."""
    from tests.accounts.factories import UserFactory

    return UserFactory(username="dora", tier_id=Tier.PREMIUM)


def send(client: APIClient, method: str, path: str, body: Any = None) -> Any:
    return getattr(client, method)(path, body, format="json")


@pytest.mark.row("C1", "E5", "B1")
def test_a_session_copies_the_trees_of_a_custom_strategy(api: Api, dora: User) -> None:
    row = make_custom(dora, buy_conditions=UP_CROSS, sell_conditions=DOWN_CROSS)
    answer = send(api(dora), "post", START, {**MARKET, "custom_strategy_id": row.pk})
    assert answer.status_code == 201, answer.json()
    told = answer.json()
    assert (told["strategy"], told["custom_strategy"]) == ("conditions", row.pk)
    assert told["strategy_parameters"] == row.parameters
    custom.update(dora, row.pk, {"buy_conditions": RSI_LOW})
    session = TradingSession.objects.get(pk=told["id"])
    assert session.strategy_parameters["buy"] == UP_CROSS, "what runs is what was started"
    assert session.strategy_version
    assert send(api(dora), "delete", f"/api/custom-strategies/{row.pk}").json()["code"] == "strategy_in_use"


@pytest.mark.row("A4")
def test_every_way_into_a_session_or_bot_asks_for_the_tier(api: Api, dora: User) -> None:
    row = make_custom(dora)
    trees = {"buy": UP_CROSS}
    saved = strategy_services.create(dora, name="Saved", strategy="conditions", parameters=trees)
    nested = {"members": [{"strategy": "conditions", "parameters": trees, "weight": 1}]}
    assert conditions.uses_conditions("an_ensemble", nested)
    ways: list[dict[str, Any]] = [
        {"custom_strategy_id": row.pk},
        {"strategy": "conditions", "strategy_parameters": trees},
        {"saved_strategy_id": saved.pk},
    ]
    caller = api(dora)
    bots = [send(caller, "post", BOTS, {**MARKET, "name": str(i), **way}) for i, way in enumerate(ways)]
    assert [answer.status_code for answer in bots] == [201] * 3, [answer.json() for answer in bots]
    assert bots[0].json()["custom_strategy"] == row.pk
    started = send(caller, "post", f"{BOTS}/{bots[0].json()['id']}/start").json()
    assert (started["custom_strategy"], started["strategy_parameters"]) == (row.pk, row.parameters)
    TradingSession.objects.update(state="STOPPED")

    User.objects.filter(pk=dora.pk).update(tier_id=Tier.FREE)
    refused = [send(caller, "post", START, {**MARKET, **way}) for way in ways]
    refused += [send(caller, "post", BOTS, {**MARKET, "name": f"n{i}", **way}) for i, way in enumerate(ways)]
    for answer in bots:
        path = f"{BOTS}/{answer.json()['id']}"
        refused.append(send(caller, "post", f"{path}/start"))
        refused.append(send(caller, "post", f"{path}/clone", {}))
        document = caller.get(f"{path}/config").json()
        refused.append(send(caller, "post", f"{BOTS}/import", document))
    assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {(403, "tier_too_low")}
    assert "Premium or Enterprise" in refused[0].json()["message"]


@pytest.mark.row("A5", "E1")
@pytest.mark.parametrize("path", [START, BOTS])
def test_neither_anothers_nor_an_inactive_nor_a_contradicted_one_starts(
    api: Api, dora: User, alice: User, path: str
) -> None:
    User.objects.filter(pk=alice.pk).update(tier_id=Tier.PREMIUM)
    hers = make_custom(alice, is_public=True)
    row = make_custom(dora)
    caller, body = api(dora), {**MARKET, "name": "x"}
    assert send(caller, "post", path, {**body, "custom_strategy_id": hers.pk}).status_code == 404
    assert send(caller, "post", path, {**body, "custom_strategy_id": 987_654}).status_code == 404
    for change, code in (
        ({"custom_strategy_id": "1"}, "not_a_number"),
        ({"strategy": "momentum"}, "conflict"),
        ({"strategy_parameters": {"buy": UP_CROSS}}, "conflict"),
        ({"saved_strategy_id": 5}, None),
    ):
        answer = send(caller, "post", path, {**body, "custom_strategy_id": row.pk, **change})
        assert answer.status_code in (400, 404), answer.json()
        assert code is None or code in {fault["code"] for fault in answer.json()["errors"]}
    CustomStrategy.objects.filter(pk=row.pk).update(is_active=False)
    answer = send(caller, "post", path, {**body, "custom_strategy_id": row.pk})
    assert (answer.status_code, answer.json()["code"]) == (422, "custom_inactive")
    assert not Bot.objects.exists()
    assert not TradingSession.objects.exists()


@pytest.mark.row("C13", "B21", "E3")
def test_the_indicator_rules_of_a_bot_are_conditions_on_every_tier(api: Api, alice: User, client: Any) -> None:
    caller = api(alice)
    made = send(caller, "post", BOTS, {**MARKET, "name": "Rules", "indicators": RULES})
    assert made.status_code == 201, made.json()
    told = made.json()
    trees = conditions.from_indicators(RULES)
    assert (told["strategy"], told["indicators"]) == ("conditions", RULES)
    assert {name: entry["tree"] for name, entry in told["conditions"].items()} == trees
    assert told["conditions"]["buy"]["sentence"].startswith("Buy when RSI(10) is below 25 or MACD(8, 21, 5)")
    client.force_login(alice)
    page = client.get(reverse("bots:bot", args=[told["id"]])).content.decode()
    assert "Buy when RSI(10) is below 25 or" in page
    assert "from its indicator rules" in page

    path = f"{BOTS}/{told['id']}"
    renamed = send(caller, "patch", path, {"name": "Renamed", "capital": 500})
    assert (renamed.status_code, renamed.json()["indicators"]) == (200, RULES)
    other = send(caller, "patch", path, {"indicators": {"SMA": {"period": 5}}}).json()
    assert other["indicators"] == {"SMA": {"period": 5}}
    assert "crosses above SMA(5)" in other["conditions"]["buy"]["sentence"]
    copy = send(caller, "post", f"{path}/clone", {}).json()
    assert (copy["indicators"], copy["conditions"]) == (other["indicators"], other["conditions"])
    document = caller.get(f"{path}/config").json()
    assert "strategy" not in document["bot"]
    imported = send(caller, "post", f"{BOTS}/import", document).json()
    assert imported["conditions"] == other["conditions"]

    session = send(caller, "post", f"{path}/start").json()
    assert session["strategy_parameters"]["buy"] == other["conditions"]["buy"]["tree"]
    TradingSession.objects.update(state="STOPPED")
    over = send(caller, "post", f"{path}/start", {"strategy_parameters": {"buy": RSI_LOW}})
    assert over.json()["code"] == "tier_too_low", "other trees than its rules are conditions like any"

    plain = send(caller, "patch", path, {"strategy": "momentum"}).json()
    assert (plain["strategy"], plain["indicators"], plain["conditions"]) == ("momentum", {}, None)
    back = send(caller, "patch", path, {"indicators": RULES}).json()
    assert (back["strategy"], back["indicators"]) == ("conditions", RULES)


@pytest.mark.row("C13", "A8")
@pytest.mark.parametrize(
    ("indicators", "path", "code"),
    [
        ({"RSI": {"period": 0}}, "indicators.RSI.period", "out_of_range"),
        ({"RSI": {"period": True}}, "indicators.RSI.period", "not_a_number"),
        ({"RSI": {"oversold": 80}}, "indicators.RSI.oversold", "conflict"),
        ({"RSI": {"luck": 1}}, "indicators.RSI.luck", "unknown_field"),
        ({"Moon": {}}, "indicators.Moon", "unknown_choice"),
        ([1], "indicators", "wrong_type"),
        ("RSI", "indicators", "wrong_type"),
    ],
    ids=str,
)
def test_wrong_rules_are_refused_with_the_place(api: Api, alice: User, indicators: Any, path: str, code: str) -> None:
    answer = send(api(alice), "post", BOTS, {**MARKET, "name": "x", "indicators": indicators})
    assert answer.status_code == 400, answer.json()
    assert (path, code) in {(fault["path"], fault["code"]) for fault in answer.json()["errors"]}
    assert not Bot.objects.exists()


@pytest.mark.row("B21", "E5")
def test_a_bot_changes_from_one_way_to_another(api: Api, dora: User) -> None:
    caller, row = api(dora), make_custom(dora, buy_conditions=ABOVE_SMA, sell_conditions=RSI_HIGH)
    made = send(caller, "post", BOTS, {**MARKET, "name": "b", "strategy": "momentum"}).json()
    path = f"{BOTS}/{made['id']}"
    custom_bot = send(caller, "patch", path, {"custom_strategy_id": row.pk}).json()
    assert (custom_bot["strategy"], custom_bot["custom_strategy"]) == ("conditions", row.pk)
    assert custom_bot["conditions"]["buy"]["tree"] == ABOVE_SMA
    kept = send(caller, "patch", path, {"description": "as before"}).json()
    assert kept["custom_strategy"] == row.pk
    custom.update(dora, row.pk, {"buy_conditions": RSI_LOW})
    assert caller.get(path).json()["conditions"]["buy"]["tree"] == ABOVE_SMA, "copied when it was saved"
    renewed = send(caller, "patch", path, {"custom_strategy_id": row.pk}).json()
    assert renewed["conditions"]["buy"]["tree"] == RSI_LOW
    own = send(caller, "patch", path, {"strategy_parameters": {"sell": None}}).json()
    assert (own["custom_strategy"], "sell" in own["conditions"]) == (None, False), "no longer what was copied"
    assert send(caller, "patch", path, {"indicators": {"SMA": {}}}).json()["indicators"] == {"SMA": {}}
    edited = send(caller, "patch", path, {"strategy_parameters": {"sell": None}}).json()
    assert (edited["indicators"], list(edited["conditions"])) == ({}, ["buy"])
    again = send(caller, "put", path, {**MARKET, "name": "b", "custom_strategy_id": row.pk}).json()
    CustomStrategy.objects.filter(pk=row.pk).update(is_active=False)
    assert send(caller, "post", f"{path}/start").json()["code"] == "custom_inactive"
    assert again["custom_strategy"] == row.pk


@pytest.mark.row("B6", "B8", "I10")
def test_short_conditions_without_shorting_have_to_be_confirmed(api: Api, dora: User) -> None:
    row = make_custom(dora, short_conditions=DOWN_CROSS)
    caller, body = api(dora), {**MARKET, "custom_strategy_id": row.pk}
    asked = send(caller, "post", START, body)
    assert (asked.status_code, [fault["path"] for fault in asked.json()["errors"]]) == (422, ["settings.allow_short"])
    session = send(caller, "post", START, {**body, "settings": {"allow_short": True}}).json()
    off = send(caller, "post", f"/api/trading/sessions/{session['id']}/settings", {"settings": {"allow_short": False}})
    assert off.status_code == 422, off.json()


@pytest.mark.row("E5", "W5")
def test_the_decisions_of_a_session_show_the_explained_trees(client: Any, dora: User) -> None:
    tree = {"type": "or", "children": [RSI_LOW, {"type": "and", "children": [UP_CROSS, ABOVE_SMA]}]}
    session = fill_session(make_session(dora, strategy="conditions", strategy_parameters={"buy": tree}), bars=5)
    rsi = {**RSI_LOW, "left": {**RSI_LOW["left"], "value": 28.25}, "is": True}
    crossed = {**UP_CROSS, "left": {"price": "close", "value": 9.5, "before": None}, "is": None}
    above = {**ABOVE_SMA, "left": {"price": "close", "value": 9.5}, "is": False}
    inner = {"type": "and", "children": [crossed, above], "is": False}
    told = {"buy": {"type": "or", "children": [rsi, inner], "is": True}}
    session.decisions.filter(pk=session.decisions.latest("pk").pk).update(evidence=told)
    client.force_login(dora)
    page = client.get(reverse("bots:session", args=[session.pk]), {"tab": "decisions"}).content.decode()
    assert page.count('class="explained"') == 4, "the trees, the group, the group inside it, and its lines"
    assert "RSI(14) (28.25) is below 35" in page
    for words in ("✓ true", "✕ false", "? not known yet", "Any of these", "All of these"):
        assert words in page, words
