"""Codes of sessions, orders and decisions in plain words, for pages."""

from __future__ import annotations

# on which money a LIVE session trades (accounts.models.BrokerAccount.Environment): beside the word LIVE, and in full
MONEY = {
    "PRACTICE": ("PRACTICE", "Orders go to the practice venue: play money, nothing leaves this installation."),
    "PAPER": ("PAPER NETWORK", "Orders go to a broker’s paper or test network: real prices, play money."),
    "LIVE": ("REAL MONEY", "Orders are real, and so are losses."),
}
ALL_PAPER = "No session of yours trades at a broker: all money is simulated."
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
    "end": "end of the prices",
    "user": "closed by hand",
    "flatten": "closed when it was stopped",
    "watchdog": "the watchdog: it had no stop",
    "session_end": "end of the session",
    "liquidation": "liquidation",
    "quote": "a resting quote",
}
# what became of one symbol on one bar: an order, the gate that refused (engine.types.DENIAL_NAMES), or nothing to do
OUTCOMES = {
    "entry_order": "Entry order placed",
    "exit_order": "Exit order placed",
    "no_signal": "No signal",
    "warming_up": "Too little history yet",
    "holding": "Already held",
    "order_working": "An order works already",
    "nothing_to_sell": "Nothing to sell",
    "nothing_to_close": "Nothing to close",
    "quoting": "Its quotes rest",
    "matching": "Orders are matched only",
    "low_confidence": "Not sure enough",
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
    "degraded_feed": "The feed is disturbed",
    "stale_data": "Prices are stale",
    "unreconciled": "Ledger and venue not compared yet",
    "kill_switch": "Kill switch thrown",
    "session_end": "The session ends",
    "no_tradable_hours": "No tradable hours",
    "gross_cap": "Account’s gross limit reached",
    "net_cap": "Account’s net limit reached",
    "account_cap": "Account’s limit for the symbol reached",
    "correlated": "Too much alike with what is held",
    "order_rate": "Too many orders in a short time",
    "price_collar": "Price too far from the last one",
    "cooldown": "Resting after the last exit",
    "leg_refused": "Another leg was refused",
    "not_sent": "Refused before it was sent",
    "rejected_before": "Waits after a rejection",
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
FEEDS = {
    "synthetic": "Synthetic", "replay": "Replay", "alpaca": "Alpaca", "polygon": "Polygon", "binance": "Binance",
}  # fmt: skip
STOP_REASONS = {
    "user": "You stopped it",
    "scheduled_end": "Its scheduled end came",
    "feed_ended": "Its feed ended",
    "window_end": "Its trading window ended",
    "kill_switch": "The kill switch was thrown",
    "operator": "An operator stopped it",
}


def plain(words: dict[str, str], code: str) -> str:
    """The words for a code; the code itself, readable, where there are none."""
    return words.get(code) or code.replace("_", " ").capitalize()
