"""Without a mouse, and in the theme one likes."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from backtests.models import Backtest

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_backtest_with_the_keyboard_alone(
    visit: Callable[..., Page], alice: User, sample_data: None, backtest_worker: subprocess.Popen[bytes]
) -> None:
    page = visit(alice)
    page.goto("/backtests/")
    keys = page.keyboard
    keys.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    keys.press("Enter")
    expect(page.locator("#main")).to_be_focused()

    keys.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    keys.press("Escape")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_hidden()

    keys.press("Control+k")
    search = page.get_by_role("combobox", name=re.compile("Search pages"))
    expect(search).to_be_focused()
    keys.type("aapl")
    option = page.get_by_role("option", name=re.compile("^AAPL"))
    expect(option).to_be_visible()
    for _ in range(12):
        if option.get_attribute("aria-selected") == "true":
            break
        keys.press("ArrowDown")
    expect(search).to_have_attribute("aria-activedescendant", option.get_attribute("id"))
    keys.press("Enter")
    expect(page).to_have_url(re.compile(r"/backtests/new/\?symbol=AAPL"))

    # through the whole form with Tab; every stop must be seen to have the focus
    for _ in range(120):
        keys.press("Tab")
        seen = page.evaluate(
            "() => { const e = document.activeElement, s = getComputedStyle(e);"
            " return [e.innerText || e.name || e.id, s.outlineStyle !== 'none' || !!e.closest('.choice')] }"
        )
        assert seen[1], f"no visible focus on {seen[0]}"
        if "Run backtest" in seen[0]:
            break
    expect(page.get_by_role("button", name="Run backtest")).to_be_focused()
    keys.press("Enter")
    expect(page.get_by_text("Total return").first).to_be_visible()
    assert Backtest.objects.get().state == "DONE"

    listening = page.locator("#connection[data-state=open]")  # what is pressed before its scripts run, no page hears
    expect(listening).to_be_attached()
    keys.press("g")
    keys.press("b")
    expect(page.get_by_role("heading", name="Backtests", level=1)).to_be_visible()
    expect(listening).to_be_attached()
    keys.press("n")
    expect(page.get_by_role("heading", name="New backtest")).to_be_visible()


def test_symbols_by_keyboard(visit: Callable[..., Page], alice: User, sample_data: None) -> None:
    page = visit(alice)
    page.goto("/backtests/new/")
    field = page.get_by_label("Symbols", exact=True)
    field.fill("ms")
    expect(page.get_by_role("option", name=re.compile("^MSFT"))).to_be_visible()
    field.press("ArrowDown")
    field.press("Enter")
    chosen = page.locator(".chip").first.get_attribute("data-symbol")
    assert "MS" in chosen
    field.press("Backspace")
    expect(page.locator(".chip")).to_have_count(0)
    page.evaluate("document.getElementById('f-symbols').value = ''")
    field.fill("aapl, ibm")
    field.press("Enter")
    expect(page.locator(".chip")).to_have_count(2)


def _background(page: Page) -> str:
    return page.evaluate("getComputedStyle(document.documentElement).backgroundColor")


def test_the_theme_follows_the_system_and_what_is_chosen_stays(visit: Callable[..., Page], alice: User) -> None:
    page = visit(alice, theme="dark")
    page.goto("/backtests/")
    dark = _background(page)
    page.emulate_media(color_scheme="light")
    light = _background(page)
    assert dark != light
    page.locator("summary[aria-label=Display]").click()
    page.get_by_label("Dark").check()
    assert _background(page) == dark
    page.get_by_label("Blue and orange", exact=False).check()
    page.goto("/backtests/new/")
    # written by the server into the page itself: there is no moment in the wrong theme
    assert 'data-theme="dark" data-palette="safe"' in page.request.get("/backtests/new/").text()
    assert _background(page) == dark
    page.locator("summary[aria-label=Display]").click()
    page.get_by_label("As the system").check()
    assert _background(page) == light


def test_motion_stops_for_those_who_ask(visit: Callable[..., Page], alice: User) -> None:
    page = visit(alice, reduced_motion="reduce")
    page.goto("/backtests/")
    moving = page.evaluate(
        "[...document.querySelectorAll('*')]"
        ".filter((e) => parseFloat(getComputedStyle(e).transitionDuration) > 0).length"
    )
    assert moving == 0
