"""The pages of strategies, as a browser gets and sends them."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Tier, User
from strategies import catalogue, selectors, services
from strategies.models import UserStrategy

PAGES = ("strategies:list", "strategies:gallery", "strategies:public", "strategies:new")


@pytest.fixture
def browser(alice: User) -> Client:
    client = Client()
    client.force_login(alice)
    return client


@pytest.fixture
def hers(alice: User) -> UserStrategy:
    return services.create(
        alice, name="Slow <b>crossing</b>", strategy="ma_crossover", parameters={"fast_window": 20, "slow_window": 60}
    )


def typed(page: bytes) -> dict[str, str | list[str]]:
    """What a browser would send back of a form page: every input's value, ticked boxes, chosen options."""
    text = page.decode()
    text = text[text.index('<form method="post" class="stack"') :]
    fields: dict[str, str | list[str]] = {}
    for tag in re.findall(r"<input [^>]*>", text):
        got = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        if "name" not in got or got.get("type") == "range":
            continue
        if got.get("type") == "checkbox":
            if " checked" in tag:
                fields.setdefault(got["name"], [])
                fields[got["name"]] = [*fields[got["name"]], got["value"]]
        else:
            fields[got["name"]] = got.get("value", "")
    for name, body in re.findall(r'<select [^>]*name="([^"]+)"[^>]*>(.*?)</select>', text, re.S):
        chosen = re.search(r'<option value="([^"]*)" selected', body)
        fields[name] = chosen[1] if chosen else re.search(r'value="([^"]*)"', body)[1]
    fields.pop("csrfmiddlewaretoken", None)
    return fields


@pytest.mark.row("A5")
def test_pages_want_a_login(db: None, hers: UserStrategy) -> None:
    addresses = [reverse(name) for name in PAGES]
    addresses += [reverse("strategies:detail", args=[hers.pk]), reverse("strategies:entry", args=["bollinger"])]
    for address in addresses:
        answer = Client().get(address)
        assert answer.status_code == 302
        assert "/accounts/login" in answer["Location"]


@pytest.mark.row("D3", "D4", "D5", "D6", "D7", "D9", "D19")
def test_the_catalogue_is_shown_with_a_way_to_run_each(browser: Client) -> None:
    page = browser.get(reverse("strategies:list"))
    assert page.status_code == 200
    for declared in catalogue.listed():
        assert declared.label in page.content.decode().replace("&amp;", "&")
        runs = f'href="{reverse("backtests:new")}?strategy={declared.slug}"' in page.content.decode()
        assert runs == (not declared.unavailable()), "what needs data that nobody has cannot be run"
        entry = browser.get(reverse("strategies:entry", args=[declared.slug])).content.decode()
        for param in declared.params.values():
            assert param.help.replace("'", "&#x27;") in entry
            assert param.name in entry
    assert browser.get(reverse("strategies:entry", args=["nonsense"])).status_code == 404


@pytest.mark.row("E1")
def test_what_people_build_themselves_is_not_offered_among_what_ships(browser: Client) -> None:
    unlisted = [declared for declared in catalogue.all() if not declared.listed]
    assert "conditions" in {declared.slug for declared in unlisted}
    for address in (reverse("strategies:list"), reverse("backtests:new")):
        page = browser.get(address).content.decode()
        assert not any(f'"{declared.slug}"' in page or f"={declared.slug}" in page for declared in unlisted)
    for declared in unlisted:
        entry = browser.get(reverse("strategies:entry", args=[declared.slug]))
        assert declared.describe()[:40].replace("'", "&#x27;") in entry.content.decode()


@pytest.mark.row("D19", "B15")
@pytest.mark.parametrize("declared", [pytest.param(d, id=d.slug) for d in catalogue.listed()])
def test_the_form_comes_from_the_declaration_and_saves(browser: Client, alice: User, declared: type) -> None:
    address = reverse("strategies:new")
    page = browser.get(address, {"strategy": declared.slug})
    sent = typed(page.content)
    assert {name for name in sent if name.startswith("parameters.")} == {
        f"parameters.{name}" for name, param in declared.params.items() if param.type != "bool" or param.default
    }, "a box that is not ticked is not sent"
    answer = browser.post(address, {**sent, "name": "From the form"})
    row = selectors.for_user(alice).get()
    assert answer["Location"] == reverse("strategies:detail", args=[row.pk])
    assert row.parameters == declared().parameters, "an untouched form saves the defaults"
    assert row.settings == {}
    shown = browser.get(answer["Location"]).content.decode()
    assert "From the form" in shown
    assert f'href="{reverse("backtests:new")}?saved={row.pk}"' in shown


@pytest.mark.row("D19", "A8")
def test_what_was_typed_is_kept_when_it_is_refused(browser: Client, alice: User) -> None:
    address = reverse("strategies:new")
    sent = typed(browser.get(address, {"strategy": "ma_crossover"}).content)
    wrong = {
        **sent,
        "name": "Kept",
        "parameters.fast_window": "many",
        "settings.stop_loss_pct": "-3",
        "settings.trading_hours_start": "25:00",
    }
    answer = browser.post(address, wrong)
    assert answer.status_code == 400
    page = answer.content.decode()
    for kept in ('value="Kept"', 'value="many"', 'value="-3"', 'value="25:00"'):
        assert kept in page
    assert page.count('aria-invalid="true"') == 3
    assert not selectors.for_user(alice).exists()


