"""A session's page and the dashboard while things happen: what the host publishes is seen, and nothing is lost."""

from __future__ import annotations

import datetime
import re
import statistics
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import User
from bots.models import Cycle, Decision, Position, Trade, TradingSession
from tests.bots.factories import fill_session, make_bot, make_session
from tradingsite.lib import realtime

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def address(session: TradingSession, tab: str = "") -> str:
    return reverse("bots:session", args=[session.pk]) + (f"?tab={tab}" if tab else "")


def live(page: Page) -> None:
    expect(page.locator("#connection")).to_have_attribute("data-state", "open")
    page.wait_for_timeout(300)  # the subscriptions follow


def tell(session: TradingSession, event: str, **payload: Any) -> None:
    """What a host tells of a session, on both of its topics."""
    for topic in (session.topic, f"user.{session.owner_id}"):
        realtime.publish(topic, event, {"session": session.pk, **payload})


def close_a_bar(session: TradingSession, equity: str, close: float = 105.0) -> None:
    """One more bar as a host works it through: rows first, then the news."""
    last = session.decisions.filter(symbol="SIM-ALPHA").order_by("-ts_ns")[0]
    ts_ns, at = last.ts_ns + 60_000_000_000, last.closed_at + datetime.timedelta(minutes=1)
    with transaction.atomic():
        Decision.objects.create(
            session=session, symbol="SIM-ALPHA", ts_ns=ts_ns, closed_at=at, timeframe="1m", open=close, high=close + 1,
            low=close - 1, close=close, volume=10.0, outcome="no_signal", inputs={"fast": close, "slow": close},
        )  # fmt: skip
        Cycle.objects.create(
            session=session, ts_ns=ts_ns, closed_at=at, equity=float(equity), cash=9_000, exposure=1_000,
            received_at=timezone.now(), decided_at=timezone.now(),
        )  # fmt: skip
        TradingSession.objects.filter(pk=session.pk).update(equity=Decimal(equity), last_bar_at=at)
        tell(
            session, "cycle_completed", ts=at.isoformat(), equity=equity, cash="9000", exposure="1000", day_pnl="12.5",
            total_pnl="0", unrealised_pnl="7.25", open_positions=1, bars={}, outcomes={}, latency_ms=3.0,
        )  # fmt: skip


@pytest.mark.row("O1", "O3", "N2")
def test_a_closed_bar_is_seen_without_a_reload(visit: Callable[..., Page], alice: User) -> None:
    session = fill_session(make_session(alice, name="Gold"), bars=40)
    page = visit(alice)
    page.goto(address(session))
    expect(page.locator("#price canvas").first).to_be_visible()
    live(page)
    page.evaluate("window.__same = true")
    close_a_bar(session, "10123.45", close=111.11)
    expect(page.locator("#session-tiles [data-live=equity]")).to_have_text("10,123.45")
    expect(page.locator("#session-tiles [data-live=day_pnl]")).to_have_text("+12.50")
    expect(page.locator("#session-tiles [data-live=change]")).to_have_text("+123.45")
    expect(page.locator("#equity-legend")).to_contain_text("10,123.45")
    expect(page.locator("#price-legend")).to_contain_text("111.11")
    expect(page.locator("#session-head [data-heard]")).to_contain_text("Last bar")
    assert page.evaluate("window.__same")


@pytest.mark.row("Q2", "Q8")
@pytest.mark.parametrize("where", ["dashboard", "session"])
def test_what_happens_is_on_the_page_within_half_a_second(where: str, visit: Callable[..., Page], alice: User) -> None:
    """The middle one of twenty: one slow moment decides nothing. Both clocks are of one machine."""
    session = fill_session(make_session(alice, name="Gold"), bars=40)
    page = visit(alice)
    page.goto("/" if where == "dashboard" else address(session))
    live(page)
    value = f".session-card[data-session='{session.pk}'] [data-live=equity]" if where == "dashboard" else (
        "#session-tiles [data-live=equity]"
    )  # fmt: skip
    page.evaluate(
        """selector => {
          window.__seen = {};
          const note = () => { window.__seen[document.querySelector(selector).textContent.trim()] ??= Date.now(); };
          new MutationObserver(note).observe(document.body, { subtree: true, childList: true, characterData: true });
        }""",
        value,
    )
    told: dict[str, float] = {}
    for i in range(20):
        told[f"{10_500 + i:,}.00"] = time.time() * 1_000
        close_a_bar(session, f"{10_500 + i}.00")
        page.wait_for_timeout(100)
    expect(page.locator(value)).to_have_text("10,519.00")
    seen = page.evaluate("window.__seen")
    assert len(set(seen) & set(told)) >= 15  # what comes within one frame may be drawn once
    assert statistics.median(seen[text] - told[text] for text in set(seen) & set(told)) < 500


