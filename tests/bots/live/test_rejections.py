"""Entries that the venue rejects again and again: each waits longer than the one before, and the ledger says why."""

from __future__ import annotations

import datetime
import itertools
from decimal import Decimal

import pytest

from accounts.models import User
from bots.live.rejections import MOST, Rejections
from bots.models import Order, TradingSession
from tests.bots.host.hosting import host, make
from tests.bots.live.audit import check
from tests.bots.live.rig import Rig, story, until
from tests.bots.live.test_events import flatten, holds
from tests.bots.live.test_protecting import HOLD

BEGIN = datetime.datetime(2026, 11, 25, 15, tzinfo=datetime.UTC)
REFUSAL = '{"code": 40310000, "message": "insufficient buying power"}'


def entry(session: TradingSession, seq: int, minute: int, state: str = "REJECTED", symbol: str = "SIM-ALPHA") -> Order:
    return Order.objects.create(
        session=session, seq=seq, client_order_id=f"{session.pk}-{seq}", symbol=symbol, side="BUY", kind="market",
        time_in_force="day", qty=Decimal(1), is_entry=True, reason="signal", state=state, state_reason="too near",
        decided_at=BEGIN + datetime.timedelta(minutes=minute),
    )  # fmt: skip


def next_minute(rejections: Rejections, symbol: str = "SIM-ALPHA") -> int:
    """The first one in which an entry may leave, of those after `BEGIN`."""
    return next(
        minute
        for minute in range(1_000)
        if not rejections.refusal(Order(symbol=symbol, decided_at=BEGIN + datetime.timedelta(minutes=minute)))
    )


@pytest.mark.django_db
def test_each_rejection_doubles_the_wait_and_an_accepted_entry_ends_it(alice: User) -> None:
    session = make(alice, timeframe="1m")
    rejections, at = Rejections(session), 0
    for n, bars in enumerate((2, 4, 8, 15, 15)):  # a quarter of an hour at most
        rejections.rejected(entry(session, n, at))
        assert next_minute(rejections) == at + bars
        assert next_minute(rejections, "SIM-BETA") == 0
        at += bars
    told = rejections.refusal(Order(symbol="SIM-ALPHA", decided_at=BEGIN))
    assert told == (
        "Entries of SIM-ALPHA were rejected; the next one may leave from 2026-11-25 15:44:00 UTC on. The last time: "
        "too near"
    )
    assert next_minute(Rejections(session)) == at, "the next host knows it"
    entry(session, 10, at, "DENIED")
    assert next_minute(Rejections(session)) == at, "what was not sent says nothing"
    rejections.accepted("SIM-ALPHA")
    assert next_minute(rejections) == 0
    entry(session, 11, at, "FILLED")
    assert next_minute(Rejections(session)) == 0


@pytest.mark.django_db
@pytest.mark.parametrize(("timeframe", "bar_s"), [("1s", 1), ("1d", 86_400)])
def test_no_wait_is_longer_than_sixty_bars_or_a_quarter_of_an_hour(alice: User, timeframe: str, bar_s: int) -> None:
    rejections = Rejections(make(alice, timeframe=timeframe))
    order = Order(symbol="SIM-ALPHA", decided_at=BEGIN)
    for _ in range(50):
        rejections.rejected(order)
    longest = min(datetime.timedelta(seconds=60 * bar_s), MOST)
    second = datetime.timedelta(seconds=1)
    assert rejections.refusal(Order(symbol="SIM-ALPHA", decided_at=BEGIN + longest - second))
    assert not rejections.refusal(Order(symbol="SIM-ALPHA", decided_at=BEGIN + longest))


@pytest.mark.row("I8", "I10")
@pytest.mark.django_db(transaction=True)
def test_a_venue_that_rejects_every_entry_is_asked_less_and_less(alice: User, rig: Rig) -> None:
    """The signal stands at every bar; the decisions between say that the entry waits, and it fills in the end."""
    rig.fault(kind="status", method="POST", path="/v2/orders", status=403, times=4, body=REFUSAL)
    session = rig.session(**HOLD)
    with host():
        until(session, lambda: holds(session), 60)
        flatten(alice, session)
    check(rig, session)
    rejected = session.orders.filter(state="REJECTED").order_by("seq")
    assert rejected.count() == 4, story(session)
    taken = session.orders.get(is_entry=True, state="FILLED")
    times = [order.decided_at for order in (*rejected, taken)]
    gaps = [(later - earlier).total_seconds() for earlier, later in itertools.pairwise(times)]
    assert all(gap >= bars for gap, bars in zip(gaps, (2, 4, 8, 16), strict=True)), gaps
    waiting = session.decisions.filter(outcome="rejected_before").order_by("ts_ns")
    assert waiting.exists(), story(session)
    first = waiting[0]
    assert "rejected; the next one may leave from" in first.detail
    assert "buying power" in first.detail
    assert next(gate for gate in first.gates if not gate["ok"])["gate"] == "rejections"
