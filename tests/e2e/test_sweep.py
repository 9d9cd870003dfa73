"""A sweep in the browser: counted before it starts, watched while it runs, stopped, gone on with, and taken from."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Locator, Page, expect

from accounts.models import Tier, User
from backtests.models import Backtest, Sweep
from backtests.sweeps import job, selectors, services
from strategies.models import UserStrategy
from tests.backtests.sweeps.rig import BODY
from tests.servers import wait_until

# How many points of a canvas are drawn on.
DRAWN = """(id) => {
  const canvas = document.getElementById(id);
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
  return data.reduce((sum, value, i) => sum + (i % 4 === 3 && value > 0), 0);
}"""

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.row("H16")]


def test_the_form_counts_and_starts(visit: Callable[..., Page], alice: User, sample_data: None) -> None:
    page = visit(alice)
    page.goto(reverse("backtests:sweeps"))
    page.get_by_role("link", name="New sweep").click()
    expect(page.locator("#count")).to_contain_text("counted here")
    page.get_by_label("Symbols", exact=True).fill("AAPL")
    page.keyboard.press("Enter")
    page.locator("[id='f-vary-parameter-fast_window-from']").fill("5")
    page.locator("[id='f-vary-parameter-fast_window-to']").fill("20")
    page.locator("[id='f-vary-parameter-fast_window-step']").fill("5")
    page.locator("[id='f-vary-parameter-slow_window-from']").fill("30")
    page.locator("[id='f-vary-parameter-slow_window-to']").fill("90")
    page.locator("[id='f-vary-parameter-slow_window-step']").fill("10")
    expect(page.locator("#count [data-count]")).to_have_attribute("data-count", "28")
    page.locator("[id='f-vary-parameter-slow_window-step']").fill("0")
    expect(page.locator("[id='f-vary-parameter-slow_window-error']")).to_contain_text("above 0")
    page.locator("[id='f-vary-parameter-slow_window-step']").fill("10")
    page.get_by_text("Settings of the run").click()
    page.locator("#f-vary-setting-stop_loss_pct").check()
    expect(page.locator("#count [data-count]")).to_have_attribute("data-count", "140")
    page.get_by_role("button", name="Start sweep").click()
    expect(page.get_by_role("heading", name="Progress")).to_be_visible()
    sweep = Sweep.objects.get()
    assert (sweep.cells_total, sweep.owner) == (140, alice)
    assert {axis["name"] for axis in sweep.config["axes"]} == {"fast_window", "slow_window", "stop_loss_pct"}


def test_the_form_says_what_is_wrong_while_one_types(
    visit: Callable[..., Page], alice: User, sample_data: None
) -> None:
    page = visit(alice)
    page.goto(f"{reverse('backtests:new-sweep')}?symbol=AAPL")
    count = page.locator("#count [data-count]")
    expect(count).to_have_attribute("data-count", "25")

    def fill(field: str, text: str) -> None:
        page.locator(f"[id='f-{field}']").fill(text)

    def said(field: str) -> Locator:
        return page.locator(f"[id='f-{field}-error']")

    fill("vary-parameter-fast_window-from", "90")
    expect(said("vary-parameter-fast_window")).to_contain_text("is below")
    expect(page.locator("#count")).to_contain_text("counted here")
    fill("vary-parameter-fast_window-from", "5")
    expect(said("vary-parameter-fast_window")).to_be_empty()
    for name in ("fast_window", "slow_window"):
        page.locator(f"#f-vary-parameter-{name}").uncheck()
    expect(page.locator("#count")).to_contain_text("what to vary")  # no error yet: one may be about to tick another
    page.locator("#f-vary-parameter-fast_window").check()
    expect(count).to_have_attribute("data-count", "5")

    page.get_by_text("Random", exact=True).click()
    fill("trials", "many")
    expect(said("trials")).to_contain_text("number")
    fill("trials", "3")
    expect(count).to_have_attribute("data-count", "3")
    fill("max_drawdown_pct", "120")
    expect(said("max_drawdown_pct")).to_contain_text("From 0 to 100")
    page.watcher.expect(400)  # type: ignore[attr-defined]
    page.get_by_role("button", name="Start sweep").click()
    expect(page.get_by_role("alert")).to_contain_text("needs your attention")
    expect(page.locator("#f-trials")).to_have_value("3")
    fill("max_drawdown_pct", "60")
    expect(said("max_drawdown_pct")).to_be_empty()
    fill("vary-parameter-fast_window-to", "900")
    page.get_by_text("Grid", exact=True).click()
    fill("vary-parameter-fast_window-step", "1")
    expect(said("vary-parameter-fast_window")).to_be_empty()
    Tier.objects.update(max_sweep_cells=100)
    fill("vary-parameter-fast_window-to", "800")
    expect(page.locator("#count")).to_contain_text("More combinations than your tier allows")
    fill("vary-parameter-fast_window-to", "15")
    expect(count).to_have_attribute("data-count", "11")
    page.get_by_role("button", name="Start sweep").click()
    expect(page.get_by_role("heading", name="Progress")).to_be_visible()
    assert Sweep.objects.get().config["constraints"]["max_drawdown_pct"] == 60


@pytest.mark.slow
@pytest.mark.row("P9")
def test_a_workers_sweep_fills_the_page_and_goes_on_after_a_cancel(
    visit: Callable[..., Page],
    alice: User,
    sample_data: None,
    start_worker: Callable[..., Any],
    settings: Any,
    monkeypatch: Any,
) -> None:
    """A real worker, a real browser: drawn as it comes in, stopped by a button, and then run to its end."""
    settings.SWEEP_QUEUE = f"sweeps-{uuid.uuid4().hex[:8]}"
    monkeypatch.setattr(services, "_MOST_IN_CHUNK", 10)
    axes = [
        {"name": "fast_window", "from": 3, "to": 27, "step": 1},
        {"name": "slow_window", "from": 30, "to": 129, "step": 3},
    ]
    sweep = services.submit(alice, {**BODY, "axes": axes})
    assert sweep.cells_total == 850
    page = visit(alice)
    page.goto(reverse("backtests:sweep", args=[sweep.pk]))
    expect(page.locator("#connection")).to_have_attribute("data-state", "open")
    empty = {name: page.evaluate(DRAWN, name) for name in ("map", "lines")}
    start_worker(queues=settings.SWEEP_QUEUE, env={"SWEEP_QUEUE": settings.SWEEP_QUEUE})

    def more_than(number: int) -> None:
        expect(page.locator("#sweep")).not_to_have_attribute("data-drawn", str(number), timeout=60_000)

    more_than(0)
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    wait_until(lambda: not sweep.chunks.filter(state="RUNNING").exists(), "the worker to stop", timeout_s=60)
    sweep.refresh_from_db()
    kept = sweep.cells_done
    assert (sweep.state, 0 < kept < 850) == ("CANCELED", True)
    page.reload()
    expect(page.locator("#sweep")).to_have_attribute("data-drawn", str(kept))
    half = {name: page.evaluate(DRAWN, name) for name in empty}
    assert all(half[name] > empty[name] for name in empty), (empty, half)

    page.get_by_role("button", name="Resume").click()
    more_than(kept)
    expect(page.locator("#sweep-head")).to_have_attribute("data-state", "DONE", timeout=120_000)
    expect(page.locator("#cells-done")).to_have_text("850")
    expect(page.locator("#sweep")).to_have_attribute("data-drawn", "850")
    whole = {name: page.evaluate(DRAWN, name) for name in empty}
    assert all(whole[name] > half[name] for name in empty), (half, whole)
    assert selectors.rows(sweep)["cell"].tolist() == list(range(850)), "each once, those from before the cancel too"


@pytest.mark.slow
def test_it_is_watched_canceled_resumed_and_taken_from(
    visit: Callable[..., Page], alice: User, sample_data: None, monkeypatch: Any
) -> None:
    monkeypatch.setattr(services, "_MOST_IN_CHUNK", 6)
    sweep = services.submit(alice, BODY)
    page = visit(alice)
    page.goto(reverse("backtests:sweep", args=[sweep.pk]))
    expect(page.locator("#connection")).to_have_attribute("data-state", "open")
    expect(page.locator("#cells-done")).to_have_text("0")
    job.run_next()
    expect(page.locator("#cells-done")).to_have_text("6")
    expect(page.locator("#sweep-head")).to_have_attribute("data-state", "RUNNING")
    expect(page.locator("#sweep")).to_have_attribute("data-drawn", re.compile("[1-6]"))
    first = {name: page.evaluate(DRAWN, name) for name in ("map", "lines")}
    job.run_next()
    expect(page.locator("#cells-done")).to_have_text("12")
    expect(page.locator("#best tbody tr").first).to_be_visible()
    expect(page.locator("#sweep")).to_have_attribute("data-drawn", re.compile("[7-9]|1[0-2]"))
    assert all(page.evaluate(DRAWN, name) > first[name] for name in first), "fields and lines are added as they come"
    page.locator("#map").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#map-said")).to_contain_text(re.compile("window|nothing here"))

    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    assert not job.run_next()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    while job.run_next():
        pass
    expect(page.locator("#cells-done")).to_have_text("36")
    expect(page.locator("#sweep-head")).to_have_attribute("data-state", "DONE")
    page.get_by_label("Stop loss").select_option(label="5 %")

    page.locator("#best tbody tr").first.get_by_text("Save").first.click()
    page.get_by_placeholder("Name of the strategy").first.fill("Swept")
    page.get_by_role("button", name="Save as strategy").first.click()
    expect(page.get_by_text("Saved as the strategy “Swept”.")).to_be_visible()
    assert UserStrategy.objects.filter(owner=alice, name="Swept").exists()
    page.get_by_role("button", name=re.compile("^Open")).first.click()
    page.wait_for_url(re.compile("/backtests/[0-9a-f-]{36}/"))
    assert Backtest.objects.get().owner == alice
