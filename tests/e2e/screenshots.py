"""Pictures of every page, for eyes: `pytest tests/e2e/screenshots.py` puts them into test-artifacts/screenshots/.

Not part of the suite (its name does not begin with test_): whether a page is worthy, a person decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from backtests.claims import claims
from backtests.models import Backtest
from tests.e2e.conftest import ARTIFACTS

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
FOLDER = ARTIFACTS / "screenshots"
LONGEST_PX = 4_000  # the head of a page says what it looks like


def take(page: Page, name: str, look: str) -> None:
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(300)
    size = page.evaluate("[document.documentElement.clientWidth, document.documentElement.scrollHeight]")
    clip = {"x": 0, "y": 0, "width": size[0], "height": min(size[1], LONGEST_PX)}
    safe = re.sub(r"[^a-z0-9]+", "-", name.lower())
    page.screenshot(path=Path(FOLDER) / f"{safe}-{look}.png", full_page=True, clip=clip)


@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")])
def test_take_them(
    visit: Callable[..., Page], alice: User, bob: User, pages: dict[str, str], width: int, theme: str
) -> None:
    look = f"{width}-{theme}"
    page = visit(alice, width=width, theme=theme)
    page.watcher.expect(400)
    page.watcher.expect(404)
    for name, address in pages.items():
        page.goto(address)
        take(page, name, look)

    # states that need a hand
    claims.claim(Backtest.objects.get(state="QUEUED").pk)
    Backtest.objects.filter(state="RUNNING").update(phase="running", bars_done=1_234, bars_total=8_600)
    page.goto(pages["waiting"])
    expect(page.get_by_text("1,234 of 8,600")).to_be_visible()
    take(page, "running", look)
    page.goto(pages["new"])
    page.get_by_label("Fast window").fill("-3")
    page.get_by_role("button", name="Run backtest").click()
    expect(page.get_by_role("alert")).to_be_visible()
    take(page, "new refused", look)
    page.goto(pages["list"])
    page.locator("[data-open-palette]").click()
    page.keyboard.type("aa")
    expect(page.get_by_role("option", name=re.compile("^AAPL"))).to_be_visible()
    take(page, "search", look)
    page.goto(pages["result"])
    page.get_by_role("button", name="Delete").click()
    take(page, "confirm", look)
    page.goto("/no/such/page/")
    take(page, "not found", look)

    newcomer = visit(bob, width=width, theme=theme)
    for name, address in (
        ("first visit", "/"),
        ("no strategies", pages["strategies"]),
        ("no news", pages["notifications"]),
    ):
        newcomer.goto(address)
        take(newcomer, name, look)
    stranger = visit(width=width, theme=theme)
    for name, address in (("home", "/"), ("sign in", "/accounts/login/"), ("sign up", "/accounts/sign-up/")):
        stranger.goto(address)
        take(stranger, name, look)
