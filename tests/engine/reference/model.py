"""What the reference keeps: one plain object per bar, order, position. Section numbers (§): docs/fills.md."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from engine import Costs, Rules
from engine.portfolio import OutsideExposure

NAN = math.nan


@dataclass
class Bar:
    """One bar of one symbol; `decides` is the signal that sits on it (None: no decision bar closes with it)."""

    index: int
    ts: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    day: int
    first: bool
    last: bool
    over: bool
    closing: bool
    decides: Signal | None = None
    true_range: float = NAN  # of the decision bar that closes with this bar; NaN on the first one


@dataclass
class Signal:
    action: int = 0
    confidence: float = 1.0
    limit_px: float = NAN
    stop_px: float = NAN
    target_weight: float = NAN
    bid_px: float = NAN
    ask_px: float = NAN
    quote_qty: float = NAN


@dataclass
class Order:
    symbol: int
    side: int
    kind: str
    tif: str
    reason: str
    entry: bool
    ts: int
    live_from: int
    bar_index: int
    qty: float = 0.0
    filled: float = 0.0
    rest: float = 0.0  # counted down fill by fill, as the position is, so that both end at 0 together
    limit_px: float = NAN
    stop_px: float = NAN
    protective: float = NAN
    vol_stop: float = NAN  # price units
    reference: float = NAN  # the close at its decision, at which it is reserved
    extreme: float = NAN
    weight: float = NAN
    opens: float = 0.0  # of a quote: units that may open or add (§17)
    confidence: float = 1.0
    sized: bool = True
    triggered: bool = False
    became_market: bool = False  # a STOP or TRAILING_STOP that was filled in part (§4); the row keeps its kind
    day: int | None = None
    decided_day: int = 0
    status: str = "working"
    done_ts: int = 0
    row: int = 0
    by: Rules = field(default_factory=Rules)  # what an entry was decided with

    @property
    def working(self) -> bool:
        return self.status in ("working", "partially_filled")

    @property
    def as_market(self) -> bool:
        return self.kind == "market" or self.became_market


@dataclass
class Position:
    symbol: int
    side: int
    qty: float
    average: float
    mark: float
    peak: float
    entry_ts: int
    by: Rules  # what the entry that opened it was decided with
    vol_stop: float = NAN
    protective: float = NAN  # the stop_px of a signal, which takes the place of every other stop
    stop: float = NAN
    target: float = NAN
    bars: int = 0
    opened_inside: Order | None = None  # the order of phase 5 that opened it in this bar
    opened_triggered: bool = False  # that order was a STOP_LIMIT triggered before phase 5
    entered: float = 0.0
    entry_px: float = 0.0
    exited: float = 0.0
    exit_px: float = 0.0
    flow: float = 0.0
    commission: float = 0.0
    slippage: float = 0.0


@dataclass
class Fill:
    ts: int
    symbol: int
    side: int
    qty: float
    px: float
    commission: float
    slippage: float
    order: int
    reason: str
    entry: bool


@dataclass
class Trip:
    symbol: int
    side: int
    qty: float
    entry_ts: int
    exit_ts: int
    entry_px: float
    exit_px: float
    pnl_net: float
    commission: float
    slippage: float
    bars: int
    exit_reason: str


@dataclass
class Denial:
    ts: int
    last_ts: int
    symbol: int
    side: int
    reason: str
    asked: float
    allowed: float
    order: int
    count: int = 1


@dataclass
class Market:
    """One symbol: its bars, its instrument, and what this run holds in it."""

    index: int  # in name order
    name: str
    bars: dict[int, Bar]  # by ts
    lot: float
    fractionable: bool
    fractional: bool  # and the rules allow it
    position: Position | None = None
    entry: Order | None = None
    exit: Order | None = None
    quotes: dict[str, Order] = field(default_factory=dict)  # working ones, by "bid" and "ask"
    quotes_denied: dict[str, Denial | None] = field(default_factory=dict)
    weight: float = NAN  # the remembered target weight (§11)
    last_bar: Bar | None = None
    close_before: float | None = None  # of the bar before the last
    volume_left: float = math.inf  # of the bar, for this portfolio
    ranges: list[float] = field(default_factory=list)
    atr: float = NAN
    last_denial: Denial | None = None
    closes: list[tuple[int, float]] = field(default_factory=list)  # (time, close) of its decision bars
    since_exit: int | None = None  # decision bars that have closed since its last position was closed
    outside: float = 0.0  # what the account holds of it elsewhere, money
    group: Sequence[str] | None = None  # the symbols of its legs (§11)

    def lots(self, qty: float) -> float:
        """Rounded down to whole lots (§7)."""
        return qty if self.fractional else float(math.floor(qty / self.lot)) * self.lot


@dataclass
class Outcome:
    """What a run leaves behind; `equity` rows are (ts, equity, cash, exposure)."""

    orders: list[Order]
    fills: list[Fill]
    trips: list[Trip]
    denials: list[Denial]
    equity: list[tuple[int, float, float, float]]
    open_positions: list[Position]
    ambiguous_bars: int


@dataclass(frozen=True)
class Request:
    """What is asked of a portfolio between two steps: "change_rules", "request_exit" or "cancel_entry"."""

    name: str
    symbol: str | None = None  # None: all
    reason: str = ""
    rules: Rules = field(default_factory=Rules)
    costs: Costs = field(default_factory=Costs)


@dataclass(frozen=True)
class Plan:
    """Requests before steps, and the denials of blocked symbols in steps, by step number."""

    before: Mapping[int, Sequence[Request]] = field(default_factory=dict)
    blocked: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    outside: Mapping[int, OutsideExposure] = field(default_factory=dict)


NOTHING = Plan()
