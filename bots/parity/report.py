"""Session against backtest, trade by trade; each difference under one label, its first cause.

signal          the strategy said something else on that bar
data_revision   the feed gives another bar today
risk_gate       one of the two refused
timing          the same thing, on another bar
size, price     the same thing on the same bar, at another quantity or price
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from bots import mapping
from bots.host import feeds
from bots.host.outcomes import REFUSALS
from bots.host.tape import Tape
from bots.models import ParityReport, TradingSession
from bots.parity.again import Again, run_again
from engine.types import BUY, REASON_NAMES
from marketdata import feeds as market_feeds
from marketdata.services import calendars
from strategies.base import ACTIONS

MOST_SHOWN = 500


@dataclass(frozen=True, slots=True)
class Deal:
    """One order or fill, as both sides have it. ts: ns UTC, the deciding or filling bar's start."""

    symbol: str
    side: str
    reason: str
    ts: int
    qty: Decimal
    px: Decimal | None = None
    commission: Decimal | None = None


def make(session: TradingSession) -> ParityReport:
    """Run the session again and store how the two differ. Raises ValueError where it has not traded a bar yet."""
    tape = Tape.of(session)
    if not tape.cycles:
        raise ValueError("the session has worked through no bar yet")
    calendars.follow()
    again = run_again(tape)
    fills = list(session.trades.order_by("pk"))
    orders = list(session.orders.order_by("seq"))
    differences = [*_signals(tape, again), *_data(session, tape)]
    ours, theirs = _stored_orders(orders), _engine_orders(tape, again)
    differences += _compared("order", ours, theirs, tape)
    differences += _compared("fill", _stored_fills(fills), _engine_fills(tape, again), tape)
    differences += _equity(tape, again)
    counts = Counter(difference["label"] for difference in differences)
    return ParityReport.objects.create(
        session=session,
        up_to_ns=tape.cycles[-1].ts_ns,
        cycles=len(tape.cycles),
        identical=not differences,
        orders_compared=len(ours),
        fills_compared=len(fills),
        counts=dict(counts),
        differences=differences[:MOST_SHOWN],
        note=""
        if tape.is_undisturbed
        else "Changed settings, blocks and what was asked for by hand were done again where they were done.",
    )


def _difference(label: str, what: str, symbol: str, ts: int, session: object, backtest: object) -> dict[str, Any]:
    return {
        "label": label,
        "what": what,
        "symbol": symbol,
        "ts": mapping.moment(ts).isoformat(),
        "session": None if session is None else str(session),
        "backtest": None if backtest is None else str(backtest),
    }


def _signals(tape: Tape, again: Again) -> Iterable[dict[str, Any]]:
    for (symbol, ts), said in tape.signals.items():
        now = again.signals[symbol, ts]
        if said.code != now:
            yield _difference("signal", "signal", symbol, ts, ACTIONS[said.code], ACTIONS[now])


def _data(session: TradingSession, tape: Tape) -> Iterable[dict[str, Any]]:
    """The bars of the tape against those that the feed gives today."""
    plan, key = tape.plan, feeds.key_of(session)
    for symbol, seen in tape.matched.items():
        if not len(seen):
            continue
        end = mapping.nanoseconds(tape.cycles[-1].closed_at)
        now = tape.as_seen(symbol, market_feeds.warmup(key, symbol, plan.match_timeframe, len(seen), end))
        _, ours, theirs = np.intersect1d(seen.ts, now.ts, assume_unique=True, return_indices=True)
        for name, before, after in zip(
            ("open", "high", "low", "close", "volume"), seen.arrays(), now.arrays(), strict=True
        ):
            for row in np.flatnonzero(before[ours] != after[theirs]):
                values = before[ours[row]], after[theirs[row]]
                yield _difference("data_revision", name, symbol, int(seen.ts[ours[row]]), *values)


