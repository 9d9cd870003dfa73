"""The limits over all of a user's bots, and the kill switches."""

from __future__ import annotations

from decimal import Decimal

import pytest

from accounts import selectors
from accounts.models import AuditEvent, PlatformSwitch, RiskEnvelope
from accounts.services import risk
from engine.errors import InputError
from tests.accounts.factories import PASSWORD, BrokerAccountFactory, UserFactory
from tradingsite.lib.errors import NotAllowed

URL, SWITCH = "/api/risk/envelope", "/api/risk/kill-switch"


@pytest.mark.row("W14")
def test_limits_are_set_kept_and_taken_away(alice, api):
    program = api(alice)
    fresh = program.get(URL).json()
    assert fresh == {
        "gross_cap": None,
        "net_cap": None,
        "symbol_cap": None,
        "max_sessions": None,
        "groups": {},
        "kill_switch": False,
        "kill_reason": "",
        "kill_at": None,
        "updated_at": None,
        "entries_blocked": None,
    }
    assert not RiskEnvelope.objects.exists()
    tech = {"symbols": ["msft", "AAPL", "AAPL"], "cap": 40_000.5}
    answer = program.put(URL, {"gross_cap": 100_000, "symbol_cap": 25_000.25, "groups": {"Tech": tech}})
    assert answer.status_code == 200
    assert answer.json()["groups"] == {"Tech": {"symbols": ["AAPL", "MSFT"], "cap": 40_000.5}}
    envelope = selectors.risk_envelope(alice)
    assert (envelope.gross_cap, envelope.symbol_cap, envelope.net_cap) == (Decimal(100_000), Decimal("25000.25"), None)
    assert program.put(URL, {"gross_cap": None, "max_sessions": 3}).json()["gross_cap"] is None
    after = program.get(URL).json()
    assert (after["symbol_cap"], after["max_sessions"], set(after["groups"])) == (25_000.25, 3, {"Tech"})


@pytest.mark.row("W14", "A8")
@pytest.mark.parametrize(
    ("sent", "path"),
    [
        ({"gross_cap": 0}, "gross_cap"),
        ({"gross_cap": -5}, "gross_cap"),
        ({"net_cap": "5"}, "net_cap"),
        ({"net_cap": True}, "net_cap"),
        ({"symbol_cap": 1e13}, "symbol_cap"),
        ({"max_sessions": 1.5}, "max_sessions"),
        ({"max_sessions": -1}, "max_sessions"),
        ({"kill_switch": True}, "kill_switch"),
        ({"user": 1}, "user"),
        ({"groups": {"": {"symbols": ["A"], "cap": 1}}}, "groups."),
        ({"groups": {"Tech": {"symbols": [], "cap": 1}}}, "groups.Tech.symbols"),
        ({"groups": {"Tech": {"symbols": ["no symbol"], "cap": 1}}}, "groups.Tech.symbols[0]"),
        ({"groups": {"Tech": {"symbols": ["A"]}}}, "groups.Tech.cap"),
        ({"groups": {"Tech": {"symbols": ["A"], "cap": 1, "more": 2}}}, "groups.Tech.more"),
        ({"groups": {f"g{n}": {"symbols": ["A"], "cap": 1} for n in range(51)}}, "groups"),
    ],
)
def test_nonsense_is_refused_and_changes_nothing(alice, api, sent, path):
    answer = api(alice).put(URL, {"gross_cap": 5, **sent})
    assert answer.status_code == 400
    assert [error["path"] for error in answer.json()["errors"]] == [path]
    assert not RiskEnvelope.objects.exists()


@pytest.mark.row("W14", "M4", "W20")
def test_every_change_of_a_limit_is_in_the_audit_trail(alice, carol):
    risk.set_envelope(alice, {"gross_cap": Decimal(100)})
    risk.set_envelope(alice, {"gross_cap": Decimal(100)})  # nothing new: no event
    risk.set_envelope(alice, {"gross_cap": Decimal(50), "max_sessions": 2}, actor=carol)
    risk.throw_kill_switch(alice, True, "Too much news")
    risk.throw_kill_switch(alice, True, "again")
    first, second, third = AuditEvent.objects.filter(chain=alice.pk)
    assert first.detail == {"gross_cap": [None, "100.00"]}
    assert (second.actor, second.detail["max_sessions"]) == ("carol", [None, 2])
    assert (third.action, third.detail) == ("risk.kill_switch_on", {"reason": "Too much news"})


