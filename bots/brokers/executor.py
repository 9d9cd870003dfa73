"""Sends an account's orders: a few at a time, exits before entries, each until its outcome is known.

Five threads share the adapter's connections. Entries never take the last two of them, nor the last quarter of the
venue's budget of requests (`pace`), so that an exit finds room in the worst minute. What must wait (for the venue, for
a proof) goes back into the queue and holds no thread.
"""

from __future__ import annotations

import datetime
import heapq
import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from bots.brokers.base import (
    Broker,
    BrokerOrder,
    OrderRequest,
    RateLimited,
    Refused,
    Unauthorised,
    VenueDown,
    wall_time,
)
from bots.brokers.pace import urgent
from bots.brokers.proof import FIRST_WAIT_S, LONGEST_WAIT_S, prove

log = logging.getLogger(__name__)

WORKERS, KEPT_WORKERS = 5, 2
RESEND_S = 10.0  # an entry older than this is not sent again: the price it was decided at is gone
ENTRY_PATIENCE_S, EXIT_PATIENCE_S = 30.0, 300.0
REMEMBERED = 1_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request. placed: the venue has taken it (`order` as it answered; None for a cancel). refused:
    nothing of it has happened and nothing will, `error` says why (Refused, RateLimited, Unauthorised). unknown: ask
    again by `Executor.settle`. queued_s: from the call to the first byte. took_s: the last round trip. sent_at: of the
    last send, our clock; None: no byte has left."""

    kind: Literal["placed", "refused", "unknown"]
    client_order_id: str
    order: BrokerOrder | None = None
    error: Exception | None = None
    sent_at: datetime.datetime | None = None
    queued_s: float = 0.0
    took_s: float = 0.0
    sends: int = 0

    @property
    def code(self) -> str:
        """Of a refusal: one of `REFUSALS`, or rate_limited, unauthorised, not_placed; else empty."""
        if isinstance(self.error, Refused):
            return self.error.code
        if isinstance(self.error, Unauthorised):
            return "unauthorised"
        return "rate_limited" if isinstance(self.error, RateLimited) else ""


Steps = Generator[float, None, Outcome]


@dataclass(slots=True)
class _Task:
    client_order_id: str
    is_exit: bool
    since: float
    steps: Steps | None = None
    future: Future[Outcome] = field(default_factory=Future)
    sent_at: datetime.datetime | None = None
    queued_s: float = 0.0
    took_s: float = 0.0
    sends: int = 0
    is_in_doubt: bool = False  # a send has no answer

    def outcome(
        self, kind: Literal["placed", "refused", "unknown"], order: BrokerOrder | None = None,
        error: Exception | None = None,
    ) -> Outcome:  # fmt: skip
        return Outcome(kind, self.client_order_id, order, error, self.sent_at, self.queued_s, self.took_s, self.sends)

    @property
    def at_worst(self) -> Literal["refused", "unknown"]:
        """What can be said where it goes no further."""
        return "unknown" if self.is_in_doubt else "refused"

    def dropped(self) -> Outcome:
        """Its end where nobody works on it any more."""
        never = Refused("not_placed", "It was not sent: trading here has ended.")
        return self.outcome(self.at_worst, error=None if self.is_in_doubt else never)


class _Tries:
    """How long to wait before the next try, doubled each time, for `patience_s` in all."""

    def __init__(self, patience_s: float) -> None:
        self._until, self._wait = time.monotonic() + patience_s, FIRST_WAIT_S

    def not_before(self, seconds: float) -> None:
        """The venue has named a time."""
        self._wait = max(self._wait, seconds)

    def wait_s(self) -> float | None:
        """Seconds until the next try; None: there is to be none."""
        wait = self._wait
        if time.monotonic() + wait > self._until:
            return None
        self._wait = min(wait * 2, LONGEST_WAIT_S)
        return wait


class Executor:
    """The queue of one account. All methods return at once; futures are resolved in its threads."""

    def __init__(
        self,
        broker: Broker,
        *,
        workers: int = WORKERS,
        now: Callable[[], datetime.datetime] = wall_time,
        entry_patience_s: float = ENTRY_PATIENCE_S,
        exit_patience_s: float = EXIT_PATIENCE_S,
    ) -> None:
        self.broker, self._now = broker, now
        self._patience = {False: entry_patience_s, True: exit_patience_s}
        self._ready = threading.Condition()
        self._waiting: list[tuple[float, int, _Task]] = []  # by the time from which they may go on
        self._due: list[tuple[int, int, _Task]] = []  # exits first, then as they came
        self._serial = itertools.count()
        self._entries_at_work, self._most_entries = 0, max(workers - KEPT_WORKERS, 1)
        self._is_closed = False
        self._measured: deque[tuple[float, float]] = deque(maxlen=REMEMBERED)
        self._threads = [
            threading.Thread(target=self._work, name=f"executor-{broker.kind}-{i}", daemon=True) for i in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    # --- what can be asked for --------------------------------------------------------------------------------------

    def submit(self, request: OrderRequest, *, is_exit: bool = False) -> Future[Outcome]:
        """Send an order whose row is committed."""
        return self._add(request.client_order_id, is_exit, lambda task: self._submitting(task, request))

    def settle(self, request: OrderRequest, sent_at: datetime.datetime, *, is_exit: bool = False) -> Future[Outcome]:
        """Find out about an order that may have been sent by somebody before: after a crash, or an outcome unknown."""
        return self._add(request.client_order_id, is_exit, lambda task: self._settling(task, request, sent_at))

    def cancel(self, order: BrokerOrder) -> Future[Outcome]:
        """Ask for an order's end, again and again until the venue has heard it. Goes with the exits."""
        return self._add(order.client_order_id, True, lambda task: self._cancelling(task, order))

    def replace(
        self,
        order: BrokerOrder,
        client_order_id: str,
        *,
        qty: Decimal | None = None,
        limit_px: Decimal | None = None,
        stop_px: Decimal | None = None,
    ) -> Future[Outcome]:
        """Put a new order into the place of one. Goes with the exits."""

        def send() -> BrokerOrder:
            return self.broker.replace(order, client_order_id, qty=qty, limit_px=limit_px, stop_px=stop_px)

        return self._add(client_order_id, True, lambda task: self._replacing(task, order, send))

    def figures(self) -> dict[str, float]:
        """Of the last sends: count, and p50 and p99 in ms of what they waited here and of the venue's answer."""
        with self._ready:
            measured = list(self._measured)
        told: dict[str, float] = {"count": float(len(measured))}
        for name, values in (("queued", [q for q, _ in measured]), ("answer", [a for _, a in measured])):
            values.sort()
            for percent in (50, 99):
                at = min(len(values) * percent // 100, len(values) - 1)
                told[f"{name}_p{percent}_ms"] = values[at] * 1_000 if values else 0.0
        return told

    def close(self, timeout_s: float = 3.0) -> None:
        """Send nothing any more. What is still queued is resolved: refused where no byte has left, else unknown."""
        with self._ready:
            self._is_closed = True
            left = [task for *_, task in (*self._waiting, *self._due)]
            self._waiting.clear()
            self._due.clear()
            self._ready.notify_all()
        for task in left:
            task.future.set_result(task.dropped())
        ends = time.monotonic() + timeout_s
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(ends - time.monotonic(), 0.0))

    # --- the queue --------------------------------------------------------------------------------------------------

    def _add(self, client_order_id: str, is_exit: bool, steps: Callable[[_Task], Steps]) -> Future[Outcome]:
        task = _Task(client_order_id, is_exit, time.monotonic())
        task.steps = steps(task)
        with self._ready:
            if self._is_closed:
                raise RuntimeError("the executor is closed")
            heapq.heappush(self._due, (not is_exit, next(self._serial), task))
            self._ready.notify()
        return task.future

    def _work(self) -> None:
        while (task := self._next()) is not None:
            wait, outcome = self._step(task)
            with self._ready:
                self._entries_at_work -= not task.is_exit
                if outcome is None and not self._is_closed:
                    heapq.heappush(self._waiting, (time.monotonic() + wait, next(self._serial), task))
                self._ready.notify_all()
            if outcome is None and self._is_closed:
                outcome = task.dropped()
            if outcome is not None and not task.future.done():
                task.future.set_result(outcome)

    def _next(self) -> _Task | None:
        """The next task for this thread; None: it is to end."""
        with self._ready:
            while not self._is_closed:
                now = time.monotonic()
                while self._waiting and self._waiting[0][0] <= now:
                    _, serial, task = heapq.heappop(self._waiting)
                    heapq.heappush(self._due, (not task.is_exit, serial, task))
                if self._due and (self._due[0][2].is_exit or self._entries_at_work < self._most_entries):
                    *_, task = heapq.heappop(self._due)
                    self._entries_at_work += not task.is_exit
                    return task
                self._ready.wait(max(self._waiting[0][0] - now, 0.0) if self._waiting else None)
            return None

    def _step(self, task: _Task) -> tuple[float, Outcome | None]:
        """Let a task go on: (seconds that it waits, None), or its outcome."""
        assert task.steps is not None  # noqa: S101
        try:
            with urgent() if task.is_exit else nullcontext():
                return next(task.steps), None
        except StopIteration as end:
            return 0.0, end.value
        except Unauthorised as error:
            return 0.0, task.outcome(task.at_worst, error=error)
        except Exception as error:
            log.exception("Sending an order failed in a way that nobody has thought of")
            return 0.0, task.outcome(task.at_worst, error=error)

    # --- what each kind of task does --------------------------------------------------------------------------------

    def _sent(self, task: _Task, call: Callable[[], BrokerOrder | None]) -> BrokerOrder | None:
        """Make the call, measured."""
        began = time.monotonic()
        if not task.sends:
            task.queued_s = began - task.since
        task.sends, task.sent_at = task.sends + 1, self._now()
        try:
            return call()
        except RateLimited:
            task.sends -= 1  # it was not taken
            task.sent_at = task.sent_at if task.sends else None
            raise
        except (Refused, Unauthorised):
            raise
        except Exception:
            task.is_in_doubt = True
            raise
        finally:
            task.took_s = time.monotonic() - began
            with self._ready:
                self._measured.append((task.queued_s, task.took_s))

    def _submitting(self, task: _Task, request: OrderRequest) -> Steps:
        until = time.monotonic() + self._patience[task.is_exit]
        while True:
            try:
                return task.outcome("placed", self._sent(task, lambda: self.broker.submit(request)))
            except RateLimited as error:
                if time.monotonic() + error.retry_after_s > until:
                    return task.outcome("refused", error=error)
                yield error.retry_after_s
            except Refused as error:
                if error.code != "duplicate_client_id":
                    return task.outcome("refused", error=error)
                break  # somebody sent it before: it is there
            except VenueDown:
                break
        return (yield from self._proving(task, request, task.sent_at or self._now()))

    def _settling(self, task: _Task, request: OrderRequest, sent_at: datetime.datetime) -> Steps:
        task.is_in_doubt, task.sends, task.sent_at = True, 1, sent_at
        return (yield from self._proving(task, request, sent_at))

    def _proving(self, task: _Task, request: OrderRequest, sent_at: datetime.datetime) -> Steps:
        patience = max(self._patience[task.is_exit], self.broker.capabilities.proof_window_s + ENTRY_PATIENCE_S)
        verdict = yield from prove(
            self.broker, request, sent_at, now=self._now, until=self._now() + datetime.timedelta(seconds=patience),
            may_resend=lambda: task.is_exit or (self._now() - sent_at).total_seconds() < RESEND_S,
        )  # fmt: skip
        if verdict.kind == "placed":
            return task.outcome("placed", verdict.order)
        if verdict.kind == "open":
            return task.outcome("unknown")
        never = Refused("not_placed", "The venue never took it: it was lost on its way.")
        return task.outcome("refused", error=verdict.refused or never)

    def _cancelling(self, task: _Task, order: BrokerOrder) -> Steps:
        tries = _Tries(EXIT_PATIENCE_S)

        def send() -> None:
            self.broker.cancel(order)

        while True:
            try:
                self._sent(task, send)
                return task.outcome("placed")
            except Refused as error:
                return task.outcome("refused", error=error)
            except RateLimited as error:
                tries.not_before(error.retry_after_s)
            except VenueDown:
                pass
            if (wait := tries.wait_s()) is None:
                return task.outcome("unknown")
            yield wait

    def _replacing(self, task: _Task, order: BrokerOrder, send: Callable[[], BrokerOrder]) -> Steps:
        """A change that was sent is asked for by its new id before it is sent again, under the same one."""
        tries = _Tries(EXIT_PATIENCE_S)
        while True:
            try:
                if task.sends and (new := self.broker.find(task.client_order_id, order.symbol)) is not None:
                    return task.outcome("placed", new)
                return task.outcome("placed", self._sent(task, send))
            except Refused as error:
                if error.code != "duplicate_client_id" and not (error.code == "is_over" and task.sends > 1):
                    return task.outcome("refused", error=error)
                try:  # an earlier send has done it, and this is its echo
                    new = self.broker.find(task.client_order_id, order.symbol)
                    if new is not None or error.code == "is_over":
                        return task.outcome("placed", new) if new else task.outcome("refused", error=error)
                except (VenueDown, RateLimited):
                    pass
            except RateLimited as error:
                tries.not_before(error.retry_after_s)
            except VenueDown:
                pass
            if (wait := tries.wait_s()) is None:
                return task.outcome("unknown")
            yield wait
