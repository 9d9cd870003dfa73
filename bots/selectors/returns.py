"""Returns of accounts and sessions to which money came or from which it went (W18)."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Q

from accounts.models import BrokerAccount
from bots.live.cash import OPENING
from bots.models import CashFlow, TradingSession
from engine.metrics import money_weighted, time_weighted

YEAR = datetime.timedelta(days=365.25)
LEAST = datetime.timedelta(days=1)  # a rate a year from less than that says nothing


@dataclass(frozen=True, slots=True)
class Returns:
    """Both returns in percent; None where there is none. money_weighted_pct: a year. net_flow: what came less what
    went. start: the value at `since`."""

    since: datetime.datetime
    until: datetime.datetime
    start: Decimal
    end: Decimal
    flows: int
    net_flow: Decimal
    time_weighted_pct: float | None
    money_weighted_pct: float | None


def of_account(account: BrokerAccount) -> Returns | None:
    """From the first look at the account to the last; None: it was not looked at, or never told what it is worth."""
    opening = account.cash_flows.filter(ref=OPENING).first()
    if opening is None or opening.equity_before is None or account.equity is None or account.seen_at is None:
        return None
    outside = Q(kind__in=(CashFlow.Kind.DEPOSIT, CashFlow.Kind.WITHDRAWAL)) | Q(ref__startswith="difference-")
    rows = account.cash_flows.filter(outside, currency=account.currency).order_by("at", "pk")
    flows = [(row.at, row.equity_before, row.amount) for row in rows]
    return _of(opening.at, opening.equity_before, flows, account.equity, account.seen_at)


def of_session(session: TradingSession) -> Returns | None:
    """From its start to its last mark; None: no money was moved to or from it, or it has not begun."""
    rows = list(session.adjustments.filter(is_flow=True).order_by("booked_at", "pk"))
    if not rows or session.started_at is None or session.equity is None:
        return None
    flows: list[tuple[datetime.datetime, Decimal | None, Decimal]] = []
    for row in rows:
        cycle = session.cycles.filter(closed_at__lte=row.booked_at).order_by("-ts_ns").first()
        since = cycle.closed_at if cycle else session.started_at
        before = Decimal(repr(cycle.equity)) if cycle else session.initial_cash
        before += sum((amount for at, _, amount in flows if at > since), Decimal(0))
        flows.append((row.booked_at, before, row.amount))
    until = session.ended_at or max(session.updated_at, rows[-1].booked_at)
    return _of(session.started_at, session.initial_cash, flows, session.equity, until)


def _of(
    since: datetime.datetime,
    start: Decimal,
    flows: list[tuple[datetime.datetime, Decimal | None, Decimal]],
    end: Decimal,
    until: datetime.datetime,
) -> Returns:
    chained = None
    if all(before is not None for _, before, _ in flows):
        chained = time_weighted(float(start), [(float(b or 0), float(a)) for _, b, a in flows], float(end))
    rate, years = None, (until - since) / YEAR
    if until - since >= LEAST:
        put_in = [(0.0, float(start)), *((max(0.0, (at - since) / YEAR), float(a)) for at, _, a in flows)]
        rate = money_weighted(put_in, float(end), years)
    return Returns(
        since, until, start, end, len(flows), sum((amount for _, _, amount in flows), Decimal(0)),
        None if chained is None else chained * 100, None if rate is None else rate * 100,
    )  # fmt: skip
