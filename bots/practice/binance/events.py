"""Binance's WebSocket API, as far as an account's stream needs it: sign in by a signature, then events as they happen.

Nothing is replayed after a gap.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from bots.practice.binance import shapes
from bots.practice.binance.listing import ApiError, Listing
from bots.practice.binance.signing import Gate, Params
from bots.practice.exchange import Exchange
from bots.practice.orders import Account, Event, Execution, VenueOrder
from bots.practice.streams import Connection

# What happened → execution type, where it is another word than the order's status.
TYPES = {"fill": "TRADE", "partial_fill": "TRADE"}


class UserData:
    """The connections that listen. One account may have several."""

    def __init__(self, exchange: Exchange, listing: Listing, gate: Gate) -> None:
        self.exchange, self.listing, self.gate = exchange, listing, gate
        self._listening: dict[Connection, Account] = {}
        exchange.listen(self._heard)

    async def hear(self, connection: Connection, text: str | bytes) -> None:
        """Answer one request of a client."""
        try:
            message = json.loads(text)
            method, given = message["method"], message.get("params") or {}
        except (ValueError, KeyError, TypeError):
            await connection.answer(_answer(None, 400, error=ApiError(-1135, "Invalid JSON Request")))
            return
        try:
            result = self._do(connection, method, given)
        except ApiError as error:
            await connection.answer(_answer(message.get("id"), error.status, error=error))
        else:
            await connection.answer(_answer(message.get("id"), 200, result))

    def gone(self, connection: Connection) -> None:
        self._listening.pop(connection, None)

    def _do(self, connection: Connection, method: str, given: Mapping[str, Any]) -> dict[str, Any]:
        if method == "ping":
            return {}
        if method == "time":
            return {"serverTime": self.gate.now_ms()}
        if method == "userDataStream.unsubscribe":
            self.gone(connection)
            return {}
        if method != "userDataStream.subscribe.signature":
            raise ApiError(-1001, f"Unknown method {method!r} at the practice venue.")
        fields = {name: str(value) for name, value in given.items()}
        payload = urlencode(sorted((name, value) for name, value in fields.items() if name != "signature"))
        self._listening[connection] = self.gate.account(fields.get("apiKey", ""), payload, Params(fields))
        return {"subscriptionId": 0}

    def _heard(self, event: Event) -> None:
        if event.order.request.symbol not in self.listing.by_symbol:
            return
        listening = [each for each, account in self._listening.items() if account is event.account]
        if not listening:
            return
        is_oco = event.what == "new" and event.order.request.order_class == "oco"
        legs = [event.account.orders[leg] for leg in event.order.legs if is_oco]
        reports = [self._report(event, row) for row in (event.order, *legs)]
        for told in (*reports, self._position(event)):
            message = json.dumps({"subscriptionId": 0, "event": told}, separators=(",", ":"))
            for connection in listening:
                connection.say(message)

    def _report(self, event: Event, row: VenueOrder) -> dict[str, Any]:
        pair, execution = self.listing.by_symbol[row.request.symbol], event.execution
        told = shapes.order(event.account, pair, row)
        at, client_id = shapes.ms(event.at), told["clientOrderId"]
        status = told["status"]
        is_canceled = status == "CANCELED"
        return {
            "e": "executionReport", "E": at, "s": pair.name,
            "c": uuid.uuid5(uuid.UUID(row.id), "canceled").hex[:22] if is_canceled else client_id,
            "S": told["side"], "o": told["type"], "f": told["timeInForce"], "q": told["origQty"], "p": told["price"],
            "P": told["stopPrice"], "F": shapes.digits(None), "g": told["orderListId"],
            "C": client_id if is_canceled else "", "x": TYPES.get(event.what, status), "X": status,
            "r": row.reason or "NONE", "i": told["orderId"], **_last(execution),
            "z": told["executedQty"], "Z": told["cummulativeQuoteQty"],
            "N": shapes.fee_asset(pair, execution) if execution else None,
            "T": at, "I": row.number, "w": told["isWorking"], "m": row.request.post_only, "M": execution is not None,
            "O": told["time"], "Q": told["origQuoteOrderQty"], "W": told["workingTime"], "V": "NONE",
        }  # fmt: skip

    def _position(self, event: Event) -> dict[str, Any]:
        """The balances that an order of this pair may have changed."""
        pair = self.listing.by_symbol[event.order.request.symbol]
        rows = shapes.balances(self.listing, event.account)
        at = shapes.ms(event.at)
        return {
            "e": "outboundAccountPosition", "E": at, "u": at,
            "B": [
                {"a": asset, "f": shapes.digits(rows[asset][0]), "l": shapes.digits(rows[asset][1])}
                for asset in (pair.base, pair.quote) if asset in rows
            ],
        }  # fmt: skip


def _last(execution: Execution | None) -> dict[str, Any]:
    """Figures of the fill that a report tells of; zeros where it tells of none."""
    if execution is None:
        return {"l": shapes.digits(None), "L": shapes.digits(None), "n": "0", "t": -1, "Y": shapes.digits(None)}
    paid = execution.px * execution.qty
    return {
        "l": shapes.digits(execution.qty), "L": shapes.digits(execution.px), "n": shapes.digits(execution.fee),
        "t": execution.number, "Y": shapes.digits(paid),
    }  # fmt: skip


def _answer(request_id: Any, status: int, result: Any = None, error: ApiError | None = None) -> str:
    told: dict[str, Any] = {"id": request_id, "status": status}
    if error is not None:
        told["error"] = {"code": error.code, "msg": error.message}
    else:
        told["result"] = result
    return json.dumps(told, separators=(",", ":"))
