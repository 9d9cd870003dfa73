"""The page of orders: three groups, filters, and the life of one order."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from bots.models import Order, TradingSession
from bots.orders import GROUPS
from tests.bots.factories import fill_session, make_bot, make_session

ORDERS = "/orders/"


@pytest.fixture
def session(alice: User) -> TradingSession:
    return fill_session(make_session(alice, bot=make_bot(alice), symbols=["SIM-ALPHA", "SIM-BETA"]), bars=90)


@pytest.fixture
def browser(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def rows(client: Client, query: str = "") -> list[Order]:
    answer = client.get(f"{ORDERS}{query}")
    assert answer.status_code == 200
    return list(answer.context["page"].object_list)


@pytest.mark.row("N9")
def test_an_empty_page_says_what_it_is_for(browser: Client) -> None:
    assert "No order yet" in browser.get(ORDERS).content.decode()


@pytest.mark.row("N9")
def test_orders_stand_in_their_group(browser: Client, session: TradingSession) -> None:
    for group, query in (("pending", "?group=pending"), ("active", ""), ("closed", "?group=closed")):
        expected = session.orders.filter(state__in=GROUPS[group])
        assert expected.exists()
        assert {order.pk for order in rows(browser, query)} == set(expected.values_list("pk", flat=True)[:50])
        tabs = {tab["name"]: tab["count"] for tab in browser.get(f"{ORDERS}{query}").context["tabs"]}
        assert tabs[group] == expected.count()
    assert rows(browser, "?group=nonsense") == rows(browser)


@pytest.mark.row("N9")
def test_filters_hold_over_all_groups(browser: Client, session: TradingSession) -> None:
    answer = browser.get(f"{ORDERS}?group=closed&symbol=SIM-BETA&side=SELL&sort=units")
    found = list(answer.context["page"].object_list)
    assert {(order.symbol, order.side) for order in found} == {("SIM-BETA", "SELL")}
    assert [order.qty for order in found] == sorted(order.qty for order in found)
    assert next(tab["url"] for tab in answer.context["tabs"]) == "?symbol=SIM-BETA&side=SELL&group=pending"
    assert answer.context["filter"].chips[0].url == "?side=SELL&group=closed&sort=units"
    assert "Nothing matches" in browser.get(f"{ORDERS}?symbol=NOPE").content.decode()


@pytest.mark.row("N9")
def test_the_number_of_queries_does_not_grow_with_the_rows(
    browser: Client, alice: User, session: TradingSession, django_assert_num_queries
) -> None:
    for number in range(3):
        fill_session(make_session(alice, bot=make_bot(alice), state="STOPPED"), bars=40, seed=number)
    with django_assert_num_queries(11):  # login 2, bell, badge, inbox, bots, sessions, count, rows, groups, topics
        rows(browser, "?group=closed")


@pytest.mark.row("N9")
def test_one_order_tells_its_life(browser: Client, session: TradingSession) -> None:
    filled = session.orders.filter(state="FILLED").first()
    page = browser.get(reverse("order", args=[filled.pk])).content.decode()
    assert filled.client_order_id in page
    assert reverse("trade", args=[filled.fills.get().pk]) in page
    denied = session.orders.filter(state="DENIED").first()
    part = browser.get(
        reverse("order", args=[denied.pk]), headers={"HX-Request": "true", "HX-Target": "panel-body"}
    ).content.decode()
    assert "Larger than the cash" in part
    assert "<html" not in part


@pytest.mark.row("A5")
def test_nobody_sees_anothers_orders(client: Client, bob: User, session: TradingSession) -> None:
    client.force_login(bob)
    assert client.get(reverse("order", args=[session.orders.first().pk])).status_code == 404
    assert "No order yet" in client.get(ORDERS).content.decode()
