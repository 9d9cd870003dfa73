"""Trading sessions for tests: `make_session` writes the row, `fill_session` all that trading leaves behind.

What is filled in is coherent: cash and P&L follow from the fills, positions from the trades, totals from both.
"""

from __future__ import annotations

import datetime
import itertools
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.utils import timezone

from accounts.models import User
from bots.models import (
    Bot,
    Cycle,
    DailyStats,
    Decision,
    Order,
    PortfolioSnapshot,
    Position,
    SessionEvent,
    SessionSettings,
    Side,
    Trade,
    TradingSession,
)
from bots.orders import OrderState
from bots.states import OVER, SessionState
from strategies import session_settings

SECONDS = {"1s": 1, "1m": 60, "5m": 300, "15m": 900, "1h": 3_600, "4h": 14_400, "1d": 86_400}
CENT, UNIT = Decimal("0.01"), Decimal("0.00000001")
_numbers = itertools.count(1)


def make_bot(owner: User, **columns: Any) -> Bot:
    """A bot on the synthetic market; any column may be given."""
    fields: dict[str, Any] = {
        "name": f"Bot {next(_numbers)}",
        "capital": Decimal(10_000),
        "symbols": ["SIM-ALPHA"],
        "strategy": "ma_crossover",
        "strategy_parameters": {"fast_window": 5, "slow_window": 20},
    }
    return Bot.objects.create(owner=owner, **{**fields, **columns})


def make_session(
    owner: User, *, state: str = SessionState.RUNNING, settings: dict[str, Any] | None = None, **columns: Any
) -> TradingSession:
    """A paper session with version 1 of its settings, in any state; any column may be given.

    settings: session settings that differ from the defaults.
    """
    now = timezone.now()
    begun = state not in (SessionState.DRAFT, SessionState.SCHEDULED)
    fields: dict[str, Any] = {
        "initial_cash": Decimal(10_000),
        "symbols": ["SIM-ALPHA"],
        "timeframe": "1m",
        "strategy": "ma_crossover",
        "strategy_parameters": {"fast_window": 5, "slow_window": 20},
        "started_at": now - datetime.timedelta(hours=2) if begun else None,
        "ended_at": now if state in OVER else None,
        "stop_reason": "user" if state == SessionState.STOPPED else "",
        "wanted": TradingSession.Wanted.STOP if state in OVER else TradingSession.Wanted.RUN,
    }
    if begun and state not in OVER and state != SessionState.HALTED:
        fields |= {"host": "host-1", "lease_expires_at": now + datetime.timedelta(seconds=30), "fence": 1}
    fields |= columns
    fields.setdefault("cash", fields["initial_cash"])
    fields.setdefault("equity", fields["initial_cash"])
    session = TradingSession.objects.create(owner=owner, state=state, **fields)
    cleaned = session_settings.clean(settings or {})
    stored = {**cleaned, "trading_days": list(cleaned["trading_days"])}
    SessionSettings.objects.create(session=session, version=1, changed_by=owner, **stored)
    return session


@dataclass
class _Books:
    """What is written in the end, gathered in the order of time."""

    session: TradingSession
    cash: Decimal
    orders: list[Order] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    positions: list[Position] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    cycles: list[Cycle] = field(default_factory=list)
    snapshots: list[PortfolioSnapshot] = field(default_factory=list)
    held: dict[str, Position] = field(default_factory=dict)
    seq: int = 0

    def order(self, symbol: str, side: Side, qty: Decimal, at: datetime.datetime, **columns: Any) -> Order:
        self.seq += 1
        fields = {
            "kind": "market", "time_in_force": "day", "is_entry": side == Side.BUY, "reason": "signal",
            "state": OrderState.FILLED, "decided_at": at, "submitted_at": at, "accepted_at": at,
            "client_order_id": f"tw-{self.session.pk}-{self.seq}", **columns,
        }  # fmt: skip
        order = Order(session=self.session, seq=self.seq, symbol=symbol, side=side, qty=qty, **fields)
        if order.state == OrderState.FILLED:
            order.filled_qty, order.avg_fill_px, order.ended_at = qty, columns.get("decision_px"), at
        self.orders.append(order)
        return order

    def fill(self, order: Order, px: Decimal, at: datetime.datetime, pnl: Decimal | None, fee: Decimal) -> None:
        order.avg_fill_px = px
        self.cash += order.qty * px * (1 if order.side == Side.SELL else -1) - fee
        self.trades.append(
            Trade(
                session=self.session, order=order, position=self.held[order.symbol], symbol=order.symbol,
                side=order.side, qty=order.qty, px=px, is_entry=order.is_entry, reason=order.reason, commission=fee,
                slippage=CENT, realised_pnl=pnl, execution_id=f"x{order.seq}", client_order_id=order.client_order_id,
                indicators_snapshot={"fast": float(px), "slow": float(px) - 0.1}, executed_at=at,
            )
        )  # fmt: skip