@pytest.mark.row("W14")
def test_the_kill_switch_blocks_entries_of_one_user_and_says_why(alice, bob, api):
    program = api(alice)
    answer = program.post(SWITCH, {"on": True, "reason": "Fed speaks"})
    assert answer.json()["entries_blocked"] == "Your kill switch is on: Fed speaks"
    assert answer.json()["kill_at"] is not None
    assert selectors.entries_blocked(bob) is None
    assert program.post(SWITCH, {"on": False}).json()["entries_blocked"] is None
    assert program.post(SWITCH, {"on": 1}).status_code == 400
    assert program.post(SWITCH, {"on": True, "reason": "x" * 201}).status_code == 400


@pytest.mark.row("W14")
def test_an_operator_stops_everybody_at_the_desk(alice, bob, carol, client):
    with pytest.raises(NotAllowed):
        risk.throw_platform_switch(alice, True)
    client.force_login(carol)
    form = {"on": "on", "reason": "The exchange is down"}
    assert client.post("/operators/accounts/platformswitch/add/", form).status_code == 302
    for user in (alice, bob):
        assert selectors.entries_blocked(user) == (
            "An operator has stopped trading for everybody: The exchange is down"
        )
    assert PlatformSwitch.objects.get().by == "carol"
    assert AuditEvent.objects.get(chain=0).action == "platform.kill_switch_on"
    form = {"reason": "It is back"}
    assert client.post("/operators/accounts/platformswitch/1/change/", form).status_code == 302
    assert selectors.entries_blocked(alice) is None


def test_an_operator_stops_one_user(alice, carol, client):
    risk.set_envelope(alice, {"max_sessions": 1})
    client.force_login(carol)
    page = "/operators/accounts/riskenvelope/"
    client.post(page, {"action": "stop_entries", "_selected_action": [alice.pk]})
    assert selectors.entries_blocked(alice) == "Your kill switch is on: by an operator"
    client.post(page, {"action": "allow_entries", "_selected_action": [alice.pk]})
    assert selectors.entries_blocked(alice) is None


@pytest.mark.django_db
def test_a_disabled_account_does_not_enter():
    user = UserFactory(is_active=False)
    assert selectors.entries_blocked(user) == "This account is disabled."


def test_a_service_takes_no_float_for_money(alice):
    with pytest.raises(InputError):
        risk.set_envelope(alice, {"gross_cap": float("nan")})
    with pytest.raises(InputError):
        risk.set_envelope(alice, {"gros_cap": Decimal(1)})


@pytest.mark.row("S17")
def test_over_real_money_a_limit_is_raised_with_the_password_only(alice, api):
    tech = {"symbols": ["AAPL", "MSFT"], "cap": 500}
    tight = {"gross_cap": 1_000, "max_sessions": 2, "groups": {"Tech": tech}}
    raised = [
        {"gross_cap": 2_000},
        {"gross_cap": None},
        {"max_sessions": None},
        {"groups": {}},
        {"groups": {"Tech": {**tech, "cap": 501}}},
        {"groups": {"Tech": {**tech, "symbols": ["AAPL"]}}},
    ]
    program = api(alice)
    assert program.put(URL, tight).status_code == 200
    BrokerAccountFactory(owner=alice)  # play money: nothing is asked for
    assert program.put(URL, raised[0]).status_code == 200
    assert program.put(URL, tight).status_code == 200
    BrokerAccountFactory(owner=alice, environment="LIVE")
    for change in raised:
        refused = program.put(URL, change)
        assert (refused.status_code, refused.json()["code"]) == (403, "step_up_required"), change
    lower = {"gross_cap": 900, "net_cap": 10, "groups": {"Tech": {**tech, "cap": 400}}}
    assert program.put(URL, lower).status_code == 200
    assert program.put(URL, {**raised[0], "password": "guess"}).status_code == 400
    assert program.put(URL, {**raised[0], "password": PASSWORD}).json()["gross_cap"] == 2_000


@pytest.mark.row("S17")
def test_the_page_asks_for_the_password_and_keeps_what_was_typed(alice, client):
    client.force_login(alice)
    BrokerAccountFactory(owner=alice, environment="LIVE")
    assert client.post("/risk/limits/", {"gross_cap": "1000"}).status_code == 302
    asked = client.post("/risk/limits/", {"gross_cap": "2000"})
    assert asked.status_code == 403
    assert 'name="password"' in asked.content.decode()
    assert 'value="2000"' in asked.content.decode()
    wrong = client.post("/risk/limits/", {"gross_cap": "2000", "password": "guess"})
    assert (wrong.status_code, "not your password" in wrong.content.decode()) == (400, True)
    assert selectors.risk_envelope(alice).gross_cap == 1_000
    assert client.post("/risk/limits/", {"gross_cap": "2000", "password": PASSWORD}).status_code == 302
    assert client.post("/risk/limits/", {"gross_cap": ""}).status_code == 302  # it counts for five minutes
    assert selectors.risk_envelope(alice).gross_cap is None
