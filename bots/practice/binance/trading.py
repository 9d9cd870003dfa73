"""Binance's spot trading by REST: orders, OCO lists, cancel and replace."""

from __future__ import annotations

import re
import uuid
from typing import Any

from bots.practice.binance import shapes
from bots.practice.binance.listing import ApiError, Listing, Pair
from bots.practice.binance.signing import Gate, Params, refused
from bots.practice.exchange import Exchange
from bots.practice.orders import Account, Refusal, Request, VenueOrder
from bots.practice.web import Answer, Routes

CLIENT_ID = re.compile(r"[a-zA-Z0-9-_]{1,36}")
# Type → (the exchange's kind, parameters that it needs). What is not needed must not be sent.
TYPES = {
    "LIMIT": ("limit", ("timeInForce", "price")),
    "MARKET": ("market", ()),
    "LIMIT_MAKER": ("limit", ("price",)),
    "STOP_LOSS": ("stop", ("stopPrice",)),
    "STOP_LOSS_LIMIT": ("stop_limit", ("timeInForce", "price", "stopPrice")),
}
STOPS = ("STOP_LOSS", "STOP_LOSS_LIMIT")
BAD_SIDE, BAD_TYPE = ApiError(-1117, "Invalid side."), ApiError(-1116, "Invalid orderType.")
BAD_TIF = ApiError(-1115, "Invalid timeInForce.")
NO_SUCH_ORDER, UNKNOWN_ORDER = ApiError(-2013, "Order does not exist."), ApiError(-2011, "Unknown order sent.")
TRIGGERS = ApiError(-2010, "Stop price would trigger immediately.")
MOST_ROWS = 1_000


