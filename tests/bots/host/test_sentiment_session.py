"""A session that trades the news: it reads what it could know, and going over it again reads the same."""

from __future__ import annotations

from datetime import timedelta

import pytest

from accounts.models import User
from bots import mapping, parity
from bots.models import TradingSession
from marketdata.news import services as news
from marketdata.news.base import Item
from tests.bots.host import market
from tests.bots.host.hosting import host, wait_for

pytestmark = pytest.mark.django_db(transaction=True)


def tell(owner: User | None, *items: tuple[float, float]) -> None:
    """Items of MADE-ONE: minutes after the first replayed bar opens, score."""
    first = mapping.moment(market.FIRST)
    made = [
        Item("MADE-ONE", first + timedelta(minutes=minutes), f"{minutes}: {score}", score=score)
        for minutes, score in items
    ]
    news.store(owner, made)


@pytest.mark.row("D8", "W1", "G18")
def test_a_replayed_day_of_news_is_the_same_when_it_is_gone_over_again(alice: User, bars: None) -> None:
    tell(None, (-30, 0.9), (40.5, -0.9), (41, -0.9), (42, -0.9))
    tell(alice, (90, 0.9), (90.2, 0.9), (90.4, 0.9), (90.6, 0.9))
    session = market.session(
        alice, strategy="sentiment", strategy_parameters={"lookback_days": 1}, settings={"stop_loss_pct": 20.0}
    )
    with host():
        wait_for(lambda: session.decisions.exists())
        tell(alice, (60, 1.0))  # it came in while the session ran, so the bars of long ago do not know it
        wait_for(lambda: TradingSession.objects.get(pk=session.pk).state == "STOPPED")
    session = TradingSession.objects.get(pk=session.pk)
    told = {
        (row.ts_ns - market.FIRST) // market.MINUTE: row
        for row in session.decisions.filter(symbol="MADE-ONE", decides=True)
    }
    # The bar of minute 40 closes at 41:00 and knows what was published then: a mean of -0.3.
    said = {minute: told[minute].action for minute in (0, 39, 40, 88, 89, 90)}
    assert said == {0: "BUY", 39: "BUY", 40: "SELL", 88: "SELL", 89: "HOLD", 90: "BUY"}
    assert told[39].inputs["sentiment"] == 0.9
    assert told[70].inputs["items"] == 4
    silent = session.decisions.filter(symbol="MADE-TWO", decides=True)
    assert {row.action for row in silent} == {"HOLD"}
    fills = list(session.trades.order_by("pk").values_list("symbol", "side"))
    assert fills == [("MADE-ONE", "BUY"), ("MADE-ONE", "SELL"), ("MADE-ONE", "BUY")]
    report = parity.make(session)
    assert report.identical, report.differences
    tell(None, (20, -1.0))
    assert parity.make(session).identical, "what comes in afterwards changes nothing"
