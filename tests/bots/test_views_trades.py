"""The page of fills: filters in the address, details, figures, CSV; nobody sees what is another's."""

from __future__ import annotations

import csv
import datetime
import io
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from bots.models import Trade, TradingSession
from tests.bots.factories import fill_session, make_bot, make_session
from tradingsite.lib import downloads

TRADES = "/trades/"


@pytest.fixture
def session(alice: User) -> TradingSession:
    bot = make_bot(alice, name="Alpha bot")
    return fill_session(make_session(alice, bot=bot, symbols=["SIM-ALPHA", "SIM-BETA"]), bars=90)


@pytest.fixture
def browser(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def rows(client: Client, query: str = "") -> list[Trade]:
    answer = client.get(f"{TRADES}{query}")
    assert answer.status_code == 200
    return list(answer.context["page"].object_list)


def test_a_stranger_is_asked_to_sign_in(client: Client, db: None) -> None:
    assert client.get(TRADES).url == f"{reverse('accounts:login')}?next={TRADES}"


@pytest.mark.row("N3")
def test_an_empty_page_says_what_it_is_for(browser: Client) -> None:
    text = browser.get(TRADES).content.decode()
    assert "No trade yet" in text
    assert "<table" not in text


@pytest.mark.row("N3")
def test_filters_stand_in_the_address_and_hold(browser: Client, alice: User, session: TradingSession) -> None:
    other = fill_session(make_session(alice, state="STOPPED", symbols=["SIM-GAMMA"]), bars=60, seed=7)
    everything = Trade.objects.count()
    assert len(rows(browser)) == everything
    assert {trade.symbol for trade in rows(browser, "?symbol=sim-beta")} == {"SIM-BETA"}
    assert {trade.side for trade in rows(browser, "?side=SELL")} == {"SELL"}
    assert {trade.reason for trade in rows(browser, "?reason=stop_loss")} == {"stop_loss"}
    assert {trade.session_id for trade in rows(browser, f"?session={other.pk}")} == {other.pk}
    assert {trade.session_id for trade in rows(browser, f"?bot={session.bot_id}")} == {session.pk}
    assert rows(browser, "?from=2001-01-01&to=2001-01-02") == []
    answer = browser.get(f"{TRADES}?symbol=SIM-BETA&side=SELL&sort=-units")
    chips = answer.context["filter"].chips
    assert [(chip.text, chip.url) for chip in chips] == [
        ("Symbol: SIM-BETA", "?side=SELL&sort=-units"),
        ("Side: Sell", "?symbol=SIM-BETA&sort=-units"),
    ]


@pytest.mark.row("A8")
@pytest.mark.parametrize(
    "query",
    ["?sort=password", "?side=HOLD", "?reason=x", "?bot=x", "?bot=99999999999999999999", "?page=zz",
     "?from=2026-13-01&to=yesterday", "?from=0001-01-01&to=9999-12-31"],
)  # fmt: skip
def test_what_no_filter_knows_is_left_out(browser: Client, session: TradingSession, query: str) -> None:
    assert len(rows(browser, query)) == session.trades.count()


def test_days_are_the_persons_own(browser: Client, alice: User, session: TradingSession) -> None:
    at = datetime.datetime(2026, 3, 1, 23, 30, tzinfo=datetime.UTC)  # the 2nd of March in Tokyo
    Trade.objects.create(
        session=session, symbol="SIM-ALPHA", side="BUY", qty=1, px=1, execution_id="late", executed_at=at
    )
    alice.timezone = "Asia/Tokyo"
    alice.save()
    assert [trade.execution_id for trade in rows(browser, "?from=2026-03-02&to=2026-03-02")] == ["late"]
    assert rows(browser, "?from=2026-03-01&to=2026-03-01") == []


@pytest.mark.row("N3")
def test_the_figures_follow_the_filters(browser: Client, session: TradingSession) -> None:
    figures = browser.get(f"{TRADES}?symbol=SIM-BETA").context["figures"]
    fills = list(session.trades.filter(symbol="SIM-BETA"))
    closing = [fill.realised_pnl for fill in fills if fill.realised_pnl is not None]
    assert figures["count"] == len(fills)
    assert figures["volume"] == pytest.approx(sum((fill.qty * fill.px for fill in fills), Decimal(0)))
    assert figures["total_pnl"] == pytest.approx(sum(closing, Decimal(0)))
    assert figures["win_rate_pct"] == pytest.approx(100 * sum(pnl > 0 for pnl in closing) / len(closing))


@pytest.mark.row("N3")
def test_pages_and_sort(browser: Client, session: TradingSession) -> None:
    first = session.trades.first()
    Trade.objects.bulk_create(
        Trade(
            session=session, symbol="MANY", side="BUY", qty=n, px=1, execution_id=f"m{n}", executed_at=first.executed_at
        )
        for n in range(1, 121)
    )
    page = rows(browser, "?symbol=MANY&sort=-units&page=2")
    assert [trade.qty for trade in page] == list(range(70, 20, -1))
    assert "symbol=MANY&amp;sort=-units&amp;page=3" in browser.get(f"{TRADES}?symbol=MANY&sort=-units").content.decode()


@pytest.mark.row("N3")
def test_the_number_of_queries_does_not_grow_with_the_rows(
    browser: Client, alice: User, session: TradingSession, django_assert_num_queries
) -> None:
    rows(browser)
    for number in range(4):
        fill_session(make_session(alice, bot=make_bot(alice), state="STOPPED"), bars=40, seed=number)
    with django_assert_num_queries(12):  # login 2, bell, badge, inbox, bots, sessions, count, rows, figures 2, topics
        rows(browser)


@pytest.mark.row("N3")
def test_one_fill_in_detail(browser: Client, session: TradingSession) -> None:
    fill = session.trades.filter(realised_pnl__isnull=False).first()
    page = browser.get(reverse("trade", args=[fill.pk])).content.decode()
    assert f"No. {fill.order.seq}, market" in page
    assert "Round trip" in page
    assert "<html" in page
    part = browser.get(
        reverse("trade", args=[fill.pk]), headers={"HX-Request": "true", "HX-Target": "panel-body"}
    ).content.decode()
    assert "<html" not in part
    assert "Round trip" in part


@pytest.mark.row("A5")
def test_nobody_sees_anothers_fills(client: Client, bob: User, session: TradingSession) -> None:
    client.force_login(bob)
    fill = session.trades.first()
    assert client.get(reverse("trade", args=[fill.pk])).status_code == 404
    assert "No trade yet" in client.get(f"{TRADES}?session={session.pk}").content.decode()
    assert len(b"".join(client.get(reverse("trades-csv"))).splitlines()) == 1


@pytest.mark.row("N3")
def test_csv_holds_what_the_filters_leave_and_no_formula(browser: Client, alice: User) -> None:
    bot = make_bot(alice, name='=HYPERLINK("http://example.com")')
    session = fill_session(make_session(alice, bot=bot, name="\uff1d1+1"), bars=60)
    text = b"".join(browser.get(f"{reverse('trades-csv')}?side=SELL")).decode()
    found = list(csv.DictReader(io.StringIO(text)))
    assert len(found) == session.trades.filter(side="SELL").count()
    assert {row["bot"] for row in found} == {"'" + bot.name}
    assert {row["session"] for row in found} == {"'\uff1d1+1"}
    fill = session.trades.get(pk=found[0]["id"])
    assert Decimal(found[0]["realised_pnl"]) == fill.realised_pnl
    assert Decimal(found[0]["notional"]) == fill.qty * fill.px


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "|cmd", "%0A", "\uff1d1", "\uff0b1", "\uff0d1", "\uff20A",
     "\ufe621", "\u22121", " =1", "\u00a0=1", "\u200b=1", "\ufeff=1", "\u3000\uff1d1"],
)  # fmt: skip
def test_text_that_a_spreadsheet_would_compute_is_kept_as_text(text: str) -> None:
    assert downloads.cell(text) == "'" + text


@pytest.mark.parametrize("value", ["Alpha", "A=B", "", 5, -5.5, True, None])
def test_other_cells_stay_as_they_are(value: object) -> None:
    assert downloads.cell(value) == value


def test_decimals_are_written_plainly() -> None:
    assert [downloads.cell(Decimal(text)) for text in ("1E+3", "-0.50000000", "0E-8")] == ["1000", "-0.5", "0"]
