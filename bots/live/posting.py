"""The booking of what is no trade in a session at a broker: splits, money, units taken over or given back.

The adjustment, the position, the orders that rest, and the engine's account move together; the runner writes them under
the session's lease.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

from django.utils import timezone

from bots import mapping
from bots.book import Holding
from bots.host.account import Absorbed, Account, view_of
from bots.host.positions import change_of, take_over
from bots.live.flows import in_words
from bots.models import Adjustment, BookingRequest, DailyStats, Position, Side
from engine.portfolio import Portfolio, StepLog

_Kind = BookingRequest.Kind
_ZERO = Decimal(0)


@dataclass(slots=True)
class Posted:
    """The rows of one booking. step: what the engine changed. told: what it was told, for the tape."""

    adjustment: Adjustment
    step: StepLog
    told: dict[str, Any]
    absorbed: Absorbed = field(default_factory=Absorbed)


def post(account: Account, portfolio: Portfolio, request: BookingRequest, version: int) -> Posted:
    """Book one request in the engine and in the session's account. version: of the settings for a new position.

    Raises InputError: the engine refuses it, and nothing was booked. CrossingFill: the two differ, it must halt.
    """
    step, told = _tell_engine(portfolio, request, account.book.holdings.get(request.symbol))
    posted = Posted(_adjustment(account, request), step, told)
    holding = account.book.adjust(change_of(posted.adjustment))
    if holding is not None:
        _place(account, holding, request, version, posted.absorbed)
    if request.kind == _Kind.SPLIT and request.ratio:
        sizes = {int(row["serial"]): mapping.quantity(float(row["qty"])) for row in step.changed}
        _rescale_orders(account, request.symbol, mapping.ratio(request.ratio), sizes, posted.absorbed)
    return posted


def _tell_engine(
    portfolio: Portfolio, request: BookingRequest, holding: Holding | None
) -> tuple[StepLog, dict[str, Any]]:
    symbol, at = request.symbol, mapping.nanoseconds(timezone.now())
    if request.kind == _Kind.CASH:
        amount = float(request.amount)
        step = portfolio.move_cash(amount, is_flow=request.is_flow)
        return step, {"do": "move_cash", "amount": amount, "is_flow": request.is_flow}
    if request.kind == _Kind.SPLIT:
        by = mapping.ratio(request.ratio or Decimal(1))
        qty = 0.0 if holding is None else float(mapping.split_units(holding.qty, by) * holding.sign)
        facts = {"symbol": symbol, "ratio": float(by), "qty": qty}
        return portfolio.split(**facts), {"do": "split", **facts}
    signed_qty, px = float(request.qty or 0), float(request.px or 0)
    move = portfolio.adopt if request.kind == _Kind.ADOPT else portfolio.release
    step = move(symbol, signed_qty, px, at)
    return step, {"do": str(request.kind), "symbol": symbol, "signed_qty": signed_qty, "px": px, "ts": at}


def _adjustment(account: Account, request: BookingRequest) -> Adjustment:
    newest = account.session.trades.order_by("-pk").values_list("pk", flat=True).first()
    names = ("kind", "ref", "symbol", "ratio", "qty", "px", "amount", "is_flow", "cash_flow_id", "text", "at")
    columns = {name: getattr(request, name) for name in names}
    return Adjustment(session_id=account.session.pk, after_trade=newest or 0, **columns)


def _place(account: Account, holding: Holding, request: BookingRequest, version: int, absorbed: Absorbed) -> None:
    """Bring the position's row to what the book says now."""
    symbol = holding.symbol
    row = account.positions.get(symbol)
    if row is None:
        row = account.positions[symbol] = Position(
            session_id=account.session.pk,
            symbol=symbol,
            number=holding.number,
            side=Side.BUY if holding.sign > 0 else Side.SELL,
            settings_version=version,
            opened_at=holding.opened_at,
            current_px=request.px,
        )
    take_over(row, holding)
    absorbed.positions[symbol, holding.number] = row
    if not holding.is_open:
        del account.positions[symbol]


def _rescale_orders(
    account: Account, symbol: str, by: Fraction, sizes: Mapping[int, Decimal], absorbed: Absorbed
) -> None:
    """The venue rescales what rests there; our rows follow. sizes: by number, of orders that the engine cut to lots."""
    for tracked in account.orders.values():
        row = tracked.row
        if row.symbol != symbol:
            continue
        row.filled_qty = mapping.split_units(row.filled_qty, by)
        row.qty = mapping.split_units(row.qty, by)
        if row.is_entry and sizes.get(row.seq):
            row.qty = sizes[row.seq]
        for name in ("limit_px", "stop_px", "avg_fill_px", "decision_px"):
            px = getattr(row, name)
            setattr(row, name, None if px is None else mapping.split_price(px, by))
        tracked.view = view_of(row, tracked.view.executions)
        absorbed.changed[row.seq] = row


def shift_day(day: DailyStats, request: BookingRequest, equity: Decimal) -> None:
    """Bring the trading day's row to money that came or went. From outside it is no result of the day: its opening, its
    highest and its lowest move with it. equity: of the session, after it."""
    if request.is_flow:
        day.start_equity += request.amount
        day.max_equity, day.min_equity = day.max_equity + request.amount, day.min_equity + request.amount
    else:
        day.realised_pnl += request.amount
    day.end_equity = equity
    day.max_equity, day.min_equity = max(day.max_equity, equity), min(day.min_equity, equity)


def words(request: BookingRequest) -> str:
    """The request in plain words, for the session's log."""
    if request.kind == _Kind.SPLIT:
        return f"{request.symbol} was split {in_words(mapping.ratio(request.ratio or Decimal(1)))}"
    if request.kind == _Kind.CASH:
        what = request.text or "Booked"
        return f"{what}: {request.amount:+,.2f}{f' for {request.symbol}' if request.symbol else ''}"
    word = "Taken over" if request.kind == _Kind.ADOPT else "Given back"
    units = f"{(request.qty or _ZERO).normalize():f} {request.symbol}"
    return f"{word}: {units} at {(request.px or _ZERO).normalize():f}"
