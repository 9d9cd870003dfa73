"""The page of ensembles, as a browser gets and sends it."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Tier, User
from backtests.forms import BacktestForm
from backtests.runner import clean
from strategies import selectors, services
from strategies.ensemble import Ensemble
from strategies.services import composing
from tests.strategies.trees import make_custom


@pytest.fixture
def browser(alice: User) -> Client:
    client = Client()
    client.force_login(alice)
    return client


def typed(page: bytes) -> dict[str, Any]:
    """What a browser would send back: every input's value, ticked boxes, chosen options."""
    text = page.decode()
    text = text[text.index('id="compose"') :]
    fields: dict[str, Any] = {}
    for tag in re.findall(r"<input [^>]*>", text):
        got = {name: html.unescape(value) for name, value in re.findall(r'([\w-]+)="([^"]*)"', tag)}
        if "name" not in got or got.get("type") == "range":
            continue
        if got.get("type") == "checkbox" and not re.search(r"\schecked", tag):
            continue
        fields.setdefault(got["name"], []).append(got.get("value", ""))
    for name, options in re.findall(r'<select id="[^"]*" name="([^"]*)"[^>]*>(.*?)</select>', text, re.S):
        chosen = re.search(r'<option value="([^"]*)" selected', options)
        fields[name] = [chosen[1] if chosen else re.search(r'<option value="([^"]*)"', options)[1]]
    return fields


@pytest.mark.row("D20", "D13", "D14", "D15")
def test_pick_fill_in_save_and_edit(browser: Client, alice: User) -> None:
    page = browser.get(reverse("strategies:compose"), {"pick": ["catalogue:ma_crossover", "catalogue:momentum"]})
    assert page.status_code == 200
    sent = typed(page.content)
    assert sent["member"] == ["m0", "m1"]
    sent |= {"name": "Two of them", "m0.weight": "70", "m1.parameters.rsi_window": "9", "parameters.threshold": "0.7"}
    trend = next(key for key in sent["validator"] if sent[f"{key}.type"] == ["trend"])
    sent |= {f"{trend}.enabled": "true", f"{trend}.window": "50"}
    saved = browser.post(reverse("strategies:compose"), sent)
    row = selectors.for_user(alice).get()
    assert saved["Location"] == reverse("strategies:detail", args=[row.pk])
    parameters = row.parameters
    assert [member["weight"] for member in parameters["members"]] == [70.0, 50.0]
    assert parameters["members"][1]["parameters"]["rsi_window"] == 9
    assert [(entry["type"], entry["window"]) for entry in parameters["validators"]] == [("trend", 50)]
    assert parameters["validator_enabled"] is True
    shown = browser.get(saved["Location"]).content.decode()
    assert "Buys when at least 70 % of the weight says buy within 3 bars and the trend filter agrees." in shown

    assert browser.get(reverse("strategies:edit", args=[row.pk]))["Location"] == reverse(
        "strategies:compose-edit", args=[row.pk]
    )
    again = typed(browser.get(reverse("strategies:compose-edit", args=[row.pk])).content)
    unchanged = browser.post(reverse("strategies:compose-edit", args=[row.pk]), again)
    assert unchanged.status_code == 302
    row.refresh_from_db()
    assert row.parameters == parameters, "saved as it was shown, nothing changes"
    again["member"] = ["m1", "m0"]
    again.pop("m1.enabled")
    browser.post(reverse("strategies:compose-edit", args=[row.pk]), again)
    row.refresh_from_db()
    assert [member["strategy"] for member in row.parameters["members"]] == ["momentum", "ma_crossover"]
    assert [member["enabled"] for member in row.parameters["members"]] == [False, True]


@pytest.mark.row("D20", "N11")
def test_a_fault_stands_at_its_field_and_nothing_is_lost(browser: Client, alice: User) -> None:
    page = browser.get(reverse("strategies:compose"), {"pick": ["catalogue:ma_crossover", "catalogue:momentum"]})
    sent = typed(page.content) | {
        "name": "Kept <b>",
        "m0.weight": "many",
        "m1.parameters.rsi_oversold": "80",
        "m1.parameters.rsi_overbought": "70",
    }
    refused = browser.post(reverse("strategies:compose"), sent)
    assert refused.status_code == 400
    text = refused.content.decode()
    assert 'href="#f-m0-weight"' in text
    assert 'value="Kept &lt;b&gt;"' in text
    assert 'value="many"' in text
    second = browser.post(reverse("strategies:compose"), sent | {"m0.weight": "5"}).content.decode()
    assert 'href="#f-m1-parameters-rsi_oversold"' in second
    assert re.search(r'<details class="group" open>', second), "the parameters that hold the fault are open"
    assert not selectors.for_user(alice).exists()
    few = browser.post(reverse("strategies:compose"), sent | {"member": ["m0"], "m0.weight": "5"}).content.decode()
    assert "An ensemble has 2 to 12 members." in few


@pytest.mark.row("D20")
def test_the_live_check_says_what_it_does_and_what_is_wrong(browser: Client) -> None:
    page = browser.get(reverse("strategies:compose"), {"pick": ["catalogue:ma_crossover", "catalogue:momentum"]})
    assert "Buys when at least 50 % of the weight says buy within 3 bars." in page.content.decode()
    sent = typed(page.content) | {"m0.weight": "75", "m1.weight": "25", "parameters.vote": "unanimous"}
    told = browser.post(reverse("strategies:compose-check"), sent).content.decode()
    assert "Buys when all of its 2 members say buy within 3 bars." in told
    assert "Momentum 25.0 %" in told
    wrong = browser.post(reverse("strategies:compose-check"), sent | {"m1.weight": "-1"}).content.decode()
    assert re.search(r'id="f-m1-weight-error" hx-swap-oob="true">[^<]+out of range', wrong)
    assert re.search(r'id="f-m0-weight-error" hx-swap-oob="true"></span>', wrong)
    assert not selectors.for_user(User.objects.get(username="alice")).exists()


