"""What the list of backtests shows, as it stands in the page's address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from backtests.models import Backtest
from strategies import catalogue

# sort key in the address → column; nothing a user sends reaches order_by
SORTS = {
    "created": "created_at",
    "name": "name",
    "return": "total_return_pct",
    "drawdown": "max_drawdown_pct",
    "sharpe": "sharpe",
    "trades": "trade_count",
}


class Selection(TypedDict):
    """What `selectors.filtered` takes, besides the user."""

    state: str
    strategy: str
    symbol: str
    search: str
    sort: str


class ListFilter:
    """state, strategy, symbol, q (words in name, strategy or symbols) and sort; unknown values are left out."""

    def __init__(self, query: Mapping[str, str]) -> None:
        state, strategy = query.get("state", ""), query.get("strategy", "")
        self.state = state if state in Backtest.State.values else ""
        self.strategy = strategy if strategy in {item.slug for item in catalogue.all()} else ""
        self.symbol = query.get("symbol", "").strip().upper()[:24]
        self.q = query.get("q", "").strip().replace("\x00", "")[:60]
        sort = query.get("sort", "")
        self.sort = sort if sort.removeprefix("-") in SORTS else "-created"

    @property
    def is_set(self) -> bool:
        return bool(self.state or self.strategy or self.symbol or self.q)

    @property
    def states(self) -> list[tuple[str, str]]:
        return [(state.value, state.label) for state in Backtest.State]

    @property
    def strategies(self) -> list[tuple[str, str]]:
        return [(item.slug, item.label) for item in catalogue.all()]

    def selection(self) -> Selection:
        """It as the arguments of `selectors.filtered`."""
        sign = "-" if self.sort.startswith("-") else ""
        return {
            "state": self.state,
            "strategy": self.strategy,
            "symbol": self.symbol,
            "search": self.q,
            "sort": sign + SORTS[self.sort.removeprefix("-")],
        }