def fill_session(
    session: TradingSession, *, bars: int = 60, seed: int = 1, until: datetime.datetime | None = None
) -> TradingSession:
    """The session after `bars` bars of trading, the last of which closed at `until` (None: the last full minute).

    Every symbol is bought and sold several times: signals, stops, one canceled limit order and one denied order; an
    active session keeps its first symbol open with a stop working. One snapshot each ten bars, statistics a UTC day.
    """
    step = datetime.timedelta(seconds=SECONDS[session.timeframe])
    end = until or timezone.now().replace(second=0, microsecond=0)
    first = end - step * bars
    draw, books = random.Random(seed), _Books(session, session.initial_cash)
    prices = {symbol: Decimal(100 + 10 * index) for index, symbol in enumerate(session.symbols)}
    keeps = session.symbols[0] if session.is_active else None
    for index in range(bars):
        opened = first + step * index
        for place, symbol in enumerate(session.symbols):
            before = prices[symbol]
            prices[symbol] = after = max(CENT, (before * Decimal(1 + draw.gauss(0, 0.004))).quantize(CENT))
            _trade(books, symbol, index + 3 * place, before, opened, left=bars - 1 - index, keep=symbol == keeps)
            _decide(books, symbol, index, before, after, opened, step)
        _close_bar(books, prices, index, opened, step)
    _write(books, session, end)
    return session


def _trade(
    books: _Books, symbol: str, phase: int, px: Decimal, at: datetime.datetime, *, left: int, keep: bool
) -> None:
    held = symbol in books.held
    if not held and (phase % 12 == 4 if left else keep):
        _enter(books, symbol, px, at)
    elif held and not (keep and left < 12) and (phase % 12 == 10 or left == 0):
        _leave(books, symbol, px, at, "stop_loss" if phase % 24 == 10 else "signal")
    if phase == 6:
        books.order(
            symbol, Side.BUY, Decimal(5), at, kind="limit", limit_px=px - 5, state=OrderState.CANCELED, ended_at=at,
            state_reason="Its day ended", decision_px=px,
        )  # fmt: skip
    if phase == 7:
        books.order(
            symbol, Side.BUY, Decimal(500), at, state=OrderState.DENIED, state_reason="Larger than the cash",
            ended_at=at, decision_px=px,
        )  # fmt: skip


def _enter(books: _Books, symbol: str, px: Decimal, at: datetime.datetime) -> None:
    qty = max(Decimal(1), (books.session.initial_cash / 10 / px).quantize(Decimal(1)))
    order = books.order(symbol, Side.BUY, qty, at, decision_px=px)
    number = 1 + sum(position.symbol == symbol for position in books.positions)
    books.held[symbol] = position = Position(
        session=books.session, symbol=symbol, number=number, side=Side.BUY, qty=qty, entered_qty=qty, entry_px=px,
        current_px=px, stop_px=(px * Decimal("0.98")).quantize(CENT), target_px=(px * Decimal("1.04")).quantize(CENT),
        opened_at=at, commission=Decimal(1),
    )  # fmt: skip
    books.positions.append(position)
    books.fill(order, px, at, None, Decimal(1))


def _leave(books: _Books, symbol: str, px: Decimal, at: datetime.datetime, reason: str) -> None:
    position = books.held[symbol]
    order = books.order(symbol, Side.SELL, position.qty, at, reason=reason, decision_px=px)
    pnl = (px - position.entry_px) * position.qty - 2
    books.fill(order, px, at, pnl, Decimal(1))
    position.is_open, position.qty, position.exit_px, position.closed_at = False, Decimal(0), px, at
    position.realised_pnl, position.exit_reason, position.current_px = pnl, reason, px
    position.unrealised_pnl, position.commission = Decimal(0), Decimal(2)
    del books.held[symbol]


def _decide(
    books: _Books, symbol: str, index: int, open_: Decimal, close: Decimal, at: datetime.datetime, step: Any
) -> None:
    outcome = "holding" if symbol in books.held else ("no_signal", "min_confidence", "no_signal")[index % 3]
    confidence = 0.2 if outcome == "min_confidence" else 0.0
    books.decisions.append(
        Decision(
            session=books.session, symbol=symbol, ts_ns=_ns(at), closed_at=at + step, timeframe=books.session.timeframe,
            open=float(open_), high=float(max(open_, close)), low=float(min(open_, close)), close=float(close),
            volume=1_000.0 + index, action="BUY" if confidence else "HOLD", confidence=confidence,
            reasoning=f"fast average {close} against slow average {open_}", outcome=outcome,
            inputs={"fast": float(close), "slow": float(open_)},
            gates=[
                {"gate": "signal", "value": confidence, "limit": None, "ok": confidence > 0},
                {"gate": "min_confidence", "value": confidence, "limit": 0.4, "ok": outcome != "min_confidence"},
            ],
            detail={"holding": "A position is open", "min_confidence": "Confidence 0.20 is below 0.40"}.get(
                outcome, "The averages did not cross"
            ),
        )
    )  # fmt: skip


