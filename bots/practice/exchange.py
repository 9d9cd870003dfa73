"""The practice exchange: takes orders, matches them against quotes, books what fills, and tells of each event.

It is the oracle of tests and of rehearsals: whatever a client believes, this is what happened. One thread at a time.
How orders fill: against the quote, never against each other. A market order takes the quote's price, as far as its size
goes; a limit order fills when the other side of the quote reaches its price; stops and trailing stops are woken up by
the last trade. Orders of a closed market wait, accepted, until it opens.
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Protocol

from bots.practice.checks import check
from bots.practice.flows import Flows
from bots.practice.orders import (
    ZERO,
    Account,
    Dividend,
    Event,
    Execution,
    Instrument,
    Quote,
    Refusal,
    Request,
    Split,
    Status,
    VenueOrder,
)

Listener = Callable[[Event], None]


class Hours(Protocol):
    """When an instrument trades."""

    def is_open(self, instrument: Instrument, at: datetime.datetime) -> bool: ...

    def closes_at(self, instrument: Instrument, at: datetime.datetime) -> datetime.datetime | None:
        """End of the session that `at` lies in, or of the next one; None: it never closes."""


class AlwaysOpen:
    """Hours of a market that never closes."""

    def is_open(self, instrument: Instrument, at: datetime.datetime) -> bool:
        return True

    def closes_at(self, instrument: Instrument, at: datetime.datetime) -> datetime.datetime | None:
        return None


class Exchange(Flows):
    """now: gives the exchange's time, aware UTC. Ids follow from a counter and `seed`: a run can be repeated."""

    def __init__(
        self,
        instruments: Iterable[Instrument],
        now: Callable[[], datetime.datetime],
        hours: Hours | None = None,
        seed: str = "practice",
    ) -> None:
        self.instruments = {instrument.symbol: instrument for instrument in instruments}
        self.accounts: dict[str, Account] = {}
        self.quotes: dict[str, Quote] = {}
        self.now, self.hours = now, hours or AlwaysOpen()
        self._seed, self.serial = uuid.uuid5(uuid.NAMESPACE_OID, seed), 0
        self._listeners: list[Listener] = []
        self.splits: list[Split] = []
        self.dividends: list[Dividend] = []
        self.halted: set[str] = set()
        self.refuses_later: dict[str, str] = {}  # client id → why it is rejected after it was taken

    # --- accounts ---------------------------------------------------------------------------------------------------

    def open_account(self, key: str, secret: str, cash: Decimal, *, may_short: bool = True) -> Account:
        """A new customer. Raises ValueError where the key is taken."""
        if key in self.accounts:
            raise ValueError(f"there is an account with the key {key!r}")
        self.accounts[key] = Account(self.new_id(), key, secret, cash, may_short)
        return self.accounts[key]

    def listen(self, listener: Listener) -> None:
        """Call it for every event, at once, in the order of events."""
        self._listeners.append(listener)

    def forget(self, listener: Listener) -> None:
        """Call it no more."""
        self._listeners.remove(listener)

    def equity(self, account: Account) -> Decimal:
        """Cash and positions at the last trade."""
        held = account.positions.items()
        return account.cash + sum((p.qty * self.quotes[s].last for s, p in held if s in self.quotes), ZERO)

    def instrument(self, symbol: str) -> Instrument:
        """Raises Refusal where nothing of that name trades here."""
        found = self.instruments.get(symbol)
        if found is None or symbol not in self.quotes:
            raise Refusal("no_asset", f"asset not found for {symbol}")
        return found

    # --- orders -----------------------------------------------------------------------------------------------------

    def submit(self, account: Account, request: Request) -> VenueOrder:
        """Take an order. Raises Refusal; then nothing has happened."""
        instrument = self.instrument(request.symbol)
        qty = check(account, instrument, request, self.quotes[request.symbol])
        order = self._take(account, request, qty)
        self._add_legs(account, order)
        if (why := self.refuses_later.pop(request.client_id, None)) is not None:
            self._end(account, order, "rejected", why)
            return order
        if self._is_open(instrument) and request.tif not in ("opg", "cls"):
            self._start(account, order)
        else:
            order.status = "accepted"
            self._tell(account, order, "accepted")
            if request.symbol in self.halted and request.tif in ("ioc", "fok"):
                self._end(account, order, "canceled")
        return order

    def cancel(self, account: Account, order_id: str) -> VenueOrder:
        """Ask for the end of an order; the rest of its group ends with it. Raises Refusal: unknown, or over already."""
        order = self.order(account, order_id)
        if order.is_over:
            raise Refusal("is_over", f'order is already in "{order.status}" state')
        self._end(account, order, "canceled")
        return order

    def replace(self, account: Account, order_id: str, client_id: str, **changes: Decimal | str | None) -> VenueOrder:
        """Put a new order in the place of one: changes by name (qty, limit_px, stop_px, trail_px, trail_pct, tif).

        Raises Refusal; then the old one goes on. A quantity counts what has been filled already.
        """
        old = self.order(account, order_id)
        if old.is_over:
            raise Refusal("is_over", f'order is already in "{old.status}" state')
        given = {name: value for name, value in changes.items() if value is not None}
        before = replace(old.request, qty=old.qty, notional=None, limit_px=old.limit_px, stop_px=old.stop_px)
        request = replace(before, client_id=client_id, order_class="simple", take_profit=None, stop_loss=None,
                          stop_loss_limit=None, **given)  # type: ignore[arg-type]  # fmt: skip
        if request.qty is None or request.qty <= old.filled:
            raise Refusal("invalid", f"qty must be above the {old.filled} that are filled already")
        left = replace(request, qty=request.qty - old.filled)
        qty = check(account, self.instrument(request.symbol), left, self.quotes[request.symbol], replacing=old)
        new = self._take(account, left, qty)
        new.replaces, new.parent, new.legs, new.status = old.id, old.parent, old.legs, old.status
        new.is_armed = old.is_armed
        if new.status == "partially_filled":
            new.status = "new"
        old.legs, old.replaced_by = [], new.id
        for leg in new.legs:
            account.orders[leg].parent = new.id
        if old.parent is not None:
            parent = account.orders[old.parent]
            parent.legs = [new.id if leg == old.id else leg for leg in parent.legs]
        self._end(account, old, "replaced", group=False)
        if new.status == "new" and self._is_open(self.instrument(request.symbol)):
            self._start(account, new)
        else:
            self._tell(account, new, new.status)
        return new

    def fill_late(self, account: Account, order_id: str, qty: Decimal, px: Decimal) -> VenueOrder:
        """A trade that comes to light when its order has ended already; the order's status stays. Raises Refusal: it
        works still, or has filled, or there is not so much of it left."""
        order = self.order(account, order_id)
        if order.status not in ("canceled", "expired") or not ZERO < qty <= order.left:
            raise Refusal("invalid", f"{qty} of an order in {order.status!r} state cannot have been executed")
        self._fill(account, order, qty, px)
        return order

    def order(self, account: Account, order_id: str) -> VenueOrder:
        """Raises Refusal where the account has no such order."""
        found = account.orders.get(order_id)
        if found is None:
            raise Refusal("no_order", f"order not found for {order_id}")
        return found

    def order_of_client(self, account: Account, client_id: str) -> VenueOrder:
        """The account's order of that client id. Raises Refusal."""
        return self.order(account, account.by_client_id.get(client_id, client_id))

    # --- the market -------------------------------------------------------------------------------------------------

    def quote(self, symbol: str, quote: Quote) -> None:
        """New prices: orders that they reach fill, in the order in which they were taken."""
        self.quotes[symbol] = quote
        instrument = self.instruments[symbol]
        if not self._is_open(instrument):
            return
        sizes = [quote.bid_size, quote.ask_size]
        for account in self.accounts.values():
            for order in account.working(symbol):
                if order.status == "accepted" and order.request.tif != "cls":
                    self._start(account, order, sizes)
                elif not order.is_over:
                    self._match(account, order, sizes)

    def session_ends(self, symbol: str) -> None:
        """The exchange closes: CLS orders fill at the last price, DAY and OPG orders end."""
        auctioned = symbol in self.quotes and symbol not in self.halted
        for account in self.accounts.values():
            for order in account.working(symbol):
                if order.request.tif == "cls" and auctioned:
                    self._fill(account, order, order.left, self.quotes[symbol].last)
                if not order.is_over and order.request.tif in ("day", "opg", "cls") and order.parent is None:
                    self._end(account, order, "expired")

    def halt(self, symbol: str, halted: bool) -> None:
        """Nothing trades until the halt ends: orders are taken and rest, those that cannot wait end. Then what rests
        meets the quote of that moment."""
        if halted:
            self.halted.add(symbol)
        elif symbol in self.halted:
            self.halted.remove(symbol)
            self.quote(symbol, self.quotes[symbol])

    # --- inside -----------------------------------------------------------------------------------------------------

    def new_id(self) -> str:
        self.serial += 1
        return str(uuid.uuid5(self._seed, str(self.serial)))

    def _is_open(self, instrument: Instrument) -> bool:
        return instrument.symbol not in self.halted and self.hours.is_open(instrument, self.now())

    def _take(self, account: Account, request: Request, qty: Decimal) -> VenueOrder:
        order = VenueOrder(self.new_id(), self.serial, request, qty, self.now())
        order.limit_px, order.stop_px = request.limit_px, request.stop_px
        account.orders[order.id] = order
        account.by_client_id[request.client_id] = order.id
        return order

    def _add_legs(self, account: Account, order: VenueOrder) -> None:
        """The exits of a bracket, an OCO or an OTO. An OCO is its own take profit; its stop is its leg."""
        request = order.request
        if request.order_class == "simple":
            return
        side = request.side if request.order_class == "oco" else ("sell" if request.side == "buy" else "buy")
        exits: list[Request] = []
        base = Request(request.symbol, side, "limit", request.tif, "", order.qty, house=request.house)
        if request.take_profit is not None and request.order_class != "oco":
            exits.append(replace(base, limit_px=request.take_profit))
        if request.stop_loss is not None:
            kind = "stop" if request.stop_loss_limit is None else "stop_limit"
            exits.append(replace(base, kind=kind, stop_px=request.stop_loss, limit_px=request.stop_loss_limit))
        if request.order_class == "oco":
            order.limit_px = request.take_profit
        for leg in exits:
            taken = self._take(account, replace(leg, client_id=request.leg_client_id or self.new_id()), order.qty)
            taken.parent, taken.status, taken.is_armed = order.id, "held", request.order_class == "oco"
            order.legs.append(taken.id)

    def _start(self, account: Account, order: VenueOrder, sizes: list[Decimal | None] | None = None) -> None:
        """The order begins to work, and takes at once what it can."""
        order.status = "new"
        self._tell(account, order, "new")
        quote = self.quotes[order.request.symbol]
        self._match(account, order, sizes if sizes is not None else [quote.bid_size, quote.ask_size])
        if order.is_over:
            return
        if order.request.tif in ("ioc", "fok", "opg"):
            self._end(account, order, "canceled")

    def _match(self, account: Account, order: VenueOrder, sizes: list[Decimal | None]) -> None:
        """Fill what the quote allows. sizes: [bid, ask] that is left of it; None: no end of it."""
        quote = self.quotes[order.request.symbol]
        if (order.status == "held" and not order.is_armed) or not self._is_triggered(order, quote):
            return
        if order.status == "held":
            order.status = "new"
            self._tell(account, order, "new")
            self._end_others(account, order)
        side = 1 if order.sign > 0 else 0
        px = quote.ask if order.sign > 0 else quote.bid
        if order.limit_px is not None and (px - order.limit_px) * order.sign > 0:
            return
        size = sizes[side]
        qty = order.left if size is None else min(order.left, size)
        if qty <= 0 or (order.request.tif == "fok" and qty < order.left):
            return
        if size is not None:
            sizes[side] = size - qty
        self._fill(account, order, qty, px)

    def _is_triggered(self, order: VenueOrder, quote: Quote) -> bool:
        request = order.request
        if order.triggered or request.kind in ("market", "limit"):
            return True
        if request.kind == "trailing_stop":
            if order.peak is None or (quote.last - order.peak) * order.sign < 0:
                order.peak = quote.last
            trail = request.trail_px if request.trail_px is not None else order.peak * (request.trail_pct or ZERO) / 100
            order.stop_px = order.peak + order.sign * trail
        order.triggered = order.stop_px is not None and (quote.last - order.stop_px) * order.sign >= 0
        return order.triggered

    def _fill(self, account: Account, order: VenueOrder, qty: Decimal, px: Decimal) -> None:
        instrument = self.instruments[order.request.symbol]
        position = account.position(order.request.symbol)
        position.book(order.sign * qty, px)
        account.cash -= order.sign * qty * px
        fee, asset = self._charge(account, instrument, order.sign, qty, px)
        order.filled, order.paid = order.filled + qty, order.paid + qty * px
        at, was_over = self.now(), order.is_over
        if not was_over:
            order.status = "filled" if order.left == 0 else "partially_filled"
        execution = Execution(self.new_id(), order.id, at, qty, px, position.qty, fee, asset, self.serial, order.filled)
        order.executions.append(execution)
        if not was_over:
            order.ended_at = at if order.is_over else None
        self._tell(account, order, "fill" if order.left == 0 else "partial_fill", execution)
        if not was_over:
            self._follow_group(account, order)

    def _charge(
        self, account: Account, instrument: Instrument, sign: int, qty: Decimal, px: Decimal
    ) -> tuple[Decimal, str]:
        """The fee of a fill, taken from what is received: units on a purchase of crypto, else money."""
        if not instrument.fee_ratio:
            return ZERO, ""
        if instrument.asset_class == "crypto" and sign > 0:
            fee = qty * instrument.fee_ratio
            position = account.position(instrument.symbol)
            position.qty -= fee  # what it cost stays: the rest is dearer
            return fee, instrument.base
        fee = qty * px * instrument.fee_ratio
        account.cash -= fee
        account.fees += fee
        return fee, instrument.quote

    def _follow_group(self, account: Account, order: VenueOrder) -> None:
        """What a fill means for the others: a filled entry wakes its exits up, a filling exit shrinks the other."""
        if order.request.order_class in ("bracket", "oto"):
            legs = [account.orders[leg] for leg in order.legs if order.status == "filled"]
            for leg in [leg for leg in legs if not leg.is_over]:
                if leg.request.kind == "limit" or len(order.legs) == 1:
                    self._start(account, leg)
                else:
                    leg.is_armed = True
            return
        self._end_others(account, order)
        for other in self._partners(account, order):
            if other.is_over:
                continue
            if order.status == "filled":
                self._end(account, other, "canceled", group=False)
            else:
                other.qty = other.filled + order.left

    def _end_others(self, account: Account, order: VenueOrder) -> None:
        """At Binance an exit that wakes up or begins to fill leaves no other one."""
        if order.request.house != "binance":
            return
        for other in self._partners(account, order):
            if not other.is_over:
                self._end(account, other, "expired", group=False)

    def _partners(self, account: Account, order: VenueOrder) -> list[VenueOrder]:
        """The other exits of the same group."""
        if order.request.order_class == "oco":
            return [account.orders[leg] for leg in order.legs]
        if order.parent is None:
            return []
        parent = account.orders[order.parent]
        legs = [account.orders[leg] for leg in parent.legs if leg != order.id]
        return [parent, *legs] if parent.request.order_class == "oco" else legs

    def _end(
        self, account: Account, order: VenueOrder, status: Status, reason: str = "", *, group: bool = True
    ) -> None:
        order.status, order.reason, order.ended_at = status, reason, self.now()
        self._tell(account, order, status)
        if not group:
            return
        legs = [account.orders[leg] for leg in order.legs]
        for other in [*legs, *self._partners(account, order)]:
            if not other.is_over:
                self._end(account, other, status if status != "rejected" else "canceled", group=False)

    def _tell(self, account: Account, order: VenueOrder, what: str, execution: Execution | None = None) -> None:
        order.updated_at = execution.at if execution else self.now()
        event = Event(account, order, what, order.updated_at, execution)
        for listener in self._listeners:
            listener(event)
