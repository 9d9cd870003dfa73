"""Reads of market data. Cheap in a web process: rows, JSON and NumPy; bars only where a chart asks for them."""

from marketdata.selectors.bars import (
    BarsPage,
    actions_of,
    bar_store,
    bars_page,
    chart,
    some_bars,
    stored_bars,
)
from marketdata.selectors.calendars import (
    CALENDAR_GOOD_FOR,
    Confirmed,
    MarketStatus,
    calendar_confirmed,
    market_status,
    sessions_between,
)
from marketdata.selectors.instruments import (
    coverage,
    coverage_of,
    data_import,
    imports,
    instrument,
    instrument_by_id,
    instruments,
    kept_bars,
    own_imports,
    visible_instruments,
    waiting_imports,
)
from marketdata.selectors.watchlist import (
    watched,
    watched_symbols,
)

__all__ = [
    "CALENDAR_GOOD_FOR",
    "BarsPage",
    "Confirmed",
    "MarketStatus",
    "actions_of",
    "bar_store",
    "bars_page",
    "calendar_confirmed",
    "chart",
    "coverage",
    "coverage_of",
    "data_import",
    "imports",
    "instrument",
    "instrument_by_id",
    "instruments",
    "kept_bars",
    "market_status",
    "own_imports",
    "sessions_between",
    "some_bars",
    "stored_bars",
    "visible_instruments",
    "waiting_imports",
    "watched",
    "watched_symbols",
]
