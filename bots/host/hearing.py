"""What a host does with the news of brokers, in its trading thread: book them, settle opposite orders, halt."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import TypeVar

from django.db import DatabaseError, connection
from django.utils import timezone

from accounts.models import BrokerAccount
from accounts.services import brokers
from bots.brokers.base import Unauthorised
from bots.host.instants import Done
from bots.host.lease import Lease, release
from bots.host.measures import Measures
from bots.host.paper import PaperRunner
from bots.host.patience import DOWN, patiently
from bots.host.runner import Runner
from bots.live import strays
from bots.live.asks import Answer
from bots.live.connection import Connection
from bots.live.grouping import members
from bots.live.pieces import Piece, is_placed, order_of
from bots.live.runner import LiveRunner
from bots.models import Order, TradingSession
from bots.states import SessionState
from bots.venues.base import Venue
from tradingsite.lib.errors import Conflict

log = logging.getLogger(__name__)
T = TypeVar("T")


def refusal_in_words(account: BrokerAccount, reason: str) -> str:
    """Why a session halts whose account does not let it in."""
    return f"{account.name} does not let us trade: {reason.rstrip('.')}. Check it, then start a new session."[:500]


class Hearing:
    """See `bots.host.trading.TradingDesk`, of which this is the part for brokers."""

    venue: Venue
    measures: Measures

    def _guarded(self, runner: Runner, gone: set[int], do: Callable[[], T]) -> T | None:
        raise NotImplementedError

    def settle_quiet(self, session_ids: Iterable[int] | None = None) -> set[int]:
        raise NotImplementedError

    def _settle(self, pairs: list[tuple[Runner, Done]]) -> set[int]:
        raise NotImplementedError

    def _finish(self, runner: Runner, state: SessionState, reason: str) -> set[int]:
        raise NotImplementedError

    def hear(self, account: Connection, runners: Mapping[int, LiveRunner]) -> set[int]:
        """What a venue has told: a piece is booked by the session that it is of, and written; an order's answer with
        the fill that follows it. Other pieces are left (`Connection.has_pieces`), so that no bar waits for all of them.

        runners: of this host, by session. The ids of sessions that this host has no more.
        """
        taken = patiently(account.take)
        due = {session_id for session_id, runner in runners.items() if runner.is_due}
        gone = self.settle_quiet({piece.session_id for piece in taken[:1]} | due | account.holds())
        for session_id in runners:
            for piece in account.held(session_id):
                self._hear_some(account, [piece], runners, gone)
        if taken:
            account.done(self._hear_some(account, taken, runners, gone))
        for session_id in due - gone:
            self._booked(runners[session_id], gone, runners[session_id].protect)
        patiently(lambda: strays.ask(account))
        if not runners:
            patiently(lambda: strays.undo([account]))
        return gone

    def hear_all(self, account: Connection, runners: Mapping[int, LiveRunner]) -> set[int]:
        """As `hear`, until no piece is left."""
        gone = self.hear(account, runners)
        while account.has_pieces:
            gone |= self.hear(account, {pk: runner for pk, runner in runners.items() if pk not in gone})
        return gone

    def break_off(self, broken: Mapping[int, str], runners: Mapping[int, LiveRunner]) -> set[int]:
        """Halt those sessions whose book does not agree with what the venue has. broken: why, by session."""
        gone = self.settle_quiet(broken)
        for session_id, why in broken.items():
            if session_id in runners and session_id not in gone:
                gone |= self._finish(runners[session_id], SessionState.HALTED, why)
        return gone

    def _hear_some(
        self, account: Connection, pieces: Sequence[Piece], runners: Mapping[int, LiveRunner], gone: set[int]
    ) -> int:
        """Book the first of these pieces, and write it; how many were booked with it, itself among them."""
        piece = pieces[0]
        runner = runners.get(piece.session_id) if piece.session_id not in gone else None
        if runner is None:
            try:
                patiently(lambda: strays.book(account, piece))
            except Exception:
                log.exception("account %s: news that nobody can book: %s", account.account.pk, piece.news)
            return 1
        if isinstance(piece.news, Answer) and piece.news.ask.do == "submit":
            self.measures.took(piece.session_id, "ack", piece.news.took_s)
        together = _Together(runner, pieces)
        self._booked(runner, gone, together.book)
        if together.failed:
            self._let_go(runner, gone)
        return together.booked

    def _booked(self, runner: LiveRunner, gone: set[int], do: Callable[[], Done | None]) -> None:
        """Do it, and write what came of it. Where the database goes away between the two, what is in memory counts no
        more."""
        try:
            done = self._guarded(runner, gone, do)
        except DOWN:
            log.exception("session %s: the database went away over news of its venue", runner.session.pk)
            connection.close()
            self._let_go(runner, gone)
            return
        if done is not None:
            gone |= self._settle([(runner, done)])

    @staticmethod
    def _let_go(runner: LiveRunner, gone: set[int]) -> None:
        """What is in memory of this session is not what its rows say: it is taken up again from them."""
        gone.add(runner.session.pk)
        try:
            release(runner.lease)
        except DatabaseError:
            connection.close()  # the lease runs out by itself

    def refuse(self, account: Connection, runners: Mapping[int, LiveRunner]) -> set[int]:
        """The venue refuses an account's keys, or has blocked it: its sessions halt, and nobody else's. What it
        said before is booked."""
        brokers.mark_refused(account.account, account.refusal)
        gone = self.hear_all(account, runners) | self.settle_quiet(runners)
        for runner in [runner for pk, runner in runners.items() if pk not in gone]:
            gone |= self._finish(runner, SessionState.HALTED, refusal_in_words(account.account, account.refusal))
        return gone

    def refuse_session(self, lease: Lease, error: Exception) -> None:
        """A session's account cannot be opened, and would not be the next time either: it halts before it has begun."""
        session = TradingSession.objects.select_related("broker_account", "owner").get(pk=lease.session_id)
        account = session.broker_account
        reason = f"Something is wrong on our side: {type(error).__name__}. The log has the details."
        if account is not None and isinstance(error, Unauthorised):
            brokers.mark_refused(account, str(error))
            reason = refusal_in_words(account, str(error))
        elif isinstance(error, Conflict):
            reason = str(error)
        self._finish(PaperRunner(lease, session, self.venue), SessionState.HALTED, reason)

    # --- opposite orders --------------------------------------------------------------------------------------------

    def _net(self, held: Sequence[tuple[Runner, Done]]) -> set[int]:
        """Settle opposite orders among sessions of one account, where its owner wants that; the rest is sent. Ids as
        `_settle`."""
        lost: set[int] = set()
        by_account: dict[int, dict[LiveRunner, list[Order]]] = {}
        for runner, done in held:
            if isinstance(runner, LiveRunner) and done.write.orders:
                alone = [order for order in done.write.orders if not members(order, done.write.orders)]
                by_account.setdefault(runner.connection.account.pk, {})[runner] = alone
        for decided in by_account.values():
            if len(decided) > 1:
                lost |= self._cross({runner.session.pk: runner for runner in decided}, chain(*decided.values()))
        return lost

    def _cross(self, runners: Mapping[int, LiveRunner], orders: Iterable[Order]) -> set[int]:
        lost: set[int] = set()
        neighbours = next(iter(runners.values())).connection.neighbours
        for crossing in neighbours.crossings(list(orders)):
            pairs: list[tuple[Runner, Done]] = []
            for session_id, event in crossing.events(timezone.now()).items():
                runner = runners[session_id]
                done = self._guarded(runner, lost, lambda r=runner, e=event: r.heard(e))
                pairs += [(runner, done)] if done is not None else []
            lost |= self._settle(pairs)
        return lost


