"""The pages of trading in a browser: they fit, they follow the news, the panel opens, the switch asks first."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import User
from bots.models import SessionCommand, Trade, TradingSession
from tests.e2e.test_every_page import look
from tests.e2e.views_world import addresses, trading  # noqa: F401
from tradingsite.lib import realtime

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PAGES = ("/trades/", "/positions/", "/orders/", "/analytics/", "/risk/")


@pytest.mark.row("N3", "N4", "N5", "N9", "N10", "N11")
@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (390, "dark")])
def test_they_are_readable_and_fit(
    visit: Callable[..., Page],
    alice: User,
    bob: User,
    trading: dict[str, Any],  # noqa: F811
    width: int,
    theme: str,
) -> None:
    page, newcomer = visit(alice, width=width, theme=theme), visit(bob, width=width, theme=theme)
    faults = [f"{name}: {fault}" for name, address in addresses(trading).items() for fault in look(page, address)]
    faults += [f"{address} of a newcomer: {fault}" for address in PAGES for fault in look(newcomer, address)]
    assert not faults, "\n".join(faults)


@pytest.mark.row("N3")
def test_a_fill_opens_beside_the_list(visit: Callable[..., Page], alice: User, trading: dict[str, Any]) -> None:  # noqa: F811
    page = visit(alice)
    page.goto("/trades/?symbol=SIM-ALPHA&side=SELL")
    page.locator("a[data-panel]").first.click()
    panel = page.get_by_role("dialog")
    expect(panel).to_be_visible()
    expect(panel.get_by_role("heading", name="Round trip")).to_be_visible()
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    page.get_by_role("link", name="Drop the filter Side: Sell").click()
    expect(page).to_have_url(re.compile(r"/trades/\?symbol=SIM-ALPHA$"))
    page.locator("#side").select_option("BUY")
    expect(page).to_have_url(re.compile(r"/trades/\?symbol=SIM-ALPHA&side=BUY$"))  # what is empty is left out


@pytest.mark.row("N3", "O2")
def test_a_new_fill_appears_by_itself(visit: Callable[..., Page], alice: User, trading: dict[str, Any]) -> None:  # noqa: F811
    page = visit(alice)
    page.goto("/trades/")
    expect(page.locator("#connection")).to_have_attribute("data-state", "open")
    page.wait_for_load_state("networkidle")
    session = trading["running"]
    Trade.objects.create(
        session=session, symbol="SIM-NEW", side="BUY", qty=3, px=Decimal("9.5"), execution_id="new",
        executed_at=timezone.now(),
    )  # fmt: skip
    realtime.publish(f"user.{alice.pk}", "trade_executed", {"session": session.pk, "trade": {"symbol": "SIM-NEW"}})
    expect(page.get_by_role("cell", name="SIM-NEW")).to_be_visible()


@pytest.mark.row("N4", "O2")
def test_positions_follow_the_prices(visit: Callable[..., Page], alice: User, trading: dict[str, Any]) -> None:  # noqa: F811
    session = trading["running"]
    position = session.positions.get(is_open=True)
    page = visit(alice)
    page.goto("/positions/")
    row = page.get_by_role("row", name=re.compile(position.symbol))
    total = page.locator("[data-total=value]")
    before = Decimal(total.get_attribute("data-amount") or "0")
    expect(page.locator("#connection")).to_have_attribute("data-state", "open")
    page.wait_for_load_state("networkidle")
    px = float(position.entry_px) + 2
    realtime.publish(session.topic, "price_update", {"session": session.pk, "symbol": position.symbol, "px": px})
    qty = position.qty
    expect(row.locator("[data-cell=px]")).to_have_text(f"{px:,.2f}")
    expect(row.locator("[data-cell=pnl]")).to_have_text(f"+{2 * qty:,.2f}")
    now = before + qty * (Decimal(str(px)) - position.current_px)
    expect(total).to_have_text(f"{now:,.2f}")
    news = {
        "id": position.pk, "symbol": position.symbol, "side": "BUY", "qty": str(qty), "is_open": True,
        "entry_px": str(position.entry_px), "current_px": str(position.entry_px - 1), "stop_px": "90.5",
        "target_px": None, "trailing_px": None, "unrealised_pnl": str(-qty), "realised_pnl": "0",
    }  # fmt: skip
    realtime.publish(session.topic, "position_updated", {"session": session.pk, "position": news})
    expect(row.locator("[data-cell=pnl]")).to_have_text(f"−{qty:,.2f}")
    expect(row.locator("[data-cell=stop]")).to_have_text("90.50")


@pytest.mark.row("N4")
def test_a_position_is_closed_once_after_a_question(
    visit: Callable[..., Page], alice: User, trading: dict[str, Any]  # noqa: F811
) -> None:  # fmt: skip
    page = visit(alice)
    page.goto("/positions/?symbol=SIM-ALPHA")
    page.get_by_role("button", name="Close", exact=True).first.click()
    expect(page.get_by_role("dialog")).to_contain_text("SIM-ALPHA is closed at the market")
    page.get_by_role("button", name="Close it").click()
    expect(page.get_by_role("cell", name="Closing…")).to_be_visible()
    expect(page).to_have_url(re.compile(r"symbol=SIM-ALPHA"))
    assert SessionCommand.objects.count() == 1


@pytest.mark.row("N4")
def test_the_details_draw_the_price(visit: Callable[..., Page], alice: User, trading: dict[str, Any]) -> None:  # noqa: F811
    page = visit(alice)
    page.goto("/positions/")
    for _ in range(2):  # opened again, it is drawn again
        page.locator("a[data-panel]").first.click()
        expect(page.locator("#position canvas").first).to_be_visible()
        expect(page.locator("#position-legend")).to_contain_text("Volume")
        page.keyboard.press("Escape")


@pytest.mark.row("N9", "O2")
def test_orders_follow_the_news(visit: Callable[..., Page], alice: User, trading: dict[str, Any]) -> None:  # noqa: F811
    session = trading["running"]
    order = session.orders.get(state="ACCEPTED")
    page = visit(alice)
    page.goto(f"/orders/?session={session.pk}")
    expect(page.get_by_role("row", name=re.compile("stop"))).to_be_visible()
    expect(page.locator("#connection")).to_have_attribute("data-state", "open")
    page.wait_for_load_state("networkidle")
    session.orders.filter(pk=order.pk).update(state="CANCELED")
    realtime.publish(session.topic, "order_updated", {"session": session.pk, "order": {"id": order.pk}})
    expect(page.get_by_text("Nothing matches")).to_be_visible()


@pytest.mark.row("N5")
def test_analytics_draw_the_period(visit: Callable[..., Page], alice: User, trading: dict[str, Any]) -> None:  # noqa: F811
    page = visit(alice)
    page.goto("/analytics/")
    for name in ("cumulative", "daily", "equity", "drawdown"):
        expect(page.locator(f"#{name} canvas")).to_be_visible()
    page.get_by_role("link", name="ALL").click()
    expect(page).to_have_url(re.compile("period=ALL"))
    page.go_back()
    expect(page.get_by_role("link", name="1M")).to_have_attribute("aria-current", "true")


@pytest.mark.row("N10", "W14")
def test_limits_are_checked_while_they_are_typed(
    visit: Callable[..., Page], alice: User, trading: dict[str, Any]  # noqa: F811
) -> None:  # fmt: skip
    page = visit(alice)
    page.goto("/risk/")
    page.get_by_label("Net exposure").fill("a lot")
    page.get_by_label("Net exposure").press("Tab")
    expect(page.locator("#f-net_cap-error")).to_contain_text("Must be a number")
    page.get_by_label("Net exposure").fill("")
    page.get_by_label("Gross exposure").fill("100")
    page.get_by_label("Gross exposure").press("Tab")
    expect(page.locator("#limits-check")).to_contain_text("Already above.")
    page.get_by_role("button", name="Add a group").click()
    row = page.locator("[data-group]").last
    row.get_by_label("Name").fill("Second")
    row.get_by_label("Symbols").fill("sim-beta")
    row.get_by_label("Cap").fill("300")
    page.get_by_role("button", name="Save limits").click()
    expect(page.get_by_text("Limits saved.")).to_be_visible()
    expect(page.locator("[data-group]")).to_have_count(2)
    page.get_by_role("button", name="Remove this group").first.click()
    page.get_by_role("button", name="Save limits").click()
    expect(page.locator("[data-group]")).to_have_count(1)
    expect(page.locator("[data-group]").get_by_label("Name")).to_have_value("Second")


@pytest.mark.row("N10", "W4", "J20")
def test_the_switch_asks_and_then_shows_how_far_it_is(
    visit: Callable[..., Page], alice: User, trading: dict[str, Any]  # noqa: F811
) -> None:  # fmt: skip
    page = visit(alice)
    page.goto("/risk/")
    page.get_by_label("Close everything").check()
    page.get_by_role("button", name="Stop now").click()
    question = page.get_by_role("dialog")
    expect(question).to_contain_text("every position is closed at the market")
    question.get_by_role("button", name="Keep as it is").click()
    assert not TradingSession.objects.filter(wanted="STOP", state="RUNNING").exists()
    page.get_by_role("button", name="Stop now").click()
    question.get_by_role("button", name="Stop now").click()
    progress = page.locator("#stop-progress")
    expect(progress).to_contain_text("0 of 2 sessions have come to rest; 4 working orders and 2 open positions")
    running = TradingSession.objects.filter(state="RUNNING")
    for session in list(running):  # what the host does
        session.orders.filter(state__in=("ACCEPTED", "SUBMITTED")).update(state="CANCELED")
        session.positions.filter(is_open=True).update(is_open=False, qty=0, closed_at=timezone.now())
        TradingSession.objects.filter(pk=session.pk).update(state="STOPPED", ended_at=timezone.now())
    expect(progress).to_contain_text("2 of 2 sessions have come to rest. Nothing that was to stop has an order")
    page.get_by_role("button", name="Allow entries again").click()
    page.get_by_role("button", name="Allow entries", exact=True).click()
    expect(page.get_by_text("Entries are allowed", exact=True)).to_be_visible()
