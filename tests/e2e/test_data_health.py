"""The health page of data in a browser: readable with everything on it, and a series is read anew before one's eyes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import User
from marketdata.columns import DAY
from marketdata.models import Coverage, Instrument, ProviderUsage, Revision, SourceChoice
from marketdata.services import comparing, load_bars, series
from tests.bots.factories import make_session
from tests.e2e.test_every_page import look
from tests.marketdata.conftest import made_bars
from tests.marketdata.test_cache import Klines, number
from tests.marketdata.vendor_rig import served

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PICTURES = os.environ.get("PICTURES", "")  # a directory: what the pages look like is kept there, for eyes


@pytest.fixture
def klines(settings: Any, tmp_path: Path) -> Iterator[type[Klines]]:
    settings.BARS_DIR = str(tmp_path / "bars")

    class Handler(Klines):
        other: dict[int, float] = {}
        asked: list[tuple[date, date]] = []

    with served(Handler) as url:
        settings.BINANCE_BASE_URL = url
        yield Handler


@pytest.fixture
def everything(klines: type[Klines], alice: User) -> None:
    """A series of each kind of trouble, and something in every table."""
    load_bars(["BTCUSDT"], "1d", date(2024, 1, 2), date(2024, 3, 31), source="binance")
    now = timezone.now()
    for source, scale in (("yahoo", 1.0), ("alpaca", 1.02)):
        row = Instrument.objects.create(
            source=source, symbol="ACME", calendar="24/7", name="Acme Anvils", actions_at=now
        )
        bars = made_bars(60, seed=3)
        kept = bars.take(bars.ts % (9 * DAY) != 0)
        scaled = type(kept)(kept.ts, *(column * scale for column in kept.arrays()[:4]), kept.volume)
        series.put(row, "1d", scaled, (int(bars.ts[0]), int(bars.ts[-1]) + 20 * DAY))
    comparing.run()
    held = Coverage.objects.get(instrument__symbol="BTCUSDT")
    Revision.objects.create(
        instrument=held.instrument, timeframe="1d", kind="tail", noticed_at=now, last_at=held.last_at, bars=3,
        first_at=held.last_at - timedelta(days=2), max_change_pct=1.27, old_hash="a" * 64, new_hash="b" * 64,
    )  # fmt: skip
    for provider, requests, errors in (("yahoo", 1_204, 3), ("polygon", 88, 41), ("binance", 12_040, 0)):
        ProviderUsage.objects.create(
            day=now.date() - timedelta(days=1), provider=provider, requests=requests, errors=errors, misses=requests,
            bars=requests * 900, hits=requests * 3, cost=Decimal("0.5"),
        )  # fmt: skip
    SourceChoice.objects.create(
        symbol="ACME", timeframe="1d", source="alpaca", times=4, chosen_at=now,
        reason="Alpaca answered: next by quality, cost (free) and budget (98% left). Yahoo: Yahoo cannot be reached "
        "(ConnectError). Polygon: it has no key here.",
    )  # fmt: skip
    make_session(alice, symbols=["SIM-ALPHA"], state="DEGRADED", state_reason="no prices for 12 s")
    make_session(alice, symbols=["SIM-BETA"], state="RUNNING", last_bar_at=now)


@pytest.mark.row("W11", "N11")
@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (390, "dark")])
def test_it_is_readable_and_fits(
    visit: Callable[..., Page], alice: User, everything: None, width: int, theme: str
) -> None:
    page = visit(alice, width=width, theme=theme)
    assert look(page, "/data/health/") == []
    if PICTURES:
        page.screenshot(path=f"{PICTURES}/health-{width}-{theme}.png", full_page=True)


@pytest.mark.row("W11")
def test_the_empty_page_says_what_to_do(visit: Callable[..., Page], alice: User) -> None:
    page = visit(alice)
    assert look(page, "/data/health/") == []
    expect(page.get_by_role("heading", name="No bars stored yet")).to_be_visible()
    if PICTURES:
        page.screenshot(path=f"{PICTURES}/health-empty.png", full_page=True)


@pytest.mark.row("W11")
def test_a_series_is_read_anew_after_a_confirmation(
    visit: Callable[..., Page],
    alice: User,
    klines: type[Klines],
    settings: Any,
    own_queue: str,
    start_worker: Callable[..., subprocess.Popen[bytes]],
) -> None:
    load_bars(["BTCUSDT"], "1d", date(2024, 1, 2), date(2024, 1, 31), source="binance")
    klines.other = {number(date(2024, 1, 9)): 140.0}
    page = visit(alice)
    page.goto("/data/health/")
    page.get_by_role("button", name="Read anew BTCUSDT 1d").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Backtests that ran on the old values tell that their data changed")
    dialog.get_by_role("button", name="Keep as it is").click()
    page.get_by_role("button", name="Read anew BTCUSDT 1d").click()
    dialog.get_by_role("button", name="Read it anew").click()
    expect(page.locator("#series")).to_contain_text("A worker reads it anew")
    start_worker(queues=own_queue, env={"BINANCE_BASE_URL": settings.BINANCE_BASE_URL, "BARS_DIR": settings.BARS_DIR})
    expect(page.locator("#series")).to_contain_text("1 had other values and were replaced", timeout=60_000)
    expect(page.locator("#series")).to_contain_text("Revised lately")
