"""Reads: one user's backtests, their results for pages and API, and performance records.

Every function takes the user and sees only what that user owns; anything else is `NotFound`, the same as if it did not
exist. Pages and API read through here and nowhere else.
"""

from backtests.selectors.backtests import (
    MAX_COMPARED,
    TRADE_FILTERS,
    TRADE_SORTS,
    TradePage,
    active_count,
    catalogue_declarations,
    chart,
    compare,
    done_chart,
    explanations,
    export,
    filtered,
    for_user,
    get,
    price_chart,
    progress,
    result,
    round_trips,
    select_round_trips,
    spread_trades,
    submitted_today,
    summary,
)
from backtests.selectors.performance import (
    of_strategy,
    performance_analytics,
    performance_for_user,
    performance_overview,
    performance_record,
)

__all__ = [
    "MAX_COMPARED",
    "TRADE_FILTERS",
    "TRADE_SORTS",
    "TradePage",
    "active_count",
    "catalogue_declarations",
    "chart",
    "compare",
    "done_chart",
    "explanations",
    "export",
    "filtered",
    "for_user",
    "get",
    "of_strategy",
    "performance_analytics",
    "performance_for_user",
    "performance_overview",
    "performance_record",
    "price_chart",
    "progress",
    "result",
    "round_trips",
    "select_round_trips",
    "spread_trades",
    "submitted_today",
    "summary",
]