@pytest.mark.row("D19")
def test_edit_changes_only_what_was_changed(browser: Client, hers: UserStrategy) -> None:
    address = reverse("strategies:edit", args=[hers.pk])
    sent = typed(browser.get(address).content)
    assert sent["parameters.fast_window"] == "20"
    browser.post(
        address,
        {
            **sent,
            "settings.stop_loss_pct": "2.5",
            "is_public": "true",
            "description": "Slow",
            "settings.trading_days": ["TUE"],
        },
    )
    hers.refresh_from_db()
    assert hers.parameters["fast_window"] == 20
    assert hers.settings == {"stop_loss_pct": 2.5, "trading_days": ["TUE"]}
    assert hers.is_public
    again = typed(browser.get(address).content)
    assert (again["settings.stop_loss_pct"], again["settings.trading_days"]) == ("2.5", ["TUE"])
    browser.post(
        address, {**again, "settings.stop_loss_pct": "", "settings.trading_days": ["MON", "TUE", "WED", "THU", "FRI"]}
    )
    hers.refresh_from_db()
    assert hers.settings == {}


@pytest.mark.row("B16", "D19")
def test_public_strategies_can_be_looked_at_and_copied(browser: Client, alice: User, bob: User) -> None:
    his = services.create(bob, name="His bands", strategy="bollinger", is_public=True, description="Wide & calm")
    services.create(bob, name="His secret", strategy="bollinger")
    old = browser.get(reverse("strategies:public"), {"type": "trend"})
    assert old["Location"] == reverse("strategies:gallery") + "?kind=trend", "where the list was before"
    page = browser.get(reverse("strategies:gallery")).content.decode()
    assert "His bands" in page
    assert "His secret" not in page
    assert "His bands" not in browser.get(old["Location"]).content.decode()
    look = browser.get(reverse("strategies:detail", args=[his.pk])).content.decode()
    assert "Wide &amp; calm" in look
    assert reverse("strategies:edit", args=[his.pk]) not in look
    assert reverse("strategies:delete", args=[his.pk]) not in look
    answer = browser.post(reverse("strategies:copy", args=[his.pk]))
    mine = selectors.for_user(alice).get()
    assert answer["Location"] == reverse("strategies:edit", args=[mine.pk])
    assert (mine.name, mine.is_public) == ("His bands (copy)", False)


@pytest.mark.row("A5")
def test_another_users_strategy_is_not_there(browser: Client, bob: User) -> None:
    his = services.create(bob, name="His", strategy="bollinger")
    for name, method in (("detail", "get"), ("edit", "get"), ("edit", "post"), ("copy", "post"), ("delete", "post")):
        address = reverse(f"strategies:{name}", args=[his.pk])
        assert getattr(browser, method)(address).status_code == 404, name
    assert selectors.for_user(bob).exists()
    services.update(bob, his.pk, {"is_public": True, "description": "Bands"})
    for name in ("edit", "delete"):
        assert browser.post(reverse(f"strategies:{name}", args=[his.pk])).status_code == 404


@pytest.mark.row("D19")
def test_delete_asks_first_and_needs_a_post(browser: Client, alice: User, hers: UserStrategy) -> None:
    address = reverse("strategies:delete", args=[hers.pk])
    page = browser.get(reverse("strategies:detail", args=[hers.pk])).content.decode()
    asking = re.search(rf'<form method="post" action="{address}"[^>]*>', page)[0]
    assert 'data-confirm="' in asking
    assert "&lt;b&gt;" in asking, "a name is text, never markup"
    assert "<b>crossing" not in page
    assert browser.get(address).status_code == 405
    assert browser.post(address)["Location"] == reverse("strategies:list")
    assert not selectors.for_user(alice).exists()


@pytest.mark.row("A2")
def test_the_tiers_limit_is_said_on_the_form(browser: Client, alice: User, hers: UserStrategy) -> None:
    Tier.objects.filter(code=Tier.FREE).update(max_saved_strategies=1)
    sent = typed(browser.get(reverse("strategies:new")).content)
    answer = browser.post(reverse("strategies:new"), {**sent, "name": "One more"})
    assert answer.status_code == 403
    assert "1 saved strategies" in answer.content.decode()
    assert 'value="One more"' in answer.content.decode()


def test_a_strategy_that_is_no_longer_shipped_can_be_read_and_deleted(browser: Client, hers: UserStrategy) -> None:
    UserStrategy.objects.filter(pk=hers.pk).update(strategy="gone")
    page = browser.get(reverse("strategies:detail", args=[hers.pk]))
    assert page.status_code == 200
    assert "no longer ships" in page.content.decode()
    assert browser.get(reverse("strategies:list")).status_code == 200
    assert browser.post(reverse("strategies:delete", args=[hers.pk])).status_code == 302


@pytest.mark.django_db
def test_pages_read_few_rows_however_many_are_saved(
    browser: Client, alice: User, django_assert_max_num_queries
) -> None:
    Tier.objects.filter(code=Tier.FREE).update(max_saved_strategies=None)
    for n in range(30):
        services.create(alice, name=f"number {n}", strategy="momentum", is_public=True, description="Fast")
    for name in ("strategies:list", "strategies:gallery"):
        with django_assert_max_num_queries(7):
            assert browser.get(reverse(name)).status_code == 200
