"""A small reference of docs/fills.md §18: money, positions and levels from what a broker told, in plain Python.

Decisions are not its business: it takes them from the portfolio, and only says what each execution must lead to.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from engine import Rules


@dataclass
class Held:
    qty: float = 0.0  # signed
    average: float = 0.0
    stop_pct: float | None = None
    target_pct: float | None = None
    protective: float | None = None

    @property
    def side(self) -> int:
        return 1 if self.qty > 0 else -1

    def stop(self) -> float | None:
        if self.protective is not None:
            return self.protective
        return None if self.stop_pct is None else self.average * (1 - self.side * self.stop_pct / 100)

    def target(self) -> float | None:
        return None if self.target_pct is None else self.average * (1 + self.side * self.target_pct / 100)


@dataclass
class Ledger:
    """cash = start + flows and results of other kinds - Σ signed qty × px - commission; position = Σ fills × splits."""

    cash: float
    starting_cash: float
    rules: Rules
    held: dict[str, Held] = field(default_factory=dict)
    commission: float = 0.0

    def execution(
        self,
        symbol: str,
        side: int,
        qty: float,
        px: float,
        fee: float,
        kept: float = 0.0,
        protective: float | None = None,
    ) -> None:
        """protective: the stop that the signal of its entry stated."""
        self.cash -= side * qty * px + fee
        self.commission += fee + kept * px
        self._moved(symbol, side * (qty - kept), px, protective)

    def transfer(self, symbol: str, signed_qty: float, px: float) -> None:
        self.cash -= signed_qty * px
        self._moved(symbol, signed_qty, px, None)

    def split(self, symbol: str, ratio: float) -> None:
        if symbol in self.held:
            held = self.held[symbol]
            held.qty, held.average = held.qty * ratio, held.average / ratio
            held.protective = None if held.protective is None else held.protective / ratio

    def money(self, amount: float, is_flow: bool) -> None:
        self.cash += amount
        self.starting_cash += amount * is_flow

    def _moved(self, symbol: str, signed: float, px: float, protective: float | None) -> None:
        held, by = self.held.get(symbol), self.rules
        if held is None:
            self.held[symbol] = Held(signed, px, by.stop_loss_pct, by.take_profit_pct, protective)
        elif held.qty * signed > 0:
            held.average = (held.average * abs(held.qty) + px * abs(signed)) / abs(held.qty + signed)
            held.qty += signed
            held.protective = held.protective if protective is None else protective
        else:
            held.qty += signed
            if abs(held.qty) < 1e-9:
                del self.held[symbol]
