"""What a host does with what owners want of its sessions: read it for all, then see to each in its trading thread.

`read` takes a handful of queries for any number of sessions, in another thread; `tend` is called for a few sessions at
a time, so that a bar which comes meanwhile waits for those few only.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Max

from accounts.services.notifications import notify
from bots.host import ending, envelope, watchdog, wishes
from bots.host.envelope import Envelopes
from bots.host.hearing import Hearing
from bots.host.instants import Done
from bots.host.news import Newsroom
from bots.host.paper import PaperRunner
from bots.host.runner import Runner
from bots.live import strays
from bots.live.bookings import waiting
from bots.live.runner import LiveRunner
from bots.models import BookingRequest, Order, SessionCommand, SessionSettings, TradingSession
from bots.states import SessionState


@dataclass(frozen=True, slots=True)
class Wanted:
    """What rows say of sessions. fresh: what their owners' bots hold. By id: the newest settings where those are not
    followed yet, and the commands and bookings that wait."""

    wishes: Sequence[TradingSession]
    fresh: envelope.Fresh
    settings: Mapping[int, SessionSettings]
    commands: Mapping[int, Sequence[SessionCommand]]
    bookings: Mapping[int, Sequence[BookingRequest]]


def read(sessions: Mapping[int, Runner]) -> Wanted:
    """See what owners want of these sessions (by id), and have venues asked that are to undo something for them.
    Queries only, and any thread: `take_over` and then `tend` are to follow, before it is called again."""
    owners = {runner.session.owner_id for runner in sessions.values()}
    versions = SessionSettings.objects.filter(session__in=sessions).values_list("session").annotate(Max("version"))
    newer = {pk: version for pk, version in versions if version > sessions[pk].version}
    rows = SessionSettings.objects.filter(session__in=newer, version__in=newer.values()) if newer else ()
    newest = {row.session_id: row for row in rows if row.version == newer[row.session_id]}
    commands: dict[int, list[SessionCommand]] = {}
    for command in SessionCommand.objects.filter(session__in=sessions, done_at__isnull=True):
        commands.setdefault(command.session_id, []).append(command)
    live = {pk: runner for pk, runner in sessions.items() if isinstance(runner, LiveRunner)}
    strays.undo(runner.connection for runner in live.values())
    return Wanted(wishes.read(sessions), envelope.read(owners, sessions), newest, commands, waiting(live))


class Looking(Hearing):
    """See `bots.host.trading.TradingDesk`, of which this is the part for what is not bars and not news of venues."""

    newsroom: Newsroom
    envelopes: Envelopes

    def _send(self, runners: Mapping[int, PaperRunner], orders: Sequence[Order], waits: Sequence[float]) -> set[int]:
        raise NotImplementedError

    def _notify(self, runner: Runner, event: str, level: str, title: str, text: str) -> None:
        raise NotImplementedError

    def take_over(self, wanted: Wanted, sessions: Mapping[int, Runner]) -> None:
        """Have these sessions know what was read of them; `tend` does the rest."""
        wishes.take_over(wanted.wishes, sessions)
        self.envelopes.take_over(wanted.fresh)
        self._watch_groups(sessions.values())

    def tend(self, wanted: Wanted, runners: Sequence[Runner], idle: set[int]) -> set[int]:
        """Do what is wanted of some of the sessions that were read. idle: those for which no bar waits. The ids of
        those that this host has no more."""
        gone = self.settle_quiet(runner.session.pk for runner in runners)
        for runner in runners:
            if runner.session.pk not in gone:
                gone |= self._tend_one(wanted, runner, runner.session.pk in idle)
        return gone

    def _tend_one(self, wanted: Wanted, runner: Runner, is_idle: bool) -> set[int]:
        pk, gone = runner.session.pk, set[int]()
        todo: list[Callable[[], Done | None]] = []
        if isinstance(runner, LiveRunner):
            todo += [lambda b=booking: runner.post(b) for booking in wanted.bookings.get(pk, ())]
        if pk in wanted.settings:
            todo.append(lambda: runner.follow_settings(wanted.settings[pk]))
        todo += [lambda c=command: runner.obey(c) for command in wanted.commands.get(pk, ())]
        todo.append(lambda: self._heed(runner))
        todo += [runner.stop, runner.rest, runner.tend, runner.protect]
        if isinstance(runner, PaperRunner) and (doubted := runner.account.in_doubt()):
            gone |= self._send({pk: runner}, doubted, ())
            if pk in gone:
                return gone
        todo += [lambda s=symbol: self._cover(runner, s) for symbol in watchdog.naked(runner)]
        for do in todo:
            done = self._guarded(runner, gone, do)
            if done is not None:
                gone |= self._settle([(runner, done)])
            if pk in gone:
                return gone
        self._take_caps(runner)
        if is_idle:
            self._guarded(runner, gone, functools.partial(self._end, runner, gone))
        return gone

    def _watch_groups(self, runners: Iterable[Runner]) -> None:
        """Count what every session of ours holds, and tell of groups that hold more than their cap."""
        owners = {runner.session.owner_id: runner.session.owner for runner in runners}
        for runner in runners:
            if self.envelopes.caps(runner.session.owner_id).watched:
                self._note(runner)
        for owner_id, owner in owners.items():
            for name, held, cap in self.envelopes.over(owner_id):
                title = f"Group {name} is over its limit"
                text = f"It holds {held:,.2f}; its limit is {cap:,.2f}."
                key = f"limit_breached:{name}"
                notify(owner, "limit_breached", level="warning", title=title, text=text, link="/risk/", dedup=key)

    def _note(self, runner: Runner) -> None:
        portfolio = runner.desk.portfolio
        marks = {symbol: float(history.bars().close[-1]) for symbol, history in runner.desk.histories.items()
                 if len(history)}  # fmt: skip
        session = runner.session
        self.envelopes.note(session.owner_id, session.pk, portfolio.positions(), portfolio.working_orders(), marks)

    def _heed(self, runner: Runner) -> None:
        before = runner.state
        runner.kill_switch = self.envelopes.caps(runner.session.owner_id).blocked
        runner.heed()
        if runner.state != before:
            self.newsroom.state(runner)
            held = len(runner.account.positions)
            if runner.state == SessionState.DEGRADED and held:
                text = f"{held} position{'s' * (held > 1)}: {runner.stops_meanwhile}. {runner.session.state_reason}"
                self._notify(runner, "feed_silent", "warning", f"{runner.session}: no entries for now", text)

    def _cover(self, runner: Runner, symbol: str) -> Done:
        text = "Its settings declare a stop and none works; the position is being closed."
        self._notify(runner, "naked_position", "critical", f"{symbol} is held without its stop", text)
        return watchdog.close(runner, symbol)

    def _take_caps(self, runner: Runner) -> None:
        runner.follow_caps(self.envelopes.caps(runner.session.owner_id).as_settings())

    def _end(self, runner: Runner, gone: set[int]) -> None:
        """STOPPING → STOPPED once nothing is left to do."""
        if runner.state != SessionState.STOPPING:
            return
        if not runner.is_flat():
            if not runner.drained:
                return
            leftover = runner.give_up_orders()
            if leftover is not None:
                gone |= self._settle([(runner, leftover)])
        ending.stopped(runner)
        self.envelopes.forget(runner.session.owner_id, runner.session.pk)
        self.newsroom.state(runner, runner.stop_reason)
        gone.add(runner.session.pk)
