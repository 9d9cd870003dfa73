"""What happens on an account, told once and in order: its stream, and REST for what the stream lost.

After each sign-in and every few seconds a sweep asks for open orders and executions. Everything passes one gate, which
knows each execution by its id and each order by its last state: a duplicate, an echo, news from before are not told.
A fill whose predecessor is missing, or an order that has more filled than was told, is followed by a sweep at once.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from bots.brokers.base import (
    Banned,
    Broker,
    BrokerEvent,
    BrokerOrder,
    Execution,
    RateLimited,
    Stream,
    Unauthorised,
    VenueDown,
    wall_time,
)
from bots.orders import OrderState

log = logging.getLogger(__name__)

OVERLAP = datetime.timedelta(minutes=5)  # executions that may be listed late
REMEMBERED = datetime.timedelta(hours=1)
SOON_S = 0.3  # until a sweep that an event asks for: messages that only changed places arrive meanwhile
FLOWS_EVERY_S = 60.0
MUTE_S = 5.0  # a stream that missed an execution and has said nothing for so long since is taken for dead
RESTART_EVERY_S = 60.0
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class LinkState:
    """Whether what we know of the account is fresh: signed in, and swept since. since: of this state. why: it is down,
    in words. is_unauthorised: the venue refuses the keys; nothing is asked any more."""

    is_up: bool
    since: datetime.datetime
    why: str = ""
    is_unauthorised: bool = False


class Link:
    """One account's news. `take` gives what has come; `wake` is called, in a thread of ours, when there is something
    to take or the state has changed.

    since: by the venue's clock; executions before are not asked for. known: ids of those that are booked already.
    symbols: where the venue lists executions by symbol only, those that matter now. flows_since: as `since`, of money.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        since: datetime.datetime,
        symbols: Callable[[], Collection[str]],
        sweep_s: float,
        known: Iterable[str] = (),
        flows_since: datetime.datetime | None = None,
        known_flows: Iterable[str] = (),
        wake: Callable[[], None] = lambda: None,
        now: Callable[[], datetime.datetime] = wall_time,
    ) -> None:
        self.broker, self._symbols, self._sweep_s, self._wake, self._now = broker, symbols, sweep_s, wake, now
        self._cursor = self._since = since
        self._flows_since = flows_since or since
        self._executions = dict.fromkeys(known, since)  # by id: when it happened
        self._flows = set(known_flows)
        self._orders: dict[str, BrokerOrder] = {}  # by the venue's id: the last state told
        self._filled: dict[str, Decimal] = {}  # by the same: what executions told of, where all of them were heard
        self._ended: dict[str, float] = {}  # those that are over: since when, by our clock
        self._events: deque[BrokerEvent] = deque()
        self._lock = threading.RLock()
        self._arrived = threading.Condition(self._lock)
        self._asked = threading.Event()
        self._is_stopping = False
        self._stream: Stream | None = None
        self._signed_in_at = self._swept_at = -float("inf")  # monotonic
        self._unheard_since: float | None = None  # an execution that REST told first, and nothing by the stream since
        self._restarted_at = self._flows_at = -float("inf")
        self._next_sweep_at = self._not_before = 0.0
        self._rest_error, self._stream_error = "Not connected yet.", "Not connected yet."
        self.state = LinkState(False, now(), "Not connected yet.")
        self._thread = threading.Thread(target=self._run, name=f"link-{broker.kind}", daemon=True)

    # --- for the host -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        if not self.broker.pace.blocked_s:  # else the first good sweep opens it
            self._open_stream()
        self._thread.start()

    def stop(self) -> None:
        """End it; returns within 3 s unless a request hangs, whose thread then ends by itself."""
        self._is_stopping = True
        self._asked.set()
        if self._stream is not None:
            self._stream.stop()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(0.5)

    def take(self) -> list[BrokerEvent]:
        """What has come since the last call, in the order in which it is to be booked."""
        with self._lock:
            taken = list(self._events)
            self._events.clear()
        return taken

    @property
    def waits(self) -> bool:
        """Whether there is something to take."""
        return bool(self._events)

    def waiting(self) -> list[BrokerEvent]:
        """What would be taken now; it stays."""
        with self._lock:
            return list(self._events)

    def wait(self, timeout_s: float) -> bool:
        """Until there is something to take."""
        with self._arrived:
            return self._arrived.wait_for(lambda: bool(self._events) or self._is_stopping, timeout_s)

    def watch(self, orders: Iterable[BrokerOrder]) -> None:
        """Orders that the venue has taken by our own hand: their end is told, though no stream speaks of it."""
        with self._lock:
            for order in orders:
                for each in (order, *order.legs):
                    self._newest(each)

    def sweep_soon(self, in_s: float = 0.0) -> None:
        """Ask by REST before it is due."""
        with self._lock:
            self._next_sweep_at = min(self._next_sweep_at, time.monotonic() + in_s)
        self._asked.set()

    def sweep(self, timeout_s: float) -> bool:
        """Ask by REST now; whether that was done within so long. All that it found is there to be taken then."""
        asked = time.monotonic()
        self.sweep_soon()
        with self._arrived:
            return self._arrived.wait_for(lambda: self._swept_at >= asked or self._is_stopping, timeout_s)

    def order(self, client_order_id: str) -> BrokerOrder | None:
        """The last that is known of it, without asking."""
        with self._lock:
            return next((o for o in self._orders.values() if o.client_order_id == client_order_id), None)

    # --- the stream -------------------------------------------------------------------------------------------------

    def _open_stream(self) -> None:
        with self._lock:
            if self._is_stopping or self._stream is not None:
                return
            self._stream = self.broker.stream(self._heard, self._went_up, self._went_down)
        self._stream.start()

    def _close_stream(self) -> None:
        with self._lock:
            stream, self._stream = self._stream, None
        if stream is not None:
            stream.stop()

    def _went_up(self) -> None:
        with self._lock:
            self._signed_in_at, self._unheard_since = time.monotonic(), None
            self._stream_error = ""
        self.sweep_soon()

    def _went_down(self, why: str) -> None:
        with self._lock:
            self._signed_in_at, self._stream_error = -float("inf"), why
        self._judge()
        self.sweep_soon(SOON_S)

    def _heard(self, event: BrokerEvent) -> None:
        with self._lock:
            self._unheard_since = None
            has_gap = self._has_gap(event)
        self._tell(event)
        if has_gap:
            self.sweep_soon(SOON_S)

    def _has_gap(self, event: BrokerEvent) -> bool:
        """Whether the venue has filled more of the order than was told of."""
        order, fill = event.order, event.execution
        told = self._filled.get(order.broker_order_id) if order is not None else None
        if order is None or told is None:
            return False
        if fill is None:
            return order.filled > told
        return fill.execution_id not in self._executions and order.filled - fill.qty > told

    # --- the gate ---------------------------------------------------------------------------------------------------

    def _tell(self, event: BrokerEvent) -> bool:
        """Put an event into the queue unless it says nothing new; whether it did."""
        with self._arrived:
            if event.kind == "flow":
                if event.activity is None or event.activity.ref in self._flows:
                    return False
                self._flows.add(event.activity.ref)
            else:
                found = self._news(event)
                if found is None:
                    return False
                event = found
            self._events.append(event)
            self._arrived.notify_all()
        self._wake_up()
        return True

    def _news(self, event: BrokerEvent) -> BrokerEvent | None:
        """What of an order's event is new."""
        fill, is_new = event.execution, False
        if event.order is not None:
            is_new, order = self._newest(event.order)
            event = replace(event, order=order)
        if fill is not None and fill.execution_id not in self._executions:
            self._executions[fill.execution_id] = fill.at
            if fill.broker_order_id in self._filled:
                self._filled[fill.broker_order_id] += fill.qty
            if not fill.client_order_id and event.order is not None:
                event = replace(event, execution=replace(fill, client_order_id=event.order.client_order_id))
            return event
        return replace(event, kind="order", execution=None) if is_new and event.order is not None else None

    def _newest(self, order: BrokerOrder) -> tuple[bool, BrokerOrder]:
        """(whether it says something new, the newest that is known). News from before the last state are none."""
        told = self._orders.get(order.broker_order_id)
        if told is not None and _is_older(order, told):
            return False, told
        if told is not None and told.state.is_over and not order.state.is_over:
            order = replace(order, state=told.state, status=told.status)  # a fill that came after the end
        if told is not None and not order.legs:
            order = replace(order, legs=told.legs)
        self._orders[order.broker_order_id] = order
        if told is None and not order.filled:
            self._filled[order.broker_order_id] = ZERO
        if order.state.is_over:
            self._ended.setdefault(order.broker_order_id, time.monotonic())
        return told is None or _face(order) != _face(told), order

    # --- the sweep --------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        failures = 0
        while not self._is_stopping:
            wait = max(self._next_sweep_at, self._not_before) - time.monotonic()
            if wait > 0:
                self._asked.wait(wait)
                self._asked.clear()
                continue
            with self._lock:
                # Sooner by chance: accounts that were opened together are not to ask, and be compared, together.
                sweep_s = random.uniform(0.7, 1.0) * self._sweep_s  # noqa: S311
                self._next_sweep_at = time.monotonic() + sweep_s
            try:
                self._sweep()
            except Unauthorised as error:
                self._give_up(str(error))
                return
            except RateLimited as error:
                if isinstance(error, Banned) and (self._stream is None or not self._stream.is_up):
                    self._close_stream()  # each of its tries would make the ban longer
                self._failed(str(error), error.retry_after_s)
            except Exception as error:
                if not isinstance(error, VenueDown):
                    log.exception("A sweep failed in a way that nobody has thought of")
                failures += 1
                longest = min(2.0 ** min(failures, 6), self._sweep_s)
                self._failed(str(error) or type(error).__name__, random.uniform(longest / 2, longest))  # noqa: S311
            else:
                failures = 0
                self._open_stream()

    def _sweep(self) -> None:
        began, began_at = time.monotonic(), self._now()
        found = {order.broker_order_id: order for order in self.broker.open_orders()}
        executions = self.broker.executions(max(self._cursor, self._since), self._symbols())
        with self._lock:
            new = [each for each in executions if each.execution_id not in self._executions]
            missing = {
                key
                for key, order in self._orders.items()
                if key not in found and (not order.state.is_over or any(e.broker_order_id == key for e in new))
            }
            missing |= {each.broker_order_id for each in new if each.broker_order_id not in found}
            names = {key: order.symbol for key, order in self._orders.items()}
        names |= {each.broker_order_id: each.symbol for each in new}
        for key in missing:
            order = self.broker.order(key, names[key])
            if order is not None:
                found |= {each.broker_order_id: each for each in (order, *order.legs)}
            else:
                log.warning("The venue does not know an order any more that it had taken: %s", key)
                with self._lock:
                    self._orders.pop(key, None)
        self._book(new, found, began_at)
        # Only what REST listed moves the next question on: what the stream told of may have older neighbours.
        self._cursor = max([self._cursor, *(each.at - OVERLAP for each in executions)])
        if began - self._flows_at >= FLOWS_EVERY_S:
            for activity in self.broker.activities(self._flows_since):
                self._tell(BrokerEvent("flow", activity.at, activity=activity))
                self._flows_since = max(self._flows_since, activity.at - OVERLAP)
            self._flows_at = began
        with self._lock:
            self._swept_at, self._rest_error = began, ""
            self._forget()
            self._arrived.notify_all()
        self._judge()

    def _book(self, new: Iterable[Execution], found: dict[str, BrokerOrder], began_at: datetime.datetime) -> None:
        """Tell what REST knows and the stream has not said: executions first, then what became of orders."""
        for execution in new:
            event = BrokerEvent("fill", execution.at, found.get(execution.broker_order_id), execution)
            if self._tell(event) and self._unheard_since is None:
                self._unheard_since = time.monotonic()
        for order in found.values():
            self._tell(BrokerEvent("order", order.updated_at or began_at, order))
        now = time.monotonic()
        if self._is_mute(now) and now - self._restarted_at > RESTART_EVERY_S:
            log.warning("The stream of an account at %s says nothing any more and is opened again", self.broker.kind)
            self._restarted_at = now
            self._close_stream()
            self._went_down("The stream said nothing of an execution.")

    def _is_mute(self, now: float) -> bool:
        """Whether the stream, signed in all the time, missed an execution and has told of nothing since."""
        missed = self._unheard_since
        return missed is not None and self._signed_in_at < missed < now - MUTE_S and self._signed_in_at > -float("inf")

    def _forget(self) -> None:
        """What is over for long, and what no sweep will list again."""
        before, oldest = time.monotonic() - REMEMBERED.total_seconds(), self._cursor - REMEMBERED
        for key in [key for key, at in self._ended.items() if at < before]:
            del self._ended[key]
            self._orders.pop(key, None)
            self._filled.pop(key, None)
        self._executions = {key: at for key, at in self._executions.items() if at >= oldest}

    # --- up and down ------------------------------------------------------------------------------------------------

    def _failed(self, why: str, wait_s: float) -> None:
        with self._lock:
            self._rest_error = why
            self._not_before = time.monotonic() + wait_s
        self._judge()

    def _give_up(self, why: str) -> None:
        self._close_stream()
        with self._lock:
            self.state = LinkState(False, self._now(), why, is_unauthorised=True)
        self._wake_up()

    def _judge(self) -> None:
        with self._lock:
            if self.state.is_unauthorised:
                return
            is_up = not self._rest_error and self._swept_at >= self._signed_in_at > -float("inf")
            why = "" if is_up else self._stream_error or self._rest_error or self.state.why
            if (is_up, why) == (self.state.is_up, self.state.why):
                return
            since = self.state.since if is_up == self.state.is_up else self._now()
            self.state = LinkState(is_up, since, why)
        self._wake_up()

    def _wake_up(self) -> None:
        with contextlib.suppress(Exception):
            self._wake()


def _face(order: BrokerOrder) -> tuple[object, ...]:
    return order.state, order.status, order.filled, order.qty, order.limit_px, order.stop_px, order.replaced_by


def _is_older(order: BrokerOrder, told: BrokerOrder) -> bool:
    """Whether a state was true before the other. Quantities decide, then ends, then the venue's clock."""
    if order.filled != told.filled:
        return order.filled < told.filled
    if told.state.is_over != order.state.is_over:
        return told.state.is_over
    if order.updated_at is not None and told.updated_at is not None:
        return order.updated_at < told.updated_at
    return order.state is OrderState.SUBMITTED
