"""The booking side of a session at a broker: what the venue says of its orders and executions, as rows of the ledger.

The venue's word decides. What the engine says of an order is a wish: an order that it works no more is asked to end,
and ends when the venue says so; until then it may still fill, and the fill is booked.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from bots import mapping
from bots.brokers.base import BrokerOrder, Execution
from bots.brokers.naming import pair_of
from bots.host.account import QUOTE, Absorbed, Account, Tracked, view_of
from bots.models import BrokerExecution, Order, OrderRole, Trade, TradingSession
from bots.orders import Fill, Moved, OrderState, apply

_O = OrderState
_ENDS = (_O.CANCELED, _O.EXPIRED, _O.REPLACED, _O.REJECTED)
_ASKED = (_O.PENDING_CANCEL, _O.PENDING_REPLACE)
BEFORE = (_O.SUBMITTED, _O.ACCEPTED, _O.TRIGGERED, _O.PARTIALLY_FILLED, _O.SUSPENDED)


@dataclass(frozen=True, slots=True)
class Settled:
    """An execution in the session's own money: units that the position moves by, and what they cost beside their price.

    Commission taken in the coin makes the position smaller: fewer units at the same price, and the rest is commission.
    """

    qty: Decimal
    commission: Decimal


def settled(execution: Execution) -> Settled:
    """Identity A9: cash moves by qty × px of the execution in full, the position by what is left of its units."""
    base, quote = pair_of(execution.symbol) or ("", "USD")
    if execution.fee and execution.fee_asset == base:
        sign = 1 if execution.side == "BUY" else -1
        return Settled(execution.qty - sign * execution.fee, mapping.money(execution.fee * execution.px))
    return Settled(execution.qty, mapping.money(execution.fee) if execution.fee_asset == quote else Decimal(0))


class LiveAccount(Account):
    """See `Account`. ends: those that the venue told before it told the fills, by order. unasked: orders that are to
    end as soon as the venue is known to have them."""

    def __init__(self, session: TradingSession) -> None:
        super().__init__(session)
        self.ends: dict[int, tuple[OrderState, Decimal]] = {}
        self.unasked: set[int] = set()

    def find(self, client_order_id: str, broker_order_id: str = "") -> Tracked | None:
        """One of the session's orders, also one that is over. None: it is none of them."""
        for tracked in self.orders.values():
            if tracked.row.client_order_id == client_order_id:
                return tracked
            if broker_order_id and tracked.row.broker_order_id == broker_order_id:
                return tracked
        rows = self.session.orders
        row = rows.filter(client_order_id=client_order_id).first() if client_order_id else None
        if row is None and broker_order_id:
            row = rows.filter(broker_order_id=broker_order_id).first()
        if row is None:
            return None
        booked = row.executions.values_list("execution_id", flat=True)
        return Tracked(row, view_of(row, frozenset(booked)))

    def add(self, order: Order, done: Absorbed) -> None:
        """A new order of ours that the engine knows nothing of: a protective one."""
        self.orders[order.seq] = Tracked(order, view_of(order, frozenset()))
        done.orders.append(order)

    def _sized(self, tracked: Tracked, row: Any) -> None:
        """What was brought to the venue's steps stays at them, whatever the engine asked for."""

    # --- the engine's word ------------------------------------------------------------------------------------------

    def _end(self, tracked: Tracked, status: str, done: Absorbed) -> None:
        if tracked.row.pk is None:
            super()._end(tracked, status, done)  # decided and undone at once: it never leaves
        else:
            self.unwant(tracked.row.seq, done)

    def follow(self, tracked: Tracked, row: Any, at: datetime.datetime, done: Absorbed) -> None:
        """What the engine made of one of ours by itself, between two bars. row: of a StepLog."""
        self._finish(tracked, row, at, done)

    def decided(self, row: Any, symbols: Sequence[str], at: datetime.datetime, version: int, done: Absorbed) -> Order:
        """An order that the engine decided between two bars. row: of a StepLog, which `symbols` belong to."""
        seq = int(row["serial"])
        self._new_order(seq, row, symbols[row["symbol"]], at, version, {}, done)
        return self.orders[seq].row

    def settle(self, tracked: Tracked, at: datetime.datetime, done: Absorbed) -> None:
        """Bring what is known of an order into its row."""
        self._settle(tracked, at, done)

    def resize(self, order: Order) -> None:
        """An order that is not written yet has been brought to the venue's steps."""
        self.orders[order.seq].view = view_of(order, frozenset())

    def unwant(self, seq: int, done: Absorbed) -> None:
        """An order that is to end at the venue; once the venue has it, it is asked to."""
        tracked = self.orders[seq]
        if tracked.view.state in (_O.INTENT, _O.SUBMITTED, _O.UNKNOWN) or not tracked.row.broker_order_id:
            self.unasked.add(seq)
        elif tracked.view.state not in _ASKED:
            tracked.view = apply(tracked.view, Moved(_O.PENDING_CANCEL))
            done.unwanted.append(tracked.row)

    # --- the venue's word -------------------------------------------------------------------------------------------

    def told(
        self, tracked: Tracked, order: BrokerOrder, at: datetime.datetime, done: Absorbed, *, lags: bool = False
    ) -> None:
        """Bring one of ours to what the venue says of it. lags: its figures are in the units from before a split.
        Raises IllegalMove for what no order can do."""
        row = tracked.row
        row.broker_order_id = order.broker_order_id or row.broker_order_id
        row.venue_status, row.state_reason = order.status[:24], (order.reason or row.state_reason)[:300]
        # A word from before we asked for something, and from before a split: the answer will be in today's units.
        is_late = lags and tracked.view.state in _ASKED and order.state in BEFORE
        if row.role != OrderRole.PLAIN and not is_late:
            self._take_over(tracked, order)
        if order.state in _ENDS and order.filled > tracked.view.filled:
            self.ends[row.seq] = (order.state, order.filled)  # its last fills are under way
        elif not (row.role != OrderRole.PLAIN and order.state is _O.SUSPENDED and tracked.view.state is _O.ACCEPTED):
            # An exit that works is not held again: such a word is older than the one that we have.
            self._move(tracked, order.state)
        if row.accepted_at is None and tracked.view.state not in (_O.INTENT, _O.SUBMITTED, _O.UNKNOWN):
            row.accepted_at = at
        self._settle(tracked, at, done)
        if row.seq in self.unasked and row.seq in self.orders and row.broker_order_id:
            self.unasked.discard(row.seq)
            self.unwant(row.seq, done)

    @staticmethod
    def _take_over(tracked: Tracked, order: BrokerOrder) -> None:
        """What rests is changed by the venue itself: by a split, or when the other exit of its group fills."""
        row = tracked.row
        if order.qty > 0 and tracked.view.filled <= order.qty != tracked.view.qty:
            row.qty = mapping.quantity(order.qty)
            tracked.view = replace(tracked.view, qty=row.qty)
            if tracked.view.filled == row.qty and not tracked.view.state.is_over:
                tracked.view = replace(tracked.view, state=_O.FILLED)  # its fills came before we knew how small it is
        row.stop_px = row.stop_px and mapping.price(order.stop_px or row.stop_px)
        row.limit_px = row.limit_px and mapping.price(order.limit_px or row.limit_px)

    def _move(self, tracked: Tracked, state: OrderState) -> None:
        view = tracked.view
        if view.state is _O.INTENT:
            view = apply(view, Moved(_O.SUBMITTED))
        if view.state in _ASKED and state in BEFORE:
            tracked.view = view  # from before the request, or its answer is still to come
            return
        if state is _O.REPLACED and view.state in (_O.ACCEPTED, _O.TRIGGERED, _O.PARTIALLY_FILLED, _O.SUSPENDED):
            view = apply(view, Moved(_O.PENDING_REPLACE))
        elif state in (*_ASKED, _O.REPLACED) and view.state is _O.SUBMITTED:
            view = apply(view, Moved(_O.ACCEPTED))
            view = apply(view, Moved(_O.PENDING_REPLACE)) if state is _O.REPLACED else view
        elif state is _O.REJECTED and (view.filled > 0 or view.state in _ASKED):
            state = _O.CANCELED
        tracked.view = apply(view, Moved(state))

    def goes_on(self, tracked: Tracked, at: datetime.datetime, done: Absorbed) -> None:
        """The venue refused to end or to replace it: it works as before."""
        if tracked.view.state in _ASKED:
            tracked.view = apply(tracked.view, Moved(_O.ACCEPTED))
        self._settle(tracked, at, done)

    def has_successor(self, order: Order) -> bool:
        """Whether another one is on its way into its place, or has come there."""
        if any(tracked.row.replaces_id == order.pk for tracked in self.orders.values()):
            return True
        successors = Order.objects.filter(replaces=order)
        if successors.exclude(broker_order_id="").exists():
            return True
        successors.update(replaces=None)  # it never came, and the place is free for the next one
        return False

    def stays(self, new: Order, at: datetime.datetime, done: Absorbed) -> Order | None:
        """The order whose place `new` should have taken, which never came to work: it works as before. None: there is
        none, or it has ended."""
        old = None if new.replaces is None else self.orders.get(new.replaces.seq)
        if old is None:
            return None
        Order.objects.filter(pk=new.pk).update(replaces=None)  # the place is free for the next one
        new.replaces = None
        self.goes_on(old, at, done)
        return old.row

    def on_its_way(self, tracked: Tracked, state: OrderState, at: datetime.datetime, done: Absorbed) -> None:
        """UNKNOWN: nobody knows whether the venue has it. REJECTED, CANCELED: the venue has it not, and never will."""
        for step in (_O.SUBMITTED, state):
            if tracked.view.state in (_O.INTENT, _O.SUBMITTED, _O.UNKNOWN):
                tracked.view = apply(tracked.view, Moved(step))
        if state is _O.CANCELED and tracked.view.state is _O.PARTIALLY_FILLED and not tracked.row.broker_order_id:
            tracked.view = apply(tracked.view, Moved(state))  # the rest of what was settled with another session
        self.unasked.discard(tracked.row.seq)
        self._settle(tracked, at, done)

    def execute(self, tracked: Tracked, execution: Execution, done: Absorbed) -> Trade | None:
        """Book an execution of one of ours; None: it was booked before.

        Raises OverFill and IllegalMove for what no order can do, CrossingFill for more than is held.
        """
        order = tracked.row
        if execution.execution_id in tracked.view.executions:
            return None
        for step in (_O.SUBMITTED, _O.ACCEPTED):
            # A fill proves that the venue had it, whatever we heard of that.
            if tracked.view.state in (_O.INTENT, _O.SUBMITTED, _O.UNKNOWN):
                tracked.view = apply(tracked.view, Moved(step))
        tracked.view = apply(tracked.view, Fill(execution.execution_id, execution.qty, execution.px))
        own = settled(execution)
        sign = 1 if execution.side == "BUY" else -1
        holding = self.book.holdings.get(order.symbol)
        decided = order.stop_px or order.decision_px if order.role != "plain" else order.decision_px
        order.broker_order_id = order.broker_order_id or execution.broker_order_id
        trade = Trade(
            session_id=self.session.pk,
            order=order,
            symbol=order.symbol,
            side=execution.side,
            qty=mapping.quantity(own.qty),
            px=mapping.price(execution.px),
            is_entry=holding is None or holding.sign == sign,
            reason=order.reason,
            commission=own.commission,
            slippage=mapping.price((execution.px - decided) * sign) if decided else Decimal(0),
            execution_id=execution.execution_id,
            client_order_id=order.client_order_id,
            broker_order_id=order.broker_order_id,
            executed_at=execution.at,
        )
        self._book(trade, self.session.settings.version if order.reason == QUOTE else order.settings_version, done)
        done.executions.append(execution_row(self.session.broker_account_id or 0, execution, order))
        end = self.ends.get(order.seq)
        if end is not None and tracked.view.filled >= end[1]:
            del self.ends[order.seq]
            if not tracked.view.state.is_over:
                self._move(tracked, end[0])
        self._settle(tracked, execution.at, done)
        return trade


def execution_row(account_id: int, execution: Execution, order: Order | None) -> BrokerExecution:
    """An execution as the account's ledger keeps it. order: whose it is; None: it is EXTERNAL."""
    return BrokerExecution(
        broker_account_id=account_id,
        execution_id=execution.execution_id,
        session_id=None if order is None else order.session_id,
        order=order,
        broker_order_id=execution.broker_order_id,
        client_order_id=execution.client_order_id,
        symbol=execution.symbol,
        side=execution.side,
        qty=mapping.quantity(execution.qty),
        px=mapping.price(execution.px),
        fee=mapping.money(execution.fee),
        fee_asset=execution.fee_asset,
        executed_at=execution.at,
    )
