"""What the list of backtests shows, as it stands in the page's address."""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import F, Q, QuerySet

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

    def apply(self, backtests: QuerySet[Backtest]) -> QuerySet[Backtest]:
        """The backtests that pass, sorted; those without the figure sorted by come last."""
        if self.state:
            backtests = backtests.filter(state=self.state)
        if self.strategy:
            backtests = backtests.filter(strategy=self.strategy)
        if self.symbol and '"' not in self.symbol and "\\" not in self.symbol:
            # A JSON list of symbols as text: the quotes make it the whole symbol, on SQLite and PostgreSQL alike.
            backtests = backtests.filter(symbols__icontains=f'"{self.symbol}"')
        for word in self.q.split():
            backtests = backtests.filter(
                Q(name__icontains=word) | Q(strategy_label__icontains=word) | Q(symbols__icontains=word)
            )
        column = F(SORTS[self.sort.removeprefix("-")])
        order = column.desc(nulls_last=True) if self.sort.startswith("-") else column.asc(nulls_last=True)
        return backtests.order_by(order, "-created_at", "-id")
