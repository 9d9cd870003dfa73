"""Starting a session and making a bot in the browser: parts change with what is picked, errors come while one types."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from bots.models import Bot, TradingSession

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.row("N8", "C1")
def test_a_session_is_set_up_and_started(visit: Callable[..., Page], alice: User) -> None:
    page = visit(alice)
    page.goto("/sessions/new/")
    page.get_by_label("Mean reversion").check()
    expect(page.locator("[name='parameters_of']")).to_have_value("mean_reversion")
    threshold = page.locator("#f-strategy_parameters-threshold")
    threshold.fill("7")
    expect(page.locator("#f-strategy_parameters-threshold-error")).not_to_be_empty()
    threshold.fill("0.02")
    expect(page.locator("#f-strategy_parameters-threshold-error")).to_be_empty()

    page.get_by_label("Symbols", exact=True).fill("bet")
    page.get_by_role("option", name=re.compile("^SIM-BETA")).click()
    expect(page.locator(".chip[data-symbol=SIM-BETA]")).to_be_visible()
    page.get_by_label("Pace of the market").select_option("10")
    page.get_by_label("Conservative").check()
    expect(page.locator("[name='settings_of']")).to_have_value("conservative")
    page.get_by_test_id("start").click()
    expect(page.get_by_test_id("session-state").first).to_have_text("Starting")
    session = TradingSession.objects.get()
    assert session.symbols == ["SIM-ALPHA", "SIM-BETA"]
    assert session.strategy_parameters["threshold"] == 0.02
    assert session.feed_options["accelerate"] == 10
    assert session.settings.stop_loss_pct == 2


def test_the_feed_and_the_symbols_have_to_fit(visit: Callable[..., Page], alice: User, sample_data: None) -> None:
    page = visit(alice)
    page.goto("/sessions/new/")
    page.get_by_label("Replay of stored prices").check()
    expect(page.get_by_label("Stored prices of")).to_be_visible()
    expect(page.locator("#f-symbols-error")).to_contain_text("SIM-ALPHA")
    page.get_by_role("button", name="Remove SIM-ALPHA").click()
    page.get_by_label("Symbols", exact=True).fill("aap")
    page.get_by_role("option", name=re.compile("^AAPL")).click()
    expect(page.locator("#f-symbols-error")).to_be_empty()
    page.get_by_label("Decides on bars of").select_option("1d")
    page.get_by_label("First day").fill("2010-01-04")
    page.get_by_test_id("start").click()
    expect(page.get_by_text("REPLAY").first).to_be_visible()
    session = TradingSession.objects.get()
    assert (session.feed, session.feed_options["start"], session.timeframe) == ("replay", "2010-01-04", "1d")


@pytest.mark.row("N9")
def test_a_bot_is_made_started_and_edited_while_it_runs(visit: Callable[..., Page], alice: User) -> None:
    page = visit(alice)
    page.goto("/bots/")
    page.get_by_role("link", name="Make a bot").click()
    page.get_by_label("Name", exact=True).fill("Night owl")
    page.get_by_label("Capital", exact=True).fill("5,000")
    page.get_by_test_id("save-bot").click()
    expect(page.get_by_text("Saved “Night owl”.")).to_be_visible()
    page.get_by_test_id("start-bot").click()
    expect(page.get_by_role("heading", name="Night owl", level=1)).to_be_visible()
    session = TradingSession.objects.get()
    assert session.initial_cash == 5_000

    page.goto(f"/bots/{session.bot_id}/edit/")
    page.get_by_text("Stops and targets").click()
    page.get_by_label("Stop loss").fill("4")
    page.get_by_label("Let it follow the changed rules").check()
    page.get_by_test_id("save-bot").click()
    expect(page.get_by_text("Saved “Night owl”.")).to_be_visible()
    assert Bot.objects.get().settings["stop_loss_pct"] == 4
    assert (session.settings.version, session.settings.stop_loss_pct) == (2, 4)
    expect(page.get_by_role("button", name="Delete")).to_be_disabled()
    page.get_by_role("button", name="Clone").click()
    expect(page.get_by_role("heading", name=re.compile("Edit Night owl"))).to_be_visible()
