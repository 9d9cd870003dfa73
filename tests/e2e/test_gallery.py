"""The gallery and bot templates in a real browser: publish, find, rate, copy, backtest; pick a template, start it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from accounts.models import User
from backtests.models import Backtest
from bots.models import Bot, TradingSession
from strategies import services
from strategies.gallery.models import Publication, Rating
from strategies.models import UserStrategy
from tests.bots.host.hosting import host, wait_for
from tests.e2e.gallery_world import gallery_pages  # noqa: F401
from tests.e2e.test_every_page import look
from tests.servers import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.row("D21", "D19", "B16")
@pytest.mark.slow
@pytest.mark.usefixtures("sample_data", "backtest_worker")
def test_one_publishes_and_another_finds_rates_copies_and_backtests(
    visit: Callable[..., Page], alice: User, bob: User
) -> None:
    mine = services.create(alice, name="Patient crossing", strategy="ma_crossover", parameters={"fast_window": 15})
    page = visit(alice)
    page.goto(reverse("strategies:detail", args=[mine.pk]))
    page.get_by_role("link", name="Publish").click()
    page.watcher.expect(400)
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_role("alert")).to_contain_text("needs a description")
    page.get_by_label("Description").fill("Follows slow trends. Loses when there are none.")
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_role("heading", name="Patient crossing", level=1)).to_be_visible()
    done = Publication.objects.filter(state=Publication.State.DONE)
    wait_until(done.exists, "the worker to compute the figures", timeout_s=90)
    page.reload()
    expect(page.get_by_role("cell", name="Costs paid")).to_have_count(0)  # a row's head is no cell
    expect(page.get_by_text("the author may have seen it").first).to_be_visible()

    other = visit(bob)
    other.goto("/strategies/gallery/")
    other.get_by_role("searchbox", name="Search").fill("patient")
    other.get_by_role("button", name="Filter").click()
    assert "q=patient" in other.url
    other.get_by_label("Sorted by").select_option("sharpe")
    other.wait_for_url(re.compile("sort=sharpe"))
    other.get_by_role("link", name="Patient crossing").click()
    expect(other.locator("#growth canvas").first).to_be_visible()
    other.get_by_label("Your stars").select_option("4")
    other.get_by_label("Comment").fill("Does what it says")
    other.get_by_role("button", name="Rate it").click()
    expect(other.get_by_text("Does what it says")).to_be_visible()
    assert Rating.objects.get().stars == 4
    other.get_by_role("button", name="Backtest with my data").click()
    expect(other.get_by_role("radio", name="Patient crossing (copy) Saved")).to_be_checked()
    copy = UserStrategy.objects.get(owner=bob)
    assert copy.copied_from_id == mine.pk
    other.get_by_label("Symbols", exact=True).fill("AAPL")
    other.keyboard.press("Enter")
    other.get_by_role("button", name="Run backtest").click()
    expect(other.get_by_role("heading", name="Headline figures")).to_be_attached(timeout=60_000)
    assert Backtest.objects.get(owner=bob).saved_strategy_id == copy.pk

    page.goto(reverse("strategies:detail", args=[mine.pk]))
    page.get_by_role("button", name="Take out of the gallery").click()
    page.get_by_role("dialog").get_by_role("button", name="Take it out").click()
    expect(page.get_by_text("is no longer in the gallery")).to_be_visible()
    other.goto("/strategies/gallery/")
    expect(other.get_by_text("Nobody has published a strategy")).to_be_visible()


@pytest.mark.row("D21", "D20")
@pytest.mark.slow
def test_a_template_becomes_a_bot_that_runs_on_paper(visit: Callable[..., Page], alice: User) -> None:
    page = visit(alice, width=390, theme="dark")
    page.goto("/bots/")
    page.get_by_role("link", name="Or begin with a ready-made one").click()
    page.get_by_label("Risk").select_option("low")
    page.wait_for_url(re.compile("risk=low"))
    page.get_by_role("button", name="Use this template First steps").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("First steps")
    page.get_by_label("Name", exact=True).fill("My first")
    page.get_by_test_id("save-bot").click()
    expect(page.get_by_role("heading", name="My first", level=1)).to_be_visible()
    bot = Bot.objects.get()
    assert bot.settings["stop_loss_pct"] == 2
    page.get_by_test_id("start-bot").click()
    session = wait_for(lambda: TradingSession.objects.filter(bot=bot).first())
    assert session.mode == "PAPER"
    at_work = TradingSession.objects.filter(pk=session.pk, state="RUNNING", last_bar_at__isnull=False)
    with host():
        wait_for(at_work.first)


@pytest.mark.row("D21", "N11")
@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (390, "dark")])
def test_pages_are_readable_and_fit(
    visit: Callable[..., Page],
    bob: User,
    gallery_pages: dict[str, str],  # noqa: F811
    width: int,
    theme: str,
) -> None:
    page = visit(bob, width=width, theme=theme)
    faults = [f"{name}: {fault}" for name, address in gallery_pages.items() for fault in look(page, address)]
    assert not faults, "\n".join(faults)
