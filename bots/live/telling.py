"""The part of a session at a broker that keeps engine, ledger and venue together: what the venue did is told to the
engine, and what the engine makes of it becomes rows."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.utils import timezone

from bots import mapping
from bots.brokers import preflight
from bots.brokers.base import Execution
from bots.host import feeds
from bots.host.account import Absorbed, Tracked
from bots.host.instants import Done
from bots.host.ledger import SessionWrite
from bots.host.positions import LedgerMismatch
from bots.live import asks, grouping, posting
from bots.live.giving import Giving
from bots.live.protecting import ProtectedRunner
from bots.models import BookingRequest, Order, OrderRole, Trade
from bots.orders import OrderState
from engine import InputError
from engine.errors import Fault
from engine.portfolio import StepLog
from engine.types import BUY, REQUEST_REASONS, SELL, STATUS_NAMES

_O = OrderState
_ENGINE_WORDS = {_O.CANCELED: "cancelled", _O.EXPIRED: "expired", _O.REJECTED: "denied", _O.DENIED: "denied"}
AGAIN_S = (1.0, 2.0, 5.0, 15.0, 60.0)  # an exit that the venue refuses is tried again after so long


class TellingRunner(ProtectedRunner):
    """See `bots.live.runner.LiveRunner`."""

    giving: Giving
    _again: dict[str, tuple[str, int, float]]  # symbol → reason, tries, when an exit is due again
    _asked: dict[int, float]  # order → when its end was asked for last
    _built_at: float  # monotonic, of the last rows

    # --- the engine -------------------------------------------------------------------------------------------------

    def _in_engine(self) -> set[int]:
        return {order.serial for order in self.desk.portfolio.working_orders()}

    def _book_in_engine(self, order: Order, executed: Execution, trade: Trade, absorbed: Absorbed) -> Mapping[str, Any]:
        """Tell the engine of a booked execution; what the tape keeps of it. Raises LedgerMismatch."""
        portfolio = self.desk.portfolio
        kept = executed.qty - trade.qty if trade.side == "BUY" else Decimal(0)  # commission taken in the coin
        facts = {
            "qty": float(trade.qty + kept),
            "px": float(trade.px),
            "commission": 0.0 if kept else float(trade.commission),
            "ts": mapping.nanoseconds(trade.executed_at),
        }
        try:
            if order.role != OrderRole.PLAIN:
                told = {"do": "fill_exit", "symbol": order.symbol, "reason": order.reason, **facts}
                step = portfolio.fill_exit(order.symbol, reason=order.reason, **facts)
            elif order.seq in self._in_engine():
                told = {"do": "fill", "serial": order.seq, **facts, "kept": float(kept)}
                step = portfolio.fill(order.seq, **facts, kept=float(kept))
            else:
                side = BUY if trade.side == "BUY" else SELL
                told = {"do": "book_execution", "symbol": order.symbol, "side": side, **facts, "kept": float(kept)}
                step = portfolio.book_execution(order.symbol, side, **facts, kept=float(kept))
        except InputError as error:
            raise LedgerMismatch(f"the engine cannot book {trade}: {error}") from error
        self._follow(step, absorbed)
        return told

    def _after(self, tracked: Tracked, absorbed: Absorbed, was_over: bool) -> Mapping[str, Any] | None:
        """Where an order has ended, the engine must have done with it, too."""
        row, state = tracked.row, tracked.view.state
        if was_over or not state.is_over:
            return None
        self._asked.pop(row.seq, None)
        self._with_its_group(tracked, absorbed)
        if row.is_entry and state is not _O.REJECTED and row.broker_order_id:
            self.rejections.accepted(row.symbol)
        if state is _O.REJECTED:
            if row.is_entry:
                self.rejections.rejected(row)
            self.event("order", f"The venue rejected {row}: {row.state_reason}", level="warning")
            if row.role != OrderRole.PLAIN:
                self.protector.refused(row)
        return self._end_in_engine(row, _ENGINE_WORDS.get(state, "cancelled"), absorbed)

    def _end_in_engine(self, order: Order, word: str, absorbed: Absorbed) -> Mapping[str, Any] | None:
        if order.role != OrderRole.PLAIN or order.seq not in self._in_engine():
            return None
        if not order.is_entry and order.state != _O.FILLED:
            self._try_again(order)
        self._follow(self.desk.portfolio.end_order(order.seq, word), absorbed)
        return {"do": "end_order", "serial": order.seq, "status": word}

    def _follow(self, step: StepLog, absorbed: Absorbed) -> None:
        """What the engine changed among our orders by itself: an exit that has nothing left to close, another one of
        what came to a position while it was being closed. Rows of its own for what was executed are none of ours."""
        at = feeds.wall_time()
        for row in step.changed:
            tracked = self.account.orders.get(int(row["serial"]))
            if tracked is not None:
                self.account.follow(tracked, row, at, absorbed)
            elif STATUS_NAMES[row["status"]] == "working":
                self._fit(
                    self.account.decided(row, step.changed.symbols, self.last_bar_at or at, self.version, absorbed)
                )

    def _try_again(self, order: Order) -> None:
        """An exit that did not close its position is due again, less often each time."""
        reason = order.reason if order.reason in REQUEST_REASONS else "watchdog"
        tries = self._again.get(order.symbol, ("", 0, 0.0))[1] + 1
        self._again[order.symbol] = (reason, tries, time.monotonic() + AGAIN_S[min(tries, len(AGAIN_S)) - 1])

    def _with_its_group(self, tracked: Tracked, absorbed: Absorbed) -> None:
        """An order that never came to work takes those with it that were sent with it; and the order whose place it
        should have taken goes on."""
        at, first = feeds.wall_time(), tracked.row
        if not tracked.view.state.is_over or tracked.view.filled > 0:
            return
        for leg in grouping.members(first, [each.row for each in self.account.orders.values()]):
            if not leg.broker_order_id:
                self.account.on_its_way(self.account.orders[leg.seq], _O.CANCELED, at, absorbed)
        if tracked.view.state is _O.REJECTED or not first.broker_order_id:
            old = self.account.stays(first, at, absorbed)
            if old is not None:
                self.connection.ask_about(old)

    def post(self, request: BookingRequest) -> Done | None:
        """Book what is no trade of its own; what the engine refuses is not booked, and the request says why. None: what
        is given back waits until the venue's orders are not for it any more."""
        refusal = self.giving.judge(request)
        if refusal is None:
            return None
        self.giving.done(request)
        try:
            if refusal:
                raise InputError(Fault("", "not_booked", refusal))
            posted = posting.post(self.account, self.desk.portfolio, request, self.version)
        except InputError as error:
            self.event("booking", f"{posting.words(request)}: it could not be booked: {error}", level="error")
            self.splits.refused(request)
            done = self.between(None, [])
            done.write.done_bookings = {request.pk: str(error)}
            return done
        self._follow(posted.step, posted.absorbed)
        done = self._written(posted.absorbed, [posted.told])
        done.write.adjustments, done.write.done_bookings = [posted.adjustment], {request.pk: ""}
        self.equity = done.write.values["equity"]
        daily = self.account.daily
        if daily is not None and request.amount:
            posting.shift_day(daily, request, self.equity)
            done.write.daily, done.write.values["day_start_equity"] = daily, daily.start_equity
        self.event("booking", f"{posting.words(request)}.", ref=request.ref)
        self.splits.booked(request)
        self.connection.look()  # what waited for it in the inbox is done then
        return done

    # --- rows -------------------------------------------------------------------------------------------------------

    def _write(self, absorbed: Absorbed, *, cursor_ns: int, **values: Any) -> SessionWrite:
        self._built_at = time.monotonic()
        return super()._write(absorbed, cursor_ns=cursor_ns, **values)

    def _written(self, absorbed: Absorbed, told: list[Mapping[str, Any] | None], again: Sequence[Order] = ()) -> Done:
        """The rows of what was booked, with what the engine was told for the tape. again: orders to be sent again."""
        write = self._write(absorbed, cursor_ns=self.cursor_ns)
        write.interventions = [dict(each) for each in told if each is not None]
        if absorbed.trades:
            before, self.equity = self.equity, write.values["equity"]
            day = self._day(mapping.nanoseconds(absorbed.trades[-1].executed_at))
            write.daily = self.account.day(day, before, self.equity, absorbed)
            write.snapshot = self._snapshot(write, timezone.now())
        return Done(write, absorbed, again=list(again))

    def _fit(self, order: Order) -> None:
        """Bring an order to the venue's steps before its row is written: what is sent is what the ledger says."""
        rules = self.connection.rules.get(order.symbol)
        request = asks.as_request(order, rules)
        if not order.is_entry:
            request = preflight.fitted(request, rules)  # nothing may hold an exit back
        order.kind, order.time_in_force = request.kind, request.time_in_force
        order.qty = mapping.quantity(request.qty)
        if request.limit_px is not None:
            order.limit_px = mapping.price(request.limit_px)
        if request.stop_px is not None:
            order.stop_px = mapping.price(request.stop_px)
        self.account.resize(order)
