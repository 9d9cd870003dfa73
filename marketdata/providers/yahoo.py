"""Yahoo's chart endpoint: unofficial, free, delayed. Never the default.

Its prices are already divided by later splits. We ask up to now, so that every split that was divided out is in the
answer, multiply it back in, and hand out raw prices with the splits and dividends apart (amounts as paid, not
split-adjusted). Multiplying back rounds to four decimals: a raw price that was in cents comes out in cents.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from marketdata.adjust import Action
from marketdata.budget import Purpose
from marketdata.columns import DAY, SECOND, BarColumns
from marketdata.providers.base import Capabilities, Listing, Provider, ProviderError
from marketdata.providers.http import get_json
from marketdata.providers.meter import Meter
from marketdata.quality import Quote, check_bars

_INTERVALS = {"1m": "1m", "5m": "5m", "15m": "15m", "1h": "60m", "1d": "1d"}
_WINDOW = {"1m": timedelta(days=29), "5m": timedelta(days=59), "15m": timedelta(days=59), "1h": timedelta(days=729)}
_REQUEST = {"1m": timedelta(days=7)}
_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126 Safari/537.36"


@dataclass(frozen=True, slots=True)
class _Chart:
    bars: BarColumns
    actions: list[Action]
    meta: dict[str, Any]


class YahooProvider(Provider):
    """`base_url`: the host, e.g. https://query1.finance.yahoo.com. `now`: the clock, so that tests can hold it."""

    source = "yahoo"
    capabilities = Capabilities(timeframes=tuple(_INTERVALS), network=True, quotes=True, corporate_actions=True)

    def __init__(
        self,
        base_url: str,
        *,
        timeout_s: float = 10.0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        purpose: Purpose = "history",
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._meter = Meter(self.source, "Yahoo", self._base_url, "", purpose)
        self._timeout_s = timeout_s
        self._now = now

    @property
    def budget_scope(self) -> str:
        return self._meter.scope

    def instruments(self) -> Sequence[Listing]:
        return []

    def history(self, symbol: str, timeframe: str, start_ns: int, end_ns: int) -> BarColumns:
        """Raw bars. Intraday bars reach back only as far as Yahoo keeps them (1m 30 days, 5m and 15m 60, 1h 730)."""
        self.check_timeframe(timeframe)
        now = self._now()
        if start_ns >= min(end_ns, _ns(now)):
            return BarColumns.empty()
        start = datetime.fromtimestamp(start_ns // SECOND, UTC)
        if timeframe in _WINDOW:
            start = max(start, now - _WINDOW[timeframe])
        step = _REQUEST.get(timeframe)
        parts: list[BarColumns] = []
        splits: dict[date, Action] = {}
        while start < now:
            until = min(start + step, now) if step else now
            chart = self._chart(symbol, timeframe, start, until)
            parts.append(chart.bars)
            splits.update({a.ex_date: a for a in chart.actions if a.split is not None})
            start = until
        bars = BarColumns.empty()
        for part in parts:
            bars = bars.merged_with(part)
        return _unsplit(bars, list(splits.values())).between(start_ns, end_ns)

    def actions(self, symbol: str) -> Sequence[Action]:
        """Every split and dividend Yahoo knows; dividends as they were paid, before later splits."""
        chart = self._chart(symbol, "1d", datetime(1970, 1, 2, tzinfo=UTC), self._now())
        splits = [a for a in chart.actions if a.split is not None]
        found = []
        for action in chart.actions:
            if action.dividend is not None:
                scale = math.prod(s.split or 1.0 for s in splits if s.ex_date > action.ex_date)
                action = Action(action.ex_date, dividend=round(action.dividend * scale, 6))
            found.append(action)
        return sorted(found, key=lambda a: a.ex_date)

    def quote(self, symbol: str) -> Quote | None:
        """The last price of the regular market. Yahoo's chart gives no bid and ask."""
        now = self._now()
        meta = self._chart(symbol, "1d", now - timedelta(days=7), now).meta
        price, at = meta.get("regularMarketPrice"), meta.get("regularMarketTime")
        if not isinstance(price, (int, float)) or not isinstance(at, int):
            return None
        volume = meta.get("regularMarketVolume")
        return Quote(symbol, at * SECOND, float(price), volume=float(volume) if isinstance(volume, int) else None)

    def _chart(self, symbol: str, timeframe: str, start: datetime, end: datetime) -> _Chart:
        if not re.fullmatch(r"[A-Z0-9^][A-Z0-9.^=-]{0,19}", symbol):
            raise ProviderError(f"{symbol!r} is not a symbol Yahoo could know", retryable=False)
        body = get_json(
            self._meter,
            f"{self._base_url}/v8/finance/chart/{symbol}",
            {
                "interval": _INTERVALS[timeframe],
                "period1": str(math.floor(start.timestamp())),
                "period2": str(math.ceil(end.timestamp())),
                "events": "div,splits",
                "includePrePost": "false",
            },
            what=symbol,
            headers={"User-Agent": _AGENT},
            timeout_s=self._timeout_s,
        )
        try:
            return _parse(body, timeframe)
        except (KeyError, IndexError, TypeError, ValueError, ArithmeticError) as error:
            raise ProviderError(f"Yahoo's answer for {symbol} was not understood", retryable=True) from error


def _parse(body: dict[str, Any], timeframe: str) -> _Chart:
    if body["chart"].get("error"):
        raise ProviderError(
            f"Yahoo: {str(body['chart']['error'].get('description', 'unknown fault'))[:200]}", retryable=False
        )
    result = body["chart"]["result"][0]
    zone = ZoneInfo(result["meta"].get("exchangeTimezoneName") or "UTC")
    stamps = result.get("timestamp") or []
    quote = result["indicators"]["quote"][0] if stamps else {}
    columns = [
        np.array([math.nan if v is None else v for v in quote.get(f, [])], np.float64)
        for f in (
            "open",
            "high",
            "low",
            "close",
            "volume",
        )
    ]
    if any(len(c) != len(stamps) for c in columns):
        raise ValueError("columns of different length")
    ts = np.array(stamps, np.int64) * SECOND
    if timeframe == "1d":
        ts = np.array([_day_number(s, zone) for s in stamps], np.int64) * DAY
    if len(ts):
        # null marks a minute without a trade or a day that is not settled: no bar, rather than an invented one.
        whole = np.isfinite(np.array(columns)).all(axis=0)
        keep = np.flatnonzero(whole)
        _, last = np.unique(ts[keep][::-1], return_index=True)
        keep = keep[len(keep) - 1 - last]
        ts, columns = ts[keep], [c[keep] for c in columns]
    bars = BarColumns(ts, *columns)
    faults = check_bars(bars, limit=1)
    if faults:
        raise ProviderError(f"Yahoo sent an impossible bar: {faults[0].path}: {faults[0].message}", retryable=False)
    return _Chart(bars, _events(result.get("events") or {}, zone), result["meta"])


def _events(events: dict[str, Any], zone: ZoneInfo) -> list[Action]:
    epoch = date(1970, 1, 1).toordinal()
    found = []
    for event in (events.get("splits") or {}).values():
        ratio = float(event["numerator"]) / float(event["denominator"])
        found.append(Action(date.fromordinal(epoch + _day_number(event["date"], zone)), split=ratio))
    for event in (events.get("dividends") or {}).values():
        ex_date = date.fromordinal(epoch + _day_number(event["date"], zone))
        found.append(Action(ex_date, dividend=float(event["amount"])))
    return sorted(found, key=lambda a: a.ex_date)


def _unsplit(bars: BarColumns, splits: Sequence[Action]) -> BarColumns:
    factor = np.ones(len(bars))
    for split in splits:
        factor[bars.ts < split.ex_day * DAY] *= split.split or 1.0
    if (factor == 1.0).all():
        return bars
    return BarColumns(bars.ts, *(np.round(a * factor, 4) for a in bars.arrays()[:4]), np.round(bars.volume / factor))


def _day_number(stamp: int, zone: ZoneInfo) -> int:
    return datetime.fromtimestamp(stamp, zone).date().toordinal() - date(1970, 1, 1).toordinal()


def _ns(moment: datetime) -> int:
    return int(moment.timestamp()) * SECOND
