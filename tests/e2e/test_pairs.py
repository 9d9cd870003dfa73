"""A pair from the form to its result: its two symbols, what it asks of the settings, its legs as one trade."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from accounts.models import User
from backtests.models import Backtest

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.row("D10", "A8")
def test_the_form_asks_for_two_symbols_and_for_short_selling(
    visit: Callable[..., Page], alice: User, sample_data: None
) -> None:
    page = visit(alice)
    page.watcher.expect(400)
    page.goto("/backtests/new/")
    page.get_by_label("Pairs trading").check()
    expect(page.get_by_text("It trades 2 symbols together.")).to_be_visible()
    symbols = page.get_by_label("Symbols", exact=True)
    symbols.fill("IBM")
    symbols.press("Enter")
    expect(page.locator("#f-symbols-error")).to_contain_text("trades 2 symbols together, not 1")
    symbols.fill("MSFT")
    symbols.press("Enter")
    expect(page.locator("#f-symbols-error")).to_be_empty()
    page.get_by_role("button", name="Run backtest").click()
    short = page.get_by_label("Short selling")
    expect(page.get_by_role("alert")).to_contain_text("sells one leg short")
    page.get_by_role("alert").get_by_role("link", name=re.compile("sells one leg short")).click()
    expect(short).to_be_visible()
    short.check()
    page.get_by_role("button", name="Run backtest").click()
    page.wait_for_url(re.compile(r"/backtests/[0-9a-f-]{36}/$"))
    assert Backtest.objects.get().symbols == ["IBM", "MSFT"]


@pytest.mark.row("D10", "N6")
@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (390, "dark")])
def test_the_legs_stand_as_one_trade(
    visit: Callable[..., Page], alice: User, run_now: Callable[..., Backtest], width: int, theme: str
) -> None:
    backtest = run_now(
        alice,
        strategy="pairs",
        symbols=["MSFT", "IBM"],
        strategy_parameters={"max_p": 0},
        settings={"allow_short": True},
    )
    page = visit(alice, width=width, theme=theme)
    page.goto(reverse("backtests:detail", args=[backtest.pk]))
    page.wait_for_load_state("networkidle")
    section = page.locator("#spread-trades")
    expect(section.get_by_role("heading")).to_contain_text(re.compile(r"\d+ closed, \d+ of them won"))
    first = section.locator("tbody tr").first
    expect(first.locator("li")).to_have_count(2)
    expect(first).to_contain_text(re.compile(r"(Long|Short) [\d,.]+ IBM at"))
    assert page.evaluate("document.documentElement.scrollWidth") <= width
