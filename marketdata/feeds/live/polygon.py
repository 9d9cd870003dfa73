"""Polygon's (Massive's) stream of stocks, by the client library of that name: minute aggregates, trades, halts.

The library ends without a word when the server closes in good order, and knows one refusal only; both are told here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

from marketdata.feeds.base import FeedError
from marketdata.feeds.live.places import Place, is_coin
from marketdata.feeds.live.vendor import POLICY, VendorFeed, first_of
from marketdata.feeds.types import Tick
from marketdata.providers.base import Provider

log = logging.getLogger(__name__)

MILLISECOND = 1_000_000
HALTED, RESUMED = 17, 18  # indicators of a price band; Polygon has them of what Nasdaq lists
HALT_WORDS = "Trading halt"
REFUSED = "Polygon refuses the key."
TAKEN = "Polygon allows one connection for this key, and another program has it; it is tried again."


class PolygonFeed(VendorFeed):
    provider = "polygon"
    name = "Polygon"

    def could_know(self, symbol: str) -> bool:
        return not is_coin(symbol)

    def provider_at(self, place: Place) -> Provider:
        from marketdata.providers.polygon import PolygonProvider
        from marketdata.services.filling import exchange_sessions

        return PolygonProvider(place.rest_url, place.key, exchange_sessions, purpose="live")

    async def talk(self, place: Place) -> None:
        from polygon import WebSocketClient
        from polygon.exceptions import AuthError
        from websockets.exceptions import WebSocketException

        scheme, _, host = place.stream_url.partition("://")
        client = WebSocketClient(
            place.key,
            feed=host,
            market="stocks",
            raw=True,
            secure=scheme == "wss",
            max_reconnects=0,
            custom_json=_Wire(self.connected),
        )
        wires = {
            "open_timeout": POLICY.connect_timeout_s,
            "ping_interval": POLICY.ping_interval_s,
            "ping_timeout": POLICY.ping_timeout_s,
        }
        try:
            await first_of(client.connect(self._read, **wires), self._subscribe(client))
        except AuthError as error:
            raise FeedError(REFUSED, retryable=False) from error
        except (WebSocketException, OSError, EOFError) as error:
            raise FeedError(f"The connection to Polygon is lost ({type(error).__name__}).", retryable=True) from error
        finally:
            if client.websocket is not None:  # the library leaves it open when it is stopped, and the key is taken
                with contextlib.suppress(Exception):
                    await asyncio.wait_for(client.websocket.close(), 2)

    async def _subscribe(self, client: Any) -> None:
        known: set[str] = set()
        while True:
            new, gone = await self.changes(known)
            client.subscribe(*(topic for symbol in sorted(new) for topic in _topics(symbol)))
            client.unsubscribe(*(topic for symbol in sorted(gone) for topic in _topics(symbol)))
            known = (known | new) - gone

    async def _read(self, frame: str | bytes) -> None:
        try:
            items = json.loads(frame)
        except ValueError:
            self.refused["bad_json"] += 1
            return
        for item in items if isinstance(items, list) else [items]:
            if not isinstance(item, dict):
                self.refused["wrong_type"] += 1
                continue
            try:
                self._take(item)
            except (KeyError, TypeError, ValueError, OverflowError):  # one that is no message takes no other with it
                self.refused["wrong_type"] += 1

    def _take(self, item: Mapping[str, Any]) -> None:
        kind = item.get("ev")
        if kind == "T":
            size = _number(item["s"])
            stamp = int(item["t"]) * MILLISECOND
            self.trade(Tick(str(item["sym"]), stamp, _number(item["p"]), size, trade_id=str(item.get("i", ""))))
        elif kind == "AM":
            o, h, low, c, v = (_number(item[name]) for name in ("o", "h", "l", "c", "v"))
            self.bar(str(item["sym"]), int(item["s"]) * MILLISECOND, (o, h, low, c, v))
        elif kind == "LULD":
            self._band(str(item["T"]), item["i"])
        elif kind == "status":
            self._status(str(item.get("status")), str(item.get("message", "")))

    def _band(self, name: str, indicators: Any) -> None:
        """Limits of the price, of which two indicators tell that nothing trades, and that it does again."""
        told = set(indicators) if isinstance(indicators, list) else {indicators}
        if told & {HALTED, RESUMED}:
            self.halt(name, HALT_WORDS if HALTED in told else "")
        else:
            self.heard()

    def _status(self, status: str, message: str) -> None:
        if status == "max_connections":
            raise FeedError(TAKEN, retryable=True)
        elif status == "error" and "luld" in message.lower():
            log.warning("Polygon tells nothing of halts by this key: %s", message[:120])
        elif status == "error" and "not entitled" in message.lower():
            raise FeedError("The plan of this key does not include the stream of stocks.", retryable=False)


class _Wire:
    """The JSON that the library uses to sign in: it reads the vendor's answer, tells nobody, and takes every one but a
    wrong key for a yes."""

    dumps = staticmethod(json.dumps)

    def __init__(self, connected: Callable[[], None]) -> None:
        self._connected = connected

    def loads(self, text: str | bytes) -> Any:
        answer = json.loads(text)
        status = answer[0].get("status") if answer else None
        if status == "max_connections":
            raise FeedError(TAKEN, retryable=True)
        if status == "auth_success":
            self._connected()
        return answer


def _topics(symbol: str) -> tuple[str, str, str]:
    return f"AM.{symbol}", f"T.{symbol}", f"LULD.{symbol}"


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ValueError(f"{value!r} is no number")
    return float(value)
