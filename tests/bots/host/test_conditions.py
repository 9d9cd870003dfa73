"""Sessions of conditions in a real host: what the ledger says of each bar is what the trees say of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from accounts.models import Tier, User
from bots import parity
from bots.host.tape import Tape
from bots.models import TradingSession
from bots.services import bots as bot_services
from bots.services import sessions as services
from engine import Bars
from marketdata.columns import BarColumns
from strategies import conditions
from strategies.services import custom
from tests.bots.host import market
from tests.bots.host.hosting import host, wait_for
from tests.strategies.trees import RSI_HIGH, RSI_LOW, compare, make_custom

pytestmark = pytest.mark.django_db(transaction=True)

FAST = {"indicator": "sma", "period": 3, "source": "close"}
SLOW = {"indicator": "ema", "period": 8, "source": "close"}
BUY = {
    "type": "and",
    "children": [
        compare(FAST, "crosses_above", SLOW),
        {"type": "not", "children": [compare({"indicator": "rsi", "period": 14}, "above", {"value": 80})]},
        compare({"price": "close", "bars_ago": 2}, "above", {"value": 1}),
    ],
}
SELL = compare(FAST, "crosses_below", SLOW)
DAY = {"source": "file", "start": "2026-03-02", "end": "2026-03-02"}


@pytest.mark.row("E4", "E5", "C1", "W1", "W5", "W8")
def test_the_ledger_explains_every_bar_as_the_trees_do(alice: User, bars: None) -> None:
    User.objects.filter(pk=alice.pk).update(tier_id=Tier.PREMIUM)
    alice.refresh_from_db()
    row = make_custom(alice, buy_conditions=BUY, sell_conditions=SELL)
    asked = {
        "custom_strategy_id": row.pk,
        "symbols": list(market.SYMBOLS),
        "timeframe": "1m",
        "feed": "replay",
        "feed_options": DAY,
    }
    session, _ = services.start(alice, asked)
    replay_the_market(session)
    custom.update(alice, row.pk, {"buy_conditions": RSI_LOW, "sell_conditions": RSI_HIGH})
    with host():
        wait_for(lambda: TradingSession.objects.get(pk=session.pk).state == "STOPPED", 90)
    session.refresh_from_db()
    assert session.word == "COMPLETED", session.state_reason
    assert session.trades.count() >= 10

    seen = 0
    for symbol, whole, before in tape_of(session):
        rows = list(session.decisions.filter(symbol=symbol, decides=True).order_by("ts_ns"))
        assert [each.ts_ns for each in rows] == whole.ts[before:].tolist()
        places = list(range(before, len(whole)))
        told = {"buy": conditions.explain(BUY, whole, places), "sell": conditions.explain(SELL, whole, places)}
        for i, each in enumerate(rows):
            assert each.evidence == {name: answers[i] for name, answers in told.items()}, (symbol, i)
            true = {name: answers[i]["is"] for name, answers in told.items()}
            assert (each.action, each.exits) == {
                (True, False): ("BUY", ""), (False, True): ("SELL", "long"), (False, False): ("HOLD", ""),
            }[true["buy"], true["sell"]]  # fmt: skip
            seen += true["buy"]
    assert seen >= 5
    assert session.trades.filter(side="SELL").exists()
    report = parity.make(session)
    assert report.identical, report.differences


@pytest.mark.row("C13", "Q5")
def test_many_bots_at_once_each_with_its_own_indicators(alice: User, bars: None) -> None:
    Tier.objects.filter(pk=Tier.FREE).update(max_active_sessions=10)
    rules = [
        {"RSI": {"period": 5, "oversold": 35, "overbought": 65}},
        {"MACD": {"fast": 4, "slow": 9, "signal": 3}},
        {"SMA": {"period": 6}, "EMA": {"period": 11}},
        {"Bollinger": {"period": 10}},
        {"Stochastic": {}, "RSI": {}},
    ]
    sessions = []
    for i, indicators in enumerate(rules):
        bot = bot_services.create(
            alice,
            {
                "name": f"bot {i}",
                "capital": 1_000 * (i + 1),
                "trading_frequency": 60,
                "symbols": [market.SYMBOLS[i % 2]],
                "timeframe": "1m",
                "indicators": indicators,
                "risk_management": {"stop_loss": 1 + i, "max_position_size": 50},
                "feed": "replay",
                "feed_options": DAY,
            },
        )
        session, new = bot_services.start(alice, bot.pk, {"confirm_cautions": True})
        assert new
        replay_the_market(session)
        sessions.append(session)
    with host():
        for session in sessions:
            wait_for(lambda session=session: TradingSession.objects.get(pk=session.pk).state == "STOPPED", 120)
    for session, indicators in zip(sessions, rules, strict=True):
        session.refresh_from_db()
        trees = conditions.from_indicators(indicators)
        assert {name: session.strategy_parameters[name] for name in trees} == trees
        assert session.initial_cash == session.bot.capital
        for _, whole, before in tape_of(session):
            rows = session.decisions.filter(decides=True).order_by("ts_ns")
            expected = conditions.explain(trees["buy"], whole, list(range(before, len(whole))))
            assert [each.evidence["buy"]["is"] for each in rows] == [each["is"] for each in expected]
    assert sum(session.trades.exists() for session in sessions) >= 4


def replay_the_market(session: TradingSession) -> None:
    """People replay whole days; the made market has its history in the same day."""
    TradingSession.objects.filter(pk=session.pk).update(feed_options=market.replay(market.FIRST, market.END))


def tape_of(session: TradingSession) -> Iterator[tuple[str, Bars, int]]:
    """(symbol, its bars of history and session together, how many of them are history)."""
    tape = Tape.of(session)
    for symbol in session.symbols:
        before, traded = tape.warmup[symbol], tape.deciding[symbol]
        columns = BarColumns.concat([before, traded])
        calendar = tape.plan.markets[symbol].calendar
        yield symbol, Bars.from_arrays(symbol, "1m", columns.ts, *columns.arrays(), calendar=calendar), len(before)
