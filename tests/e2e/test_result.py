"""The result page in use: sorting, filtering, ranges and switches, all of them in the address; the list and compare."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from accounts.models import User
from backtests.models import Backtest

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.row("H6", "N6")
def test_round_trips_sort_filter_and_page_through_the_address(
    visit: Callable[..., Page], alice: User, run_now: Callable[..., Backtest]
) -> None:
    backtest = run_now(alice, strategy="rsi_bollinger", symbols=["AAPL", "IBM", "MSFT"], preset="active")
    assert backtest.trade_count > 30, "the test needs more than one page"
    page = visit(alice)
    page.goto(reverse("backtests:detail", args=[backtest.pk]))
    page.wait_for_load_state("networkidle")
    trades = page.locator("#trades")
    trades.get_by_role("columnheader", name="Profit or loss").get_by_role("link").click()
    expect(trades.locator("[aria-sort=descending]")).to_contain_text("Profit or loss")
    expect(page).to_have_url(re.compile(r"sort=-pnl_net"))
    amounts = [_amount(text) for text in trades.locator("tbody td:nth-child(8)").all_inner_texts()]
    assert len(amounts) == 25
    assert amounts == sorted(amounts, reverse=True)

    trades.get_by_label("Result").select_option("loss")
    expect(page).to_have_url(re.compile(r"result=loss"))
    losses = [_amount(text) for text in trades.locator("tbody td:nth-child(8)").all_inner_texts()]
    assert losses
    assert all(amount <= 0 for amount in losses)
    # the charts above were not drawn anew
    expect(page.locator("#equity canvas").first).to_be_visible()

    address = page.url
    page.goto("/backtests/")
    page.goto(address)
    expect(trades.get_by_label("Result")).to_have_value("loss")
    expect(trades.locator("[aria-sort=descending]")).to_contain_text("Profit or loss")
    page.go_back()
    expect(page.get_by_role("heading", name="Backtests", level=1)).to_be_visible()


def _amount(text: str) -> float:
    return float(text.replace("−", "-").replace(",", "").replace("+", ""))


def test_ranges_and_switches_stand_in_the_address(
    visit: Callable[..., Page], alice: User, run_now: Callable[..., Backtest]
) -> None:
    page = visit(alice)
    address = reverse("backtests:detail", args=[run_now(alice).pk])
    page.goto(address)
    page.wait_for_load_state("networkidle")
    card = page.locator("#equity-card")
    # Apple held made seventy times what a tenth of the account made: on a scale of money one line would be flat
    expect(card.get_by_role("button", name="Log")).to_have_attribute("aria-pressed", "true")
    card.get_by_role("button", name="1Y").click()
    card.get_by_role("button", name="%", exact=True).click()
    expect(page).to_have_url(re.compile(r"range=1Y.*scale=pct"))
    page.reload()
    expect(card.get_by_role("button", name="1Y")).to_have_attribute("aria-pressed", "true")
    expect(card.get_by_role("button", name="%", exact=True)).to_have_attribute("aria-pressed", "true")
    # one cursor for the stacked charts
    before = page.locator("#drawdown-legend").inner_text()
    box = page.locator("#equity").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + box["height"] / 2)
    expect(page.locator("#drawdown-legend")).not_to_have_text(before)
    assert (
        page.locator("#drawdown-legend").inner_text().split()[0]
        == page.locator("#equity-legend").inner_text().split()[0]
    )


def test_a_chart_that_could_not_be_loaded_can_be_tried_again(
    visit: Callable[..., Page], alice: User, run_now: Callable[..., Backtest]
) -> None:
    page = visit(alice)
    page.watcher.expect(503)
    refused = []

    def once(route: object) -> None:
        if refused:
            route.fallback()  # type: ignore[attr-defined]
        else:
            refused.append(route)
            route.fulfill(status=503, body="")  # type: ignore[attr-defined]

    page.route("**/price/AAPL/", once)
    page.goto(reverse("backtests:detail", args=[run_now(alice).pk]))
    page.locator("#price").get_by_role("button", name="Try again").click()
    expect(page.locator("#price canvas").first).to_be_visible()


@pytest.mark.row("N6", "H13")
def test_list_filters_and_comparison(visit: Callable[..., Page], alice: User, run_now: Callable[..., Backtest]) -> None:
    first = run_now(alice, name="The first")
    run_now(alice, strategy="bollinger", name="The second")
    run_now(alice, strategy="bollinger", symbols=["IBM"], name="The third")
    page = visit(alice)
    page.goto("/backtests/")
    page.get_by_label("Strategy", exact=True).select_option("bollinger")
    expect(page).to_have_url(re.compile("strategy=bollinger"))
    expect(page.get_by_role("row", name=re.compile("The first"))).to_have_count(0)
    page.get_by_label("Symbol", exact=True).fill("ibm")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_role("row", name=re.compile("The (second|third)"))).to_have_count(1)
    page.get_by_role("link", name="Show all").click()

    page.get_by_role("link", name="Return", exact=True).click()
    returns = [
        float(text.replace("−", "-").rstrip(" %")) for text in page.locator("[data-label=Return]").all_inner_texts()
    ]
    assert returns == sorted(returns, reverse=True)

    for name in ("The first", "The third"):
        page.get_by_label(f"Compare {name}").check()
    page.get_by_role("button", name=re.compile("Compare")).click()
    expect(page.get_by_role("heading", name="Compare backtests")).to_be_visible()
    expect(page.locator("#compare canvas").first).to_be_visible()
    row = page.get_by_role("row", name=re.compile("^Round trips"))
    expect(row.last).to_contain_text(str(first.trade_count))
    expect(page.locator("#compare-legend")).to_contain_text("The third")
