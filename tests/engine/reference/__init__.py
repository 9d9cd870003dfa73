"""A slow, plain-Python simulator, written from docs/fills.md alone; the compiled kernel must agree with it to the bit.

One method per phase, in the order of the table in §2. Nothing here is clever: where this file and the kernel differ,
the document decides who is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from engine import Bars, Costs, Rules
from engine.portfolio import OutsideExposure
from tests.engine.reference.decide import Decisions
from tests.engine.reference.fills import Desk, shifted
from tests.engine.reference.market import markets_of, portfolio_day
from tests.engine.reference.model import NOTHING, Bar, Market, Order, Outcome, Plan, Position, Request
from tests.engine.reference.quotes import Quotes


def simulate(
    bars: Mapping[str, Bars],
    signals: Mapping[str, Any],
    *,
    rules: Rules,
    costs: Costs,
    starting_cash: float,
    match_bars: Mapping[str, Bars] | None = None,
    legs: Sequence[Sequence[str]] = (),
    plan: Plan = NOTHING,
) -> Outcome:
    """The same arguments as `engine.simulate`; `rules.window` as a bool array over the time line, or None.

    plan: what is asked of the portfolio between its steps, and what blocks entries in them (§15).
    """
    return Reference(bars, signals, rules, costs, starting_cash, match_bars, legs).run(plan)


class Reference:
    def __init__(
        self,
        bars: Mapping[str, Bars],
        signals: Mapping[str, Any],
        rules: Rules,
        costs: Costs,
        starting_cash: float,
        match_bars: Mapping[str, Bars] | None,
        legs: Sequence[Sequence[str]],
    ) -> None:
        self.markets = markets_of(bars, signals, match_bars, rules.allow_fractional)
        for group in legs:
            for market in self.markets:
                market.group = group if market.name in group else market.group
        self.rules = rules
        self.desk = Desk(self.markets, rules, costs, starting_cash)
        lines = match_bars or bars
        self.timeline = sorted({ts for market in self.markets for ts in market.bars})
        self.day_of = portfolio_day(lines)
        self.decisions = Decisions(self.desk, next(iter(lines.values())).timeframe)
        self.quotes = self.decisions.quotes = Quotes(self.desk, self.decisions)
        self.recorded = self.top = self.day_start = starting_cash
        self.equity: list[tuple[int, float, float, float]] = []

    def run(self, plan: Plan) -> Outcome:
        day = None
        for step, ts in enumerate(self.timeline):
            for request in plan.before.get(step, ()):
                self.heed(request, self.timeline[step - 1] if step else None, day)
            blocked = plan.blocked.get(step, {})
            self.desk.outside = plan.outside.get(step, OutsideExposure())
            self.decisions.blocked = {m.index: blocked[m.name] for m in self.markets if m.name in blocked}
            today = self.day_of(ts)
            if today != day:  # phase 0
                self.day_start, self.decisions.day_halted = self.recorded, False
                self.decisions.new_day(today)
            day = today
            self.now = [(m, m.bars[ts]) for m in self.markets if ts in m.bars]
            self.step(ts, step)
        desk = self.desk
        return Outcome(desk.orders, desk.fills, desk.trips, desk.denials, self.equity, desk.held(), desk.ambiguous_bars)

    def heed(self, request: Request, ts: int | None, day: int | None) -> None:
        """Do what is asked between two steps (§15); ts, day: of the step before."""
        name, what = request.name, request
        if name == "change_rules":
            self.change_rules(what.rules, what.costs, day)
            return
        chosen = [m for m in self.markets if what.symbol in (None, m.name)]
        if ts is None:
            return
        if name == "cancel_entry":
            for market in chosen:
                self.desk.end(market.entry, "cancelled", ts)
                self.quotes.withdraw(market, ts)
        elif what.symbol is None:
            self.decisions.close_everything(what.reason, ts)
        elif chosen[0].position is not None:
            self.decisions.protective_exit(chosen[0], what.reason, ts)

    def change_rules(self, rules: Rules, costs: Costs, day: int | None) -> None:
        old = self.rules
        self.rules = self.desk.rules = self.decisions.rules = rules
        self.desk.costs = costs
        if rules.rebalance != old.rebalance:
            self.decisions.periods, self.decisions.due_by_date = {}, False
            if day is not None:
                self.decisions.new_day(day)
        for market in self.markets:
            market.fractional = rules.allow_fractional and market.fractionable
            if rules.correlation_bars != old.correlation_bars:
                market.closes = market.closes[-2 * (old.correlation_bars + 1) :]
            if rules.atr_period != old.atr_period:
                market.ranges, market.atr = [], math.nan

    def step(self, ts: int, step: int) -> None:
        for market, bar in self.now:
            self.desk.begin_bar(market, bar)
        self.expire_at_open()
        self.exits_at_open()
        self.entries_at_open()
        self.quotes.at_open(self.now)
        self.exits_inside()
        self.entries_inside()
        self.quotes.inside(self.now)
        self.stops_after_entries_inside()
        self.mark()
        self.closing_auction()
        self.expire_at_close()
        self.quotes.trim(self.now)
        self.protect(ts)
        self.flatten(ts)
        self.decisions.decide(self.now, ts, step)
        if self.rules.fill_at == "this_close":
            self.fill_at_this_close()
        if self.rules.close_at_end and step == len(self.timeline) - 1:
            self.close_at_end(ts)
        self.recorded = self.desk.equity()
        self.equity.append((ts, self.recorded, self.desk.cash, self.desk.exposure()))
        self.top = max(self.top, self.recorded)

    # --- Phase 1
    def expire_at_open(self) -> None:
        for market, bar in self.now:
            order = market.entry
            if order is None or order.tif not in ("day", "cls"):
                continue
            if order.day is None and bar.day != order.decided_day:
                order.day = bar.day
            if order.day is not None and order.day != bar.day:
                self.desk.end(order, "expired", bar.ts)

    # --- Phase 2
    def exits_at_open(self) -> None:
        for market, bar in self.now:
            position = market.position
            if position is None:
                continue
            position.opened_inside = None
            order = self.live_exit(market, bar)
            if order is not None:
                self.desk.fill_exit(order, bar.open, True, bar)
                continue
            self.look_at_open(position, bar)
            level, name = self.stop_in_force(position)
            if reaches(bar.open, level, -position.side):
                self.fire(market, bar, name, level, bar.open)
            elif reaches(bar.open, position.target, position.side):
                self.fire(market, bar, "take_profit", position.target, bar.open)

    def live_exit(self, market: Market, bar: Bar) -> Order | None:
        order = market.exit
        if order is None or not live(order, bar) or order.tif == "cls" or (order.tif == "opg" and not bar.first):
            return None
        return order

    def look_at_open(self, position: Position, bar: Bar) -> None:
        position.peak = max(position.peak, bar.open) if position.side > 0 else min(position.peak, bar.open)

    def stop_in_force(self, position: Position) -> tuple[float, str]:
        trail = position.by.trailing_stop_pct
        if trail is None:
            return position.stop, "stop_loss"
        level = shifted(position.peak, -position.side, trail)
        if math.isnan(position.stop) or (level - position.stop) * position.side > 0.0:
            return level, "trailing_stop"
        return position.stop, "stop_loss"

    def fire(self, market: Market, bar: Bar, reason: str, level: float, base: float) -> None:
        """A stop or a target is reached: an order of its own, filled at once as far as there is volume."""
        position = market.position
        assert position is not None
        target = reason == "take_profit"
        if target:
            part = min(position.qty, market.volume_left)
            if part <= 0.0:
                return
        self.desk.end(market.exit, "cancelled", bar.ts)
        kind = "limit" if target else "trailing_stop" if reason == "trailing_stop" else "stop"
        order = Order(market.index, -position.side, kind, "gtc", reason, False, bar.ts, bar.ts, bar.index)
        order.qty = part if target else position.qty
        order.limit_px, order.stop_px = (level, math.nan) if target else (math.nan, level)
        market.exit = self.desk.place(order)
        if not target and market.entry is not None and market.entry.side == position.side:
            self.desk.end(market.entry, "cancelled", bar.ts)
        self.desk.fill_exit(order, base, not target, bar)

    # --- Phase 3
    def entries_at_open(self) -> None:
        entries = [
            (order, market, bar)
            for order, market, bar in self.live_entries()
            if order.tif != "cls" and (order.tif != "opg" or bar.first)
        ]
        for order, market, bar in entries:
            if order.working and not self.waits(order, market):
                self.try_at_open(order, bar)
        for order, _, bar in entries:
            if order.tif in ("ioc", "fok"):
                self.desk.end(order, "cancelled", bar.ts)
            elif order.tif == "opg":
                self.desk.end(order, "expired", bar.ts)

    def live_entries(self) -> list[tuple[Order, Market, Bar]]:
        """Live working entries by confidence, then name. A DAY order without its day is not live."""
        found = [
            (m.entry, m, bar)
            for m, bar in self.now
            if m.entry is not None
            and live(m.entry, bar)
            and not (m.entry.tif in ("day", "cls") and m.entry.day is None)
        ]
        return sorted(found, key=lambda row: -row[0].confidence)

    def waits(self, order: Order, market: Market) -> bool:
        return market.position is not None and market.position.side != order.side

    def try_at_open(self, order: Order, bar: Bar) -> None:
        side = order.side
        if order.as_market:
            self.desk.fill_entry(order, bar.open, True, bar)
        elif order.kind == "limit" or order.triggered:
            if reaches(bar.open, order.limit_px, -side):
                self.desk.fill_entry(order, bar.open, False, bar)
        elif order.kind == "stop":
            if reaches(bar.open, order.stop_px, side):
                self.desk.fill_entry(order, bar.open, True, bar)
        elif order.kind == "stop_limit":
            if reaches(bar.open, order.stop_px, side):
                order.triggered = True
                if reaches(bar.open, order.limit_px, -side):
                    self.desk.fill_entry(order, bar.open, False, bar)
        else:
            order.extreme = min(order.extreme, bar.open) if side > 0 else max(order.extreme, bar.open)
            if reaches(bar.open, self.trailing_level(order), side):
                self.desk.fill_entry(order, bar.open, True, bar)

    def trailing_level(self, order: Order) -> float:
        return shifted(order.extreme, order.side, order.by.stop_offset_pct)

    # --- Phase 4
    def exits_inside(self) -> None:
        for market, bar in self.now:
            position = market.position
            if position is None or self.live_exit(market, bar) is not None:
                continue
            self.look_at_open(position, bar)
            level, name = self.stop_in_force(position)
            far, near = (bar.low, bar.high) if position.side > 0 else (bar.high, bar.low)
            stopped, aimed = reaches(far, level, -position.side), reaches(near, position.target, position.side)
            self.desk.ambiguous_bars += stopped and aimed
            if stopped:
                base = min(bar.open, level) if position.side > 0 else max(bar.open, level)
                self.fire(market, bar, name, level, base)
            elif aimed:
                base = max(bar.open, position.target) if position.side > 0 else min(bar.open, position.target)
                self.fire(market, bar, "take_profit", position.target, base)

    # --- Phase 5
    def entries_inside(self) -> None:
        for order, market, bar in self.live_entries():
            if order.as_market or order.tif not in ("day", "gtc") or self.waits(order, market):
                continue
            flat, triggered = market.position is None, order.triggered
            self.try_inside(order, bar)
            if flat and market.position is not None:
                market.position.opened_inside, market.position.opened_triggered = order, triggered

    def try_inside(self, order: Order, bar: Bar) -> None:
        side = order.side
        low, high = (bar.low, bar.high) if side > 0 else (bar.high, bar.low)  # low: the favourable end for a buy
        if order.kind == "limit" or order.triggered:
            if reaches(low, order.limit_px, -side):
                self.desk.fill_entry(order, order.limit_px, False, bar)
        elif order.kind == "stop":
            if reaches(high, order.stop_px, side):
                self.desk.fill_entry(order, order.stop_px, True, bar)
        elif order.kind == "stop_limit":
            if reaches(high, order.stop_px, side):
                order.triggered = True
                if reaches(order.stop_px, order.limit_px, -side):
                    self.desk.fill_entry(order, order.stop_px, False, bar)
        else:
            level = self.trailing_level(order)
            if reaches(high, level, side):
                self.desk.fill_entry(order, level, True, bar)
            else:
                order.extreme = min(order.extreme, bar.low) if side > 0 else max(order.extreme, bar.high)

    # --- Phase 6
    def stops_after_entries_inside(self) -> None:
        for market, bar in self.now:
            position = market.position
            if position is None or position.opened_inside is None:
                continue
            opener = position.opened_inside
            level, name = self.stop_in_force(position)
            far = bar.low if position.side > 0 else bar.high
            if reaches(far, level, -position.side):
                known = opener.kind == "limit" or (opener.kind == "stop_limit" and position.opened_triggered)
                self.desk.ambiguous_bars += not known
                base = min(level, position.average) if position.side > 0 else max(level, position.average)
                self.fire(market, bar, name, level, base)

    # --- Phase 7
    def mark(self) -> None:
        for market, bar in self.now:
            position = market.position
            if position is not None:
                position.mark = bar.close
                best = max(position.peak, bar.high) if position.side > 0 else min(position.peak, bar.low)
                position.peak = best
                position.bars += bar.decides is not None
            if bar.decides is not None:
                self.update_atr(market, bar)
                market.closes.append((bar.ts, bar.close))
                if market.since_exit is not None:
                    market.since_exit += 1

    def update_atr(self, market: Market, bar: Bar) -> None:
        if math.isnan(bar.true_range):
            return
        period = self.rules.atr_period
        market.ranges.append(bar.true_range)
        if len(market.ranges) == period:
            total = 0.0
            for true_range in market.ranges:
                total = total + true_range
            market.atr = total / period
        elif len(market.ranges) > period:
            market.atr = (market.atr * (period - 1) + bar.true_range) / period

    # --- Phase 8
    def closing_auction(self) -> None:
        for market, bar in self.now:
            order = market.exit
            if bar.last and order is not None and order.tif == "cls" and live(order, bar):
                self.desk.fill_exit(order, bar.close, True, bar)
        for order, market, bar in self.live_entries():
            if order.tif != "cls" or not bar.last or self.waits(order, market):
                continue
            if order.as_market:
                self.enter_at_close(order, market, bar, slip=True)
            elif reaches(bar.close, order.limit_px, -order.side):
                self.enter_at_close(order, market, bar, slip=False)

    # --- Phase 9
    def expire_at_close(self) -> None:
        for market, bar in self.now:
            order = market.entry
            if order is None:
                continue
            if order.tif in ("day", "cls") and order.day == bar.day and (bar.last or bar.over):
                self.desk.end(order, "expired", bar.ts)
            elif self.timed_out(order, bar):
                self.desk.end(order, "cancelled", bar.ts)

    def timed_out(self, order: Order, bar: Bar) -> bool:
        limit = order.by.order_timeout_bars
        return limit is not None and bar.index - order.bar_index >= limit

    # --- Phase 10
    def protect(self, ts: int) -> None:
        rules, desk, decisions = self.rules, self.desk, self.decisions
        equity = desk.equity()
        for market, _ in self.now:
            longest = None if market.position is None else market.position.by.max_holding_bars
            if longest is not None and market.position.bars >= longest:
                decisions.protective_exit(market, "max_holding", ts)
        loss, limits = self.day_start - equity, []
        if rules.daily_loss_limit_pct is not None:
            limits.append(self.day_start * rules.daily_loss_limit_pct / 100.0)
        if rules.daily_loss_limit_abs is not None:
            limits.append(rules.daily_loss_limit_abs)
        if loss > 0.0 and any(loss >= limit for limit in limits) and not decisions.day_halted:
            decisions.day_halted = True
            decisions.close_everything("daily_loss", ts)
        fall = self.top - equity
        if rules.max_drawdown_pct is None or decisions.run_halted or fall <= 0.0:
            return
        if fall >= self.top * rules.max_drawdown_pct / 100.0:
            decisions.run_halted = True
            decisions.close_everything("max_drawdown", ts)

    def flatten(self, ts: int) -> None:
        for market, bar in self.now:
            if self.rules.flatten_at_session_end and bar.closing:
                self.desk.end(market.entry, "cancelled", ts)
                self.quotes.withdraw(market, ts)
                if market.position is not None:
                    self.decisions.protective_exit(market, "session_end", ts)

    # --- Phase 12
    def fill_at_this_close(self) -> None:
        for market, bar in self.now:
            if market.exit is not None:
                self.desk.fill_exit(market.exit, bar.close, True, bar)
        entries = [(m.entry, m, bar) for m, bar in self.now if m.entry is not None]
        for order, market, bar in sorted(entries, key=lambda row: -row[0].confidence):
            if not self.waits(order, market):
                self.enter_at_close(order, market, bar, slip=True)

    def enter_at_close(self, order: Order, market: Market, bar: Bar, *, slip: bool) -> None:
        """A position that is opened at a close is marked at that close."""
        self.desk.fill_entry(order, bar.close, slip, bar)
        if market.position is not None:
            market.position.mark = bar.close

    def close_at_end(self, ts: int) -> None:
        for market in self.markets:
            position, bar = market.position, market.last_bar
            if position is None or bar is None:
                continue
            self.desk.end(market.exit, "cancelled", ts)
            order = Order(market.index, -position.side, "market", "gtc", "end", False, bar.ts, bar.ts, bar.index)
            order.qty = position.qty
            market.exit = self.desk.place(order)
            px = self.desk.slipped(position.mark, order.side, order.qty, bar.volume)
            self.desk.book(order, order.qty, px, position.mark, bar.ts)


def reaches(price: float, level: float, side: int) -> bool:
    """price >= level for side +1, price <= level for side -1; never, where there is no level (NaN)."""
    return price >= level if side > 0 else price <= level


def live(order: Order, bar: Bar) -> bool:
    return bar.ts >= order.live_from
