"""What a session may ask of the feeds of real vendors, and which feed it gets when it names none."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from accounts.models import BrokerAccount, User
from bots.services import feeds, requests, sessions
from engine.errors import InputError
from marketdata.feeds import FeedKey, open_feed
from tests.accounts.factories import BrokerAccountFactory

BODY: dict[str, Any] = {"strategy": "ma_crossover", "symbols": ["AAPL"], "initial_cash": 5_000}


@pytest.fixture(autouse=True)
def keys(settings: Any) -> None:
    settings.ALPACA_API_KEY, settings.ALPACA_API_SECRET = "PKOWN", "own-secret"
    settings.POLYGON_API_KEY = "POLYGONKEY"


def options_of(user: User, **changes: Any) -> dict[str, Any]:
    request = requests.clean(user, {**BODY, **changes})
    made = feeds.sealed(user, request.feed, request.feed_options)
    open_feed(FeedKey.of(request.feed, **made))  # as the host will
    return made


def refused(user: User, **changes: Any) -> dict[str, str]:
    with pytest.raises(InputError) as caught:
        requests.clean(user, {**BODY, **changes})
    return {fault.path: fault.code for fault in caught.value.faults}


@pytest.mark.django_db
@pytest.mark.row("G1", "G4", "G6")
def test_a_session_listens_to_the_vendor_that_it_names(alice: User) -> None:
    practice = BrokerAccountFactory(owner=alice)
    assert options_of(alice, feed="alpaca") == {"market": "stocks"}
    assert options_of(alice, feed="alpaca", symbols=["BTC-USD", "ETH-USD"]) == {"market": "crypto"}
    assert options_of(alice, feed="polygon") == {}
    assert options_of(alice, feed="binance", symbols=["BTCUSDT"]) == {"candles": "1m"}
    assert options_of(alice, feed="binance", symbols=["BTCUSDT"], timeframe="1s") == {"candles": "1s"}
    by_account = {"account": practice.pk, "market": "stocks"}
    assert options_of(alice, feed="alpaca", symbols=["SIM-ALPHA"], feed_options={"account": practice.pk}) == by_account
    again = options_of(alice, feed="alpaca", symbols=["SIM-ALPHA"], feed_options=by_account)
    assert again == by_account, "what a session has can be sent again"


@pytest.mark.django_db
def test_a_live_session_hears_its_brokers_prices_unless_it_says_otherwise(alice: User) -> None:
    practice = BrokerAccountFactory(owner=alice)
    live = {"mode": "LIVE", "broker_account_id": practice.pk, "symbols": ["SIM-ALPHA"]}
    request = requests.clean(alice, {**BODY, **live})
    assert (request.feed, request.feed_options) == ("alpaca", {"account": practice.pk, "market": "stocks"})
    assert requests.clean(alice, {**BODY, **live, "timeframe": "1s"}).feed == "synthetic"
    assert requests.clean(alice, {**BODY, **live, "feed": "synthetic"}).feed == "synthetic"
    other = requests.clean(alice, {**BODY, **live, "symbols": ["AAPL"], "feed": "polygon"})
    assert (other.feed, other.feed_options) == ("polygon", {})
    assert requests.clean(alice, {**BODY, "symbols": ["SIM-ALPHA"]}).feed == "synthetic"


@pytest.mark.django_db
def test_what_a_vendor_cannot_give_is_refused_with_its_place(alice: User, bob: User, settings: Any) -> None:
    foreign, own = BrokerAccountFactory(owner=bob), BrokerAccountFactory(owner=alice, environment="PAPER")
    closed = BrokerAccountFactory(owner=alice)
    BrokerAccount.objects.filter(pk=closed.pk).update(state="CLOSED", closed_at=closed.created_at)
    for changes, faults in (
        ({"feed": "alpaca", "feed_options": {"account": foreign.pk}}, {"feed_options.account": "not_found"}),
        ({"feed": "alpaca", "feed_options": {"account": closed.pk}}, {"feed_options.account": "not_found"}),
        ({"feed": "binance", "symbols": ["BTCUSDT"], "feed_options": {"account": own.pk}},
         {"feed_options.account": "not_found"}),
        ({"feed": "alpaca", "feed_options": {"account": "one"}}, {"feed_options.account": "not_a_number"}),
        ({"feed": "polygon", "feed_options": {"account": 1}}, {"feed_options.account": "unknown_field"}),
        ({"feed": "alpaca", "timeframe": "1s"}, {"timeframe": "unknown_choice"}),
        ({"feed": "alpaca", "symbols": ["AAPL", "BTC-USD"]}, {"symbols[1]": "conflict"}),
        ({"feed": "alpaca", "symbols": ["SIM-ALPHA"], "feed_options": {"account": own.pk}},
         {"symbols[0]": "not_found"}),
        ({"feed": "polygon", "symbols": ["BTC-USD"]}, {"symbols[0]": "not_found"}),
        ({"feed": "polygon", "symbols": ["SIM-ALPHA"]}, {"symbols[0]": "not_found"}),
        ({"feed": "binance", "symbols": ["AAPL"]}, {"symbols[0]": "not_found"}),
        ({"feed": "replay", "symbols": ["SIM-ALPHA"]}, {"symbols[0]": "not_found"}),
    ):  # fmt: skip
        assert refused(alice, **changes) == faults, changes
    settings.ALPACA_API_KEY = settings.POLYGON_API_KEY = ""
    assert refused(alice, feed="alpaca") == {"feed": "unavailable"}
    assert refused(alice, feed="polygon") == {"feed": "unavailable"}
    assert options_of(alice, feed="alpaca", feed_options={"account": own.pk})["account"] == own.pk


@pytest.mark.django_db
def test_the_same_request_twice_is_one_session(exchange_sessions: None, alice: User) -> None:
    body = {**BODY, "feed": "alpaca"}
    session, made = sessions.start(alice, body, "once")
    assert (made, session.feed, session.feed_options) == (True, "alpaca", {"market": "stocks"})
    assert sessions.start(alice, body, "once") == (session, False)
    assert feeds.calendar(alice, "alpaca", {}, ["AAPL"]) == "XNYS"
    assert feeds.calendar(alice, "alpaca", {}, ["BTC-USD", "SIM-ALPHA"]) == "24/7"


@pytest.mark.django_db
def test_the_form_asks_for_whose_keys_and_never_shows_them(client: Any, alice: User, bob: User) -> None:
    own = BrokerAccountFactory(owner=alice, name="Rehearsal")
    BrokerAccountFactory(owner=bob, name="Somebody else's")
    client.force_login(alice)
    text = client.get(reverse("bots:form-part"), {"part": "feed", "feed": "alpaca"}).content.decode()
    assert f'<option value="{own.pk}">Rehearsal' in text
    assert "Somebody else" not in text
    assert own.api_key.reveal() not in text
