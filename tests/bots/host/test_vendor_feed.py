"""A session in a real host on a vendor's live feed, against the practice venue at the pace of this machine."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import httpx
import pytest

from accounts.models import AuditEvent, User
from bots import parity
from bots.models import TradingSession
from bots.practice.orders import Instrument
from bots.practice.server import Venue
from bots.practice.serving import in_thread
from tests.accounts.factories import BrokerAccountFactory
from tests.bots.host.hosting import host, make, wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.one_database]


@pytest.mark.row("G6", "G11", "W1", "W11")
def test_a_session_on_binance_trades_through_a_cut_as_a_backtest_of_its_bars_does(alice: User, settings: Any) -> None:
    coin = Instrument("BTC/USDT", "crypto", tick=Decimal("0.01"), lot=Decimal("0.0001"), base="BTC", quote="USDT")
    venue = Venue([coin], always_open=True)
    account = BrokerAccountFactory(owner=alice, kind="binance")
    with in_thread(venue) as address:
        settings.PRACTICE_VENUE_URL = f"http://{address}"
        session = make(
            alice,
            feed="binance",
            feed_options={"account": account.pk, "candles": "1s"},
            symbols=["BTCUSDT"],
            settings={"commission_rate": 0.0001},
        )
        with host() as running:
            wait_for(lambda: session.trades.count() >= 2, 60)
            seen = session.cycles.count()
            cut = {"stream": "binance", "kind": "drop"}
            assert httpx.post(f"http://{address}/practice/faults", json=cut).status_code == 200
            wait_for(lambda: session.cycles.count() >= seen + 15, 60)
            assert [stats["reconnects"] for stats in running.hub.stats().values()] == [1]
            TradingSession.objects.filter(pk=session.pk).update(wanted="STOP", stop_policy="keep", stop_reason="user")
            wait_for(lambda: TradingSession.objects.get(pk=session.pk).state == "STOPPED")
        report = parity.make(TradingSession.objects.get(pk=session.pk))
        assert report.identical, report.differences
    instants = list(session.cycles.order_by("pk").values_list("ts_ns", flat=True))
    assert instants == sorted(set(instants)), "each second once"
    assert AuditEvent.objects.filter(action="broker_account.keys_used").count() == 0, "public prices need no keys"
