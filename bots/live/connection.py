"""A broker account in the hands of a host: what is asked of the venue, what it tells, and how it looks there.

Everything that waits for the venue does so in threads of its own; what they find out is handed to the trading thread
by `take`. Nothing here decides.
"""

from __future__ import annotations

import datetime
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from django.conf import settings as site
from django.db import DatabaseError
from django.db import connection as database

from accounts.models import BrokerAccount
from bots import ids
from bots.brokers.base import (
    BrokerEvent,
    BrokerOrder,
    InstrumentRules,
    RateLimited,
    Refused,
    Unauthorised,
    VenueDown,
    wall_time,
)
from bots.brokers.executor import Executor, Outcome
from bots.brokers.link import OVERLAP, Link
from bots.brokers.registry import open_broker
from bots.live import bans, closing, flows, reconcile
from bots.live.asks import Answer, Ask, as_broker_order
from bots.live.lease import AccountLease, Permit
from bots.live.leased import Leased
from bots.live.opposite import Neighbours
from bots.live.pieces import Piece, broker_id, is_placed, is_working, order_of, session_of
from bots.live.unexplained import Unexplained
from bots.live.unnamed import Heard, Unnamed
from bots.models import Order, TradingSession

log = logging.getLogger(__name__)
SOON_S = 2.5  # until the second look at what is in doubt
SWEPT_S = 5.0  # so long that look waits until executions were asked for
UNDO_MOST_S = 30.0
FILLS_S, LAST_SWEEP_S = 5.0, 2.0  # an order sent so lately may have filled unheard; asked for so long at the end
# The answer to an order and its first fill come within moments of each other: together they are written once.
TOGETHER_S = 0.03
_BLIND_S = 60.0  # a look older than this says nothing any more


