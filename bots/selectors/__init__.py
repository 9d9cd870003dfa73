"""Reads: one user's bots and sessions, what they did, and figures over them.

Every function takes the user and sees only what that user owns, or a row that such a function gave; anything else is
`NotFound`, the same as if it did not exist. Pages and API read through here and nowhere else.
"""

from bots.selectors.curves import days, session_equity, user_pnl
from bots.selectors.exposure import correlation, exposure, limits
from bots.selectors.figures import PERIODS, by_bot, by_symbol, performance, portfolio, since_of, summary, totals
from bots.selectors.ledger import (
    POSITION_SORTS,
    TRADE_SORTS,
    closing,
    decisions,
    order,
    orders,
    outcome_counts,
    position,
    position_summary,
    positions,
    trade,
    trade_statistics,
    trades,
)
from bots.selectors.secrets import bot_secrets, own_chat, secrets_of
from bots.selectors.sessions import (
    SESSION_SORTS,
    active_count,
    active_ids,
    active_of_bot,
    active_session,
    bot,
    bots,
    drawdown_pct,
    events,
    parity_report,
    session,
    sessions,
    settings_history,
    with_top,
)

__all__ = [
    "PERIODS",
    "POSITION_SORTS",
    "SESSION_SORTS",
    "TRADE_SORTS",
    "active_count",
    "active_ids",
    "active_of_bot",
    "active_session",
    "bot",
    "bot_secrets",
    "bots",
    "by_bot",
    "by_symbol",
    "closing",
    "correlation",
    "days",
    "decisions",
    "drawdown_pct",
    "events",
    "exposure",
    "limits",
    "order",
    "orders",
    "outcome_counts",
    "own_chat",
    "parity_report",
    "performance",
    "portfolio",
    "position",
    "position_summary",
    "positions",
    "secrets_of",
    "session",
    "session_equity",
    "sessions",
    "settings_history",
    "since_of",
    "summary",
    "totals",
    "trade",
    "trade_statistics",
    "trades",
    "user_pnl",
    "with_top",
]
