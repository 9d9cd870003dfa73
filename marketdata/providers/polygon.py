"""Polygon's (Massive's) aggregates, by the client library of that name. Raw prices: adjusted=false.

Minutes come with those before and after the exchange's hours, which are left out; hours are made of minutes here.
"""

from __future__ import annotations

from collections.abc import Sequence

from marketdata.columns import BarColumns
from marketdata.providers.bars import SessionsOf, days_of, in_regular_hours, of_rows, relabelled
from marketdata.providers.base import Capabilities, Listing, Provider, ProviderError
from marketdata.providers.http import CONNECT_S, READ_S
from marketdata.symbols import is_made

NAME = "Polygon"
MILLISECOND = 1_000_000
PAGE = 50_000


class PolygonProvider(Provider):
    """base_url: of the REST service. key: empty where there is none."""

    source = "polygon"
    capabilities = Capabilities(timeframes=("1m", "5m", "15m", "1d"), network=True)

    def __init__(self, base_url: str, key: str, sessions_of: SessionsOf) -> None:
        self._base_url, self._key, self._sessions_of = base_url.rstrip("/"), key, sessions_of

    def instruments(self) -> Sequence[Listing]:
        return []

    def history(self, symbol: str, timeframe: str, start_ns: int, end_ns: int) -> BarColumns:
        self.check_timeframe(timeframe)
        if start_ns >= end_ns:
            return BarColumns.empty()
        if not self._key:
            raise ProviderError("Polygon's prices need POLYGON_API_KEY", retryable=False)
        bars = of_rows(NAME, self._ask(symbol, timeframe, start_ns, end_ns))
        if timeframe == "1d":
            bars = relabelled(bars, days_of(bars.ts)) if len(bars) else bars
        elif not is_made(symbol):  # the practice venue's trade round the clock
            bars = in_regular_hours(bars, self._sessions_of)
        return bars.between(start_ns, end_ns)

    def _ask(
        self, symbol: str, timeframe: str, start_ns: int, end_ns: int
    ) -> list[tuple[int, float, float, float, float, float]]:
        import urllib3
        from polygon import RESTClient
        from polygon.exceptions import BadResponse

        client = RESTClient(self._key, base=self._base_url, retries=0)
        # The library takes time limits and does not use them: a silent server would hold the worker for ever.
        client.client.connection_pool_kw["timeout"] = urllib3.Timeout(connect=CONNECT_S, read=READ_S)
        count, unit = (1, "day") if timeframe == "1d" else (int(timeframe[:-1]), "minute")
        # Both ends count there. A day begins at midnight in New York, up to a day after the label that it has here.
        first, last = start_ns // MILLISECOND, (end_ns - 1) // MILLISECOND
        try:
            rows = list(client.list_aggs(symbol, count, unit, first, last, adjusted=False, sort="asc", limit=PAGE))
        except BadResponse as error:
            raise _told(str(error), symbol) from error
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            if "429" in str(getattr(error, "reason", "")):
                raise ProviderError("Polygon refuses more requests for now", retryable=True) from error
            raise ProviderError(f"Polygon cannot be reached ({type(error).__name__})", retryable=True) from error
        return [
            (row.timestamp * MILLISECOND, row.open, row.high, row.low, row.close, row.volume or 0.0) for row in rows
        ]


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
