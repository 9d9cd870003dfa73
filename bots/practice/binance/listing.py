"""The pairs of the practice venue as Binance names them, and what each takes.

Everything trades against one currency, the account's money: USDT where a coin is quoted in it, else USD. BTC/USDT is
BTCUSDT; what has no slash (a made-up stock) is a pair of its own name. Coins against another currency are not listed.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

from bots.practice.alpaca.shapes import plain
from bots.practice.exchange import Exchange
from bots.practice.orders import Instrument, Quote
from bots.practice.web import Answer

ORDER_TYPES = ("LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT")
MAX_PX, MAX_QTY, MAX_NOTIONAL = Decimal(1_000_000), Decimal(9_000), Decimal(9_000_000)
COLLAR_UP, COLLAR_DOWN = Decimal(5), Decimal("0.2")
MAX_ORDERS, MAX_STOPS = 200, 5


class ApiError(Exception):
    """An answer that is an error: {"code", "msg"} under an HTTP status."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status

    def answer(self) -> Answer:
        return Answer.of({"code": self.code, "msg": self.message}, self.status)


class Pair(NamedTuple):
    """name: Binance's. symbol: the exchange's."""

    name: str
    symbol: str
    base: str
    quote: str
    instrument: Instrument


class Listing:
    """What is listed, by Binance's name."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        quoted = {symbol.partition("/")[2] for symbol in exchange.instruments}
        self.currency = "USDT" if "USDT" in quoted else "USD"
        self.pairs: dict[str, Pair] = {}
        for symbol, instrument in exchange.instruments.items():
            base, _, quote = symbol.partition("/")
            if quote in ("", self.currency):
                self.pairs[base + quote] = Pair(base + quote, symbol, base, self.currency, instrument)
        self.by_symbol = {pair.symbol: pair for pair in self.pairs.values()}

    def pair(self, name: str) -> Pair:
        """Raises ApiError where it is not listed."""
        found = self.pairs.get(name)
        if found is None or found.symbol not in self.exchange.quotes:
            raise ApiError(-1121, "Invalid symbol.")
        return found

    def info(self, pair: Pair) -> dict[str, Any]:
        """A pair of exchangeInfo, with its filters."""
        tick, lot = plain(tick_of(pair.instrument, self.exchange.quotes.get(pair.symbol))), plain(pair.instrument.lot)
        sizes = {"minQty": lot, "maxQty": plain(MAX_QTY), "stepSize": lot}
        up, down = plain(COLLAR_UP), plain(COLLAR_DOWN)
        return {
            "symbol": pair.name,
            "status": "BREAK" if pair.symbol in self.exchange.halted else "TRADING",
            "baseAsset": pair.base,
            "baseAssetPrecision": 8,
            "quoteAsset": pair.quote,
            "quotePrecision": 8,
            "quoteAssetPrecision": 8,
            "orderTypes": list(ORDER_TYPES),
            "icebergAllowed": False,
            "ocoAllowed": True,
            "otoAllowed": False,
            "quoteOrderQtyMarketAllowed": True,
            "allowTrailingStop": False,
            "cancelReplaceAllowed": True,
            "isSpotTradingAllowed": True,
            "isMarginTradingAllowed": False,
            "permissions": [],
            "permissionSets": [["SPOT"]],
            "defaultSelfTradePreventionMode": "NONE",
            "allowedSelfTradePreventionModes": ["NONE"],
            "filters": [
                {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": plain(MAX_PX), "tickSize": tick},
                {"filterType": "LOT_SIZE", **sizes},
                {"filterType": "MARKET_LOT_SIZE", **sizes},
                {"filterType": "NOTIONAL", "minNotional": plain(pair.instrument.min_notional),
                 "applyMinToMarket": True, "maxNotional": plain(MAX_NOTIONAL), "applyMaxToMarket": False,
                 "avgPriceMins": 5},
                {"filterType": "PERCENT_PRICE_BY_SIDE", "bidMultiplierUp": up, "bidMultiplierDown": down,
                 "askMultiplierUp": up, "askMultiplierDown": down, "avgPriceMins": 5},
                {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": MAX_ORDERS},
                {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": MAX_STOPS},
            ],
        }  # fmt: skip

    def check(
        self, pair: Pair, qty: Decimal, prices: list[Decimal], *, is_market: bool, stops: int, orders: int
    ) -> None:
        """Raises ApiError with the filter that an order fails. prices: limit and stop, as far as it has them.
        stops, orders: how many of the account would rest at this pair with it."""
        quote = self.exchange.quotes[pair.symbol]
        tick, lot = tick_of(pair.instrument, quote), pair.instrument.lot
        for px in prices:
            if not tick <= px <= MAX_PX or px % tick:
                raise _failure("PRICE_FILTER")
            if not quote.last * COLLAR_DOWN <= px <= quote.last * COLLAR_UP:
                raise _failure("PERCENT_PRICE_BY_SIDE")
        if not lot <= qty <= MAX_QTY or qty % lot:
            raise _failure("MARKET_LOT_SIZE" if is_market and lot <= qty and not qty % lot else "LOT_SIZE")
        least = min([qty * px for px in prices], default=qty * quote.last)
        if least < pair.instrument.min_notional or (not is_market and least > MAX_NOTIONAL):
            raise _failure("NOTIONAL")
        if orders > MAX_ORDERS:
            raise _failure("MAX_NUM_ORDERS")
        if stops > MAX_STOPS:
            raise _failure("MAX_NUM_ALGO_ORDERS")


def tick_of(instrument: Instrument, quote: Quote | None) -> Decimal:
    """The one step of a pair's prices: a made-up stock has that of its last price."""
    return instrument.price_step(quote.last if quote else Decimal(1))


def _failure(name: str) -> ApiError:
    return ApiError(-1013, f"Filter failure: {name}")
