"""What a session at a broker makes of splits: orders that the venue rescales by itself, and prices from before.

While the venue's figures of a symbol are in other units than ours, nothing is sent for it and no bar is decided on.
Once the split is booked, what the session remembers of prices is in new units, and so is what its feed goes on to tell:

- a vendor's prices follow the split by themselves; what closed before it is divided by us;
- a made-up market, and a replay of what has been, know of no split: all that they tell is divided.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from bots import mapping
from bots.brokers.base import BrokerEvent, BrokerOrder
from bots.host.account import Tracked
from bots.host.history import Prices
from bots.host.instants import Done, Instant
from bots.host.positions import LedgerMismatch
from bots.host.splits import UNAWARE
from bots.live import grouping
from bots.live.unexplained import MOVED, WAIT_S, units_ratio
from bots.models import Adjustment, BookingRequest, Order
from marketdata.feeds import Tick

if TYPE_CHECKING:
    from bots.live.runner import LiveRunner

_Kind = BookingRequest.Kind
LIEU = "-lieu"  # ends the ref of what is given up for money; see `bots.live.flows`


class Splits:
    """Of one session, for as long as a host has it."""

    def __init__(self, runner: LiveRunner) -> None:
        self._runner, self._follows = runner, runner.session.feed not in UNAWARE
        self._booked: dict[str, tuple[tuple[int, Fraction], ...]] = {}  # when (ns UTC), new units for each old one
        self._strange: set[str] = set()  # symbols of whose orders the venue has told in other units
        self._lieu: set[str] = set()  # those that a part of a unit is still to be given up of
        self._aside: list[BrokerEvent] = []  # executions in other units
        for row in runner.session.adjustments.filter(kind=Adjustment.Kind.SPLIT).order_by("pk"):
            self._note(row)

    def _note(self, row: Adjustment | BookingRequest) -> None:
        one = mapping.nanoseconds(row.at), mapping.ratio(row.ratio or Decimal(1))
        self._booked = {**self._booked, row.symbol: (*self._booked.get(row.symbol, ()), one)}

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
        booked = self._booked.get(symbol)
        return booked is not None and abs(Fraction(by) * booked[-1][1] - 1) <= MOVED

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
        for symbol in sorted(runner.connection.unexplained.overdue() & set(runner.desk.plan.symbols)):
            if symbol in runner.account.book.holdings:
                raise LedgerMismatch(
                    f"the venue has changed its orders of {symbol} by itself, and lists no split of it"
                )
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
        self._note(request)
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

    # --- prices -----------------------------------------------------------------------------------------------------

    def instant(self, one: Instant) -> Instant:
        """Bars in the units of today."""
        if not self._booked:
            return one
        bars = {symbol: self._bar(symbol, prices, one.closed_ns) for symbol, prices in one.bars.items()}
        deciding = {s: (ts, self._bar(s, prices, one.closed_ns)) for s, (ts, prices) in one.deciding.items()}
        return replace(one, bars=bars, deciding=deciding)

    def tick(self, one: Tick) -> Tick:
        """A trade in the units of today. Any thread."""
        for by in self._to_apply(one.symbol, one.ts):
            px, bid, ask = (each / by for each in (one.px, one.bid, one.ask))
            one = one._replace(px=px, size=one.size * by, bid=bid, ask=ask)
        return one

    def _bar(self, symbol: str, prices: Prices, closed_ns: int) -> Prices:
        for by in self._to_apply(symbol, closed_ns):
            open_, high, low, close, volume = prices
            prices = open_ / by, high / by, low / by, close / by, volume * by
        return prices

    def _to_apply(self, symbol: str, ns: int) -> list[float]:
        """The ratios of splits that a price of that moment is from before."""
        return [float(by) for at, by in self._booked.get(symbol, ()) if not self._follows or ns <= at]
