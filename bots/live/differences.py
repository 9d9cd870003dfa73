"""Where a venue and our ledger differ, found by comparing two plain accounts of the same thing. Pure.

What an account holds of a symbol belongs to its sessions, or it is external: there before the account was added, or
made by hand and left. Sessions' units + external = the venue's. What is external may shrink to nothing without a word,
for its owner sold it elsewhere; what is more than that, or less than the sessions have, is for a person to decide.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from bots.brokers.base import BrokerOrder, BrokerPosition, Money

POSITION, ORDER, CASH = "position", "order", "cash"
DUST = Decimal("1E-9")  # units; venues round what they tell
CENT = Decimal("0.01")  # money in the account's currency
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Truth:
    """What the venue said of one account, all of it asked for at `read_at`."""

    read_at: datetime.datetime
    money: Money
    positions: tuple[BrokerPosition, ...] = ()
    open_orders: tuple[BrokerOrder, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """What one session holds of one symbol. qty: signed units, not 0."""

    session_id: int
    name: str
    symbol: str
    qty: Decimal
    is_active: bool = True  # a host runs it, or will


@dataclass(frozen=True, slots=True)
class Working:
    """An order that our ledger has as working at the venue. left: units still to fill."""

    session_id: int
    client_order_id: str
    broker_order_id: str
    symbol: str
    left: Decimal


@dataclass(frozen=True, slots=True)
class Ours:
    """What our ledger says of the same account.

    external: signed units left outside, by symbol. paid: price per unit of what came from elsewhere, where executions
    tell it. settled: client and venue ids of orders of ours that are over, and of the orders of others that are known.
    cash: what the account should have; None: not known. busy: symbols of which something is still being booked, a split
    or units that are taken over: nothing can be said of their units.
    """

    parts: tuple[Part, ...] = ()
    external: Mapping[str, Decimal] = field(default_factory=dict)
    paid: Mapping[str, Decimal] = field(default_factory=dict)
    working: tuple[Working, ...] = ()
    settled: frozenset[str] = frozenset()
    cash: Decimal | None = None
    busy: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing in which both differ. ours, theirs: signed units, or money for CASH. key: what it is about, the same as
    long as it lasts. breaks: ids of active sessions that have more in their books than the account has."""

    kind: str
    key: str
    symbol: str
    ours: Decimal
    theirs: Decimal
    text: str
    px: Decimal | None = None
    breaks: tuple[int, ...] = ()
    detail: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of it. external: signed units left outside from now on, by symbol, those at 0 too."""

    differences: tuple[Difference, ...]
    external: Mapping[str, Decimal]


def compare(truth: Truth, ours: Ours) -> Comparison:
    """Every difference: positions by symbol, then orders, then cash."""
    found: list[Difference] = []
    external: dict[str, Decimal] = {}
    theirs = {position.symbol: position for position in truth.positions}
    parts: dict[str, list[Part]] = {}
    for part in ours.parts:
        parts.setdefault(part.symbol, []).append(part)
    for symbol in sorted({*theirs, *parts, *ours.external}):
        position = theirs.get(symbol)
        left = ours.external.get(symbol, _ZERO)
        if symbol in ours.busy:
            external[symbol] = left
            continue
        difference, external[symbol] = _units(symbol, position, parts.get(symbol, []), left, ours.paid.get(symbol))
        if difference is not None:
            found.append(difference)
    found += _orders(truth.open_orders, ours)
    if ours.cash is not None and abs(truth.money.cash - ours.cash) >= CENT:
        found.append(_cash(truth.money, ours.cash))
    return Comparison(tuple(found), external)


def first_external(truth: Truth, ours: Ours) -> dict[str, Decimal]:
    """What is nobody's when an account is looked at for the first time: it was there before, so it is external."""
    units = {position.symbol: position.qty for position in truth.positions}
    for part in ours.parts:
        units[part.symbol] = units.get(part.symbol, _ZERO) - part.qty
    return {symbol: qty for symbol, qty in units.items() if abs(qty) > DUST}


