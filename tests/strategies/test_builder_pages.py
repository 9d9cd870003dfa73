"""Pages of custom strategies and the forms that offer them, as a browser gets and sends them."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from bots.forms import BotForm, SessionForm
from bots.models import Bot
from bots.services import bots as bot_services
from strategies import indicators
from strategies.models import CustomStrategy
from strategies.services import custom
from tests.strategies.trees import ABOVE_SMA, RSI_LOW, make_custom

OWN_ACTIONS = ("custom-edit", "custom-publish", "custom-withdraw", "custom-switch", "custom-delete")


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def shown(client: Client, name: str, *args: Any, query: str = "") -> str:
    answer = client.get(reverse(f"strategies:{name}", args=args) + query)
    assert answer.status_code == 200
    return html.unescape(answer.content.decode())


def data_of(client: Client, name: str, *args: Any) -> dict[str, Any]:
    page = client.get(reverse(f"strategies:{name}", args=args)).content.decode()
    return json.loads(re.search(r'<script id="builder-data"[^>]*>(.*?)</script>', page, re.S)[1])


@pytest.mark.row("E6", "N7")
def test_the_builder_is_drawn_from_the_declarations(premium: User) -> None:
    data = data_of(signed_in(premium), "custom-new")
    declared = {indicator.name: indicator for indicator in indicators.all()}
    assert {sent["name"] for sent in data["indicators"]} == set(declared)
    for sent in data["indicators"]:
        own = declared[sent["name"]]
        assert [output["name"] for output in sent["outputs"]] == list(own.outputs)
        assert [(p["name"], p["min"], p["max"], p["default"]) for p in sent["params"]] == [
            (p.name, getattr(p, "min", None), getattr(p, "max", None), p.json(p.default)) for p in own.params.values()
        ]
    assert data["strategy"] is None
    assert data["may_save"]
    assert not data["read_only"]


@pytest.mark.row("A4")
def test_a_tier_without_them_is_told_so(alice: User) -> None:
    row = make_custom(alice)  # from when the tier had them
    client = signed_in(alice)
    assert not data_of(client, "custom-new")["may_save"]
    for page in (shown(client, "custom-new"), shown(client, "custom"), shown(client, "custom-detail", row.pk)):
        assert "they need Premium or Enterprise" in page
        assert reverse("accounts:settings") in page
    answer = client.post(reverse("strategies:custom-copy", args=[row.pk]))
    assert answer.status_code == 403
    assert CustomStrategy.objects.count() == 1
    assert f'value="custom:{row.pk}"' not in client.get(reverse("backtests:new")).content.decode()


@pytest.mark.row("A5")
def test_another_users_is_not_there_until_it_is_public(premium: User, bob: User) -> None:
    row = make_custom(premium)
    client = signed_in(bob)
    for name in ("custom-detail", "custom-conditions"):
        assert client.get(reverse(f"strategies:{name}", args=[row.pk])).status_code == 404
    assert client.post(reverse("strategies:custom-copy", args=[row.pk])).status_code == 404
    custom.update(premium, row.pk, {"is_public": True, "description": "Bounces"})
    assert "alice" in shown(client, "custom-detail", row.pk)
    assert data_of(client, "custom-conditions", row.pk)["read_only"]
    assert client.get(reverse("strategies:custom-edit", args=[row.pk])).status_code == 404
    for name in OWN_ACTIONS[1:]:
        assert client.post(reverse(f"strategies:{name}", args=[row.pk])).status_code == 404
    assert row.name not in shown(client, "custom")


def test_it_is_shared_switched_copied_and_deleted(premium: User) -> None:
    row = make_custom(premium, name="Mine & yours")
    client = signed_in(premium)

    def post(name: str, **sent: str) -> CustomStrategy:
        answer = client.post(reverse(f"strategies:{name}", args=[row.pk]), sent)
        assert answer.status_code == 302
        return CustomStrategy.objects.get(pk=row.pk)

    assert post("custom-publish", description="Bounces").is_public
    assert post("custom-publish", description="Bounces").is_public
    assert "Take out of the gallery" in shown(client, "custom-detail", row.pk)
    assert not post("custom-withdraw").is_public
    assert not post("custom-switch", is_active="false").is_active
    assert "Run a backtest" not in shown(client, "custom-detail", row.pk)
    assert f'value="custom:{row.pk}"' not in client.get(reverse("backtests:new")).content.decode()
    assert post("custom-switch", is_active="true").is_active
    assert "Run a backtest" in shown(client, "custom-detail", row.pk)
    post("custom-copy")
    assert set(premium.custom_strategies.values_list("name", flat=True)) == {"Mine & yours", "Mine & yours (copy)"}
    client.post(reverse("strategies:custom-delete", args=[row.pk]))
    assert premium.custom_strategies.get().name == "Mine & yours (copy)"


def test_what_was_measured_stands_on_its_page(premium: User) -> None:
    row = make_custom(premium, check_state=CustomStrategy.Check.FAILED, check_reason="signals differ at bar 7.")
    page = shown(signed_in(premium), "custom-detail", row.pk)
    assert "failed its check" in page
    assert "signals differ at bar 7." in page
    assert "Buy when RSI(14) is below 35" in page
    assert "Run a backtest" not in page
    assert "Start a session" not in page
    CustomStrategy.objects.update(check_state="ok", check_reason="", warmup=21, measured_warmup=19)
    page = shown(signed_in(premium), "custom-detail", row.pk)
    assert "sees no future" in page
    assert "<dd>21</dd>" in page
    assert "<dd>19</dd>" in page


@pytest.mark.row("E5")
def test_forms_of_runs_offer_it(premium: User) -> None:
    row = make_custom(premium)
    client = signed_in(premium)
    for name in ("backtests:new", "bots:new-session", "bots:new"):
        page = html.unescape(client.get(f"{reverse(name)}?custom={row.pk}").content.decode())
        assert f'value="custom:{row.pk}" checked' in page
        assert "Buy when RSI(14) is below 35" in page
        for nobodys in ("999999", "9" * 5_000, "x"):
            assert client.get(f"{reverse(name)}?custom={nobodys}").status_code == 200
    part = client.get(reverse("backtests:form-part"), {"strategy": f"custom:{row.pk}"}).content.decode()
    assert "Sell when RSI(14) is above 60" in part


@pytest.mark.row("E5")
def test_a_session_runs_again_as_it_was(premium: User) -> None:
    row = make_custom(premium)
    bot = bot_services.create(
        premium, {"name": "B", "capital": 1_000, "symbols": ["SIM-ALPHA"], "custom_strategy_id": row.pk}
    )
    assert BotForm.from_bot(premium, bot).values["strategy"] == f"custom:{row.pk}"
    row.delete()
    bot.refresh_from_db()
    form = BotForm.from_bot(premium, bot)
    assert form.values["strategy"] == "conditions"
    assert form.earlier_conditions
    assert form.sentences == ["Buy when RSI(14) is below 35", "Sell when RSI(14) is above 60"]
    body, faults = form.payload()
    assert not faults
    assert body["strategy_parameters"]["buy"] == RSI_LOW
    assert not SessionForm(premium, {"strategy": "momentum"}).earlier_conditions


@pytest.mark.row("C13")
def test_a_bot_with_indicator_rules_keeps_them_through_its_form(alice: User) -> None:
    rules = {"RSI": {"period": 14, "oversold": 30, "overbought": 70}}
    bot = bot_services.create(alice, {"name": "Rules", "capital": 1_000, "symbols": ["SIM-ALPHA"], "indicators": rules})
    client = signed_in(alice)
    address = reverse("bots:edit", args=[bot.pk])
    page = client.get(address).content.decode()
    assert "Buy when RSI(14) is below 30" in page
    hidden = {
        name: html.unescape(value)
        for name, value in re.findall(r'<input type="hidden" name="([\w.]+)" value="([^"]*)"', page)
    }
    del hidden["settings_of"]  # the settings are left as the preset has them
    sent = {**hidden, "name": "Rules, renamed", "capital": "1000", "symbols": "SIM-ALPHA", "timeframe": "1m"}
    sent |= {"strategy": "conditions", "preset": "standard", "feed": "synthetic", "run": "manual"}
    sent |= {"trading_frequency": "60", "stop_policy": "flatten"}
    answer = client.post(address, sent)
    assert answer.status_code == 302, re.findall(r'class="field-error"[^>]*>([^<]+)', answer.content.decode())
    bot = Bot.objects.get()
    assert (bot.name, bot.indicators) == ("Rules, renamed", rules)
    # other conditions in their place are not theirs to run on this tier
    sent["strategy_parameters.buy"] = json.dumps(ABOVE_SMA)
    refused = client.post(address, sent)
    assert refused.status_code == 400
    assert b"they need Premium or Enterprise" in refused.content


def test_the_search_finds_own_strategies(premium: User, bob: User) -> None:
    make_custom(premium, name="Deep dips")
    make_custom(bob, name="Deep dives")
    found = signed_in(premium).get(reverse("strategies:palette"), {"q": "deep"}).json()["results"]
    assert [(one["label"], one["kind"]) for one in found] == [("Deep dips", "Custom strategy")]
    assert signed_in(premium).get(reverse("strategies:palette"), {"q": ""}).json() == {"results": []}


def test_pages_ask_the_database_a_fixed_number_of_times(premium: User, django_assert_max_num_queries: Any) -> None:
    client = signed_in(premium)
    row = make_custom(premium)
    for number in range(12):
        make_custom(premium, name=f"Another {number}")
    for name, args, most in (("custom", (), 8), ("custom-new", (), 6), ("custom-detail", (row.pk,), 7)):
        with django_assert_max_num_queries(most):
            assert client.get(reverse(f"strategies:{name}", args=args)).status_code == 200
