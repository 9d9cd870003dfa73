"""The part of a session at a broker that keeps its positions covered, and its orders within the venue's rules."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from bots import mapping
from bots.brokers import preflight
from bots.brokers.base import OrderRequest
from bots.host.account import Absorbed
from bots.host.feeds import wall_time
from bots.host.instants import Decided, Done, Instant
from bots.host.outcomes import REJECTED_BEFORE, Refusal
from bots.host.runner import LIVE_STATES, Runner
from bots.live import asks, grouping
from bots.live.account import LiveAccount
from bots.live.connection import Connection
from bots.live.protection import Levels, may_exit, with_exits
from bots.live.protector import Protector
from bots.live.rejections import Rejections
from bots.live.splitting import Splits
from bots.models import Order, OrderRole
from bots.orders import OrderState
from marketdata.feeds import Tick, spans

_O = OrderState


class ProtectedRunner(Runner):
    """See `bots.live.runner.LiveRunner`, of which this is the half that protects."""

    account: LiveAccount
    connection: Connection
    protector: Protector
    splits: Splits
    rejections: Rejections
    is_due: bool = False  # a level was reached since `protect` was asked last
    _waiting: set[int]  # exits that are written and not sent, because their shares are not free yet

    def _written(self, absorbed: Absorbed, told: list[Mapping[str, Any] | None], again: Sequence[Order] = ()) -> Done:
        raise NotImplementedError

    def _end_in_engine(self, order: Order, word: str, absorbed: Absorbed) -> Mapping[str, Any] | None:
        raise NotImplementedError

    # --- protective orders ------------------------------------------------------------------------------------------

    def protect(self) -> Done | None:
        """As in `Runner`: also sends exits whose shares have become free."""
        self.is_due = False
        if self.state not in LIVE_STATES:
            return None  # what happened while nobody was there comes first
        absorbed, again = Absorbed(), []
        sent, alarms, told = [], [], []
        held = {position.symbol: position for position in self.desk.portfolio.positions()}
        guarded = {t.row.symbol for t in self.account.orders.values() if t.row.role != OrderRole.PLAIN}
        is_watched = self.feed is not None and self.feed.status == "live"
        for symbol in sorted(guarded | set(held)):
            if symbol in self.splits:
                continue  # its levels and what rests are in different units
            errand = self.protector.plan(
                symbol, held.get(symbol), absorbed,
                is_open=self._is_open(symbol), is_watched=is_watched, is_halted=symbol in self.halts,
            )  # fmt: skip
            sent += errand.asks
            alarms += errand.alarms
        for seq in sorted(self._waiting):
            tracked = self.account.orders.get(seq)
            if tracked is None or tracked.view.state is not _O.INTENT:
                self._waiting.discard(seq)
            elif seq in self.account.unasked or tracked.row.symbol not in self.account.book.holdings:
                # A stop was quicker: sent now, it would open a position of the other side.
                self._waiting.discard(seq)
                tracked.row.state_reason = "What it should close has gone"
                self.account.on_its_way(tracked, _O.CANCELED, wall_time(), absorbed)
                told.append(self._end_in_engine(tracked.row, "cancelled", absorbed))
            elif not self.must_wait(tracked.row):
                self._waiting.discard(seq)
                left = self.account.book.holdings[tracked.row.symbol].qty
                if tracked.view.filled == 0 and tracked.row.qty > left:
                    tracked.row.qty = left
                    self.account.resize(tracked.row)
                    self.account.settle(tracked, wall_time(), absorbed)
                again.append(tracked.row)
            else:
                self._end_entries(tracked.row.symbol, absorbed)
        if not (absorbed.orders or absorbed.changed or absorbed.unwanted or sent or again or alarms):
            return None
        for code, text in alarms:
            self.event("guard", text, level="error", code=code)
        done = self._written(absorbed, told, again)
        done.asks, done.alarms = sent, alarms
        return done

    def must_wait(self, order: Order) -> bool:
        """Whether an exit would be refused now, or meet any price: others hold its shares, it could meet an entry of
        ours, or nothing trades; or whether its units are in doubt, or some of them about to be given back."""
        if order.symbol in self.halts or order.symbol in self.splits or order.symbol in self.protector.given:
            return True
        position = next((p for p in self.desk.portfolio.positions() if p.symbol == order.symbol), None)
        now = self.protector.situation(order.symbol, position, is_open=True)
        return now is not None and now.qty != 0 and not may_exit(now, min(order.qty - order.filled_qty, now.held))

    def _end_entries(self, symbol: str, absorbed: Absorbed) -> None:
        """An exit waits for an entry that it could trade with."""
        for seq, tracked in list(self.account.orders.items()):
            row = tracked.row
            is_ended = seq in self.account.unasked or tracked.view.state in (_O.INTENT, _O.PENDING_CANCEL)
            if row.is_entry and row.symbol == symbol and not is_ended:
                self.account.unwant(seq, absorbed)
                self.account.settle(tracked, wall_time(), absorbed)

    def price(self, symbol: str, px: float) -> bool:
        """A trade, in any thread; True: a level that nobody at the venue watches is reached, `protect` is due."""
        if symbol in self.splits:
            return self.is_due  # it may be in other units than our levels
        self.is_due = self.protector.price(symbol, px) or self.is_due
        return self.is_due

    def decide(self, instant: Instant) -> Decided | None:
        return super().decide(self.splits.prices.instant(instant))

    def in_units_of_today(self, tick: Tick) -> Tick:
        return self.splits.prices.tick(tick)

    @property
    def takes_bars(self) -> bool:
        return not self.splits.held()

    def put_down(self, decided: Decided) -> Done:
        if not decided.instant.backfilled:
            self._watch(decided.instant)
        return super().put_down(decided)

    def _watch(self, instant: Instant) -> None:
        """What bars say of the levels that we watch: their range, once a position was there for all of it."""
        held = {position.symbol: position for position in self.desk.portfolio.positions()}
        for symbol, (_, high, low, close, _) in instant.bars.items():
            position = held.get(symbol)
            if position is None:
                continue
            if position.entry_ts < instant.ts:
                for px in (low, high):
                    self.protector.price(symbol, px, is_bar=True)
            self.protector.price(symbol, close, is_bar=True)

    def _is_open(self, symbol: str) -> bool:
        return spans.is_open(self.desk.plan.markets[symbol].calendar, time.time_ns())

    # --- orders within the venue's rules ----------------------------------------------------------------------------

    def request_of(self, order: Order) -> OrderRequest:
        """An order, and the exits that leave together with it, as one request."""
        rows = [tracked.row for tracked in self.account.orders.values()]
        return grouping.request_of(order, rows, self.connection.rules.get(order.symbol))

    def facts_of(self, symbol: str) -> preflight.Known:
        """What can be said of the account and the market, from the last look at them."""
        rules, truth = self.connection.rules.get(symbol), self.connection.truth
        history = self.desk.histories[symbol].bars()
        last = mapping.price(float(history.close[-1])) if len(history.close) else None
        is_open, capabilities = self._is_open(symbol), self.connection.broker.capabilities
        if truth is None:
            return preflight.Known(rules, capabilities, last=last, is_open=is_open)
        held = next((position.qty for position in truth.positions if position.symbol == symbol), Decimal(0))
        return preflight.Known(rules, capabilities, truth.money, held, truth.open_orders, last, is_open=is_open)

    def refusal_of(self, order: Order) -> Refusal | None:
        """As in `Runner`; also after rejections, during a halt, and while an earlier entry, which the engine has done
        with, may still fill at the venue."""
        rejected = self.rejections.refusal(order)
        if rejected:
            return Refusal(rejected, REJECTED_BEFORE, "rejections")
        text = self._obstacle(order)
        return super().refusal_of(order) or (Refusal(text) if text else None)

    def _obstacle(self, order: Order) -> str:
        """What stands in an entry's way at the venue now, in words; empty: nothing."""
        if order.symbol in self.halts:
            return f"{order.symbol} is halted: {self.halts[order.symbol]}"
        if order.symbol in self.splits:
            return f"The venue has changed its orders of {order.symbol} by itself, and is asked why."
        for tracked in self.account.orders.values():
            row = tracked.row
            has_left = row.state != _O.INTENT or row.pk is not None  # or is on its way, and its answer is not here
            if row is not order and row.is_entry and row.symbol == order.symbol and has_left:
                return f"An earlier entry of {order.symbol} is not over at the venue yet."
        found = preflight.check(
            asks.as_request(order, self.connection.rules.get(order.symbol)), self.facts_of(order.symbol)
        )
        problem = next((problem for problem in found if problem.blocks), None)
        return problem.text if problem is not None else self.connection.neighbours.refusal(order)

    def _add_exits(self, absorbed: Absorbed) -> None:
        """Entries that open a position leave with their exits, where the venue takes them together."""
        for order in list(absorbed.orders):
            if not order.is_entry or order.state != _O.INTENT or order.symbol in self.account.book.holdings:
                continue
            rules = self.connection.rules.get(order.symbol)
            base = order.limit_px if order.kind == "limit" else order.decision_px
            if rules is None or base is None:
                continue
            request = asks.as_request(order, rules)
            made = with_exits(request, self._levels_of(order, base), base, rules, self.connection.broker.capabilities)
            if made.order_class != "simple":
                self.protector.with_exits(order, made, absorbed)

    def _levels_of(self, entry: Order, base: Decimal) -> Levels:
        """Where its exits will be, as far as that can be said before it has filled."""
        sign = 1 if entry.side == "BUY" else -1

        def away(name: str, way: int) -> Decimal | None:
            pct = self.settings.get(name)
            return None if pct is None else base * (1 + sign * way * Decimal(str(pct)) / 100)

        stop = entry.stop_px if entry.kind in ("market", "limit") else None
        return Levels(stop or away("stop_loss_pct", -1), away("take_profit_pct", 1), away("trailing_stop_pct", -1))
