"""One account at Alpaca, as the contract of `bots.brokers.base` has it."""

from __future__ import annotations

import datetime
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from bots.brokers.alpaca import activities, shapes
from bots.brokers.alpaca.answers import Forbidden
from bots.brokers.alpaca.client import Client
from bots.brokers.alpaca.stream import UpdatesStream
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
    RateLimited,
    Refused,
    Unauthorised,
    VenueDown,
)
from bots.brokers.pace import Pace

PER_MINUTE = 200
ORDERS_PAGE, ACTIVITIES_PAGE = 500, 100
RULES_S = 3_600.0  # what is tradable and shortable changes by the day
COIN_FEE = Decimal("0.0025")  # of the lowest tier, as taker; the account's own may be less
INSTANT = datetime.timedelta(microseconds=1)
# A late request is dropped by Alpaca's own gateway after a minute; nobody waits for longer to call it absent.
PROOF_WINDOW_S = 60.0

_BLOCKS = ("account_blocked", "trading_blocked", "trade_suspended_by_user")

CAPABILITIES = Capabilities(
    ids_stay_used=True,
    proof_window_s=PROOF_WINDOW_S,
    resting_stops=True,
    native_classes=shapes.STOCK_CLASSES,
    can_replace=True,
    trailing_stops=True,
)


