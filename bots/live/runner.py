"""One session at a broker in the hands of a host: it decides as on paper, and the venue fills.

What the venue says comes as news, one piece at a time, in the trading thread, between two bars: the answer to what was
asked, what became of an order, an execution. Nothing here waits for the venue.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from bots import failpoints, mapping
from bots.brokers.base import BrokerEvent, BrokerOrder
from bots.host import feeds
from bots.host.account import Absorbed, Tracked
from bots.host.instants import Decided, Done, Instant
from bots.host.lease import Lease
from bots.host.outcomes import Refusal
from bots.host.positions import LedgerMismatch
from bots.live import bookings, dust, grouping
from bots.live.account import LiveAccount
from bots.live.answering import ASK_AGAIN_S, AnsweringRunner
from bots.live.asks import Ask
from bots.live.connection import Connection
from bots.live.giving import Giving
from bots.live.halts import Halts
from bots.live.hurry import refuse_hurry
from bots.live.known import Known
from bots.live.protector import Protector
from bots.live.rejections import Rejections
from bots.live.reserve import BY_HAND
from bots.live.splitting import Splits
from bots.models import Order, OrderRole, TradingSession
from bots.orders import OrderState
from bots.states import SessionState
from marketdata.columns import TIMEFRAME_NS

_O = OrderState
LEAST = Decimal("0.999999999")  # of a position: what is smaller than that is missing units, not a rounded figure


class LiveRunner(AnsweringRunner):
    """See `Runner`. known: what the venue said of the session's orders when it was taken."""

    account: LiveAccount
    exit_words = "An exit order is on its way to the venue."
    stops_meanwhile = "stops that rest at the venue stay there"

    def __init__(self, lease: Lease, session: TradingSession, connection: Connection, known: Known) -> None:
        super().__init__(lease, session)
        self.connection, self.known = connection, known
        self._again, self._asked = {}, {}
        self._quiet_since = None
        self._waiting, self._unheard = set(), set()
        self._built_at = 0.0
        self._halts = Halts()
        self._undecided: list[Mapping[str, Any] | None] = []  # what an instant decided and the venue would not take
        self._told_trouble: str | None = None
        self.troubled = True  # as it was known when its owner's wish was last heeded

    # --- start ------------------------------------------------------------------------------------------------------

    def reconcile(self) -> None:
        refuse_hurry(self.session.feed, self.session.feed_options)
        self.account = LiveAccount.load(self.session)
        self.connection.neighbours.join(self.account)
        self.protector = Protector(self.account, self.connection.rules, self.connection.broker.capabilities)
        self.splits = Splits(self)
        self.rejections = Rejections(self.session)
        self.giving = Giving(self.account, self.protector)

    def compare_orders(self, working: set[int]) -> None:
        unknown = working - set(self.account.orders)
        if unknown:
            raise LedgerMismatch(f"the engine works orders {sorted(unknown)}, which the ledger has not")

    def catch_up(self) -> Iterator[Done]:
        """What has happened while nobody was there; each is to be written before the next is asked for.

        Raises LedgerMismatch where the venue does not know what it had accepted, or has less than the session holds.
        """
        requests = bookings.waiting([self.session.pk]).get(self.session.pk, [])
        by_hand = [request for request in requests if request.ref.startswith(BY_HAND)]  # once orders are known
        booked = [request for request in requests if request not in by_hand]
        for execution in self.known.executions:
            while booked and booked[0].at <= execution.at:  # what a split came before is in its units
                if (done := self.post(booked.pop(0))) is not None:
                    yield done
            done = self.heard(BrokerEvent("fill", execution.at, execution=execution))
            if done is not None:
                yield done
        for request in booked:
            if (done := self.post(request)) is not None:
                yield done
        for tracked in list(self.account.orders.values()):
            if tracked.row.client_order_id not in self.known.orders or tracked.view.state.is_over:
                continue  # it was decided since, or has ended with the one that it goes with
            theirs = self.known.orders[tracked.row.client_order_id] or self._as_leg(tracked.row)
            if theirs is not None:
                if (done := self._told(tracked, theirs)) is not None:
                    yield done
                if tracked.view.state is _O.PENDING_CANCEL:
                    # Nobody knows whether the cancel has left: it is worked, and what is planned now asks again.
                    absorbed = Absorbed()
                    self.account.goes_on(tracked, feeds.wall_time(), absorbed)
                    yield self._written(absorbed, [])
                elif tracked.view.state is _O.PENDING_REPLACE:
                    self._asked[tracked.row.seq] = time.monotonic()  # its successor's fate is seen below
            elif not self._goes_with_another(tracked.row):
                yield self._absent(tracked)
        for request in by_hand:
            if (done := self.post(request)) is not None:
                yield done
        self._compare_positions()
        done = self._let_go_of_unwanted()
        if done is not None:
            yield done

    def _as_leg(self, order: Order) -> BrokerOrder | None:
        """What the venue says of an order that it knows as a leg of another, under a name of its own."""
        first = self.known.orders.get(order.sent_with)
        if first is None or not grouping.members(first, [order]):
            return None  # also of what should take the place of a leg: the venue's leg is the old one still
        return grouping.as_leg(order, first)

    def _goes_with_another(self, order: Order) -> bool:
        """Whether it is sent, or ends, together with one that is not over."""
        firsts = [tracked.row for tracked in self.account.orders.values()]
        return any(order in grouping.members(first, [order]) for first in firsts)

    def _absent(self, tracked: Tracked) -> Done:
        """The venue has proven not to have it: it is sent if it still means something, else it has never been."""
        order = tracked.row
        is_rest = tracked.view.state is _O.PARTIALLY_FILLED and not order.broker_order_id  # of what was netted
        if tracked.view.state not in (_O.INTENT, _O.SUBMITTED, _O.UNKNOWN) and not is_rest:
            raise LedgerMismatch(f"the venue does not know order {order.client_order_id}, which it had accepted")
        absorbed = Absorbed()
        age_ns = time.time_ns() - mapping.nanoseconds(order.created_at)
        is_late = order.is_entry and age_ns > TIMEFRAME_NS[self.session.timeframe]
        # An id that is free again once its order has ended is never sent twice: what is still wanted is decided anew.
        is_once = self.connection.broker.capabilities.ids_stay_used
        if order.role != OrderRole.PLAIN or is_late or not is_once:
            order.state_reason = "It never left, and its bar is long past" if is_late else "It never left"
            self.account.on_its_way(tracked, _O.CANCELED, feeds.wall_time(), absorbed)
            self._with_its_group(tracked, absorbed)
            return self._written(absorbed, [self._end_in_engine(order, "cancelled", absorbed)])
        return self._written(absorbed, [], again=[order])

    def _compare_positions(self) -> None:
        """The account must hold at least what the session does (invariant I2); more is another's."""
        for symbol, holding in self.account.book.holdings.items():
            theirs = self.known.positions.get(symbol)
            if symbol in self.splits:
                continue  # nothing can be said of its units
            if theirs is None or theirs * holding.sign < holding.qty * LEAST:
                raise LedgerMismatch(
                    f"{symbol}: the session holds {holding.qty * holding.sign:f}, the account {theirs or 0:f}"
                )

    def _let_go_of_unwanted(self) -> Done | None:
        """Orders that the engine had done with when the host was lost."""
        working = self._in_engine()
        absorbed = Absorbed()
        for seq, tracked in list(self.account.orders.items()):
            if tracked.row.role == OrderRole.PLAIN and seq not in working:
                self.account.unwant(seq, absorbed)
                self.account.settle(tracked, feeds.wall_time(), absorbed)
        return self._written(absorbed, []) if absorbed.changed else None

    # --- bars -------------------------------------------------------------------------------------------------------

    def blocked_on(self, instant: Instant) -> str | None:
        # Nobody buys at the prices of yesterday: what comes late may close, and opens nothing.
        return self.blocked() or ("stale_data" if instant.backfilled else None)

    def trouble(self) -> str | None:
        trouble = self.connection.trouble
        self.troubled = trouble is not None
        return super().trouble() or trouble or self.splits.trouble()

    def heed(self) -> None:
        """As `Runner.heed`; why a session waits stands in its row, also where the reason changes while it does."""
        super().heed()
        trouble = self.trouble() if self.state == SessionState.DEGRADED else None
        if trouble is not None and trouble != self._told_trouble:
            self.lease.rows().update(state_reason=trouble[:500])
        self._told_trouble = trouble

    def _absorb(self, *of_step: Any) -> Absorbed:
        """As in `Runner`; what was decided is at the venue's steps, on a bar and between two."""
        absorbed = super()._absorb(*of_step)
        for order in [order for order in absorbed.orders if order.state == _O.INTENT]:
            self._fit(order)
            if not order.is_entry and not order.qty:
                self._undecided.append(self._deny(order, "Less than the venue's least step", absorbed))
        return absorbed

    def between(self, *of_step: Any) -> Done:
        done, told = super().between(*of_step), self._undecided
        done.write.interventions += [dict(each) for each in told if each is not None]
        self._undecided = []
        return done

    def _preflight(self, absorbed: Absorbed, at: Any) -> dict[str, Refusal]:
        denied = super()._preflight(absorbed, at)
        self._add_exits(absorbed)
        return denied

    def _deny(self, order: Order, reason: str, absorbed: Absorbed) -> Mapping[str, Any] | None:
        """An exit that must not be sent; what the tape keeps of it."""
        self.account.refused(order.seq, _O.DENIED, reason)
        self.account.settle(self.account.orders[order.seq], feeds.wall_time(), absorbed)
        return self._end_in_engine(order, "denied", absorbed)

    def put_down(self, decided: Decided) -> Done:
        done, told = super().put_down(decided), self._undecided
        if done.write.cycle is not None:
            done.write.cycle.interventions += [dict(each) for each in told if each is not None]
        self._undecided = []
        return done

    def committed(self, done: Done) -> list[Order]:
        self.connection.permit.seen(self._built_at)  # the rows were written under the account's lease after that
        # What was filled before it left was settled with another session; the rest goes to the venue.
        intents = [order for order in done.write.orders if order.state in (_O.INTENT, _O.PARTIALLY_FILLED)]
        intents += done.again
        if intents:
            failpoints.pass_by("after_intent")
        for order in sorted(intents, key=lambda order: order.is_entry):
            if order.role != OrderRole.PLAIN:
                continue  # asked for below, with its group
            if not order.is_entry and self.must_wait(order):
                self._waiting.add(order.seq)
                continue
            self.connection.send(Ask("submit", order, not order.is_entry, self.request_of(order)))
        for ask in done.asks:
            if ask.order.replaces is not None:
                failpoints.pass_by("before_replace")
                self._asked[ask.order.replaces.seq] = time.monotonic()
            self.connection.send(ask)
        for order in done.absorbed.unwanted:
            failpoints.pass_by("before_cancel")
            self._asked[order.seq] = time.monotonic()
            self.connection.send(Ask("cancel", order, True))
        return []

    # --- beside the bars --------------------------------------------------------------------------------------------

    def tend(self) -> Done | None:
        for seq, asked in list(self._asked.items()):
            tracked = self.account.orders.get(seq)
            if tracked is None:
                del self._asked[seq]
                self._unheard.discard(seq)
            elif time.monotonic() - asked > ASK_AGAIN_S:
                self._asked[seq] = time.monotonic()
                self._ask_again(tracked)
        dust.release(self)
        if (given_up := self.splits.give_up()) is not None:
            return given_up
        if (halted := self._halts.follow(self)) is not None:
            return halted
        for symbol, (reason, tries, due) in list(self._again.items()):
            if symbol not in self.account.positions:
                del self._again[symbol]
            elif time.monotonic() >= due and symbol not in self.desk.portfolio.exits_due():
                self._again[symbol] = (reason, tries, float("inf"))
                self.event("order", f"The exit of {symbol} is tried again ({tries}).", level="warning")
                step = self.desk.portfolio.request_exit(symbol, reason)
                return self.between(step, [{"do": "exit", "symbol": symbol, "reason": reason}])
        return None

    # --- the end ----------------------------------------------------------------------------------------------------

    def leaving(self) -> set[str]:
        return super().leaving() | self._again.keys()

    def at_venue(self) -> set[str]:
        return {order.client_order_id for order in self.connection.open_orders_of(self.session.pk)}

    def _look_at_venue(self) -> None:
        known = set(self.session.orders.values_list("client_order_id", flat=True))
        foreign = self.at_venue() - known
        if foreign:
            raise LedgerMismatch(f"the venue works {len(foreign)} orders of this session that the ledger has not")
        self.compare_with_engine()

    def is_flat(self) -> bool:
        """As `Runner.is_flat`, by the venue's own list of open orders, seen after the last of ours had ended.
        Protective orders stay where positions are kept."""
        keeps = self.policy != TradingSession.StopPolicy.FLATTEN
        left = [t for t in self.account.orders.values() if not keeps or t.row.role == OrderRole.PLAIN]
        if left or (self.account.positions and not keeps):
            self._quiet_since = None
            return False
        if self._quiet_since is None:
            self._quiet_since = time.monotonic()
            self.connection.look()
            return False
        if self.connection.looked_at < self._quiet_since:
            return False
        staying = {t.row.client_order_id for t in self.account.orders.values()}
        return not self.at_venue() - staying

    def let_go(self) -> None:
        """Nobody decides for this session any more: what would open a position is taken back. What protects stays."""
        for tracked in self.account.orders.values():
            if tracked.row.is_entry and tracked.row.pk:
                self.connection.send(Ask("cancel", tracked.row, True))

    def give_up_orders(self) -> Done | None:
        return None  # the venue works them still: they end there, or they fill
