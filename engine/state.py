"""The kernel's records: what a portfolio remembers of each symbol, and its view of inputs, rules and memory.

`HOLDING` and `QUOTE`, with `engine.types.BOOK`, are the whole state between two bar times. `FEED`, `SETTINGS` and
`WORLD` are built anew for each run from the caller's bars, signals, rules and costs (`engine/world.py`). Addresses are
int64.
"""

from __future__ import annotations

from typing import Final

import numpy as np

# One record a symbol: its position, its one working entry order, its one working exit order, its last bar.
HOLDING: Final = np.dtype(
    [
        # the position; qty is signed, 0 = flat
        ("qty", np.float64),
        ("mark", np.float64),
        ("avg_px", np.float64),
        ("stop_px", np.float64),  # fixed stop level; -inf (long) or +inf (short) = none
        ("target_px", np.float64),  # +inf (long) or -inf (short) = none
        ("peak", np.float64),  # best price since entry, for the trailing stop
        ("protect_px", np.float64),  # the signal's own protective stop; NaN = none
        ("flow", np.float64),  # cash of this round trip so far
        ("entered", np.float64),
        ("entry_px", np.float64),  # average over all that was entered; avg_px is that of what is held
        ("exited", np.float64),
        ("exit_px", np.float64),
        ("commission", np.float64),
        ("slippage", np.float64),
        ("entry_ts", np.int64),
        ("entry_clock", np.int64),  # decision bars that had closed when it was opened
        ("opened_inside", np.int64),  # the step in whose phase 5 it was opened; -1 = not so
        ("opened_by_limit", np.int8),
        # what its entry was decided with; a later change of the rules leaves it alone
        ("stop_pct", np.float64),  # NaN = off
        ("target_pct", np.float64),
        ("trail_pct", np.float64),
        ("vol_stop", np.float64),  # price units below the entry (above it, for a short)
        ("longest", np.int64),  # decision bars; 0 = off
        # the working entry order
        ("entry_order", np.int32),  # -1 = none
        ("entry_kind", np.int8),
        ("entry_tif", np.int8),
        ("entry_side", np.int8),
        ("entry_reason", np.int8),
        ("entry_sized", np.int8),
        ("entry_triggered", np.int8),
        ("entry_no_day", np.int8),  # 1 = waits for the trading day after entry_day
        ("entry_day", np.int32),
        ("entry_left", np.float64),
        ("entry_limit", np.float64),
        ("entry_stop", np.float64),
        ("entry_extreme", np.float64),
        ("entry_protect", np.float64),
        ("entry_weight", np.float64),
        ("entry_confidence", np.float64),
        ("entry_at", np.int64),  # bar of the decision
        ("entry_live_ns", np.int64),
        ("entry_stop_pct", np.float64),
        ("entry_target_pct", np.float64),
        ("entry_trail_pct", np.float64),
        ("entry_vol_stop", np.float64),
        ("entry_longest", np.int64),
        ("entry_offset_pct", np.float64),  # of a TRAILING_STOP
        ("entry_timeout", np.int64),  # bars; 0 = off
        ("entry_ref", np.float64),  # the close at its decision: what is reserved for it is counted at this price
        # the working exit order
        ("exit_order", np.int32),  # -1 = none
        ("exit_tif", np.int8),
        ("exit_reason", np.int8),
        ("exit_whole", np.int8),
        ("exit_again", np.int8),  # the reason of an exit of all that a broker ended unfilled; -1 = none
        ("exit_left", np.float64),
        ("exit_live_ns", np.int64),
        # the symbol
        ("at", np.int64),  # its bar at this step, -1 = none
        ("next_at", np.int64),  # its next bar; the one before is the last it has had
        ("volume_left", np.float64),  # under the volume cap, in step volume_t
        ("volume_t", np.int64),
        ("weight", np.float64),  # remembered target weight; NaN = none
        ("exit_clock", np.int64),  # decision bars that had closed when its last position was closed
        ("recent_n", np.int64),  # closes that were put into the ring for correlations
        ("last_denial", np.int32),  # row of its last denial; -1 = none
        ("blocked", np.int8),  # the denial of every entry decided in this step; -1 = none
        ("outside", np.float64),  # what the account holds of it beside this portfolio, money
        # Wilder's ATR of decision bars
        ("atr", np.float64),
        ("atr_sum", np.float64),
        ("atr_count", np.int64),
        ("atr_close", np.float64),
        ("atr_high", np.float64),
        ("atr_low", np.float64),
    ],
    align=True,
)

