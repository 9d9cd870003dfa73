"""Binance's public market data by REST: klines, prices, the list of pairs, the time."""

from __future__ import annotations

import json
from typing import Any

from bots.mapping import nanoseconds
from bots.practice.binance import shapes
from bots.practice.binance.listing import ApiError, Listing, Pair
from bots.practice.exchange import Exchange
from bots.practice.market import Market
from bots.practice.web import Answer, Handler, Request, Routes
from engine.types import TIMEFRAMES

MILLISECOND = 1_000_000
DEFAULT_LIMIT, MOST = 500, 1_000


class Spot:
    """The routes, over one market. A pair is written BTCUSDT here and BTC/USDT in the exchange."""

    def __init__(self, exchange: Exchange, market: Market, listing: Listing) -> None:
        self.exchange, self.market, self.listing = exchange, market, listing

    def add_to(self, routes: Routes) -> None:
        routes.add("GET", "/api/v3/ping", lambda request: Answer.of({}))
        routes.add("GET", "/api/v3/time", lambda request: Answer.of({"serverTime": self._now() // MILLISECOND}))
        for name, handler in (
            ("exchangeInfo", self.info),
            ("klines", self.klines),
            ("ticker/price", self.prices),
            ("avgPrice", self.average),
        ):
            routes.add("GET", f"/api/v3/{name}", _guarded(handler))

    def info(self, request: Request) -> Answer:
        pairs = [self.listing.info(pair) for pair in self._asked_for(request)]
        limits = [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6_000}]
        now_ms = self._now() // MILLISECOND
        return Answer.of(
            {"timezone": "UTC", "serverTime": now_ms, "rateLimits": limits, "exchangeFilters": [], "symbols": pairs}
        )

    def prices(self, request: Request) -> Answer:
        """Last trades: one of `symbol`, a list of `symbols` or of all."""
        pairs = self._asked_for(request)
        rows = [{"symbol": p.name, "price": shapes.digits(self.exchange.quotes[p.symbol].last)} for p in pairs]
        return Answer.of(rows[0] if request.query.get("symbol") else rows)

    def average(self, request: Request) -> Answer:
        """There is no average here: the last price stands for it."""
        pair = self.listing.pair(request.query.get("symbol", ""))
        px = shapes.digits(self.exchange.quotes[pair.symbol].last)
        return Answer.of({"mins": 5, "price": px, "closeTime": self._now() // MILLISECOND})

    def klines(self, request: Request) -> Answer:
        """Rows from startTime on; without it the newest. The last one is the bar that goes on."""
        symbol = self.listing.pair(request.query.get("symbol", "")).symbol
        timeframe = request.query.get("interval", "")
        if timeframe not in TIMEFRAMES:
            return Answer.of({"code": -1120, "msg": "Invalid interval."}, 400)
        try:
            limit = min(int(request.query.get("limit", DEFAULT_LIMIT)), MOST)
            last = int(request.query.get("endTime", self._now() // MILLISECOND)) * MILLISECOND
            first = int(request.query.get("startTime", 0)) * MILLISECOND
        except ValueError:
            return Answer.of({"code": -1100, "msg": "Illegal characters found in a parameter."}, 400)
        step = TIMEFRAMES[timeframe]
        last = min(last, self._now())
        begin = max(first, last - limit * step) if not first else -(-first // step) * step
        end = min(last // step * step + step, begin + limit * step)
        bars = self.market.bars(symbol, timeframe, begin, end)
        rows = [
            _row(ts, step, values)
            for ts, *values in zip(bars.ts.tolist(), *(column.tolist() for column in bars.arrays()), strict=True)
            if ts <= last
        ]
        return Answer.of(rows)

    def _asked_for(self, request: Request) -> list[Pair]:
        """The pairs that `symbol` or `symbols` (JSON) names; else all that have a price. Raises ApiError."""
        if name := request.query.get("symbol"):
            return [self.listing.pair(name)]
        if (names := request.query.get("symbols")) is None:
            return [pair for pair in self.listing.pairs.values() if pair.symbol in self.exchange.quotes]
        try:
            return [self.listing.pair(str(name)) for name in json.loads(names)]
        except (ValueError, TypeError):
            raise ApiError(-1100, "Illegal characters found in parameter 'symbols'.") from None

    def _now(self) -> int:
        return nanoseconds(self.exchange.now())


def _guarded(handler: Handler) -> Handler:
    def answer(request: Request) -> Answer:
        try:
            return handler(request)
        except ApiError as error:
            return error.answer()

    return answer


def _row(ts: int, step: int, values: list[float]) -> list[Any]:
    o, h, low, c, volume = values
    texts = [f"{value:.8f}" for value in (o, h, low, c, volume)]
    quote = f"{volume * (h + low + c) / 3:.8f}"
    return [ts // MILLISECOND, *texts, (ts + step) // MILLISECOND - 1, quote, 1, f"{volume / 2:.8f}", quote, "0"]
