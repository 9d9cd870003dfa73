"""The pages of a strategy that somebody built: who may save one, and what it is used for."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from backtests.models import Backtest
from bots.models import TradingSession
from strategies.models import CustomStrategy
from strategies.services import custom
from tests.e2e.builder_page import NEW, RSI_DIP, add_condition, exported, make
from tests.e2e.test_every_page import look

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.row("A4", "E6")
def test_a_free_tier_builds_but_is_told_what_saving_takes(visit: Callable[..., Page], alice: User) -> None:
    page = visit(alice)
    page.goto(NEW)
    expect(
        page.get_by_text("Custom strategies are not part of tier Free; they need Premium or Enterprise.")
    ).to_be_visible()
    expect(page.get_by_role("button", name="Save")).to_be_disabled()
    add_condition(page)
    expect(page.locator("#sentences")).to_contain_text("Buy when RSI(14) is below 30")
    assert exported(page)["buy_conditions"]["children"] == [RSI_DIP]
    page.get_by_role("link", name="your tier and its limits").click()
    expect(page.get_by_role("heading", name="Your tier: Free")).to_be_visible()


@pytest.mark.row("E5", "H1")
def test_from_its_page_to_a_backtest(
    visit: Callable[..., Page], premium: User, sample_data: None, backtest_worker: subprocess.Popen[bytes]
) -> None:
    row = make(premium)
    page = visit(premium)
    page.goto(f"/strategies/custom/{row.pk}/")
    page.get_by_role("link", name="Run a backtest").click()
    expect(page.get_by_role("radio", name="RSI oversold bounce")).to_be_checked()
    expect(page.locator("#parameters")).to_contain_text("Buy when RSI(14) crosses above 30")
    page.get_by_label("Symbols", exact=True).fill("AAPL")
    page.get_by_label("Symbols", exact=True).press("Enter")
    page.get_by_role("button", name="Run backtest").click()
    expect(page.get_by_text("Total return").first).to_be_visible()
    backtest = Backtest.objects.get()
    assert (backtest.strategy, backtest.config["custom_strategy_id"]) == ("conditions", row.pk)
    # changed since: the earlier run's conditions are the ones that run again
    before = row.parameters
    custom.update(premium, row.pk, {"buy_conditions": RSI_DIP})
    page.get_by_role("link", name="Edit and run again").click()
    expect(page.get_by_role("radio", name="Conditions from before")).to_be_checked()
    page.get_by_label("Last day", exact=True).fill("2010-12-31")
    page.get_by_role("button", name="Run backtest").click()
    expect(page.get_by_text("Total return").first).to_be_visible()
    assert Backtest.objects.latest("created_at").config["strategy_parameters"] == before


@pytest.mark.row("E5", "C1")
def test_from_its_page_to_a_session_and_a_bot(visit: Callable[..., Page], premium: User) -> None:
    row = make(premium)
    page = visit(premium)
    page.goto(f"/strategies/custom/{row.pk}/")
    page.get_by_role("link", name="Start a session").click()
    expect(page.get_by_role("radio", name="RSI oversold bounce")).to_be_checked()
    page.get_by_test_id("start").click()
    page.wait_for_url(re.compile(r"/sessions/\d+/$"))
    session = TradingSession.objects.get()
    assert (session.custom_strategy_id, session.strategy, session.strategy_parameters) == (
        row.pk, "conditions", row.parameters,
    )  # fmt: skip
    page.goto(f"/strategies/custom/{row.pk}/")
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("is being run by")).to_be_visible()
    page.get_by_role("link", name="Make a bot").click()
    page.get_by_label("Name", exact=True).fill("Bouncer")
    page.get_by_test_id("save-bot").click()
    expect(page.get_by_role("heading", name="Bouncer", level=1)).to_be_visible()
    assert premium.bots.get().custom_strategy_id == row.pk


@pytest.mark.row("E6", "A5")
def test_a_public_one_can_be_looked_at_and_copied(visit: Callable[..., Page], premium: User, bob: User) -> None:
    row = make(premium)
    page = visit(premium)
    page.goto(f"/strategies/custom/{row.pk}/")
    expect(page.get_by_role("link", name="Publish")).to_be_visible()
    custom.update(premium, row.pk, {"is_public": True, "description": "Buys what bounces."})
    page.reload()
    expect(page.get_by_role("button", name="Take out of the gallery")).to_be_visible()
    User.objects.filter(pk=bob.pk).update(tier_id="PREMIUM")
    theirs = visit(bob)
    theirs.goto(f"/strategies/custom/{row.pk}/")
    theirs.get_by_role("link", name="Look at its conditions").click()
    expect(theirs.locator("#tree").get_by_label("Period")).to_be_disabled()
    theirs.get_by_role("button", name="Copy").click()
    expect(theirs.get_by_text("Copied as “RSI oversold bounce (copy)”.")).to_be_visible()
    expect(theirs.locator("#tree").get_by_label("Period")).to_be_enabled()
    assert CustomStrategy.objects.get(owner=bob).copied_from == row


@pytest.mark.row("N11")
@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (390, "dark")])
def test_its_pages_are_readable_and_fit(
    visit: Callable[..., Page], premium: User, bob: User, width: int, theme: str
) -> None:
    long = "A name " + "that goes on and on " * 5
    row = make(premium, "stochastic_trend", name=long, is_public=True, description="x")
    page = visit(premium, width=width, theme=theme)
    addresses = ["/strategies/custom/", NEW, *(f"/strategies/custom/{row.pk}/{tail}" for tail in ("", "edit/"))]
    other = visit(bob, width=width, theme=theme)
    theirs = [NEW, "/strategies/custom/", f"/strategies/custom/{row.pk}/conditions/"]
    faults = [f"{address}: {fault}" for address in addresses for fault in look(page, address)]
    faults += [f"{address} as bob: {fault}" for address in theirs for fault in look(other, address)]
    assert not faults, "\n".join(faults)