# Two records a symbol, the bid and the ask: its working quote of that side.
QUOTE: Final = np.dtype(
    [
        ("px", np.float64),
        ("left", np.float64),  # units that are still to be filled
        ("opens", np.float64),  # how many of them may open or add to a position; the others only close one
        ("live_ns", np.int64),
        ("order", np.int32),  # -1 = none
        ("last_denial", np.int32),  # row of the last denial of this side's quotes; -1 = none
    ],
    align=True,
)

# ---- the kernel's view of its inputs (addresses as int64; see engine/memory.py) ------------------------------------
FEED: Final = np.dtype(
    [
        ("n", np.int64),
        ("ts", np.int64),
        ("open", np.int64),
        ("high", np.int64),
        ("low", np.int64),
        ("close", np.int64),
        ("volume", np.int64),
        ("action", np.int64),  # int8: of engine.signals.ACTIONS, or WEIGHT_GIVEN, or QUOTES
        ("confidence", np.int64),  # 0 where the signals have no such column
        ("limit_px", np.int64),
        ("stop_px", np.int64),
        ("weight", np.int64),
        ("bid_px", np.int64),
        ("ask_px", np.int64),
        ("quote_qty", np.int64),
        ("window", np.int64),  # int8 a bar; 0 = always open
        ("day", np.int64),  # int32 trading day a bar
        ("flags", np.int64),  # int8 session bits a bar
        ("clock", np.int64),  # int32: decision bars closed at the close of each bar; 0 = each bar is one
        ("lot", np.float64),  # 0 = fractional
        ("leg", np.int64),  # the number of its group of legs, from 1 on; 0 = none
    ],
    align=True,
)
SETTINGS: Final = np.dtype(
    [
        ("stop_loss_pct", np.float64),  # NaN = off
        ("take_profit_pct", np.float64),
        ("trailing_stop_pct", np.float64),
        ("size_value", np.float64),
        ("equal_parts", np.float64),
        ("capital_cap", np.float64),  # caps: NaN = off
        ("position_cap_pct", np.float64),
        ("symbol_cap_pct", np.float64),
        ("daily_loss_pct", np.float64),
        ("daily_loss_abs", np.float64),
        ("max_drawdown_pct", np.float64),
        ("limit_offset_pct", np.float64),
        ("stop_offset_pct", np.float64),
        ("min_confidence", np.float64),
        ("kelly_ratio", np.float64),
        ("kelly_cap_pct", np.float64),
        ("atr_multiple", np.float64),
        ("commission_rate", np.float64),
        ("commission_per_share", np.float64),
        ("commission_min", np.float64),
        ("slippage_value", np.float64),
        ("volume_cap_ratio", np.float64),  # NaN = off
        ("max_gross_pct", np.float64),  # caps of exposure: NaN = off
        ("max_net_pct", np.float64),
        ("account_gross_cap", np.float64),
        ("account_net_cap", np.float64),
        ("account_symbol_cap", np.float64),
        ("correlation_threshold", np.float64),
        ("price_collar_pct", np.float64),  # NaN = off
        ("vol_stop_atr", np.float64),  # NaN = off
        ("outside_gross", np.float64),  # what the account holds beside this portfolio, money
        ("outside_net", np.float64),
        ("max_open", np.int64),  # 0 = no limit
        ("max_holding", np.int64),  # 0 = off; of entries decided from now on
        ("timeout", np.int64),  # 0 = off
        ("kelly_min_trades", np.int64),
        ("atr_period", np.int64),
        ("max_correlated", np.int64),  # 0 = off
        ("correlation_bars", np.int64),
        ("max_rate", np.int64),  # entries in 60 seconds; 0 = off
        ("cooldown", np.int64),  # decision bars; 0 = off
        ("latency_ns", np.int64),
        ("timeframe_ns", np.int64),
        ("sizing", np.int8),
        ("size_at_fill", np.int8),
        ("order_type", np.int8),
        ("tif", np.int8),
        ("partial_fills", np.int8),
        ("this_close", np.int8),
        ("allow_short", np.int8),
        ("scale_in", np.int8),
        ("rebalance", np.int8),
        ("close_at_end", np.int8),
        ("slippage", np.int8),
        ("trailing", np.int8),  # some position may have a trailing stop
        ("timed", np.int8),  # some position may have a longest holding
        ("auctions", np.int8),  # some order may wait for a closing auction
        ("shorts", np.int8),  # some position may be short
        ("track_atr", np.int8),
        ("one_calendar", np.int8),
        ("aligned", np.int8),  # every symbol has a bar at every time
        ("guards", np.int8),  # a daily loss limit or a drawdown halt is on
        ("track_day", np.int8),  # the portfolio day matters
        ("track_equity", np.int8),  # write a row of equity at each step
        ("guarded", np.int8),  # some guard of entries beside those caps is on
        ("capped", np.int8),  # some cap of exposure is on
        ("flatten", np.int8),  # before the session ends
        ("external", np.int8),  # a broker fills: entries are paid for at their decision
        ("track_pace", np.int8),  # remember when entries were decided
        ("track_recent", np.int8),  # remember closes for correlations
        ("track_facts", np.int8),  # note what each candidate met
        ("track_repeats", np.int8),  # list the denials that are counted up
    ],
    align=True,
)
# What a candidate entry met, one record a symbol: the figures behind its gates. Money and units unless said.
FACTS: Final = np.dtype(
    [
        ("ts", np.int64),  # of the step; 0 = none yet
        ("since_exit", np.int64),
        ("of_minute", np.int64),
        ("slots", np.int64),
        ("correlated", np.int64),
        ("confidence", np.float64),  # NaN: a rebalance
        ("equity", np.float64),
        ("top_equity", np.float64),
        ("day_start_equity", np.float64),
        ("farthest", np.float64),
        ("atr", np.float64),
        ("distance", np.float64),  # to the stop, money a unit
        ("kelly_pct", np.float64),
        ("px", np.float64),
        ("asked", np.float64),
        ("qty", np.float64),
        ("held", np.float64),
        ("gross", np.float64),
        ("net", np.float64),
        ("own", np.float64),
        ("free", np.float64),
        ("fits", np.float64),  # units that cash covers
        ("lot", np.float64),
        ("side", np.int8),
        ("refusal", np.int8),  # code of the denial; -1 = none
        ("size_reason", np.int8),  # of the last cap that cut, or of a refusal by sizing; -1 = none
        ("window", np.int8),  # 1 = open
        ("blocked", np.int8),
        ("closing", np.int8),
        ("run_halted", np.int8),
        ("day_halted", np.int8),
        ("needs_slot", np.int8),
        ("has_stop", np.int8),  # a protective stop of the signal
    ],
    align=True,
)
# One record: where everything is, and how much room the result buffers have.
WORLD: Final = np.dtype(
    [
        ("settings", np.int64),
        ("book", np.int64),
        ("holdings", np.int64),
        ("feed", np.int64),
        ("times", np.int64),
        ("held", np.int64),  # int32 lists of symbols in name order; lengths in BOOK
        ("entries", np.int64),
        ("exits", np.int64),
        ("quoted", np.int64),
        ("quotes", np.int64),  # QUOTE: bid and ask of each symbol
        ("ranked", np.int64),  # int32 scratch of n_symbols each
        ("walk", np.int64),
        ("sides", np.int64),  # int32 scratch: the side of each candidate entry, 0 = none
        ("denied_before", np.int64),  # int32 scratch: the last denial of each leg before its group was decided
        ("wanted", np.int64),  # float64 scratch: the units that a rebalance wants of it, 0 = sized like any entry
        ("signalled", np.int64),  # int32: of each step that was looked up, the symbols that have a signal
        ("signal_counts", np.int64),  # int32: and how many they are
        ("recent_ts", np.int64),  # int64, float64: rings of `recent_room` closes a symbol
        ("recent_px", np.int64),
        ("pace", np.int64),  # int64: how many entries were ever decided, then a ring of their times
        ("facts", np.int64),  # FACTS of each symbol; 0 = none
        ("repeats", np.int64),  # int32: denials that were counted up since the caller last set n_repeats to 0
        ("orders", np.int64),
        ("fills", np.int64),
        ("trips", np.int64),
        ("denials", np.int64),
        ("equity", np.int64),
        ("daily", np.int64),
        ("room_orders", np.int64),
        ("room_fills", np.int64),
        ("room_trips", np.int64),
        ("room_denials", np.int64),
        ("room_equity", np.int64),
        ("room_daily", np.int64),
        ("n_symbols", np.int64),
        ("n_times", np.int64),
        ("recent_room", np.int64),
        ("n_repeats", np.int64),
        ("n_legs", np.int64),  # entries placed of the group of legs that is being decided; they may be taken back
    ],
    align=True,
)
