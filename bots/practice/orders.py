"""What the practice exchange knows of instruments, orders and executions. Quantities, prices and money are Decimal."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

Side = Literal["buy", "sell"]
Kind = Literal["market", "limit", "stop", "stop_limit", "trailing_stop"]
Tif = Literal["day", "gtc", "ioc", "fok", "opg", "cls"]
OrderClass = Literal["simple", "bracket", "oco", "oto"]
Status = Literal[
    "accepted", "new", "held", "partially_filled", "filled", "canceled", "expired", "rejected", "replaced",
]  # fmt: skip
OVER: frozenset[str] = frozenset({"filled", "canceled", "expired", "rejected", "replaced"})
ZERO = Decimal(0)


class Refusal(Exception):
    """The exchange takes no order, or does not know one. code: one word of ours, which each protocol translates.

    facts: figures that belong to the message, by name (available, buying_power, …).
    """

    def __init__(self, code: str, message: str, **facts: str) -> None:
        super().__init__(message)
        self.code, self.message, self.facts = code, message, facts


@dataclass(frozen=True, slots=True)
class Instrument:
    """What is traded. tick: least step of a price (0: as US stocks, cents from one dollar on). lot: least step of a
    quantity. calendar: an exchange calendar, or "24/7". fee_ratio: of the notional; crypto pays it in what it receives.
    """

    symbol: str
    asset_class: Literal["us_equity", "crypto"] = "us_equity"
    calendar: str = "24/7"
    tick: Decimal = ZERO
    lot: Decimal = Decimal(1)
    fractionable: bool = True
    shortable: bool = True
    min_notional: Decimal = ZERO
    fee_ratio: Decimal = ZERO
    base: str = ""
    quote: str = "USD"

    def price_step(self, px: Decimal) -> Decimal:
        return self.tick or (Decimal("0.01") if px >= 1 else Decimal("0.0001"))


@dataclass(frozen=True, slots=True)
class Quote:
    """Best prices and the last trade. bid_size, ask_size: what can be had at them; None: as much as asked for."""

    bid: Decimal
    ask: Decimal
    last: Decimal
    bid_size: Decimal | None = None
    ask_size: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """An order as it is asked for. notional: money instead of a quantity. take_profit, stop_loss: the legs of a bracket
    (both), of an OTO (one), of an OCO (both, no entry): prices; stop_loss_limit makes the stop a stop-limit.

    house: whose rules hold for it. Binance's: a client id is free again once its order is over; no order is refused
    because of the customer's other ones; nothing is sold short; one order of an OCO that begins to fill or wakes up
    ends the other. post_only: refused where it would fill at once. leg_client_id, group_client_id: of an OCO.
    """

    symbol: str
    side: Side
    kind: Kind
    tif: Tif
    client_id: str
    qty: Decimal | None = None
    notional: Decimal | None = None
    limit_px: Decimal | None = None
    stop_px: Decimal | None = None
    trail_px: Decimal | None = None
    trail_pct: Decimal | None = None
    order_class: OrderClass = "simple"
    take_profit: Decimal | None = None
    stop_loss: Decimal | None = None
    stop_loss_limit: Decimal | None = None
    extended_hours: bool = False
    house: Literal["alpaca", "binance"] = "alpaca"
    post_only: bool = False
    leg_client_id: str = ""
    group_client_id: str = ""


@dataclass(frozen=True, slots=True)
class Execution:
    """One fill. fee in fee_asset. position_qty: the account's position after it. number: rises with every one.
    filled: of its order, this one included."""

    id: str
    order_id: str
    at: datetime.datetime
    qty: Decimal
    px: Decimal
    position_qty: Decimal
    fee: Decimal = ZERO
    fee_asset: str = ""
    number: int = 0
    filled: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Flow:
    """Money or units that moved by another way than a trade. what: Alpaca's word (CSD, CSW, DIV, FEE, SPLIT, …)."""

    id: str
    at: datetime.datetime
    what: str
    amount: Decimal = ZERO
    symbol: str = ""
    qty: Decimal = ZERO  # units that came (or went) by a split, or that a dividend was paid for


