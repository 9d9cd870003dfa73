"""The table of round trips on the result page."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.http import QueryDict

from backtests import selectors
from backtests.models import Backtest
from backtests.presenters.figures import moment
from backtests.words import REASONS
from engine.errors import InputError

TRADES_PER_PAGE = 25


def trade_table(backtest: Backtest, query: QueryDict) -> dict[str, Any]:
    """One page of round trips as the address asks for it; what it asks wrongly is left out."""
    sort = query.get("sort", "")
    sort = sort if sort.removeprefix("-") in selectors.TRADE_SORTS else "entry_time"
    filters = {name: query[name] for name in selectors.TRADE_FILTERS if query.get(name)}
    text = query.get("page", "1")
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else 1
    try:
        page = selectors.round_trips(backtest, sort, filters, number, TRADES_PER_PAGE)
    except InputError:
        filters = {}
        page = selectors.round_trips(backtest, sort, filters, number, TRADES_PER_PAGE)
    told = {
        (entry["symbol"], entry["entry_time"]): {**entry, "signal_at": moment(entry["signal_time"])}
        for entry in selectors.explanations(backtest)
    }
    rows = [
        {**row, "entry_at": moment(row["entry_time"]), "exit_at": moment(row["exit_time"]),
         "why": REASONS.get(row["exit_reason"], row["exit_reason"]),
         "entered": told.get((row["symbol"], row["entry_time"]))}
        for row in page.rows
    ]  # fmt: skip
    kept = query.copy()
    for name in ("page", "range", "price_range"):
        kept.pop(name, None)
    return {
        "page": page,
        "pager": Paginator(range(page.total), TRADES_PER_PAGE).page(page.page),
        "rows": rows,
        "sort": sort,
        "filters": filters,
        "reasons": list(REASONS.items()),
        "daily": backtest.timeframe == "1d",
        "explained": bool(told),
        "csv_query": kept.urlencode() if filters or sort != "entry_time" else "",
    }