class Trading:
    """The routes, over one exchange."""

    def __init__(self, exchange: Exchange, listing: Listing) -> None:
        self.exchange, self.listing = exchange, listing

    def add_to(self, routes: Routes, gate: Gate) -> None:
        gate.add(routes, "POST", "/api/v3/order", self.submit)
        gate.add(routes, "POST", "/api/v3/order/test", self.test)
        gate.add(routes, "GET", "/api/v3/order", self.order, 4)
        gate.add(routes, "DELETE", "/api/v3/order", self.cancel)
        gate.add(routes, "POST", "/api/v3/order/cancelReplace", self.cancel_replace)
        gate.add(routes, "GET", "/api/v3/openOrders", self.open_orders, 6)
        gate.add(routes, "DELETE", "/api/v3/openOrders", self.cancel_all)
        gate.add(routes, "GET", "/api/v3/allOrders", self.all_orders, 20)
        gate.add(routes, "POST", "/api/v3/orderList/oco", self.oco)
        gate.add(routes, "GET", "/api/v3/orderList", self.order_list, 4)
        gate.add(routes, "DELETE", "/api/v3/orderList", self.cancel_list)

    # --- new orders -------------------------------------------------------------------------------------------------

    def submit(self, account: Account, params: Params) -> Answer:
        pair, request = self._request(account, params)
        return Answer.of(self._accept(account, pair, request, params))

    def test(self, account: Account, params: Params) -> Answer:
        self._request(account, params)
        return Answer.of({})

    def oco(self, account: Account, params: Params) -> Answer:
        """A sale's target above the market and its stop below; a purchase's the other way round."""
        pair = self.listing.pair(params.need("symbol"))
        side = params.one_of("side", ("BUY", "SELL"), BAD_SIDE)
        target, stop = ("above", "below") if side == "SELL" else ("below", "above")
        params.one_of(f"{target}Type", ("LIMIT_MAKER",), BAD_TYPE)
        kind = params.one_of(f"{stop}Type", STOPS, BAD_TYPE)
        qty, target_px, stop_px = params.number("quantity"), params.number(f"{target}Price"), params.number(
            f"{stop}StopPrice")  # fmt: skip
        limit_px = params.number(f"{stop}Price") if kind == "STOP_LOSS_LIMIT" else None
        prices = [px for px in (target_px, stop_px, limit_px) if px is not None]
        self.listing.check(pair, qty, prices, is_market=False, **self._resting(account, pair, stops=1, orders=2))
        last = self.exchange.quotes[pair.symbol].last
        if not (stop_px < last < target_px if side == "SELL" else target_px < last < stop_px):
            raise ApiError(-2010, "The relationship of the prices for the orders is not correct.")
        request = Request(
            pair.symbol, side.lower(), "limit", "gtc", _client_id(params, f"{target}ClientOrderId"), qty,  # type: ignore[arg-type]
            order_class="oco", take_profit=target_px, stop_loss=stop_px, stop_loss_limit=limit_px, house="binance",
            post_only=True, leg_client_id=_client_id(params, f"{stop}ClientOrderId"),
            group_client_id=_client_id(params, "listClientOrderId"),
        )  # fmt: skip
        self._refuse_known(account, request.leg_client_id)
        return Answer.of(self._list(account, self.exchange.submit(account, request), reports="orderReports"))

    def _accept(self, account: Account, pair: Pair, request: Request, params: Params) -> dict[str, Any]:
        row = self.exchange.submit(account, request)
        fullest = "FULL" if request.kind in ("market", "limit") else "ACK"
        return shapes.accepted(account, pair, row, params.get("newOrderRespType") or fullest)

    def _request(self, account: Account, params: Params) -> tuple[Pair, Request]:
        """The order that the parameters ask for, through all filters. Raises ApiError."""
        pair = self.listing.pair(params.need("symbol"))
        side = params.one_of("side", ("BUY", "SELL"), BAD_SIDE)
        kind = params.one_of("type", tuple(TYPES), BAD_TYPE)
        ours, needed = TYPES[kind]
        for name in ("timeInForce", "price", "stopPrice"):
            if name not in needed and name in params:
                raise ApiError(-1106, f"Parameter '{name}' sent when not required.")
        tif = params.one_of("timeInForce", ("GTC", "IOC", "FOK"), BAD_TIF) if "timeInForce" in needed else "GTC"
        limit_px = params.number("price") if "price" in needed else None
        stop_px = params.number("stopPrice") if "stopPrice" in needed else None
        quote = self.exchange.quotes[pair.symbol]
        notional = params.number("quoteOrderQty") if kind == "MARKET" and "quoteOrderQty" in params else None
        if notional is None:
            qty = params.number("quantity")
        else:
            px = quote.ask if side == "BUY" else quote.bid
            qty = notional / px // pair.instrument.lot * pair.instrument.lot
        rests = self._resting(account, pair, stops=int(kind in STOPS), orders=1)
        prices = [px for px in (limit_px, stop_px) if px is not None]
        self.listing.check(pair, qty, prices, is_market=kind in ("MARKET", "STOP_LOSS"), **rests)
        if stop_px is not None and (stop_px <= quote.last if side == "BUY" else stop_px >= quote.last):
            raise TRIGGERS
        if not self.exchange.hours.is_open(pair.instrument, self.exchange.now()):
            raise ApiError(-1013, "Market is closed.")
        return pair, Request(
            pair.symbol,
            side.lower(),  # type: ignore[arg-type]
            ours,  # type: ignore[arg-type]
            "ioc" if kind == "MARKET" else tif.lower(),  # type: ignore[arg-type]
            _client_id(params, "newClientOrderId"),
            qty,
            limit_px=limit_px,
            stop_px=stop_px,
            house="binance",
            post_only=kind == "LIMIT_MAKER",
        )

    def _resting(self, account: Account, pair: Pair, *, stops: int, orders: int) -> dict[str, int]:
        """How many stops and orders would rest at the pair with these."""
        working = account.working(pair.symbol)
        return {"stops": stops + sum(row.stop_px is not None for row in working), "orders": orders + len(working)}

    def _refuse_known(self, account: Account, client_id: str) -> None:
        known = account.by_client_id.get(client_id)
        if known is not None and not account.orders[known].is_over:
            raise refused(Refusal("duplicate_client_id", ""))

    # --- known orders -----------------------------------------------------------------------------------------------

    def order(self, account: Account, params: Params) -> Answer:
        pair = self.listing.pair(params.need("symbol"))
        return Answer.of(shapes.order(account, pair, self._find(account, pair, params, NO_SUCH_ORDER)))

    def open_orders(self, account: Account, params: Params) -> Answer:
        pair = self.listing.pair(params["symbol"]) if params.get("symbol") else None
        rows = account.working(pair.symbol if pair else None)
        listed = self.listing.by_symbol
        return Answer.of([
            shapes.order(account, listed[row.request.symbol], row) for row in rows if row.request.symbol in listed
        ])  # fmt: skip

    def all_orders(self, account: Account, params: Params) -> Answer:
        """Oldest first; from orderId on, or of the time between startTime and endTime, else the newest."""
        pair = self.listing.pair(params.need("symbol"))
        limit = min(params.whole("limit", 500), MOST_ROWS)
        told = [shapes.order(account, pair, r) for r in account.orders.values() if r.request.symbol == pair.symbol]
        told.sort(key=lambda row: row["orderId"])
        if params.get("orderId"):
            return Answer.of([row for row in told if row["orderId"] >= params.whole("orderId")][:limit])
        first, last = params.whole("startTime", 0), params.whole("endTime", 10**18)
        found = [row for row in told if first <= row["time"] <= last]
        return Answer.of(found[:limit] if first else found[-limit:])

    def cancel(self, account: Account, params: Params) -> Answer:
        pair = self.listing.pair(params.need("symbol"))
        row = self._find(account, pair, params, UNKNOWN_ORDER)
        return Answer.of(self._cancel(account, pair, row, params.get("newClientOrderId", "")))

    def cancel_all(self, account: Account, params: Params) -> Answer:
        pair = self.listing.pair(params.need("symbol"))
        working = account.working(pair.symbol)
        if not working:
            raise UNKNOWN_ORDER
        return Answer.of([self._cancel(account, pair, row, "") for row in working if not row.is_over])

    def cancel_replace(self, account: Account, params: Params) -> Answer:
        """Cancels first: where the new order is refused then, there is none. ALLOW_FAILURE sends it in any case."""
        bad_mode = ApiError(-1145, "Invalid cancelReplaceMode.")
        mode = params.one_of("cancelReplaceMode", ("STOP_ON_FAILURE", "ALLOW_FAILURE"), bad_mode)
        pair = self.listing.pair(params.need("symbol"))
        told: dict[str, Any] = {"cancelResult": "SUCCESS", "newOrderResult": "NOT_ATTEMPTED", "newOrderResponse": None}
        names = ("cancelOrderId", "cancelOrigClientOrderId")
        try:
            row = self._find(account, pair, params, UNKNOWN_ORDER, names)
            told["cancelResponse"] = self._cancel(account, pair, row, params.get("cancelNewClientOrderId", ""))
        except (ApiError, Refusal) as error:
            told |= {"cancelResult": "FAILURE", "cancelResponse": _said(error)}
        if told["cancelResult"] == "SUCCESS" or mode == "ALLOW_FAILURE":
            try:
                told["newOrderResponse"] = self._accept(account, *self._request(account, params), params)
                told["newOrderResult"] = "SUCCESS"
            except (ApiError, Refusal) as error:
                told |= {"newOrderResult": "FAILURE", "newOrderResponse": _said(error)}
        if told["cancelResult"] == told["newOrderResult"] == "SUCCESS":
            return Answer.of(told)
        if "SUCCESS" in (told["cancelResult"], told["newOrderResult"]):
            failed = {"code": -2021, "msg": "Order cancel-replace partially failed.", "data": told}
            return Answer.of(failed, 409)
        return Answer.of({"code": -2022, "msg": "Order cancel-replace failed.", "data": told}, 400)

    def order_list(self, account: Account, params: Params) -> Answer:
        return Answer.of(self._list(account, self._parent(account, params, NO_SUCH_ORDER)))

    def cancel_list(self, account: Account, params: Params) -> Answer:
        row = self._parent(account, params, UNKNOWN_ORDER)
        if row.is_over:
            raise UNKNOWN_ORDER
        self.exchange.cancel(account, row.id)
        return Answer.of(self._list(account, row, reports="orderReports"))

    # --- inside -----------------------------------------------------------------------------------------------------

    def _cancel(self, account: Account, pair: Pair, row: VenueOrder, new_id: str) -> dict[str, Any]:
        self.exchange.cancel(account, row.id)
        if shapes.list_id(account, row) >= 0:
            parent = row if row.parent is None else account.orders[row.parent]
            return self._list(account, parent, reports="orderReports")
        told = shapes.order(account, pair, row)
        told |= {"origClientOrderId": told["clientOrderId"], "clientOrderId": new_id or _drawn()}
        return told | {"transactTime": told["updateTime"]}

    def _find(
        self,
        account: Account,
        pair: Pair,
        params: Params,
        missing: ApiError,
        names: tuple[str, str] = ("orderId", "origClientOrderId"),
    ) -> VenueOrder:
        """By the venue's id, or else by the client's: the newest of that name."""
        by_id, by_client = names
        if params.get(by_id):
            number = params.whole(by_id)
            found = next((row for row in account.orders.values() if row.number == number), None)
        elif params.get(by_client):
            found = account.orders.get(account.by_client_id.get(params[by_client], ""))
        else:
            text = f"Param '{by_client}' or '{by_id}' must be sent, but both were empty/null!"
            raise ApiError(-1102, text)
        if found is None or found.request.symbol != pair.symbol:
            raise missing
        return found

    def _parent(self, account: Account, params: Params, missing: ApiError) -> VenueOrder:
        """The first order of an OCO, by the list's id or name."""
        name = params.get("origClientOrderId") or params.get("listClientOrderId") or ""
        number = params.whole("orderListId", -1)
        for row in account.orders.values():
            if row.request.order_class == "oco" and (row.number == number or (name == row.request.group_client_id)):
                return row
        raise missing

    def _list(self, account: Account, row: VenueOrder, reports: str = "") -> dict[str, Any]:
        pair = self.listing.by_symbol[row.request.symbol]
        members = [row, *(account.orders[leg] for leg in row.legs)]
        over = all(member.is_over for member in members)
        told: dict[str, Any] = {
            "orderListId": row.number,
            "contingencyType": "OCO",
            "listStatusType": "ALL_DONE" if over else "EXEC_STARTED",
            "listOrderStatus": "ALL_DONE" if over else "EXECUTING",
            "listClientOrderId": row.request.group_client_id,
            "transactionTime": shapes.ms(row.updated_at),
            "symbol": pair.name,
            "orders": [
                {"symbol": pair.name, "orderId": m.number, "clientOrderId": m.request.client_id} for m in members
            ],
        }
        if reports:
            told[reports] = [shapes.order(account, pair, member) for member in members]
        return told


def _client_id(params: Params, name: str) -> str:
    """The client's own, or one that is drawn. Raises ApiError for one that is not allowed."""
    given = params.get(name, "")
    if given and not CLIENT_ID.fullmatch(given):
        text = f"Illegal characters found in parameter '{name}'; legal range is '^[a-zA-Z0-9-_]{{1,36}}$'."
        raise ApiError(-1100, text)
    return given or _drawn()


def _drawn() -> str:
    return uuid.uuid4().hex[:22]


def _said(error: ApiError | Refusal) -> dict[str, Any]:
    told = error if isinstance(error, ApiError) else refused(error)
    return {"code": told.code, "msg": told.message}
