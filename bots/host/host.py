"""The session host: leases sessions, feeds them bars, and brings what they decide into the ledger and to the venue.

One asyncio loop for feeds and timers; one trading thread in which every session decides and is written, so that they
need no locks; one keeper thread for leases and for reading what owners want, which must not wait behind it. A host may
die at any line: all that matters is in rows, and recovery is how every session starts.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings as site
from django.db import DatabaseError
from django.utils import timezone

from bots.brokers.base import Unauthorised
from bots.host import frozen, looking, nudges, trading
from bots.host import lease as leases
from bots.host.envelope import Envelopes
from bots.host.instants import Instant
from bots.host.interpreter import Interpreter
from bots.host.news import Newsroom
from bots.host.runner import Runner
from bots.host.threads import OneThread, Threads, call_soon, wait
from bots.live import strays
from bots.live.connection import Connection
from bots.live.connections import Connections, NotNow, Ready
from bots.live.runner import LiveRunner
from bots.models import HostSign
from marketdata.feeds import BarBatch, FeedHub, FeedState, Subscription, Tick, open_feed
from marketdata.services import calendars
from tradingsite.lib.errors import Conflict
from tradingsite.lib.machine import Machine

log = logging.getLogger(__name__)

TENDED_AT_ONCE = 4  # sessions that are looked after while bars wait
LOOK_S = 1.0  # how often rows are asked for new sessions, wishes and commands; a nudge makes it at once
RATHER_AFTER_S = 0.8  # so long after the last time it is done when bars have been worked through: before others come
MOST_WAITING, FEW_WAITING = 16, 4  # instants of one session: its feed is paused at one, resumed at the other
PRICE_EVERY_S = 2.0
_VENUES_AT_ONCE = 8  # accounts that are being opened


@dataclass(slots=True)
class Seat:
    """A session in this host: its runner, its place in the hub, and the bars that wait for it."""

    runner: Runner
    subscription: Subscription | None = None
    waiting: deque[Instant] = field(default_factory=deque)
    prices: dict[str, float] = field(default_factory=dict)  # symbol → when its price was last told


class Host:
    """One session host. `run` ends when `stop` is set; then every session is handed over in good order."""

    def __init__(self, *, stop: threading.Event, capacity: int | None = None) -> None:
        self.name = f"{os.uname().nodename[:20]}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self.stop = stop
        self.capacity = capacity or site.SESSIONS_PER_HOST
        self.seats: dict[int, Seat] = {}
        self.newsroom = Newsroom()
        self.desk = trading.TradingDesk(self.newsroom, Envelopes())
        self._in_trading, self._in_keeping = OneThread("trading"), Threads("leases")
        self._in_venues = Threads("venues", _VENUES_AT_ONCE)
        self._opening: dict[int, tuple[leases.Lease, asyncio.Task[None]]] = {}
        self._started, self._looked = timezone.now(), time.monotonic()
        self._machine = Machine(site.VAR_DIR)

    async def run(self) -> None:
        """Host sessions until `stop`. Each part that fails is logged and goes on; nothing here gives up."""
        self.hub = FeedHub(open_feed)
        self._interpreter = Interpreter()
        self._bars, self._look, self._told, self._seen = (asyncio.Event() for _ in range(4))
        loop = asyncio.get_running_loop()
        self.connections = Connections(self.name, lambda: call_soon(loop, self._told.set))
        watches = (self._compare_books, self._keep_leases, self._tidy_accounts, self._look_at_rows, self._hear_nudges)
        jobs = [
            asyncio.create_task(self._forever(job), name=job.__name__)
            for job in (self.hub.run, self._trade, self._hear_venues, *watches)
        ]
        log.info("session host %s is up", self.name)
        try:
            while not self.stop.is_set():
                await asyncio.sleep(0.1)
        finally:
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)
            await self._hand_over()
            self.newsroom.close()
            for threads in (self._in_trading, self._in_keeping, self._in_venues):
                threads.shutdown()
            self._interpreter.end()
            log.info("session host %s is down", self.name)

    # --- jobs -------------------------------------------------------------------------------------------------------

    async def _forever(self, job: Callable[[], Any]) -> None:
        while True:
            try:
                await job()
            except asyncio.CancelledError:
                raise
            except Exception:
                log.exception("session host: %s failed, and begins again", job.__name__)
            await asyncio.sleep(0.5)

    async def _trade(self) -> None:
        """Bars that wait, one instant of each session at a time, until none waits."""
        while True:
            await wait(self._bars, self.desk.quiet_due_in())
            self._bars.clear()
            worked = False
            while jobs := [
                (seat.runner, seat.waiting.popleft())
                for seat in self.seats.values()
                if seat.waiting and seat.runner.takes_bars
            ]:
                worked = True
                gone = await self._in_trading.at_once(self.desk.work, jobs)
                self._leave(gone)
                self._let_in()
                await self._settle_quiet()
            if worked and time.monotonic() - self._looked >= RATHER_AFTER_S:
                self._look.set()
            await self._settle_quiet()
            self._interpreter.when_idle()

    async def _settle_quiet(self) -> None:
        while self.desk.quiet_due_in() == 0:
            self._leave(await self._in_trading(self.desk.settle_some))

    def _let_in(self) -> None:
        for seat in list(self.seats.values()):
            if seat.subscription is not None and seat.subscription.paused and len(seat.waiting) <= FEW_WAITING:
                seat.subscription.resume()

    async def _hear_venues(self) -> None:
        """What brokers have told, as soon as it is there; and now and then what was not done when it was told."""
        heard_all, due_in = -leases.HEARTBEAT_S, 0.0
        while True:
            await wait(self._told, due_in)
            self._told.clear()
            due_in = leases.HEARTBEAT_S
            if is_time := time.monotonic() - heard_all >= leases.HEARTBEAT_S:
                heard_all = time.monotonic()
            for account in self.connections.all():
                runners = self._runners_at(account)
                if account.refusal:
                    self._leave(await self._in_trading(self.desk.refuse, account, runners))
                    continue
                is_due = any(runner.is_due for runner in runners.values())
                waits_s = account.due_in() if account.waits(runners) else None
                if waits_s:
                    due_in = min(due_in, waits_s)
                if is_time or is_due or not runners or waits_s == 0:
                    self._leave(await self._in_trading(self.desk.hear, account, runners))
                while account.has_pieces:
                    self._leave(await self._in_trading(self.desk.hear, account, self._runners_at(account)))
                if account.was_looked_at:
                    self._seen.set()
                if any(runner.troubled != (account.trouble is not None) for runner in runners.values()):
                    self._look.set()

    async def _compare_books(self) -> None:
        """Our books with what looks at accounts have found, one account after another."""
        while True:
            await self._seen.wait()
            self._seen.clear()
            for account in self.connections.all():
                if account.was_looked_at and (broken := await self._in_venues(strays.compare, account)):
                    self._leave(await self._in_trading(self.desk.break_off, broken, self._runners_at(account)))

    def _runners_at(self, connection: Connection) -> dict[int, LiveRunner]:
        found = {pk: seat.runner for pk, seat in self.seats.items()}
        return {pk: r for pk, r in found.items() if isinstance(r, LiveRunner) and r.connection is connection}

    async def _keep_leases(self) -> None:
        while True:
            held = [seat.runner.lease for seat in self.seats.values()]
            held += [lease for lease, _ in self._opening.values()]
            lost = await self._in_keeping(self._renew, held)
            self._leave(lost)
            await asyncio.sleep(leases.HEARTBEAT_S)

    async def _tidy_accounts(self) -> None:
        """Watch accounts where something of ours is left, and close those that nobody needs any more."""
        while True:
            await asyncio.sleep(leases.HEARTBEAT_S)
            watched = await self._in_venues(self.connections.watch)
            used = {seat.runner.lease.account for seat in self.seats.values()}
            used |= {lease.account for lease, _ in self._opening.values()}
            accounts = [c.lease.account_id for c in self.connections.all() if c.lease not in used]
            unused = [account for account in accounts if account not in watched]
            if unused:
                close = functools.partial(self.connections.close, unused, release=True, idle_s=2 * leases.HEARTBEAT_S)
                await self._in_venues(close)

    def _renew(self, held: list[leases.Lease]) -> set[int]:
        frozen.release_locks()
        lost = leases.renew(self.name, held) if held else set()
        if accounts := self.connections.renew():
            lost |= {lease.session_id for lease in held if lease.account and lease.account.account_id in accounts}
        calendars.follow()  # an exchange that closes early today closes early for sessions that run
        stats = {
            "sessions": len(held),
            "dropped_news": self.newsroom.dropped,
            **self.desk.figures(),
            **self.newsroom.measures.figures(),
            "machine": self._machine.read(),
            "accounts": {str(account.lease.account_id): account.figures() for account in self.connections.all()},
        }
        HostSign.objects.update_or_create(
            name=self.name,
            defaults={
                "started_at": self._started, "seen_at": timezone.now(), "sessions": len(held), "stats": stats,
            },
        )  # fmt: skip
        return lost

    async def _look_at_rows(self) -> None:
        while True:
            self._looked = time.monotonic()
            room = self.capacity - len(self.seats) - len(self._opening)
            claim = functools.partial(leases.claim, self.name, room, resting=self.connections.resting())
            taken = await self._in_keeping(claim) if room > 0 else []
            for lease in taken:
                if lease.account is None:
                    await self._take(lease)
                else:
                    # Nobody else waits for its venue.
                    self._opening[lease.session_id] = (lease, asyncio.create_task(self._take_at_broker(lease)))
            for account in self.connections.all():
                account.look_when_due()
            runners = self._counted()
            if runners:
                wanted = await self._in_keeping(looking.read, runners)
                here = self._still_here(runners)
                await self._in_trading(self.desk.take_over, wanted, here)
                ids = list(here)
                for part in (ids[at : at + TENDED_AT_ONCE] for at in range(0, len(ids), TENDED_AT_ONCE)):
                    await self._tend(wanted, {pk: runners[pk] for pk in part})
                self._bars.set()  # those that had to wait may be decided on now
            await wait(self._look, LOOK_S)
            self._look.clear()

    def _counted(self) -> dict[int, Runner]:
        """Every session's runner, once it is told whether its prices have come to their end."""
        for seat in self.seats.values():
            # Both at one moment: a replay tells its end while its last bars still wait.
            feed = seat.runner.feed
            seat.runner.drained = not seat.waiting and feed is not None and feed.status == "ended"
        return {pk: seat.runner for pk, seat in self.seats.items()}

    def _still_here(self, runners: Mapping[int, Runner]) -> dict[int, Runner]:
        seats = self.seats
        return {pk: runner for pk, runner in runners.items() if pk in seats and seats[pk].runner is runner}

    async def _tend(self, wanted: looking.Wanted, runners: Mapping[int, Runner]) -> None:
        here = self._still_here(runners)
        idle = {pk for pk in here if not self.seats[pk].waiting}
        self._leave(await self._in_trading(self.desk.tend, wanted, list(here.values()), idle))

    async def _hear_nudges(self) -> None:
        await nudges.hear(self._look.set)

    # --- seats ------------------------------------------------------------------------------------------------------

    async def _take_at_broker(self, lease: leases.Lease) -> None:
        """Open the session's account and ask its venue about it, then as any other."""
        try:
            ready = await self._in_venues(self.connections.ready, lease.session_id, lease.account)
            await self._take(lease, ready)
            self._told.set()  # what the venue has told meanwhile waits for the session
        except NotNow as error:
            reason = f"Its broker does not answer, and is asked again: {error}"[:500]
            await self._in_keeping(functools.partial(leases.release, lease, state_reason=reason))
        except Exception as error:
            if not isinstance(error, (Unauthorised, Conflict)):
                log.exception("session %s could not be opened at its broker", lease.session_id)
            await self._in_trading(self.desk.refuse_session, lease, error)
        finally:
            self._opening.pop(lease.session_id, None)

    async def _take(self, lease: leases.Lease, ready: Ready | None = None) -> None:
        opened = await self._in_trading(self.desk.open, lease, ready)
        if opened is None:
            return
        runner, since = opened
        seat = self.seats[lease.session_id] = Seat(runner)
        plan = runner.desk.plan
        frames = dict.fromkeys((plan.match_timeframe, plan.timeframe))
        try:
            seat.subscription = self.hub.listen(
                runner.key,
                plan.symbols,
                frames,
                lambda batch: self._on_bars(seat, batch),
                lambda state: self._on_state(seat, state),
                lambda tick: self._on_tick(seat, tick),
                since_ns=since,
            )
            runner.halts = seat.subscription.halts
        except Exception as error:
            log.exception("session %s: no feed", lease.session_id)
            self._leave(await self._in_trading(self.desk.fail, runner, f"Its prices cannot be had: {error}"))

    def _on_bars(self, seat: Seat, batch: BarBatch) -> None:
        if batch.late:
            return  # found after bars behind it were worked through: a gap in the tape stays one
        seat.waiting.extend(seat.runner.instants(batch))
        if len(seat.waiting) >= MOST_WAITING and seat.subscription is not None:
            seat.subscription.pause()
        self._bars.set()

    def _on_state(self, seat: Seat, state: FeedState) -> None:
        seat.runner.feed = state
        if seat.subscription is not None:
            seat.runner.halts = seat.subscription.halts
        self._look.set()

    def _on_tick(self, seat: Seat, tick: Tick) -> None:
        tick = seat.runner.in_units_of_today(tick)
        if isinstance(seat.runner, LiveRunner) and seat.runner.price(tick.symbol, tick.px):
            self._told.set()
        now = time.monotonic()
        if now - seat.prices.get(tick.symbol, 0.0) >= PRICE_EVERY_S:
            seat.prices[tick.symbol] = now
            self.newsroom.price(seat.runner, tick)

    def _leave(self, session_ids: Iterable[int]) -> None:
        """Sessions that are not ours any more, or over."""
        for session_id in session_ids:
            self.newsroom.measures.forget([session_id])
            seat = self.seats.pop(session_id, None)
            if seat is not None and seat.subscription is not None:
                seat.subscription.close()

    async def _hand_over(self) -> None:
        """Let go of every session, so that the next host takes it without waiting."""
        opening = [task for _, task in self._opening.values()]
        for task in opening:
            task.cancel()
        await asyncio.gather(*opening, return_exceptions=True)
        held = [seat.runner.lease for seat in self.seats.values()]
        accounts = self.connections.all()
        # First nothing is sent any more, then what was heard is booked, then the next host may begin.
        await asyncio.gather(*(self._in_venues(account.send_last) for account in accounts))
        with contextlib.suppress(DatabaseError):
            for account in accounts:
                await self._in_trading(self.desk.hear_all, account, self._runners_at(account))
        with contextlib.suppress(DatabaseError):
            await self._in_trading(self.desk.settle_quiet)
        self._leave(list(self.seats))
        with contextlib.suppress(DatabaseError):
            await self._in_trading(self._release, held)
            ids = [account.lease.account_id for account in accounts]
            await self._in_venues(functools.partial(self.connections.close, ids, release=True))

    def _release(self, held: list[leases.Lease]) -> None:
        for lease in held:
            leases.release(lease)
        HostSign.objects.filter(name=self.name).delete()
