"""Rows that a host sends in its own way are the rows that Django would have written."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from bots.host.statements import Conflict, Statements, statements
from bots.models import Cycle, DailyStats, Order, SessionEvent
from bots.orders import OrderState
from tests.bots.host import market

pytestmark = pytest.mark.django_db(transaction=True)
AT = datetime.datetime(2026, 3, 2, 14, 30, tzinfo=datetime.UTC)


def order(session: Any, seq: int, **columns: Any) -> Order:
    fields: dict[str, Any] = {
        "session": session, "seq": seq, "client_order_id": f"tw-{session.pk}-{seq}", "symbol": "SIM-ALPHA",
        "side": "BUY", "kind": "limit", "time_in_force": "gtc", "is_entry": True, "reason": "signal",
        "qty": Decimal("0.123456789012"), "limit_px": Decimal("101.25"), "decided_at": AT, "state": OrderState.INTENT,
        "confidence": 0.1 + 0.2,
    }  # fmt: skip
    return Order(**(fields | columns))


def as_stored(model: Any, without: tuple[str, ...]) -> list[dict[str, Any]]:
    rows = model.objects.order_by("pk").values()
    return [{name: value for name, value in row.items() if name not in without} for row in rows]


def test_rows_are_those_that_django_writes(alice: User) -> None:
    session = market.session(alice)
    made: list[list[dict[str, Any]]] = []
    for ways in (Statements(), None):
        Order.objects.all().delete()
        SessionEvent.objects.filter(session=session).delete()
        filled = {"avg_fill_px": Decimal("99.5"), "ended_at": AT, "late_fill": True, "state": OrderState.FILLED}
        rows = [
            order(session, 1),
            order(session, 2, side="SELL", limit_px=None, state_reason="it’s “done”", **filled),
        ]
        events = [SessionEvent(session=session, kind="note", text="ü %s {}", detail={"a": [1, None, "ß"], "b": 0.1})]
        before = timezone.now()
        with transaction.atomic() if ways is not None else statements() as opened:
            send = ways or opened
            send.insert_known(rows)
            send.insert(events)
        assert [row.pk for row in rows] == list(Order.objects.order_by("pk").values_list("pk", flat=True))
        assert all(before <= at <= timezone.now() for at in Order.objects.values_list("created_at", flat=True))
        made.append(as_stored(Order, ("id", "created_at")) + as_stored(SessionEvent, ("id", "at", "created_at")))
    assert made[0] == made[1]


def test_what_is_there_already_takes_over_or_stays(alice: User) -> None:
    session = market.session(alice)
    money = dict.fromkeys(("start_equity", "end_equity", "max_equity", "min_equity"), Decimal(100))
    takes_over = Conflict(unique=("session", "day"), update=("trades", "end_equity"))

    def day(trades: int, end: int) -> DailyStats:
        return DailyStats(session=session, day=AT.date(), trades=trades, **(money | {"end_equity": Decimal(end)}))

    for rows, conflict in (([day(1, 101)], None), ([day(2, 102)], takes_over), ([day(3, 103)], Conflict())):
        with statements() as send:
            send.insert(rows, conflict)
    (stored,) = DailyStats.objects.all()
    assert (stored.trades, stored.end_equity) == (2, Decimal(102))


def test_one_that_is_refused_leaves_none(alice: User) -> None:
    session = market.session(alice)
    cycle = Cycle(session=session, ts_ns=1, closed_at=AT, received_at=AT, decided_at=AT, settings_version=1)

    def write() -> None:
        with statements() as send:
            send.insert([cycle])
            send.update("UPDATE trading_sessions SET state_reason = %s WHERE id = %s", [["half", session.pk]])
            send.insert_known([order(session, 1), order(session, 1)])

    with pytest.raises(IntegrityError):
        write()
    session.refresh_from_db()
    assert session.state_reason == ""
    assert not Cycle.objects.exists()
    assert not Order.objects.exists()
