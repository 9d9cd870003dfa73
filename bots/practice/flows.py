"""Money and units of the practice exchange's customers that move by another way than trades."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import replace
from decimal import ROUND_DOWN, Decimal

from bots.practice.orders import ZERO, Account, Dividend, Flow, Instrument, Quote, Split

UNIT = Decimal("1E-9")  # what a broker counts units in


class Flows:
    """The part of an Exchange that deposits, dividends and splits go through."""

    accounts: dict[str, Account]
    instruments: dict[str, Instrument]
    quotes: dict[str, Quote]
    splits: list[Split]
    dividends: list[Dividend]
    now: Callable[[], datetime.datetime]
    new_id: Callable[[], str]
    _end: Callable[..., None]

    def transfer(self, account: Account, amount: Decimal, what: str = "", symbol: str = "") -> None:
        """Money that comes or goes. what: Alpaca's word for it (FEE, INT, …); a deposit or a withdrawal else."""
        account.cash += amount
        what = what or ("CSD" if amount > 0 else "CSW")
        account.flows.append(Flow(self.new_id(), self.now(), what, amount, symbol))

    def dividend(self, symbol: str, per_unit: Decimal) -> int:
        """Money for each unit held: who is short pays it. How many accounts it moved."""
        moved = 0
        self.dividends.append(Dividend(self.new_id(), self.now(), symbol, per_unit))
        for account in self.accounts.values():
            qty = account.position(symbol).qty
            if qty:
                account.cash += qty * per_unit
                account.flows.append(Flow(self.new_id(), self.now(), "DIV", qty * per_unit, symbol, qty))
                moved += 1
        return moved

    def split(self, symbol: str, new: int, old: int, *, in_lieu: bool = False) -> None:
        """`new` units for each `old`: quote, positions and working orders follow at one instant. Nothing is matched
        before the next price comes.

        in_lieu: a part of a unit is paid in money, at the new last trade; orders keep whole units, and end where none
        is left. Otherwise parts stay, but an order for whole units stays one.
        """

        def units(qty: Decimal) -> Decimal:
            return (qty * new / old).quantize(UNIT)

        def price(px: Decimal) -> Decimal:
            return px * old / new

        instrument = self.instruments.get(symbol) or Instrument(symbol)

        def stepped(px: Decimal) -> Decimal:
            step = instrument.price_step(price(px))
            return max((price(px) / step).to_integral_value(), Decimal(1)) * step

        self.splits.append(Split(self.new_id(), self.now(), symbol, new, old))
        quote = self.quotes.get(symbol)
        if quote is not None:
            px = [stepped(each) for each in (quote.bid, quote.ask, quote.last)]
            sizes = [size and units(size) for size in (quote.bid_size, quote.ask_size)]
            self.quotes[symbol] = quote = Quote(*px, *sizes)
        for account in self.accounts.values():
            position, amount = account.position(symbol), ZERO
            if position.qty:
                before, position.qty = position.qty, units(position.qty)
                if in_lieu and quote is not None and position.qty:
                    part = position.qty - position.qty.to_integral_value(ROUND_DOWN)
                    position.cost -= position.cost * part / position.qty
                    position.qty, amount = position.qty - part, part * quote.last
                    account.cash += amount
                flow = Flow(self.new_id(), self.now(), "SPLIT", amount, symbol, position.qty - before)
                account.flows.append(flow)
            for order in account.working(symbol):
                left, is_whole = units(order.left), in_lieu or not order.qty % instrument.lot
                order.filled = units(order.filled)
                order.qty = order.filled + (left // instrument.lot * instrument.lot if is_whole else left)
                order.limit_px = order.limit_px and stepped(order.limit_px)
                order.stop_px = order.stop_px and stepped(order.stop_px)
                order.peak = order.peak and price(order.peak)
                trail_px = order.request.trail_px
                order.request = replace(order.request, trail_px=trail_px and price(trail_px))
            for order in account.working(symbol):
                if not order.left and not order.is_over:
                    self._end(account, order, "canceled")
