"""Coins, whose venues take commission in what is bought: at Alpaca, and at Binance, where a position is a balance."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from django.test import Client

from accounts.models import User
from bots.models import TradingSession
from bots.practice import orders
from bots.practice.server import Venue
from bots.practice.serving import in_thread
from bots.services import sessions
from marketdata.models import Instrument
from tests.accounts.factories import BrokerAccountFactory
from tests.bots.host import market
from tests.bots.host.hosting import host
from tests.bots.live.audit import check
from tests.bots.live.rig import KEY, SECRET, SEED, Rig, ScriptedVenue, state_of, until

pytestmark = [pytest.mark.django_db(transaction=True)]

COINS = {"alpaca": ("BTC/USD", "USD"), "binance": ("BTC/USDT", "USDT")}
OURS = {"BTC/USD": "BTC-USD", "BTC/USDT": "BTC-USDT"}


@pytest.fixture(params=sorted(COINS))
def coin(request: pytest.FixtureRequest, alice: User, settings: Any) -> Iterator[tuple[Rig, str]]:
    """A venue with one coin, and an account of alice's there, by each broker's protocol."""
    symbol, quote = COINS[request.param]
    coin = orders.Instrument(
        symbol, "crypto", tick=Decimal("0.01"), lot=Decimal("0.00001"), fee_ratio=Decimal("0.001"), base="BTC",
        quote=quote,
    )  # fmt: skip
    venue = ScriptedVenue([coin], always_open=True, is_scripted=True, seed=SEED)
    with in_thread(venue) as address:
        settings.PRACTICE_VENUE_URL, settings.BROKER_SWEEP_SECONDS = f"http://{address}", 2.0
        settings.TEST_RIG = True  # a replay
        customer = venue.open_account(KEY, SECRET, Decimal(100_000))
        account = BrokerAccountFactory(
            owner=alice, api_key=KEY, api_secret=SECRET, kind=request.param, currency=quote,
            options={"crypto_fee_ratio": "0.001"} if request.param == "alpaca" else {},
        )  # fmt: skip
        rig = Rig(venue, address, customer, account)
        rig.price("100.00", symbol)
        yield rig, OURS[symbol]


@pytest.mark.row("I8", "I9", "A15")
def test_commission_in_the_coin_leaves_no_dust(alice: User, coin: tuple[Rig, str]) -> None:
    """A9: the position is what is left of the units, it is sold whole, and the two ledgers agree to the last unit."""
    rig, symbol = coin
    ts = market.BEGIN + np.arange(market.WARMUP + 5_000, dtype=np.int64) * market.MINUTE
    market.put(symbol, market.walk(11, ts), calendar="24/7")
    Instrument.objects.filter(symbol=symbol).update(lot_size=Decimal("0.00001"), fractionable=True)
    session = market.session(
        alice, speed=600, mode="LIVE", broker_account=rig.account, symbols=[symbol],
        feed_options=market.replay(market.FIRST, market.FIRST + 4_000 * market.MINUTE, speed=600),
        settings={"allow_fractional": True},
    )  # fmt: skip
    with host():
        until(session, lambda: session.positions.filter(is_open=False).count() >= 2, 60)
        sessions.stop(alice, session.pk, "flatten")
        until(session, lambda: state_of(session) == "STOPPED", 60)
    check(rig, session)


@pytest.mark.row("I12", "A9", "W12")
@pytest.mark.parametrize(
    ("kind", "listed", "named"), [("alpaca", "BTC/USD", "BTC-USD"), ("binance", "BTC/USDT", "BTC-USDT")]
)
def test_a_live_session_is_started_on_a_coin_by_its_name_here(
    alice: User, client: Client, settings: Any, kind: str, listed: str, named: str
) -> None:
    """As the start form and the API ask: the venue is asked by its own name, and the broker's own prices are heard."""
    base, _, quote = listed.partition("/")
    coin = orders.Instrument(
        listed, "crypto", tick=Decimal("0.01"), lot=Decimal("0.00001"), fee_ratio=Decimal("0.001"), base=base,
        quote=quote,
    )  # fmt: skip
    venue = Venue([coin], always_open=True)
    with in_thread(venue) as address:
        settings.PRACTICE_VENUE_URL, settings.BROKER_SWEEP_SECONDS = f"http://{address}", 2.0
        venue.open_account(KEY, SECRET, Decimal(100_000))
        account = BrokerAccountFactory(
            owner=alice, api_key=KEY, api_secret=SECRET, kind=kind, currency=quote, cash=Decimal(100_000)
        )
        client.force_login(alice)
        asked = {
            "mode": "LIVE", "broker_account_id": account.pk, "strategy": "buy_and_hold", "symbols": [named],
            "timeframe": "1s" if kind == "binance" else "1m", "initial_cash": 20_000,
            "settings": {"allow_fractional": True},
        }  # fmt: skip
        address_of = "/api/trading/sessions/start"
        wrong = {**asked, "symbols": [named.replace("-", "")]}
        refused = client.post(address_of, json.dumps(wrong), content_type="application/json")
        assert refused.status_code == 422, refused.content
        assert (named in refused.content.decode()) == (kind == "binance")  # Alpaca does not list it at all
        started = client.post(address_of, json.dumps(asked), content_type="application/json")
        assert started.status_code == 201, started.content
        session = TradingSession.objects.get()
        assert (session.symbols, session.feed) == ([named], kind)
        with host():
            if kind == "binance":
                until(session, lambda: session.trades.exists(), 60)
                assert session.broker_executions.get().symbol == named
            else:
                until(session, lambda: state_of(session) in ("RUNNING", "DEGRADED"), 60)  # its bars take a minute
            sessions.stop(alice, session.pk, "flatten")
            until(session, lambda: state_of(session) == "STOPPED", 60)
