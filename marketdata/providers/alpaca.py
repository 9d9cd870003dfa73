"""Alpaca's historical bars, splits and dividends, by its own client library. Stocks of the chosen feed, and coins
(written BTC-USD here).

Bars of minutes come with those before and after the exchange's hours, which are left out; bars of an hour are aligned
to the clock there and mix both, so hours are made of minutes here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from typing import Any

from marketdata.adjust import Action
from marketdata.budget import Purpose
from marketdata.columns import SECOND, BarColumns
from marketdata.providers.bars import SessionsOf, days_from_hours, days_of, in_regular_hours, of_rows, relabelled
from marketdata.providers.base import Capabilities, Listing, Provider, ProviderError
from marketdata.providers.events import one_a_day
from marketdata.providers.http import CONNECT_S, READ_S, refuse_status
from marketdata.providers.meter import Meter
from marketdata.symbols import is_made
from marketdata.zones import from_ns

NAME = "Alpaca"
_FIRST_DAY = date(1970, 1, 1)


class AlpacaProvider(Provider):
    """base_url: of the data service. key, secret: empty where there are none; coins need none. feed: iex, or sip with
    a paid plan."""

    source = "alpaca"
    capabilities = Capabilities(timeframes=("1m", "5m", "15m", "1d"), network=True, corporate_actions=True)

    def __init__(
        self,
        base_url: str,
        key: str,
        secret: str,
        sessions_of: SessionsOf,
        *,
        feed: str = "iex",
        purpose: Purpose = "history",
    ) -> None:
        self._base_url, self._key, self._secret, self._feed = base_url.rstrip("/"), key, secret, feed
        self._sessions_of = sessions_of
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
        is_coin = _is_coin(symbol)
        if not is_coin:
            self._check_keys()
        if is_coin and timeframe == "1d":  # its days of coins do not begin at midnight UTC: they are made of hours
            bars = days_from_hours(of_rows(NAME, self._ask(symbol, "1h", start_ns, end_ns, is_coin=True)))
        else:
            bars = of_rows(NAME, self._ask(symbol, timeframe, start_ns, end_ns, is_coin=is_coin))
            if timeframe == "1d":
                bars = relabelled(bars, days_of(bars.ts))
            elif not is_coin and not is_made(symbol):  # the practice venue's trade round the clock
                bars = in_regular_hours(bars, self._sessions_of)
        return bars.between(start_ns, end_ns)

    def _ask(
        self, symbol: str, timeframe: str, start_ns: int, end_ns: int, *, is_coin: bool
    ) -> list[tuple[int, float, float, float, float, float]]:
        from alpaca.data.enums import Adjustment, DataFeed
        from alpaca.data.historical import CryptoHistoricalDataClient, StockHistoricalDataClient
        from alpaca.data.requests import CryptoBarsRequest, StockBarsRequest

        name = symbol.replace("-", "/") if is_coin else symbol
        # The far end counts there; a day of stocks begins hours after the label that it has here.
        span = {"start": from_ns(start_ns), "end": from_ns(end_ns - 1)}
        asked: dict[str, Any] = {"symbol_or_symbols": [name], "timeframe": _timeframe(timeframe), **span}
        client: Any
        if is_coin:
            client = CryptoHistoricalDataClient(url_override=self._base_url)
        else:
            client = StockHistoricalDataClient(self._key, self._secret, url_override=self._base_url)
        self._tame(client)
        if is_coin:
            told = _asked(symbol, lambda: client.get_crypto_bars(CryptoBarsRequest(**asked)))
        else:
            raw = StockBarsRequest(**asked, adjustment=Adjustment.RAW, feed=DataFeed(self._feed))
            told = _asked(symbol, lambda: client.get_stock_bars(raw))
        return [
            (int(bar.timestamp.timestamp()) * SECOND, bar.open, bar.high, bar.low, bar.close, bar.volume)
            for bar in told.data.get(name, [])
        ]

    def actions(self, symbol: str) -> Sequence[Action]:
        """Splits (of stock dividends, too) and cash dividends; coins have none."""
        from alpaca.data.enums import CorporateActionsType as Kind
        from alpaca.data.historical.corporate_actions import CorporateActionsClient
        from alpaca.data.requests import CorporateActionsRequest

        if _is_coin(symbol):
            return ()
        self._check_keys()
        # Raw, because the library refuses whole answers for want of fields that nobody needs here.
        client = CorporateActionsClient(self._key, self._secret, url_override=self._base_url, raw_data=True)
        self._tame(client)
        kinds = [Kind.FORWARD_SPLIT, Kind.REVERSE_SPLIT, Kind.STOCK_DIVIDEND, Kind.CASH_DIVIDEND]
        asked = CorporateActionsRequest(symbols=[symbol], types=kinds, start=_FIRST_DAY, limit=None)
        told = _asked(symbol, lambda: client.get_corporate_actions(asked))
        try:
            splits = [row for name in ("forward_splits", "reverse_splits") for row in told.get(name, [])]
            found = [Action(_ex_date(row), split=float(row["new_rate"]) / float(row["old_rate"])) for row in splits]
            found += [Action(_ex_date(row), split=1.0 + float(row["rate"])) for row in told.get("stock_dividends", [])]
            found += [Action(_ex_date(row), dividend=float(row["rate"])) for row in told.get("cash_dividends", [])]
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            raise ProviderError(f"Alpaca's answer for {symbol} was not understood", retryable=True) from error
        return one_a_day(found)

    def _check_keys(self) -> None:
        if not (self._key and self._secret):
            raise ProviderError("Alpaca's prices of stocks need ALPACA_API_KEY and ALPACA_API_SECRET", retryable=False)

    def _tame(self, client: Any) -> None:
        """The library sets no time limit of its own, so that a silent server would hold the worker for ever; it asks
        again by itself, and counts nothing."""
        client._retry = 0
        client._session.request = self._meter.wrap(partial(client._session.request, timeout=(CONNECT_S, READ_S)))


def _ex_date(row: dict[str, Any]) -> date:
    return date.fromisoformat(row["ex_date"])


def _is_coin(symbol: str) -> bool:
    return "-" in symbol and not is_made(symbol)


def _asked(symbol: str, ask: Callable[[], Any]) -> Any:
    """What the library answers. Raises ProviderError."""
    import requests
    from alpaca.common.exceptions import APIError

    try:
        return ask()
    except APIError as error:
        refuse_status(NAME, error.status_code or 500, symbol)
        raise ProviderError(f"Alpaca refused {symbol}", retryable=False) from error
    except (requests.RequestException, ValueError) as error:  # ValueError: an answer that is no JSON
        raise ProviderError(f"Alpaca cannot be reached ({type(error).__name__})", retryable=True) from error


def _timeframe(name: str) -> Any:
    from alpaca.data.timeframe import TimeFrame, TimeFrameUnit

    units = {"m": TimeFrameUnit.Minute, "h": TimeFrameUnit.Hour, "d": TimeFrameUnit.Day}
    return TimeFrame(int(name[:-1]), units[name[-1]])
