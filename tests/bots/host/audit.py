"""What must hold of a session's rows after any fault, and what makes two runs of one session the same."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from itertools import pairwise
from typing import Any

from bots.host.account import Account
from bots.models import PaperOrder, TradingSession
from bots.orders import OVER, OrderState

_ORDER = (
    "seq", "symbol", "side", "kind", "time_in_force", "is_entry", "reason", "qty", "filled_qty", "avg_fill_px",
    "limit_px", "stop_px", "decision_px", "settings_version", "late_fill", "decided_at", "ended_at",
)  # fmt: skip
_FILL = (
    "order__seq", "symbol", "side", "qty", "px", "is_entry", "reason", "commission", "slippage", "realised_pnl",
    "executed_at", "position__number",
)  # fmt: skip
_CYCLE = ("ts_ns", "closed_at", "equity", "cash", "exposure", "settings_version", "blocked", "interventions")
_DECISION = (
    "ts_ns", "symbol", "open", "high", "low", "close", "volume", "action", "confidence", "outcome", "order_seq",
)  # fmt: skip
_POSITION = (
    "symbol", "number", "is_open", "side", "qty", "entered_qty", "entry_px", "exit_px", "realised_pnl", "commission",
    "opened_at", "closed_at", "exit_reason",
)  # fmt: skip
_SESSION = (
    "cursor_ns", "cash", "equity", "exposure", "total_pnl", "unrealised_pnl", "open_positions", "total_trades",
    "winning_trades", "last_bar_at",
)  # fmt: skip


def story(session: TradingSession, *, up_to_ns: int | None = None) -> dict[str, list[Any]]:
    """All that a session did, without the names and the wall times of this one run. up_to_ns: cycles up to there."""
    cycles, decisions = session.cycles.order_by("ts_ns"), session.decisions.order_by("ts_ns", "symbol")
    fills, orders = session.trades.order_by("pk"), session.orders.order_by("seq")
    told: dict[str, list[Any]] = {}
    if up_to_ns is not None:
        cycles, decisions = cycles.filter(ts_ns__lte=up_to_ns), decisions.filter(ts_ns__lte=up_to_ns)
        last = cycles.last()
        assert last is not None
        fills, orders = fills.filter(executed_at__lt=last.closed_at), orders.filter(decided_at__lte=last.closed_at)
        order_columns = [name for name in _ORDER if name not in ("filled_qty", "avg_fill_px", "qty", "ended_at")]
    else:
        order_columns = [*_ORDER, "state"]
        told["positions"] = list(session.positions.order_by("symbol", "number").values_list(*_POSITION))
        told["session"] = list(TradingSession.objects.filter(pk=session.pk).values_list(*_SESSION))
        days = ("day", "trades", "round_trips", "wins", "losses", "realised_pnl", "fees", "start_equity", "end_equity")
        told["days"] = list(session.daily_stats.order_by("day").values_list(*days))
    told["cycles"] = list(cycles.values_list(*_CYCLE))
    told["decisions"] = list(decisions.values_list(*_DECISION))
    told["fills"] = list(fills.values_list(*_FILL))
    told["orders"] = list(orders.values_list(*order_columns))
    return told


def assert_same(one: dict[str, list[Any]], other: dict[str, list[Any]]) -> None:
    """Two runs told the same story: orders, fills, positions, and what each bar left, to the last bit."""
    assert set(one) == set(other)
    for name in ("cycles", "decisions", *one):  # what comes first in time says what went wrong
        for number, (left, right) in enumerate(zip(one[name], other[name], strict=False)):
            assert left == right, f"{name} {number} differs:\n{left}\n{right}"
        assert len(one[name]) == len(other[name]), f"{len(one[name])} and {len(other[name])} {name}"


def check(session: TradingSession) -> None:
    """The invariants of one session, whatever happened to its hosts. It must not be written while this looks."""
    orders = list(session.orders.order_by("seq"))
    fills = list(session.trades.order_by("pk"))
    cycles = list(session.cycles.order_by("ts_ns"))
    # One decision is one order, and one order is at the venue once.
    assert len({order.client_order_id for order in orders}) == len(orders) == len({order.seq for order in orders})
    theirs = {row.client_order_id: row for row in PaperOrder.objects.filter(session=session)}
    for order in orders:
        if order.client_order_id in theirs:
            assert theirs[order.client_order_id].is_working == (order.state not in OVER), order
        else:
            # A stop or target that was met in the bar that decided it: over as soon as it was there.
            assert order.ended_at == order.decided_at, f"never reached the venue: {order}"
    assert set(theirs) <= {order.client_order_id for order in orders}, "the venue has orders that nobody decided"
    # Every fill is booked once, belongs to an order, and an order is filled by its fills.
    assert len({fill.execution_id for fill in fills}) == len(fills)
    filled: Counter[int | None] = Counter()
    for fill in fills:
        filled[fill.order_id] += fill.qty  # type: ignore[assignment]
    assert None not in filled
    for order in orders:
        assert order.filled_qty == filled.get(order.pk, Decimal(0)) <= order.qty, order
        assert (order.state == OrderState.FILLED) == (0 < order.qty == order.filled_qty), order
    # Positions, cash and P&L are what the fills say (raises where a row says otherwise).
    account = Account.load(session)
    held = {symbol: holding.qty * holding.sign for symbol, holding in account.book.holdings.items()}
    signed: Counter[str] = Counter()
    for fill in fills:
        signed[fill.symbol] += fill.qty * (1 if fill.side == "BUY" else -1)  # type: ignore[assignment]
    assert held == {symbol: qty for symbol, qty in signed.items() if qty}
    if cycles:
        session.refresh_from_db()
        assert session.cash == _places(account.book.cash)
        assert session.total_pnl == _places(account.book.realised)
        assert session.total_trades == account.book.closed
        assert session.cursor_ns == cycles[-1].ts_ns
        assert abs(float(session.equity or 0) - cycles[-1].equity) < 1e-4
    # Each closed bar was worked through once, and none was skipped.
    bars = Counter(session.decisions.filter(decides=True).values_list("symbol", "ts_ns"))
    assert set(bars.values()) <= {1}
    assert {ts for _, ts in bars} <= {cycle.ts_ns for cycle in cycles}


def assert_no_bar_is_missing(session: TradingSession, step_ns: int) -> None:
    """For a market that never closes: cycles follow each other without a hole, with a decision for each symbol."""
    times = list(session.cycles.order_by("ts_ns").values_list("ts_ns", flat=True))
    holes = [(a, b) for a, b in pairwise(times) if b - a != step_ns]
    assert not holes, f"{len(holes)} holes, the first at {holes[0]}"
    assert session.decisions.filter(decides=True).count() == len(times) * len(session.symbols)


def _places(value: Decimal) -> Decimal:
    from bots.mapping import money

    return money(value)