@pytest.mark.row("O3")
def test_a_trade_and_the_position_it_opens_appear(visit: Callable[..., Page], alice: User) -> None:
    session = fill_session(make_session(alice, symbols=["SIM-ALPHA", "SIM-BETA"]), bars=40)
    page = visit(alice)
    page.goto(address(session))
    live(page)
    now = timezone.now()
    with transaction.atomic():
        held = Position.objects.create(
            session=session, symbol="SIM-BETA", number=99, side="BUY", qty=7, entered_qty=7, entry_px=200,
            current_px=200, opened_at=now,
        )  # fmt: skip
        trade = Trade.objects.create(
            session=session, position=held, symbol="SIM-BETA", side="BUY", qty=7, px=200, execution_id="live-1",
            executed_at=now, reason="signal",
        )  # fmt: skip
        told = {
            "id": trade.pk, "symbol": "SIM-BETA", "side": "BUY", "qty": "7", "px": "200", "commission": "0",
            "realised_pnl": None, "executed_at": now.isoformat(), "reason": "signal", "is_entry": True,
        }  # fmt: skip
        tell(session, "trade_executed", trade=told)
    row = page.locator(f"[data-trade='{trade.pk}']")
    expect(row).to_contain_text("Buy 7 SIM-BETA at 200.00")
    expect(page.locator("#session-said")).to_have_text("Bought 7 SIM-BETA at 200")
    held_row = page.locator("[data-position='SIM-BETA']")
    expect(held_row).to_be_visible()
    moved = {"id": held.pk, "symbol": "SIM-BETA", "current_px": "203.5", "unrealised_pnl": "24.5", "is_open": True}
    tell(session, "position_updated", position=moved)
    expect(held_row).to_contain_text("203.50")
    expect(held_row).to_contain_text("+24.50")


@pytest.mark.row("O2")
def test_pause_resume_close_and_stop_from_the_page(visit: Callable[..., Page], alice: User) -> None:
    session = fill_session(make_session(alice), bars=40)
    page = visit(alice)
    page.goto(address(session))
    live(page)
    page.get_by_test_id("pause").click()
    expect(page.get_by_text("Pausing: no new entries.")).to_be_visible()
    live(page)
    # the host gets there
    TradingSession.objects.filter(pk=session.pk).update(state="PAUSED")
    tell(session, "bot_status_changed", bot=None, state="PAUSED", word="PAUSED", wanted="PAUSE", reason="")
    expect(page.get_by_test_id("session-state").first).to_have_text("Paused")
    page.get_by_test_id("resume").click()
    expect(page.get_by_test_id("pause")).to_be_visible()

    page.get_by_test_id("close").click()
    dialog = page.get_by_role("dialog", name="Close SIM-ALPHA?")
    expect(dialog).to_contain_text("closed at the next bar’s open")
    dialog.get_by_role("button", name="Close position").click()
    expect(page.get_by_test_id("closing")).to_be_visible()

    page.get_by_test_id("stop").click()
    dialog = page.get_by_role("dialog", name="Stop this session?")
    expect(dialog).to_contain_text("1 open position, 2 working orders")
    dialog.get_by_label("Close every position").check()
    dialog.get_by_test_id("confirm-stop").click()
    expect(page.get_by_test_id("stopping")).to_contain_text("1 position being closed, 2 working orders left.")
    live(page)
    session.refresh_from_db()
    assert (session.wanted, session.stop_policy) == ("STOP", "flatten")
    Position.objects.filter(session=session, is_open=True).update(is_open=False, qty=0, closed_at=timezone.now())
    session.orders.exclude(state="FILLED").update(state="CANCELED")
    TradingSession.objects.filter(pk=session.pk).update(state="STOPPED", ended_at=timezone.now(), open_positions=0)
    tell(session, "bot_status_changed", bot=None, state="STOPPED", word="STOPPED", wanted="STOP", reason="")
    expect(page.get_by_test_id("session-state").first).to_have_text("Stopped")
    expect(page.get_by_test_id("start-again")).to_be_visible()


