"""Every setting of a run, declared; and the presets.

The numbers are the ones users named (they are defaults and presets, and each can be changed per run).
"""

from __future__ import annotations

from typing import Any

from strategies.params import (
    WEEKDAYS,
    BoolParam,
    ChoiceParam,
    DaysParam,
    FloatParam,
    IntParam,
    MoneyParam,
    Param,
    PctParam,
    RatioParam,
    TimeParam,
)
from strategies.session_settings.limits import Limits

_EXIT = "Stops and targets"
_SIZE = "Position size"
_ORDERS = "Orders"
_COSTS = "Costs"
_HOURS = "Trading hours"


class _Position:
    """When a position is closed, and how large it is."""

    stop_loss_pct = PctParam(
        None,
        min=0.01,
        max=99,
        step=0.5,
        group=_EXIT,
        label="Stop loss",
        help="Close a position this far below its entry fill (above it, for a short).",
    )
    take_profit_pct = PctParam(
        None,
        min=0.01,
        max=10_000,
        step=0.5,
        group=_EXIT,
        label="Take profit",
        help="Close a position this far above its entry fill (below it, for a short).",
    )
    trailing_stop_pct = PctParam(
        None,
        min=0.01,
        max=99,
        step=0.5,
        group=_EXIT,
        label="Trailing stop",
        help="Close a position this far below the highest price since its entry.",
    )
    vol_stop_atr = FloatParam(
        None,
        min=0.01,
        max=1_000,
        step=0.25,
        unit="×",
        group=_EXIT,
        label="Volatility stop",
        help="Close a position this many ATRs below its entry fill; beside a stop loss the nearer one counts.",
    )
    max_holding_time = IntParam(
        None,
        min=1,
        max=315_360_000,
        unit="s",
        group=_EXIT,
        label="Longest holding",
        help="Close a position after this many seconds of bars, rounded up to whole bars; a daily bar counts 86,400.",
    )

    position_sizing_method = ChoiceParam(
        "percentage",
        group=_SIZE,
        label="Sizing method",
        choices=[
            ("fixed", "Fixed number of units"),
            ("percentage", "Percentage of equity"),
            ("equal_weight", "Equal weight"),
            ("kelly", "Kelly, from this run's closed positions"),
            ("risk", "Fixed-fractional risk to the stop"),
            ("volatility", "Volatility (ATR)"),
        ],
        help="How many units an entry buys.",
    )
    position_size_value = FloatParam(
        10,
        min=0.0001,
        max=1e9,
        step=1,
        group=_SIZE,
        label="Size",
        help="Units for a fixed size, percent of equity for every other method.",
    )
    capital_per_trade = MoneyParam(
        None,
        min=0.01,
        max=1e12,
        step=100,
        group=_SIZE,
        label="Capital per trade",
        help="No entry is larger than this amount of money.",
    )
    allow_fractional = BoolParam(
        False, group=_SIZE, label="Fractional units", help="Allow parts of a unit where the instrument does."
    )
    kelly_min_trades = IntParam(
        20,
        min=1,
        max=1_000_000,
        unit="trades",
        group=_SIZE,
        label="Kelly: least trades",
        help="Until so many positions are closed, Kelly uses the size above.",
    )
    kelly_ratio = RatioParam(
        0.5, min=0.01, max=1, step=0.05, group=_SIZE, label="Kelly: share", help="Half Kelly is 0.5."
    )
    kelly_cap_pct = PctParam(
        25, min=0.01, max=100, step=1, group=_SIZE, label="Kelly: cap", help="Kelly never asks for more of equity."
    )
    atr_period = IntParam(
        14, min=1, max=10_000, unit="bars", group=_SIZE, label="Volatility: ATR period", help="Bars in the ATR."
    )
    atr_multiple = FloatParam(
        2,
        min=0.01,
        max=1_000,
        step=0.25,
        unit="×",
        group=_SIZE,
        label="Volatility: ATR multiple",
        help="The size is such that a move of this many ATRs costs the size's percent of equity.",
    )
    allow_scale_in = BoolParam(
        False, group=_SIZE, label="Scaling in", help="Entry signals in the direction of an open position add to it."
    )
    rebalance_frequency = ChoiceParam(
        "never",
        choices=["never", "daily", "weekly", "monthly", "on_signal"],
        group=_SIZE,
        label="Rebalance",
        help="When open positions are brought back to their target size.",
    )


