"""Positions, cash and P&L from fills and adjustments, in Decimal. Pure: the same in gives the same book, whoever asks.

Average cost. Realised P&L is after commission; commission counts when it is paid, so that at any moment

    equity = starting cash + realised + unrealised,    cash = starting cash - sum(signed qty × px) - commission.

Money moved from outside counts as starting cash, income and costs that belong to no fill as realised.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Context, Decimal, localcontext
from typing import Literal

from bots import mapping

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


@dataclass(frozen=True, slots=True)
class Change:
    """What changes a book by another way than a fill; fields as `bots.models.Adjustment` has them."""

    kind: Literal["split", "cash", "adopt", "release"]
    at: datetime.datetime
    symbol: str = ""
    ratio: Decimal | None = None
    qty: Decimal | None = None
    px: Decimal | None = None
    amount: Decimal = _ZERO
    is_flow: bool = False


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
    """The account of one session. `apply` and `adjust` are all that moves money in it."""

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

    def adjust(self, change: Change) -> Holding | None:
        """Book what is no fill; the position that it touched. A split keeps the cost; units that are adopted or
        released move cash by what they are worth, so that they change no equity.

        Raises CrossingFill; then nothing was booked.
        """
        with localcontext(_CONTEXT):
            if change.kind in ("adopt", "release"):
                qty, px = change.qty or _ZERO, change.px or _ZERO
                signed = qty if change.kind == "adopt" else -qty
                sign = 1 if signed > 0 else -1
                holding, _ = self.apply(Execution(change.symbol, sign, abs(qty), px, _ZERO, change.at, change.kind))
                return holding
            self.cash += change.amount
            if change.is_flow:
                self.starting_cash += change.amount
            else:
                self.realised += change.amount
            found = self.holdings.get(change.symbol)
            if change.kind == "split" and found is not None:
                by = mapping.ratio(change.ratio or Decimal(1))
                found.qty, found.entered, found.exited = (
                    mapping.split_units(units, by) for units in (found.qty, found.entered, found.exited)
                )
            if found is not None and not change.is_flow:
                found.realised += change.amount
            return found

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

    def apply_all(self, events: Iterable[Execution | Change]) -> list[Holding]:
        """Book fills and changes in order; every position there has been, in the order of their opening."""
        seen: dict[tuple[str, int], Holding] = {}
        for event in events:
            holding = self.adjust(event) if isinstance(event, Change) else self.apply(event)[0]
            if holding is not None:
                seen[holding.symbol, holding.number] = holding
        return list(seen.values())
