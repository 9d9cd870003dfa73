"""What a session at a broker makes of splits: of orders that the venue rescales by itself, and of the booking.

While the venue's figures of a symbol are in other units than ours, nothing is sent for it and no bar is decided on.
Once the split is booked, all that the session remembers of prices is in new units.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from bots import mapping
from bots.brokers.base import BrokerEvent, BrokerOrder
from bots.host.account import Tracked
from bots.host.instants import Done
from bots.host.positions import LedgerMismatch
from bots.live import grouping
from bots.live.prices import Prices
from bots.live.unexplained import MOVED, WAIT_S, units_ratio
from bots.models import BookingRequest, Order

if TYPE_CHECKING:
    from bots.live.runner import LiveRunner

_Kind = BookingRequest.Kind
LIEU = "-lieu"  # ends the ref of what is given up for money; see `bots.live.flows`


class Splits:
    """Of one session, for as long as a host has it."""

    def __init__(self, runner: LiveRunner) -> None:
        self._runner = runner
        self.prices = Prices(runner.session)
        self._strange: set[str] = set()  # symbols of whose orders the venue has told in other units
        self._lieu: set[str] = set()  # those that a part of a unit is still to be given up of
        self._aside: list[BrokerEvent] = []  # executions in other units

    # --- what the venue changed by itself ---------------------------------------------------------------------------

    def __contains__(self, symbol: str) -> bool:
        """Whether nothing may be sent for it now."""
        return symbol in self._strange or symbol in self._lieu or symbol in self._runner.connection.unexplained

    def held(self) -> list[str]:
        """Symbols of this session that wait, by name."""
        return sorted(symbol for symbol in self._runner.desk.plan.symbols if symbol in self)

    def trouble(self) -> str | None:
        """Why nothing is entered, in words; None: no figures are in doubt."""
        held = self.held()
        return f"{', '.join(held)}: the venue has changed its orders by itself, and is asked why" if held else None

    def is_strange(self, tracked: Tracked, told: BrokerOrder) -> bool:
        """Whether the venue's figures of an order, or of one of its group, are in units that nothing explains."""
        rules = self._runner.connection.rules.get(tracked.row.symbol)
        if rules is not None and rules.base:
            return False  # coins are never split
        return any(not self._is_old(tracked.row.symbol, by) for by in self._ratios(tracked.row, told))

    def lags(self, tracked: Tracked, told: BrokerOrder) -> bool:
        """Whether a split is booked here and the venue has left this order as it was."""
        return any(self._is_old(tracked.row.symbol, by) for by in self._ratios(tracked.row, told))

    def _ratios(self, first: Order, told: BrokerOrder) -> list[Decimal]:
        rows = [each.row for each in self._runner.account.orders.values()]
        pairs = [(first, told), *grouping.pairs(first, told, rows)]
        return [by for row, one in pairs if (by := units_ratio(row, one)) is not None]

    def _is_old(self, symbol: str, by: Decimal) -> bool:
        """Whether figures that differ from ours by that ratio are those from before the last split."""
        booked = self.prices.last_split(symbol)
        return booked is not None and abs(Fraction(by) * booked - 1) <= Fraction(MOVED)

    def sets_aside(self, news: BrokerEvent) -> bool:
        """Whether the news is of an order of ours in units that nothing explains; an execution is booked later."""
        order = news.order
        tracked = None if order is None else self._runner.account.find(order.client_order_id, order.broker_order_id)
        if order is None or tracked is None or not self.is_strange(tracked, order):
            return False
        self.set_aside(tracked.row.symbol)
        if news.execution is not None:
            self._aside.append(news)
        return True

    def set_aside(self, symbol: str) -> None:
        """Hold everything of the symbol, and have the venue asked what has moved."""
        if symbol not in self._strange:
            self._strange.add(symbol)
            text = (
                f"The venue has changed its orders of {symbol} by itself, as it does at a split: nothing is sent for "
                f"it, and nothing decided, until a split is booked that explains it ({WAIT_S:.0f} s at most)."
            )
            self._runner.event("split", text, level="warning", symbol=symbol)
        self._runner.connection.unexplained.note(symbol)
        self._runner.connection.explain()

    def give_up(self) -> Done | None:
        """What no split has explained in time. Raises LedgerMismatch where the symbol is held; entries of one that is
        not are taken back. None: there is nothing to write."""
        runner = self._runner
        unexplained = runner.connection.unexplained
        overdue = (unexplained.overdue() & set(runner.desk.plan.symbols)) | (self._strange - unexplained.held())
        for symbol in sorted(overdue):
            if symbol in runner.account.book.holdings:
                raise LedgerMismatch(f"the venue has changed its orders of {symbol} by itself and lists no split of it")
            self._strange.discard(symbol)
            if any(order.entry and order.symbol == symbol for order in runner.desk.portfolio.working_orders()):
                step = runner.desk.portfolio.cancel_entry(symbol)
                return runner.between(step, [{"do": "cancel", "symbol": symbol}])
        return None

    # --- what was booked --------------------------------------------------------------------------------------------

    def booked(self, request: BookingRequest) -> None:
        """Go on in new units, once engine and ledger are in them. The venue is asked for its own figures of what rests:
        it rounds, or may have left them."""
        symbol, runner = request.symbol, self._runner
        if request.kind == _Kind.RELEASE and request.ref.endswith(LIEU):
            self._lieu.discard(symbol)
        if request.kind != _Kind.SPLIT or request.ratio is None:
            return
        self.prices.booked(request)
        by = mapping.ratio(request.ratio)
        runner.desk.histories[symbol].split(float(by))
        runner.protector.split(symbol, by)
        waiting = runner.session.booking_requests.filter(ref=f"{request.ref}{LIEU}", done_at__isnull=True)
        if waiting.exists():
            self._lieu.add(symbol)
        self._strange.discard(symbol)
        runner.connection.unexplained.explained(symbol)
        for tracked in runner.account.orders.values():
            if tracked.row.symbol == symbol and tracked.row.broker_order_id:
                runner.connection.ask_about(tracked.row)
        for news in [each for each in self._aside if each.execution and each.execution.symbol == symbol]:
            self._aside.remove(news)
            runner.connection.again(runner.session.pk, news)

    def refused(self, request: BookingRequest) -> None:
        """The engine would not book it; nothing waits for it any more."""
        self._lieu.discard(request.symbol)
