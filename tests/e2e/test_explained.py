"""Why a run of conditions did what it did, as people see it: on a result, on a session's decisions, on a bot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts.models import Tier, User
from backtests.models import Backtest
from bots.models import TradingSession
from bots.services import bots
from strategies import catalogue
from tests.backtests.conftest import AAPL
from tests.bots.factories import fill_session, make_session
from tests.strategies.trees import ABOVE_SMA, DOWN_CROSS, RSI_HIGH, RSI_LOW, UP_CROSS, make_custom

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
BUY = [{"type": "or", "children": [RSI_LOW, UP_CROSS]}, {"type": "not", "children": [RSI_HIGH]}]


@pytest.fixture
def dora(alice: User) -> User:
    User.objects.filter(pk=alice.pk).update(tier_id=Tier.PREMIUM)
    return User.objects.get(pk=alice.pk)


def fits(page: Page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@pytest.mark.row("E5", "N6")
@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (390, "dark")])
def test_a_round_trip_opens_to_the_conditions_that_let_it_in(
    visit: Callable[..., Page], run_now: Callable[..., Backtest], dora: User, width: int, theme: str
) -> None:
    row = make_custom(dora, "Dips and crossings", buy_conditions=BUY, sell_conditions=DOWN_CROSS)
    done = run_now(dora, **{**AAPL, "strategy": None}, custom_strategy_id=row.pk)
    page = visit(dora, width=width, theme=theme)
    page.goto(f"/backtests/{done.pk}/")
    why = page.locator("#trades details.decision").first
    why.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(why.locator(".explained").first).to_be_visible()
    expect(why).to_contain_text("Any of these")
    expect(why).to_contain_text("✓ true")
    expect(page.locator("#request-title ~ .request-grid")).to_contain_text("Sell when the close crosses below SMA(20)")
    assert fits(page)


@pytest.mark.row("E5", "W5", "C13")
@pytest.mark.parametrize(("width", "theme"), [(1440, "dark"), (390, "light")])
def test_decisions_open_to_their_conditions_and_a_bot_says_its_rules(
    visit: Callable[..., Page], sample_data: None, dora: User, width: int, theme: str
) -> None:
    session = fill_session(decided(dora), bars=6)
    explain(session)
    page = visit(dora, width=width, theme=theme)
    page.goto(f"/sessions/{session.pk}/?tab=decisions")
    row = page.locator("details.decision").first
    row.locator("summary").click()
    expect(row.locator(".explained").first).to_be_visible()
    expect(row).to_contain_text("RSI(14) (")
    assert fits(page)

    rules: dict[str, Any] = {"RSI": {"oversold": 30, "overbought": 70}, "MACD": {}}
    bot = bots.create(dora, {"name": "Rules", "symbols": ["SIM-ALPHA"], "indicators": rules})
    page.goto(f"/bots/{bot.pk}/")
    expect(page.locator("main")).to_contain_text("Buy when RSI(14) is below 30 or")
    expect(page.locator("main")).to_contain_text("from its indicator rules")
    assert fits(page)


def decided(owner: User) -> TradingSession:
    parameters = {"buy": [RSI_LOW, {"type": "not", "children": [ABOVE_SMA]}], "sell": RSI_HIGH}
    strategy = catalogue.get("conditions")(**parameters)
    return make_session(owner, strategy="conditions", strategy_parameters=strategy.parameters)


def explain(session: TradingSession) -> None:
    """Puts what a host would have written on each of its decisions, on real prices."""
    from marketdata.services import load_bars

    bars = load_bars(["AAPL"], "1d", "2004-01-01", "2004-12-31").bars["AAPL"]
    rows = list(session.decisions.order_by("pk"))
    strategy = catalogue.get("conditions")(**session.strategy_parameters)
    places = list(range(100, 100 + len(rows)))
    for row, evidence in zip(rows, strategy.evidence(bars, places), strict=True):
        session.decisions.filter(pk=row.pk).update(evidence=evidence)
