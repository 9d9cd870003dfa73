"""Money and units of the practice exchange's customers that move by another way than trades."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import Decimal

from bots.practice.orders import Account, Dividend, Flow, Split


class Flows:
    """The part of an Exchange that deposits, dividends and splits go through."""

    accounts: dict[str, Account]
    splits: list[Split]
    dividends: list[Dividend]
    now: Callable[[], datetime.datetime]
    new_id: Callable[[], str]

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

    def split(self, symbol: str, new: int, old: int) -> None:
        """`new` units for each `old`: positions and working orders follow."""
        ratio = Decimal(new) / Decimal(old)
        self.splits.append(Split(self.new_id(), self.now(), symbol, new, old))
        for account in self.accounts.values():
            position = account.position(symbol)
            if position.qty:
                came = position.qty * ratio - position.qty
                account.flows.append(Flow(self.new_id(), self.now(), "SPLIT", symbol=symbol, qty=came))
            position.qty *= ratio
            for order in account.working(symbol):
                order.qty, order.filled = order.qty * ratio, order.filled * ratio
                order.limit_px = order.limit_px and order.limit_px / ratio
                order.stop_px = order.stop_px and order.stop_px / ratio
