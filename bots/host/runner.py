"""One session in the hands of a host: from its rows to a running desk, bar by bar, to its end.

Recovery is the only start: a first start is a recovery from nothing. Everything here runs in the host's one trading
thread and may block on the database; nothing here knows the event loop. Where its orders go is said by what is made of
it: `bots.host.paper.PaperRunner`, `bots.live.runner.LiveRunner`.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import numpy as np
from django.conf import settings as site

from bots import mapping
from bots.host import feeds, ledger, outcomes, recovery
from bots.host.account import Absorbed, Account
from bots.host.desk import Verdict, capped
from bots.host.instants import Decided, Done, Instant, instants_of
from bots.host.lease import Lease, LostLease
from bots.host.plans import desk_of
from bots.host.positions import LedgerMismatch
from bots.models import Order, PortfolioSnapshot, SessionCommand, SessionEvent, SessionSettings, TradingSession
from bots.orders import OrderState
from bots.settings_columns import from_columns
from bots.states import SessionState
from bots.venues import preflight
from engine import InputError, exchange
from engine.portfolio import OutsideExposure, StepLog
from marketdata.feeds import BarBatch, FeedState, Tick

_S = SessionState
LIVE_STATES = (_S.RUNNING, _S.DEGRADED, _S.PAUSED, _S.STOPPING)


class Runner:
    """One leased session. `state` is the row's, kept up with each move we make."""

    account: Account
    exit_words = "An exit order was placed; it meets the next bar."
    stops_meanwhile = "their stops act again when prices come"

    def __init__(self, lease: Lease, session: TradingSession) -> None:
        self.lease, self.session = lease, session
        self.state = SessionState(session.state)
        self.cursor_ns = session.cursor_ns
        self.key = feeds.key_of(session)
        self.kill_switch: str | None = None
        self.outside: OutsideExposure | None = None
        self.feed: FeedState | None = None
        self.halts: Mapping[str, str] = {}  # symbols that the exchange does not trade now → why
        self.drained = False  # the feed has ended, and none of its bars waits for us
        self.wanted, self.policy, self.stop_reason = session.wanted, session.stop_policy, session.stop_reason
        self.version = 0
        self.equity = session.equity or session.initial_cash
        self.last_bar_at = session.last_bar_at
        self.caps: dict[str, float] = {}
        self._snapshot_due_ns = 0
        self._stopped_as = ""

    # --- start ------------------------------------------------------------------------------------------------------

    def open(self) -> int:
        """From CLAIMED to ready for bars. The instant (ns UTC) after which bars are wanted.

        Raises LedgerMismatch, InputError, LostLease, VenueDown, feeds.FeedError.
        """
        self.move(_S.RECONCILING)
        self.reconcile()
        self.move(_S.WARMING)
        versions = list(self.session.settings_versions.order_by("version"))
        memory = getattr(self.session, "memory", None)
        # Positions keep what they were opened with (the checkpoint holds it), so only the rules of today are needed.
        self.versions = {row.version: from_columns(row) for row in versions}
        self.version = versions[-1].version
        self.settings = self.versions[self.version]
        self.desk = desk_of(self.session, self.settings)
        self.market_days = next(iter(self.desk.plan.markets.values())).calendar
        if memory is None or not memory.history:
            since = recovery.warm_up(self)
        else:
            since = recovery.remember(self, bytes(memory.history), bytes(memory.checkpoint), memory.first_ns)
        self.compare_with_engine()
        return since

    def reconcile(self) -> None:
        """Load the account, and bring its orders to what the venue says of them. Raises LedgerMismatch, VenueDown."""
        raise NotImplementedError

    def compare_with_engine(self) -> None:
        """The fills and the checkpoint must tell of the same positions and the same cash."""
        self.account.mark(self.desk.portfolio.positions())
        self.account.figures(self.desk.portfolio.cash)
        self.compare_orders({order.serial for order in self.desk.portfolio.working_orders()})

    def compare_orders(self, working: set[int]) -> None:
        """working: serial numbers of the engine's working orders. Raises LedgerMismatch."""
        if working != set(self.account.orders):
            raise LedgerMismatch(
                f"the engine works orders {sorted(working)}, the ledger has {sorted(self.account.orders)}"
            )

    def catch_up(self) -> Iterator[Done]:
        """What has happened at the venue while nobody was there, to be written one by one. Raises LedgerMismatch."""
        return iter(())

    def begin(self) -> None:
        """Bars may come: from WARMING to where the owner wants it."""
        if self.wanted == "STOP":
            self.move(_S.STOPPING, "a stop was asked for")
        elif self.wanted == "PAUSE":
            self.move(_S.PAUSED, "paused by its owner")
        else:
            self.move(_S.DEGRADED, "waiting for the first prices")
        TradingSession.objects.filter(pk=self.session.pk, started_at__isnull=True).update(started_at=feeds.wall_time())

    # --- bars -------------------------------------------------------------------------------------------------------

    @property
    def takes_bars(self) -> bool:
        """Whether bars may be decided on now; those that come meanwhile wait."""
        return True

    def in_units_of_today(self, tick: Tick) -> Tick:
        """A trade as its feed told it, in the units that the session counts in. Any thread."""
        return tick

    def instants(self, batch: BarBatch) -> list[Instant]:
        """The bars of a batch by their start, without those that were worked through already."""
        plan = self.desk.plan
        return instants_of(batch, plan.match_timeframe, plan.timeframe, after_ns=self.cursor_ns)

    def blocked(self) -> str | None:
        """Why no entry may be decided now; None: they may. Exits are never blocked."""
        if self.kill_switch is not None:
            return "kill_switch"
        if self.wanted == "STOP" or self.state == _S.STOPPING:
            return "stopping"
        if self.wanted == "PAUSE" or self.state == _S.PAUSED:
            return "paused"
        if self.state == _S.DEGRADED:
            return "degraded_feed"
        return None

    def blocked_on(self, instant: Instant) -> str | None:
        """`blocked`, for the entries of this instant."""
        return self.blocked()

    def decide(self, instant: Instant) -> Decided | None:
        """Decide one instant and book its fills; None: it was worked through before. `put_down` must follow.

        Raises InputError (these bars make none), LedgerMismatch and IllegalMove (the session must halt).
        """
        if instant.ts <= self.cursor_ns:
            return None
        blocked, outside = self.blocked_on(instant), self.outside
        verdict = self.desk.decide(instant.ts, instant.bars, instant.deciding, blocked=blocked, outside=outside)
        closed_at = mapping.moment(instant.closed_ns)
        absorbed = self._absorb(verdict.log, closed_at, instant, verdict)
        denied = self._preflight(absorbed, closed_at)
        return Decided(instant, verdict, absorbed, denied, blocked, outside, feeds.wall_time())

    def put_down(self, decided: Decided) -> Done:
        """The rows of what was decided. Raises LedgerMismatch (the session must halt)."""
        instant, verdict, absorbed = decided.instant, decided.verdict, decided.absorbed
        closed_at = mapping.moment(instant.closed_ns)
        write = self._write(absorbed, cursor_ns=instant.ts, last_bar_at=closed_at)
        equity_before, self.equity = self.equity, write.values["equity"]
        write.daily = self.account.day(self._day(instant.ts), equity_before, self.equity, absorbed)
        write.values["day_start_equity"] = write.daily.start_equity
        write.cycle = outcomes.cycle(self, decided)
        write.decisions = outcomes.decisions(self.session, self.desk, instant, verdict, self.account)
        outcomes.deny(write.decisions, decided.denied)
        if absorbed.trades or instant.closed_ns >= self._snapshot_due_ns:
            self._snapshot_due_ns = instant.closed_ns + site.SESSION_SNAPSHOT_SECONDS * 1_000_000_000
            write.snapshot = self._snapshot(write, closed_at)
        self.cursor_ns, self.last_bar_at = instant.ts, closed_at
        return Done(write, absorbed, instant, verdict.signals_s if verdict.signals else None)

    def _absorb(self, step: StepLog, decided_at: Any, instant: Instant | None, verdict: Verdict | None) -> Absorbed:
        closes = {symbol: prices[3] for symbol, prices in instant.bars.items()} if instant else {}
        inputs = {}
        if verdict is not None:
            inputs = {symbol: signal.metadata.get("values", {}) for symbol, signal in verdict.signals.items()}
        return self.account.absorb(step, decided_at=decided_at, version=self.version, closes=closes, inputs=inputs)

    def _preflight(self, absorbed: Absorbed, at: datetime.datetime) -> dict[str, outcomes.Refusal]:
        """Take back the entries that must not be sent: stored as denied, and the engine forgets them. {symbol: why}."""
        denied: dict[str, outcomes.Refusal] = {}
        for order in absorbed.orders:
            if order.is_entry and order.state == OrderState.INTENT:
                refusal = self.refusal_of(order)
                if refusal is not None:
                    self.account.refused(order.seq, OrderState.DENIED, refusal.text)
                    undone = self._absorb(self.desk.portfolio.cancel_entry(order.symbol), at, None, None)
                    absorbed.changed |= undone.changed
                    denied[order.symbol] = refusal
        return denied

    def refusal_of(self, order: Order) -> outcomes.Refusal | None:
        """Why this entry must not be sent; None: it may."""
        text = preflight.refusal(order, self.desk.listing(order.symbol, self.settings))
        return outcomes.Refusal(text) if text else None

    def _write(self, absorbed: Absorbed, *, cursor_ns: int, **values: Any) -> ledger.SessionWrite:
        portfolio = self.desk.portfolio
        marked = {(row.symbol, row.number): row for row in self.account.mark(portfolio.positions())}
        write = ledger.SessionWrite(
            lease=self.lease,
            cursor_before=self.cursor_ns,
            cursor_ns=cursor_ns,
            values=self.account.figures(portfolio.cash) | values,
            orders=absorbed.orders,
            changed=list(absorbed.changed.values()),
            positions=list((absorbed.positions | marked).values()),
            trades=absorbed.trades,
            executions=absorbed.executions,
            checkpoint=portfolio.checkpoint(),
        )
        return write

    def _snapshot(self, write: ledger.SessionWrite, at: Any) -> PortfolioSnapshot:
        held = [
            {
                "symbol": row.symbol,
                "qty": str((row.qty if row.side == "BUY" else -row.qty).normalize()),
                "px": str(row.current_px.normalize()),
                "value": str((row.qty * row.current_px).quantize(Decimal("0.01"))),
            }
            for row in self.account.positions.values()
        ]
        return PortfolioSnapshot(
            session_id=self.session.pk,
            mode=self.session.mode,
            ts=at,
            total_value=write.values["equity"],
            cash=write.values["cash"],
            positions=held,
        )

    def _day(self, ts: int) -> Any:
        timeframe = self.desk.plan.match_timeframe
        number = exchange.trading_days(np.array([ts], dtype=np.int64), timeframe, self.market_days)[0]
        return mapping.moment(int(number) * 86_400_000_000_000).date()

    # --- between bars -----------------------------------------------------------------------------------------------

    def follow_settings(self, row: SessionSettings) -> Done | None:
        """Take over a later version of the settings; new entries follow it from the next bar on."""
        if row.version <= self.version:
            return None
        self.settings, self.version = from_columns(row), row.version
        self.versions[row.version] = self.settings
        try:
            self.desk.change_settings(capped(self.settings, self.caps))
        except InputError as error:
            self.event("settings", f"Version {row.version} cannot be followed: {error}", level="error")
            return None
        self.event("settings", f"Version {row.version} is in force for new entries.")
        return self.between(None, [{"do": "settings", "version": row.version}])

    def follow_caps(self, caps: dict[str, float]) -> None:
        """Take over the owner's limits over all bots, as settings; they go over the session's own."""
        if caps != self.caps:
            self.caps = caps
            self.desk.change_settings(capped(self.settings, caps))

    def obey(self, command: SessionCommand) -> Done | None:
        """Do what a user asked: the orders are decided now and meet the next bar."""
        symbol = command.symbol or None
        portfolio = self.desk.portfolio
        if command.kind == SessionCommand.Kind.CLOSE_POSITION:
            held = [position.symbol for position in portfolio.positions()]
            if (symbol is None and not held) or (symbol is not None and symbol not in held):
                return self.between(None, [], {command.pk: "There was no such position."})
            step = portfolio.request_exit(symbol, "user")
            told = {"do": "exit", "symbol": symbol, "reason": "user"}
            return self.between(step, [told], {command.pk: self.exit_words})
        step = portfolio.cancel_entry(symbol)
        return self.between(step, [{"do": "cancel", "symbol": symbol}], {command.pk: "Working entries were canceled."})

    def stop(self) -> Done | None:
        """One go at ending: entries are canceled and, to flatten, exits placed; once for each policy asked for. To
        flatten, also what an entry has filled that was on its way then."""
        if self.state != _S.STOPPING:
            return None
        is_first, self._stopped_as = self._stopped_as != self.policy, self.policy
        if self.policy == TradingSession.StopPolicy.FLATTEN:
            if is_first:
                return self._flatten(None)
            leaving = self.leaving()
            held = (position.symbol for position in self.desk.portfolio.positions())
            left = next((symbol for symbol in held if symbol not in leaving), None)
            return None if left is None else self._flatten(left)
        if not is_first:
            return None
        step = self.desk.portfolio.cancel_entry(None)
        return self.between(step, [{"do": "cancel", "symbol": None}])

    def leaving(self) -> set[str]:
        """Symbols whose position is being closed, or will be by itself."""
        return set(self.desk.portfolio.exits_due())

    def _flatten(self, symbol: str | None) -> Done:
        step = self.desk.portfolio.request_exit(symbol, "flatten")
        return self.between(step, [{"do": "exit", "symbol": symbol, "reason": "flatten"}])

    def rest(self) -> Done | None:
        """While nothing may be entered, no entry waits at the venue either: pausing takes them back."""
        if self.state != _S.PAUSED and self.kill_switch is None:
            return None
        if not any(order.entry for order in self.desk.portfolio.working_orders()):
            return None
        step = self.desk.portfolio.cancel_entry(None)
        return self.between(step, [{"do": "cancel", "symbol": None}])

    def committed(self, done: Done) -> list[Order]:
        """What was decided is written: its orders may leave. Those that the desk is to send together with others'."""
        raise NotImplementedError

    def protect(self) -> Done | None:
        """What must rest at the venue so that positions are covered; None: nothing is to be asked for now."""
        return None

    def tend(self) -> Done | None:
        """What is to be done beside bars and wishes, about once a second."""
        return None

    def give_up_orders(self) -> Done | None:
        """No bar will come any more: what still works expires. None: nothing did."""
        rows = self.account.expire_all(feeds.wall_time())
        if not rows:
            return None
        self.event("command", f"The prices ended with {len(rows)} orders still working; they have expired.")
        write = self._write(Absorbed(changed={row.seq: row for row in rows}), cursor_ns=self.cursor_ns)
        return Done(write, Absorbed())

    def between(
        self, step: StepLog | None, interventions: list[dict[str, Any]], done_commands: Mapping[int, str] | None = None
    ) -> Done:
        absorbed = Absorbed()
        if step is not None:
            at = self.last_bar_at or feeds.wall_time()
            absorbed = self._absorb(step, at, None, None)
        write = self._write(absorbed, cursor_ns=self.cursor_ns)
        write.interventions = interventions
        write.done_commands = dict(done_commands or {})
        return Done(write, absorbed)

    # --- states -----------------------------------------------------------------------------------------------------

    def move(self, after: SessionState, reason: str = "", **values: Any) -> None:
        """Raises LostLease when the row is not ours any more."""
        if not ledger.move(self.lease, self.state, after, reason, **values):
            raise LostLease(f"session {self.session.pk}")
        self.state = after
        self.session.state = after

    def heed(self) -> None:
        """Bring the state to where the owner's wish and the feed have it."""
        trouble = self.trouble()
        if self.wanted == "STOP":
            if self.state in LIVE_STATES and self.state != _S.STOPPING:
                self.move(_S.STOPPING, self.stop_reason or "user")
        elif self.wanted == "PAUSE":
            if self.state in (_S.RUNNING, _S.DEGRADED):
                self.move(_S.PAUSED, "paused by its owner")
        elif self.state == _S.PAUSED:
            self.move(_S.DEGRADED, "resumed; entries wait for a look at the venue")
            self._look_at_venue()
            if trouble is None:
                self.move(_S.RUNNING)
        elif self.state == _S.RUNNING and trouble is not None:
            self.move(_S.DEGRADED, trouble)
        elif self.state == _S.DEGRADED and trouble is None:
            self._look_at_venue()
            self.move(_S.RUNNING, "prices come")

    def trouble(self) -> str | None:
        """Why nothing may be entered though its owner wants it to run, in words; None: all is well."""
        if self.feed is None:
            return "no prices come"
        return None if self.feed.status in ("live", "ended") else self.feed.reason or "no prices come"

    def _look_at_venue(self) -> None:
        """A green comparison before entries go on. Raises LedgerMismatch."""
        ours = {tracked.row.client_order_id for tracked in self.account.orders.values()}
        foreign = self.at_venue() - ours
        if foreign:
            raise LedgerMismatch(f"the venue works {len(foreign)} orders that the ledger does not")
        self.compare_with_engine()

    def at_venue(self) -> set[str]:
        """Client ids of the session's orders that the venue works."""
        raise NotImplementedError

    def is_flat(self) -> bool:
        """Whether nothing is left to be done before STOPPED: no working order here or at the venue, and no position
        when it was to be flattened (unless no bar can come any more to close it on)."""
        if self.account.orders or self.at_venue():
            return False
        return self.policy != TradingSession.StopPolicy.FLATTEN or not self.account.positions

    def event(self, kind: str, text: str, *, level: str = "info", **detail: Any) -> None:
        """A line in the session's log."""
        SessionEvent(session_id=self.session.pk, kind=kind, level=level, text=text[:500], detail=detail).save()
