"""Binance's klines: public, without a key. Prices of pairs such as BTCUSDT, which trade round the clock."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime

from marketdata.budget import Purpose
from marketdata.columns import TIMEFRAME_NS, BarColumns
from marketdata.providers.bars import of_rows
from marketdata.providers.base import Capabilities, Listing, Provider, ProviderError
from marketdata.providers.http import get_json
from marketdata.providers.meter import Meter

NAME = "Binance"
MILLISECOND = 1_000_000
PAGE = 1_000
WEIGHT, INFO_WEIGHT = 2, 20  # what requests of klines and of the pairs' rules count for
TRADING = "TRADING"
_INTERVALS = {"1s": "1s", "1m": "1m", "5m": "5m", "15m": "15m", "1h": "1h", "4h": "4h", "1d": "1d"}
_PAIR = re.compile(r"[A-Z0-9]{5,20}")


class BinanceProvider(Provider):
    """base_url: of the REST service. now: the clock, so that tests can hold it."""

    source = "binance"
    capabilities = Capabilities(timeframes=tuple(_INTERVALS), unstored=("1s",), network=True)

    def __init__(
        self,
        base_url: str,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        purpose: Purpose = "history",
    ) -> None:
        self._base_url, self._now = base_url.rstrip("/"), now
        self._meter = Meter(self.source, NAME, self._base_url, "", purpose)

    @property
    def budget_scope(self) -> str:
        return self._meter.scope

    def instruments(self) -> Sequence[Listing]:
        return []

    def history(self, symbol: str, timeframe: str, start_ns: int, end_ns: int) -> BarColumns:
        """The last row of an answer is the bar that goes on; bars that have not ended are left out."""
        self.check_timeframe(timeframe)
        if not _PAIR.fullmatch(symbol):
            raise ProviderError(f"{symbol!r} is not a pair Binance could know, such as BTCUSDT", retryable=False)
        end_ns = min(end_ns, int(self._now().timestamp()) * 1_000 * MILLISECOND - TIMEFRAME_NS[timeframe] + 1)
        rows: list[tuple[int, float, float, float, float, float]] = []
        at = start_ns
        while at < end_ns:
            page = self._page(symbol, timeframe, at, end_ns)
            rows += page
            if len(page) < PAGE:
                break
            at = page[-1][0] + 1
        return of_rows(NAME, rows).between(start_ns, end_ns)

    def statuses(self, pairs: Collection[str]) -> dict[str, str]:
        """Whether each of these trades now, in Binance's words (TRADING, HALT, BREAK, …). Raises ProviderError."""
        asked = {"symbols": json.dumps(sorted(pairs), separators=(",", ":"))}
        url = f"{self._base_url}/api/v3/exchangeInfo"
        body = get_json(self._meter, url, asked, what="these pairs", weight=INFO_WEIGHT)
        try:
            return {str(row["symbol"]): str(row["status"]) for row in body["symbols"]}
        except (TypeError, KeyError) as error:
            raise ProviderError("Binance's answer on what trades was not understood", retryable=True) from error

    def _page(
        self, symbol: str, timeframe: str, start_ns: int, end_ns: int
    ) -> list[tuple[int, float, float, float, float, float]]:
        asked = {
            "symbol": symbol,
            "interval": _INTERVALS[timeframe],
            "startTime": str(-(-start_ns // MILLISECOND)),
            "endTime": str((end_ns - 1) // MILLISECOND),
            "limit": str(PAGE),
        }
        try:
            body = get_json(self._meter, f"{self._base_url}/api/v3/klines", asked, what=symbol, weight=WEIGHT)
        except ProviderError as error:
            if "status 400" in error.message:  # what it answers for a pair that it does not have
                raise ProviderError(f"Binance knows no {symbol}", retryable=False) from error
            raise
        try:
            return [
                (int(row[0]) * MILLISECOND, float(row[1]), float(row[2]), float(row[3]), float(row[4]), float(row[5]))
                for row in body
            ]
        except (TypeError, ValueError, IndexError, KeyError) as error:
            raise ProviderError(f"Binance's answer for {symbol} was not understood", retryable=True) from error