class AlpacaBroker:
    """See `bots.brokers.base.Broker`. environment: PRACTICE, PAPER or LIVE; of real money only the last."""

    kind = "alpaca"
    capabilities = CAPABILITIES

    def __init__(
        self,
        key: str,
        secret: str,
        *,
        environment: str,
        address: str,
        data_address: str,
        timeouts: tuple[float, float],
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._key, self._secret, self.environment = key, secret, environment
        self._data_address, self._timeouts = data_address.rstrip("/"), timeouts
        self._stream_address = f"ws{address.rstrip('/').removeprefix('http')}/stream"
        self._coin_fee = Decimal(str((options or {}).get("crypto_fee_ratio", COIN_FEE)))
        self.pace = Pace(PER_MINUTE)
        self._client = Client(key, secret, address, timeouts=timeouts, pace=self.pace)
        self._rules: dict[str, tuple[float, InstrumentRules]] = {}  # when they were asked for, monotonic
        self._lock = threading.Lock()

    # --- the account ------------------------------------------------------------------------------------------------

    def check_keys(self) -> KeyFacts:
        self._fit_environment(self._key.startswith("PK"), self._key.startswith("AK"))
        raw = shapes.row(self._client.ask("GET", "/account"))
        number = shapes.text(raw, "account_number")
        self._fit_environment(number.startswith("PA"), False)
        return KeyFacts(
            account_number=number,
            currency=shapes.text(raw, "currency") or "USD",
            is_real_money=self.environment == "LIVE",
            may_trade=not blocks(raw),
            may_withdraw=None,
            may_short=raw.get("shorting_enabled") is True,
        )

    def money(self) -> Money:
        raw = shapes.row(self._client.ask("GET", "/account"))
        return Money(
            account_number=shapes.text(raw, "account_number"),
            currency=shapes.text(raw, "currency") or "USD",
            cash=shapes.figure(raw, "cash"),
            equity=shapes.figure(raw, "equity"),
            buying_power=shapes.figure(raw, "buying_power"),
            is_blocked=bool(blocks(raw)),
            may_short=raw.get("shorting_enabled") is True,
            blocked_by=", ".join(blocks(raw)),
        )

    def positions(self) -> list[BrokerPosition]:
        return [shapes.position(raw) for raw in shapes.rows(self._client.ask("GET", "/positions"))]

    def rules(self, symbols: Collection[str]) -> dict[str, InstrumentRules]:
        """As in the contract; asked once an hour for each symbol, all coins by one request."""
        now = time.monotonic()
        with self._lock:
            unknown = [s for s in symbols if s not in self._rules or now - self._rules[s][0] > RULES_S]
        found: list[InstrumentRules] = []
        if any("/" in symbol for symbol in unknown):
            coins = self._client.ask("GET", "/assets", {"asset_class": "crypto", "status": "active"})
            found += [shapes.rules(raw) for raw in shapes.rows(coins)]
        for symbol in unknown:
            if "/" in symbol:
                continue
            raw = self._absent_is_none("GET", f"/assets/{symbol}")
            found += [shapes.rules(shapes.row(raw))] if raw is not None else []
        with self._lock:
            self._rules |= {rules.symbol: (now, rules) for rules in found}
            return {symbol: self._rules[symbol][1] for symbol in symbols if symbol in self._rules}

    # --- orders -----------------------------------------------------------------------------------------------------

    def submit(self, request: OrderRequest) -> BrokerOrder:
        with self._explained():
            return self._order_of(self._client.ask("POST", "/orders", shapes.body(request)))

    def cancel(self, order: BrokerOrder) -> None:
        try:
            self._client.ask("DELETE", f"/orders/{self._id_of(order)}")
        except Refused as error:
            # Whatever the words: all that can be wrong with the cancel of an order that there is.
            raise Refused("is_over" if error.code == "invalid" else error.code, error.message) from None

    def replace(
        self,
        order: BrokerOrder,
        client_order_id: str,
        *,
        qty: Decimal | None = None,
        limit_px: Decimal | None = None,
        stop_px: Decimal | None = None,
    ) -> BrokerOrder:
        """As in the contract. qty: what has been filled of the old order counts in."""
        changes = {"qty": qty, "limit_price": limit_px, "stop_price": stop_px}
        body = {name: shapes.plain(value) for name, value in changes.items() if value is not None}
        path = f"/orders/{self._id_of(order)}"
        with self._explained():
            return self._order_of(self._client.ask("PATCH", path, {"client_order_id": client_order_id, **body}))

    def find(self, client_order_id: str, symbol: str) -> BrokerOrder | None:
        """As in the contract. An order with legs is asked for twice: by our id Alpaca tells of none."""
        raw = self._absent_is_none("GET", "/orders:by_client_order_id", {"client_order_id": client_order_id})
        if raw is None:
            return None
        found = self._order_of(raw)
        if shapes.text(raw, "order_class") in shapes.GROUPS and not found.legs:
            return self.order(found.broker_order_id, symbol) or found
        return found

    def order(self, broker_order_id: str, symbol: str) -> BrokerOrder | None:
        raw = self._absent_is_none("GET", f"/orders/{broker_order_id}", {"nested": "true"})
        return None if raw is None else self._order_of(raw)

    def open_orders(self) -> list[BrokerOrder]:
        """As in the contract. Alpaca pages by the moment of submission: each page begins with the last of the one
        before, so that orders of one moment are not torn apart."""
        found: dict[str, BrokerOrder] = {}
        query = {"status": "open", "limit": ORDERS_PAGE, "direction": "asc", "nested": "false"}
        while True:
            page = shapes.rows(self._client.ask("GET", "/orders", dict(query)))
            before = len(found)
            found |= {order.broker_order_id: order for order in map(shapes.order, page)}
            if len(page) < ORDERS_PAGE:
                return list(found.values())
            last = shapes.moment(page[-1].get("submitted_at") or page[-1].get("created_at"))
            if last is None or len(found) == before:
                raise VenueDown("Alpaca's list of open orders does not go on.")
            query["after"] = (last - INSTANT).isoformat()

    # --- what has happened ------------------------------------------------------------------------------------------

    def executions(self, since: datetime.datetime, symbols: Collection[str]) -> list[Execution]:
        found = []
        for raw in self._activities("/account/activities/FILL", since):
            at = shapes.moment(raw.get("transaction_time"))
            if at is None or not raw.get("order_id"):
                raise VenueDown("Alpaca's answer cannot be read: an execution has no order or no time.")
            if at < since:
                continue
            name = shapes.symbol(shapes.text(raw, "symbol"))
            filled = shapes.figure(raw, "cum_qty")
            made = shapes.execution(
                shapes.text(raw, "order_id"), "", name, shapes.side(raw), qty=shapes.figure(raw, "qty"),
                px=shapes.figure(raw, "price"), filled=filled, at=at, coin_fee=self._coin_fee,
            )  # fmt: skip
            found.append((at, made.broker_order_id, filled, made))
        # Partial fills of one millisecond are not listed in their order.
        return [made for *_, made in sorted(found, key=lambda each: each[:3])]

    def activities(self, since: datetime.datetime) -> list[CashActivity]:
        query = {"activity_types": ",".join(activities.TYPES)}
        found = [made for raw in self._activities("/account/activities", since, query) if (made := self._activity(raw))]
        return sorted((made for made in found if made.at >= since), key=lambda made: (made.at, made.ref))

    def last_prices(self, symbols: Collection[str]) -> dict[str, Decimal]:
        found: dict[str, Decimal] = {}
        coins, stocks = [s for s in symbols if "/" in s], [s for s in symbols if "/" not in s]
        for names, path, version in (
            (stocks, "/stocks/trades/latest", "v2"),
            (coins, "/crypto/us/latest/trades", "v1beta3"),
        ):
            if not names:
                continue
            query = {"symbols": ",".join(names)}
            try:
                raw = self._client.ask("GET", path, query, base=self._data_address, version=version)
            except Unauthorised:
                continue  # a plan without prices says nothing of the keys to trade with
            told = shapes.row(raw).get("trades") or {}
            found |= {name: shapes.figure(trade, "p") for name, trade in told.items() if name in names}
        return found

    def stream(
        self, on_event: Callable[[BrokerEvent], None], on_up: Callable[[], None], on_down: Callable[[str], None]
    ) -> UpdatesStream:
        return UpdatesStream(
            self._stream_address, self._key, self._secret, on_event, on_up, on_down,
            coin_fee=self._coin_fee, connect_s=sum(self._timeouts),
        )  # fmt: skip

    def close(self) -> None:
        self._client.close()

    # --- inside -----------------------------------------------------------------------------------------------------

    def _fit_environment(self, is_paper: bool, is_real: bool) -> None:
        """Raises Unauthorised where the venue's own names say that keys or account belong elsewhere."""
        if self.environment == "LIVE" and is_paper:
            raise Unauthorised("These keys belong to a paper account of Alpaca; a live account has keys of its own.")
        if self.environment == "PAPER" and is_real:
            raise Unauthorised("These keys belong to a live account of Alpaca; a paper account has keys of its own.")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """A refusal that says nothing of the order may be of the account, which is asked. It stands either way."""
        try:
            yield
        except Forbidden as error:
            try:
                names = blocks(shapes.row(self._client.ask("GET", "/account")))
            except (VenueDown, RateLimited, Refused):
                names = []
            if not names:
                raise
            told = f"{error.message} ({', '.join(names)})"
            raise Refused("account_blocked", told, **error.facts) from None

    def _order_of(self, raw: Any) -> BrokerOrder:
        return shapes.order(shapes.row(raw))

    def _id_of(self, order: BrokerOrder) -> str:
        """Alpaca's id, asked for where only ours is known. Raises Refused."""
        if order.broker_order_id:
            return order.broker_order_id
        found = self.find(order.client_order_id, order.symbol)
        if found is None:
            raise Refused("no_order", f"There is no order {order.client_order_id} at Alpaca.")
        return found.broker_order_id

    def _absent_is_none(self, method: str, path: str, query: Any = None) -> Any:
        try:
            return self._client.ask(method, path, query)
        except Refused as error:
            if error.code in ("no_order", "no_asset"):
                return None
            raise

    def _activities(
        self, path: str, since: datetime.datetime, query: Mapping[str, Any] | None = None
    ) -> Iterator[shapes.Raw]:
        """All rows from the moment on, oldest first, page by page. Ids hold milliseconds; so does `after`."""
        asked = {
            "after": (since - datetime.timedelta(milliseconds=1)).isoformat(),
            "direction": "asc",
            "page_size": ACTIVITIES_PAGE,
            **(query or {}),
        }
        while True:
            page = shapes.rows(self._client.ask("GET", path, dict(asked)))
            yield from page
            if len(page) < ACTIVITIES_PAGE:
                return
            if page[-1].get("id") in (None, asked.get("page_token")):
                raise VenueDown("Alpaca's list of activities does not go on.")
            asked["page_token"] = page[-1]["id"]

    def _activity(self, raw: shapes.Raw) -> CashActivity | None:
        return activities.read(raw, self._ratio_of)

    def _ratio_of(self, symbol: str, day: datetime.date) -> Decimal | None:
        """New units for each old one of a split around that day; None: Alpaca has not announced it."""
        query = {
            "ca_types": "split",
            "since": str(day - datetime.timedelta(days=5)),
            "until": str(day + datetime.timedelta(days=5)),
            "symbol": symbol,
        }
        found: list[tuple[datetime.timedelta, Decimal]] = []
        for raw in shapes.rows(self._client.ask("GET", "/corporate_actions/announcements", query)):
            old, new, on = (
                shapes.number(raw, "old_rate"),
                shapes.number(raw, "new_rate"),
                shapes.moment(raw.get("ex_date")),
            )
            if old and new and on and symbol in (raw.get("target_symbol"), raw.get("initiating_symbol")):
                found.append((abs(on.date() - day), new / old))
        return min(found)[1] if found else None


def blocks(raw: shapes.Raw) -> list[str]:
    """What keeps an account from trading, in its own fields' words; empty: nothing. An account whose transfers are
    blocked (transfers_blocked) trades on, and that is told only beside what stops it."""
    names = [name for name in _BLOCKS if raw.get(name) is True]
    status = shapes.text(raw, "status")
    if status not in ("", "ACTIVE"):
        names.append(f"status {status[:40]}")
    return [*names, "transfers_blocked"] if names and raw.get("transfers_blocked") is True else names
