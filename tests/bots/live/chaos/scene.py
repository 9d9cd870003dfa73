"""A venue behind a line that can be cut, with a list of every request that reached it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from accounts.models import User
from bots.models import BrokerExecution, TradingSession
from bots.services import sessions
from tests.bots.host.hosting import wait_for
from tests.bots.live.rig import Rig, in_time, state_of, until
from tests.brokers.proxy import Proxy

ORDERS = "/v2/orders"
HOLD: dict[str, Any] = {"strategy": "buy_and_hold", "strategy_parameters": {}}
WHOLE = {"allow_fractional": False}


@dataclass(frozen=True, slots=True)
class Call:
    """One request, or one socket that was opened (method WS). at: monotonic, when it came. key: who asked."""

    at: float
    method: str
    path: str
    key: str


class Calls:
    """Every request that came to a venue; itself an ASGI application before the venue's own.

    `limit` makes it a venue that takes so many requests a minute (all keys together) and refuses the others.
    """

    def __init__(self, application: Callable[..., Any]) -> None:
        self._application = application
        self.all: list[Call] = []
        self.refused: list[Call] = []
        self._per_s, self._most, self._left, self._at = 0.0, 0.0, 0.0, 0.0

    def limit(self, per_minute: float, *, left: float) -> None:
        self._per_s, self._most, self._left, self._at = per_minute / 60, per_minute, left, time.monotonic()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"].startswith("/practice"):
            await self._application(scope, receive, send)
            return
        named = {name.decode().lower(): value.decode() for name, value in scope.get("headers", ())}
        key = named.get("apca-api-key-id") or named.get("x-mbx-apikey") or ""
        call = Call(time.monotonic(), scope.get("method", "WS"), scope["path"], key)
        self.all.append(call)
        if not self._per_s or scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        self._left = min(self._left + (call.at - self._at) * self._per_s, self._most)
        self._at = call.at
        if self._left < 1:
            self.refused.append(call)
            wait = str(int((1 - self._left) / self._per_s) + 1).encode()
            await _too_many(send, [(b"retry-after", wait), (b"x-ratelimit-remaining", b"0")])
            return
        self._left -= 1
        left = str(int(self._left)).encode()

        async def tell(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"x-ratelimit-remaining", left)]}
            await send(message)

        await self._application(scope, receive, tell)

    def since(self, at: float, method: str = "", path: str = "", key: str = "") -> list[Call]:
        """Those that came after that moment; method, path (its beginning), key: only these."""
        return [
            call
            for call in list(self.all)
            if call.at > at
            and method in ("", call.method)
            and call.path.startswith(path)
            and key in ("", call.key)
        ]  # fmt: skip


async def _too_many(send: Any, headers: list[tuple[bytes, bytes]]) -> None:
    await send({"type": "http.response.start", "status": 429, "headers": headers})
    await send({"type": "http.response.body", "body": b'{"message": "too many requests."}'})


@dataclass
class Scene:
    """What a test of this folder has in its hands; the rig's `address` is the venue's own, past the line."""

    rig: Rig
    calls: Calls
    line: Proxy

    def px(self, symbol: str = "SIM-ALPHA") -> Decimal:
        return self.rig.venue.exchange.quotes[symbol].last

    def held(self, symbol: str = "SIM-ALPHA") -> Decimal:
        return Decimal(self.rig.ledger()["positions"].get(symbol, "0"))

    def working(self, kind: str = "") -> list[dict[str, Any]]:
        over = ("filled", "canceled", "expired", "rejected", "replaced")
        rows = self.rig.ledger()["orders"]
        return [row for row in rows if row["status"] not in over and kind in ("", row["type"])]

    def holder(self, stop_pct: float | None = None, **columns: Any) -> TradingSession:
        """A session that buys once, and has no opinion after that."""
        settings = WHOLE if stop_pct is None else {**WHOLE, "stop_loss_pct": stop_pct}
        return self.rig.session(**{**HOLD, "settings": settings, **columns})

    def never_short(self) -> None:
        """Whatever was sold had been bought before."""
        for symbol, units in _path(self.rig).items():
            assert min(units) >= 0, f"{symbol} was oversold: {units}"


def _path(rig: Rig) -> dict[str, list[Decimal]]:
    found: dict[str, list[Decimal]] = {}
    executions = [
        (execution.at, order.request.symbol, execution.position_qty)
        for order in rig.customer.orders.values()
        for execution in order.executions
    ]
    for _, symbol, qty in sorted(executions, key=lambda each: each[0]):
        found.setdefault(symbol, []).append(qty)
    return found


def agree(rig: Rig) -> bool:
    """Whether as many executions are booked here as there were there."""
    booked = BrokerExecution.objects.filter(broker_account=rig.account).count()
    return booked == len(rig.ledger()["executions"])


def flatten(user: User, session: TradingSession, within_s: float = 60.0) -> None:
    sessions.stop(user, session.pk, "flatten")
    until(session, lambda: state_of(session) == "STOPPED", within_s)


def holds(session: TradingSession) -> bool:
    return session.positions.filter(is_open=True).exists()


def used_up(rig: Rig) -> bool:
    """Whether every fault that was scripted has been met."""
    return not rig.venue.faults.requests and not rig.venue.faults.streams


def within(seconds: float, what: Callable[[], Any], session: TradingSession) -> float:
    """Seconds until it holds; at most so many, but for `in_time`."""
    began = time.monotonic()
    until(session, what, 4 * seconds)
    took = time.monotonic() - began
    in_time(took, seconds)
    return took


__all__ = [
    "HOLD", "ORDERS", "WHOLE", "Call", "Calls", "Scene", "agree", "flatten", "holds", "state_of", "until",
    "used_up", "wait_for", "within",
]  # fmt: skip