class Connection:
    """One account, opened with its keys. wake: called, in any thread, when there is something to `take`."""

    def __init__(
        self, account: BrokerAccount, keys: tuple[str, str], host: str, lease: AccountLease, wake: Callable[[], None]
    ) -> None:
        self.account, self.lease, self.permit, self._wake = account, lease, Permit(host, lease), wake
        broker = open_broker(account.kind, account.environment, *keys, account.options)
        # A sweep asks nothing during a ban, and says why: sessions know at once.
        bans.heed(account.pk, broker, lambda: self.link.sweep_soon())
        self.broker = Leased(broker, self._may_send)
        self.executor = Executor(self.broker)  # type: ignore[arg-type]
        newest = account.executions.order_by("-executed_at").values_list("executed_at", flat=True).first()
        since = (newest or account.created_at) - OVERLAP
        known = account.executions.filter(executed_at__gte=since - OVERLAP).values_list("execution_id", flat=True)
        flows = account.cash_flows.order_by("-at").values_list("at", flat=True).first()
        self.link = Link(
            broker,
            since=since,
            symbols=lambda: self.symbols,
            sweep_s=site.BROKER_SWEEP_SECONDS,
            known=list(known),
            flows_since=flows,
            known_flows=list(account.cash_flows.values_list("ref", flat=True)),
            wake=wake,
        )
        self.rules: dict[str, InstrumentRules] = {}
        self.symbols: set[str] = set()
        self.looked_at = -float("inf")  # monotonic, before the venue was asked
        self.asked_for = time.monotonic()  # when a session last wanted it
        self.truth: reconcile.Truth | None = None
        self.doubts = reconcile.Doubts()
        self.neighbours = Neighbours(account.pk)
        self.unnamed = Unnamed(account, self.ask_about)
        self.strays_due = 0.0  # monotonic, when orders that nobody runs are asked about next
        self._refusal = ""
        self._found: deque[Piece] = deque()  # from any thread
        self._events: list[Heard] = []  # taken, and not known yet whose they are
        self._pieces: deque[Piece] = deque()  # taken, and not booked yet
        self._looks: deque[reconcile.Truth] = deque()
        self._held: dict[int, list[Piece]] = {}  # for sessions that are being opened
        self._in_flight: set[str] = set()  # orders whose answer is under way
        self._sent_at = -float("inf")  # monotonic
        self._waits_since: float | None = None  # monotonic, of the first piece that may wait for others
        self.unexplained = Unexplained()
        self._is_looking = self._is_undoing = self._is_explaining = self._has_ended = False
        self._undo_for: datetime.datetime | None = None
        self._undo_at, self._undo_wait_s = 0.0, 1.0
        self._share = 1.0  # of the time between two looks: many accounts are not to be looked at together
        self._readers = ThreadPoolExecutor(2, thread_name_prefix=f"account-{account.pk}")

    def _may_send(self) -> bool:
        try:
            return self.permit.holds()
        except DatabaseError:
            return False  # nobody knows whose the account is
        finally:
            database.close()  # the threads of an executor look seldom, and keep no connection for it

    # --- state ------------------------------------------------------------------------------------------------------

    @property
    def trouble(self) -> str | None:
        """Why nothing may be entered at this account, in words; None: what we know of it is fresh."""
        state = self.link.state
        return None if state.is_up else f"{self.account.name} is not connected: {state.why}"

    @property
    def refusal(self) -> str:
        """The venue's words, where it refuses the keys or has blocked the account; else empty."""
        state = self.link.state
        return state.why if state.is_unauthorised else self._refusal

    def figures(self) -> dict[str, Any]:
        """How it goes, JSON-ready: what orders waited for us and for the venue, and whether the link is up."""
        return {**self.executor.figures(), "is_up": self.link.state.is_up}

    # --- to the venue -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        self.link.start()

    def send(self, ask: Ask) -> None:
        """Hand it to the executor. What comes of it is news."""
        try:
            future = self._hand_on(ask)
        except RuntimeError:  # the executor is closed: the next host asks what became of it
            return
        self._sent_at = time.monotonic()
        if ask.do == "submit":
            self._in_flight.add(ask.order.client_order_id)
        future.add_done_callback(lambda done: self._came(ask, done.result()))

    def _hand_on(self, ask: Ask) -> Future[Outcome]:
        if ask.do == "submit" and ask.request is not None:
            return self.executor.submit(ask.request, is_exit=ask.is_urgent)
        if ask.do == "replace" and ask.order.replaces is not None:
            old = as_broker_order(ask.order.replaces)
            return self.executor.replace(old, ask.order.client_order_id, **ask.changes)
        return self.executor.cancel(as_broker_order(ask.order))

    def settle(self, ask: Ask, sent_at: datetime.datetime) -> None:
        """Find out what became of an order whose answer never came."""
        if ask.request is not None:
            future = self.executor.settle(ask.request, sent_at, is_exit=ask.is_urgent)
            future.add_done_callback(lambda done: self._came(ask, done.result()))

    def _came(self, ask: Ask, outcome: Outcome) -> None:
        self._in_flight.discard(ask.order.client_order_id)
        if self._has_ended and not outcome.sends:
            return  # it never left, and its row says so: the next host decides what becomes of it
        refusal, error = None, outcome.error
        if outcome.kind == "refused":
            refusal = error if isinstance(error, Refused) else Refused(outcome.code or "invalid", str(error))
        if outcome.order is not None:
            self.link.watch([outcome.order])
        answer = Answer(ask, outcome.order, refusal, outcome.sends, outcome.took_s, outcome.kind)
        self._found.append(Piece(ask.order.session_id, answer, self))
        if isinstance(error, Unauthorised) or (isinstance(error, Refused) and error.code == "account_blocked"):
            self._refusal = str(error)
        self._wake()

    def ask_about(self, order: Order, absent: Answer | None = None) -> None:
        """Have the venue asked what became of one of ours; the answer is news. absent: the news where it has it not."""
        session_id, client_id, symbol = order.session_id, order.client_order_id, order.symbol
        broker_id = order.broker_order_id

        def find() -> None:
            found = self.broker.find(client_id, symbol)
            if found is None and broker_id:  # a leg of a group has a name of the venue's own
                found = self.broker.order(broker_id, symbol)
            if found is not None:
                event = BrokerEvent("order", found.updated_at or wall_time(), found)
                self._found.append(Piece(session_id, event, self))
            elif absent is not None:
                self._found.append(Piece(session_id, absent, self))

        self._read(find)

    def look(self) -> None:
        """Have the account looked at: orders, positions, money."""
        if self._is_looking:
            return
        self._is_looking = True

        def see() -> None:
            try:
                if self.doubts.waits:
                    flows.fetch(self.account, self.broker)  # type: ignore[arg-type]  # a split or a deposit explains it
                    if not self.link.sweep(SWEPT_S):
                        return  # a fill that was never told may explain it, too: nobody is sure before that was asked
                began = time.monotonic()
                truth = reconcile.look(self.broker)  # type: ignore[arg-type]
                self.truth, self.looked_at = truth, began
                self._looks.append(truth)
                if truth.money.is_blocked:
                    why = f" ({truth.money.blocked_by})" if truth.money.blocked_by else ""
                    self._refusal = f"The venue has blocked this account{why}. Only its support can help."
            finally:
                self._is_looking = False
                database.close()

        self._read(see)

    def explain(self) -> None:
        """Have the venue asked at once what has moved: a split explains orders that it has changed by itself."""
        if self._is_explaining or not self.unexplained.is_due():
            return
        self._is_explaining = True

        def fetch() -> None:
            try:
                flows.fetch(self.account, self.broker)  # type: ignore[arg-type]
            finally:
                self._is_explaining = False
                database.close()

        self._read(fetch)

    def look_when_due(self) -> None:
        """Have it looked at about as often as orders and executions are swept, sooner while something is in doubt."""
        self.explain()
        if self._events:
            self._wake()
        every_s = site.BROKER_SWEEP_SECONDS * self._share
        every_s = min(SOON_S, every_s) if self.doubts.waits else every_s
        if self.link.state.is_up and time.monotonic() - self.looked_at > every_s:
            self._share = random.uniform(0.7, 1.0)  # noqa: S311
            self.look()

    def undo(self, decided_at: datetime.datetime) -> None:
        """Have the venue undo what its owner asked for in the inbox, last at `decided_at`: at once, then less and less
        often, for an order may wait until its market opens."""
        now = time.monotonic()
        if decided_at != self._undo_for:
            self._undo_for, self._undo_wait_s, self._undo_at = decided_at, 1.0, now
        if self._is_undoing or now < self._undo_at:
            return
        self._is_undoing, self._undo_at = True, now + self._undo_wait_s
        self._undo_wait_s = min(self._undo_wait_s * 1.5, UNDO_MOST_S)

        def carry_out() -> None:
            try:
                if closing.carry_out(self.account, self.broker, self.permit.holds):  # type: ignore[arg-type]
                    self.look()
            finally:
                self._is_undoing = False
                database.close()

        self._read(carry_out)

    def _read(self, job: Callable[[], Any]) -> None:
        def run() -> None:
            try:
                job()
            except Unauthorised as error:
                self._refusal = str(error)
            except (VenueDown, RateLimited, Refused) as error:
                log.info("account %s: the venue was asked in vain: %s", self.account.pk, error)
            except Exception:
                log.exception("account %s: a question to the venue failed", self.account.pk)
            self._wake()

        try:
            self._readers.submit(run)
        except RuntimeError:
            log.info("account %s: it is closed", self.account.pk)

    # --- from the venue ---------------------------------------------------------------------------------------------

    def take(self) -> list[Piece]:
        """What is to be booked, in order. Each piece stays until it is `done`: whatever goes wrong, none is lost."""
        self._waits_since = None
        while self._found:
            self._pieces.append(self._found.popleft())
        now = time.monotonic()
        self._events += [Heard(event, now) for event in self.link.take()]
        nameless = any(session_of(each.event) is None for each in self._events)
        owners = self._owners(each.event for each in self._events) if nameless else {}
        heard = [
            replace(each, session_id=session_of(each.event) or owners.get(broker_id(each.event), 0))
            for each in self._events
        ]
        goes_on, self._events = self.unnamed.part(heard)
        self._pieces.extend(Piece(each.session_id, each.event, self) for each in goes_on)
        return list(self._pieces)

    def waits(self, session_ids: Iterable[int]) -> bool:
        """Whether there is anything to `take`, or was kept for one of these sessions. Any thread."""
        there = self._found or self._events or self._pieces or self.link.waits
        return bool(there) or not self.holds().isdisjoint(session_ids)

    def due_in(self) -> float:
        """Seconds until what `waits` should be taken: that the venue has an order waits a moment for its fill, and a
        fill for the answer that is under way. All else is due. In one thread only."""
        calm = [is_placed(piece.news) for piece in [*self._found]]
        calm += [is_working(event) or order_of(event) in self._in_flight for event in self.link.waiting()]
        if self._pieces or self._events or self._held or not all(calm):
            return 0.0
        now = time.monotonic()
        self._waits_since = self._waits_since or now
        return max(self._waits_since + TOGETHER_S - now, 0.0)

    @property
    def has_pieces(self) -> bool:
        """Whether pieces that were taken are not booked yet."""
        return bool(self._pieces)

    def done(self, pieces: int) -> None:
        """The first pieces that were taken are booked. They may have told the name that something waits for."""
        for _ in range(pieces):
            self._pieces.popleft()
        if self._events:
            self._wake()

    def again(self, session_id: int, news: BrokerEvent) -> None:
        """Have it heard once more, by a session that could not book it when it came."""
        self._found.append(Piece(session_id, news, self))
        self._wake()

    def hold(self, piece: Piece) -> None:
        """Keep it for its session, which a host is about to run."""
        self._held.setdefault(piece.session_id, []).append(piece)

    def holds(self) -> set[int]:
        """Sessions that pieces are kept for."""
        return set(self._held)

    def held(self, session_id: int) -> list[Piece]:
        """What was kept for a session that runs now."""
        return self._held.pop(session_id, [])

    @property
    def was_looked_at(self) -> bool:
        """Whether `looks` has something to give."""
        return bool(self._looks)

    def looks(self) -> Iterator[reconcile.Truth]:
        """Looks at the account since the last call."""
        while self._looks:
            yield self._looks.popleft()

    def _owners(self, events: Iterable[BrokerEvent]) -> dict[str, int]:
        """Sessions by the venue's ids of their orders, for news that name no order of ours."""
        named = {name for event in events if (name := broker_id(event))}
        rows = Order.objects.filter(broker_account=self.account, broker_order_id__in=named)
        return dict(rows.values_list("broker_order_id", "session_id"))

    def open_orders_of(self, session_id: int) -> list[BrokerOrder]:
        """The session's orders that the venue worked when it was looked at last; none where that is long ago."""
        if self.truth is None or time.monotonic() - self.looked_at > _BLIND_S:
            return []
        return [order for order in self.truth.open_orders if ids.session_of(order.client_order_id) == session_id]

    def listen_for(self, session: TradingSession) -> None:
        """One more session of this account: its symbols, and how they trade. Raises what `Broker` raises."""
        self.symbols |= set(session.symbols)
        self.rules |= self.broker.rules(session.symbols)

    def stop_sending(self) -> None:
        """What waits to be sent stays unsent; what was sent is still heard of. Returns within 3 s."""
        self._has_ended = True
        self.executor.close()

    def send_last(self) -> None:
        """`stop_sending`; where an order has left just now, the venue is asked once more what it has filled. Returns
        within 5 s."""
        self.stop_sending()
        if time.monotonic() - self._sent_at < FILLS_S:
            self.link.sweep(LAST_SWEEP_S)

    def close(self) -> None:
        """Send and hear nothing any more; returns within 5 s."""
        self.stop_sending()
        self.link.stop()
        self._readers.shutdown(wait=False, cancel_futures=True)
        self.broker.close()