class _Together:
    """The first of some pieces, booked together with those right behind it that can be: what an order's answer is
    followed by, as long as the order works. booked: how many. failed: whether one behind the first could not be, so
    that nothing is written and the session must be let go of."""

    def __init__(self, runner: LiveRunner, pieces: Sequence[Piece]) -> None:
        self._runner, self._pieces = runner, pieces
        self.booked, self.failed = 1, False

    def book(self) -> Done | None:
        """See `LiveRunner.heard`."""
        done = self._runner.heard(self._pieces[0].news)
        for piece in self._pieces[1:]:
            # After a fill all is written first: whether an execution was booked before is asked of the rows.
            if done is None or done.write.trades or not self._goes_with_first(piece):
                break
            self.booked += 1
            try:
                more = self._runner.heard(piece.news)
            except Exception:
                log.exception("session %s: news behind an answer", self._runner.session.pk)
                self.failed = True
                return None
            done = done if more is None else done.then(more)
        return done

    def _goes_with_first(self, piece: Piece) -> bool:
        """Whether it tells of the same order, which is in memory still."""
        first = self._pieces[0]
        if not isinstance(first.news, Answer) or not is_placed(first.news) or piece.session_id != first.session_id:
            return False
        return order_of(piece.news) == order_of(first.news) and first.news.ask.order.seq in self._runner.account.orders
