"""Every page, in both themes, both widths and both palettes: readable, reachable, quiet, and it fits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.urls import reverse
from playwright.sync_api import Page

from accounts.models import User
from backtests import services
from backtests.models import Backtest

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

CHECKS = (Path(__file__).parent / "checks.js").read_text(encoding="utf-8").split("\n", 1)[1].rstrip().rstrip(";")
MOST_SHIFT = 0.02  # of the screen; what a reader would notice begins at about 0.1
MOST_BYTES = 350_000


def ended(owner: User, state: Backtest.State, **values: object) -> Backtest:
    """A backtest that ended without a result."""
    backtest = services.submit(owner, {"strategy": "momentum", "symbols": ["IBM", "MSFT"], "name": f"It ended {state}"})
    Backtest.objects.filter(pk=backtest.pk).update(state=state, **values)
    return backtest


@pytest.fixture
def pages(alice: User, run_now: Callable[..., Backtest]) -> dict[str, str]:
    """Every page by name → address, with something on each: a result, a failure, a canceled run, a waiting one."""
    first = run_now(alice, settings={"stop_loss_pct": 6, "take_profit_pct": 15, "commission_rate": 0.001})
    second = run_now(
        alice, strategy="rsi_bollinger", symbols=["IBM", "MSFT"], name="A name " + "that goes on and on " * 5
    )
    assert (first.state, second.state) == ("DONE", "DONE"), (first.failure_reason, second.failure_reason)
    faults = [
        {"path": "symbols[0]", "code": "not_found", "message": "There are no bars of XYZ.", "hint": "Import some."}
    ]
    failed = ended(
        alice, Backtest.State.FAILED, failure_reason="It cannot be run: no bars of XYZ.", failure_faults=faults
    )
    canceled = ended(alice, Backtest.State.CANCELED, bars_done=120, bars_total=2500)
    waiting = services.submit(alice, {"strategy": "buy_and_hold", "symbols": ["GOOG"]})
    detail = {
        name: reverse("backtests:detail", args=[row.pk])
        for name, row in {
            "result": first,
            "result of two symbols": second,
            "failed": failed,
            "canceled": canceled,
            "waiting": waiting,
        }.items()
    }
    return {
        "list": reverse("backtests:list"),
        "list, nothing found": reverse("backtests:list") + "?q=nothing-like-it",
        "new": reverse("backtests:new"),
        "edit and run again": f"{reverse('backtests:new')}?from={second.pk}",
        "compare": f"{reverse('backtests:compare')}?ids={first.pk},{second.pk}",
        "compare nothing": reverse("backtests:compare"),
        **detail,
        "strategies": reverse("strategies:list"),
        "data": reverse("marketdata:index"),
        "settings": reverse("accounts:settings"),
    }


def look(page: Page, address: str) -> list[str]:
    """Opens a page, waits until it is still, and returns what is wrong with it."""
    page.goto(address)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(150)
    faults = list(page.evaluate(CHECKS))
    wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if wider > 0:
        faults.append(f"{wider} px wider than the screen")
    if (shift := page.evaluate("window.__shift")) > MOST_SHIFT:
        faults.append(f"the layout jumps: {shift:.3f}")
    return faults


@pytest.mark.row("N11")
@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")])
def test_pages_are_readable_and_fit(
    visit: Callable[..., Page], alice: User, pages: dict[str, str], width: int, theme: str
) -> None:
    page = visit(alice, width=width, theme=theme)
    faults = [f"{name}: {fault}" for name, address in pages.items() for fault in look(page, address)]
    assert not faults, "\n".join(faults)


def test_the_colour_blind_safe_palette_is_readable_too(
    visit: Callable[..., Page], alice: User, pages: dict[str, str]
) -> None:
    for theme in ("light", "dark"):
        page = visit(alice, theme=theme, palette="safe")
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
