"""Positions of a session as its book has them, and as their rows do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from bots import mapping
from bots.book import Change, Execution, Holding
from bots.models import Adjustment, Position, Trade


class LedgerMismatch(Exception):
    """Two accounts of the same money do not agree: the session halts, because one of them is wrong."""


def execution_of(trade: Trade) -> Execution:
    """A stored fill as the book takes it."""
    return Execution(
        symbol=trade.symbol,
        sign=1 if trade.side == "BUY" else -1,
        qty=trade.qty,
        px=trade.px,
        commission=trade.commission,
        at=trade.executed_at,
        reason=trade.reason,
    )


def change_of(row: Adjustment) -> Change:
    """A stored adjustment as the book takes it."""
    return Change(row.kind, row.at, row.symbol, row.ratio, row.qty, row.px, row.amount, row.is_flow)  # type: ignore[arg-type]


def in_order(fills: Iterable[Trade], adjustments: Iterable[Adjustment]) -> Iterator[Execution | Change]:
    """All that moved a session's book, in the order in which it did. Both by id."""
    waiting = list(adjustments)
    for fill in fills:
        while waiting and waiting[0].after_trade < fill.pk:
            yield change_of(waiting.pop(0))
        yield execution_of(fill)
    yield from map(change_of, waiting)


def take_over(row: Position, holding: Holding) -> None:
    """Bring a row to what the book says."""
    row.is_open, row.qty = holding.is_open, holding.qty
    row.entered_qty, row.entry_px = holding.entered, mapping.price(holding.entry_px)
    row.exit_px = None if holding.exit_px is None else mapping.price(holding.exit_px)
    row.realised_pnl, row.commission = mapping.money(holding.realised), mapping.money(holding.commission)
    row.closed_at, row.exit_reason = holding.closed_at, holding.exit_reason
    if not holding.is_open:
        row.unrealised_pnl = Decimal(0)
        row.stop_px = row.target_px = row.trailing_px = None
        row.current_px = row.exit_px or row.current_px


def compare(holding: Holding, row: Position) -> None:
    """Raises LedgerMismatch where a stored row is not what the book says."""
    again = Position(symbol=row.symbol, side=row.side, current_px=row.current_px)
    take_over(again, holding)
    for name in ("is_open", "qty", "entered_qty", "entry_px", "exit_px", "realised_pnl", "commission", "closed_at"):
        stored, rebuilt = getattr(row, name), getattr(again, name)
        if stored != rebuilt:
            text = f"{row.symbol} position {row.number}: {name} is {stored} in its row and {rebuilt} by its fills"
            raise LedgerMismatch(text)
