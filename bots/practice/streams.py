"""Open sockets of the practice venue: what is to be sent, and the faults on its way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from bots.practice.faults import Faults

Message = str | bytes
MAX_WAITING = 10_000


class Connection:
    """One client's socket. `say` may be called from anywhere on the loop; messages leave in order.

    name: of the stream, for faults. Faults are met when a message leaves.
    """

    def __init__(self, name: str, faults: Faults, send: Callable[[Any], Any]) -> None:
        self.name = name
        self._faults, self._send = faults, send
        self._waiting: asyncio.Queue[Message] = asyncio.Queue(MAX_WAITING)
        self._swapped: Message | None = None
        self._mute_until = 0.0
        self.is_cut = False

    def say(self, message: Message) -> None:
        self._waiting.put_nowait(message)

    async def answer(self, message: Message) -> None:
        """Send at once, past everything that waits: answers to the client's own messages meet no fault."""
        await self._write(message)

    async def write(self) -> None:
        """Send what there is to send, until the connection is cut."""
        while not self.is_cut:
            message = await self._waiting.get()
            fault = self._faults.of_message(self.name, "drop", "mute", "duplicate", "swap", "lose")
            now = asyncio.get_running_loop().time()
            if fault is not None and fault.kind == "drop":
                self.is_cut = True
                return
            if fault is not None and fault.kind == "mute":
                self._mute_until = now + fault.seconds
            if now < self._mute_until or (fault is not None and fault.kind == "lose"):
                continue
            if fault is not None and fault.kind == "swap" and self._swapped is None:
                self._swapped = message
                continue
            await self._write(message)
            if fault is not None and fault.kind == "duplicate":
                await self._write(message)
            if self._swapped is not None:
                await self._write(self._swapped)
                self._swapped = None

    async def _write(self, message: Message) -> None:
        kind = "bytes" if isinstance(message, bytes) else "text"
        await self._send({"type": "websocket.send", kind: message})
