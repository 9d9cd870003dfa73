"""Binance's public market data by REST: klines, the list of pairs, the time."""

from __future__ import annotations

from typing import Any

from bots.mapping import nanoseconds
from bots.practice.alpaca.shapes import plain
from bots.practice.exchange import Exchange
from bots.practice.market import Market
from bots.practice.orders import Instrument
from bots.practice.web import Answer, Request, Routes
from engine.types import TIMEFRAMES

MILLISECOND = 1_000_000
DEFAULT_LIMIT, MOST = 500, 1_000


class Spot:
    """The routes, over one market. A pair is written BTCUSDT here and BTC/USDT in the exchange."""

    def __init__(self, exchange: Exchange, market: Market) -> None:
        self.exchange, self.market = exchange, market

    def add_to(self, routes: Routes) -> None:
        routes.add("GET", "/api/v3/ping", lambda request: Answer.of({}))
        routes.add("GET", "/api/v3/time", lambda request: Answer.of({"serverTime": self._now() // MILLISECOND}))
        routes.add("GET", "/api/v3/exchangeInfo", self.info)
        routes.add("GET", "/api/v3/klines", self.klines)

    def info(self, request: Request) -> Answer:
        pairs = [_pair(i) for i in self.exchange.instruments.values() if i.asset_class == "crypto"]
        return Answer.of({"timezone": "UTC", "serverTime": self._now() // MILLISECOND, "symbols": pairs})

    def klines(self, request: Request) -> Answer:
        """Rows from startTime on; without it the newest. The last one is the bar that goes on."""
        found = {i.symbol.replace("/", ""): i for i in self.exchange.instruments.values() if i.asset_class == "crypto"}
        instrument = found.get(request.query.get("symbol", ""))
        if instrument is None:
            return Answer.of({"code": -1121, "msg": "Invalid symbol."}, 400)
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
        bars = self.market.bars(instrument.symbol, timeframe, begin, end)
        rows = [
            _row(ts, step, values)
            for ts, *values in zip(bars.ts.tolist(), *(column.tolist() for column in bars.arrays()), strict=True)
            if ts <= last
        ]
        return Answer.of(rows)

    def _now(self) -> int:
        return nanoseconds(self.exchange.now())


def _row(ts: int, step: int, values: list[float]) -> list[Any]:
    o, h, low, c, volume = values
    texts = [f"{value:.8f}" for value in (o, h, low, c, volume)]
    quote = f"{volume * (h + low + c) / 3:.8f}"
    return [ts // MILLISECOND, *texts, (ts + step) // MILLISECOND - 1, quote, 1, f"{volume / 2:.8f}", quote, "0"]


def _pair(instrument: Instrument) -> dict[str, Any]:
    return {
        "symbol": instrument.symbol.replace("/", ""),
        "status": "TRADING",
        "baseAsset": instrument.base,
        "quoteAsset": instrument.quote,
        "orderTypes": ["LIMIT", "MARKET"],
        "isSpotTradingAllowed": True,
        "permissionSets": [["SPOT"]],
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": plain(instrument.tick), "maxPrice": "1000000",
             "tickSize": plain(instrument.tick)},
            {"filterType": "LOT_SIZE", "minQty": plain(instrument.lot), "maxQty": "9000",
             "stepSize": plain(instrument.lot)},
            {"filterType": "NOTIONAL", "minNotional": plain(instrument.min_notional), "applyMinToMarket": True,
             "maxNotional": "9000000", "applyMaxToMarket": False, "avgPriceMins": 5},
        ],
    }  # fmt: skip
