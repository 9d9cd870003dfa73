"""Pictures of the pages of sessions and bots, for eyes: `pytest tests/e2e/trading_screenshots.py`.

Not part of the suite, as `screenshots` beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from tests.e2e.screenshots import take
from tests.e2e.trading_world import trading_pages  # noqa: F401
from tests.e2e.views_world import addresses, trading  # noqa: F401

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")])
def test_take_them(
    visit: Callable[..., Page],
    alice: User,
    bob: User,
    trading_pages: dict[str, str],  # noqa: F811
    width: int,
    theme: str,
) -> None:
    look = f"{width}-{theme}"
    page = visit(alice, width=width, theme=theme)
    page.watcher.expect(400)
    for name, address in trading_pages.items():
        page.goto(address)
        take(page, name, look)

    # states that need a hand
    page.goto(trading_pages["session decisions"])
    page.locator(".decision summary").first.click()
    take(page, "decision opened", look)
    page.goto(trading_pages["session overview"])
    page.get_by_test_id("stop").click()
    take(page, "stop dialog", look)
    page.keyboard.press("Escape")
    page.get_by_test_id("stop-everything").click()
    take(page, "stop everything dialog", look)
    page.goto(trading_pages["start"])
    page.get_by_label("Starting cash").fill("a lot")
    page.get_by_test_id("start").click()
    expect(page.get_by_role("alert")).to_be_visible()
    take(page, "start refused", look)
    if width < 720:
        page.goto(trading_pages["dashboard"])
        page.get_by_role("button", name="More sections").click()
        take(page, "more sections", look)

    newcomer = visit(bob, width=width, theme=theme)
    for name, address in (("first visit", "/"), ("no sessions", "/sessions/"), ("no bots", "/bots/")):
        newcomer.goto(address)
        take(newcomer, name, look)


@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")])
def test_take_the_lists(
    visit: Callable[..., Page],
    alice: User,
    bob: User,
    trading: dict[str, Any],  # noqa: F811
    width: int,
    theme: str,
) -> None:
    look = f"{width}-{theme}"
    page, newcomer = visit(alice, width=width, theme=theme), visit(bob, width=width, theme=theme)
    for name, address in addresses(trading).items():
        page.goto(address)
        take(page, name, look)
    for name in ("trades", "orders", "positions", "analytics", "risk"):
        newcomer.goto(f"/{name}/")
        take(newcomer, f"no {name}", look)

    # states that need a hand
    for name in ("trades", "orders", "positions"):
        page.goto(f"/{name}/")
        page.locator("a[data-panel]").first.click()
        expect(page.get_by_role("dialog")).to_be_visible()
        take(page, f"{name} panel", look)
    page.goto("/risk/")
    page.get_by_label("Net exposure").fill("a lot")
    page.get_by_label("Net exposure").press("Tab")
    expect(page.locator("#f-net_cap-error")).to_contain_text("Must be a number")
    take(page, "risk refused", look)
    page.get_by_label("Close everything").check()
    page.get_by_role("button", name="Stop now").click()
    page.get_by_role("dialog").get_by_role("button", name="Stop now").click()
    expect(page.locator("#stop-progress")).to_be_visible()
    take(page, "risk stopping", look)
