"""The new-backtest form: checked while one types, kept after a refusal, sent once, filled in beforehand."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from accounts.models import User
from backtests.models import Backtest
from strategies import services as strategy_services

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
NEW = "/backtests/new/"


def run_button(page: Page) -> object:
    return page.get_by_role("button", name="Run backtest")


@pytest.mark.row("A8", "N6")
def test_errors_appear_while_typing_and_go_when_mended(
    visit: Callable[..., Page], alice: User, sample_data: None
) -> None:
    page = visit(alice)
    page.goto(NEW)
    fast = page.get_by_label("Fast window")
    fast.fill("0")
    error = page.locator("#f-strategy_parameters-fast_window-error")
    expect(error).to_contain_text("1 to 1000")
    expect(fast).to_have_attribute("aria-invalid", "true")
    fast.fill("12")
    expect(error).to_be_empty()
    expect(fast).not_to_have_attribute("aria-invalid", "true")
    # two fields against each other
    page.get_by_label("Slow window").fill("5")
    expect(page.locator(".field-error:not(:empty)")).not_to_have_count(0)
    # an empty symbol field is no error before Run was pressed
    expect(page.locator("#f-symbols-error")).to_be_empty()


@pytest.mark.row("A8")
def test_a_refusal_keeps_what_was_typed_and_names_the_field(
    visit: Callable[..., Page], alice: User, sample_data: None
) -> None:
    page = visit(alice)
    page.watcher.expect(400)
    page.goto(NEW)
    page.get_by_label("Mean reversion").check()
    window = page.get_by_label("Window", exact=False).first
    expect(page.locator("[name='parameters_of']")).to_have_value("mean_reversion")
    window.fill("33")
    page.get_by_label("Starting capital").fill("a lot")
    page.get_by_label("Symbols", exact=True).fill("IBM")
    page.get_by_label("Symbols", exact=True).press("Enter")
    run_button(page).click()
    expect(page.get_by_role("alert")).to_contain_text("not a number")
    expect(page.locator("#f-initial_capital-error")).to_contain_text("not a number")
    expect(page.get_by_label("Starting capital")).to_have_value("a lot")
    expect(page.get_by_label("Mean reversion")).to_be_checked()
    expect(page.get_by_label("Window", exact=False).first).to_have_value("33")
    expect(page.locator(".chip[data-symbol=IBM]")).to_be_visible()
    assert not Backtest.objects.exists()


def test_without_a_symbol_it_says_so(visit: Callable[..., Page], alice: User, sample_data: None) -> None:
    page = visit(alice)
    page.watcher.expect(400)
    page.goto(NEW)
    run_button(page).click()
    expect(page.locator("#f-symbols-error")).not_to_be_empty()
    expect(page.get_by_label("Symbols", exact=True)).to_have_attribute("aria-invalid", "true")


@pytest.mark.row("J11", "J12")
def test_presets_fill_the_settings_and_each_can_be_changed(
    visit: Callable[..., Page], alice: User, sample_data: None
) -> None:
    page = visit(alice)
    page.goto(NEW)
    expect(page.get_by_role("radio", name=re.compile("^Standard"))).to_be_checked()
    page.get_by_role("radio", name=re.compile("^Conservative")).check()
    expect(page.locator("[name=settings_of]")).to_have_value("conservative")
    expect(page.locator("summary", has_text="Stops and targets")).to_contain_text("stop loss 2 %, take profit 4 %")
    page.locator("summary", has_text="Stops and targets").click()
    stop = page.get_by_label("Stop loss", exact=False).first
    expect(stop).to_have_value("2")
    expect(page.get_by_label("Take profit", exact=False).first).to_have_value("4")
    page.get_by_label("Symbols", exact=True).fill("AAPL")
    page.get_by_label("Symbols", exact=True).press("Enter")
    stop.fill("3.5")
    run_button(page).click()
    page.wait_for_url(re.compile(r"/backtests/[0-9a-f-]{36}/$"))
    settings = Backtest.objects.get().settings
    assert (settings["stop_loss_pct"], settings["take_profit_pct"], settings["max_position_size_pct"]) == (3.5, 4, 5)


def test_unusual_settings_have_to_be_confirmed(visit: Callable[..., Page], alice: User, sample_data: None) -> None:
    page = visit(alice)
    page.watcher.expect(422)
    page.goto(f"{NEW}?symbol=AAPL")
    page.locator("summary", has_text="Position size").click()
    page.locator("#f-settings-position_size_value").fill("250")
    confirm = page.get_by_label("I mean it", exact=False)
    expect(confirm).to_be_visible()
    run_button(page).click()
    expect(page.get_by_label("I mean it", exact=False)).to_be_visible()
    assert not Backtest.objects.exists()
    expect(page.locator("#f-settings-position_size_value")).to_have_value("250")
    page.get_by_label("I mean it", exact=False).check()
    run_button(page).click()
    page.wait_for_url(re.compile(r"/backtests/[0-9a-f-]{36}/$"))
    assert Backtest.objects.get().settings["position_size_value"] == 250


def test_a_double_press_runs_once(visit: Callable[..., Page], alice: User, sample_data: None) -> None:
    page = visit(alice)
    page.goto(f"{NEW}?symbol=AAPL")
    run_button(page).dblclick()
    page.wait_for_url(re.compile(r"/backtests/[0-9a-f-]{36}/$"))
    assert Backtest.objects.count() == 1
    # and so do two requests that no script held back
    form = {"key": "the-same", "strategy": "buy_and_hold", "symbols": "IBM", "preset": "standard", "timeframe": "1d"}
    token = page.context.cookies()
    csrf = next(cookie["value"] for cookie in token if cookie["name"] == "csrftoken")
    for _ in range(2):
        answer = page.request.post(NEW, form=form, headers={"X-CSRFToken": csrf, "Referer": page.url})
        assert answer.ok
    assert Backtest.objects.filter(strategy="buy_and_hold").count() == 1


@pytest.mark.row("D19")
def test_it_comes_filled_in(
    visit: Callable[..., Page], alice: User, sample_data: None, run_now: Callable[..., Backtest]
) -> None:
    saved = strategy_services.create(alice, name="Mine", strategy="momentum", parameters={"rsi_window": 9})
    page = visit(alice)
    page.goto(f"{NEW}?saved={saved.pk}&symbol=MSFT")
    expect(page.get_by_label("Mine")).to_be_checked()
    expect(page.locator("#f-strategy_parameters-rsi_window")).to_have_value("9")
    expect(page.locator(".chip[data-symbol=MSFT]")).to_be_visible()

    earlier = run_now(alice, strategy="bollinger", settings={"stop_loss_pct": 7}, initial_capital=55_000)
    page.goto(reverse("backtests:detail", args=[earlier.pk]))
    page.get_by_role("link", name="Edit and run again").click()
    expect(page.get_by_label("Bollinger bands")).to_be_checked()
    expect(page.get_by_label("Starting capital")).to_have_value("55000")
    expect(page.get_by_label("First day")).to_have_value("2003-01-01")
    expect(page.locator("#f-settings-stop_loss_pct")).to_have_value("7")
    expect(page.locator(".chip[data-symbol=AAPL]")).to_be_visible()


@pytest.mark.row("A3", "N6")
def test_the_tier_limit_is_said_in_words(visit: Callable[..., Page], alice: User, sample_data: None) -> None:
    page = visit(alice)
    page.watcher.expect(403)
    for number in range(alice.tier.max_concurrent_backtests + 1):
        page.goto(f"{NEW}?symbol=AAPL")
        page.get_by_label("Last day", exact=True).fill(f"2010-01-0{number + 1}")
        run_button(page).click()
        page.wait_for_load_state()
    expect(page.get_by_role("alert")).to_contain_text(str(alice.tier.max_concurrent_backtests))
    expect(page.locator(".chip[data-symbol=AAPL]")).to_be_visible()
    assert Backtest.objects.count() == alice.tier.max_concurrent_backtests


def test_a_strategy_made_elsewhere_is_not_offered(
    visit: Callable[..., Page], alice: User, bob: User, sample_data: None
) -> None:
    theirs = strategy_services.create(bob, name="Bob's own", strategy="momentum", parameters={})
    page = visit(alice)
    page.goto(f"{NEW}?saved={theirs.pk}")
    expect(page.get_by_label("Moving-average crossover")).to_be_checked()
    assert "Bob's own" not in page.content()


def test_the_example_of_the_first_visit(
    visit: Callable[..., Page], alice: User, sample_data: None, backtest_worker: subprocess.Popen[bytes]
) -> None:
    page = visit(alice)
    page.goto("/")
    page.get_by_role("button", name="Show me").click()
    expect(page.get_by_text("Total return").first).to_be_visible()
    page.goto("/")
    page.get_by_role("button", name="Show me").click()
    expect(page.get_by_text("Total return").first).to_be_visible()
    assert Backtest.objects.count() == 1
