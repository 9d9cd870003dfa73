"""While a backtest runs: its page follows it, over the websocket and without, and it can be stopped, left and found."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from accounts.models import User
from backtests import services
from backtests.claims import claims
from backtests.models import Backtest

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
BODY = {"strategy": "ma_crossover", "symbols": ["AAPL"], "start_date": "2003-01-01", "end_date": "2012-12-31"}


def detail(backtest: Backtest) -> str:
    return reverse("backtests:detail", args=[backtest.pk])


def test_progress_is_shown_and_the_page_goes_on_by_itself(
    visit: Callable[..., Page], alice: User, sample_data: None
) -> None:
    backtest = services.submit(alice, BODY)
    page = visit(alice)
    page.goto(detail(backtest))
    expect(page.get_by_text("Waiting for a free worker")).to_be_visible()
    expect(page.locator("#connection")).to_have_attribute("data-state", "open")

    held = claims.claim(backtest.pk)
    Backtest.objects.filter(pk=backtest.pk).update(phase="running", bars_done=400, bars_total=2516)
    claims.announce_id(backtest.pk)
    expect(page.get_by_text("400 of 2,516")).to_be_visible()
    expect(page.locator("progress")).to_have_js_property("value", 400)
    expect(page.locator("#progress [data-elapsed]")).to_have_text(re.compile(r"\d"))

    # leave, and find it again
    page.get_by_role("navigation", name="Sections").get_by_role("link", name="Backtests").click()
    row = page.get_by_role("row", name=re.compile("on AAPL"))
    expect(row).to_contain_text("Running")
    row.get_by_role("link").click()
    expect(page.get_by_text("400 of 2,516")).to_be_visible()

    claims.fail(held, "internal_error", "The machine room is on fire.", [])
    expect(page.get_by_role("heading", name="It did not finish")).to_be_visible()
    expect(page.get_by_text("The machine room is on fire.")).to_be_visible()
    expect(page.get_by_role("link", name="Edit and run again")).to_be_visible()


def test_without_a_websocket_the_page_asks(
    visit: Callable[..., Page], alice: User, sample_data: None, backtest_worker: subprocess.Popen[bytes]
) -> None:
    page = visit(alice)
    page.route_web_socket(re.compile("/ws/"), lambda socket: socket.close())
    page.goto("/backtests/new/?symbol=AAPL")
    expect(page.locator("#connection")).to_have_attribute("data-state", "lost")
    page.get_by_role("button", name="Run backtest").click()
    expect(page.get_by_text("Total return").first).to_be_visible()


def test_it_can_be_canceled(visit: Callable[..., Page], alice: User, sample_data: None) -> None:
    backtest = services.submit(alice, BODY)
    page = visit(alice)
    page.goto(detail(backtest))
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("heading", name="Canceled")).to_be_visible()
    backtest.refresh_from_db()
    assert backtest.state == Backtest.State.CANCELED


def test_deleting_asks_first(visit: Callable[..., Page], alice: User, run_now: Callable[..., Backtest]) -> None:
    backtest = run_now(alice)
    page = visit(alice)
    page.goto(detail(backtest))
    page.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog", name="Delete this backtest?")
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name="Keep as it is").click()
    expect(dialog).to_be_hidden()
    assert Backtest.objects.filter(pk=backtest.pk).exists()
    page.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("The backtest was deleted.")).to_be_visible()
    assert not Backtest.objects.filter(pk=backtest.pk).exists()


@pytest.mark.row("W15", "D19")
def test_again_and_saved_as_a_strategy(
    visit: Callable[..., Page], alice: User, sample_data: None, backtest_worker: subprocess.Popen[bytes]
) -> None:
    backtest = services.submit(alice, BODY)
    page = visit(alice)
    page.goto(detail(backtest))
    expect(page.get_by_text("Total return").first).to_be_visible()
    page.get_by_role("button", name="Run again").click()
    expect(page.get_by_text("Identical")).to_be_visible()
    page.get_by_label("Name", exact=True).fill("Crossover, kept")
    page.get_by_role("button", name="Save").last.click()
    expect(page.get_by_text("Saved as the strategy “Crossover, kept”.")).to_be_visible()
    page.goto("/backtests/new/")
    expect(page.get_by_label("Crossover, kept")).to_be_visible()


def test_nobody_else_sees_it(
    visit: Callable[..., Page], alice: User, bob: User, run_now: Callable[..., Backtest]
) -> None:
    backtest = run_now(alice)
    page = visit(bob)
    page.watcher.expect(404)
    for name in ("detail", "progress", "chart"):
        assert page.goto(reverse(f"backtests:{name}", args=[backtest.pk])).status == 404
    assert page.goto(reverse("backtests:price", args=[backtest.pk, "AAPL"])).status == 404
    assert page.goto(f"/backtests/compare/?ids={backtest.pk}").status == 404
