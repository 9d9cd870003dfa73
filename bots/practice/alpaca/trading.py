"""Alpaca's trading REST, version 2: accounts, orders, positions, assets, clock, activities."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from bots.practice import checks
from bots.practice.alpaca import reading, shapes
from bots.practice.exchange import Exchange
from bots.practice.hours import Schedule
from bots.practice.orders import Account, Execution, Instrument, Refusal, Request, VenueOrder
from bots.practice.web import Answer, Routes
from bots.practice.web import Request as Call

MAX_PAGE = 500


class Trading:
    """The routes, over one exchange."""

    def __init__(self, exchange: Exchange, schedule: Schedule) -> None:
        self.exchange, self.schedule = exchange, schedule

    def add_to(self, routes: Routes) -> None:
        table: list[tuple[str, str, Callable[[Account, Call], Answer]]] = [
            ("GET", "/v2/account", self.account),
            ("GET", "/v2/account/activities", self.activities),
            ("GET", "/v2/account/activities/{type}", self.activities),
            ("GET", "/v2/corporate_actions/announcements", self.announcements),
            ("GET", "/v2/orders", self.orders),
            ("POST", "/v2/orders", self.submit),
            ("DELETE", "/v2/orders", self.cancel_all),
            ("GET", "/v2/orders:by_client_order_id", self.by_client_id),
            ("GET", "/v2/orders/{id}", self.order),
            ("PATCH", "/v2/orders/{id}", self.replace),
            ("DELETE", "/v2/orders/{id}", self.cancel),
            ("GET", "/v2/positions", self.positions),
            ("DELETE", "/v2/positions", self.close_all),
            ("GET", "/v2/positions/{symbol}", self.position),
            ("DELETE", "/v2/positions/{symbol}", self.close),
            ("GET", "/v2/assets", self.assets),
            ("GET", "/v2/assets/{symbol}", self.asset),
            ("GET", "/v2/clock", self.clock),
            ("GET", "/v2/calendar", self.calendar),
        ]
        for method, pattern, handler in table:
            routes.add(method, pattern, self._signed_in(handler))

    def _signed_in(self, handler: Callable[[Account, Call], Answer]) -> Callable[[Call], Answer]:
        def answer(call: Call) -> Answer:
            account = self.exchange.accounts.get(call.headers.get("apca-api-key-id", ""))
            if account is None or account.secret != call.headers.get("apca-api-secret-key"):
                return Answer.of({"code": 40110000, "message": "request is not authorized"}, 401)
            try:
                return handler(account, call)
            except Refusal as error:
                status, body = shapes.refusal(error)
                return Answer.of(body, status)

        return answer

    # --- orders -----------------------------------------------------------------------------------------------------

    def submit(self, account: Account, call: Call) -> Answer:
        return Answer.of(self._order(account, self.exchange.submit(account, reading.order_of(reading.body_of(call)))))

    def order(self, account: Account, call: Call) -> Answer:
        return Answer.of(self._order(account, self.exchange.order(account, call.parts["id"])))

    def by_client_id(self, account: Account, call: Call) -> Answer:
        client_id = call.query.get("client_order_id", "")
        return Answer.of(self._order(account, self.exchange.order_of_client(account, client_id), nested=False))

    def orders(self, account: Account, call: Call) -> Answer:
        """status=open (the default), closed, all; newest first; `after` and `until` leave the moment itself out."""
        status, nested = call.query.get("status", "open"), call.query.get("nested", "").lower() == "true"
        found = [row for row in account.orders.values() if status == "all" or row.is_over == (status == "closed")]
        if nested:
            found = [row for row in found if row.parent is None]
        if (symbols := call.query.get("symbols")) is not None:
            found = [row for row in found if row.request.symbol in symbols.split(",")]
        if (side := call.query.get("side")) is not None:
            found = [row for row in found if row.request.side == side]
        if (after := call.query.get("after")) is not None:
            found = [row for row in found if row.created_at > reading.moment(after)]
        if (until := call.query.get("until")) is not None:
            found = [row for row in found if row.created_at < reading.moment(until)]
        found.sort(key=lambda row: row.number, reverse=call.query.get("direction", "desc") != "asc")
        page = found[: reading.whole(call.query, "limit", 50, MAX_PAGE)]
        return Answer.of([self._order(account, row, nested=nested) for row in page])

    def replace(self, account: Account, call: Call) -> Answer:
        body = reading.body_of(call)
        row = self.exchange.order(account, call.parts["id"])
        trail = reading.number(body, "trail")
        by_px = row.request.trail_px is not None
        changes: dict[str, Any] = {
            "qty": reading.number(body, "qty"),
            "limit_px": reading.number(body, "limit_price"),
            "stop_px": reading.number(body, "stop_price"),
            "trail_px": trail if by_px else None,
            "trail_pct": None if by_px else trail,
            "tif": body.get("time_in_force"),
        }
        if changes["tif"] is not None:
            reading.choice("time_in_force", changes["tif"], reading.TIFS)
        client_id = reading.client_id_of(body)
        return Answer.of(self._order(account, self.exchange.replace(account, row.id, client_id, **changes)))

    def cancel(self, account: Account, call: Call) -> Answer:
        self.exchange.cancel(account, call.parts["id"])
        return Answer(204)

    def cancel_all(self, account: Account, call: Call) -> Answer:
        ended = []
        for row in account.working():
            if not row.is_over:  # the rest of a group ends with its first
                self.exchange.cancel(account, row.id)
                ended.append({"id": row.id, "status": 200})
        return Answer.of(ended, 207)

    # --- positions --------------------------------------------------------------------------------------------------

    def positions(self, account: Account, call: Call) -> Answer:
        return Answer.of([self._position(account, symbol) for symbol, row in account.positions.items() if row.qty])

    def position(self, account: Account, call: Call) -> Answer:
        return Answer.of(self._position(account, self._held(account, call.parts["symbol"])))

    def close(self, account: Account, call: Call) -> Answer:
        symbol = self._held(account, call.parts["symbol"])
        qty, percentage = reading.number(call.query, "qty"), reading.number(call.query, "percentage")
        whole = abs(account.position(symbol).qty)
        return Answer.of(self._close(account, symbol, qty or (whole * percentage / 100 if percentage else whole)))

    def close_all(self, account: Account, call: Call) -> Answer:
        if call.query.get("cancel_orders", "").lower() == "true":
            self.cancel_all(account, call)
        closed = []
        for symbol in [symbol for symbol, row in account.positions.items() if row.qty]:
            try:
                body = self._close(account, symbol, abs(account.position(symbol).qty))
                closed.append({"symbol": symbol, "status": 200, "body": body})
            except Refusal as error:
                status, refused = shapes.refusal(error)
                closed.append({"symbol": symbol, "status": status, "body": refused})
        return Answer.of(closed, 207)

    # --- the rest ---------------------------------------------------------------------------------------------------

    def account(self, account: Account, call: Call) -> Answer:
        power = checks.buying_power(account, account.working(), self.exchange.quotes)
        return Answer.of(shapes.account(self.exchange, account, power))

    def activities(self, account: Account, call: Call) -> Answer:
        """Fills and flows, newest first; page_token is the id of the last one that the client has."""
        wanted = call.parts.get("type") or call.query.get("activity_types")
        fills = [(row, execution) for row in account.orders.values() for execution in row.executions]
        rows = [(each[1].at, "FILL", shapes.activity(*each)) for each in self._in_order(fills)]
        rows += [(flow.at, flow.what, shapes.flow(flow)) for flow in account.flows]
        rows = [each for each in rows if wanted is None or each[1] in wanted.split(",")]
        if (after := call.query.get("after")) is not None:
            rows = [each for each in rows if each[0] > reading.moment(after)]
        if (until := call.query.get("until")) is not None:
            rows = [each for each in rows if each[0] < reading.moment(until)]
        told = [shown for *_, shown in sorted(rows, key=lambda each: each[0])]
        if call.query.get("direction", "desc") != "asc":
            told.reverse()
        ids = [each["id"] for each in told]
        token = call.query.get("page_token")
        first = ids.index(token) + 1 if token in ids else 0
        return Answer.of(told[first : first + reading.whole(call.query, "page_size", 100, 100)])

    def announcements(self, account: Account, call: Call) -> Answer:
        """Splits whose day lies in [since, until]."""
        first, last = call.query.get("since", ""), call.query.get("until", "9999")
        symbol = call.query.get("symbol")
        found = [row for row in self.exchange.splits if symbol in (None, row.symbol)]
        return Answer.of([shapes.announcement(row) for row in found if first <= str(row.at.date()) <= last])

    def assets(self, account: Account, call: Call) -> Answer:
        wanted = call.query.get("asset_class")
        found = [i for i in self.exchange.instruments.values() if wanted in (None, i.asset_class)]
        return Answer.of([shapes.asset(instrument) for instrument in found])

    def asset(self, account: Account, call: Call) -> Answer:
        symbol = call.parts["symbol"].replace("%2F", "/")
        found = self.exchange.instruments.get(symbol)
        if found is None:
            return Answer.of({"code": 40410000, "message": f"asset not found for {symbol}"}, 404)
        return Answer.of(shapes.asset(found))

    def clock(self, account: Account, call: Call) -> Answer:
        return Answer.of(self.schedule.clock(self.exchange.now()))

    def calendar(self, account: Account, call: Call) -> Answer:
        first, last = reading.day(call.query, "start", "2020-01-01"), reading.day(call.query, "end", "2026-12-31")
        return Answer.of(self.schedule.days(first, last))

    # --- inside -----------------------------------------------------------------------------------------------------

    def _instrument(self, symbol: str) -> Instrument:
        return self.exchange.instruments[symbol]

    def _order(self, account: Account, row: VenueOrder, *, nested: bool = True) -> dict[str, Any]:
        return shapes.order(account, row, self._instrument(row.request.symbol), nested=nested)

    def _held(self, account: Account, name: str) -> str:
        """The symbol of a position; crypto may be named without its slash."""
        for symbol, row in account.positions.items():
            if row.qty and name in (symbol, symbol.replace("/", ""), symbol.replace("/", "%2F")):
                return symbol
        raise Refusal("no_position", "position does not exist")

    def _position(self, account: Account, symbol: str) -> dict[str, Any]:
        row = account.position(symbol)
        held = checks.held_for_orders(account.working(symbol), row.qty)
        return shapes.position(self.exchange, symbol, row, held)

    def _close(self, account: Account, symbol: str, qty: Decimal) -> dict[str, Any]:
        side: Any = "sell" if account.position(symbol).qty > 0 else "buy"
        crypto = self._instrument(symbol).asset_class == "crypto"
        request = Request(symbol, side, "market", "gtc" if crypto else "day", str(uuid.uuid4()), qty)
        return self._order(account, self.exchange.submit(account, request))

    @staticmethod
    def _in_order(rows: list[tuple[VenueOrder, Execution]]) -> list[tuple[VenueOrder, Execution]]:
        return sorted(rows, key=lambda each: (each[1].at, each[0].number, each[0].executions.index(each[1])))
