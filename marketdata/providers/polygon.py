"""Polygon's (Massive's) aggregates, splits and dividends, by the client library of that name. Raw prices:
adjusted=false.

Minutes come with those before and after the exchange's hours, which are left out; hours are made of minutes here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

from marketdata.adjust import Action
from marketdata.budget import Purpose
from marketdata.columns import BarColumns
from marketdata.providers.bars import SessionsOf, days_of, in_regular_hours, of_rows, relabelled
from marketdata.providers.base import Capabilities, Listing, Provider, ProviderError
from marketdata.providers.events import one_a_day
from marketdata.providers.http import CONNECT_S, READ_S
from marketdata.providers.meter import Meter
from marketdata.symbols import is_made

NAME = "Polygon"
MILLISECOND = 1_000_000
PAGE = 50_000
EVENTS_PAGE = 1_000


class PolygonProvider(Provider):
    """base_url: of the REST service. key: empty where there is none."""

    source = "polygon"
    capabilities = Capabilities(timeframes=("1m", "5m", "15m", "1d"), network=True, corporate_actions=True)

    def __init__(self, base_url: str, key: str, sessions_of: SessionsOf, *, purpose: Purpose = "history") -> None:
        self._base_url, self._key, self._sessions_of = base_url.rstrip("/"), key, sessions_of
        self._meter = Meter(self.source, NAME, self._base_url, key, purpose)

    @property
    def budget_scope(self) -> str:
        return self._meter.scope

    def instruments(self) -> Sequence[Listing]:
        return []

    def history(self, symbol: str, timeframe: str, start_ns: int, end_ns: int) -> BarColumns:
        self.check_timeframe(timeframe)
        if start_ns >= end_ns:
            return BarColumns.empty()
        bars = of_rows(NAME, self._ask(symbol, timeframe, start_ns, end_ns))
        if timeframe == "1d":
            bars = relabelled(bars, days_of(bars.ts)) if len(bars) else bars
        elif not is_made(symbol):  # the practice venue's trade round the clock
            bars = in_regular_hours(bars, self._sessions_of)
        return bars.between(start_ns, end_ns)

    def _ask(
        self, symbol: str, timeframe: str, start_ns: int, end_ns: int
    ) -> list[tuple[int, float, float, float, float, float]]:
        count, unit = (1, "day") if timeframe == "1d" else (int(timeframe[:-1]), "minute")
        # Both ends count there. A day begins at midnight in New York, up to a day after the label that it has here.
        first, last = start_ns // MILLISECOND, (end_ns - 1) // MILLISECOND
        asked = {"adjusted": False, "sort": "asc", "limit": PAGE}
        rows = self._rows(symbol, lambda client: client.list_aggs(symbol, count, unit, first, last, **asked))
        return [
            (row.timestamp * MILLISECOND, row.open, row.high, row.low, row.close, row.volume or 0.0) for row in rows
        ]

    def actions(self, symbol: str) -> Sequence[Action]:
        """Splits by execution date and cash dividends by ex-date."""
        splits = self._rows(symbol, lambda client: client.list_splits(ticker=symbol, limit=EVENTS_PAGE))
        paid = self._rows(symbol, lambda client: client.list_dividends(ticker=symbol, limit=EVENTS_PAGE))
        try:
            found = [Action(date.fromisoformat(s.execution_date), split=s.split_to / s.split_from) for s in splits]
            found += [Action(date.fromisoformat(d.ex_dividend_date), dividend=float(d.cash_amount)) for d in paid]
        except (TypeError, ValueError, ArithmeticError) as error:
            raise ProviderError(f"Polygon's answer for {symbol} was not understood", retryable=True) from error
        return one_a_day(found)

    def _rows(self, symbol: str, ask: Callable[[Any], Any]) -> list[Any]:
        """All that the library lists, over all pages. Raises ProviderError."""
        import urllib3
        from polygon import RESTClient
        from polygon.exceptions import BadResponse

        if not self._key:
            raise ProviderError("Polygon's prices need POLYGON_API_KEY", retryable=False)
        client = RESTClient(self._key, base=self._base_url, retries=0)
        # The library takes time limits and does not use them: a silent server would hold the worker for ever. Refusals
        # are to come as they are, with what their headers say.
        client.client.connection_pool_kw |= {
            "timeout": urllib3.Timeout(connect=CONNECT_S, read=READ_S),
            "retries": urllib3.Retry(0, status_forcelist=(), respect_retry_after_header=False),
        }
        client.client.request = self._meter.wrap(client.client.request)  # type: ignore[method-assign]
        try:
            return list(ask(client))
        except BadResponse as error:
            raise _told(str(error), symbol) from error
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise ProviderError(f"Polygon cannot be reached ({type(error).__name__})", retryable=True) from error


def _told(body: str, symbol: str) -> ProviderError:
    """The library keeps the answer's text and drops its status; the text's own status says what it was."""
    if "NOT_AUTHORIZED" in body or "Unknown API Key" in body:
        message = f"Polygon refuses the key, or the key's plan does not include {symbol}"
        return ProviderError(message, retryable=False)
    if "maximum requests" in body:
        return ProviderError("Polygon refuses more requests for now", retryable=True)
    if "NOT_FOUND" in body:
        return ProviderError(f"Polygon knows no {symbol}", retryable=False)
    return ProviderError("Polygon could not answer", retryable=True)
