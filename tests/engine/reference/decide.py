"""Signals, rebalancing, limits: which orders a step leaves behind (§10, §11)."""

from __future__ import annotations

import datetime as dt
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine import exchange
from tests.engine.reference.fills import Desk, shifted
from tests.engine.reference.model import Bar, Market, Order, Signal

if TYPE_CHECKING:
    from tests.engine.reference.quotes import Quotes


@dataclass
class Candidate:
    market: Market
    bar: Bar
    side: int
    confidence: float
    reason: str
    signal: Signal
    units: float = math.nan  # fixed already, by rebalancing


class Decisions:
    quotes: Quotes

    def __init__(self, desk: Desk, timeframe: str) -> None:
        self.desk, self.rules = desk, desk.rules
        self.length = exchange.timeframe_ns(timeframe)
        self.day_halted = self.run_halted = False
        self.periods: dict[str, int | tuple[int, int]] = {}
        self.due_by_date = False
        self.decided: list[int] = []  # times of all entries
        self.blocked: Mapping[int, str] = {}  # by symbol, in this step

    def new_day(self, day: int) -> None:
        """Note whether this step begins a day, ISO week or month (§11)."""
        date = dt.date(1970, 1, 1) + dt.timedelta(days=day)
        year, week, _ = date.isocalendar()
        now = {"daily": day, "weekly": (year, week), "monthly": (date.year, date.month)}
        name = self.rules.rebalance
        if name in now and self.periods.get(name) != now[name]:
            self.due_by_date, self.periods[name] = True, now[name]

    # --- Exits
    def whole_exit(self, market: Market) -> bool:
        """Whether an exit of the whole position is working."""
        return market.exit is not None and market.position is not None and market.exit.rest >= market.position.qty

    def exit(self, market: Market, reason: str, tif: str, ts: int, qty: float | None = None) -> None:
        """Place a MARKET exit (of the whole position unless `qty`), in place of the one that is working."""
        position, bar = market.position, market.last_bar
        assert position is not None
        assert bar is not None
        self.desk.end(market.exit, "cancelled", ts)
        if qty is None and market.entry is not None and market.entry.side == position.side:
            self.desk.end(market.entry, "cancelled", ts)
        order = Order(
            market.index, -position.side, "market", tif, reason, False, ts, self.live_from(ts), bar.index,
            qty=position.qty if qty is None else qty,
        )  # fmt: skip
        market.exit = self.desk.place(order)

    def live_from(self, ts: int) -> int:
        return ts + 1 if self.rules.latency_ms == 0 else ts + self.length + self.rules.latency_ms * 1_000_000

    def signal_tif(self) -> str:
        return self.rules.time_in_force if self.rules.time_in_force in ("opg", "cls") else "gtc"

    def protective_exit(self, market: Market, reason: str, ts: int) -> None:
        if not (self.whole_exit(market) and market.exit is not None and market.exit.tif == "gtc"):
            self.exit(market, reason, "gtc", ts)

    def close_everything(self, reason: str, ts: int) -> None:
        for market in self.desk.markets:
            self.desk.end(market.entry, "cancelled", ts)
            self.quotes.withdraw(market, ts)
            if market.position is not None:
                self.protective_exit(market, reason, ts)

    # --- Decide
    def decide(self, now: list[tuple[Market, Bar]], ts: int, step: int) -> None:
        candidates: dict[int, Candidate] = {}
        quoting: list[tuple[Market, Bar, Signal]] = []
        spoke = weighed = False
        for market, bar in now:
            signal = bar.decides
            if signal is None:
                continue
            if not math.isnan(signal.quote_qty):
                quoting.append((market, bar, signal))
                continue
            action = signal.action
            if self.rules.rebalance != "never" and not math.isnan(signal.target_weight):
                market.weight, action, weighed = signal.target_weight, 0, True
            if action == 0:
                continue
            spoke = True
            if abs(action) > 1:
                self.leave(market, ts, long=action != 2, short=action != -2)
            elif self.answer(market, action, ts):
                candidates[market.index] = Candidate(market, bar, action, signal.confidence, "signal", signal)
        due = {
            "on_signal": spoke or weighed,
            "on_target_weights": weighed,
        }.get(self.rules.rebalance, self.due_by_date)
        self.due_by_date = False
        if due:
            self.rebalance(now, ts, candidates)
        window = self.rules.window
        open_now = window is None or bool(window[step])
        ranked = sorted(candidates.values(), key=lambda c: (-c.confidence, c.market.index))
        while ranked:
            group = ranked[0].market.group
            together = [c for c in ranked if c is ranked[0] or (group is not None and c.market.group is group)]
            ranked = [c for c in ranked if c not in together]
            if len(together) == 1 and together[0].side < 0 and not self.rules.allow_short:
                continue
            self.admit_all(together, ts, open_now)
        for market, bar, signal in quoting:
            self.quotes.state(market, bar, signal, ts, open_now)

    def admit_all(self, legs: list[Candidate], ts: int, open_now: bool) -> None:
        """Place all of them; where one is refused, none, and nothing but the refusals stays."""
        desk = self.desk
        orders, denials, decided = len(desk.orders), len(desk.denials), len(self.decided)
        before = [c.market.last_denial for c in legs]
        for c in legs:
            refusal = self.admit(c, ts, open_now)
            if refusal is None:
                continue
            for other, last in zip(legs, before, strict=True):
                if other.market.entry in desk.orders[orders:]:
                    other.market.entry = None
                other.market.last_denial = last
            del desk.orders[orders:], desk.denials[denials:], self.decided[decided:]
            self.deny(c, refusal[0], ts, refusal[1])
            for other in legs:
                if other is not c:
                    self.deny(other, "leg_refused", ts)
            return

    def leave(self, market: Market, ts: int, *, long: bool, short: bool) -> None:
        """Signals that only close: long positions, short ones, or both."""
        sides = {side for side, on in ((1, long), (-1, short)) if on}
        if market.entry is not None and market.entry.side in sides:
            self.desk.end(market.entry, "cancelled", ts)
        for quote in tuple(market.quotes.values()):
            if quote.side in sides and quote.opens > 0.0:
                self.desk.end(quote, "cancelled", ts)
        if market.position is not None and market.position.side in sides and not self.whole_exit(market):
            self.exit(market, "signal", self.signal_tif(), ts)

    def answer(self, market: Market, action: int, ts: int) -> bool:
        """What a signal does to what is there; True if it also asks for an entry."""
        if market.entry is not None and market.entry.side != action:
            self.desk.end(market.entry, "cancelled", ts)
        position = market.position
        if position is not None and position.side != action and not self.whole_exit(market):
            self.exit(market, "signal", self.signal_tif(), ts)
        if action < 0 and not self.rules.allow_short and market.group is None:
            return False
        if market.entry is not None:
            return False
        same_side = position is not None and position.side == action
        return not (same_side and (not self.rules.allow_scale_in or market.exit is not None))

    def admit(self, c: Candidate, ts: int, open_now: bool) -> tuple[str, float] | None:
        """Place it, or say why not: the reason and the units asked for."""
        rules, market = self.rules, c.market
        refusal = self.gate(c, ts, open_now)
        if refusal:
            return refusal, math.nan
        order = self.order_of(c, ts)
        if rules.vol_stop_atr is not None:
            order.vol_stop = rules.vol_stop_atr * market.atr
        if not math.isnan(c.units):
            qty, reason = c.units, ""
            for cap, name in self.desk.exposure_caps(market, c.side, c.bar.close, self.desk.equity()):
                if qty > cap:
                    qty, reason = cap, name
            if reason:
                qty = market.lots(qty)
            if qty <= 0.0:
                return reason, c.units
            if reason:
                self.desk.deny(market.index, c.side, reason, ts, asked=c.units, allowed=qty, row=len(self.desk.orders))
            order.qty = qty
        elif rules.size_at == "fill":
            order.sized = False
        else:
            px = c.bar.close
            qty, reason, asked = self.desk.size(
                market, market.index, c.side, px, order.protective, order.weight, rules, order.vol_stop
            )
            if qty <= 0.0:
                return reason, asked
            order.qty = qty
            if reason:
                self.desk.deny(market.index, c.side, reason, ts, asked=asked, allowed=qty, row=len(self.desk.orders))
        market.entry = self.desk.place(order)
        self.decided.append(ts)
        return None

    def gate(self, c: Candidate, ts: int, open_now: bool, *, quoted_at: float = math.nan, rests: bool = False) -> str:
        """The first gate that refuses it; "" if none does. quoted_at: a quote's price; rests: it does so already."""
        rules, market = self.rules, c.market
        if c.side < 0 and not rules.allow_short:
            return "short_not_allowed"
        if c.reason == "signal" and c.confidence < rules.min_confidence:
            return "low_confidence"
        if not open_now:
            return "outside_window"
        if market.index in self.blocked:
            return self.blocked[market.index]
        if rules.flatten_at_session_end and c.bar.closing:
            return "session_end"
        if self.run_halted:
            return "drawdown_halt"
        if self.day_halted:
            return "daily_loss_halt"
        if rules.cooldown_bars is not None and self.cooling(market):
            return "cooldown"
        recent = [then for then in self.decided if then > ts - 60_000_000_000]
        if rules.max_orders_per_minute is not None and not rests and len(recent) >= rules.max_orders_per_minute:
            return "order_rate"
        waiting = market.entry is not None or self.quotes_open(market)  # it has its slot already
        needs_slot = (market.position is None or self.whole_exit(market)) and not waiting
        if needs_slot and rules.max_open_positions is not None and self.slots_in_use() >= rules.max_open_positions:
            return "no_slot"
        if rules.max_correlated_positions is not None and self.correlated(c) >= rules.max_correlated_positions:
            return "correlated"
        order = self.order_of(c, ts)
        if not math.isnan(quoted_at):
            order.limit_px, order.stop_px, order.protective = quoted_at, math.nan, math.nan
        if rules.price_collar_pct is not None and self.farthest(order, c.bar.close, market) > rules.price_collar_pct:
            return "price_collar"
        if rules.vol_stop_atr is not None and math.isnan(order.protective) and not market.atr > 0.0:
            return "no_volatility"
        return ""

    # --- Guards (§16)
    def cooling(self, market: Market) -> bool:
        since = 0 if self.whole_exit(market) else market.since_exit
        return since is not None and since <= self.rules.cooldown_bars

    def correlated(self, c: Candidate) -> int:
        count = 0
        for other in self.desk.markets:
            if other is c.market:
                continue
            stays = self.desk.staying(other)
            way = (1 if stays > 0.0 else -1) if stays else other.entry.side if other.entry is not None else 0
            if way and self.correlation(c.market, other) * (c.side * way) >= self.rules.correlation_threshold:
                count += 1
        return count

    def correlation(self, one: Market, other: Market) -> float:
        """Pearson's of the last returns over common times, summed from the latest to the first."""
        n = self.rules.correlation_bars
        room = 2 * (n + 1)
        ours, theirs = dict(one.closes[-room:]), dict(other.closes[-room:])
        common = sorted(ours.keys() & theirs.keys(), reverse=True)[: n + 1]
        if len(common) <= n:
            return math.nan
        sx = sy = sxx = syy = sxy = 0.0
        for later, ts in itertools.pairwise(common):
            x, y = ours[later] / ours[ts] - 1.0, theirs[later] / theirs[ts] - 1.0
            sx, sy = sx + x, sy + y
            sxx, syy, sxy = sxx + x * x, syy + y * y, sxy + x * y
        over_x, over_y = n * sxx - sx * sx, n * syy - sy * sy
        if over_x <= 0.0 or over_y <= 0.0:
            return math.nan
        return (n * sxy - sx * sy) / math.sqrt(over_x * over_y)

    def farthest(self, order: Order, close: float, market: Market) -> float:
        distances = [abs(px - close) / close * 100.0 for px in (order.limit_px, order.stop_px) if not math.isnan(px)]
        if market.close_before is not None:
            distances.append(abs(close - market.close_before) / market.close_before * 100.0)
        return max(distances, default=0.0)

    def deny(self, c: Candidate, reason: str, ts: int, asked: float = math.nan) -> None:
        self.desk.deny(c.market.index, c.side, reason, ts, asked=asked)

    def slots_in_use(self) -> int:
        used = 0
        for market in self.desk.markets:
            staying = market.position is not None and not self.whole_exit(market)
            used += staying or market.entry is not None or self.quotes_open(market)
        return used

    def quotes_open(self, market: Market) -> bool:
        return any(quote.opens > 0.0 for quote in market.quotes.values())

    def order_of(self, c: Candidate, ts: int) -> Order:
        rules, signal, close, side = self.rules, c.signal, c.bar.close, c.side
        kind = "market" if c.reason == "rebalance" else rules.order_type
        order = Order(
            c.market.index, side, kind, rules.time_in_force, c.reason, True, ts, self.live_from(ts), c.bar.index
        )
        order.by, order.reference = rules, close
        order.confidence = c.confidence
        order.decided_day = c.bar.day
        order.day = None if c.bar.over else c.bar.day
        if c.reason == "rebalance":
            return order
        if rules.rebalance == "never":
            order.weight = signal.target_weight
        if kind in ("market", "limit"):
            order.protective = signal.stop_px
        if kind == "limit":
            order.limit_px = first(signal.limit_px, shifted(close, -side, rules.limit_offset_pct))
        elif kind in ("stop", "stop_limit"):
            order.stop_px = first(signal.stop_px, shifted(close, side, rules.stop_offset_pct))
            if kind == "stop_limit":
                order.limit_px = first(signal.limit_px, shifted(order.stop_px, side, rules.limit_offset_pct))
        elif kind == "trailing_stop":
            order.extreme = close
        return order

    # --- Rebalancing
    def rebalance(self, now: list[tuple[Market, Bar]], ts: int, candidates: dict[int, Candidate]) -> None:
        equity = self.desk.equity()
        if self.day_halted or self.run_halted or equity <= 0.0:
            return
        for market, bar in now:
            weight = self.target(market)
            spoke = market.index in candidates
            if weight is None or spoke or self.whole_exit(market):
                continue
            side = -1 if weight < 0.0 else 1
            if weight < 0.0 and not self.rules.allow_short:
                self.desk.deny(market.index, side, "short_not_allowed", ts)
                weight = 0.0
            self.desk.end(market.entry, "cancelled", ts)
            want = self.wanted(market, side, abs(weight) * equity / bar.close, bar.close, equity, ts)
            position = market.position
            held = position.qty if position is not None and position.side == side else 0.0
            if position is not None and (position.side != side or want == 0.0):
                self.exit(market, "rebalance", "gtc", ts)
            elif want < held:
                self.exit(market, "rebalance", "gtc", ts, held - want)
            if want > held:
                signal = Signal(side)
                candidates[market.index] = Candidate(market, bar, side, 1.0, "rebalance", signal, want - held)

    def target(self, market: Market) -> float | None:
        if not math.isnan(market.weight):
            return market.weight
        if market.position is None or self.whole_exit(market):
            return None
        parts = self.rules.size_value / 100.0 if self.rules.sizing == "percentage" else 1.0 / self.desk.equal_parts()
        return market.position.side * parts

    def wanted(self, market: Market, side: int, asked: float, px: float, equity: float, ts: int) -> float:
        """Units of a target, cut by the two caps of a holding; a cut is a row in the denials."""
        units, reason, rules = asked, "", self.rules
        if rules.max_position_size_pct is not None and units > equity * rules.max_position_size_pct / 100.0 / px:
            units, reason = equity * rules.max_position_size_pct / 100.0 / px, "position_cap"
        if rules.max_symbol_concentration_pct is not None:
            cap = max(equity * rules.max_symbol_concentration_pct / 100.0 / px - 0.0, 0.0)
            if units > cap:
                units, reason = cap, "symbol_cap"
        units = market.lots(units)
        if reason:
            self.desk.deny(market.index, side, reason, ts, asked=asked, allowed=units)
        return units


def first(preferred: float, otherwise: float) -> float:
    return otherwise if math.isnan(preferred) else preferred
