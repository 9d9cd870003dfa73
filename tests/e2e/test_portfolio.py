"""A portfolio in the browser: symbols and a method are picked, it is watched to its end, and kept as a strategy."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from backtests.models import AllocationStudy
from backtests.portfolios import job
from strategies.models import UserStrategy

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.row("K7", "N6")]


def test_a_portfolio_is_built_watched_read_and_kept(visit: Callable[..., Page], alice: User, sample_data: None) -> None:
    page = visit(alice)
    page.goto("/portfolios/")
    page.get_by_role("link", name="Build a portfolio").click()
    for symbol in ("AAPL", "IBM", "MSFT"):
        page.get_by_label("Symbols", exact=True).fill(symbol)
        page.keyboard.press("Enter")
    page.get_by_label("First day").fill("2005-01-01")
    page.get_by_label("Last day").fill("2006-12-31")
    page.get_by_role("radio", name=re.compile("^Minimum variance")).check()
    expect(page.get_by_label("Target return (%)")).to_be_hidden()
    page.get_by_role("radio", name=re.compile("^Target return")).check()
    expect(page.get_by_label("Target return (%)")).to_be_visible()
    page.get_by_role("radio", name=re.compile("^Minimum variance")).check()
    page.get_by_label(re.compile("^Look back")).fill("120")

    most = page.locator("[id='f-strategy_parameters-max_weight_pct']")
    most.fill("20")
    refusal = page.locator("[id='f-strategy_parameters-max_weight_pct-error']")
    expect(refusal).to_contain_text("At least 33.34 %")
    most.fill("60")
    expect(refusal).to_be_empty()
    page.get_by_role("button", name="Add a group").click()
    row = page.get_by_role("group", name="Groups and sectors, row 1")
    row.get_by_label("Name").fill("Old")
    row.get_by_label("Symbols").fill("IBM, GE")
    expect(page.locator("#f-groups-error")).to_contain_text("Row 1, symbols: GE is none of the symbols")
    row.get_by_label("Symbols").fill("IBM")
    row.get_by_label("Most").fill("30")
    expect(page.locator("#f-groups-error")).to_be_empty()

    page.get_by_role("button", name="Compute weights").click()
    expect(page.locator("#phase")).to_have_text("Waiting for a free worker")
    expect(page.locator("#connection")).to_have_attribute("data-state", "open")
    study = AllocationStudy.objects.get()
    assert study.config["parameters"]["groups"] == [
        {"name": "Old", "symbols": ["IBM"], "min_pct": None, "max_pct": 30.0}
    ]
    job.run(study.pk)
    expect(page.get_by_role("heading", name="Efficient frontier")).to_be_visible()
    expect(page.locator("#portfolio")).to_have_attribute("data-drawn", "true")
    page.locator("#frontier").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#frontier-said")).to_contain_text("Frontier")
    page.locator("#correlation").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#correlation-said")).to_contain_text("and AAPL")

    page.get_by_role("button", name="Save as a strategy").click()
    page.get_by_label("Name", exact=True).fill("Calm three")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved as the strategy “Calm three”.")).to_be_visible()
    saved = UserStrategy.objects.get(owner=alice)
    assert saved.parameters["groups"][0]["symbols"] == ["IBM"]
