"""Days on which the clock or the hours of New York change, replayed through a host: entries keep to the session."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from accounts.models import User
from tests.bots.host import market
from tests.bots.host.audit import check
from tests.bots.host.processes import HostProcess
from tests.bots.host.test_chaos import finished

pytestmark = pytest.mark.django_db(transaction=True)

NEW_YORK = ZoneInfo("America/New_York")
OPEN, CLOSE, HALF_DAY_CLOSE = dt.time(9, 30), dt.time(16), dt.time(13)


def quarter_hours(days: list[str], close: dict[str, dt.time]) -> np.ndarray:
    """Starts of 15-minute bars of these days, from 08:00 to two hours after the close: junk at both ends."""
    found = []
    for day in days:
        date = dt.date.fromisoformat(day)
        at = dt.datetime.combine(date, dt.time(8), NEW_YORK)
        last = dt.datetime.combine(date, close.get(day, CLOSE), NEW_YORK) + dt.timedelta(hours=2)
        while at < last:
            found.append(int(at.timestamp()) * market.SECOND)
            at += dt.timedelta(minutes=15)
    return np.array(found, dtype=np.int64)


AUTUMN = ["2026-10-26", "2026-10-27", "2026-10-28", "2026-10-29", "2026-10-30", "2026-11-02", "2026-11-03"]
SPRING = ["2027-03-08", "2027-03-09", "2027-03-10", "2027-03-11", "2027-03-12", "2027-03-15", "2027-03-16"]
THANKS = ["2026-11-20", "2026-11-23", "2026-11-24", "2026-11-25", "2026-11-26", "2026-11-27", "2026-11-30"]


@pytest.mark.fault(28, 29)
@pytest.mark.row("Q6", "I9")
@pytest.mark.parametrize(
    ("days", "half", "closed"),
    [(AUTUMN, (), ()), (SPRING, (), ()), (THANKS, ("2026-11-27",), ("2026-11-26",))],
    ids=["clocks go back", "clocks go forward", "a closed day and a half one"],
)
def test_no_entry_is_decided_outside_the_session(
    days: list[str],
    half: tuple[str, ...],
    closed: tuple[str, ...],
    alice: User,
    exchange_sessions: None,
    start_host: Callable[..., HostProcess],
) -> None:
    """F28, F29: among bars that also come before the open and after the close. Exits are bound to no window."""
    ts = quarter_hours(days, dict.fromkeys(half, HALF_DAY_CLOSE))
    market.put("MADE-NYSE", market.walk(5, ts), calendar="XNYS", timeframe="15m")
    begin = int(ts[np.searchsorted(ts, np.datetime64(days[2], "ns").astype(np.int64))])
    session = market.session(
        alice,
        symbols=["MADE-NYSE"],
        timeframe="15m",
        feed_options=market.replay(begin, int(ts[-1]) + market.MINUTE),
        settings={"stop_loss_pct": 1.0},
    )
    start_host()
    finished(session)
    check(session)
    entries = list(session.orders.filter(is_entry=True).order_by("decided_at"))
    assert len(entries) >= 5
    by_day: dict[str, list[dt.time]] = {}
    for entry in entries:
        local = entry.decided_at.astimezone(NEW_YORK)
        by_day.setdefault(str(local.date()), []).append(local.time())
    for day, times in by_day.items():
        assert day not in closed
        last = HALF_DAY_CLOSE if day in half else CLOSE
        assert min(times) > OPEN, f"{day}: {min(times)}"
        assert max(times) <= last, f"{day}: {max(times)}"
    refused = session.decisions.filter(outcome="outside_window")
    assert {str(row.closed_at.astimezone(NEW_YORK).date()) for row in refused} >= set(closed)
    traded = set(session.daily_stats.filter(trades__gt=0).values_list("day", flat=True))
    of_fills = {fill.executed_at.astimezone(NEW_YORK).date() for fill in session.trades.all()}
    assert traded == of_fills, "each fill belongs to the exchange's own day"
