"""News of an account where exchanges share no stream: its orders and executions are asked for again and again."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from bots.brokers.base import BrokerEvent, BrokerOrder, Execution, RateLimited, Unauthorised, VenueDown
from bots.brokers.listening import Listening
from bots.brokers.waiting import LONG_WAIT_S, LONGEST_WAIT_S, REFUSALS_BEFORE_LONG_WAIT, tell

if TYPE_CHECKING:
    from bots.brokers.ccxt.account import CcxtBroker

log = logging.getLogger(__name__)

OVERLAP = datetime.timedelta(minutes=1)


class Polling(Listening):
    """See `bots.brokers.base.Stream`: of the pairs that are held, have open orders, or were traded by this broker."""

    def __init__(
        self,
        broker: CcxtBroker,
        on_event: Callable[[BrokerEvent], None],
        on_up: Callable[[], None],
        on_down: Callable[[str], None],
        *,
        every_s: float,
    ) -> None:
        super().__init__("ccxt-polling", on_event, on_up, on_down)
        self._broker, self._every_s = broker, every_s
        self._since: datetime.datetime | None = None
        self._booked: set[str] = set()  # ids of executions
        self._open: dict[str, BrokerOrder] = {}  # as told last, by the venue's id

    def _run(self) -> None:
        failures = refusals = 0
        while not self._is_stopping.is_set():
            try:
                events = self._ask()
            except Exception as error:
                if not isinstance(error, VenueDown | RateLimited | Unauthorised):
                    log.exception("An account's news cannot be asked for")
                failures += 1
                refusals = refusals + 1 if isinstance(error, Unauthorised) else 0
                wait = min(self._every_s * 2**failures, LONGEST_WAIT_S)
                if isinstance(error, RateLimited):
                    wait = max(wait, error.retry_after_s)
                if refusals >= REFUSALS_BEFORE_LONG_WAIT:
                    wait = LONG_WAIT_S
                self.is_up = False
                tell(self._on_down, str(error) or type(error).__name__)
            else:
                failures, refusals, wait = 0, 0, self._every_s
                if not self.is_up:
                    self.is_up = True
                    tell(self._on_up)
                for event in events:
                    tell(self._on_event, event)
            self._is_stopping.wait(wait)
        self.is_up = False

    def _ask(self) -> list[BrokerEvent]:
        """What is new since the last time: executions first. What is there at the first is not new. Raises as `Broker`
        says, and then nothing counts as told."""
        is_first, now = self._since is None, self._broker.now()
        since = self._since or now
        found = {order.broker_order_id: order for order in self._broker.open_orders()}
        pairs = {order.symbol for order in (*found.values(), *self._open.values())}
        pairs |= {position.symbol for position in self._broker.positions()} | set(self._broker.traded())
        fresh = [e for e in self._broker.executions(since, pairs) if e.execution_id not in self._booked]
        stale = {key: order.symbol for key, order in self._open.items() if key not in found}
        stale |= {key: symbol for key, symbol in self._broker.sent().items() if key not in found}
        stale |= {each.broker_order_id: each.symbol for each in fresh}  # they may have filled since the list was made
        asked = {key: self._broker.order(key, symbol) for key, symbol in stale.items()}
        known = found | {key: order for key, order in asked.items() if order is not None}
        events = [_fill(each, known.get(each.broker_order_id)) for each in fresh]
        for key, order in known.items():
            if order != self._open.get(key) and not (is_first and key in found):
                events.append(BrokerEvent("order", order.updated_at or now, order))
        self._broker.forget(key for key, order in known.items() if order.state.is_over)
        self._booked |= {each.execution_id for each in fresh}
        self._open = {key: order for key, order in known.items() if not order.state.is_over}
        self._since = max(since, now - OVERLAP)
        return events


def _fill(execution: Execution, order: BrokerOrder | None) -> BrokerEvent:
    """With our own id, which lists of executions do not have."""
    if order is not None:
        execution = replace(execution, client_order_id=order.client_order_id)
    return BrokerEvent("fill", execution.at, order, execution)
