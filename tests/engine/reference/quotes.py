"""Two-sided quotes (§17): what a row leaves resting, and what a bar does to it."""

from __future__ import annotations

import math

from tests.engine.reference.decide import Candidate, Decisions
from tests.engine.reference.fills import Desk
from tests.engine.reference.model import Bar, Market, Order, Signal

SIDES = {"bid": 1, "ask": -1}


class Quotes:
    def __init__(self, desk: Desk, decisions: Decisions) -> None:
        self.desk, self.decisions = desk, decisions

    # --- Phase 11
    def state(self, market: Market, bar: Bar, signal: Signal, ts: int, open_now: bool) -> None:
        qty = market.lots(signal.quote_qty)
        for name, px in (("bid", signal.bid_px), ("ask", signal.ask_px)):
            self.state_side(market, bar, signal, name, px, qty, ts, open_now)

    def state_side(
        self, market: Market, bar: Bar, signal: Signal, name: str, px: float, qty: float, ts: int, open_now: bool
    ) -> None:
        desk, rules, side = self.desk, self.desk.rules, SIDES[name]
        working = market.quotes.get(name)
        stays = desk.staying(market)
        closes = min(qty, abs(stays)) if stays * side < 0.0 else 0.0
        wanted = opens = 0.0 if side < 0 and not rules.allow_short else qty - closes
        cut = ""
        if math.isnan(px):
            closes = opens = 0.0
        if opens > 0.0:
            rests = self.same(working, px, closes + opens, opens)
            opens, cut = self.allowed(market, bar, signal, name, px, opens, ts, open_now, rests)
        if self.same(working, px, closes + opens, opens):
            return
        desk.end(working, "cancelled", ts)
        if closes + opens <= 0.0:
            return
        order = Order(
            market.index, side, "limit", "gtc", "quote", opens > 0.0, ts, self.decisions.live_from(ts), bar.index
        )
        order.limit_px, order.qty, order.opens, order.confidence = px, closes + opens, opens, signal.confidence
        market.quotes[name] = desk.place(order)
        if opens > 0.0:
            self.decisions.decided.append(ts)
        if cut:
            self.deny(market, name, cut, ts, asked=wanted, allowed=opens, row=order.row)

    def same(self, working: Order | None, px: float, whole: float, opens: float) -> bool:
        if working is None:
            return False
        return working.limit_px == px and working.rest == whole and working.opens >= opens

    def allowed(
        self,
        market: Market,
        bar: Bar,
        signal: Signal,
        name: str,
        px: float,
        wanted: float,
        ts: int,
        open_now: bool,
        rests: bool,
    ) -> tuple[float, str]:
        """What of the opening part the limits leave, and the last cap that cut. rests: all of it does already."""
        desk, side = self.desk, SIDES[name]
        candidate = Candidate(market, bar, side, signal.confidence, "signal", signal)
        refusal = self.decisions.gate(candidate, ts, open_now, quoted_at=px, rests=rests)
        equity = desk.equity()
        if refusal or (equity <= 0.0 and not rests):
            self.deny(market, name, refusal or "no_equity", ts)
            return 0.0, ""
        if rests:
            return wanted, ""
        position = market.position
        held = position.qty if position is not None and position.side == side else 0.0
        units, reason = wanted, ""
        for cap, cause in desk.caps(market, side, px, equity, counted=held):
            if units > cap:
                units, reason = cap, cause
        units = market.lots(units)
        if units > 0.0 and desk.cost(units, px) > desk.free():
            units, reason = desk.affordable(market, px), "no_cash"
        if units <= 0.0:
            self.deny(market, name, reason or "size_zero", ts, asked=wanted)
            return 0.0, ""
        return units, reason

    def deny(
        self,
        market: Market,
        name: str,
        reason: str,
        ts: int,
        *,
        asked: float = math.nan,
        allowed: float = 0.0,
        row: int = -1,
    ) -> None:
        """Repetitions are counted for each side alone."""
        of_signals, market.last_denial = market.last_denial, market.quotes_denied.get(name)
        self.desk.deny(market.index, SIDES[name], reason, ts, asked=asked, allowed=allowed, row=row)
        market.quotes_denied[name], market.last_denial = market.last_denial, of_signals

    def withdraw(self, market: Market, ts: int, *names: str) -> None:
        for name in names or tuple(SIDES):
            self.desk.end(market.quotes.get(name), "cancelled", ts)

    # --- Phases 3 and 5
    def reached(self, market: Market, name: str, bar: Bar, px: float) -> bool:
        order = market.quotes.get(name)
        if order is None or bar.ts < order.live_from or market.exit is not None:
            return False
        return px <= order.limit_px if name == "bid" else px >= order.limit_px

    def at_open(self, now: list[tuple[Market, Bar]]) -> None:
        for market, bar in now:
            for name in SIDES:
                if self.reached(market, name, bar, bar.open):
                    self.fill(market, name, bar, bar.open)

    def inside(self, now: list[tuple[Market, Bar]]) -> None:
        for market, bar in now:
            away = {name: abs(order.limit_px - bar.open) for name, order in market.quotes.items()}
            filled = 0
            for name in sorted(away, key=lambda n: (away[n], n == "ask")):
                extreme = bar.low if name == "bid" else bar.high
                if not self.reached(market, name, bar, extreme):
                    continue
                order, before = market.quotes[name], market.position
                filled += self.fill(market, name, bar, order.limit_px)
                if market.position is not None and market.position is not before:
                    market.position.opened_inside = order
            self.desk.ambiguous_bars += filled == 2

    def fill(self, market: Market, name: str, bar: Bar, px: float) -> bool:
        """Close first, then open; whether anything was filled."""
        desk, order = self.desk, market.quotes[name]
        position, filled = market.position, False
        if position is not None and position.side != order.side:
            qty = min(order.rest, position.qty, market.volume_left)
            if qty <= 0.0:
                return False
            desk.book(order, qty, px, px, bar.ts, opening=False)
            filled = True
            if not order.working or market.position is not None:
                return True
        return self.open(market, name, order, bar, px) or filled

    def open(self, market: Market, name: str, order: Order, bar: Bar, px: float) -> bool:
        desk, rules = self.desk, self.desk.rules
        want = min(order.rest, order.opens)
        if want <= 0.0:
            return False
        most = rules.max_open_positions
        if market.position is None and most is not None and len(desk.held()) >= most:
            self.refuse(market, name, order, "no_slot", bar.ts, want)
            return False
        qty = min(want, market.volume_left)
        if qty <= 0.0 or (qty < want and not rules.allow_partial_fills):
            return False
        if desk.cost(qty, px) > desk.free():
            asked, qty = qty, desk.affordable(market, px)
            if qty <= 0.0:
                self.refuse(market, name, order, "no_cash", bar.ts, asked)
                return False
            order.qty, order.rest, order.opens = order.filled + qty, qty, qty
            self.deny(market, name, "no_cash", bar.ts, asked=asked, allowed=qty, row=order.row)
        order.by = rules
        order.vol_stop = math.nan if rules.vol_stop_atr is None else rules.vol_stop_atr * market.atr
        desk.book(order, qty, px, px, bar.ts, opening=True)
        order.opens = order.opens - qty
        return True

    def refuse(self, market: Market, name: str, order: Order, reason: str, ts: int, asked: float) -> None:
        self.deny(market, name, reason, ts, asked=asked, row=order.row)
        self.desk.end(order, "cancelled" if order.filled > 0.0 else "denied", ts)

    # --- Phase 9
    def trim(self, now: list[tuple[Market, Bar]]) -> None:
        for market, bar in now:
            for order in [market.quotes[name] for name in SIDES if name in market.quotes]:
                position = market.position
                useful = order.opens
                if position is not None and position.side != order.side:
                    useful = position.qty + order.opens
                if useful <= 0.0:
                    self.desk.end(order, "cancelled", bar.ts)
                elif order.rest > useful:
                    order.qty, order.rest, order.done_ts = order.filled + useful, useful, bar.ts