@pytest.mark.row("N1")
def test_the_dashboard_follows_every_session(visit: Callable[..., Page], alice: User) -> None:
    first = fill_session(make_session(alice, name="Gold"), bars=40)
    fill_session(make_session(alice, name="Silver"), bars=40)
    page = visit(alice)
    page.goto("/")
    live(page)
    close_a_bar(first, "20000.00")
    card = page.locator(f".session-card[data-session='{first.pk}']")
    expect(card.locator("[data-live=equity]")).to_have_text("20,000.00")
    total = page.locator("#dashboard-tiles [data-key=equity]")
    second = TradingSession.objects.exclude(pk=first.pk).get()
    expect(total).to_have_text(f"{Decimal(20_000) + second.equity:,.2f}")
    card.get_by_role("button", name="Pause Gold").click()
    expect(card.get_by_role("button", name="Resume Gold")).to_be_visible()
    page.get_by_role("button", name="Stop everything").click()
    dialog = page.get_by_role("dialog", name="Stop everything?")
    dialog.get_by_label("Close everything and stop").check()
    dialog.get_by_test_id("confirm-stop-everything").click()
    expect(page.get_by_text("1 position being closed, 2 working orders left.")).to_have_count(2)


@pytest.mark.row("O3")
def test_after_a_lost_connection_the_page_fetches_anew_and_says_so(visit: Callable[..., Page], alice: User) -> None:
    session = fill_session(make_session(alice), bars=40)
    page = visit(alice)
    sockets: list[Any] = []

    def through(socket: Any) -> None:
        server = socket.connect_to_server()
        sockets.append((socket, server))

    page.route_web_socket(re.compile("/ws/"), through)
    page.goto(address(session, "log"))
    live(page)
    expect(page.get_by_text("Connected again")).to_have_count(0)
    sockets[-1][0].close()
    expect(page.locator("#connection")).to_have_attribute("data-state", "lost")
    session.events.create(kind="state", text="Something that nobody heard of")
    expect(page.get_by_text("Connected again")).to_be_visible()
    expect(page.get_by_text("Something that nobody heard of")).to_be_visible()


@pytest.mark.row("N2")
def test_values_of_a_silent_session_turn_grey_and_say_their_age(visit: Callable[..., Page], alice: User) -> None:
    session = fill_session(make_session(alice), bars=40, until=timezone.now() - datetime.timedelta(minutes=10))
    page = visit(alice)
    page.goto(address(session))
    expect(page.locator("[data-heard]")).to_have_text(re.compile(r"Stale: last bar 1\d min ago"))
    page.goto("/")
    card = page.locator(".session-card")
    expect(card).to_have_class(re.compile("stale"))


@pytest.mark.row("W5")
def test_why_no_trade_opens_to_every_gate(visit: Callable[..., Page], alice: User) -> None:
    session = fill_session(make_session(alice), bars=40)
    page = visit(alice)
    page.goto(address(session, "decisions"))
    page.get_by_label("Outcome or gate").select_option("min_confidence")
    expect(page).to_have_url(re.compile("outcome=min_confidence"))
    row = page.get_by_test_id("decisions").get_by_role("row").nth(1)
    row.locator("summary").click()
    expect(row.get_by_role("row", name=re.compile("Min confidence 0.2 0.4 ✕ no"))).to_be_visible()
    # an open row stays open, whatever arrives meanwhile
    close_a_bar(session, "10000")
    page.wait_for_timeout(1_500)
    expect(row.get_by_role("row", name=re.compile("Min confidence"))).to_be_visible()


def search(page: Page, words: str) -> None:
    """Type into the palette, once the page's scripts listen to its keys."""
    expect(page.locator("#connection")).to_have_attribute("data-state", "open")
    page.keyboard.press("Control+k")
    expect(page.locator("#palette-input")).to_be_focused()
    page.keyboard.type(words)


def test_the_search_pauses_a_session(visit: Callable[..., Page], alice: User) -> None:
    session = fill_session(make_session(alice, name="Golden goose"), bars=20)
    make_bot(alice, name="Goose keeper")
    page = visit(alice)
    page.goto("/backtests/")
    search(page, "goose")
    expect(page.get_by_role("option", name=re.compile("Goose keeper"))).to_be_visible()
    page.get_by_role("option", name=re.compile("^Pause Golden goose")).click()
    expect(page.get_by_text("Pausing: no new entries.")).to_be_visible()
    session.refresh_from_db()
    assert session.wanted == "PAUSE"
    search(page, "goose")
    page.get_by_role("option", name=re.compile("^Stop Golden goose")).click()
    expect(page.get_by_role("dialog", name="Stop this session?")).to_be_visible()
