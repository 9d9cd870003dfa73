"""What must hold between the venue's ledger and ours, whatever happened: after every test they say the same."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

from bots import mapping
from bots.brokers import naming
from bots.host.account import Account
from bots.live.splitting import LIEU
from bots.models import Adjustment, BrokerExecution, Order, TradingSession
from bots.orders import OVER
from tests.bots.live.rig import Rig

WORKS = ("new", "accepted", "held", "partially_filled")


def check(rig: Rig, *sessions: TradingSession, external: bool = False) -> None:
    """No session may be written while this looks. external: orders of nobody's may be there, too."""
    truth = rig.ledger()
    ours = {order.client_order_id: order for order in Order.objects.filter(broker_account=rig.account)}
    theirs: dict[str, Any] = {}
    legs = {order.broker_order_id: name for name, order in ours.items() if order.broker_order_id}
    for order in truth["orders"]:
        assert order["client_order_id"] not in theirs, "one id, two orders at the venue"
        # A leg of a group has an id of the venue's own: it is ours by the other one.
        theirs[legs.get(order["id"], order["client_order_id"])] = order
    if not external:
        assert set(theirs) <= set(ours), "the venue has orders that nobody decided"
    for name, order in ours.items():
        if name in theirs:
            works = theirs[name]["status"] in WORKS
            assert works == (order.state not in OVER), f"{order}: the venue says {theirs[name]['status']}"
            assert order.filled_qty == Decimal(theirs[name]["filled_qty"]), order
        else:
            # A host that ends in good order leaves what it has not sent to the next one.
            waits = order.state == "INTENT" and order.session.is_active
            assert waits or order.state in ("CANCELED", "DENIED", "REJECTED"), f"never reached the venue: {order}"
            assert not order.filled_qty
    booked = BrokerExecution.objects.filter(broker_account=rig.account)
    assert len(truth["executions"]) == booked.count(), f"{len(truth['executions'])} there, {booked.count()} here"
    held: Counter[str] = Counter()
    for session in sessions:
        session.refresh_from_db()
        _check_session(session)
        for symbol, holding in Account.load(session).book.holdings.items():
            held[symbol] += holding.qty * holding.sign  # type: ignore[assignment]
    # Units that were taken over, or given back, were external before, or are now; they moved no money at the venue.
    moved = Decimal(0)
    # What a venue paid for parts of a unit at a split is gone there as it is here.
    given_back = Adjustment.objects.filter(session__in=sessions, kind__in=("adopt", "release"))
    for row in given_back.exclude(ref__endswith=LIEU):
        given = (row.qty or Decimal(0)) * (1 if row.kind == "release" else -1)
        held[row.symbol] += given  # type: ignore[assignment]
        moved += given * (row.px or Decimal(0))
    if not external:
        there = {naming.ours(symbol): Decimal(qty) for symbol, qty in truth["positions"].items()}
        assert {symbol: qty for symbol, qty in held.items() if qty} == there
        spent = sum((session.cash or session.initial_cash) - session.initial_cash for session in sessions) - moved
        assert abs(Decimal(truth["cash"]) - Decimal(100_000) - spent) < Decimal("0.0001"), "cash"


def _check_session(session: TradingSession) -> None:
    fills = list(session.trades.order_by("pk"))
    assert len({fill.execution_id for fill in fills}) == len(fills)
    filled: Counter[int | None] = Counter()
    for execution in session.broker_executions.all():
        filled[execution.order_id] += execution.qty  # type: ignore[assignment]
    for order in session.orders.all():
        assert order.filled_qty == filled.get(order.pk, Decimal(0)) <= order.qty, order
    account = Account.load(session)  # raises where positions are not what the fills say
    if session.cycles.exists():
        assert session.cash == mapping.money(account.book.cash)
        assert session.total_pnl == mapping.money(account.book.realised)
    bars = Counter(session.decisions.filter(decides=True).values_list("symbol", "ts_ns"))
    assert set(bars.values()) <= {1}