@dataclass(frozen=True, slots=True)
class Split:
    """`new` units for each `old`."""

    id: str
    at: datetime.datetime
    symbol: str
    new: int
    old: int


@dataclass(frozen=True, slots=True)
class Dividend:
    """`amount` for each unit held."""

    id: str
    at: datetime.datetime
    symbol: str
    amount: Decimal


@dataclass(slots=True)
class VenueOrder:
    """An order that the exchange has taken. parent: the order that it is a leg of; its fill wakes the legs up.

    is_armed: a stop that watches the price while the venue still calls it held, as the stop of a bracket is.
    """

    id: str
    number: int
    request: Request
    qty: Decimal
    created_at: datetime.datetime
    status: Status = "new"
    filled: Decimal = ZERO
    paid: Decimal = ZERO  # quantity × price of all fills
    limit_px: Decimal | None = None
    stop_px: Decimal | None = None
    peak: Decimal | None = None  # best trade since a trailing stop was taken
    triggered: bool = False
    is_armed: bool = False
    updated_at: datetime.datetime | None = None
    ended_at: datetime.datetime | None = None
    replaces: str | None = None
    replaced_by: str | None = None
    parent: str | None = None
    legs: list[str] = field(default_factory=list)
    executions: list[Execution] = field(default_factory=list)
    reason: str = ""

    @property
    def is_over(self) -> bool:
        return self.status in OVER

    @property
    def left(self) -> Decimal:
        return self.qty - self.filled

    @property
    def average_px(self) -> Decimal | None:
        return self.paid / self.filled if self.filled else None

    @property
    def sign(self) -> int:
        return 1 if self.request.side == "buy" else -1


@dataclass(slots=True)
class Position:
    """Signed quantity and what it cost (signed quantity × average price)."""

    qty: Decimal = ZERO
    cost: Decimal = ZERO

    @property
    def average_px(self) -> Decimal:
        return self.cost / self.qty if self.qty else ZERO

    def book(self, signed: Decimal, px: Decimal) -> Decimal:
        """Add a signed quantity; the profit or loss that it realises."""
        if self.qty * signed >= 0:
            self.qty, self.cost = self.qty + signed, self.cost + signed * px
            return ZERO
        closed = min(abs(signed), abs(self.qty)) * (1 if signed > 0 else -1)
        realised = -closed * (px - self.average_px)
        self.cost += closed * self.average_px
        self.qty += closed
        rest = signed - closed
        self.qty, self.cost = self.qty + rest, (self.cost if not rest else rest * px)
        return realised


@dataclass(slots=True)
class Account:
    """One customer. may_withdraw: what its keys say of themselves; nothing can be withdrawn here."""

    id: str
    key: str
    secret: str
    cash: Decimal
    may_short: bool = True
    is_blocked: bool = False
    may_withdraw: bool = False
    positions: dict[str, Position] = field(default_factory=dict)
    orders: dict[str, VenueOrder] = field(default_factory=dict)
    by_client_id: dict[str, str] = field(default_factory=dict)
    fees: Decimal = ZERO
    flows: list[Flow] = field(default_factory=list)

    def position(self, symbol: str) -> Position:
        return self.positions.setdefault(symbol, Position())

    def working(self, symbol: str | None = None) -> list[VenueOrder]:
        """Orders that are not over, oldest first."""
        found = [o for o in self.orders.values() if not o.is_over and symbol in (None, o.request.symbol)]
        return sorted(found, key=lambda order: order.number)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to an order: a word of the exchange, and the fill where it is one."""

    account: Account
    order: VenueOrder
    what: str
    at: datetime.datetime
    execution: Execution | None = None
