"""One account at Binance, as the contract of `bots.brokers.base` has it.

A position is a balance: what a purchase leaves after its fee, what orders hold included. There are no shorts.
"""

from __future__ import annotations

import datetime
import json
import threading
import time
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
    wall_time,
)
from bots.brokers.binance import activities, shapes, trades
from bots.brokers.binance.client import WINDOW_MS, SpotClient
from bots.brokers.binance.stream import UserStream
from bots.brokers.pace import Pace

PER_MINUTE = 6_000  # weight of requests of one address
LISTED_S = 3_600.0  # how long the list of pairs and their rules hold
# What sent names end in, the likeliest first; only for pairs that nobody has asked for by our name.
CURRENCIES = ("USDT", "USDC", "FDUSD", "TUSD", "USD", "EUR", "TRY", "BRL", "JPY", "BTC", "ETH", "BNB")
ENGINE_S, MARGIN_S = 10.0, 5.0

CAPABILITIES = Capabilities(
    ids_stay_used=False,
    # An order that is late by more than its window is not taken; the matching engine answers within ten seconds.
    proof_window_s=WINDOW_MS / 1_000 + ENGINE_S + MARGIN_S,
    resting_stops=True,
    native_classes=frozenset({"simple", "oco"}),
    can_replace=False,  # cancelReplace cancels first: if the new order is refused then, there is none
    trailing_stops=False,
    whole_position_is_balance=True,
)


