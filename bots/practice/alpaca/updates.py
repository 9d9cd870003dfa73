"""Alpaca's trade_updates: what happens to an account's orders, as it happens. Nothing is replayed after a gap."""

from __future__ import annotations

import json
import uuid
from typing import Any

from bots.practice.alpaca import shapes
from bots.practice.exchange import Exchange
from bots.practice.orders import Account, Event
from bots.practice.streams import Connection


class Updates:
    """The stream's connections. One account may have several."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self._listening: dict[Connection, Account] = {}
        exchange.listen(self._heard)

    async def talk(self, connection: Connection, text: str | bytes, account: Account | None) -> Account | None:
        """Answer a client's message; the account that the connection belongs to from now on."""
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            return account
        data = message.get("data") or {} if isinstance(message, dict) else None
        if not isinstance(data, dict):
            return account
        if message.get("action") in ("authenticate", "auth"):
            key = data.get("key_id") or message.get("key")
            secret = data.get("secret_key") or message.get("secret")
            found = self.exchange.accounts.get(str(key))
            account = found if found is not None and found.secret == secret else None
            status = "authorized" if account else "unauthorized"
            await connection.answer(_frame("authorization", {"status": status, "action": "authenticate"}))
        elif message.get("action") == "listen" and account is not None:
            streams = [name for name in data.get("streams", []) if name == "trade_updates"]
            if streams:
                self._listening[connection] = account
            else:
                self._listening.pop(connection, None)
            await connection.answer(_frame("listening", {"streams": streams}))
        return account

    def gone(self, connection: Connection) -> None:
        self._listening.pop(connection, None)

    def _heard(self, event: Event) -> None:
        row = event.order
        data: dict[str, Any] = {
            "event": event.what,
            "order": shapes.order(event.account, row, self.exchange.instruments[row.request.symbol]),
            "timestamp": shapes.stamp(event.at),
            "execution_id": event.execution.id if event.execution else _id_of(event),
        }
        if event.execution is not None:
            data |= {
                "price": shapes.plain(event.execution.px),
                "qty": shapes.plain(event.execution.qty),
                "position_qty": shapes.plain(event.execution.position_qty),
            }
        message = _frame("trade_updates", data)
        for connection, account in self._listening.items():
            if account is event.account:
                connection.say(message)


def _id_of(event: Event) -> str:
    """An event's own id, where no fill gives it one. The same event always has the same."""
    return str(uuid.uuid5(uuid.UUID(event.order.id), f"{event.what} {event.at.isoformat()}"))


def _frame(stream: str, data: dict[str, Any]) -> bytes:
    """Binary frames that hold JSON, as the paper service sends them."""
    return json.dumps({"stream": stream, "data": data}, separators=(",", ":")).encode()
