"""Alpha Vantage's daily bars: a backup with a small budget (25 requests a day without a plan).

It answers with status 200 whatever happened; what lacks the prices is a refusal, and its words say which.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from marketdata.columns import DAY, BarColumns
from marketdata.providers.bars import of_rows
from marketdata.providers.base import Capabilities, Listing, Provider, ProviderError
from marketdata.providers.http import get_json

NAME = "Alpha Vantage"
_SERIES = "Time Series (Daily)"
_EPOCH = date(1970, 1, 1)


class AlphaVantageProvider(Provider):
    """base_url: of the service. key: empty where there is none."""

    source = "alpha_vantage"
    capabilities = Capabilities(timeframes=("1d",), network=True)

    def __init__(self, base_url: str, key: str) -> None:
        self._base_url, self._key = base_url.rstrip("/"), key

    def instruments(self) -> Sequence[Listing]:
        return []

    def history(self, symbol: str, timeframe: str, start_ns: int, end_ns: int) -> BarColumns:
        self.check_timeframe(timeframe)
        if not self._key:
            raise ProviderError("Alpha Vantage's prices need ALPHA_VANTAGE_API_KEY", retryable=False)
        asked = {
            "function": "TIME_SERIES_DAILY",
            "symbol": symbol,
            "outputsize": "full",
            "datatype": "json",
            "apikey": self._key,
        }
        body = get_json(NAME, f"{self._base_url}/query", asked, what=symbol)
        if not isinstance(body, dict) or _SERIES not in body:
            raise _refusal(body, symbol)
        try:
            rows = [_row(day, values) for day, values in body[_SERIES].items()]
        except (KeyError, TypeError, ValueError) as error:
            raise ProviderError(f"Alpha Vantage's answer for {symbol} was not understood", retryable=True) from error
        return of_rows(NAME, rows).between(start_ns, end_ns)


def _row(day: str, values: dict[str, str]) -> tuple[int, float, float, float, float, float]:
    ts = (date.fromisoformat(day) - _EPOCH).days * DAY
    opened, high, low, close, volume = (
        float(values[name]) for name in ("1. open", "2. high", "3. low", "4. close", "5. volume")
    )
    return ts, opened, high, low, close, volume


def _refusal(body: Any, symbol: str) -> ProviderError:
    if isinstance(body, dict) and "Error Message" in body:
        return ProviderError(f"Alpha Vantage knows no {symbol}", retryable=False)
    if isinstance(body, dict) and ("Information" in body or "Note" in body):
        return ProviderError(
            "Alpha Vantage refuses more requests for now, or the plan does not include this", retryable=True
        )
    return ProviderError(f"Alpha Vantage's answer for {symbol} was not understood", retryable=True)
