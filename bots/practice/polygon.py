"""Polygon's aggregates by REST, in pages that lead on by `next_url`. Any account's key reads."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Mapping
from typing import Any

from bots.mapping import nanoseconds
from bots.practice.exchange import Exchange
from bots.practice.hours import NEW_YORK
from bots.practice.market import Market
from bots.practice.web import Answer, Request, Routes
from engine.types import TIMEFRAMES
from marketdata.columns import DAY

MILLISECOND = 1_000_000
UNITS = {"second": "s", "minute": "m", "hour": "h", "day": "d"}
DEFAULT_LIMIT, MOST = 5_000, 50_000


class Aggregates:
    """The route, over one market. Days begin at midnight in New York, as the vendor's do."""

    def __init__(self, exchange: Exchange, market: Market) -> None:
        self.exchange, self.market = exchange, market

    def add_to(self, routes: Routes) -> None:
        routes.add("GET", "/v2/aggs/ticker/{ticker}/range/{count}/{unit}/{first}/{last}", self.range)

    def range(self, request: Request) -> Answer:
        if not self._may_read(request):
            return _fault(401, "ERROR", error="Unknown API Key")
        parts = request.parts
        timeframe = f"{parts['count']}{UNITS.get(parts['unit'], '?')}"
        if timeframe not in TIMEFRAMES:
            return _fault(400, "ERROR", error="Could not parse the range")
        try:
            first, last = _moment(parts["first"]), _moment(parts["last"], ends=True)
            limit = min(int(request.query.get("limit", DEFAULT_LIMIT)), MOST)
        except ValueError:
            return _fault(400, "ERROR", error="Could not parse 'from' or 'to'")
        if parts["ticker"] not in self.exchange.instruments:
            return Answer.of({**_head(parts), "status": "OK", "queryCount": 0, "resultsCount": 0})
        rows = self._rows(parts["ticker"], timeframe, first, last)
        body = {**_head(parts), "status": "OK", "queryCount": len(rows[:limit]), "resultsCount": len(rows[:limit])}
        if rows:  # absent when there are none
            body["results"] = rows[:limit]
        if len(rows) > limit:
            host = request.headers.get("host", "127.0.0.1")
            rest = f"{parts['count']}/{parts['unit']}/{rows[limit]['t']}/{last // MILLISECOND}"
            body["next_url"] = f"http://{host}/v2/aggs/ticker/{parts['ticker']}/range/{rest}?limit={limit}&sort=asc"
        return Answer.of(body)

    def _rows(self, symbol: str, timeframe: str, first: int, last: int) -> list[dict[str, Any]]:
        now = nanoseconds(self.exchange.now())
        end = min(last + 1, now - TIMEFRAMES[timeframe] + 1)
        begin, shift = first, 0
        if timeframe == "1d":  # made of UTC days here, told as New York's
            begin = first // DAY * DAY
        bars = self.market.bars(symbol, timeframe, begin, end + TIMEFRAMES[timeframe] - 1)
        rows = []
        for ts, *values in zip(bars.ts.tolist(), *(column.tolist() for column in bars.arrays()), strict=True):
            if timeframe == "1d":
                day = datetime.datetime.fromtimestamp(ts // 1_000_000_000, datetime.UTC).date()
                shift = nanoseconds(datetime.datetime.combine(day, datetime.time(), tzinfo=NEW_YORK)) - ts
            if not first <= ts + shift < end:
                continue
            o, h, low, c, v = values
            rows.append(
                {"v": v, "vw": round((h + low + c) / 3, 4), "o": o, "c": c, "h": h, "l": low,
                 "t": (ts + shift) // MILLISECOND, "n": 1}
            )  # fmt: skip
        return rows

    def _may_read(self, request: Request) -> bool:
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        return (request.query.get("apiKey") or bearer) in self.exchange.accounts


def _head(parts: Mapping[str, str]) -> dict[str, Any]:
    return {"ticker": parts["ticker"], "adjusted": False, "request_id": uuid.uuid4().hex, "count": 1}


def _fault(code: int, status: str, **words: str) -> Answer:
    return Answer.of({"status": status, "request_id": uuid.uuid4().hex, **words}, code)


def _moment(text: str, *, ends: bool = False) -> int:
    """ns UTC of epoch milliseconds, or of a day in New York (its first instant; with `ends` its last)."""
    if text.isdigit():
        return int(text) * MILLISECOND
    day = datetime.date.fromisoformat(text) + datetime.timedelta(days=1 if ends else 0)
    return nanoseconds(datetime.datetime.combine(day, datetime.time(), tzinfo=NEW_YORK)) - (1 if ends else 0)
