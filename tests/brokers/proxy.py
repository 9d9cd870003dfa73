"""A TCP proxy that can go silent (connections stay open, and nothing passes any more) or be cut (there are none)."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Proxy:
    """Passes bytes on between its own port and `target` ("host:port"), until `is_silent` or `is_cut`. port 0: any."""

    def __init__(self, target: str, port: int = 0) -> None:
        host, _, target_port = target.partition(":")
        self._target = (host, int(target_port))
        self._listening = socket.create_server(("127.0.0.1", port))
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self.is_silent = self.is_cut = False
        self.connections = 0
        self._is_over = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        peers: dict[socket.socket, socket.socket] = {}
        with selectors.DefaultSelector() as ready:
            ready.register(self._listening, selectors.EVENT_READ)
            while not self._is_over:
                if self.is_cut:
                    for each in peers:
                        with contextlib.suppress(KeyError, ValueError):
                            ready.unregister(each)
                        each.close()
                    peers.clear()
                for key, _ in ready.select(0.05):
                    if key.fileobj is self._listening:
                        client, _ = self._listening.accept()
                        if self.is_cut:
                            client.close()
                            continue
                        self.connections += 1
                        server = socket.create_connection(self._target)
                        peers |= {client: server, server: client}
                        for each in (client, server):
                            ready.register(each, selectors.EVENT_READ)
                        continue
                    source = key.fileobj
                    assert isinstance(source, socket.socket)
                    if source not in peers:
                        continue  # closed a moment ago, with its peer
                    try:
                        data = source.recv(65_536)
                        if data and not self.is_silent:
                            peers[source].sendall(data)
                    except OSError:
                        data = b""
                    if not data:
                        for each in (source, peers.pop(source)):
                            with contextlib.suppress(KeyError, ValueError):
                                ready.unregister(each)
                            each.close()
                            peers.pop(each, None)
        for each in peers:
            each.close()

    def close(self) -> None:
        self._is_over = True
        self._thread.join(5)
        self._listening.close()


@contextmanager
def proxy(target: str) -> Iterator[Proxy]:
    made = Proxy(target)
    made.start()
    try:
        yield made
    finally:
        made.close()