class _Execution:
    """How entries are placed, what trading costs, when; and the figures."""

    order_type_default = ChoiceParam(
        "market",
        choices=["market", "limit", "stop", "stop_limit", "trailing_stop"],
        group=_ORDERS,
        label="Order type",
        help="The type of entry orders.",
    )
    time_in_force = ChoiceParam(
        "day",
        group=_ORDERS,
        label="Time in force",
        choices=[
            ("day", "Day"),
            ("gtc", "Good till cancelled"),
            ("ioc", "Immediate or cancel"),
            ("fok", "Fill or kill"),
            ("opg", "At the open"),
            ("cls", "At the close"),
        ],
        help="How long an order rests.",
    )
    limit_price_offset_pct = PctParam(
        0.0,
        min=0,
        max=50,
        step=0.05,
        group=_ORDERS,
        label="Limit offset",
        help="A limit order rests this far on the better side of the signal's close.",
    )
    stop_price_offset_pct = PctParam(
        0.0,
        min=0,
        max=50,
        step=0.05,
        group=_ORDERS,
        label="Stop offset",
        help="A stop entry triggers this far beyond the signal's close.",
    )
    maker_order_timeout = IntParam(
        None,
        min=1,
        max=31_536_000,
        unit="s",
        group=_ORDERS,
        label="Resting order timeout",
        help="Cancel an entry order that rests longer, rounded up to whole bars.",
    )
    allow_partial_fills = BoolParam(
        True,
        group=_ORDERS,
        label="Partial fills",
        help="Take part of an order where the volume does not suffice for all.",
    )
    fill_at = ChoiceParam(
        "next_open",
        group=_ORDERS,
        label="Market orders fill at",
        choices=[("next_open", "The next bar's open"), ("this_close", "The signal bar's close")],
        help="The close of the signal's own bar is only reachable in real trading by an order at the close.",
    )
    size_at = ChoiceParam(
        "decision",
        group=_ORDERS,
        label="Size is worked out at",
        choices=[("decision", "The signal bar's close"), ("fill", "The fill price")],
        help="A live order can only know the signal bar's close.",
    )
    latency_ms = IntParam(
        0,
        min=0,
        max=3_600_000,
        unit="ms",
        group=_ORDERS,
        label="Latency",
        help="Time from a bar's close until an order decided on it can fill.",
    )
    close_at_end = BoolParam(
        False, group=_ORDERS, label="Close at the end", help="Close what is still open on the last bar of a backtest."
    )

    slippage_model = ChoiceParam(
        "none",
        group=_COSTS,
        label="Slippage",
        choices=[
            ("none", "None"),
            ("fixed", "Fixed, in price units"),
            ("proportional", "Proportional, as a ratio of the price"),
            ("volume_impact", "Grows with the share of the bar's volume"),
        ],
        help="How far fills of market and stop orders are worse than the price they trigger at.",
    )
    slippage_value = FloatParam(
        0.0,
        min=0,
        max=10_000,
        step=0.0001,
        group=_COSTS,
        label="Slippage value",
        help="Price units when fixed, a ratio otherwise (0.0005 is 5 basis points).",
    )
    commission_rate = RatioParam(
        0.0, min=0, max=0.5, step=0.0001, group=_COSTS, label="Commission rate", help="Ratio of each fill's value."
    )
    commission_per_share = MoneyParam(
        0.0,
        min=0,
        max=1_000,
        step=0.001,
        group=_COSTS,
        label="Commission per unit",
        help="Charged on each unit filled.",
    )
    commission_min = MoneyParam(
        0.0, min=0, max=10_000, step=0.1, group=_COSTS, label="Least commission", help="Charged on each fill at least."
    )
    volume_cap_ratio = RatioParam(
        None,
        min=0.0001,
        max=1,
        step=0.01,
        group=_COSTS,
        label="Share of volume",
        help="An order fills at most this share of a bar's volume.",
    )

    trading_hours_start = TimeParam(
        "09:30",
        group=_HOURS,
        label="From",
        help="Entries are decided from this time on, in the exchange's zone.",
    )
    trading_hours_end = TimeParam(
        "16:00",
        group=_HOURS,
        label="Until",
        help="The default hours, 09:30 to 16:00 on MON to FRI, stand for the exchange's own session, whatever it is.",
    )
    trading_days = DaysParam(WEEKDAYS[:5], group=_HOURS, label="Days", help="Days on which entries are decided.")
    extended_hours = BoolParam(
        False,
        group=_HOURS,
        label="Extended hours",
        help="Also decide entries outside the exchange's regular session, within the hours above.",
    )

    risk_free_rate_pct = PctParam(
        0.0,
        min=-10,
        max=100,
        step=0.25,
        label="Risk-free rate",
        group="Figures",
        help="Yearly rate that the Sharpe and Sortino ratios, alpha and beta count from.",
    )


# In the order of forms.
SETTINGS: dict[str, Param[Any]] = {
    name: value
    for part in (_Position, Limits, _Execution)
    for name, value in vars(part).items()
    if isinstance(value, Param)
}

# What each preset sets; every other setting has its declared default.
PRESETS: dict[str, dict[str, Any]] = {
    "conservative": {
        "position_size_value": 5.0,
        "max_position_size_pct": 5.0,
        "stop_loss_pct": 2.0,
        "take_profit_pct": 4.0,
        "daily_loss_limit_pct": 2.0,
        "max_open_positions": 10,
        "risk_free_rate_pct": 2.0,
    },
    "standard": {},
    "active": {
        "position_size_value": 10.0,
        "max_position_size_pct": 10.0,
        "stop_loss_pct": 2.0,
        "take_profit_pct": 5.0,
        "daily_loss_limit_pct": 10.0,
    },
}
DEFAULT_PRESET = "standard"
