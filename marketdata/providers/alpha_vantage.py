"""Alpha Vantage's daily bars, and with a paid plan splits and dividends: a backup with a small budget
(25 requests a day without a plan).

It answers with status 200 whatever happened; what lacks the prices is a refusal, and its words say which.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from marketdata.adjust import Action
from marketdata.budget import Purpose
from marketdata.columns import DAY, BarColumns
from marketdata.providers.bars import of_rows
from marketdata.providers.base import Capabilities, Listing, Provider, ProviderError, Unavailable
from marketdata.providers.events import one_a_day
from marketdata.providers.http import get_json
from marketdata.providers.meter import Meter

NAME = "Alpha Vantage"
PAUSE_S = 60.0  # after a refusal, which does not say for how long
_SERIES = "Time Series (Daily)"
_EPOCH = date(1970, 1, 1)


class AlphaVantageProvider(Provider):
    """base_url: of the service. key: empty where there is none."""

    source = "alpha_vantage"
    capabilities = Capabilities(timeframes=("1d",), network=True, corporate_actions=True)

    def __init__(self, base_url: str, key: str, *, purpose: Purpose = "history") -> None:
        self._base_url, self._key = base_url.rstrip("/"), key
        self._meter = Meter(self.source, NAME, self._base_url, key, purpose)

    @property
    def budget_scope(self) -> str:
        return self._meter.scope

    def instruments(self) -> Sequence[Listing]:
        return []

    def history(self, symbol: str, timeframe: str, start_ns: int, end_ns: int) -> BarColumns:
        self.check_timeframe(timeframe)
        days = self._ask("TIME_SERIES_DAILY", symbol)
        try:
            rows = [_row(day, values) for day, values in days.items()]
        except (KeyError, TypeError, ValueError) as error:
            raise ProviderError(f"Alpha Vantage's answer for {symbol} was not understood", retryable=True) from error
        return of_rows(NAME, rows).between(start_ns, end_ns)

    def actions(self, symbol: str) -> Sequence[Action]:
        """From the columns of the adjusted series, which is part of paid plans only: Unavailable without one."""
        days = self._ask("TIME_SERIES_DAILY_ADJUSTED", symbol)
        found = []
        try:
            for day, values in days.items():
                found.append(Action(date.fromisoformat(day), split=float(values["8. split coefficient"])))
                found.append(Action(date.fromisoformat(day), dividend=float(values["7. dividend amount"])))
        except (KeyError, TypeError, ValueError) as error:
            raise ProviderError(f"Alpha Vantage's answer for {symbol} was not understood", retryable=True) from error
        return one_a_day(found)

    def _ask(self, function: str, symbol: str) -> dict[str, dict[str, str]]:
        """Values by day. Raises ProviderError."""
        if not self._key:
            raise ProviderError("Alpha Vantage's prices need ALPHA_VANTAGE_API_KEY", retryable=False)
        asked = {"function": function, "symbol": symbol, "outputsize": "full", "datatype": "json", "apikey": self._key}
        body = get_json(self._meter, f"{self._base_url}/query", asked, what=symbol)
        if isinstance(body, dict) and isinstance(body.get(_SERIES), dict):
            days: dict[str, dict[str, str]] = body[_SERIES]
            return days
        refusal = _refusal(body, symbol)
        if refusal.retryable and "more requests" in refusal.message:
            self._meter.wait(PAUSE_S)
        raise refusal


def _row(day: str, values: dict[str, str]) -> tuple[int, float, float, float, float, float]:
    ts = (date.fromisoformat(day) - _EPOCH).days * DAY
    opened, high, low, close, volume = (
        float(values[name]) for name in ("1. open", "2. high", "3. low", "4. close", "5. volume")
    )
    return ts, opened, high, low, close, volume


def _refusal(body: Any, symbol: str) -> ProviderError:
    if isinstance(body, dict) and "Error Message" in body:
        return ProviderError(f"Alpha Vantage knows no {symbol}", retryable=False)
    said = str(body.get("Information") or body.get("Note") or "") if isinstance(body, dict) else ""
    if "premium endpoint" in said:
        return Unavailable(f"Alpha Vantage's plan does not include this of {symbol}")
    if said:
        return ProviderError("Alpha Vantage refuses more requests for now", retryable=True)
    return ProviderError(f"Alpha Vantage's answer for {symbol} was not understood", retryable=True)
