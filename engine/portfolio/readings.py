"""What a portfolio holds and is owed, to be read at any time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from engine.errors import Fault, InputError
from engine.portfolio.reports import Reports
from engine.portfolio.views import OpenPosition, WorkingOrder
from engine.types import BY_QUOTE, REASON_NAMES, Records
from engine.world import World


class Readings:
    """The part of a Portfolio that is only read."""

    symbols: tuple[str, ...]
    _index: Mapping[str, int]
    _world: World
    _reports: Reports
    _times: Records
    _steps: int
    _day_start: float

    def positions(self) -> list[OpenPosition]:
        """What is held, in name order, at the last marks."""
        holdings = self._world.holdings
        return [OpenPosition.of(self.symbols[s], holdings[s]) for s in np.flatnonzero(holdings["qty"])]

    def working_orders(self) -> list[WorkingOrder]:
        """Working orders by serial."""
        return [WorkingOrder.of(row, self.symbols) for row in self._reports.orders(self._reports.working())]

    def exits_due(self) -> dict[str, str]:
        """The symbols whose position has an exit order at work, and why. A quote is none: it may rest for ever."""
        quote = REASON_NAMES[BY_QUOTE]
        orders = self.working_orders()
        return {order.symbol: order.reason for order in orders if not order.entry and order.reason != quote}

    @property
    def equity(self) -> float:
        """Cash and positions at the last marks."""
        worth = self._worth()
        return float(self._world.book[0]["cash"]) + float(sum(worth, 0.0))

    @property
    def cash(self) -> float:
        return float(self._world.book[0]["cash"])

    @property
    def exposure(self) -> float:
        """Sum of |qty * mark|, money."""
        return float(sum(map(abs, self._worth()), 0.0))

    @property
    def day_start_equity(self) -> float:
        """Equity before the current portfolio day began."""
        return self._day_start

    @property
    def top_equity(self) -> float:
        """The highest recorded equity."""
        return float(self._world.book[0]["top_equity"])

    @property
    def day_halted(self) -> bool:
        """The daily loss limit was reached: no entries for the rest of the day."""
        return bool(self._world.book[0]["day_halted"])

    @property
    def run_halted(self) -> bool:
        """The drawdown limit was reached: no entries any more."""
        return bool(self._world.book[0]["run_halted"])

    @property
    def last_ts(self) -> int | None:
        """When the bars of the last step opened, int64 ns; None before the first."""
        return int(self._times[self._steps - 1]) if self._steps else None

    def _number(self, symbol: str) -> int:
        if symbol not in self._index:
            raise InputError(Fault("symbol", "unknown_field", f"this portfolio does not trade {symbol!r}"))
        return self._index[symbol]

    def _worth(self) -> list[float]:
        """Signed money in each position, in name order."""
        holdings = self._world.holdings
        return [float(holdings["qty"][s] * holdings["mark"][s]) for s in np.flatnonzero(holdings["qty"])]
