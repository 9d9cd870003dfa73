"""What a host does with its sessions, in its one trading thread: open them, work their bars, halt them.

One session's fault stays its own: whatever goes wrong while it decides or is written ends that session's turn, says
why in its log, and leaves the others alone.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from django.db import DatabaseError, connection

from accounts.services.notifications import notify
from bots import failpoints, mapping
from bots.book import CrossingFill
from bots.host import ending, ledger, own_chat, sending
from bots.host.envelope import Envelopes
from bots.host.feeds import FeedError
from bots.host.instants import Decided, Done, Instant
from bots.host.lease import Lease, LostLease, release
from bots.host.looking import Looking
from bots.host.news import Newsroom
from bots.host.paper import PaperRunner
from bots.host.patience import DOWN, patiently
from bots.host.positions import LedgerMismatch
from bots.host.runner import Runner
from bots.host.targets import WeeklyTargets
from bots.live.connections import Ready
from bots.live.runner import LiveRunner
from bots.models import Cycle, Order, TradingSession
from bots.orders import OVER, OrderState
from bots.states import IllegalMove, SessionState
from bots.venues.base import Venue, VenueDown
from bots.venues.paper import PaperVenue
from engine import InputError

log = logging.getLogger(__name__)

# What means that a session's own account is wrong: it must not go on by itself.
WRONG = (LedgerMismatch, IllegalMove, CrossingFill)
# How long the rows of a bar that led to nothing wait for others to be written with: a transaction costs as much as the
# rows of a dozen sessions, and an order of another session may have to wait for its end.
QUIET_S = 0.05
SETTLED_AT_ONCE = 4  # sessions
MOST_ROUNDS = 50  # of what protects one session, after one change: more than it has symbols and orders for

# Orders that were handed to the threads which send them leave at once: what is to be told of them can wait, and of the
# threads of a process only one works at a time.
LET_GO_S = 0.002

T = TypeVar("T")


class TradingDesk(Looking):
    """All methods run in the trading thread; those that return ids say which sessions this host has no more."""

    def __init__(self, newsroom: Newsroom, envelopes: Envelopes) -> None:
        self.newsroom, self.envelopes = newsroom, envelopes
        self.venue: Venue = PaperVenue()
        self.measures = newsroom.measures
        self._targets = WeeklyTargets()
        self._latencies: deque[float] = deque(maxlen=1_000)
        # Decided, and nobody waits for what came of it: written together with others', a moment later.
        self._quiet: dict[int, tuple[Runner, Decided]] = {}
        self._quiet_since = 0.0

    # --- open -------------------------------------------------------------------------------------------------------

    def open(self, lease: Lease, ready: Ready | None = None) -> tuple[Runner, int] | None:
        """Bring a leased session up. (runner, the instant after which it wants bars), or None: it is not ours now.

        ready: for a session at a broker, the account's connection and what the venue says of the session's orders.
        """
        self._quiet.pop(lease.session_id, None)  # of a lease that we had before, and lost
        session = TradingSession.objects.select_related("memory", "owner").get(pk=lease.session_id)
        runner: Runner
        if ready is None:
            runner = PaperRunner(lease, session, self.venue)
        else:
            runner = LiveRunner(lease, session, ready.connection, ready.known)
        self.newsroom.state(runner)
        gone: set[int] = set()
        try:
            since = runner.open()
            self.envelopes.refresh([session.owner_id], [session.pk])
            self._take_caps(runner)
            for done in runner.catch_up():
                gone |= self._settle([(runner, done)])
                if gone:
                    return None
            runner.begin()
        except LostLease:
            return None
        except WRONG as error:
            self._halt(runner, f"Its ledger does not agree with itself: {error}")
            return None
        except InputError as error:
            self.fail(runner, f"It cannot run as it is: {error}")
            return None
        except (VenueDown, FeedError, *DOWN) as error:
            log.warning("session %s: not now: %s", lease.session_id, error)
            connection.close()
            release(lease)
            return None
        except Exception as error:
            log.exception("session %s could not be opened", lease.session_id)
            self._halt(runner, f"Something is wrong on our side: {type(error).__name__}. The log has the details.")
            return None
        self.newsroom.state(runner)
        return runner, since

    # --- bars -------------------------------------------------------------------------------------------------------

    def work(self, jobs: Sequence[tuple[Runner, Instant]]) -> set[int]:
        """Decide these, at most one instant a session; write, send and tell what came of it.

        Intents first: nothing that only keeps the books up to date may delay an order, not even its rows being built.
        Then what fills; what led to no order and no fill is left for `settle_quiet`.
        """
        gone = self.settle_quiet(runner.session.pk for runner, _ in jobs)
        urgent: list[tuple[Runner, Decided]] = []
        news: list[tuple[Runner, Decided]] = []
        for runner, instant in jobs:
            if runner.session.pk in gone:
                continue
            caps = self.envelopes.caps(runner.session.owner_id)
            runner.kill_switch = caps.blocked
            runner.outside = self.envelopes.outside(runner.session.owner_id, runner.session.pk)
            if runner.state == SessionState.DEGRADED:
                # The feed is back before the rows are looked at: the bars that it brings count in full.
                patiently(lambda r=runner: self._guarded(r, gone, lambda: self._heed(r)))
                if runner.session.pk in gone:
                    continue
            one = self._guarded(runner, gone, lambda r=runner, i=instant: r.decide(i))
            if one is None:
                continue
            if caps.watched:
                self._note(runner)
            if one.has_orders or (one.has_news and isinstance(runner, LiveRunner)):
                urgent.append((runner, one))
            elif one.has_news:
                news.append((runner, one))
            else:
                self._quiet_since = self._quiet_since if self._quiet else time.monotonic()
                self._quiet[runner.session.pk] = (runner, one)
        gone |= self._put_down(urgent, gone)
        return gone | self._put_down(news, gone)

    def settle_quiet(self, session_ids: Iterable[int] | None = None) -> set[int]:
        """Write what `work` has left, of these sessions or of all; ids as there. It must come before anything else is
        done with such a session: its rows are behind its account until then."""
        ids = list(self._quiet) if session_ids is None else [pk for pk in session_ids if pk in self._quiet]
        return self._put_down([self._quiet.pop(pk) for pk in ids], set())

    def settle_some(self) -> set[int]:
        """`settle_quiet` for those that wait longest; so many that no bar waits long for them."""
        return self.settle_quiet([*self._quiet][:SETTLED_AT_ONCE])

    def quiet_due_in(self) -> float | None:
        """Seconds until `settle_quiet` should come; None: nothing waits for it."""
        return max(self._quiet_since + QUIET_S - time.monotonic(), 0.0) if self._quiet else None

    def _put_down(self, decided: Sequence[tuple[Runner, Decided]], gone: set[int]) -> set[int]:
        pairs = []
        for runner, one in decided:
            done = self._guarded(runner, gone, lambda r=runner, d=one: r.put_down(d))
            pairs += [(runner, done)] if done is not None else []
        return gone | self._settle(pairs)

    def _guarded(self, runner: Runner, gone: set[int], do: Callable[[], T]) -> T | None:
        """`do`, with each kind of fault ending where it belongs. `gone` gets the session where it ends."""
        try:
            return do()
        except LostLease:
            gone.add(runner.session.pk)
        except InputError as error:
            runner.event("fault", f"A bar was left out: {error}", level="warning")
        except WRONG as error:
            gone.add(runner.session.pk)
            self._halt(runner, f"Its ledger does not agree with itself: {error}")
        except DOWN:
            raise
        except Exception as error:
            log.exception("session %s failed", runner.session.pk)
            gone.add(runner.session.pk)
            self._halt(runner, f"Something is wrong on our side: {type(error).__name__}. The log has the details.")
        return None

    def _settle(self, pairs: list[tuple[Runner, Done]]) -> set[int]:
        """Write, send and tell; then what must rest at the venue because of it. The ids of sessions that are lost or
        halted."""
        if not pairs:
            return set()
        lost = self._settle_once(pairs)
        for runner in dict.fromkeys(runner for runner, _ in pairs):
            for _ in range(MOST_ROUNDS):
                more = self._guarded(runner, lost, runner.protect) if runner.session.pk not in lost else None
                if more is None:
                    break
                lost |= self._settle_once([(runner, more)])
            else:
                log.error("session %s: there is no end to what protects it", runner.session.pk)
                lost.add(runner.session.pk)
                self._halt(runner, "Something is wrong on our side: its protective orders do not come to rest.")
        return lost

    def _settle_once(self, pairs: list[tuple[Runner, Done]]) -> set[int]:
        """`_settle` without what follows from it."""
        if any(done.write.trades for _, done in pairs):
            failpoints.pass_by("after_fill_recv")
        lost = self._commit(pairs)
        committed_ns = time.time_ns()
        held = [(runner, done) for runner, done in pairs if runner.session.pk not in lost]
        lost |= self._net(held)
        intents = [order for runner, done in held for order in runner.committed(done)]
        if any(isinstance(runner, LiveRunner) and done.write.orders for runner, done in held):
            time.sleep(LET_GO_S)
        if intents:
            on_paper = {runner.session.pk: runner for runner, _ in held if isinstance(runner, PaperRunner)}
            lost |= self._send(on_paper, intents, sending.WAITS_S)
        acked_ns = time.time_ns()
        ended = [
            order.client_order_id
            for runner, done in held
            if isinstance(runner, PaperRunner)
            for order in [*done.write.orders, *done.write.changed]
            if order.state in OVER
        ]
        if ended:
            patiently(lambda: self.venue.close(ended))
        for runner, done in held:
            instant, cycle = done.instant, done.write.cycle
            if instant is not None and cycle is not None and not cycle.caught_up:
                self._latencies.append((cycle.decided_at - cycle.received_at).total_seconds())
                self._measure(runner, done, instant, cycle, (committed_ns, acked_ns))
            self.newsroom.cycle(runner, done)
            own_chat.tell_trades(runner, done)
            if told := self._targets.reached(runner, done):
                self._notify(runner, "weekly_target", "info", f"{runner.session} reached its weekly target", told)
            for event, text in done.alarms:
                self._notify(runner, event, "critical", f"{runner.session}: a position needs you", text)
        return lost

    def _send(self, runners: Mapping[int, PaperRunner], orders: Sequence[Order], waits: Sequence[float]) -> set[int]:
        """Bring committed orders to the venue and its word into rows and accounts. The ids of sessions that halted."""
        answers = patiently(lambda: sending.send(self.venue, orders, waits=waits))
        gone: set[int] = set()
        for order in orders:
            runner, answer = runners[order.session_id], answers.get(order.pk)
            if answer is None:
                runner.account.unknown([order.seq])
            elif answer.state != OrderState.REJECTED:
                runner.account.accepted([order.seq])
            elif order.is_entry:
                done = self._guarded(runner, gone, lambda r=runner, o=order, a=answer: r.refused(o, a.reason))
                if done is not None:
                    gone |= self._settle([(runner, done)])
            else:
                gone.add(order.session_id)
                self._halt(runner, f"The venue refused to close {order.symbol}: {answer.reason}")
        return gone

    def _measure(self, runner: Runner, done: Done, instant: Instant, cycle: Cycle, moments: tuple[int, int]) -> None:
        """Note what one written instant took. moments: when it was committed and the venue had its orders, ns UTC."""
        session, (committed_ns, acked_ns) = runner.session.pk, moments
        orders, fills = len(done.write.orders), len(done.write.trades)
        if done.signals_s is not None:
            self.measures.took(session, "signal", done.signals_s)
        if orders:
            self.measures.took(session, "intent", (committed_ns - instant.received_ns) / 1e9, times=orders)
            self.measures.count("orders", orders)
        if orders and isinstance(runner, PaperRunner):
            self.measures.took(session, "ack", (acked_ns - committed_ns) / 1e9, times=orders)
        if fills:
            booked_s = (committed_ns - mapping.nanoseconds(cycle.decided_at)) / 1e9
            self.measures.took(session, "booked", booked_s, times=fills)
            self.measures.count("fills", fills)

    def _commit(self, pairs: list[tuple[Runner, Done]]) -> set[int]:
        """Write all together; where the database refuses, one by one: a bad row is its session's own trouble."""
        writes = [done.write for _, done in pairs]
        try:
            return patiently(lambda: ledger.commit(writes))
        except DatabaseError:
            log.exception("the database refuses %d sessions' rows", len(writes))
        lost = set()
        for runner, done in pairs:
            try:
                lost |= ledger.commit([done.write])
            except DatabaseError as error:
                log.exception("session %s: the database refuses its rows", runner.session.pk)
                lost.add(runner.session.pk)
                self._halt(runner, f"Its ledger could not be written: {type(error).__name__}. The log has the details.")
        return lost

    # --- ends -------------------------------------------------------------------------------------------------------

    def fail(self, runner: Runner, reason: str) -> set[int]:
        """It cannot run as it is configured."""
        return self._finish(runner, SessionState.FAILED, reason)

    def _halt(self, runner: Runner, reason: str) -> None:
        """It must not go on without a person."""
        self._finish(runner, SessionState.HALTED, reason)

    def _finish(self, runner: Runner, state: SessionState, reason: str) -> set[int]:
        try:
            ending.ended_badly(runner, state, reason)
        except (LostLease, DatabaseError):
            log.exception("session %s: %s could not be written", runner.session.pk, state)
            connection.close()
        else:
            if isinstance(runner, LiveRunner):
                runner.let_go()
            self.newsroom.state(runner, reason)
            self._notify(runner, f"session_{state.lower()}", "critical", f"{runner.session} {state.lower()}", reason)
        self.envelopes.forget(runner.session.owner_id, runner.session.pk)
        return {runner.session.pk}

    def _notify(self, runner: Runner, event: str, level: str, title: str, text: str) -> None:
        session = runner.session
        link = f"/sessions/{session.pk}/"
        key = f"{event}:{session.pk}"
        also = own_chat.reporters(runner)
        notify(session.owner, event, level=level, title=title, text=text, link=link, session_id=session.pk, dedup=key,
               also=also)  # fmt: skip

    def figures(self) -> dict[str, Any]:
        """How it goes: decision latencies of the last thousand cycles, in milliseconds."""
        waits = sorted(self._latencies)
        if not waits:
            return {}
        return {"decision_p50_ms": round(waits[len(waits) // 2] * 1e3, 2),
                "decision_p95_ms": round(waits[int(len(waits) * 0.95)] * 1e3, 2)}  # fmt: skip
