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

Heard = Callable[[dict[str, Any], float], None]


class Clients:
    """Clients in a thread with a loop of its own. heard(message, wall time) is called for each event of each."""

    def __init__(self, port: int, token: str, topic: str, count: int, heard: Heard) -> None:
        self._url, self._topic, self._heard = f"ws://127.0.0.1:{port}/ws/", topic, heard
        self._headers = {"Authorization": f"Bearer {token}"}
        self.ready = 0
        self.lost = 0
        threading.Thread(target=asyncio.run, args=(self._all(count),), daemon=True).start()

    async def _all(self, count: int) -> None:
        gate = asyncio.Semaphore(10)
        await asyncio.gather(*(self._one(gate) for _ in range(count)))

    async def _one(self, gate: asyncio.Semaphore) -> None:
        try:
            async with gate:
                client = await websockets.connect(self._url, additional_headers=self._headers, open_timeout=30)
                await client.send(json.dumps({"op": "subscribe", "topic": self._topic}))
                while json.loads(await client.recv()).get("event") != "subscribed":
                    continue
            self.ready += 1
            async for text in client:
                self._heard(json.loads(text), time.time())
        except (OSError, websockets.WebSocketException):
            self.lost += 1


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


def token_of(user: Any) -> str:
    """An access token of a login of this user's own."""
    from accounts import tokens

    return tokens.begin(user).access