def _units(
    symbol: str, position: BrokerPosition | None, parts: Sequence[Part], external: Decimal, paid: Decimal | None
) -> tuple[Difference | None, Decimal]:
    """(the difference in one symbol or None, external units from now on)."""
    theirs = position.qty if position is not None else _ZERO
    held = sum((part.qty for part in parts), _ZERO)
    room = theirs - held  # what belongs to no session
    if abs(room) <= DUST:
        return None, _ZERO
    if min(external, _ZERO) - DUST <= room <= max(external, _ZERO) + DUST:
        return None, room
    # External units of the other sign are gone; of the same sign they are still there, and there is more.
    external = external if room * external > 0 else _ZERO
    ours = held + external
    px = paid
    if px is None and position is not None:
        px = position.avg_px if not parts else position.mark or position.avg_px
    broken = _broken(parts, held, theirs)
    text = f"{symbol}: the account has {written(theirs)}, our books say {written(ours)}"
    if broken:
        text += f", of which sessions hold {written(held)}"
    key = f"{POSITION}:{symbol}"
    return Difference(POSITION, key, symbol, ours, theirs, text, px, broken), external


def _broken(parts: Sequence[Part], held: Decimal, theirs: Decimal) -> tuple[int, ...]:
    """The active sessions whose units are not all there: those on the side on which sessions hold too much. Whose of
    them are gone nobody can say."""
    short_of = (held > 0 and theirs < held - DUST) or (held < 0 and theirs > held + DUST)
    if not short_of:
        return ()
    return tuple(sorted(part.session_id for part in parts if part.qty * held > 0 and part.is_active))


def _orders(open_orders: Iterable[BrokerOrder], ours: Ours) -> list[Difference]:
    at_venue = {name for order in open_orders for name in (order.client_order_id, order.broker_order_id) if name}
    known = {name for row in ours.working for name in (row.client_order_id, row.broker_order_id) if name}
    found = []
    for order in sorted(open_orders, key=lambda order: order.broker_order_id):
        if {order.client_order_id, order.broker_order_id} & (known | ours.settled):
            continue
        sign, does = (1, "buys") if order.side == "BUY" else (-1, "sells")
        left = (order.qty - order.filled) * sign
        px = order.limit_px or order.stop_px
        at = f" at {written(px)}" if px is not None else ""
        text = f"{order.symbol}: an order of nobody here works at the venue: it {does} {written(abs(left))}{at}"
        detail = {"client_order_id": order.client_order_id, "broker_order_id": order.broker_order_id,
                  "order_kind": order.kind, "side": order.side}  # fmt: skip
        key = f"{ORDER}:{order.broker_order_id or order.client_order_id}"
        found.append(Difference(ORDER, key, order.symbol, _ZERO, left, text, px, detail=detail))
    for row in sorted(ours.working, key=lambda row: row.client_order_id):
        if not {row.client_order_id, row.broker_order_id} & (at_venue | ours.settled):
            text = f"{row.symbol}: order {row.client_order_id} works in our books, and the venue does not list it"
            detail = {"client_order_id": row.client_order_id, "broker_order_id": row.broker_order_id,
                      "session": str(row.session_id)}  # fmt: skip
            key = f"{ORDER}:{row.client_order_id}"
            found.append(Difference(ORDER, key, row.symbol, row.left, _ZERO, text, detail=detail))
    return found


def _cash(money: Money, expected: Decimal) -> Difference:
    text = f"Cash: the account has {money.cash:,.2f} {money.currency}, our books say {expected:,.2f}"
    return Difference(CASH, CASH, "", expected, money.cash, text, detail={"currency": money.currency})


def plain(number: Decimal) -> str:
    """Digits without an exponent and without zeros at the end."""
    return f"{number.normalize():f}"


def written(number: Decimal) -> str:
    """The same for people, as pages write it: thousands apart, and a true minus."""
    return f"{number.normalize():,f}".replace("-", "−")


class Doubts:
    """Holds a difference back until it was seen twice, a while apart: while an order fills, what the venue lists and
    what we have booked belong to two moments."""

    def __init__(self, wait_s: float = 2.0, order_wait_s: float = 15.0) -> None:
        """order_wait_s: for orders of ours that the venue does not list; whoever sent them asks for each by its id."""
        self._waits = {True: datetime.timedelta(seconds=order_wait_s), False: datetime.timedelta(seconds=wait_s)}
        self._since: dict[tuple[str, Decimal, Decimal], datetime.datetime] = {}
        self.waits = False  # something was not there long enough at the last look: the next one should be soon

    def sure(self, differences: Iterable[Difference], at: datetime.datetime) -> list[Difference]:
        """Those that stood as they are long enough at `at`, the time of the look that found them."""
        before, self._since, sure = self._since, {}, []
        for each in differences:
            name = (each.key, each.ours, each.theirs)
            since = self._since[name] = before.get(name, at)
            if at - since >= self._waits[each.kind == ORDER and each.ours != 0]:
                sure.append(each)
        self.waits = len(sure) < len(self._since)
        return sure
