"""One account at an exchange that ccxt knows, as the contract of `bots.brokers.base` has it. Spot only: no shorts."""

from __future__ import annotations

import datetime
import hashlib
import threading
from collections.abc import Callable, Collection, Iterable
from decimal import Decimal
from typing import Any

from bots.brokers.base import (
    BrokerEvent,
    BrokerOrder,
    BrokerPosition,
    Capabilities,
    CashActivity,
    Execution,
    InstrumentRules,
    KeyFacts,
    Money,
    OrderRequest,
    Refused,
    VenueDown,
    wall_time,
)
from bots.brokers.ccxt import shapes
from bots.brokers.ccxt.calls import Calls
from bots.brokers.ccxt.stream import Polling

PAGE = 500
POLL_S = 5.0
DAY_MS = 86_400_000
# Exchanges that find an order by the client's id; elsewhere the lists of orders are looked through.
BY_CLIENT_ID = ("binance", "binanceus")


class CcxtBroker:
    """See `bots.brokers.base.Broker`. client: ccxt's, of one exchange. quote: the account's currency; "": USDT where
    anything is traded against it, else USD."""

    kind = "ccxt"

    def __init__(self, client: Any, key: str, *, environment: str, quote: str = "") -> None:
        self._calls, self.environment, self._quote = Calls(client), environment, quote
        self.pace = self._calls.pace
        self._client = client
        self._account_number = f"{client.id}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"
        self.poll_s = POLL_S
        self._traded: set[str] = set()
        self._sent: dict[str, str] = {}  # the venue's id of what was sent and is not known to be over → symbol
        self._lock = threading.Lock()
        self._has_stops = bool(client.has.get("createTriggerOrder") or client.has.get("createStopOrder"))
        self.capabilities = Capabilities(
            ids_stay_used=False,
            proof_window_s=60.0,  # nobody says how late an order may arrive there: long
            resting_stops=self._has_stops,
            native_classes=frozenset({"simple"}),
            can_replace=False,
            trailing_stops=False,
            whole_position_is_balance=True,
        )

    # --- the account ------------------------------------------------------------------------------------------------

    def check_keys(self) -> KeyFacts:
        """As in the contract. What a key may do is told by no method that exchanges share, but by Binance's balance."""
        raw = self._calls.call("fetch_balance")
        _balances(raw)
        return KeyFacts(
            self._account_number, self._currency(), self.environment == "LIVE", not _is_blocked(raw), may_withdraw=None
        )

    def money(self) -> Money:
        """As in the contract. equity: cash and those coins that are traded against the account's currency."""
        raw, currency = self._calls.call("fetch_balance"), self._currency()
        held = _balances(raw)
        free, cash = held.get(currency, (Decimal(0), Decimal(0)))
        owned = {pair: both[1] for asset, both in held.items() if (pair := self._pair_of(asset)) is not None}
        prices = self.last_prices(owned)
        worth = sum((qty * prices[pair] for pair, qty in owned.items() if pair in prices), Decimal(0))
        return Money(self._account_number, currency, cash, cash + worth, free, is_blocked=_is_blocked(raw))

    def positions(self) -> list[BrokerPosition]:
        held = _balances(self._calls.call("fetch_balance"))
        found = ((self._pair_of(asset), total) for asset, (_, total) in held.items())
        return [BrokerPosition(pair, total) for pair, total in found if pair is not None]

    def rules(self, symbols: Collection[str]) -> dict[str, InstrumentRules]:
        markets = self._markets()
        return {
            symbol: shapes.rules(markets[symbol], self._client.precisionMode, has_stops=self._has_stops)
            for symbol in symbols
            if symbol in markets
        }

    # --- orders -----------------------------------------------------------------------------------------------------

    def submit(self, request: OrderRequest) -> BrokerOrder:
        """As in the contract. What ccxt would round by itself is refused instead."""
        kind, params = self._parameters(request)
        limit_px = request.limit_px if kind == "limit" else None
        px = None if limit_px is None else str(limit_px)
        with self._lock:
            self._traded.add(request.symbol)
        try:
            raw = self._calls.call(
                "create_order", request.symbol, kind, request.side.lower(), str(request.qty), px, params
            )
        except Refused as error:
            if error.code == "buying_power" and request.side == "SELL":
                raise Refused("insufficient_qty", error.message) from None
            raise
        told = shapes.order({**raw, "symbol": raw.get("symbol") or request.symbol})
        with self._lock:
            self._sent[told.broker_order_id] = request.symbol
        return told if told.client_order_id else self.order(told.broker_order_id, request.symbol) or told

    def cancel(self, order: BrokerOrder) -> None:
        """As in the contract; an order whose own id was never heard is found by ours first."""
        known = None if order.broker_order_id else self.find(order.client_order_id, order.symbol)
        order_id = known.broker_order_id if known else order.broker_order_id
        if not order_id:
            raise Refused("no_order", f"{self._client.name} knows no such order.")
        try:
            self._calls.call("cancel_order", order_id, order.symbol)
        except Refused as error:
            known = self.order(order_id, order.symbol) if error.code == "no_order" else None
            if known is None:
                raise
            raise Refused("is_over", f"The order is {known.status} already.") from None

    def replace(
        self,
        order: BrokerOrder,
        client_order_id: str,
        *,
        qty: Decimal | None = None,
        limit_px: Decimal | None = None,
        stop_px: Decimal | None = None,
    ) -> BrokerOrder:
        """Always refused: no way to do it without a gap is shared by exchanges."""
        raise Refused("invalid", f"{self._client.name} cannot put an order into the place of another without a gap.")

    def find(self, client_order_id: str, symbol: str) -> BrokerOrder | None:
        if symbol not in self._markets():
            return None
        if self._client.id in BY_CLIENT_ID:
            return self._one(None, symbol, {"clientOrderId": client_order_id})
        for method in ("fetch_open_orders", "fetch_closed_orders", "fetch_orders"):
            if not self._client.has.get(_camel(method)):
                continue
            rows = [shapes.order(raw) for raw in self._calls.call(method, symbol, None, PAGE)]
            found = [each for each in rows if each.client_order_id == client_order_id]
            if found:
                return found[-1]
        return None

    def order(self, broker_order_id: str, symbol: str) -> BrokerOrder | None:
        return self._one(broker_order_id, symbol, {})

    def open_orders(self) -> list[BrokerOrder]:
        self._client.options["warnOnFetchOpenOrdersWithoutSymbol"] = False
        return [shapes.order(raw) for raw in self._calls.call("fetch_open_orders")]

    # --- what has happened ------------------------------------------------------------------------------------------

    def executions(self, since: datetime.datetime, symbols: Collection[str]) -> list[Execution]:
        """As in the contract, of these symbols: a day at a time where there is none, else from the last one on."""
        found: dict[str, Execution] = {}
        since = since.replace(microsecond=since.microsecond // 1_000 * 1_000)  # exchanges tell whole milliseconds
        for symbol in sorted(set(symbols) & set(self._markets())):
            begin, now_ms = int(since.timestamp() * 1_000), int(self.now().timestamp() * 1_000)
            while True:
                page = [shapes.execution(raw) for raw in self._calls.call("fetch_my_trades", symbol, begin, PAGE)]
                fresh = [each for each in page if each.execution_id not in found]
                found |= {each.execution_id: each for each in fresh}
                if fresh:
                    begin = max(int(max(each.at for each in fresh).timestamp() * 1_000), begin)
                elif begin + DAY_MS <= now_ms:
                    begin += DAY_MS
                else:
                    break
        # ccxt sorts ids of one moment as texts: "10" before "9".
        listed = (each for each in found.values() if each.at >= since)
        return sorted(listed, key=lambda each: (each.at, len(each.execution_id), each.execution_id))

    def activities(self, since: datetime.datetime) -> list[CashActivity]:
        return []

    def last_prices(self, symbols: Collection[str]) -> dict[str, Decimal]:
        asked = sorted(set(symbols) & set(self._markets()))
        if not asked:
            return {}
        method = "fetch_last_prices" if self._client.has.get("fetchLastPrices") else "fetch_tickers"
        rows = self._calls.call(method, asked)
        name = "price" if method == "fetch_last_prices" else "last"
        told = {symbol: shapes.number(rows[symbol], name) for symbol in asked if symbol in rows}
        return {symbol: px for symbol, px in told.items() if px is not None}

    def stream(
        self, on_event: Callable[[BrokerEvent], None], on_up: Callable[[], None], on_down: Callable[[str], None]
    ) -> Polling:
        return Polling(self, on_event, on_up, on_down, every_s=self.poll_s)

    def sent(self) -> dict[str, str]:
        """The venue's id → symbol of orders that were sent from here and are not known to be over."""
        with self._lock:
            return dict(self._sent)

    def forget(self, ids: Iterable[str]) -> None:
        """They are over, and that was told."""
        with self._lock:
            for order_id in ids:
                self._sent.pop(order_id, None)

    def traded(self) -> list[str]:
        """What orders were sent for since this was opened."""
        with self._lock:
            return sorted(self._traded)

    def now(self) -> datetime.datetime:
        """By the venue's clock, as far as it is known."""
        apart_ms = int((self._client.options or {}).get("timeDifference") or 0)
        return wall_time() - datetime.timedelta(milliseconds=apart_ms)

    def close(self) -> None:
        self._client.session.close()

    # --- inside -----------------------------------------------------------------------------------------------------

    def _markets(self) -> dict[str, Any]:
        """Spot markets, by symbol; asked for once."""
        if not self._client.markets:
            self._calls.call("load_markets")
        return {symbol: raw for symbol, raw in self._client.markets.items() if raw.get("spot") is not False}

    def _currency(self) -> str:
        if not self._quote:
            self._quote = "USDT" if any(raw.get("quote") == "USDT" for raw in self._markets().values()) else "USD"
        return self._quote

    def _pair_of(self, asset: str) -> str | None:
        pair = f"{asset}/{self._currency()}"
        return pair if pair in self._markets() else None

    def _one(self, order_id: str | None, symbol: str, params: dict[str, Any]) -> BrokerOrder | None:
        try:
            return shapes.order(self._calls.call("fetch_order", order_id, symbol, params))
        except Refused as error:
            if error.code == "no_order":
                return None
            raise

    def _parameters(self, request: OrderRequest) -> tuple[str, dict[str, Any]]:
        """(ccxt's type, its further parameters). Raises Refused for what exchanges do not share, and off any step."""
        kinds = {"market": "market", "limit": "limit", "stop": "market", "stop_limit": "limit"}
        if request.order_class != "simple" or request.kind not in kinds:
            raise Refused("invalid", f"{self._client.name} takes simple orders through ccxt: market, limit and stops.")
        kind, tif = kinds[request.kind], request.time_in_force
        if kind == "limit" and tif not in shapes.TIFS:
            raise Refused("invalid", f"{self._client.name} has no {tif.upper()} orders; it takes GTC, IOC and FOK.")
        rules = self.rules([request.symbol]).get(request.symbol)
        if rules is None:
            raise Refused("no_asset", f"{self._client.name} does not list {request.symbol}.")
        if request.qty % rules.lot:
            raise Refused("lot_step", f"The quantity must be a multiple of {rules.lot:f}.")
        for px in (request.limit_px, request.stop_px):
            if px is not None and px % rules.price_step(px):
                raise Refused("price_step", f"A price must be a multiple of {rules.price_step(px):f}.")
        params: dict[str, Any] = {"clientOrderId": request.client_order_id}
        if kind == "limit" and request.limit_px is None:
            raise Refused("invalid", f"A {request.kind} order needs a limit price.")
        if kind == "limit":
            params["timeInForce"] = tif.upper()
        if request.kind in ("stop", "stop_limit"):
            if not self._has_stops or request.stop_px is None:
                raise Refused("invalid", f"{self._client.name} keeps no such stop.")
            params["stopLossPrice"] = str(request.stop_px)
        return kind, params


def _balances(raw: Any) -> dict[str, tuple[Decimal, Decimal]]:
    """Asset → (free, all) of what the account holds. Raises VenueDown: ccxt makes an empty account of an answer that it
    does not understand."""
    totals, free = raw.get("total"), raw.get("free")
    if not totals or not isinstance(totals, dict) or not isinstance(free, dict):
        raise VenueDown("The venue tells of no balance at all: the account is empty, or its answer cannot be read.")
    found = {a: (shapes.number(free, a) or Decimal(0), shapes.number(totals, a) or Decimal(0)) for a in totals}
    return {asset: both for asset, both in found.items() if any(both)}


def _is_blocked(raw: Any) -> bool:
    info = raw.get("info")
    return isinstance(info, dict) and info.get("canTrade") is False


def _camel(method: str) -> str:
    first, *rest = method.split("_")
    return first + "".join(word.capitalize() for word in rest)
