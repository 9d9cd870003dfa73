"""What every adapter's stream is: a thread of its own that tells listeners, started once and stopped once."""

from __future__ import annotations

import threading
from collections.abc import Callable

from bots.brokers.base import BrokerEvent
from bots.brokers.waiting import STOP_S


class Listening:
    """See `bots.brokers.base.Stream`. What is made of it says in `_run` how it stays connected until `_is_stopping`.

    name: of its thread.
    """

    def __init__(
        self,
        name: str,
        on_event: Callable[[BrokerEvent], None],
        on_up: Callable[[], None],
        on_down: Callable[[str], None],
    ) -> None:
        self._on_event, self._on_up, self._on_down = on_event, on_up, on_down
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._is_stopping = threading.Event()
        self.is_up = False

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._is_stopping.set()
        self._interrupt()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(STOP_S)

    def _interrupt(self) -> None:
        """End at once what it waits for; nothing, where it looks at `_is_stopping` often enough by itself."""

    def _run(self) -> None:
        raise NotImplementedError