def _compared(what: str, ours: Sequence[Deal], theirs: Sequence[Deal], tape: Tape) -> Iterable[dict[str, Any]]:
    """Pair the deals of each symbol, side and reason, in order; one difference at most for each pair."""
    groups: dict[tuple[str, str, str], tuple[list[Deal], list[Deal]]] = {}
    for which, deals in enumerate((ours, theirs)):
        for deal in deals:
            groups.setdefault((deal.symbol, deal.side, deal.reason), ([], []))[which].append(deal)
    for mine, backtests in groups.values():
        for one, other in zip(mine, backtests, strict=False):
            label = _label(one, other)
            if label is not None:
                yield _difference(label, what, one.symbol, one.ts, _words(one), _words(other))
        for extra in mine[len(backtests) :]:
            yield _difference(_missing(extra, tape), what, extra.symbol, extra.ts, _words(extra), None)
        for extra in backtests[len(mine) :]:
            yield _difference(_missing(extra, tape), what, extra.symbol, extra.ts, None, _words(extra))


def _label(one: Deal, other: Deal) -> str | None:
    if one.ts != other.ts:
        return "timing"
    if one.qty != other.qty:
        return "size"
    return "price" if (one.px, one.commission) != (other.px, other.commission) else None


def _missing(deal: Deal, tape: Tape) -> str:
    """Why only one side has it: a gate refused it there, else it came at another time (or not at all)."""
    return "risk_gate" if tape.outcomes.get((deal.symbol, deal.ts)) in REFUSALS else "timing"


def _words(deal: Deal) -> str:
    at = f"{mapping.moment(deal.ts):%Y-%m-%d %H:%M:%S}"
    px = "" if deal.px is None else f" at {deal.px.normalize():f}"
    return f"{deal.side} {deal.qty.normalize():f}{px}, {at} ({deal.reason})"


def _equity(tape: Tape, again: Again) -> Iterable[dict[str, Any]]:
    """The first bar time at which the equity is not the same to the last bit."""
    rows = again.result.equity
    now = dict(zip(rows["ts"].tolist(), rows["equity"].tolist(), strict=True))
    for cycle in tape.cycles:
        if now.get(cycle.ts_ns) != cycle.equity:
            yield _difference("price", "equity", "", cycle.ts_ns, repr(cycle.equity), repr(now.get(cycle.ts_ns)))
            return


def _stored_orders(orders: Iterable[Any]) -> list[Deal]:
    return [
        Deal(order.symbol, order.side, order.reason, mapping.nanoseconds(order.decided_at), order.qty)
        for order in orders
    ]


def _engine_orders(tape: Tape, again: Again) -> list[Deal]:
    """Orders by the close of their deciding bar, as the rows have it."""
    rows = again.result.orders
    closes = {cycle.ts_ns: mapping.nanoseconds(cycle.closed_at) for cycle in tape.cycles}
    return [
        Deal(
            rows.symbols[row["symbol"]],
            "BUY" if row["side"] == BUY else "SELL",
            REASON_NAMES[row["reason"]],
            closes.get(int(row["ts"]), int(row["ts"])),
            mapping.quantity(float(row["qty"])),
        )
        for row in rows
    ]


def _stored_fills(trades: Iterable[Any]) -> list[Deal]:
    return [
        Deal(
            trade.symbol,
            trade.side,
            trade.reason,
            mapping.nanoseconds(trade.executed_at),
            trade.qty,
            trade.px,
            trade.commission,
        )
        for trade in trades
    ]


def _engine_fills(tape: Tape, again: Again) -> list[Deal]:
    rows = again.result.fills
    return [
        Deal(
            rows.symbols[row["symbol"]],
            "BUY" if row["side"] == BUY else "SELL",
            REASON_NAMES[row["reason"]],
            int(row["ts"]),
            mapping.quantity(float(row["qty"])),
            mapping.price(float(row["px"])),
            mapping.money(float(row["commission"])),
        )
        for row in rows
    ]
