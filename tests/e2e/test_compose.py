"""An ensemble in a real browser: members with mouse and keyboard, faults at their fields, saved, edited, tested."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from strategies import selectors, services

pytestmark = pytest.mark.browser


def add(page: Page, label: str) -> None:
    before = page.locator("[data-member]").count()
    page.get_by_label("Strategy", exact=True).select_option(label=label)
    page.get_by_role("button", name="Add member").click()
    expect(page.locator("[data-member]")).to_have_count(before + 1)


@pytest.mark.row("D20", "D13", "D14", "D15")
def test_compose_correct_save_edit_and_go_to_a_backtest(visit: Callable[..., Page], alice: User) -> None:
    services.create(alice, name="My dips", strategy="mean_reversion", parameters={"window": 12})
    page = visit(alice)
    page.goto("/strategies/")
    page.get_by_role("link", name="New ensemble").click()
    expect(page.get_by_text("No members yet.")).to_be_visible()
    page.get_by_role("textbox", name="Name", exact=True).fill("Together")
    for label in ("Moving-average crossover", "My dips", "Momentum"):
        add(page, label)
    told = page.locator("#told")
    expect(told).to_contain_text("Buys when at least 50 % of the weight says buy within 3 bars.")
    expect(told).to_contain_text("33.3 %")

    dips = page.locator("[data-member]").nth(1)
    dips.get_by_role("spinbutton", name="Weight").fill("101")
    expect(dips.locator(".field-error", has_text="out of range")).to_be_visible()
    dips.get_by_role("spinbutton", name="Weight").fill("100")
    expect(told).to_contain_text("50.0 %")
    dips.get_by_text("Parameters").click()
    expect(dips.get_by_role("spinbutton", name="Window")).to_have_value("12")
    dips.get_by_role("spinbutton", name="Window").fill("1")
    page.watcher.expect(400)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("out of range")
    dips = page.locator("[data-member]").nth(1)
    expect(dips.get_by_role("spinbutton", name="Window")).to_be_visible()
    dips.get_by_role("spinbutton", name="Window").fill("15")
    page.get_by_label("Agreement").select_option("majority")
    trend = page.get_by_role("group", name="Trend filter")
    trend.get_by_label("On", exact=True).check()
    expect(told).to_contain_text(
        "Buys when more than half of its 3 members say buy within 3 bars and the trend filter agrees."
    )
    page.get_by_role("button", name="Save").dblclick()
    expect(page.get_by_role("heading", name="Together", level=1)).to_be_visible()
    saved = selectors.for_user(alice).get(name="Together")
    assert [member["weight"] for member in saved.parameters["members"]] == [50.0, 100.0, 50.0]
    assert saved.parameters["members"][1]["parameters"]["window"] == 15
    assert [entry["type"] for entry in saved.parameters["validators"]] == ["trend"]

    page.get_by_role("link", name="Edit").click()
    expect(page.get_by_role("heading", name="Edit Together")).to_be_visible()
    page.get_by_role("button", name="Remove Momentum").click()
    expect(page.locator("[data-member]")).to_have_count(2)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Buys when more than half of its 2 members")).to_be_visible()
    page.get_by_role("link", name="Start a session").click()
    expect(page.get_by_role("radio", name="Together Saved")).to_be_checked()
    page.go_back()
    page.get_by_role("link", name="Run a backtest").click()
    expect(page.get_by_role("radio", name="Together Saved")).to_be_checked()
    expect(page.get_by_label("Agreement")).to_have_value("majority")
    expect(
        page.get_by_text("Moving-average crossover, My dips").or_(page.get_by_text("ma crossover, My dips"))
    ).to_be_visible()


@pytest.mark.row("D20", "N11")
def test_with_the_keyboard_alone_on_a_phone(visit: Callable[..., Page], alice: User) -> None:
    page = visit(alice, width=390, theme="dark")
    page.goto("/strategies/compose/")
    page.get_by_role("textbox", name="Name", exact=True).focus()
    page.keyboard.type("By keys")
    page.get_by_label("Strategy", exact=True).focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("[data-member]")).to_have_count(1)
    page.get_by_label("Strategy", exact=True).focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("[data-member]")).to_have_count(2)
    first, second = (page.locator("[data-member] h3").nth(i).inner_text() for i in (0, 1))
    page.locator("[data-member]").nth(1).locator("[data-move='-1']").focus()
    page.keyboard.press("Enter")
    expect(page.locator("[data-member] h3").nth(0)).to_have_text(second)
    expect(page.locator("#members-said")).to_contain_text("is now number 1")
    expect(page.locator("[data-member]").nth(0).locator("[data-move='-1']")).to_be_focused()
    add(page, "Momentum")
    page.locator("[data-member]").nth(2).locator("[data-remove]").focus()
    page.keyboard.press("Enter")
    expect(page.locator("[data-member]").nth(1).locator("[data-remove]")).to_be_focused()
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 390
    for button in page.locator("[data-member] button").all():
        box = button.bounding_box()
        assert box
        assert min(box["width"], box["height"]) >= 40
    page.get_by_role("textbox", name="Name", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="By keys", level=1)).to_be_visible()
    members = selectors.for_user(alice).get().parameters["members"]
    assert len(members) == 2
    assert first != second
