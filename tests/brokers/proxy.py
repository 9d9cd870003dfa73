"""A TCP proxy that can go silent (connections stay open, and nothing passes any more) or be cut (there are none)."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Proxy:
    """Passes bytes on between its own port and `target` ("host:port"), until `is_silent` or `is_cut`. port 0: any.

    Either holds from the moment at which its assignment returns: no byte that was sent after it arrives.
    """

    def __init__(self, target: str, port: int = 0) -> None:
        host, _, target_port = target.partition(":")
        self._target = (host, int(target_port))
        self._listening = socket.create_server(("127.0.0.1", port))
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self._is_silent = self._is_cut = False
        self.connections = 0
        self._peers: dict[socket.socket, socket.socket] = {}
        self._ready = selectors.DefaultSelector()
        self._lock = threading.Lock()  # held while anything is passed on
        self._is_over = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def is_silent(self) -> bool:
        return self._is_silent

    @is_silent.setter
    def is_silent(self, wanted: bool) -> None:
        with self._lock:
            self._is_silent = wanted

    @property
    def is_cut(self) -> bool:
        return self._is_cut

    @is_cut.setter
    def is_cut(self, wanted: bool) -> None:
        with self._lock:
            self._is_cut = wanted
            if wanted:
                self._hang_up(*self._peers)

    def _run(self) -> None:
        self._ready.register(self._listening, selectors.EVENT_READ)
        while not self._is_over:
            for key, _ in self._ready.select(0.05):
                source = key.fileobj
                assert isinstance(source, socket.socket)
                with self._lock:
                    if source is self._listening:
                        self._connect()
                    elif source in self._peers:  # else closed a moment ago, with its peer
                        self._pass_on(source)
        with self._lock:
            self._hang_up(*self._peers)
        self._ready.close()

    def _connect(self) -> None:
        client, _ = self._listening.accept()
        if self._is_cut:
            client.close()
            return
        self.connections += 1
        server = socket.create_connection(self._target)
        self._peers |= {client: server, server: client}
        for each in (client, server):
            self._ready.register(each, selectors.EVENT_READ)

    def _pass_on(self, source: socket.socket) -> None:
        try:
            data = source.recv(65_536)
            if data and not self._is_silent:
                self._peers[source].sendall(data)
        except OSError:
            data = b""
        if not data:
            self._hang_up(source, self._peers[source])

    def _hang_up(self, *ends: socket.socket) -> None:
        for each in ends:
            self._peers.pop(each, None)
            with contextlib.suppress(KeyError, ValueError):
                self._ready.unregister(each)
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
