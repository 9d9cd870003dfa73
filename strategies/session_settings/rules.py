"""Settings → the engine's rules and costs."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine.errors import InputError
from engine.rules import Costs, Rules
from engine.types import TIMEFRAMES
from strategies.params import WEEKDAYS
from strategies.session_settings.declared import SETTINGS

MIDNIGHT = datetime.time(0)
SECOND = 1_000_000_000  # timeframes are counted in nanoseconds

# Setting → field of `engine.rules`, where the value goes over as it is.
RULES_FIELDS = {
    "position_sizing_method": "sizing",
    "position_size_value": "size_value",
    "order_type_default": "order_type",
    "limit_price_offset_pct": "limit_offset_pct",
    "stop_price_offset_pct": "stop_offset_pct",
    "rebalance_frequency": "rebalance",
} | {
    name: name
    for name in (
        "capital_per_trade", "stop_loss_pct", "take_profit_pct", "trailing_stop_pct", "size_at", "kelly_min_trades",
        "kelly_ratio",
        "kelly_cap_pct", "atr_period", "atr_multiple", "max_position_size_pct", "max_symbol_concentration_pct",
        "max_open_positions", "daily_loss_limit_pct", "daily_loss_limit_abs", "max_drawdown_pct", "time_in_force",
        "allow_partial_fills", "allow_scale_in", "fill_at", "latency_ms", "allow_fractional", "min_confidence",
        "close_at_end", "vol_stop_atr", "max_gross_exposure_pct", "max_net_exposure_pct", "account_gross_cap",
        "account_net_cap", "account_symbol_cap", "max_correlated_positions", "correlation_threshold",
        "correlation_bars", "max_orders_per_minute", "price_collar_pct", "cooldown_bars", "flatten_at_session_end",
    )
}  # fmt: skip
COSTS_FIELDS = {"slippage_model": "slippage"} | {
    name: name
    for name in ("slippage_value", "commission_rate", "commission_per_share", "commission_min", "volume_cap_ratio")
}


def to_rules(
    settings: Mapping[str, Any],
    *,
    calendar: str,
    timeframe: str,
    match_timeframe: str | None = None,
    allow_short: bool = True,
) -> tuple[Rules, Costs]:
    """The engine's rules and costs for cleaned settings.

    calendar: the market's, e.g. "XNYS" or "24/7". timeframe: of the bars that are decided on; match_timeframe: of those
    that orders are matched on (None: the same). They turn seconds into bars: the longest holding counts decision bars,
    a resting order's timeout matching bars.
    allow_short: whether the strategy itself may sell short; the settings must allow it as well.
    """
    window = _window(settings, calendar)
    return _translated(settings, timeframe, match_timeframe or timeframe, allow_short=allow_short, window=window)


def refuse_conflicts(settings: Mapping[str, Any]) -> None:
    """Raises InputError, under the names of the settings, where the engine does not take them together."""
    try:
        _translated(settings, "1d", "1d", allow_short=True, window=None)
    except InputError as error:
        names = {field: name for name, field in (RULES_FIELDS | COSTS_FIELDS).items()}
        raise InputError(replace(fault, path=names.get(fault.path, fault.path)) for fault in error.faults) from error


def _translated(
    settings: Mapping[str, Any], timeframe: str, match_timeframe: str, *, allow_short: bool, window: Any
) -> tuple[Rules, Costs]:
    rules = Rules(
        **{field: settings[name] for name, field in RULES_FIELDS.items()},
        max_holding_bars=_bars(settings["max_holding_time"], timeframe),
        order_timeout_bars=_bars(settings["maker_order_timeout"], match_timeframe),
        allow_short=settings["allow_short"] and allow_short,
        window=window,
    )
    return rules, Costs(**{field: settings[name] for name, field in COSTS_FIELDS.items()})


def uses_exchange_session(settings: Mapping[str, Any]) -> bool:
    """Whether the hours are the defaults, which stand for the exchange's own regular session."""
    hours = ("trading_hours_start", "trading_hours_end", "trading_days")
    return not settings["extended_hours"] and all(settings[name] == SETTINGS[name].default for name in hours)


def _bars(seconds: int | None, timeframe: str) -> int | None:
    return None if seconds is None else max(1, -(-seconds * SECOND // TIMEFRAMES[timeframe]))


def _window(settings: Mapping[str, Any], calendar: str) -> Any:
    from engine import TradingWindow

    if uses_exchange_session(settings):
        # The whole day, of which the window keeps the regular session; round the clock there is no session to keep to.
        return None if calendar == "24/7" else TradingWindow(start=MIDNIGHT, end=MIDNIGHT)
    return TradingWindow(
        start=settings["trading_hours_start"],
        end=settings["trading_hours_end"],
        days=tuple(WEEKDAYS.index(day) for day in settings["trading_days"]),
        extended_hours=settings["extended_hours"],
    )
