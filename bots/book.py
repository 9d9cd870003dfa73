"""Positions, cash and P&L from fills, in Decimal. Pure: the same fills in give the same book, whoever asks.

Average cost. Realised P&L is after commission; commission counts when it is paid, so that at any moment

    equity = starting cash + realised + unrealised,    cash = starting cash - sum(signed qty × px) - commission.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Context, Decimal, localcontext

_CONTEXT = Context(prec=50)
_ZERO = Decimal(0)


class CrossingFill(Exception):
    """A fill that takes a position through zero: two positions in one execution, which no order of ours asks for."""


@dataclass(frozen=True, slots=True)
class Execution:
    """One fill as the book needs it. sign: +1 bought, -1 sold; qty > 0; commission ≥ 0 in money."""

    symbol: str
    sign: int
    qty: Decimal
    px: Decimal
    commission: Decimal
    at: datetime.datetime
    reason: str = ""


@dataclass(slots=True)
class Holding:
    """One position from its first fill on. Quantities in units, ≥ 0; money after costs."""

    symbol: str
    number: int
    sign: int
    opened_at: datetime.datetime
    qty: Decimal = _ZERO
    cost: Decimal = _ZERO  # of what is held: qty × average price
    entered: Decimal = _ZERO
    paid_in: Decimal = _ZERO  # sum of qty × px over all entries
    exited: Decimal = _ZERO
    paid_out: Decimal = _ZERO
    realised: Decimal = _ZERO
    commission: Decimal = _ZERO
    entry_commission: Decimal = _ZERO  # not yet charged to an exit
    closed_at: datetime.datetime | None = None
    exit_reason: str = ""

    @property
    def is_open(self) -> bool:
        return self.closed_at is None

    @property
    def entry_px(self) -> Decimal:
        """Average over all entries."""
        return self.paid_in / self.entered

    @property
    def exit_px(self) -> Decimal | None:
        """Average over all exits so far."""
        return self.paid_out / self.exited if self.exited else None

    def unrealised(self, mark: Decimal) -> Decimal:
        """What closing at `mark` would add, before costs."""
        return (self.qty * mark - self.cost) * self.sign


@dataclass(slots=True)
class Book:
    """The account of one session. `apply` is the only thing that moves money in it."""

    starting_cash: Decimal
    cash: Decimal = field(init=False)
    realised: Decimal = _ZERO
    commission: Decimal = _ZERO
    closed: int = 0
    won: int = 0
    holdings: dict[str, Holding] = field(default_factory=dict)  # open ones, by symbol
    counts: dict[str, int] = field(default_factory=dict)  # positions there have been, by symbol

    def __post_init__(self) -> None:
        self.cash = self.starting_cash

    def apply(self, fill: Execution) -> tuple[Holding, Decimal | None]:
        """Book one fill. The position it belongs to, and the realised P&L of what it closed (None: it opened or added),
        which counts the fill's own commission and its share of the entry's.

        Raises CrossingFill; then nothing was booked.
        """
        with localcontext(_CONTEXT):
            holding = self.holdings.get(fill.symbol)
            closes = holding is not None and holding.sign != fill.sign
            if closes and fill.qty > holding.qty:
                raise CrossingFill(f"{fill.symbol}: {fill.qty} against {holding.qty} held")
            self.cash -= fill.sign * fill.qty * fill.px + fill.commission
            self.commission += fill.commission
            self.realised -= fill.commission
            if holding is None:
                number = self.counts.get(fill.symbol, 0) + 1
                self.counts[fill.symbol] = number
                holding = self.holdings[fill.symbol] = Holding(fill.symbol, number, fill.sign, fill.at)
            holding.commission += fill.commission
            holding.realised -= fill.commission
            if not closes:
                holding.qty += fill.qty
                holding.cost += fill.qty * fill.px
                holding.entered += fill.qty
                holding.paid_in += fill.qty * fill.px
                holding.entry_commission += fill.commission
                return holding, None
            return holding, self._close(holding, fill)

    def _close(self, holding: Holding, fill: Execution) -> Decimal:
        whole = fill.qty == holding.qty
        cost = holding.cost if whole else holding.cost * fill.qty / holding.qty
        charged = holding.entry_commission if whole else holding.entry_commission * fill.qty / holding.qty
        gross = (fill.qty * fill.px - cost) * holding.sign
        holding.qty -= fill.qty
        holding.cost -= cost
        holding.entry_commission -= charged
        holding.exited += fill.qty
        holding.paid_out += fill.qty * fill.px
        holding.realised += gross
        self.realised += gross
        if whole:
            holding.closed_at, holding.exit_reason = fill.at, fill.reason
            del self.holdings[fill.symbol]
            self.closed += 1
            self.won += holding.realised > 0
        return gross - fill.commission - charged

    def apply_all(self, fills: Iterable[Execution]) -> list[Holding]:
        """Book fills in order; every position there has been, in the order of their opening."""
        seen: dict[tuple[str, int], Holding] = {}
        for fill in fills:
            holding, _ = self.apply(fill)
            seen[holding.symbol, holding.number] = holding
        return list(seen.values())
