"""What every broker offers, in one vocabulary: orders, executions, positions, money, rules, events.

Quantities and prices are Decimal, times aware UTC; a coin against a currency is BTC/USD here, and BTC-USD for those who
had the broker from `registry` (see `naming`). A call blocks for at most BROKER_CONNECT_TIMEOUT + BROKER_READ_TIMEOUT
seconds and is sent once: no library may repeat an order by itself. What a call raises says what is known afterwards,
because that decides what may be done next.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, Protocol

from bots.orders import OrderState

if TYPE_CHECKING:
    from bots.brokers.pace import Pace

Side = Literal["BUY", "SELL"]
OrderClass = Literal["simple", "bracket", "oco", "oto"]


def wall_time() -> datetime.datetime:
    """By our own clock, aware UTC. Only what compares it with a venue's reads it elsewhere."""
    return datetime.datetime.fromtimestamp(time.time(), datetime.UTC)


class VenueDown(Exception):
    """The venue does not answer, or answered what leaves open whether it took an order: ask it again by id."""


class Refused(Exception):
    """The venue said no: nothing of what was asked has happened. code: a word of ours, one of REFUSALS. message: for
    the user, the venue's words without keys. facts: figures that came with it, by name.
    """

    def __init__(self, code: str, message: str, **facts: str) -> None:
        super().__init__(message)
        self.code, self.message, self.facts = code, message, facts


REFUSALS = (
    "duplicate_client_id", "no_order", "is_over", "no_asset", "not_tradable", "buying_power", "insufficient_qty",
    "no_short", "not_fractionable", "price_step", "lot_step", "min_notional", "max_orders", "wash_trade",
    "bracket_price", "would_trigger", "would_match", "market_closed", "account_blocked", "clock_skew", "invalid",
    "not_placed",  # no word of a venue: what was sent has been proven never to have arrived
)  # fmt: skip


class Unauthorised(Exception):
    """The keys are wrong, revoked, or may not do this. Nothing has happened, and nothing will until a person acts."""


class RateLimited(Exception):
    """Too many requests: nothing has happened. retry_after_s: until then no request may be sent."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Banned(RateLimited):
    """As RateLimited, but every request makes it longer."""


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """One order as it leaves us. qty in units > 0. kind, time_in_force: words of `engine.types`.

    take_profit, stop_loss: prices of the legs of a bracket (both), an OTO (one) or an OCO (both; the order itself is
    then the take profit). stop_loss_limit makes that stop a stop-limit.
    """

    client_order_id: str
    symbol: str
    side: Side
    kind: str
    time_in_force: str
    qty: Decimal
    limit_px: Decimal | None = None
    stop_px: Decimal | None = None
    trail_px: Decimal | None = None
    trail_pct: Decimal | None = None
    extended_hours: bool = False
    order_class: OrderClass = "simple"
    take_profit: Decimal | None = None
    stop_loss: Decimal | None = None
    stop_loss_limit: Decimal | None = None


@dataclass(frozen=True, slots=True)
class BrokerOrder:
    """What the venue says of one order. state: as `bots.orders` has it, never beyond what the venue said. filled,
    avg_px: over all its executions. status: the venue's own word. legs: of a bracket, an OTO or an OCO."""

    client_order_id: str
    broker_order_id: str
    symbol: str
    side: Side
    kind: str
    state: OrderState
    qty: Decimal
    filled: Decimal = Decimal(0)
    avg_px: Decimal | None = None
    limit_px: Decimal | None = None
    stop_px: Decimal | None = None
    status: str = ""
    reason: str = ""
    replaces: str = ""  # broker_order_id
    replaced_by: str = ""
    updated_at: datetime.datetime | None = None
    legs: tuple[BrokerOrder, ...] = ()


@dataclass(frozen=True, slots=True)
class Execution:
    """One fill. execution_id: unique in the account for ever, and the same on the stream and by REST. fee in fee_asset;
    where that is the base of the symbol, the position is smaller by it."""

    execution_id: str
    broker_order_id: str
    client_order_id: str  # "" where the venue does not say
    symbol: str
    side: Side
    qty: Decimal
    px: Decimal
    at: datetime.datetime
    fee: Decimal = Decimal(0)
    fee_asset: str = ""


@dataclass(frozen=True, slots=True)
class BrokerPosition:
    """qty signed, in units; for a spot coin the whole balance, what orders hold included."""

    symbol: str
    qty: Decimal
    avg_px: Decimal | None = None
    mark: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Money:
    """The account in its own currency. buying_power: what new orders may cost. blocked_by: in the venue's words, where
    it has any."""

    account_number: str
    currency: str
    cash: Decimal
    equity: Decimal
    buying_power: Decimal
    is_blocked: bool = False
    may_short: bool = False
    blocked_by: str = ""


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """What a pair of keys is good for. may_withdraw: None where the venue does not say."""

    account_number: str
    currency: str
    is_real_money: bool
    may_trade: bool
    may_withdraw: bool | None
    may_short: bool = False


