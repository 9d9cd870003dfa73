"""Websocket clients over loopback: what they hear and when; one that reads nothing."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import websockets

from tradingsite.lib.consumers import NO_LOGIN

Heard = Callable[[dict[str, Any], float], None]


class Clients:
    """Clients in a thread with a loop of its own. heard(message, wall time) is called for each event of each.

    login: gives an access token. One lives for minutes; a client that is cut off at its end comes again with another.
    """

    def __init__(self, port: int, login: Callable[[], str], topic: str, count: int, heard: Heard) -> None:
        self._url, self._topic, self._heard = f"ws://127.0.0.1:{port}/ws/", topic, heard
        self._login, self._token = login, login()
        self.ready = 0
        self.renewed = 0
        self.lost = 0
        threading.Thread(target=asyncio.run, args=(self._all(count),), daemon=True).start()

    async def _all(self, count: int) -> None:
        gate = asyncio.Semaphore(10)
        await asyncio.gather(*(self._one(gate) for _ in range(count)))

    async def _one(self, gate: asyncio.Semaphore) -> None:
        try:
            while await self._listen(gate):
                self.renewed += 1
                self._token = await asyncio.to_thread(self._login)
        except (OSError, websockets.WebSocketException):
            self.lost += 1

    async def _listen(self, gate: asyncio.Semaphore) -> bool:
        """Hear until the connection ends; whether it ended with the token."""
        try:
            async with gate:
                headers = {"Authorization": f"Bearer {self._token}"}
                client = await websockets.connect(self._url, additional_headers=headers, open_timeout=30)
                await client.send(json.dumps({"op": "subscribe", "topic": self._topic}))
                while json.loads(await client.recv()).get("event") != "subscribed":
                    continue
            self.ready += 1
            async for text in client:
                self._heard(json.loads(text), time.time())
        except websockets.ConnectionClosed as closed:
            if closed.rcvd is not None and closed.rcvd.code == NO_LOGIN:
                return True
            raise
        raise ConnectionResetError("the server closed a connection that nobody had ended")


def deaf(port: int, token: str, topic: str) -> socket.socket:
    """A client that subscribes and then reads nothing, with the smallest buffer there is."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    head = (
        f"GET /ws/ HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"Authorization: Bearer {token}\r\n\r\n"
    )
    client.sendall(head.encode())
    client.recv(4096)
    body = json.dumps({"op": "subscribe", "topic": topic}).encode()
    client.sendall(bytes([0x81, 0x80 | len(body)]) + bytes(4) + body)  # masked with zeros
    return client


def is_cut(client: socket.socket) -> bool:
    """Whether the server has let go of it, once what was sent before is read."""
    client.settimeout(10)
    try:
        while client.recv(65_536):
            continue
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


def login_of(user: Any) -> Callable[[], str]:
    """Gives access tokens of logins of this user's own."""
    from accounts import tokens

    return lambda: tokens.begin(user).access