@pytest.mark.row("D20", "A5", "B16")
def test_what_may_be_picked(browser: Client, alice: User, bob: User) -> None:
    services.create(alice, name="Own one", strategy="momentum")
    services.create(bob, name="Bob's secret", strategy="momentum")
    shared = services.create(
        bob, name="For everybody", strategy="bollinger", is_public=True, parameters={"window": 33}, description="B"
    )
    custom = make_custom(alice, "My rules")
    text = browser.get(reverse("strategies:compose")).content.decode()
    options = text[text.index('id="f-pick"') : text.index("</select>", text.index('id="f-pick"'))]
    assert "Own one" in options
    assert "For everybody, by bob" in options
    assert "Bob&#x27;s secret" not in options
    assert "My rules" not in options, "not on this tier"
    part = browser.get(
        reverse("strategies:compose-member"), {"pick": f"saved:{shared.pk}", "key": "m7"}
    ).content.decode()
    assert 'name="m7.parameters.window" value="33"' in part
    for bad in (
        "saved:987654",
        "saved:x",
        "catalogue:no_such",
        "catalogue:ensemble",
        "catalogue:microstructure",
        "nothing",
        "",
        "catalogue:",
        f"saved:{10**30}",
    ):
        assert browser.get(reverse("strategies:compose-member"), {"pick": bad, "key": "m1"}).status_code == 404
    assert (
        browser.get(reverse("strategies:compose-member"), {"pick": "catalogue:momentum", "key": "x"}).status_code == 404
    )
    alice.tier_id = Tier.ENTERPRISE
    alice.save()
    assert "My rules" in browser.get(reverse("strategies:compose")).content.decode()
    rules = browser.get(reverse("strategies:compose"), {"pick": [f"custom:{custom.pk}", "catalogue:momentum"]})
    sent = typed(rules.content) | {"name": "With rules"}
    assert browser.post(reverse("strategies:compose"), sent).status_code == 302
    kept = selectors.for_user(alice).get(name="With rules").parameters["members"][0]
    assert kept["strategy"] == "conditions"
    assert kept["parameters"] == custom.parameters


@pytest.mark.row("D20")
def test_nested_ensembles_and_several_validators_survive_the_form(browser: Client, alice: User) -> None:
    inner = composing.compose(
        alice, name="Inner", members=[{"strategy": "momentum"}, {"strategy": "bollinger"}],
        parameters={"validators": [{"type": "liquidity"}, {"type": "trend", "enabled": False, "window": 77}]},
    )  # fmt: skip
    outer = composing.compose(
        alice,
        name="Outer",
        members=[{"saved_strategy_id": inner.pk}, {"strategy": "breakout", "timeframe": "1d", "enabled": False}],
        parameters={"validators": [{"type": "trend"}, {"type": "trend", "window": 20}, {"type": "regime", "adx": 30}]},
    )
    page = browser.get(reverse("strategies:compose-edit", args=[outer.pk]))
    before = outer.parameters
    assert browser.post(reverse("strategies:compose-edit", args=[outer.pk]), typed(page.content)).status_code == 302
    outer.refresh_from_db()
    assert outer.parameters == before


@pytest.mark.row("D20")
def test_a_backtest_starts_from_a_saved_ensemble(browser: Client, alice: User) -> None:
    row = composing.compose(alice, name="Both", members=[{"strategy": "momentum"}, {"strategy": "bollinger"}])
    text = browser.get(reverse("backtests:new"), {"saved": row.pk}).content.decode()
    hidden = re.search(r'name="strategy_parameters.members" value="([^"]*)"', text)
    assert hidden
    assert Ensemble.parse({"members": html.unescape(hidden[1])})["members"] == tuple(row.parameters["members"])


@pytest.mark.row("D20")
def test_an_ensemble_without_a_name_can_be_run_again(alice: User) -> None:
    parameters = {"members": [{"strategy": "momentum", "weight": 7}, {"strategy": "bollinger"}]}
    config = clean({"strategy": "ensemble", "strategy_parameters": parameters, "symbols": ["AAPL"]}).as_dict()
    form = BacktestForm.from_config(alice, config)
    assert "ensemble" in [choice["value"] for choice in form.strategy_choices]
    body, faults = form.payload()
    assert not faults
    assert body["strategy"] == "ensemble"
    assert body["strategy_parameters"] == config["strategy_parameters"]
    assert "ensemble" not in [
        choice["value"] for choice in BacktestForm(alice, {"strategy": "momentum"}).strategy_choices
    ]


def test_lists_cost_the_same_however_many_there_are(
    browser: Client, alice: User, bob: User, django_assert_max_num_queries
) -> None:
    for i in range(3):
        services.create(bob, name=f"Shared {i}", strategy="momentum", is_public=True, description="B")
        services.create(alice, name=f"Own {i}", strategy="momentum")
    with django_assert_max_num_queries(9):
        assert browser.get(reverse("strategies:compose")).status_code == 200
