"""Bot templates: the ready-made ones are valid today, bots can be kept as templates, shared and used."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Tier, User
from bots import services, templates_of_bots
from bots.models import Bot, BotTemplate, TradingSession
from bots.selectors import templates as reads
from bots.services import bot_requests
from bots.templates_of_bots import Template
from engine.errors import InputError
from strategies import catalogue, session_settings
from tests.backtests.conftest import sample_data  # noqa: F401
from tests.bots.factories import make_bot
from tradingsite.lib.errors import Conflict, NotFound

URL = "/api/bots/templates"
WORDS = {"for_whom": "Friends", "does": "Buys dips", "loses": "In every crash", "risk": "high"}
KEEP = {"name": "Mine", **WORDS}


@pytest.fixture
def browser(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


@pytest.mark.row("D21")
def test_there_are_enough_and_each_says_when_it_loses() -> None:
    found = templates_of_bots.all()
    assert len(found) >= 10
    assert len({one.name for one in found}) == len(found)
    for one in found:
        assert min(len(one.for_whom), len(one.does), len(one.loses)) > 20, one.slug
    assert {one.risk for one in found} == set(templates_of_bots.RISKS)
    assert len({one.kind for one in found}) >= 4


@pytest.mark.row("D20", "D21")
@pytest.mark.usefixtures("sample_data")
@pytest.mark.parametrize("template", [pytest.param(t, id=t.slug) for t in templates_of_bots.all()])
def test_each_is_valid_today_and_makes_a_bot_that_starts(alice: User, template: Template) -> None:
    columns = bot_requests.clean(alice, template.request())
    for name, value in template.config["strategy_parameters"].items():
        assert columns["strategy_parameters"][name] == value, name
    rules = session_settings.clean(columns["settings"])
    assert session_settings.cautions(rules, calendar="24/7") == [], "nothing that has to be confirmed"
    assert not columns["settings"].get("allow_short") or catalogue.get(columns["strategy"]).allows_short
    bot = services.templates.use(alice, template.slug)
    session, new = services.bots.start(alice, bot.pk)
    assert new
    assert (session.mode, session.symbols) == ("PAPER", template.config["symbols"])


@pytest.mark.row("D20")
def test_a_template_is_registered_under_a_slug_of_its_own(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bots.templates_of_bots.declared._registry", {})
    config = {"symbols": ["SIM-ALPHA"], "strategy": "momentum"}
    fields: dict[str, Any] = {"for_whom": "Me", "does": "Runs", "loses": "Often", "risk": "low", "config": config}
    mine = templates_of_bots.register(Template(slug="my-own", name="My own", **fields))
    assert templates_of_bots.all() == [mine]
    assert reads.template(alice, "my-own").strategy == "Momentum"
    assert services.templates.use(alice, "my-own").strategy == "momentum"
    with pytest.raises(ValueError, match="taken"):
        templates_of_bots.register(Template(slug="my-own", name="Another", **fields))
    with pytest.raises(ValueError, match="no slug"):
        templates_of_bots.register(Template(slug="saved-1", name="A", **fields))
    with pytest.raises(ValueError, match="loses"):
        templates_of_bots.register(Template(slug="silent", name="A", **{**fields, "loses": " "}))
    with pytest.raises(InputError, match="no template"):
        templates_of_bots.get("silent")


@pytest.mark.row("D21")
def test_the_list_and_using_one_by_the_api(api, alice: User) -> None:
    caller = api(alice)
    listed = caller.get(f"{URL}?limit=100").json()
    assert listed["count"] == len(templates_of_bots.all())
    assert {"slug", "name", "for_whom", "does", "loses", "kind", "risk", "config"} <= set(listed["results"][0])
    bold = caller.get(f"{URL}?risk=high&limit=100").json()["results"]
    assert bold
    assert {row["risk"] for row in bold} == {"high"}
    assert [row["slug"] for row in caller.get(f"{URL}?q=dip buyer").json()["results"]] == ["dip-buyer"]
    assert caller.get(f"{URL}?risk=none").status_code == 400
    one = caller.get(f"{URL}/dip-buyer").json()
    assert one["config"]["strategy"] == "mean_reversion"

    made = caller.post(f"{URL}/dip-buyer/use", {}, format="json")
    assert made.status_code == 201, made.json()
    assert made["Location"] == f"/api/bots/{made.json()['id']}"
    assert (made.json()["name"], made.json()["settings"]["stop_loss_pct"]) == ("Dip buyer", 2)
    again = caller.post(f"{URL}/dip-buyer/use", {"capital": 500, "symbols": ["SIM-DELTA"]}, format="json").json()
    assert (again["name"], again["symbols"]) == ("Dip buyer (copy)", ["SIM-DELTA"])
    assert float(again["capital"]) == 500
    other = caller.post(f"{URL}/dip-buyer/use", {"strategy": "momentum", "name": "Other"}, format="json").json()
    assert other["strategy_parameters"]["momentum_window"] == 10
    taken = caller.post(f"{URL}/dip-buyer/use", {"name": "Dip buyer"}, format="json")
    assert (taken.status_code, taken.json()["errors"][0]["path"]) == (409, "name")
    wrong = caller.post(f"{URL}/dip-buyer/use", {"capital": -1}, format="json")
    assert (wrong.status_code, wrong.json()["errors"][0]["path"]) == (400, "capital")
    assert caller.post(f"{URL}/nothing-like-it/use", {}, format="json").status_code == 404


@pytest.mark.row("D21", "A5")
def test_a_bot_is_kept_shared_and_copied_without_its_secrets(api, alice: User, bob: User) -> None:
    bot = make_bot(
        alice, name="Hers", strategy_parameters={"fast_window": 7, "slow_window": 21}, settings={"stop_loss_pct": 4.0}
    )
    services.secrets.put(alice, bot.pk, {"api_key": "AK-very-secret", "secret_key": "SK-very-secret"})
    hers, his = api(alice), api(bob)
    kept = hers.post(URL, {"bot_id": bot.pk, **KEEP}, format="json")
    assert kept.status_code == 201, kept.json()
    address = kept["Location"]
    assert (kept.json()["origin"], kept.json()["is_shared"]) == ("own", False)
    assert "secret" not in kept.content.decode()
    assert "AK-" not in str(BotTemplate.objects.values().get())

    assert his.get(address).status_code == 404, "private"
    assert his.post(f"{address}/use", {}, format="json").status_code == 404
    assert his.get(f"{URL}?origin=shared").json()["count"] == 0
    assert hers.patch(address, {"is_shared": True}, format="json").status_code == 200
    seen = his.get(address).json()
    assert (seen["origin"], seen["owner"], seen["loses"]) == ("shared", "alice", "In every crash")
    assert [row["name"] for row in his.get(f"{URL}?origin=shared").json()["results"]] == ["Mine"]
    for method in ("patch", "delete"):
        assert getattr(his, method)(address, {"name": "Taken over"}, format="json").status_code == 404

    made = his.post(f"{address}/use", {}, format="json").json()
    copy = Bot.objects.get(pk=made["id"])
    assert (copy.owner, copy.strategy_parameters["fast_window"], copy.settings) == (bob, 7, {"stop_loss_pct": 4.0})
    hers.post(f"{address}/use", {}, format="json")
    assert hers.get(address).json()["uses"] == 1, "the owner's own bots are not counted"
    assert hers.delete(address).status_code == 204
    assert Bot.objects.filter(pk=copy.pk).exists()


@pytest.mark.row("A8")
@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"name": ""}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"does": "x" * 501}, "does"),
        ({"risk": "none"}, "risk"),
        ({"is_shared": "yes"}, "is_shared"),
        ({"is_shared": True, "loses": ""}, "loses"),
        ({"bot_id": "1"}, "bot_id"),
        ({"owner": 3}, "owner"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named(api, alice: User, changes: dict[str, Any], path: str) -> None:
    bot = make_bot(alice)
    answer = api(alice).post(URL, {"bot_id": bot.pk, **KEEP, **changes}, format="json")
    assert answer.status_code == 400
    assert path in [fault["path"] for fault in answer.json()["errors"]]
    assert not BotTemplate.objects.exists()


@pytest.mark.row("D21")
def test_names_are_ones_own_once_and_there_is_a_limit(alice: User, bob: User, monkeypatch: pytest.MonkeyPatch) -> None:
    bot = make_bot(alice)
    services.templates.save(alice, bot.pk, KEEP)
    with pytest.raises(Conflict, match="of that name"):
        services.templates.save(alice, bot.pk, KEEP)
    services.templates.save(bob, make_bot(bob).pk, KEEP)
    with pytest.raises(NotFound):
        services.templates.save(bob, bot.pk, {"name": "Of her bot"})
    monkeypatch.setattr("bots.services.templates.MAX_TEMPLATES", 1)
    with pytest.raises(Conflict, match="Delete one first"):
        services.templates.save(alice, bot.pk, {**KEEP, "name": "One more"})


@pytest.mark.row("D21", "A4")
def test_conditions_in_a_template_need_the_tier_that_has_them(alice: User, bob: User) -> None:
    tree = {"type": "compare", "left": {"price": "close"}, "condition": "above", "right": {"value": 1}}
    User.objects.filter(pk=alice.pk).update(tier=Tier.PREMIUM)
    alice.refresh_from_db()
    request = {"name": "Tree", "symbols": ["SIM-ALPHA"], "strategy": "conditions", "strategy_parameters": {"buy": tree}}
    bot = services.bots.create(alice, request)
    row = services.templates.save(alice, bot.pk, {**KEEP, "is_shared": True})
    with pytest.raises(Exception, match="not part of tier") as refused:
        services.templates.use(bob, reads.key_of(row))
    assert refused.value.status == 403
    assert services.templates.use(alice, reads.key_of(row)).strategy_parameters == bot.strategy_parameters


@pytest.mark.row("D21")
def test_pages_list_use_keep_change_and_delete(browser: Client, alice: User) -> None:
    page = browser.get(reverse("bots:templates")).content.decode()
    for one in templates_of_bots.all():
        assert one.name in page
    assert "Dip buyer" not in browser.get(reverse("bots:templates"), {"risk": "low"}).content.decode()
    assert "Nothing matches" in browser.get(reverse("bots:templates"), {"q": "no such words"}).content.decode()
    used = browser.post(reverse("bots:template-use", args=["first-steps"]))
    bot = Bot.objects.get(owner=alice)
    assert used["Location"] == reverse("bots:edit", args=[bot.pk])
    form = browser.get(used["Location"]).content.decode()
    assert 'value="First steps"' in form
    assert not TradingSession.objects.exists(), "nothing starts by itself"

    keep = reverse("bots:template-save", args=[bot.pk])
    assert 'value="First steps"' in browser.get(keep).content.decode()
    refused = browser.post(keep, {**KEEP, "loses": "", "is_shared": "true"})
    assert refused.status_code == 400
    assert 'href="#f-loses"' in refused.content.decode()
    assert browser.post(keep, KEEP)["Location"] == reverse("bots:templates")
    row = BotTemplate.objects.get()
    change = reverse("bots:template-change", args=[reads.key_of(row)])
    assert 'value="Buys dips"' in browser.get(change).content.decode()
    browser.post(change, {**KEEP, "name": "<b>Renamed</b>", "is_shared": "true"})
    row.refresh_from_db()
    assert (row.name, row.is_shared) == ("<b>Renamed</b>", True)
    assert "<b>Renamed" not in browser.get(reverse("bots:templates")).content.decode()
    browser.post(reverse("bots:template-delete", args=[reads.key_of(row)]))
    assert not BotTemplate.objects.exists()


def test_the_page_reads_few_rows_however_many_are_kept(
    browser: Client, alice: User, bob: User, django_assert_num_queries
) -> None:
    bot = make_bot(bob)
    for number in range(30):
        services.templates.save(bob, bot.pk, {**KEEP, "name": f"Number {number}", "is_shared": True})
    with django_assert_num_queries(6):  # login 2, bell, badge, inbox, templates
        assert browser.get(reverse("bots:templates")).status_code == 200
