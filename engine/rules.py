"""How a portfolio trades (`Rules`) and what trading costs (`Costs`). Standard library only.

What each field does, to the last bit, is written in ``docs/fills.md``. A percent is a number like ``25.0``, a ratio one
like ``0.25``; the suffix of a name says which.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from numbers import Integral, Real
from typing import Any, Final

from engine.errors import Fault, InputError

SIZINGS: Final = ("fixed", "percentage", "equal_weight", "kelly", "risk", "volatility")
ORDER_TYPES: Final = ("market", "limit", "stop", "stop_limit", "trailing_stop")
TIMES_IN_FORCE: Final = ("day", "gtc", "ioc", "fok", "opg", "cls")
SLIPPAGES: Final = ("none", "fixed", "proportional", "volume_impact")
REBALANCES: Final = ("never", "daily", "weekly", "monthly", "on_signal", "on_target_weights")
SIZE_AT: Final = ("decision", "fill")
FILL_AT: Final = ("next_open", "this_close")


class _Checks:
    """Collects every fault of one object, and puts numbers into their one type."""

    def __init__(self, target: object) -> None:
        self.target = target
        self.faults: list[Fault] = []

    def fault(self, name: str, code: str, message: str, hint: str = "") -> None:
        self.faults.append(Fault(name, code, message, hint))

    def number(self, name: str, low: float, high: float, *, optional: bool = False, open_low: bool = False) -> None:
        """`name` must be a finite real number in [low, high], or ]low, high] when `open_low`; None if `optional`."""
        value = getattr(self.target, name)
        if value is None and optional:
            return
        if isinstance(value, bool) or not isinstance(value, Real):
            self.fault(name, "not_a_number", f"must be a number, got {value!r}")
            return
        number = float(value)
        if not math.isfinite(number):
            self.fault(name, "not_a_finite_number", f"must be a finite number, got {value!r}")
            return
        if number < low or number > high or (open_low and number == low):
            bounds = f"above {low:g}" if open_low else f"at least {low:g}"
            limit = "" if math.isinf(high) else f" and at most {high:g}"
            self.fault(name, "out_of_range", f"must be {bounds}{limit}, got {value!r}")
            return
        object.__setattr__(self.target, name, number)

    def whole(self, name: str, low: int, high: int, *, optional: bool = False) -> None:
        """`name` must be a whole number in [low, high]; None if `optional`."""
        value = getattr(self.target, name)
        if value is None and optional:
            return
        if isinstance(value, bool) or not isinstance(value, Integral):
            self.fault(name, "not_a_number", f"must be a whole number, got {value!r}")
        elif not low <= int(value) <= high:
            self.fault(name, "out_of_range", f"must be between {low} and {high}, got {value!r}")
        else:
            object.__setattr__(self.target, name, int(value))

    def choice(self, name: str, allowed: tuple[str, ...]) -> None:
        value = getattr(self.target, name)
        if not isinstance(value, str) or value not in allowed:
            self.fault(name, "unknown_choice", f"unknown value {value!r}", "one of " + ", ".join(allowed))

    def flag(self, name: str) -> None:
        value = getattr(self.target, name)
        if not isinstance(value, bool):
            self.fault(name, "wrong_type", f"must be true or false, got {value!r}")

    def finish(self) -> None:
        if self.faults:
            raise InputError(self.faults)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Sizing, limits, protective exits and order handling of one portfolio. Frozen; raises InputError on a bad field.

    stop_loss_pct, take_profit_pct, trailing_stop_pct: distance from the entry fill price (trailing: from the best
        price since entry), in percent; None = off.
    max_holding_bars: a position is closed at the open after it was held for this many closed bars.
    sizing, size_value: fixed (units) | percentage (% of equity) | equal_weight (size_value unused) | kelly (% of
        equity until `kelly_min_trades` round trips exist) | risk (% of equity lost at the stop) | volatility (% of
        equity lost by a move of `atr_multiple` ATRs).
    size_at: "decision" sizes at the signal bar's close, "fill" at the fill price.
    max_position_size_pct: cap of one entry order's notional, % of equity; None = no cap.
    max_symbol_concentration_pct: cap of the whole holding in one symbol after the order, % of equity.
    capital_per_trade: cap of one entry order's notional, in money.
    max_open_positions: how many positions, working entries included, may be open at once.
    daily_loss_limit_pct, daily_loss_limit_abs (money): at a breach all is closed and the trading day is over.
    max_drawdown_pct: fall of equity from its highest close; at a breach all is closed and the run stops entering.
    order_type, limit_offset_pct, stop_offset_pct, time_in_force: how entries are placed. Exits are market orders.
    order_timeout_bars: an entry still unfilled after this many bars is cancelled; None = never.
    allow_partial_fills: False makes an entry wait for a bar that can fill all of it.
    fill_at: "next_open", or "this_close": market orders fill at the close of the bar that decided them.
    latency_ms: an order is live in the first bar that opens at or after its decision time plus this many ms.
    allow_scale_in: entry signals in the direction of an open position add to it.
    min_confidence: entries with less confidence (0..1) are denied.
    rebalance: when holdings are brought back to their target weights.
    close_at_end: open positions are closed at the last close of the run.
    vol_stop_atr: a stop this many ATRs (of the decision) from the entry fill; the nearer of it and stop_loss_pct.
    max_gross_exposure_pct, max_net_exposure_pct: caps of all holdings and working entries, % of equity.
    account_gross_cap, account_net_cap, account_symbol_cap (money): the same, and what the account holds elsewhere.
    max_correlated_positions: an entry is denied when so many others move with it: correlation of the last
        `correlation_bars` returns at least `correlation_threshold`.
    max_orders_per_minute: entries decided in 60 seconds of bar time.
    price_collar_pct: an entry is denied when its price, or the last move of the close, is farther than this.
    cooldown_bars: decision bars after a position was closed in which its symbol is not entered again.
    flatten_at_session_end: close everything before the exchange's session ends, and enter no more in it.
    window: when new entries may be decided: a bool array with one entry a bar time of the run, or a TradingWindow.
    """

    stop_loss_pct: float | None = None
    take_profit_pct: float | None = None
    trailing_stop_pct: float | None = None
    max_holding_bars: int | None = None
    sizing: str = "percentage"
    size_value: float = 10.0
    size_at: str = "decision"
    max_position_size_pct: float | None = 25.0
    max_symbol_concentration_pct: float | None = None
    capital_per_trade: float | None = None
    max_open_positions: int | None = None
    daily_loss_limit_pct: float | None = None
    daily_loss_limit_abs: float | None = None
    max_drawdown_pct: float | None = None
    order_type: str = "market"
    limit_offset_pct: float = 0.0
    stop_offset_pct: float = 0.0
    time_in_force: str = "day"
    order_timeout_bars: int | None = None
    allow_partial_fills: bool = True
    fill_at: str = "next_open"
    latency_ms: int = 0
    allow_short: bool = False
    allow_fractional: bool = False
    allow_scale_in: bool = False
    min_confidence: float = 0.0
    rebalance: str = "never"
    close_at_end: bool = False
    kelly_min_trades: int = 20
    kelly_ratio: float = 0.5
    kelly_cap_pct: float = 25.0
    atr_period: int = 14
    atr_multiple: float = 2.0
    vol_stop_atr: float | None = None
    max_gross_exposure_pct: float | None = None
    max_net_exposure_pct: float | None = None
    account_gross_cap: float | None = None
    account_net_cap: float | None = None
    account_symbol_cap: float | None = None
    max_correlated_positions: int | None = None
    correlation_threshold: float = 0.8
    correlation_bars: int = 60
    max_orders_per_minute: int | None = None
    price_collar_pct: float | None = None
    cooldown_bars: int | None = None
    flatten_at_session_end: bool = False
    window: Any = field(default=None, compare=False)

    def __post_init__(self) -> None:
        check = _Checks(self)
        check.number("stop_loss_pct", 0.0, 99.99, optional=True, open_low=True)
        check.number("take_profit_pct", 0.0, 10_000.0, optional=True, open_low=True)
        check.number("trailing_stop_pct", 0.0, 99.99, optional=True, open_low=True)
        check.whole("max_holding_bars", 1, 1_000_000_000, optional=True)
        check.choice("sizing", SIZINGS)
        check.number("size_value", 0.0, math.inf, open_low=True)
        check.choice("size_at", SIZE_AT)
        check.number("max_position_size_pct", 0.0, 100.0, optional=True, open_low=True)
        check.number("max_symbol_concentration_pct", 0.0, 100.0, optional=True, open_low=True)
        check.number("capital_per_trade", 0.0, math.inf, optional=True, open_low=True)
        check.whole("max_open_positions", 1, 1_000_000, optional=True)
        check.number("daily_loss_limit_pct", 0.0, 100.0, optional=True, open_low=True)
        check.number("daily_loss_limit_abs", 0.0, math.inf, optional=True, open_low=True)
        check.number("max_drawdown_pct", 0.0, 100.0, optional=True, open_low=True)
        check.choice("order_type", ORDER_TYPES)
        check.number("limit_offset_pct", 0.0, 99.99)
        check.number("stop_offset_pct", 0.0, 99.99)
        check.choice("time_in_force", TIMES_IN_FORCE)
        check.whole("order_timeout_bars", 1, 1_000_000_000, optional=True)
        check.choice("fill_at", FILL_AT)
        check.whole("latency_ms", 0, 86_400_000)
        for name in ("allow_partial_fills", "allow_short", "allow_fractional", "allow_scale_in", "close_at_end"):
            check.flag(name)
        check.flag("flatten_at_session_end")
        check.number("min_confidence", 0.0, 1.0)
        check.choice("rebalance", REBALANCES)
        check.whole("kelly_min_trades", 1, 1_000_000)
        check.number("kelly_ratio", 0.0, 1.0, open_low=True)
        check.number("kelly_cap_pct", 0.0, 100.0, open_low=True)
        check.whole("atr_period", 1, 10_000)
        check.number("atr_multiple", 0.0, 1_000.0, open_low=True)
        check.number("vol_stop_atr", 0.0, 1_000.0, optional=True, open_low=True)
        for name in ("max_gross_exposure_pct", "max_net_exposure_pct"):
            check.number(name, 0.0, 10_000.0, optional=True, open_low=True)
        for name in ("account_gross_cap", "account_net_cap", "account_symbol_cap"):
            check.number(name, 0.0, math.inf, optional=True, open_low=True)
        check.whole("max_correlated_positions", 1, 1_000_000, optional=True)
        check.number("correlation_threshold", 0.0, 1.0, open_low=True)
        check.whole("correlation_bars", 3, 1_000)
        check.whole("max_orders_per_minute", 1, 1_000, optional=True)
        check.number("price_collar_pct", 0.0, 10_000.0, optional=True, open_low=True)
        check.whole("cooldown_bars", 1, 1_000_000_000, optional=True)
        check.finish()
        self._check_together(check)
        check.finish()

    def _check_together(self, check: _Checks) -> None:
        """Fields that are legal alone and make no sense together."""
        if self.fill_at == "this_close":
            if self.order_type != "market":
                check.fault("order_type", "conflict", "fill_at 'this_close' fills market orders only", "use market")
            if self.time_in_force not in ("day", "gtc"):
                check.fault("time_in_force", "conflict", "fill_at 'this_close' leaves no order resting", "use day")
            if self.latency_ms:
                check.fault("latency_ms", "conflict", "an order that fills at this close has no latency", "use 0")
        if self.order_type == "trailing_stop" and self.stop_offset_pct == 0.0:
            check.fault("stop_offset_pct", "required", "a trailing_stop order needs its distance", "above 0")
        if self.time_in_force in ("opg", "cls") and self.order_type not in ("market", "limit"):
            check.fault("order_type", "conflict", "an auction takes market and limit orders only", "market or limit")
        if self.rebalance != "never" and self.sizing not in ("percentage", "equal_weight"):
            check.fault(
                "sizing", "conflict", "rebalancing needs a target weight per holding", "percentage or equal_weight"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Commission and slippage of every fill. Frozen; raises InputError on a bad field.

    commission_rate: ratio of the notional. commission_per_share: money per unit. commission_min: money per fill.
    slippage: none | fixed (slippage_value in price units) | proportional (ratio of the price) | volume_impact
        (ratio of the price at a fill as large as the bar's volume; grows with the square root of the share).
    volume_cap_ratio: the share of a bar's volume that this portfolio may trade; None = no cap.
    """

    commission_rate: float = 0.0
    commission_per_share: float = 0.0
    commission_min: float = 0.0
    slippage: str = "none"
    slippage_value: float = 0.0
    volume_cap_ratio: float | None = None

    def __post_init__(self) -> None:
        check = _Checks(self)
        check.number("commission_rate", 0.0, 0.5)
        check.number("commission_per_share", 0.0, math.inf)
        check.number("commission_min", 0.0, math.inf)
        check.choice("slippage", SLIPPAGES)
        check.number("slippage_value", 0.0, math.inf)
        check.number("volume_cap_ratio", 0.0, 1.0, optional=True, open_low=True)
        check.finish()
        if self.slippage in ("proportional", "volume_impact") and self.slippage_value > 0.5:
            check.fault("slippage_value", "out_of_range", "a ratio of the price must be at most 0.5")
        check.finish()


def rules_from(raw: Mapping[str, Any]) -> Rules:
    """Rules from a plain mapping; InputError names unknown fields as well as bad values."""
    return Rules(**_known(raw, Rules))


def costs_from(raw: Mapping[str, Any]) -> Costs:
    """Costs from a plain mapping; InputError names unknown fields as well as bad values."""
    return Costs(**_known(raw, Costs))


def _known(raw: Mapping[str, Any], kind: type[Rules] | type[Costs]) -> dict[str, Any]:
    names = [f.name for f in fields(kind)]
    unknown = [str(key) for key in raw if key not in names]
    if unknown:
        hint = "one of " + ", ".join(names)
        raise InputError(Fault(name, "unknown_field", f"there is no field {name!r}", hint) for name in unknown)
    return dict(raw)
