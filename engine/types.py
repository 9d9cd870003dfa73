"""Every dtype and every code of the engine, declared once.

Results (`ORDER FILL ROUND_TRIP OPEN_POSITION DENIAL EQUITY DAILY`) are what users read. State (`BOOK` here, `HOLDING`
in `engine/state.py`) is all that a portfolio remembers between two bar times: a session may save it, load it and go on.
Times are int64 nanoseconds UTC; prices and money float64; quantities are positive with a side, except in
`HOLDING.qty`, which is signed.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

# Structured arrays carry their field types in the dtype, which the type checker cannot see.
Records = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

NANOS_PER_DAY: Final = 86_400_000_000_000
TIMEFRAMES: Final = {
    "1s": 1_000_000_000,
    "1m": 60_000_000_000,
    "5m": 300_000_000_000,
    "15m": 900_000_000_000,
    "1h": 3_600_000_000_000,
    "4h": 14_400_000_000_000,
    "1d": NANOS_PER_DAY,
}

# ---- codes; the tuples name them for people, index = code --------------------------------------------------------
BUY: Final = 1
SELL: Final = -1
# Actions that close and never open: a long position, a short one, whichever there is.
EXIT_LONG: Final = -2
EXIT_SHORT: Final = 2
EXIT: Final = -3

MARKET, LIMIT, STOP, STOP_LIMIT, TRAILING_STOP = range(5)
ORDER_TYPE_NAMES: Final = ("market", "limit", "stop", "stop_limit", "trailing_stop")

DAY, GTC, IOC, FOK, OPG, CLS = range(6)
TIF_NAMES: Final = ("day", "gtc", "ioc", "fok", "opg", "cls")

WORKING, PARTIALLY_FILLED, FILLED, CANCELLED, EXPIRED, DENIED = range(6)
STATUS_NAMES: Final = ("working", "partially_filled", "filled", "cancelled", "expired", "denied")

# Why an order exists (and, for the order that closes a position, why the position was closed).
(
    BY_SIGNAL,
    BY_REBALANCE,
    BY_STOP_LOSS,
    BY_TAKE_PROFIT,
    BY_TRAILING_STOP,
    BY_MAX_HOLDING,
    BY_DAILY_LOSS,
    BY_MAX_DRAWDOWN,
    BY_END,
    BY_USER,
    BY_FLATTEN,
    BY_WATCHDOG,
    BY_SESSION_END,
    BY_LIQUIDATION,
    BY_QUOTE,
) = range(15)
REASON_NAMES: Final = (
    "signal",
    "rebalance",
    "stop_loss",
    "take_profit",
    "trailing_stop",
    "max_holding",
    "daily_loss",
    "max_drawdown",
    "end",
    "user",
    "flatten",
    "watchdog",
    "session_end",
    "liquidation",
    "quote",
)
# Those that a caller may give for an exit it asks for.
REQUEST_REASONS: Final = REASON_NAMES[BY_USER : BY_LIQUIDATION + 1]

# Why an entry was refused or made smaller.
(
    LOW_CONFIDENCE,
    OUTSIDE_WINDOW,
    DAILY_LOSS_HALT,
    DRAWDOWN_HALT,
    SHORT_NOT_ALLOWED,
    NO_SLOT,
    NO_STOP,
    NO_VOLATILITY,
    NO_EDGE,
    SIZE_ZERO,
    CAPITAL_CAP,
    POSITION_CAP,
    SYMBOL_CAP,
    NO_CASH,
    NO_EQUITY,
    PAUSED,
    STOPPING,
    DEGRADED_FEED,
    STALE_DATA,
    UNRECONCILED,
    KILL_SWITCH,
    SESSION_END,
    NO_TRADABLE_HOURS,
    GROSS_CAP,
    NET_CAP,
    ACCOUNT_CAP,
    CORRELATED,
    ORDER_RATE,
    PRICE_COLLAR,
    COOLDOWN,
    LEG_REFUSED,
) = range(31)
DENIAL_NAMES: Final = (
    "low_confidence",
    "outside_window",
    "daily_loss_halt",
    "drawdown_halt",
    "short_not_allowed",
    "no_slot",
    "no_stop",
    "no_volatility",
    "no_edge",
    "size_zero",
    "capital_cap",
    "position_cap",
    "symbol_cap",
    "no_cash",
    "no_equity",
    "paused",
    "stopping",
    "degraded_feed",
    "stale_data",
    "unreconciled",
    "kill_switch",
    "session_end",
    "no_tradable_hours",
    "gross_cap",
    "net_cap",
    "account_cap",
    "correlated",
    "order_rate",
    "price_collar",
    "cooldown",
    "leg_refused",
)
# Those with which a caller may block entries for a step.
BLOCK_NAMES: Final = DENIAL_NAMES[PAUSED : NO_TRADABLE_HOURS + 1]

FIXED, PERCENTAGE, EQUAL_WEIGHT, KELLY, RISK, VOLATILITY = range(6)
SLIP_NONE, SLIP_FIXED, SLIP_PROPORTIONAL, SLIP_VOLUME_IMPACT = range(4)
NEVER, DAILY_REBALANCE, WEEKLY, MONTHLY, ON_SIGNAL, ON_TARGET_WEIGHTS = range(6)

# Bits of `Bars.session_flags`.
SESSION_FIRST: Final = 1  # the first bar of the exchange's session: the opening auction is its open
SESSION_LAST: Final = 2  # the bar that holds the session's close: the closing auction is its close
SESSION_OVER: Final = 4  # the bar closes at or after the session's close: what is decided on it is for the next one
SESSION_CLOSING: Final = (
    8  # what is decided on it meets the last bar of the session, or none; never on daily bars, 24/7
)

WEIGHT_GIVEN: Final = 4  # in the kernel's column of actions: no action, but a target weight
QUOTES: Final = 5  # there: no action, but quotes

# ---- inputs ------------------------------------------------------------------------------------------------------
# What a strategy may say about one bar; NaN where unused. See docs/fills.md, "Signals".
SIGNAL: Final = np.dtype(
    [
        ("action", np.int8),
        ("confidence", np.float64),
        ("limit_px", np.float64),
        ("stop_px", np.float64),
        ("target_weight", np.float64),
        ("bid_px", np.float64),
        ("ask_px", np.float64),
        ("quote_qty", np.float64),
    ],
    align=True,
)

# ---- results -----------------------------------------------------------------------------------------------------
# `order` fields are indices into the array of orders; `symbol` fields are indices into the run's sorted symbols.
ORDER: Final = np.dtype(
    [
        ("ts", np.int64),  # ts_open of the bar at whose close it was decided (inside which it triggered)
        ("done_ts", np.int64),  # ts_open of the bar of its last change
        ("qty", np.float64),  # 0 while a size_at="fill" order has not met the market
        ("filled", np.float64),
        ("limit_px", np.float64),
        ("stop_px", np.float64),
        ("confidence", np.float64),
        ("symbol", np.int32),
        ("side", np.int8),
        ("kind", np.int8),
        ("tif", np.int8),
        ("reason", np.int8),
        ("status", np.int8),
        ("entry", np.int8),  # 1 opens or adds, 0 closes or reduces
    ],
    align=True,
)
FILL: Final = np.dtype(
    [
        ("ts", np.int64),  # ts_open of the bar in which it happened
        ("qty", np.float64),
        ("px", np.float64),  # slippage included
        ("commission", np.float64),
        ("slippage", np.float64),  # px against the price before slippage, per unit, adverse > 0
        ("order", np.int32),
        ("symbol", np.int32),
        ("side", np.int8),
        ("reason", np.int8),
        ("entry", np.int8),
    ],
    align=True,
)
ROUND_TRIP: Final = np.dtype(
    [
        ("entry_ts", np.int64),
        ("exit_ts", np.int64),
        ("qty", np.float64),  # all that was entered
        ("entry_px", np.float64),  # averages over the fills
        ("exit_px", np.float64),
        ("pnl_net", np.float64),  # money, after commission and slippage
        ("commission", np.float64),
        ("slippage", np.float64),  # money
        ("bars", np.int32),  # decision bars held; 0 when opened and closed before a bar closed
        ("symbol", np.int32),
        ("side", np.int8),
        ("exit_reason", np.int8),
    ],
    align=True,
)
OPEN_POSITION: Final = np.dtype(
    [
        ("entry_ts", np.int64),
        ("qty", np.float64),
        ("entry_px", np.float64),
        ("mark", np.float64),
        ("stop_px", np.float64),  # NaN = none
        ("target_px", np.float64),  # NaN = none
        ("unrealised", np.float64),
        ("symbol", np.int32),
        ("side", np.int8),
    ],
    align=True,
)
DENIAL: Final = np.dtype(
    [
        ("ts", np.int64),  # the first time
        ("last_ts", np.int64),  # the last time, when the same denial followed in a row
        ("asked", np.float64),  # units; NaN when refused before sizing
        ("allowed", np.float64),  # 0 = denied, else the order was cut to this
        ("count", np.int32),
        ("order", np.int32),  # -1 = refused before it became an order
        ("symbol", np.int32),
        ("side", np.int8),
        ("reason", np.int8),
    ],
    align=True,
)
EQUITY: Final = np.dtype(
    [
        ("ts", np.int64),  # ts_open of the bar at whose close this holds
        ("equity", np.float64),  # cash + sum of qty * mark
        ("cash", np.float64),
        ("exposure", np.float64),  # sum of |qty * mark|, money
    ],
    align=True,
)
DAILY: Final = np.dtype(
    [
        ("date", np.int64),  # days since 1970-01-01, UTC
        ("equity", np.float64),  # the last mark of that UTC date
    ],
    align=True,
)

# ---- state -------------------------------------------------------------------------------------------------------
# One record a portfolio. Money, limits, running figures for the metrics, and how far each result buffer is filled.
BOOK: Final = np.dtype(
    [
        ("cash", np.float64),
        ("equity", np.float64),
        ("exposure", np.float64),
        ("starting_cash", np.float64),
        # limits
        ("day_start_equity", np.float64),
        ("top_equity", np.float64),  # highest close since the start, for the drawdown halt and the metrics
        ("portfolio_day", np.int64),
        ("day_halted", np.int8),
        ("run_halted", np.int8),
        # Kelly
        ("kelly_trades", np.int64),
        ("kelly_wins", np.int64),
        ("kelly_win_sum", np.float64),
        ("kelly_loss_sum", np.float64),
        # rebalancing
        ("rebalance_period", np.int64),
        # tally for the metrics
        ("first_ts", np.int64),
        ("last_ts", np.int64),
        ("steps", np.int64),
        ("steps_invested", np.int64),
        ("exposure_sum", np.float64),  # sum over bar times of exposure / equity
        ("top_ts", np.int64),  # when equity was last at its highest
        ("max_drawdown", np.float64),  # ratio >= 0
        ("max_drawdown_top_ts", np.int64),
        ("max_drawdown_low_ts", np.int64),
        ("max_drawdown_end_ts", np.int64),  # first close back at the top; -1 = not yet
        ("longest_under_ns", np.int64),  # longest time from a top to a close below it
        ("bought", np.float64),  # notional
        ("sold", np.float64),
        ("commission", np.float64),
        ("slippage", np.float64),  # money
        ("ambiguous_bars", np.int64),
        ("day_end_ns", np.int64),  # end of the UTC date of the last DAILY row
        # filled part of each buffer, and live counts
        ("n_orders", np.int64),
        ("n_fills", np.int64),
        ("n_trips", np.int64),
        ("n_denials", np.int64),
        ("n_equity", np.int64),
        ("n_daily", np.int64),
        # lengths of the lists of symbols: with a position, a working entry order, a working exit order, a working quote
        ("n_held", np.int64),
        ("n_entries", np.int64),
        ("n_exits", np.int64),
        ("n_quoted", np.int64),
    ],
    align=True,
)
