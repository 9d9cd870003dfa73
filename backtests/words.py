"""Codes of the engine and of rows in plain words, for pages."""

from __future__ import annotations

# why an order existed, and so why a position was closed (engine.types.REASON_NAMES)
REASONS = {
    "signal": "the strategy’s signal",
    "rebalance": "rebalancing",
    "stop_loss": "stop loss",
    "take_profit": "take profit",
    "trailing_stop": "trailing stop",
    "max_holding": "longest holding time",
    "daily_loss": "daily loss limit",
    "max_drawdown": "drawdown limit",
    "end": "end of the backtest",
    "user": "asked for by hand",
    "flatten": "everything was closed",
    "watchdog": "the watchdog of unprotected positions",
    "session_end": "end of the trading session",
    "liquidation": "liquidation",
    "quote": "a resting quote",
}
# why an entry was refused or made smaller (engine.types.DENIAL_NAMES)
DENIALS = {
    "low_confidence": "The signal was less sure than the least confidence asks for",
    "outside_window": "Outside the trading hours or days",
    "daily_loss_halt": "The day’s loss limit was reached",
    "drawdown_halt": "The drawdown limit was reached",
    "short_not_allowed": "It would have been a short sale, which is not allowed",
    "no_slot": "As many positions were open as are allowed",
    "no_stop": "Sizing by risk had no stop to measure from",
    "no_volatility": "Volatility was not known yet, so no size could be worked out",
    "no_edge": "Kelly sizing found no edge in the trades so far",
    "size_zero": "The size came to less than one unit",
    "capital_cap": "Cut to the capital per trade",
    "position_cap": "Cut to the largest position",
    "symbol_cap": "Cut to the largest share of one symbol",
    "no_cash": "The cash did not suffice",
    "no_equity": "No equity was left",
    "paused": "Entries were paused",
    "stopping": "The session was stopping",
    "degraded_feed": "The price feed was disturbed",
    "stale_data": "Prices were too old",
    "unreconciled": "The book did not agree with the broker’s",
    "kill_switch": "The stop button was pressed",
    "session_end": "The trading session was about to end",
    "no_tradable_hours": "The market cannot be traded at this time",
    "gross_cap": "Cut to the gross exposure",
    "net_cap": "Cut to the net exposure",
    "account_cap": "Cut to the account’s exposure",
    "correlated": "As many positions that move with it were held as are allowed",
    "order_rate": "As many entries were decided in this minute as are allowed",
    "price_collar": "The price was outside the collar",
    "cooldown": "The symbol’s last position was closed too short a time ago",
    "leg_refused": "Another leg of the same trade was refused, so this one was not placed either",
}
# what a backtest is at (Backtest.phase)
PHASES = {
    "waiting": "Waiting for a free worker",
    "loading": "Loading prices",
    "running": "Running the strategy",
    "reporting": "Putting the result together",
}
