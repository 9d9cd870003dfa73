"""The part of a session at a broker that books what the venue says: the answer to what was asked, what became of an
order, an execution; and that asks again where an answer does not come."""

from __future__ import annotations

import time

from bots import failpoints
from bots.brokers.base import BrokerEvent, BrokerOrder, Execution, Refused
from bots.host import feeds
from bots.host.account import Absorbed, Tracked
from bots.host.instants import Done
from bots.live import grouping
from bots.live.account import BEFORE
from bots.live.asks import Answer, Ask
from bots.live.telling import TellingRunner
from bots.models import Order, OrderRole
from bots.orders import OrderState

_O = OrderState
ASK_AGAIN_S = 5.0  # after a request that nothing is heard of


class AnsweringRunner(TellingRunner):
    """See `bots.live.runner.LiveRunner`."""

    _quiet_since: float | None  # monotonic, since when no order of ours is left
    _unheard: set[int]  # orders whose cancel may never have come to the venue

    def heard(self, news: Answer | BrokerEvent) -> Done | None:
        """Book what the venue says; None: it was known. Raises IllegalMove, CrossingFill, LedgerMismatch (halt)."""
        if isinstance(news, Answer):
            return self._answered(news)
        if self.splits.sets_aside(news):
            return None
        if news.execution is not None:
            done = self._executed(news.execution)
            if done is not None or news.order is None:
                return done
        if news.order is not None:
            tracked = self.account.find(news.order.client_order_id, news.order.broker_order_id)
            return None if tracked is None else self._told(tracked, news.order)
        return None

    def _answered(self, answer: Answer) -> Done | None:
        order, at = answer.ask.order, feeds.wall_time()
        tracked = self.account.find(order.client_order_id)
        if tracked is None:
            return None
        if order.role != OrderRole.PLAIN:
            self.protector.answered(answer)
        if answer.ask.do == "cancel" or (answer.ask.do == "replace" and answer.refusal is None):
            return self._request_answered(answer, tracked)
        failpoints.pass_by("after_ack")
        row = tracked.row
        row.attempts += answer.tries
        row.submitted_at = row.submitted_at or at
        if answer.order is not None:
            row.ack_ms = answer.took_s * 1e3
            return self._told(tracked, answer.order)
        absorbed = Absorbed()
        if answer.refusal is None:
            self._asked[row.seq] = time.monotonic()
            self.account.on_its_way(tracked, _O.UNKNOWN, at, absorbed)
            return self._written(absorbed, [])
        row.state_reason = str(answer.refusal)[:300]
        self.account.on_its_way(tracked, _O.REJECTED, at, absorbed)
        if row.is_entry:
            self.rejections.rejected(row)
        self._with_its_group(tracked, absorbed)
        self.event("order", f"The venue rejected {row}: {answer.refusal}", level="warning", code=answer.refusal.code)
        return self._written(absorbed, [self._end_in_engine(row, "denied", absorbed)])

    def _request_answered(self, answer: Answer, tracked: Tracked) -> Done | None:
        """A cancel or a replacement: refused where the order has ended or goes on."""
        if answer.order is not None:
            return self._told(tracked, answer.order)
        if answer.kind == "unknown":
            self._asked[tracked.row.seq] = time.monotonic()
            if answer.ask.do == "cancel":
                self._unheard.add(tracked.row.seq)
        if answer.refusal is None:
            return None
        if answer.refusal.code in ("is_over", "no_order"):
            self._unheard.add(tracked.row.seq)  # where it works all the same
            self.connection.ask_about(tracked.row)
            return None
        absorbed = Absorbed()
        self.account.goes_on(tracked, feeds.wall_time(), absorbed)
        self.event("order", f"The venue refused to {answer.ask.do} {tracked.row}: {answer.refusal}", level="warning")
        return self._written(absorbed, [])

    def _told(self, tracked: Tracked, order: BrokerOrder) -> Done | None:
        """The venue's word of one of ours; None: it is in units that nothing explains yet."""
        if self.splits.is_strange(tracked, order):
            self.splits.set_aside(tracked.row.symbol)
            return None
        absorbed, row, at = Absorbed(), tracked.row, order.updated_at or feeds.wall_time()
        was_over, lags = tracked.view.state.is_over, self.splits.lags(tracked, order)
        self.account.told(tracked, order, at, absorbed, lags=lags)
        if tracked.view.state is _O.PENDING_REPLACE and order.state in BEFORE and not self.account.has_successor(row):
            self.account.goes_on(tracked, at, absorbed)
        for leg, told in grouping.pairs(row, order, [each.row for each in self.account.orders.values()]):
            self.account.told(self.account.orders[leg.seq], told, at, absorbed, lags=lags)
        if was_over and tracked.view.filled == 0 and order.state.group == "active":
            # Ended in our books before it was known to have arrived: it must not live on there.
            absorbed.unwanted.append(row)
            self.event("order", f"{row} had ended here and works at the venue: it is being canceled.", level="warning")
        elif row.is_entry and row.seq in self.account.orders and lags:
            self.account.unwant(row.seq, absorbed)  # the venue has left it as it was at a split
        return self._written(absorbed, [self._after(tracked, absorbed, was_over)])

    def _executed(self, execution: Execution) -> Done | None:
        tracked = self.account.find(execution.client_order_id, execution.broker_order_id)
        if tracked is None:
            return None
        absorbed, was_over = Absorbed(), tracked.view.state.is_over
        trade = self.account.execute(tracked, execution, absorbed)
        if trade is None:
            return None
        row = tracked.row
        told = [self._book_in_engine(row, execution, trade, absorbed), self._after(tracked, absorbed, was_over)]
        self._quiet_since = None
        done = self._written(absorbed, told)
        if row.late_fill:
            text = f"A fill came after its order had ended: {trade}."
            self.event("order", text, level="warning")
            done.alarms.append(("late_fill", text))
        return done

    def _ask_again(self, tracked: Tracked) -> None:
        """What became of an order that was asked to end, or that nobody knows to be there."""
        order = tracked.row
        if tracked.view.state is _O.PENDING_CANCEL and order.seq in self._unheard:
            self._unheard.discard(order.seq)
            self.connection.send(Ask("cancel", order, True))
            return
        if tracked.view.state is not _O.UNKNOWN:
            self.connection.ask_about(order, absent=self._never_came(order))
            return
        request = self.request_of(order)
        sent_at = order.submitted_at or order.created_at
        self.connection.settle(Ask("submit", order, not order.is_entry, request), sent_at)

    @staticmethod
    def _never_came(order: Order) -> Answer | None:
        """The answer to a replacement that is sent no more, was not heard of, and is not there. Where it arrives after
        that it is canceled, as one that had ended here. None: it is no replacement."""
        if order.replaces_id is None or order.state != _O.INTENT:
            return None
        never = Refused("not_placed", "The venue never took it: it was lost on its way.")
        return Answer(Ask("replace", order, True), refusal=never, tries=0, kind="refused")
