"""A bot's day through the browser, with a real host: start, a trade that arrives live, pause, resume, close, stop."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from bots.models import TradingSession
from bots.services import bots
from tests.bots.host.hosting import host, quick, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
BOT = {
    "name": "Holder",
    "symbols": ["SIM-ALPHA"],
    "timeframe": "1s",
    "strategy": "buy_and_hold",
    "settings": {"stop_loss_pct": 20.0},
    "feed": "synthetic",
}


@pytest.mark.row("N1", "N2", "N8", "O1", "O2", "O3", "B3", "B24", "W4")
def test_a_bots_day(visit: Callable[..., Page], alice: User) -> None:
    bot = bots.create(alice, BOT | {"feed_options": quick(accelerate=4)})
    page = visit(alice)
    page.goto(f"/bots/{bot.pk}/")
    page.get_by_test_id("start-bot").click()
    session = wait_for(lambda: TradingSession.objects.filter(bot=bot).first())
    page.goto(f"/sessions/{session.pk}/")
    expect(page.get_by_test_id("stop")).to_be_visible()
    trades = page.get_by_test_id("trades")
    expect(page.get_by_test_id("trades")).to_contain_text("No trade yet")

    with host():
        # nothing is reloaded by hand: state, bars and the trade come over the websocket
        expect(page.get_by_test_id("pause")).to_be_visible()
        expect(trades).to_contain_text(re.compile(r"Buy .* SIM-ALPHA"))
        expect(page.get_by_test_id("positions")).to_contain_text("SIM-ALPHA")

        page.get_by_test_id("pause").click()
        expect(page.get_by_test_id("resume")).to_be_visible()
        wait_for(lambda: TradingSession.objects.get(pk=session.pk).state == "PAUSED")
        page.get_by_test_id("resume").click()
        expect(page.get_by_test_id("pause")).to_be_visible()
        wait_for(lambda: TradingSession.objects.get(pk=session.pk).state == "RUNNING")

        page.get_by_test_id("close").first.click()
        page.get_by_role("button", name="Close position").click()
        wait_for(lambda: session.trades.filter(reason="user").exists())
        page.get_by_role("tab", name="Overview").or_(page.get_by_role("link", name="Overview")).first.click()
        expect(page.get_by_test_id("trades")).to_contain_text(re.compile(r"Sell .* SIM-ALPHA"))

        page.get_by_test_id("stop").click()
        page.get_by_role("radio", name=re.compile("lose")).first.check()
        page.get_by_test_id("confirm-stop").click()
        expect(page.get_by_test_id("start-again")).to_be_visible()
    session.refresh_from_db()
    assert session.state == "STOPPED"
    assert not session.positions.filter(is_open=True).exists()
    assert [trade.reason for trade in session.trades.order_by("pk")][:2] == ["signal", "user"]
