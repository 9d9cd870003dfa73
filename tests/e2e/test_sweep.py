"""A sweep in the browser: counted before it starts, watched while it runs, stopped, gone on with, and taken from."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from accounts.models import User
from backtests.models import Backtest, Sweep
from backtests.sweeps import job, services
from strategies.models import UserStrategy
from tests.backtests.sweeps.rig import BODY

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
    job.run_next()
    expect(page.locator("#cells-done")).to_have_text("12")
    expect(page.locator("#best tbody tr").first).to_be_visible()
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
