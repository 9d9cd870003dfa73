"""What a plan of protection is made from, and what it is made of. Quantities in units, prices per unit, Decimal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from bots.brokers.base import Capabilities, InstrumentRules, OrderRequest, Side
from bots.orders import OrderState

ZERO = Decimal(0)
_WAITING = (OrderState.INTENT, OrderState.SUBMITTED, OrderState.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Levels:
    """Where the engine wants out; None: nowhere. trailing: where a trailing stop stands now, from closed bars."""

    stop: Decimal | None = None
    target: Decimal | None = None
    trailing: Decimal | None = None

    def stop_for(self, sign: int) -> Decimal | None:
        """The stop that is reached first. sign: of the position."""
        found = [px for px in (self.stop, self.trailing) if px is not None and px > 0]
        if not found:
            return None
        return max(found) if sign > 0 else min(found)

    def reason(self, sign: int) -> str:
        """What its fill is called, a word of `engine.types.REASON_NAMES`."""
        return "trailing_stop" if self.stop_for(sign) == self.trailing != self.stop else "stop_loss"


@dataclass(frozen=True, slots=True)
class Resting:
    """One protective order that is not over. ref: what it is called by the caller. group: the same for the legs of one
    OCO or bracket, and for an order and the one that takes its place; "": it stands alone.

    role: "stop" or "target"; a kind "market" is on its way out. sleeps: a leg of a bracket whose entry, `entry`, is not
    filled whole. is_fixed: the venue has refused to replace it.
    """

    ref: str
    role: str
    kind: str
    state: OrderState
    left: Decimal
    stop_px: Decimal | None = None
    limit_px: Decimal | None = None
    group: str = ""
    sleeps: bool = False
    entry: str = ""
    is_fixed: bool = False

    @property
    def works(self) -> bool:
        """Whether the venue is known to hold it, and will hold it until something else has taken its place."""
        return not self.sleeps and self.state not in _WAITING and self.state is not OrderState.PENDING_CANCEL


@dataclass(frozen=True, slots=True)
class Unit:
    """Resting orders for the same shares: one order, the legs of a group, or an order and its successor."""

    legs: tuple[Resting, ...]

    @property
    def qty(self) -> Decimal:
        """Shares that it holds: an order's successor may be larger; a leg that fills makes the other one smaller."""
        roles = {leg.role for leg in self.legs}
        return min(max(leg.left for leg in self.legs if leg.role == role) for role in roles)

    @property
    def is_settled(self) -> bool:
        """Nothing of it waits for an answer."""
        return all(leg.works and leg.state is not OrderState.PENDING_REPLACE for leg in self.legs)

    @property
    def sleeps(self) -> bool:
        return any(leg.sleeps for leg in self.legs)

    @property
    def is_market(self) -> bool:
        return all(leg.kind == "market" for leg in self.legs)

    @property
    def stops(self) -> list[Resting]:
        """Stops that work at the venue: more than one while one takes the place of another."""
        return [leg for leg in self.legs if leg.role == "stop" and leg.works and leg.kind != "market"]

    def leg(self, role: str) -> Resting | None:
        return next((leg for leg in self.legs if leg.role == role), None)


@dataclass(frozen=True, slots=True)
class Situation:
    """One symbol of one session. qty: signed units held. resting: protective orders that are not over.

    leaving: units of other exits that are decided and not over: they go at market, and need free shares for it.
    entries: refs of entry orders that work. emergency: why the position must be closed at market now; "": it need not.
    refusals: stops that the venue has refused since the last one that it took. last_px: the last price that may be
    believed. is_open: the venue trades now. is_halted: all but this symbol, which stands still.
    """

    symbol: str
    qty: Decimal
    levels: Levels
    rules: InstrumentRules
    capabilities: Capabilities
    resting: tuple[Resting, ...] = ()
    leaving: Decimal = ZERO
    entries: tuple[str, ...] = ()
    emergency: str = ""
    refusals: int = 0
    last_px: Decimal | None = None
    is_open: bool = True
    is_halted: bool = False

    @property
    def sign(self) -> int:
        return (self.qty > 0) - (self.qty < 0)

    @property
    def side(self) -> Side:
        """Of an exit."""
        return "SELL" if self.qty > 0 else "BUY"

    @property
    def held(self) -> Decimal:
        return abs(self.qty)

    @property
    def stop(self) -> Decimal | None:
        return self.levels.stop_for(self.sign)

    @property
    def units(self) -> list[Unit]:
        """Resting orders by the shares that they are for, in the order given."""
        found: dict[str, list[Resting]] = {}
        for order in self.resting:
            found.setdefault(order.group or order.ref, []).append(order)
        return [Unit(tuple(legs)) for legs in found.values()]

    @property
    def stop_is_limited(self) -> bool:
        """Whether only stop-limits rest there: they stay behind where the market falls through their limit."""
        return self.capabilities.resting_stops and "stop" not in self.rules.kinds and "stop_limit" in self.rules.kinds

    @property
    def at_market(self) -> Decimal:
        """Shares that protective orders are selling out already."""
        return total(unit for unit in self.units if unit.is_market)

    @property
    def is_washed(self) -> bool:
        """The venue takes no simple stop now, because an entry works on the other side: Alpaca's wash rule, which
        comes with its native brackets ("use complex orders")."""
        return bool(self.entries) and "bracket" in self.capabilities.native_classes

    def is_past(self, px: Decimal | None, way: int) -> bool:
        """Whether the market has reached a level. way: +1 one that profits, -1 one that loses."""
        return (
            px is not None and self.last_px is not None and self.is_open and (self.last_px - px) * self.sign * way >= 0
        )


@dataclass(frozen=True, slots=True)
class Place:
    """Send a new order, whose id is the sender's to derive. reason: a word of `engine.types.REASON_NAMES`."""

    role: str
    reason: str
    request: OrderRequest


@dataclass(frozen=True, slots=True)
class Replace:
    """Put another order into the place of `ref`. qty: units that it shall still fill. None: as it was."""

    ref: str
    qty: Decimal | None = None
    stop_px: Decimal | None = None
    limit_px: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Cancel:
    """End an order, and with it the others of its group."""

    ref: str


@dataclass(frozen=True, slots=True)
class Guard:
    """We watch the price ourselves, for qty units: where it reaches `stop` or `target`, the position leaves. reason:
    what the stop's exit is called."""

    qty: Decimal
    stop: Decimal | None = None
    target: Decimal | None = None
    reason: str = "stop_loss"


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that the owner must know. code: the same for the same trouble."""

    code: str
    text: str


Action = Place | Replace | Cancel | Guard | Alarm


def total(found: Iterable[Unit]) -> Decimal:
    """Shares that they hold."""
    return sum((unit.qty for unit in found), ZERO)


def room(now: Situation) -> Decimal:
    """Shares that no protective order holds; those of a bracket that sleeps are held as far as its entry has filled."""
    return max(now.held - total(now.units), ZERO)


def covered(now: Situation) -> Decimal:
    """Shares with a stop that works at the venue, or on their way out at market."""
    return sum((min(leg.left for leg in unit.stops) for unit in now.units if unit.stops), now.at_market)


def may_exit(now: Situation, qty: Decimal) -> bool:
    """Whether another exit of `qty` units can be sent without being refused: its shares are free, and no entry works
    that it could trade with."""
    return qty <= room(now) and not now.is_washed
