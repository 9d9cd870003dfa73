"""The run that everything is for: a stranger signs up, runs a backtest on Apple, reads the result, takes the CSV."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from backtests.models import Backtest

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

# From pressing Run to reading the result, ten daily years, on an idle machine: 1 s. A machine that runs a test suite at
# the same time is not idle, so the figure is printed and only a much larger one fails.
MOST_SECONDS = 5.0


@pytest.mark.row("N6", "H1", "H6")
def test_from_signing_up_to_the_csv(
    visit: Callable[..., Page],
    sample_data: None,
    backtest_worker: subprocess.Popen[bytes],
    capsys: pytest.CaptureFixture,
) -> None:
    page = visit()
    page.goto("/")
    page.get_by_role("main").get_by_role("link", name="Sign up").click()
    page.get_by_label("User name").fill("newcomer")
    page.get_by_label(re.compile("mail", re.I)).fill("newcomer@example.com")
    for field in page.locator("main input[type=password]").all():
        field.fill("a long enough passphrase 7")
    page.get_by_role("main").get_by_role("button", name=re.compile("sign up|create", re.I)).click()

    # the first visit: steps that can be skipped, and do not come back
    expect(page.get_by_role("heading", name="Dashboard", level=1)).to_be_visible()
    expect(page.get_by_text("See a finished backtest")).to_be_visible()
    expect(page.get_by_text("Start a paper bot")).to_be_visible()
    page.get_by_role("button", name=re.compile("Skip")).click()
    expect(page.get_by_text("See a finished backtest")).to_have_count(0)
    page.goto("/")
    expect(page.get_by_text("See a finished backtest")).to_have_count(0)

    page.goto("/backtests/")
    page.get_by_role("link", name="New backtest").first.click()
    page.get_by_label("Symbols", exact=True).fill("aap")
    page.get_by_role("option", name=re.compile("^AAPL")).first.click()
    expect(page.locator(".chip[data-symbol=AAPL]")).to_be_visible()
    page.get_by_label("First day").fill("2003-01-01")
    page.get_by_label("Last day", exact=True).fill("2012-12-31")

    pressed = time.perf_counter()
    page.get_by_role("button", name="Run backtest").click()
    expect(page.get_by_text("Total return").first).to_be_visible()
    took = time.perf_counter() - pressed
    with capsys.disabled():
        sys.stdout.write(f"\nfrom pressing Run to the result, ten daily years: {took:.2f} s\n")
    assert took < MOST_SECONDS

    # the result: what the page says is what the row holds
    run = Backtest.objects.get()
    assert run.state == "DONE"
    assert run.owner.username == "newcomer"
    tile = page.locator(".stat", has_text="Round trips").locator(".stat-value")
    expect(tile).to_have_text(str(run.trade_count))
    shown = page.locator(".stat", has_text="Total return").locator(".stat-value").inner_text()
    assert float(shown.replace("−", "-").replace(",", "").removesuffix("%")) == pytest.approx(
        run.total_return_pct, abs=0.01
    )
    for chart in ("equity", "drawdown", "price", "histogram"):
        expect(page.locator(f"#{chart} canvas").first).to_be_visible()
        expect(page.locator(f"#{chart}-summary")).not_to_be_empty()
    expect(page.get_by_role("heading", name="Monthly returns")).to_be_visible()
    expect(page.get_by_text("TradingView Lightweight Charts")).to_be_visible()
    for words in ("What was denied, and why", "Ambiguous bars", "Commission", "Exactly what was asked"):
        expect(page.get_by_text(words).first).to_be_visible()
    assert run.data_hash in page.content()

    with page.expect_download() as caught:
        page.locator("#trades").get_by_role("link", name="CSV").click()
    text = caught.value.path().read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == run.trade_count
    assert {row["symbol"] for row in rows} == {"AAPL"}

    # found again in the list
    page.get_by_role("navigation", name="Sections").get_by_role("link", name="Backtests").click()
    expect(page.get_by_role("row", name=re.compile("on AAPL"))).to_contain_text("Finished")