@dataclass(frozen=True, slots=True)
class CashActivity:
    """Money or units that moved by another way than trades. kind: of `bots.models.CashFlow`, or "split" (then ratio:
    new units for each old one, and amount is cash in lieu). amount signed, in currency."""

    ref: str
    kind: str
    amount: Decimal
    currency: str
    at: datetime.datetime
    symbol: str = ""
    ratio: Decimal | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class InstrumentRules:
    """How one symbol trades at the venue. price_steps: (from this price on, least step), rising. lot: least step of a
    quantity, where fractions are not allowed. collar: (lowest, highest) ratio of a price to the market; None: none.
    kinds, tifs, classes: what it takes, in our words.
    """

    symbol: str
    tradable: bool
    price_steps: tuple[tuple[Decimal, Decimal], ...]
    lot: Decimal
    min_qty: Decimal = Decimal(0)
    max_qty: Decimal | None = None
    min_notional: Decimal = Decimal(0)
    max_notional: Decimal | None = None
    fractionable: bool = False
    fraction_step: Decimal = Decimal("1E-9")
    shortable: bool = False
    extended_hours: bool = False
    calendar: str = "XNYS"
    base: str = ""  # of a coin: what commission may be taken in
    quote: str = "USD"
    collar: tuple[Decimal, Decimal] | None = None
    max_orders: int | None = None
    kinds: frozenset[str] = frozenset({"market", "limit"})
    tifs: frozenset[str] = frozenset({"day", "gtc"})
    classes: frozenset[str] = frozenset({"simple"})
    notes: Mapping[str, Any] = field(default_factory=dict)

    def price_step(self, px: Decimal) -> Decimal:
        """The least step of a price there."""
        step = self.price_steps[0][1]
        for start, own in self.price_steps:
            if px >= start:
                step = own
        return step


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What sets this venue apart.

    ids_stay_used: a client id is refused for ever once it was taken, so sending it again is safe (Alpaca). Else it is
    unique among open orders only: a submit whose outcome is unknown must be proven absent for `proof_window_s` seconds
    before anything is sent again, and then under a new id (Binance). resting_stops: protective stops rest there.
    """

    ids_stay_used: bool
    proof_window_s: float
    resting_stops: bool
    native_classes: frozenset[str]
    can_replace: bool
    trailing_stops: bool
    whole_position_is_balance: bool = False  # a spot venue: what is held is a balance, there are no shorts


@dataclass(frozen=True, slots=True)
class BrokerEvent:
    """What the stream told. kind: "order" (its state), "fill" (execution is set, too), "flow" (activity is set)."""

    kind: Literal["order", "fill", "flow"]
    at: datetime.datetime
    order: BrokerOrder | None = None
    execution: Execution | None = None
    activity: CashActivity | None = None


class Stream(Protocol):
    """The one event stream of an account. Nothing is replayed after a gap: whoever listens must ask by REST then."""

    def start(self) -> None:
        """Connect in a thread of its own, and stay connected until `stop`."""

    def stop(self) -> None:
        """End it; returns within 3 s."""

    @property
    def is_up(self) -> bool:
        """Signed in, and heard from lately."""


class Broker(Protocol):
    """One account at one venue. Safe to be called from several threads.

    Every call may raise VenueDown (nothing is known; of a submit it may have arrived), Unauthorised, RateLimited,
    Banned (both: it was not sent or not taken). Calls that change something may raise Refused. pace: how many requests
    it may send, and until when none.
    """

    pace: Pace

    kind: str
    capabilities: Capabilities

    def check_keys(self) -> KeyFacts: ...

    def money(self) -> Money: ...

    def positions(self) -> list[BrokerPosition]: ...

    def rules(self, symbols: Collection[str]) -> dict[str, InstrumentRules]:
        """By symbol; those that the venue does not list are left out."""

    def submit(self, request: OrderRequest) -> BrokerOrder:
        """Sends it once. Raises Refused: there is no such order. VenueDown: there may be one, see `capabilities`."""

    def cancel(self, order: BrokerOrder) -> None:
        """Ask for its end; its end is told later. Raises Refused (is_over, no_order)."""

    def replace(
        self,
        order: BrokerOrder,
        client_order_id: str,
        *,
        qty: Decimal | None = None,
        limit_px: Decimal | None = None,
        stop_px: Decimal | None = None,
    ) -> BrokerOrder:
        """Put a new order into the place of one, so that there is never none; the new one. qty counts what the old one
        has filled. Raises Refused: the old one goes on (is_over: it has ended meanwhile). Where the venue cannot
        (`capabilities.can_replace`): Refused."""

    def find(self, client_order_id: str, symbol: str) -> BrokerOrder | None:
        """What the venue knows of this id now; None: it has never seen it, or not yet."""

    def order(self, broker_order_id: str, symbol: str) -> BrokerOrder | None:
        """The same by the venue's id."""

    def open_orders(self) -> list[BrokerOrder]:
        """Every order of the account that can still fill, whoever sent it; legs apart, each as one."""

    def executions(self, since: datetime.datetime, symbols: Collection[str]) -> list[Execution]:
        """All of the account from that moment on, oldest first; complete, whatever the number of pages."""

    def activities(self, since: datetime.datetime) -> list[CashActivity]:
        """Deposits, dividends, fees, splits from that moment on, oldest first; empty where the venue lists none."""

    def last_prices(self, symbols: Collection[str]) -> dict[str, Decimal]:
        """The last trade of each, where the venue tells."""

    def stream(
        self, on_event: Callable[[BrokerEvent], None], on_up: Callable[[], None], on_down: Callable[[str], None]
    ) -> Stream:
        """The account's events. on_up: after every sign-in, and then a gap must be filled. on_down: why, in words. All
        are called in the stream's thread and must be quick; what they raise is logged and ends nothing."""

    def close(self) -> None:
        """Let go of its connections."""


Opener = Callable[..., Broker]


def known(orders: Iterable[BrokerOrder]) -> dict[str, BrokerOrder]:
    """By client order id, legs included."""
    found: dict[str, BrokerOrder] = {}
    for order in orders:
        found[order.client_order_id] = order
        found.update(known(order.legs))
    return found
