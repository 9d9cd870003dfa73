"""News of an account where exchanges share no stream: its executions are asked for again and again."""

from __future__ import annotations

import datetime
import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bots.brokers.base import BrokerEvent, RateLimited, VenueDown

if TYPE_CHECKING:
    from bots.brokers.ccxt.account import CcxtBroker

log = logging.getLogger(__name__)

EVERY_S = 3.0
OVERLAP = datetime.timedelta(minutes=1)
STOP_S = 2.5


class Polling:
    """See `bots.brokers.base.Stream`: of the pairs that were traded here since it was opened."""

    def __init__(
        self,
        broker: CcxtBroker,
        on_event: Callable[[BrokerEvent], None],
        on_up: Callable[[], None],
        on_down: Callable[[str], None],
        *,
        every_s: float = EVERY_S,
    ) -> None:
        self._broker, self._every_s = broker, every_s
        self._on_event, self._on_up, self._on_down = on_event, on_up, on_down
        self._told: set[str] = set()
        self._thread = threading.Thread(target=self._run, name="ccxt-polling", daemon=True)
        self._is_stopping = threading.Event()
        self.is_up = False

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._is_stopping.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(STOP_S)

    def _run(self) -> None:
        since: datetime.datetime | None = None
        while not self._is_stopping.is_set():
            wait = self._every_s
            try:
                since = self._ask(since)
            except Exception as error:
                if not isinstance(error, VenueDown | RateLimited):
                    log.exception("The executions of an account cannot be asked for")
                wait = error.retry_after_s if isinstance(error, RateLimited) else self._every_s * 2
                self._went(False, str(error) or type(error).__name__)
            self._is_stopping.wait(wait)
        self.is_up = False

    def _ask(self, since: datetime.datetime | None) -> datetime.datetime:
        """Tell what is new since the last time; when to begin the next time. Raises as `Broker` says."""
        now = self._broker.now()
        since = since or now - OVERLAP
        found = self._broker.executions(since, self._broker.traded())
        fresh = [each for each in found if each.execution_id not in self._told]
        orders = {each.broker_order_id: self._broker.order(each.broker_order_id, each.symbol) for each in fresh}
        self._went(True)
        for each in fresh:
            self._told.add(each.execution_id)
            self._tell(self._on_event, BrokerEvent("fill", each.at, orders[each.broker_order_id], each))
        return max(since, now - OVERLAP)

    def _went(self, up: bool, why: str = "") -> None:
        if up == self.is_up and not why:
            return
        self.is_up = up
        self._tell(self._on_up) if up else self._tell(self._on_down, why)

    def _tell(self, whom: Callable[..., None], *what: Any) -> None:
        try:
            whom(*what)
        except Exception:
            log.exception("A listener of an account's news failed")
