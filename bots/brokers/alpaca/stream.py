"""Alpaca's trade_updates as the contract's stream: alpaca-py's wire, with our own way of staying connected.

The library's own loop tells nobody that it is down or up again, tries wrong keys for ever, and takes minutes to notice
a dead peer. Nothing is replayed after a gap; whoever listens must ask by REST after each `on_up`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from alpaca.trading.stream import TradingStream

from bots.brokers.alpaca import shapes
from bots.brokers.base import BrokerEvent, Execution, VenueDown, wall_time
from bots.brokers.listening import Listening
from bots.brokers.waiting import STEADY_S, SignInRefused, tell, wait_s

log = logging.getLogger(__name__)

# A peer that answers no ping for five seconds is gone.
WEBSOCKET = {"ping_interval": 5, "ping_timeout": 5, "close_timeout": 1, "max_queue": 4_096}
FILLS = ("fill", "partial_fill")


class Wire(TradingStream):
    """alpaca-py's connection: it connects, signs in and listens, once; reading is ours."""

    def __init__(self, key: str, secret: str, address: str) -> None:
        super().__init__(key, secret, raw_data=True, url_override=address, websocket_params=dict(WEBSOCKET))

    async def open(self) -> list[Any]:
        """Connect, sign in, ask to listen, wait until the venue says that it listens. What came before that."""
        await self._connect()
        await self._auth()
        await self._ws.send(json.dumps({"action": "listen", "data": {"streams": ["trade_updates"]}}))
        early: list[Any] = []
        while True:
            message = await self.message()
            if isinstance(message, dict) and message.get("stream") == "listening":
                return early
            early.append(message)

    async def message(self) -> Any:
        """The next one; None for what is no JSON, so that one bad frame ends nothing."""
        frame = await self._ws.recv()
        try:
            return json.loads(frame, parse_float=Decimal)
        except ValueError:
            log.warning("A frame of Alpaca's stream cannot be read and is passed over")
            return None

    async def _auth(self) -> None:
        """The library's own, which does not tell refused keys from a bad connection."""
        signed = {"key_id": self._api_key, "secret_key": self._secret_key}
        await self._ws.send(json.dumps({"action": "authenticate", "data": signed}))
        answer = await self.message()
        data = answer.get("data") if isinstance(answer, dict) else None
        status = data.get("status") if isinstance(data, dict) else None
        if status == "unauthorized":
            raise SignInRefused("Alpaca's stream does not accept these keys.")
        if status != "authorized":
            raise ConnectionError("Alpaca's stream answered a sign-in by something else")


class UpdatesStream(Listening):
    """See `bots.brokers.base.Stream`. coin_fee: ratio, see `shapes.execution`. connect_s: most that a sign-in takes."""

    def __init__(
        self,
        address: str,
        key: str,
        secret: str,
        on_event: Callable[[BrokerEvent], None],
        on_up: Callable[[], None],
        on_down: Callable[[str], None],
        *,
        coin_fee: Decimal,
        connect_s: float,
    ) -> None:
        super().__init__("alpaca-updates", on_event, on_up, on_down)
        self._address, self._key, self._secret = address, key, secret
        self._coin_fee, self._connect_s = coin_fee, connect_s
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    def _interrupt(self) -> None:
        loop = self._loop
        if loop is not None and self._task is not None:
            with contextlib.suppress(RuntimeError):  # it has just ended by itself
                loop.call_soon_threadsafe(self._task.cancel)

    def _run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(self._stay_connected())

    async def _stay_connected(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        failures = refusals = 0
        while not self._is_stopping.is_set():
            wire, began = Wire(self._key, self._secret, self._address), time.monotonic()
            try:
                early = await asyncio.wait_for(wire.open(), self._connect_s)
                refusals = 0
                self.is_up = True
                tell(self._on_up)
                for message in early:
                    self._hear(message)
                while True:
                    self._hear(await wire.message())
            except SignInRefused as error:
                refusals += 1
                self._went_down(str(error))
            except Exception as error:
                self._went_down(f"Alpaca's stream is gone ({type(error).__name__}).")
            finally:
                self.is_up = False
                with contextlib.suppress(Exception):
                    await wire.close()
            failures = 1 if time.monotonic() - began > STEADY_S else failures + 1
            await asyncio.sleep(wait_s(failures, refusals))

    def _went_down(self, why: str) -> None:
        log.warning("%s", why)
        self.is_up = False
        tell(self._on_down, why)

    def _hear(self, message: Any) -> None:
        if not isinstance(message, dict) or message.get("stream") != "trade_updates":
            return
        try:
            event = read(message.get("data"), self._coin_fee)
        except (VenueDown, ValueError, TypeError, AttributeError):
            # It is told by REST, too; the connection is as good as before.
            log.exception("A message of Alpaca's stream cannot be read and is passed over")
            return
        tell(self._on_event, event)


def read(data: Any, coin_fee: Decimal) -> BrokerEvent:
    """A trade update. Raises VenueDown for one that is none."""
    raw = shapes.row(data)
    order = shapes.order(shapes.row(raw.get("order")), shapes.text(raw, "reason"))
    at = shapes.moment(raw.get("timestamp")) or order.updated_at or wall_time()
    execution: Execution | None = None
    if raw.get("event") in FILLS:
        execution = shapes.execution(
            order.broker_order_id, order.client_order_id, order.symbol, order.side, qty=shapes.figure(raw, "qty"),
            px=shapes.figure(raw, "price"), filled=order.filled, at=at, coin_fee=coin_fee,
        )  # fmt: skip
    return BrokerEvent("fill" if execution else "order", at, order, execution)
