"""The booking side of one session: what the engine did, as rows of the ledger.

Fills move positions, cash and P&L in a `Book` of Decimals; the engine's own figures are only compared with it. Nothing
here touches the database but `load`.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Self

from bots import ids, mapping
from bots.book import Book
from bots.host.positions import LedgerMismatch, compare, execution_of, in_order, take_over
from bots.models import BrokerExecution, DailyStats, Order, OrderRole, Position, Trade, TradingSession
from bots.orders import WORKING, Fill, Moved, OrderState, OrderView, apply
from engine.portfolio import OpenPosition, StepLog
from engine.types import BUY, BY_QUOTE, ORDER_TYPE_NAMES, REASON_NAMES, STATUS_NAMES, TIF_NAMES

_ENDS = {"cancelled": OrderState.CANCELED, "expired": OrderState.EXPIRED, "denied": OrderState.REJECTED}
DUST = Decimal("1E-9")
# A quote closes and opens by one order, and what it opens follows the settings of the fill, not of the order.
QUOTE = REASON_NAMES[BY_QUOTE]


@dataclass(slots=True)
class Absorbed:
    """The rows that one step led to; see `bots.host.ledger.SessionWrite`."""

    orders: list[Order] = field(default_factory=list)
    changed: dict[int, Order] = field(default_factory=dict)
    positions: dict[tuple[str, int], Position] = field(default_factory=dict)
    trades: list[Trade] = field(default_factory=list)
    executions: list[BrokerExecution] = field(default_factory=list)
    unwanted: list[Order] = field(default_factory=list)  # they work at a broker, and the engine has done with them


@dataclass(slots=True)
class Tracked:
    """A row and what the table of order states knows of it."""

    row: Order
    view: OrderView


class Account:
    """Book, working orders and open positions of one session."""

    def __init__(self, session: TradingSession) -> None:
        self.session = session
        self.book = Book(session.initial_cash)
        self.orders: dict[int, Tracked] = {}
        self.positions: dict[str, Position] = {}
        self.daily: DailyStats | None = None
        self._last_seq = -1

    # --- from rows --------------------------------------------------------------------------------------------------

    @classmethod
    def load(cls, session: TradingSession) -> Self:
        """From the session's fills, and nothing else. Raises LedgerMismatch where the stored rows say otherwise."""
        account = cls(session)
        fills = list(session.trades.order_by("pk"))
        holdings = account.book.apply_all(in_order(fills, session.adjustments.order_by("pk")))
        stored = {(row.symbol, row.number): row for row in session.positions.all()}
        if set(stored) != {(holding.symbol, holding.number) for holding in holdings}:
            raise LedgerMismatch(f"{len(holdings)} positions follow from the fills, {len(stored)} are stored")
        for holding in holdings:
            compare(holding, stored[holding.symbol, holding.number])
        account.positions = {row.symbol: row for row in stored.values() if row.is_open}
        executions: dict[int, set[str]] = {}
        for fill in fills:
            executions.setdefault(fill.order_id or 0, set()).add(fill.execution_id)
        for row in session.orders.filter(state__in=WORKING):
            booked = frozenset(executions.get(row.pk, ()))
            account.orders[row.seq] = Tracked(row, view_of(row, booked))
        decided = session.orders.filter(role=OrderRole.PLAIN).order_by("-seq")
        newest = decided.values_list("seq", flat=True).first()
        account._last_seq = -1 if newest is None else newest
        account.daily = session.daily_stats.order_by("-day").first()
        return account

    # --- from the engine --------------------------------------------------------------------------------------------

    def absorb(
        self,
        log: StepLog,
        *,
        decided_at: datetime.datetime,
        version: int,
        closes: Mapping[str, float],
        inputs: Mapping[str, Mapping[str, Any]],
    ) -> Absorbed:
        """Book what a step, or a request between two, did.

        decided_at: close of its bar. version: of the settings that new orders follow. closes: of the bars, by symbol.
        inputs: what each symbol's signal was read from.
        Raises IllegalMove where an order would do what no order may.
        """
        done = Absorbed()
        symbols = log.changed.symbols
        rows = {int(row["serial"]): row for row in log.changed}
        for seq, row in rows.items():
            if seq not in self.orders:
                self._new_order(seq, row, symbols[row["symbol"]], decided_at, version, closes, done)
            else:
                self._sized(self.orders[seq], row)
        for fill in log.fills:
            seq = int(fill["order"])
            self._fill(self.orders[seq], fill, rows[seq], symbols[fill["symbol"]], version, inputs, done)
        for seq, row in rows.items():
            self._finish(self.orders[seq], row, decided_at, done)
        return done

    def _new_order(
        self,
        seq: int,
        row: Any,
        symbol: str,
        decided_at: datetime.datetime,
        version: int,
        closes: Mapping[str, float],
        done: Absorbed,
    ) -> None:
        if seq <= self._last_seq:
            raise LedgerMismatch(f"order {seq} was over, and the engine speaks of it again")
        self._last_seq = seq
        close = closes.get(symbol)
        order = Order(
            session_id=self.session.pk,
            seq=seq,
            client_order_id=ids.client_order_id(self.session.pk, seq),
            symbol=symbol,
            broker_account_id=self.session.broker_account_id,
            side="BUY" if row["side"] == BUY else "SELL",
            kind=ORDER_TYPE_NAMES[row["kind"]],
            time_in_force=TIF_NAMES[row["tif"]],
            is_entry=bool(row["entry"]),
            reason=REASON_NAMES[row["reason"]],
            qty=mapping.quantity(row["qty"]),
            limit_px=mapping.optional_price(float(row["limit_px"])),
            stop_px=mapping.optional_price(float(row["stop_px"])),
            decision_px=None if close is None else mapping.price(close),
            confidence=float(row["confidence"]),
            settings_version=version,
            decided_at=decided_at,
        )
        self.orders[seq] = Tracked(order, view_of(order, frozenset()))
        done.orders.append(order)

    def _sized(self, tracked: Tracked, row: Any) -> None:
        """A size that is set at the fill is known only then."""
        qty = mapping.quantity(row["qty"])
        if qty != tracked.row.qty:
            tracked.row.qty = qty
            tracked.view = view_of(tracked.row, tracked.view.executions)

    def _fill(
        self,
        tracked: Tracked,
        fill: Any,
        row: Any,
        symbol: str,
        version: int,
        inputs: Mapping[str, Mapping[str, Any]],
        done: Absorbed,
    ) -> None:
        order, opens = tracked.row, bool(fill["entry"])
        for step in (OrderState.SUBMITTED, OrderState.ACCEPTED):
            # A fill proves that the venue had it, whatever we heard of that.
            if tracked.view.state in (OrderState.INTENT, OrderState.SUBMITTED, OrderState.UNKNOWN):
                tracked.view = apply(tracked.view, Moved(step))
        qty = self._exact(tracked, fill)
        px = mapping.price(float(fill["px"]))
        number = len(tracked.view.executions) + 1
        execution = ids.execution_id(order.client_order_id, number)
        tracked.view = apply(tracked.view, Fill(execution, qty, px))
        trade = Trade(
            session_id=self.session.pk,
            order=order,
            symbol=symbol,
            side=order.side,
            qty=qty,
            px=px,
            is_entry=opens,
            reason=order.reason,
            commission=mapping.money(float(fill["commission"])),
            slippage=mapping.price(float(fill["slippage"])),
            execution_id=execution,
            client_order_id=order.client_order_id,
            broker_order_id=order.broker_order_id,
            indicators_snapshot=dict(inputs.get(symbol, {})),
            executed_at=mapping.moment(int(fill["ts"])),
        )
        self._book(trade, version if order.reason == QUOTE else order.settings_version, done)

    def _book(self, trade: Trade, version: int, done: Absorbed) -> None:
        """Book a fill. version: of the settings that a position which it opens follows. Raises CrossingFill."""
        holding, realised = self.book.apply(execution_of(trade))
        trade.realised_pnl = None if realised is None else mapping.money(realised)
        position = self.positions.get(trade.symbol)
        if position is None or position.number != holding.number:
            position = Position(
                session_id=self.session.pk,
                symbol=trade.symbol,
                number=holding.number,
                side=trade.side,
                settings_version=version,
                opened_at=holding.opened_at,
                current_px=trade.px,
            )
            self.positions[trade.symbol] = position
        take_over(position, holding)
        trade.position = position
        done.positions[trade.symbol, holding.number] = position
        done.trades.append(trade)
        if not holding.is_open:
            del self.positions[trade.symbol]

    def _exact(self, tracked: Tracked, fill: Any) -> Decimal:
        """The fill's quantity in Decimal, so that float64's last digits leave no dust in an order or a position."""
        qty = mapping.quantity(float(fill["qty"]))
        left = tracked.view.qty - tracked.view.filled
        holding = self.book.holdings.get(tracked.row.symbol)
        whole = holding.qty if holding is not None and not fill["entry"] else None
        for exact in (whole, left):
            if exact is not None and exact > 0 and abs(exact - qty) <= DUST * max(exact, Decimal(1)):
                qty = exact
        if qty > left > 0 and qty - left <= DUST * max(left, Decimal(1)):
            tracked.row.qty = tracked.row.qty + qty - left
            tracked.view = view_of(tracked.row, tracked.view.executions)
        return qty

    def _finish(self, tracked: Tracked, row: Any, at: datetime.datetime, done: Absorbed) -> None:
        """States that the engine names; those that follow from quantities are there already."""
        status = STATUS_NAMES[row["status"]]
        if status in _ENDS and not tracked.view.state.is_over:
            self._end(tracked, status, done)
        self._settle(tracked, at, done)

    def _end(self, tracked: Tracked, status: str, done: Absorbed) -> None:
        """The engine works this order no more. status: its word for it."""
        end = _ENDS[status]
        if tracked.view.state is OrderState.INTENT:
            end = OrderState.DENIED if status == "denied" else OrderState.CANCELED
        elif end is OrderState.REJECTED and tracked.view.filled > 0:
            end = OrderState.CANCELED
        tracked.view = apply(tracked.view, Moved(end))

    def _settle(self, tracked: Tracked, at: datetime.datetime, done: Absorbed) -> None:
        """Bring what is known of an order into its row."""
        order, view = tracked.row, tracked.view
        order.state, order.filled_qty, order.late_fill = view.state, view.filled, view.late_fill
        order.avg_fill_px = None if view.avg_px is None else mapping.price(view.avg_px)
        if view.state.is_over:
            order.ended_at = order.ended_at or at
            self.orders.pop(order.seq, None)
        if order.pk:
            done.changed[order.seq] = order

    def accepted(self, seqs: Iterable[int]) -> None:
        """The venue has confirmed these."""
        self._on_their_way(seqs, OrderState.ACCEPTED)

    def unknown(self, seqs: Iterable[int]) -> None:
        """Nobody knows whether the venue has these."""
        self._on_their_way(seqs, OrderState.UNKNOWN)

    def _on_their_way(self, seqs: Iterable[int], after: OrderState) -> None:
        for seq in seqs:
            tracked = self.orders.get(seq)
            if tracked is not None and tracked.view.state in (OrderState.INTENT, OrderState.UNKNOWN):
                for step in (OrderState.SUBMITTED, after):
                    tracked.view = apply(tracked.view, Moved(step))
                tracked.row.state = tracked.view.state

    def refused(self, seq: int, state: OrderState, reason: str) -> None:
        """An order ends before it worked, DENIED by us or REJECTED by the venue; the engine must forget it, too."""
        tracked = self.orders[seq]
        steps = (state,) if state is OrderState.DENIED else (OrderState.SUBMITTED, state)
        for step in steps:
            tracked.view = apply(tracked.view, Moved(step))
        tracked.row.state, tracked.row.state_reason = state, reason[:300]

    def in_doubt(self) -> list[Order]:
        """Orders of which nobody knows whether the venue has them."""
        return [tracked.row for tracked in self.orders.values() if tracked.view.state is OrderState.UNKNOWN]

    def expire_all(self, at: datetime.datetime) -> list[Order]:
        """End every working order because no price can come any more; their rows."""
        rows = []
        for tracked in list(self.orders.values()):
            end = OrderState.CANCELED if tracked.view.state is OrderState.INTENT else OrderState.EXPIRED
            tracked.view = apply(tracked.view, Moved(end))
            tracked.row.state, tracked.row.ended_at = end, at
            rows.append(tracked.row)
        self.orders.clear()
        return rows

    # --- marks and figures ------------------------------------------------------------------------------------------

    def mark(self, open_positions: Iterable[OpenPosition]) -> list[Position]:
        """Take over marks and protective levels; the rows of all open positions.

        Raises LedgerMismatch where the engine holds something else than the fills say.
        """
        held = {position.symbol: position for position in open_positions}
        if set(held) != set(self.positions):
            raise LedgerMismatch(f"the engine holds {sorted(held)}, the fills say {sorted(self.positions)}")
        for symbol, row in self.positions.items():
            engine, holding = held[symbol], self.book.holdings[symbol]
            if not mapping.agree(holding.qty * holding.sign, engine.qty, engine.qty):
                raise LedgerMismatch(f"{symbol}: the engine holds {engine.qty:g}, the fills say {holding.qty}")
            row.current_px = mapping.price(engine.mark)
            row.stop_px = mapping.optional_price(engine.stop_px)
            row.target_px = mapping.optional_price(engine.target_px)
            row.trailing_px = mapping.optional_price(engine.trailing_px)
            row.unrealised_pnl = mapping.money(holding.unrealised(row.current_px))
        return list(self.positions.values())

    def figures(self, engine_cash: float) -> dict[str, Any]:
        """Columns of the session's row. Raises LedgerMismatch where the engine's cash is not that of the fills."""
        book = self.book
        if not mapping.agree(book.cash, engine_cash, float(book.starting_cash)):
            raise LedgerMismatch(f"the engine has {engine_cash:.8f} in cash, the fills say {book.cash}")
        exposure = sum((row.qty * row.current_px for row in self.positions.values()), Decimal(0))
        unrealised = sum((row.unrealised_pnl for row in self.positions.values()), Decimal(0))
        equity = book.starting_cash + book.realised + unrealised
        return {
            "cash": mapping.money(book.cash),
            "equity": mapping.money(equity),
            "exposure": mapping.money(exposure),
            "total_pnl": mapping.money(book.realised),
            "unrealised_pnl": mapping.money(unrealised),
            "open_positions": len(self.positions),
            "total_trades": book.closed,
            "winning_trades": book.won,
        }

    def day(self, day: datetime.date, equity_before: Decimal, equity: Decimal, done: Absorbed) -> DailyStats:
        """The trading day's row after this step. equity_before: at the step before, for a day that begins with it."""
        if self.daily is None or self.daily.day != day:
            self.daily = DailyStats(
                session_id=self.session.pk,
                bot_id=self.session.bot_id,
                day=day,
                start_equity=equity_before,
                end_equity=equity,
                max_equity=max(equity_before, equity),
                min_equity=min(equity_before, equity),
            )
        row = self.daily
        row.trades += len(done.trades)
        for trade in done.trades:
            row.fees += trade.commission
            row.realised_pnl += trade.realised_pnl or 0
        for position in done.positions.values():
            if not position.is_open:
                row.round_trips += 1
                row.wins += position.realised_pnl > 0
                row.losses += position.realised_pnl < 0
        row.end_equity = equity
        row.max_equity, row.min_equity = max(row.max_equity, equity), min(row.min_equity, equity)
        return row


def view_of(row: Order, executions: frozenset[str]) -> OrderView:
    return OrderView(OrderState(row.state), row.qty, row.filled_qty, row.avg_fill_px, executions, row.late_fill)