class BinanceBroker:
    """See `bots.brokers.base.Broker`. environment: PRACTICE, PAPER (testnet) or LIVE; of real money only the last.

    quote: the account's currency, in which coins are traded; "": what the venue's pairs are quoted in.
    """

    kind = "binance"
    capabilities = CAPABILITIES

    def __init__(
        self,
        key: str,
        secret: str,
        *,
        environment: str,
        address: str,
        stream_address: str,
        timeouts: tuple[float, float],
        quote: str = "",
    ) -> None:
        self.environment, self._quote = environment, quote
        self._stream_address, self._timeouts = stream_address, timeouts
        self.pace = Pace(PER_MINUTE)
        self._client = SpotClient(key, secret, address, timeouts=timeouts, pace=self.pace)
        self._lock = threading.Lock()
        self._names: dict[str, str] = {}  # Binance's → ours
        self._rules: dict[str, tuple[float, InstrumentRules]] = {}
        self._listed: tuple[float, frozenset[str]] = (0.0, frozenset())

    # --- the account ------------------------------------------------------------------------------------------------

    def check_keys(self) -> KeyFacts:
        """As in the contract. The testnet has no list of what a key may do."""
        raw = self._account()
        may_trade, may_withdraw = raw.get("canTrade") is True, None
        if self.environment != "PAPER":
            may = shapes.row(self._client.ask("GET", "/sapi/v1/account/apiRestrictions"))
            may_trade = may_trade and may.get("enableSpotAndMarginTrading") is True
            may_withdraw = may.get("enableWithdrawals") is True
        return KeyFacts(
            account_number=_number(raw),
            currency=self._currency(),
            is_real_money=self.environment == "LIVE",
            may_trade=may_trade,
            may_withdraw=may_withdraw,
        )

    def money(self) -> Money:
        """As in the contract. equity: cash and those coins that are listed against the account's currency."""
        raw, currency = self._account(), self._currency()
        free, cash, worth = Decimal(0), Decimal(0), Decimal(0)
        held: dict[str, Decimal] = {}
        for asset, (available, locked) in _balances(raw).items():
            if asset == currency:
                free, cash = available, available + locked
            elif (pair := self._pair_of(asset)) is not None:
                held[pair] = available + locked
        if held:
            prices = self._prices(held)
            worth = sum((qty * prices[pair] for pair, qty in held.items() if pair in prices), Decimal(0))
        return Money(
            account_number=_number(raw),
            currency=currency,
            cash=cash,
            equity=cash + worth,
            buying_power=free,
            is_blocked=raw.get("canTrade") is not True,
        )

    def positions(self) -> list[BrokerPosition]:
        """Coins that are listed against the account's currency, dust included; Binance keeps no entry price."""
        found = []
        for asset, (free, locked) in _balances(self._account()).items():
            pair = self._pair_of(asset) if asset != self._currency() else None
            if pair is not None:
                found.append(BrokerPosition(self._ours(pair), free + locked))
        return found

    def rules(self, symbols: Collection[str]) -> dict[str, InstrumentRules]:
        """As in the contract; asked for again after an hour."""
        names = {self._theirs(symbol): symbol for symbol in symbols}
        now = time.monotonic()
        with self._lock:
            fresh = {name for name in names if name in self._rules and now - self._rules[name][0] < LISTED_S}
        if wanted := sorted(set(names) - fresh):
            found = {str(raw.get("symbol")): raw for raw in self._info(wanted)}
            with self._lock:
                for name in wanted:
                    self._rules.pop(name, None)
                    if name in found:
                        self._rules[name] = now, shapes.rules(found[name], names[name])
        with self._lock:
            return {symbol: self._rules[name][1] for name, symbol in names.items() if name in self._rules}

    # --- orders -----------------------------------------------------------------------------------------------------

    def submit(self, request: OrderRequest) -> BrokerOrder:
        name = self._theirs(request.symbol)
        rules = self._rules_of(request.symbol) if request.kind == "stop" else None
        path, params = shapes.parameters(request, name, rules=rules)
        try:
            told = shapes.row(self._client.ask("POST", path, params))
        except Refused as error:
            if error.code == "buying_power" and request.side == "SELL":
                raise Refused("insufficient_qty", error.message, **error.facts) from None
            raise
        if request.order_class == "oco":
            return self._pair_of_exits(shapes.rows(told.get("orderReports")), request.client_order_id)
        return shapes.order(told, self._ours)

    def cancel(self, order: BrokerOrder) -> None:
        """As in the contract. One exit of an OCO takes the other with it."""
        try:
            self._client.ask("DELETE", "/api/v3/order", self._which(order))
        except Refused as error:
            if error.code != "no_order":
                raise
            known = self._one(self._which(order))
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
        """Always refused: Binance would cancel first, and there could be none afterwards."""
        raise Refused("invalid", "Binance cannot put an order into the place of another without a gap between them.")

    def find(self, client_order_id: str, symbol: str) -> BrokerOrder | None:
        """As in the contract; of several with this id the newest. The legs of an OCO come with its target."""
        return self._one({"symbol": self._theirs(symbol), "origClientOrderId": client_order_id})

    def order(self, broker_order_id: str, symbol: str) -> BrokerOrder | None:
        return self._one({"symbol": self._theirs(symbol), "orderId": broker_order_id})

    def open_orders(self) -> list[BrokerOrder]:
        raw = self._client.ask("GET", "/api/v3/openOrders", cost=80)
        return [shapes.order(each, self._ours) for each in shapes.rows(raw)]

    # --- what has happened ------------------------------------------------------------------------------------------

    def executions(self, since: datetime.datetime, symbols: Collection[str]) -> list[Execution]:
        """As in the contract, but of these symbols only: Binance lists no others. It tells whole milliseconds."""
        first = since.replace(microsecond=since.microsecond // 1_000 * 1_000)
        found = [
            shapes.execution(raw, self._ours)
            for name in sorted({self._theirs(symbol) for symbol in symbols})
            for raw in trades.since(self._client, name, first, self._now)
        ]
        return sorted((each for each in found if each.at >= first), key=lambda each: each.at)

    def activities(self, since: datetime.datetime) -> list[CashActivity]:
        """As in the contract, each in its own coin; the testnet lists none."""
        return [] if self.environment == "PAPER" else activities.since(self._client, since, self._now)

    def last_prices(self, symbols: Collection[str]) -> dict[str, Decimal]:
        names = {self._theirs(symbol): symbol for symbol in symbols}
        return {names[name]: px for name, px in self._prices(names).items()}

    def stream(
        self, on_event: Callable[[BrokerEvent], None], on_up: Callable[[], None], on_down: Callable[[str], None]
    ) -> UserStream:
        return UserStream(
            self._client, self._stream_address, self._ours, on_event, on_up, on_down, connect_s=sum(self._timeouts)
        )

    def close(self) -> None:
        self._client.close()

    # --- names ------------------------------------------------------------------------------------------------------

    def _theirs(self, symbol: str) -> str:
        """BTC/USDT → BTCUSDT."""
        name = symbol.replace("/", "")
        self._names[name] = symbol
        return name

    def _ours(self, name: str) -> str:
        """BTCUSDT → BTC/USDT: as somebody asked for it, else by the currency at its end."""
        known = self._names.get(name)
        if known is not None:
            return known
        for quote in (self._quote, *CURRENCIES):
            if quote and name.endswith(quote) and name != quote:
                return f"{name.removesuffix(quote)}/{quote}"
        return name

    def _currency(self) -> str:
        if not self._quote:
            told = shapes.row(self._client.ask("GET", "/api/v3/exchangeInfo", cost=20, signed=False))
            quotes = {str(raw.get("quoteAsset")) for raw in shapes.rows(told.get("symbols"))}
            self._quote = "USDT" if "USDT" in quotes or not quotes else min(quotes)
        return self._quote

    def _pair_of(self, asset: str) -> str | None:
        """Binance's name of the pair that an asset is sold in; None where there is none."""
        at, listed = self._listed
        if not listed or time.monotonic() - at > LISTED_S:
            raw = self._client.ask("GET", "/api/v3/ticker/price", cost=4, signed=False)
            listed = frozenset(str(each.get("symbol")) for each in shapes.rows(raw))
            self._listed = time.monotonic(), listed
        return next((name for name in (asset + self._currency(), asset) if name in listed), None)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _now(self) -> datetime.datetime:
        """By the venue's clock, as far as it is known."""
        return wall_time() + datetime.timedelta(milliseconds=self._client.timestamp_offset)

    def _account(self) -> shapes.Raw:
        return shapes.row(self._client.ask("GET", "/api/v3/account", {"omitZeroBalances": "true"}, cost=20))

    def _one(self, which: dict[str, Any]) -> BrokerOrder | None:
        try:
            raw = shapes.row(self._client.ask("GET", "/api/v3/order", which, cost=4))
        except Refused as error:
            if error.code == "no_order":
                return None
            raise
        if not isinstance(raw.get("orderListId"), int) or raw["orderListId"] < 0:
            return shapes.order(raw, self._ours)
        both = shapes.row(self._client.ask("GET", "/api/v3/orderList", {"orderListId": raw["orderListId"]}, cost=4))
        if both.get("listClientOrderId") != str(raw.get("clientOrderId")) + shapes.LIST_SUFFIX:
            return shapes.order(raw, self._ours)
        others = [each for each in shapes.rows(both.get("orders")) if each.get("orderId") != raw.get("orderId")]
        found = (self._leg({"symbol": raw["symbol"], "orderId": each.get("orderId")}) for each in others)
        return shapes.order(raw, self._ours, tuple(found))

    def _leg(self, which: dict[str, Any]) -> BrokerOrder:
        return shapes.order(shapes.row(self._client.ask("GET", "/api/v3/order", which, cost=4)), self._ours)

    def _pair_of_exits(self, reports: Iterable[shapes.Raw], client_id: str) -> BrokerOrder:
        made = {str(raw.get("clientOrderId")): raw for raw in reports}
        legs = tuple(shapes.order(raw, self._ours) for name, raw in made.items() if name != client_id)
        return shapes.order(shapes.row(made.get(client_id)), self._ours, legs)

    def _which(self, order: BrokerOrder) -> dict[str, Any]:
        """How Binance finds it: by its own id, or by ours where we never heard of that."""
        name = "orderId" if order.broker_order_id else "origClientOrderId"
        return {"symbol": self._theirs(order.symbol), name: order.broker_order_id or order.client_order_id}

    def _rules_of(self, symbol: str) -> InstrumentRules | None:
        """As far as known, however old: a stop waits for nothing but its own request."""
        known = self._rules.get(self._theirs(symbol))
        return known[1] if known is not None else self.rules([symbol]).get(symbol)

    def _info(self, names: list[str]) -> list[shapes.Raw]:
        """Of exchangeInfo, those that are listed. One unknown name spoils a list: then each is asked for alone."""
        query = {"symbols": json.dumps(names, separators=(",", ":"))}
        try:
            raw = self._client.ask("GET", "/api/v3/exchangeInfo", query, cost=20, signed=False)
        except Refused as error:
            if error.code != "no_asset":
                raise
            return [row for name in names for row in self._info([name])] if len(names) > 1 else []
        return shapes.rows(shapes.row(raw).get("symbols"))

    def _prices(self, names: Iterable[str]) -> dict[str, Decimal]:
        """Last trades, by Binance's name; without those that it does not list."""
        asked = sorted(names)
        if not asked:
            return {}
        query = {"symbols": json.dumps(asked, separators=(",", ":"))}
        try:
            raw = self._client.ask("GET", "/api/v3/ticker/price", query, cost=4, signed=False)
        except Refused as error:
            if error.code != "no_asset":
                raise
            return {k: v for name in asked for k, v in self._prices([name]).items()} if len(asked) > 1 else {}
        return {str(each.get("symbol")): shapes.figure(each, "price") for each in shapes.rows(raw)}


def _balances(raw: shapes.Raw) -> dict[str, tuple[Decimal, Decimal]]:
    """Asset → (free, locked) of what the account holds."""
    found = {
        str(each.get("asset")): (shapes.figure(each, "free"), shapes.figure(each, "locked"))
        for each in shapes.rows(raw.get("balances"))
    }
    return {asset: both for asset, both in found.items() if any(both)}


def _number(raw: shapes.Raw) -> str:
    return str(raw.get("uid") or "")
