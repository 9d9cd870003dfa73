"""Strategies in a real browser: choose, fill in, be corrected, save, copy, delete."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from strategies import selectors, services

pytestmark = pytest.mark.browser


@pytest.mark.row("D19", "B15", "B16")
def test_save_correct_and_delete_a_strategy(visit: Callable[..., Page], alice: User) -> None:
    page = visit(alice)
    page.goto("/strategies/")
    page.get_by_role("link", name="New strategy").first.click()
    page.get_by_label("Made from").select_option("mean_reversion")
    expect(page.get_by_role("heading", name="Mean reversion")).to_be_visible()
    page.get_by_label("Name", exact=True).fill("Deep dips")
    page.get_by_role("spinbutton", name="Window").fill("1")
    page.watcher.expect(400)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("out of range")
    expect(page.get_by_label("Name", exact=True)).to_have_value("Deep dips")
    page.get_by_role("spinbutton", name="Window").fill("10")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Deep dips", level=1)).to_be_visible()
    saved = selectors.for_user(alice).get()
    assert saved.parameters == {"window": 10, "threshold": 0.05}

    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("heading", name="Edit Deep dips (copy)")).to_be_visible()
    page.goto(f"/strategies/{saved.pk}/")
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Keep as it is").click()
    assert selectors.for_user(alice).filter(pk=saved.pk).exists()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Deleted “Deep dips”.")).to_be_visible()
    assert [row.name for row in selectors.for_user(alice)] == ["Deep dips (copy)"]


@pytest.mark.row("D19", "N11")
def test_a_saved_strategy_leads_to_its_backtest_on_a_phone(visit: Callable[..., Page], alice: User) -> None:
    row = services.create(alice, name="Fast", strategy="ma_crossover", parameters={"fast_window": 7})
    page = visit(alice, width=390, theme="dark")
    page.goto(f"/strategies/{row.pk}/")
    page.get_by_role("link", name="Run a backtest").click()
    expect(page.get_by_role("radio", name="Fast Saved")).to_be_checked()
    expect(page.get_by_role("spinbutton", name="Fast window")).to_have_value("7")
