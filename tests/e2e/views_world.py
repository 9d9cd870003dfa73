"""What alice sees on the pages of trading when her bots have run for a while."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from accounts.services import risk
from bots.models import SessionEvent, TradingSession
from tests.bots.factories import fill_session, make_bot, make_session


@pytest.fixture
def trading(alice: User) -> dict[str, Any]:
    """Two sessions that run, one that ended yesterday, one with a long name."""
    User.objects.filter(pk=alice.pk).update(tier_id="PREMIUM")
    now = timezone.now().replace(second=0, microsecond=0)
    running = fill_session(
        make_session(
            alice,
            bot=make_bot(alice, name="Trend follower"),
            symbols=["SIM-ALPHA", "SIM-BETA"],
            settings={"max_open_positions": 3, "daily_loss_limit_pct": 0.4, "max_drawdown_pct": 8},
        ),
        bars=240,
    )
    long_name = "A name " + "that goes on and on " * 3
    second = fill_session(
        make_session(alice, bot=make_bot(alice, name=long_name.strip()), symbols=["SIM-GAMMA", "SIM-DELTA"]),
        bars=120,
        seed=5,
    )
    ended = fill_session(
        make_session(alice, state=TradingSession.State.STOPPED, symbols=["SIM-ALPHA"], timeframe="1h"),
        bars=24 * 20,
        seed=9,
        until=now - datetime.timedelta(days=1),
    )
    SessionEvent.objects.create(
        session=running, kind="guard", level="warning", text="Prices of SIM-BETA stood still for 40 s; entries waited."
    )
    groups = {"Made-up technology": {"symbols": ["SIM-ALPHA", "SIM-GAMMA"], "cap": Decimal(2000)}}
    risk.set_envelope(
        alice, {"gross_cap": Decimal(5000), "net_cap": Decimal(20000), "symbol_cap": Decimal(2200), "groups": groups}
    )
    return {"running": running, "second": second, "ended": ended}


def addresses(trading: dict[str, Any]) -> dict[str, str]:
    fill = trading["ended"].trades.filter(realised_pnl__isnull=False).first()
    return {
        "trades": "/trades/",
        "trades-filtered": "/trades/?symbol=SIM-ALPHA&side=SELL&sort=-pnl",
        "trades-nothing": "/trades/?symbol=NOPE",
        "orders": "/orders/",
        "orders-closed": "/orders/?group=closed",
        "orders-pending": "/orders/?group=pending&symbol=NOPE",
        "order-detail": f"/orders/{fill.order_id}/",
        "positions": "/positions/",
        "positions-closed": "/positions/?state=closed",
        "position-detail": f"/positions/{fill.position_id}/",
        "analytics": "/analytics/",
        "analytics-1w": "/analytics/?period=1W",
        "risk": "/risk/",
        "trade-detail": f"/trades/{fill.pk}/",
    }