def _close_bar(books: _Books, prices: dict[str, Decimal], index: int, at: datetime.datetime, step: Any) -> None:
    for symbol, position in books.held.items():
        position.current_px = prices[symbol]
        position.unrealised_pnl = (prices[symbol] - position.entry_px) * position.qty
    exposure = sum((position.qty * position.current_px for position in books.held.values()), Decimal(0))
    books.cycles.append(
        Cycle(
            session=books.session, ts_ns=_ns(at), closed_at=at + step, equity=float(books.cash + exposure),
            cash=float(books.cash), exposure=float(exposure), received_at=at + step,
            decided_at=at + step + datetime.timedelta(milliseconds=40),
        )
    )  # fmt: skip
    if index % 10 == 0:
        held = [
            {"symbol": symbol, "qty": str(p.qty), "px": str(p.current_px), "value": str(p.qty * p.current_px)}
            for symbol, p in books.held.items()
        ]
        books.snapshots.append(
            PortfolioSnapshot(
                session=books.session, mode=books.session.mode, ts=at + step, total_value=books.cash + exposure,
                cash=books.cash, positions=held,
            )
        )  # fmt: skip


def _write(books: _Books, session: TradingSession, end: datetime.datetime) -> None:
    if session.is_active:
        kept = books.held[session.symbols[0]]
        books.order(
            kept.symbol, Side.SELL, kept.qty, end, kind="stop", reason="stop_loss", stop_px=kept.stop_px,
            state=OrderState.ACCEPTED, time_in_force="gtc", decision_px=kept.entry_px,
        )  # fmt: skip
        books.order(kept.symbol, Side.BUY, kept.qty, end, state=OrderState.SUBMITTED, decision_px=kept.current_px)
    Position.objects.bulk_create(books.positions)
    Order.objects.bulk_create(books.orders)
    Trade.objects.bulk_create(books.trades)
    Decision.objects.bulk_create(books.decisions)
    Cycle.objects.bulk_create(books.cycles)
    PortfolioSnapshot.objects.bulk_create(books.snapshots)
    _write_days(books, session)
    for kind, text in (("state", "Running"), ("feed", "The synthetic market is live")):
        SessionEvent.objects.create(session=session, kind=kind, text=text)
    _write_totals(books, session, end)


def _write_days(books: _Books, session: TradingSession) -> None:
    days: dict[datetime.date, list[Cycle]] = defaultdict(list)
    for cycle in books.cycles:
        days[_start(cycle).date()].append(cycle)
    before = session.initial_cash
    rows = []
    for day, cycles in days.items():
        fills = [trade for trade in books.trades if trade.executed_at.date() == day]
        closed = [trade.realised_pnl for trade in fills if trade.realised_pnl is not None]
        marks = [Decimal(repr(cycle.equity)) for cycle in cycles]
        rows.append(
            DailyStats(
                session=session, bot=session.bot, day=day, trades=len(fills), round_trips=len(closed),
                wins=sum(pnl > 0 for pnl in closed), losses=sum(pnl <= 0 for pnl in closed),
                realised_pnl=sum(closed, Decimal(0)), fees=sum((trade.commission for trade in fills), Decimal(0)),
                start_equity=before, end_equity=marks[-1].quantize(UNIT), max_equity=max(marks), min_equity=min(marks),
            )
        )  # fmt: skip
        before = rows[-1].end_equity
    DailyStats.objects.bulk_create(rows)
    session.day_start_equity = rows[-1].start_equity if rows else session.initial_cash


def _write_totals(books: _Books, session: TradingSession, end: datetime.datetime) -> None:
    closed = [position for position in books.positions if not position.is_open]
    opened = list(books.held.values())
    session.total_trades, session.winning_trades = len(closed), sum(position.realised_pnl > 0 for position in closed)
    session.total_pnl = sum((position.realised_pnl for position in closed), Decimal(0))
    session.unrealised_pnl = sum((position.unrealised_pnl for position in opened), Decimal(0))
    session.exposure = sum((position.qty * position.current_px for position in opened), Decimal(0))
    session.cash, session.equity = books.cash, books.cash + session.exposure
    session.open_positions, session.last_bar_at = len(opened), end
    session.cursor_ns = books.cycles[-1].ts_ns if books.cycles else 0
    if books.cycles:
        session.started_at = _start(books.cycles[0])
    if session.state in OVER:
        session.ended_at, session.final_cash = end, books.cash
    session.save()


def closed_positions(session: TradingSession) -> Sequence[Position]:
    """Its round trips, in the order they were closed."""
    return list(session.positions.filter(is_open=False).order_by("closed_at", "pk"))


def _start(cycle: Cycle) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(cycle.ts_ns // 1_000_000_000, tz=datetime.UTC)


def _ns(moment: datetime.datetime) -> int:
    return int(moment.timestamp()) * 1_000_000_000
