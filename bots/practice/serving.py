"""Serving a practice venue: in the foreground for the command, in a thread for a program that uses it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator

import uvicorn

from bots.practice.server import Protocol, Venue

PING_S = 20.0


def config(venue: Venue, host: str = "127.0.0.1", port: int = 0) -> uvicorn.Config:
    """The settings under which uvicorn serves it."""
    return uvicorn.Config(
        venue.application, host=host, port=port, http=Protocol, lifespan="off", interface="asgi3", log_level="warning",
        ws_ping_interval=PING_S, ws_ping_timeout=PING_S,
    )  # fmt: skip


async def serve(server: uvicorn.Server, venue: Venue, sockets: list[socket.socket]) -> None:
    """Until the server is told to end (`server.should_exit`)."""
    moving = asyncio.create_task(venue.run())
    try:
        await server.serve(sockets)
    finally:
        moving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await moving


def tcp_socket() -> socket.socket:
    """To listen on. The protocol is named so that asyncio sends at once: else each answer of a connection that is kept
    waits 40 ms for the client's acknowledgement of its head."""
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)


@contextlib.contextmanager
def in_thread(venue: Venue, port: int = 0) -> Iterator[str]:
    """Serve it while the block runs; gives "127.0.0.1:<port>". port 0: any free one."""
    listening = tcp_socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    server = uvicorn.Server(config(venue))
    thread = threading.Thread(target=lambda: asyncio.run(serve(server, venue, [listening])), daemon=True)
    thread.start()
    address = f"127.0.0.1:{listening.getsockname()[1]}"
    try:
        while not server.started and thread.is_alive():
            thread.join(0.01)
        if not server.started:
            raise RuntimeError("the practice venue did not start; its log says why")
        yield address
    finally:
        server.should_exit = server.force_exit = True
        thread.join(10)
