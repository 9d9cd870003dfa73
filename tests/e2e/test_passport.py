"""The robustness passport in a browser: asked for, watched while it is made, read, found on the strategy."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from accounts.models import User
from backtests.models import Backtest, Passport
from backtests.proof import job
from strategies import services

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.row("W7")]


def test_from_the_button_to_the_verdict(
    visit: Callable[..., Page], alice: User, run_now: Callable[..., Backtest]
) -> None:
    saved = services.create(alice, name="Mine", strategy="ma_crossover")
    backtest = run_now(alice, strategy=None, saved_strategy_id=saved.pk)
    page = visit(alice)
    page.goto(reverse("backtests:detail", args=[backtest.pk]))
    page.get_by_role("button", name="Make its passport").click()
    expect(page.get_by_role("heading", name="Robustness passport", level=1)).to_be_visible()
    expect(page.get_by_text("Waits for a worker")).to_be_visible()
    job.run(Passport.objects.get().pk)
    expect(page.locator(".verdict-card")).to_be_visible()  # by itself
    passport = Passport.objects.get()
    word = passport.get_verdict_display()
    expect(page.locator(".verdict-card .card-head .pill")).to_have_text(re.compile(word))
    expect(page.locator(".proof-grid .proof-figure")).to_have_count(9)
    for finding in passport.document["findings"]:
        expect(page.get_by_text(finding["meaning"])).to_be_visible()
    page.goto(reverse("strategies:detail", args=[saved.pk]))
    expect(page.locator("#passport-card .card-head .pill")).to_have_text(re.compile(word))
    services.update(alice, saved.pk, {"parameters": {"fast_window": 12}})
    page.reload()
    expect(page.locator("#passport-card")).to_contain_text("Out of date")
    page.get_by_role("link", name="Open the passport").click()
    expect(page.locator(".verdict-card")).to_be_visible()
