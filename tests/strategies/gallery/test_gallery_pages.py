"""The gallery as a browser sees it: filters in the address, figures with their warnings, and what one can do."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Tier, User
from strategies.gallery import opinions, publishing, selectors
from strategies.gallery.models import Publication, Rating, Report
from strategies.models import UserStrategy
from tests.accounts.factories import UserFactory
from tests.strategies.gallery.conftest import WORDS, saved_of

GALLERY = "/strategies/gallery/"


@pytest.fixture
def browser(client: Client, bob: User) -> Client:
    client.force_login(bob)
    return client


def names(browser: Client, **query: str) -> list[str]:
    """The names on the cards, in their order."""
    return [card.row.name for card in browser.get(GALLERY, query).context["cards"]]


def test_it_is_for_who_is_signed_in(db: None) -> None:
    assert Client().get(GALLERY).status_code == 302


@pytest.mark.row("D21", "B16")
def test_filters_and_sorts_stand_in_the_address(browser: Client, alice: User, bob: User, publish) -> None:
    trend = publish(alice, "Slow trend")
    bands = publish(alice, "Wide bands", strategy="bollinger", description="Quiet things")
    opinions.rate(bob, bands, {"stars": 5})
    Publication.objects.filter(pk=trend.pk).update(judged_sharpe=1.5, judged_return_pct=3, copies=4, source="yahoo")
    Publication.objects.filter(pk=bands.pk).update(judged_sharpe=0.5, judged_return_pct=9)
    assert names(browser) == ["Wide bands", "Slow trend"]
    assert names(browser, kind="trend") == ["Slow trend"]
    assert names(browser, q="quiet") == ["Wide bands"]
    assert names(browser, q="alice") == ["Wide bands", "Slow trend"]
    assert names(browser, market="yahoo") == ["Slow trend"]
    assert names(browser, stars="4") == ["Wide bands"]
    assert names(browser, sort="sharpe") == ["Slow trend", "Wide bands"]
    assert names(browser, sort="return") == ["Wide bands", "Slow trend"]
    assert names(browser, sort="copies") == ["Slow trend", "Wide bands"]
    assert names(browser, sort="in_sample", kind="x", stars="99", market="?") == ["Wide bands", "Slow trend"]
    assert not [key for key in selectors.SORTS if "in_sample" in key]
    nothing = browser.get(GALLERY, {"q": "no such words"}).content.decode()
    assert "Nothing matches" in nothing
    assert 'value="no such words"' in nothing


@pytest.mark.row("D21")
def test_nothing_published_yet_says_how(browser: Client) -> None:
    assert "Nobody has published a strategy" in browser.get(GALLERY).content.decode()


@pytest.mark.row("D21", "B16")
def test_the_figures_stand_with_their_warnings(browser: Client, alice: User, measured) -> None:
    row = measured(alice)
    card = browser.get(GALLERY).content.decode()
    assert "the author may have seen it" in card
    assert "Held out" in card
    assert "+20.57 %" in card
    assert "+39.75 %" not in card, "a card does not show what was reached in sample"
    page = browser.get(reverse("strategies:gallery-entry", args=[row.pk])).content.decode()
    for words in (
        "In sample", "proves nothing", "Held out", "the author may have seen it", "Against holding", "Costs paid",
        "0.05 % commission", "Sharpe ratio", "Maximum drawdown", "Time in the market", row.data_hash[:16],
    ):  # fmt: skip
        assert words in page, words
    assert "too few trades to tell" not in page
    chart = browser.get(reverse("strategies:gallery-chart", args=[row.pk])).json()
    assert chart["parts"] == ["In sample", "Held out"]
    assert len(chart["starts"]) == 2

    told = row.figures["parts"]
    told[1]["trade_count"] = 29
    Publication.objects.filter(pk=row.pk).update(figures={**row.figures, "parts": told}, own_data=True, version="other")
    page = browser.get(reverse("strategies:gallery-entry", args=[row.pk])).content.decode()
    for words in ("too few trades to tell", "of an earlier version", "own prices"):
        assert words in page, words
    assert "too few trades to tell" in browser.get(GALLERY).content.decode()


@pytest.mark.row("D21")
def test_without_figures_it_says_why(browser: Client, alice: User, publish) -> None:
    row = publish(alice, "<b>Waits</b>")
    page = reverse("strategies:gallery-entry", args=[row.pk])
    assert "being computed" in browser.get(page).content.decode()
    assert "<b>Waits" not in browser.get(page).content.decode() + browser.get(GALLERY).content.decode()
    Publication.objects.filter(pk=row.pk).update(state="FAILED", problem="No bars are there.")
    assert "No bars are there." in browser.get(page).content.decode()
    assert "No bars are there." in browser.get(GALLERY).content.decode()


@pytest.mark.row("D21")
def test_rate_report_and_copy_from_its_page(browser: Client, alice: User, bob: User, publish) -> None:
    row = publish(alice, parameters={"fast_window": 6})
    page = reverse("strategies:gallery-entry", args=[row.pk])
    browser.post(reverse("strategies:gallery-rate", args=[row.pk]), {"stars": "4", "comment": "Good <i>idea</i>"})
    assert Rating.objects.get().stars == 4
    text = browser.get(page).content.decode()
    assert "Good &lt;i&gt;idea" in text
    assert "4.0 of 5 stars from 1 rating" in text
    refused = browser.post(reverse("strategies:gallery-rate", args=[row.pk]), {"stars": "9", "comment": "Kept"})
    assert refused.status_code == 400
    assert 'value="Kept"' in refused.content.decode()
    browser.post(reverse("strategies:gallery-rate", args=[row.pk]), {"remove": "1"})
    assert not Rating.objects.exists()
    assert browser.post(reverse("strategies:gallery-report", args=[row.pk]), {"reason": ""}).status_code == 400
    browser.post(reverse("strategies:gallery-report", args=[row.pk]), {"reason": "Stolen"})
    assert Report.objects.get().reason == "Stolen"

    take = reverse("strategies:gallery-copy", args=[row.pk])
    to_backtest = browser.post(take, {"then": "backtest"})["Location"]
    mine = UserStrategy.objects.get(owner=bob)
    assert to_backtest == f"{reverse('backtests:new')}?saved={mine.pk}"
    assert f'value="saved:{mine.pk}" checked' in browser.get(to_backtest).content.decode()
    to_bot = browser.post(take, {"then": "bot"})["Location"]
    assert f'value="saved:{mine.pk}" checked' in browser.get(to_bot).content.decode()
    assert browser.post(take)["Location"] == reverse("strategies:edit", args=[mine.pk])
    assert UserStrategy.objects.filter(owner=bob).count() == 1
    Tier.objects.update(max_saved_strategies=0)
    UserStrategy.objects.filter(owner=bob).delete()
    assert "0 saved strategies" in browser.post(take, follow=True).content.decode()


@pytest.mark.row("D21")
@pytest.mark.usefixtures("sample_data")
def test_publish_and_take_out_by_the_pages(client: Client, alice: User, publish) -> None:
    strategy = saved_of(publish(alice))
    publishing.withdraw(alice, strategy)
    UserStrategy.objects.filter(pk=strategy.pk).update(description="")
    client.force_login(alice)
    assert (
        reverse("strategies:publish", args=[strategy.pk]) in client.get(f"/strategies/{strategy.pk}/").content.decode()
    )
    form = client.get(reverse("strategies:publish", args=[strategy.pk])).content.decode()
    assert 'value="AAPL IBM MSFT GOOG"' in form
    sent = {"description": "", "source": "sample", "symbols": "aapl, none", "timeframe": "1d"}
    refused = client.post(reverse("strategies:publish", args=[strategy.pk]), sent)
    assert refused.status_code == 400
    assert "needs a description" in refused.content.decode()
    refused = client.post(reverse("strategies:publish", args=[strategy.pk]), {**sent, "description": WORDS})
    assert "No 1d bars of NONE" in refused.content.decode()
    done = client.post(
        reverse("strategies:publish", args=[strategy.pk]), {**sent, "description": WORDS, "symbols": "aapl"}
    )
    row = Publication.objects.get()
    assert done["Location"] == reverse("strategies:gallery-entry", args=[row.pk])
    assert (row.symbols, row.is_listed) == (["AAPL"], True)
    assert "In the gallery" in client.get(f"/strategies/{strategy.pk}/").content.decode()
    client.post(reverse("strategies:withdraw", args=[strategy.pk]))
    row.refresh_from_db()
    assert not row.is_listed
    assert "This is not in the gallery now" in client.get(done["Location"]).content.decode()


@pytest.mark.row("D21", "A5")
def test_others_see_nothing_of_what_is_withdrawn(browser: Client, alice: User, publish) -> None:
    row = publish(alice)
    publishing.withdraw(alice, saved_of(row))
    for name, method in (("entry", "get"), ("chart", "get"), ("copy", "post"), ("rate", "post"), ("report", "post")):
        assert getattr(browser, method)(reverse(f"strategies:gallery-{name}", args=[row.pk])).status_code == 404, name
    for name in ("publish", "withdraw"):
        assert browser.post(reverse(f"strategies:{name}", args=[row.strategy_id])).status_code == 404
    assert names(browser) == []


@pytest.mark.row("B16")
def test_pages_and_api_read_few_rows_however_many_there_are(
    browser: Client, api, alice: User, bob: User, publish, django_assert_num_queries
) -> None:
    Tier.objects.update(max_saved_strategies=None)
    rows = [publish(alice, f"Number {n}") for n in range(30)]
    for row in rows[:5]:
        for _ in range(3):
            opinions.rate(UserFactory(), row, {"stars": 3})
    with django_assert_num_queries(7):  # login 2, bell, badge, inbox, count, rows
        assert browser.get(GALLERY).status_code == 200
    with django_assert_num_queries(9):  # login 2, bell, badge, inbox, publication, ratings 2, the own one
        assert browser.get(reverse("strategies:gallery-entry", args=[rows[0].pk])).status_code == 200
    caller = api(bob)
    for address, most in (("/api/strategies/gallery?limit=30", 3), ("/api/strategies/public?limit=30", 4)):
        caller.get(address)
        with django_assert_num_queries(most):
            assert len(caller.get(address).json()["results"]) == 30
