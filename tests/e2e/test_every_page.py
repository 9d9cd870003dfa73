"""Every page, in both themes, both widths and both palettes: readable, reachable, quiet, and it fits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.urls import reverse
from playwright.sync_api import Page

from accounts.models import User
from tests.e2e.trading_world import trading_pages  # noqa: F401

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

CHECKS = (Path(__file__).parent / "checks.js").read_text(encoding="utf-8").split("\n", 1)[1].rstrip().rstrip(";")
MOST_SHIFT = 0.02  # of the screen; what a reader would notice begins at about 0.1
MOST_BYTES = 350_000
FINISH_FADING = "for (const one of document.getAnimations()) if (one instanceof CSSTransition) one.finish()"


def look(page: Page, address: str) -> list[str]:
    """Opens a page, waits until it is still, and returns what is wrong with it, as it is and in the other theme.

    The theme is changed under the open page, as a system does in the evening: half the loads show both.
    """
    page.goto(address)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(150)
    faults = list(page.evaluate(CHECKS))
    themes = ["light", "dark"]
    if page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches"):
        themes.reverse()
    page.emulate_media(color_scheme=themes[1])  # type: ignore[arg-type]
    page.evaluate(FINISH_FADING)
    faults += [f"{fault} (changed to {themes[1]})" for fault in page.evaluate(CHECKS)]
    page.emulate_media(color_scheme=themes[0])  # type: ignore[arg-type]
    wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if wider > 0:
        faults.append(f"{wider} px wider than the screen")
    if (shift := page.evaluate("window.__shift")) > MOST_SHIFT:
        faults.append(f"the layout jumps: {shift:.3f}")
    return faults


@pytest.mark.row("N11")
@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (390, "dark")])
def test_pages_are_readable_and_fit(
    visit: Callable[..., Page], alice: User, pages: dict[str, str], width: int, theme: str
) -> None:
    page = visit(alice, width=width, theme=theme)
    faults = [f"{name}: {fault}" for name, address in pages.items() for fault in look(page, address)]
    assert not faults, "\n".join(faults)


@pytest.mark.row("N11")
@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (390, "dark")])
def test_pages_of_trading_are_readable_and_fit(
    visit: Callable[..., Page],
    alice: User,
    trading_pages: dict[str, str],  # noqa: F811
    width: int,
    theme: str,
) -> None:
    page = visit(alice, width=width, theme=theme)
    faults = [f"{name}: {fault}" for name, address in trading_pages.items() for fault in look(page, address)]
    assert not faults, "\n".join(faults)


def test_the_colour_blind_safe_palette_is_readable_too(
    visit: Callable[..., Page], alice: User, pages: dict[str, str]
) -> None:
    page = visit(alice, palette="safe")
    assert look(page, pages["result"]) == []
    assert look(page, pages["list"]) == []


def test_pages_without_a_login(visit: Callable[..., Page], db: None) -> None:
    for width, theme in ((1440, "dark"), (390, "light")):
        page = visit(width=width, theme=theme)
        page.watcher.expect(404)
        for address in ("/", reverse("accounts:login"), reverse("accounts:signup"), "/no/such/page"):
            assert look(page, address) == [], address


def test_errors_say_what_happened_and_name_the_request(visit: Callable[..., Page], alice: User) -> None:
    page = visit(alice)
    page.watcher.expect(404)
    assert look(page, reverse("backtests:detail", args=["00000000-0000-4000-8000-000000000000"])) == []
    assert page.get_by_role("alert").get_by_text("request id").is_visible()


def test_a_page_weighs_little(visit: Callable[..., Page], alice: User, pages: dict[str, str]) -> None:
    """Script and style of the frame and of the heaviest form, before any chart library."""
    page = visit(alice)
    weights: dict[str, int] = {}

    def weigh(response: object) -> None:
        kind = response.headers.get("content-type", "")  # type: ignore[attr-defined]
        if "javascript" in kind or "css" in kind:
            weights[response.url] = len(response.body())  # type: ignore[attr-defined]

    page.on("response", weigh)
    page.goto(pages["new"])
    page.wait_for_load_state("networkidle")
    assert weights
    assert sum(weights.values()) <= MOST_BYTES, weights
    assert not [address for address in weights if "/vendor/" in address]
