"""Codes of sessions, orders and decisions in plain words, for pages."""

from __future__ import annotations

# why an order existed, and so why a position was closed
REASONS = {
    "signal": "the strategy’s signal",
    "rebalance": "rebalancing",
    "stop_loss": "stop loss",
    "take_profit": "take profit",
    "trailing_stop": "trailing stop",
    "max_holding": "longest holding time",
    "daily_loss": "daily loss limit",
    "max_drawdown": "drawdown limit",
    "user": "closed by hand",
    "flatten": "flattened at the stop",
    "end": "end of the session",
}
# what became of one symbol on one bar: an order's reason, the gate that refused, or one of the first three
OUTCOMES = {
    "no_signal": "No signal",
    "holding": "Holding",
    "not_deciding": "Not a bar to decide on",
    "signal": "Order placed",
    "low_confidence": "Not sure enough",
    "min_confidence": "Not sure enough",
    "outside_window": "Outside trading hours",
    "daily_loss_halt": "Day’s loss limit reached",
    "drawdown_halt": "Drawdown limit reached",
    "short_not_allowed": "Short selling not allowed",
    "no_slot": "No free position slot",
    "no_stop": "No stop to size by",
    "no_volatility": "Volatility not known yet",
    "no_edge": "Kelly found no edge",
    "size_zero": "Less than one unit",
    "capital_cap": "Cut to the capital per trade",
    "position_cap": "Cut to the largest position",
    "symbol_cap": "Cut to the largest share of one symbol",
    "no_cash": "Cash does not suffice",
    "no_equity": "No equity left",
    "paused": "Paused",
    "stopping": "Stopping",
    "feed_stale": "Prices are stale",
    "warming": "Warming up",
    "envelope": "Account-wide limit",
}
# labels of a parity report's differences
DIFFERENCES = {
    "signal": "Signal",
    "timing": "Timing",
    "price": "Price",
    "size": "Size",
    "risk_gate": "Risk gate",
    "data_revision": "Revised data",
    "manual": "Done by hand",
}
FEEDS = {"synthetic": "Synthetic", "replay": "Replay"}
STOP_REASONS = {
    "user": "You stopped it",
    "scheduled_end": "Its scheduled end came",
    "feed_ended": "Its feed ended",
    "window_end": "Its trading window ended",
    "kill_switch": "Everything was stopped",
}


def plain(words: dict[str, str], code: str) -> str:
    """The words for a code; the code itself, readable, where there are none."""
    return words.get(code) or code.replace("_", " ").capitalize()
