"""Money and fills: slippage, commission, lots, cash, booking (§7, §8), and the size of an entry (§9)."""

from __future__ import annotations

import math

from engine.portfolio import OutsideExposure
from engine.rules import Costs, Rules
from tests.engine.reference.model import Bar, Denial, Fill, Market, Order, Position, Trip


def shifted(price: float, direction: int, pct: float) -> float:
    """A price moved up (+1) or down (-1) by a percentage of itself (§4, §6)."""
    return price + price * pct / 100.0 if direction > 0 else price - price * pct / 100.0


class Desk:
    """Cash, positions and everything that has been written down so far."""

    def __init__(self, markets: list[Market], rules: Rules, costs: Costs, starting_cash: float) -> None:
        self.markets, self.rules, self.costs = markets, rules, costs
        self.cash = starting_cash
        self.orders: list[Order] = []
        self.fills: list[Fill] = []
        self.trips: list[Trip] = []
        self.denials: list[Denial] = []
        self.returns: list[float] = []  # of the closed round trips, for Kelly
        self.ambiguous_bars = 0
        self.outside = OutsideExposure()

    # --- Accounts (§8)
    def held(self) -> list[Position]:
        return [m.position for m in self.markets if m.position is not None]

    def value(self) -> float:
        total = 0.0
        for p in self.held():
            total = total + p.side * p.qty * p.mark
        return total

    def equity(self) -> float:
        return self.cash + self.value()

    def exposure(self) -> float:
        total = 0.0
        for p in self.held():
            total = total + abs(p.qty * p.mark)
        return total

    def free(self) -> float:
        shorts = 0.0
        for p in self.held():
            if p.side < 0:
                shorts = shorts + abs(p.qty * p.mark)
        return self.cash - 2.0 * shorts

    # --- Prices and costs (§7)
    def slipped(self, base: float, side: int, qty: float, volume: float) -> float:
        v = self.costs.slippage_value
        if self.costs.slippage == "none":
            px = base
        elif self.costs.slippage == "fixed":
            px = base + side * v
        elif self.costs.slippage == "proportional":
            px = base * (1.0 + side * v)
        else:
            share = min(qty / volume, 1.0) if volume > 0.0 else 1.0
            px = base * (1.0 + side * (v * math.sqrt(share)))
        return max(px, 0.0)

    def commission(self, notional: float, qty: float) -> float:
        fee = notional * self.costs.commission_rate + qty * self.costs.commission_per_share
        return max(fee, self.costs.commission_min)

    def begin_bar(self, market: Market, bar: Bar) -> None:
        market.close_before = None if market.last_bar is None else market.last_bar.close
        market.last_bar = bar
        ratio = self.costs.volume_cap_ratio
        market.volume_left = math.inf if ratio is None else market.lots(ratio * bar.volume)

    # --- Orders and denials
    def place(self, order: Order) -> Order:
        order.row = len(self.orders)
        order.rest = order.qty
        order.done_ts = order.ts
        self.orders.append(order)
        return order

    def end(self, order: Order | None, status: str, ts: int) -> None:
        if order is None or not order.working:
            return
        order.status, order.done_ts = status, ts
        market = self.markets[order.symbol]
        if market.entry is order:
            market.entry = None
        if market.exit is order:
            market.exit = None
        market.quotes = {name: quote for name, quote in market.quotes.items() if quote is not order}

    def deny(
        self,
        symbol: int,
        side: int,
        reason: str,
        ts: int,
        *,
        asked: float = math.nan,
        allowed: float = 0.0,
        row: int = -1,
    ) -> None:
        """One row a refusal; a repeated one counts up the row before it, a cut never does (§11)."""
        market = self.markets[symbol]
        last = market.last_denial
        if allowed == 0.0 and last is not None and (last.reason, last.side, last.allowed) == (reason, side, 0.0):
            last.count += 1
            last.last_ts = ts
            return
        market.last_denial = Denial(ts, ts, symbol, side, reason, asked, allowed, row)
        self.denials.append(market.last_denial)

    # --- Booking (§8)
    def book(self, order: Order, qty: float, px: float, base: float, ts: int, *, opening: bool | None = None) -> None:
        """opening: of a quote, which may close and open; other orders do what they are for."""
        opening = order.entry if opening is None else opening
        market = self.markets[order.symbol]
        notional = qty * px
        fee = self.commission(notional, qty)
        position = market.position
        if not opening and order.side < 0:
            fee = min(fee, notional + max(self.cash, 0.0))
        flow = -(notional + fee) if order.side > 0 else notional - fee
        self.cash = self.cash + flow
        market.volume_left = market.volume_left - qty
        order.rest = order.rest - qty
        order.filled = order.filled + qty if order.rest > 0.0 else order.qty
        order.done_ts = ts
        order.status = "partially_filled" if order.rest > 0.0 else "filled"
        lost = (px - base) * order.side
        self.fills.append(Fill(ts, order.symbol, order.side, qty, px, fee, lost, order.row, order.reason, opening))
        if order.status == "filled":
            if market.entry is order:
                market.entry = None
            if market.exit is order:
                market.exit = None
            market.quotes = {name: quote for name, quote in market.quotes.items() if quote is not order}
        if opening:
            position = self._enter(market, position, order, qty, px, ts)
        assert position is not None
        position.flow = position.flow + flow
        position.commission = position.commission + fee
        position.slippage = position.slippage + lost * qty
        if not opening:
            self._leave(market, position, order, qty, px, ts)

    def _enter(
        self, market: Market, position: Position | None, order: Order, qty: float, px: float, ts: int
    ) -> Position:
        if position is None:
            position = Position(
                order.symbol, order.side, qty, px, px, px, ts, order.by, order.vol_stop, entered=qty, entry_px=px
            )
            market.position = position
        else:
            position.average = (position.average * position.qty + px * qty) / (position.qty + qty)
            position.entry_px = (position.entry_px * position.entered + px * qty) / (position.entered + qty)
            position.qty = position.qty + qty
            position.entered = position.entered + qty
        side, average = position.side, position.average
        if not math.isnan(order.protective):
            position.protective = order.protective
        if not math.isnan(position.protective):
            position.stop = position.protective
        else:
            position.stop = self._nearer_stop(position)
        if position.by.take_profit_pct is not None:
            position.target = shifted(average, side, position.by.take_profit_pct)
        return position

    def _nearer_stop(self, position: Position) -> float:
        levels = []
        if position.by.stop_loss_pct is not None:
            levels.append(shifted(position.average, -position.side, position.by.stop_loss_pct))
        if not math.isnan(position.vol_stop):
            levels.append(position.average - position.side * position.vol_stop)
        if not levels:
            return math.nan
        return max(levels) if position.side > 0 else min(levels)

    def _leave(self, market: Market, position: Position, order: Order, qty: float, px: float, ts: int) -> None:
        if position.exited == 0.0:
            position.exit_px = px
        else:
            position.exit_px = (position.exit_px * position.exited + px * qty) / (position.exited + qty)
        position.exited = position.exited + qty
        position.qty = position.qty - qty
        if position.qty > 0.0:
            return
        p = position
        self.trips.append(
            Trip(
                p.symbol, p.side, p.entered, p.entry_ts, ts, p.entry_px, p.exit_px, p.flow, p.commission, p.slippage,
                p.bars, order.reason,
            )
        )  # fmt: skip
        self.returns.append(p.flow / (p.entry_px * p.entered))
        market.position = None
        market.since_exit = 0
        if market.entry is not None and market.entry.side == p.side:
            self.end(market.entry, "cancelled", ts)

    # --- One fill (§7)
    def fill_exit(self, order: Order, base: float, slip: bool, bar: Bar) -> None:
        market = self.markets[order.symbol]
        qty = min(order.rest, market.volume_left)
        if qty > 0.0:
            px = self.slipped(base, order.side, qty, bar.volume) if slip else base
            self.book(order, qty, px, base, bar.ts)

    def fill_entry(self, order: Order, base: float, slip: bool, bar: Bar) -> None:
        market = self.markets[order.symbol]
        most = self.rules.max_open_positions
        if market.position is None and most is not None and len(self.held()) >= most:
            return self._refuse(order, "no_slot", bar.ts, asked=order.rest if order.sized else math.nan)
        if not order.sized and not self._size_at_fill(order, market, base, slip, bar):
            return None
        rest, left = order.rest, market.volume_left
        take = min(rest, left)
        if take < rest or take <= 0.0:
            if order.tif == "fok":
                return self.end(order, "cancelled", bar.ts)
            if take <= 0.0 or not self.rules.allow_partial_fills:
                return None
        px = self.slipped(base, order.side, take, bar.volume) if slip else base
        qty = take
        if self.cost(take, px) > self.free() or px <= 0.0:
            if order.tif == "fok":
                return self._refuse(order, "no_cash", bar.ts, asked=take)
            qty = self.affordable(market, px)
            if qty <= 0.0:
                return self._refuse(order, "no_cash", bar.ts, asked=take)
            order.qty, order.rest = order.filled + qty, qty
            self.deny(order.symbol, order.side, "no_cash", bar.ts, asked=take, allowed=qty, row=order.row)
        px = self.slipped(base, order.side, qty, bar.volume) if slip else base
        self.book(order, qty, px, base, bar.ts)
        if order.working and order.kind in ("stop", "trailing_stop"):
            order.became_market = True
        return None

    def cost(self, qty: float, px: float) -> float:
        notional = qty * px
        return notional + self.commission(notional, qty)

    def affordable(self, market: Market, px: float) -> float:
        if px <= 0.0:
            return 0.0
        free, costs = self.free(), self.costs
        qty = min(
            free / (px * (1.0 + costs.commission_rate) + costs.commission_per_share), (free - costs.commission_min) / px
        )
        qty = market.lots(qty)
        while qty > 0.0 and self.cost(qty, px) > free:
            qty = qty * (1.0 - 1e-12) if market.fractional else qty - market.lot
        return qty

    def _refuse(self, order: Order, reason: str, ts: int, *, asked: float = math.nan) -> None:
        self.deny(order.symbol, order.side, reason, ts, asked=asked, row=order.row)
        self.end(order, "cancelled" if order.filled > 0.0 else "denied", ts)

    # --- Size (§9)
    def _size_at_fill(self, order: Order, market: Market, base: float, slip: bool, bar: Bar) -> bool:
        impact = self.costs.slippage == "volume_impact"
        px = base if impact or not slip else self.slipped(base, order.side, 1.0, bar.volume)
        if px <= 0.0:
            self._refuse(order, "no_cash", bar.ts)
            return False
        qty, reason, asked = self.size(
            market, order.symbol, order.side, px, order.protective, order.weight, order.by, order.vol_stop
        )
        if qty <= 0.0:
            self._refuse(order, reason, bar.ts, asked=asked)
            return False
        if reason:
            self.deny(order.symbol, order.side, reason, bar.ts, asked=asked, allowed=qty, row=order.row)
        order.qty = order.rest = qty
        order.sized = True
        return True

    def size(
        self,
        market: Market,
        symbol: int,
        side: int,
        px: float,
        protective: float,
        weight: float,
        by: Rules,
        vol_stop: float,
    ) -> tuple[float, str, float]:
        """Units, the reason of a refusal or of the last cut ("" if neither), and the units before the caps.

        by: the rules that the entry was decided with, whose stop it will have.
        """
        equity = self.equity()
        if equity <= 0.0:
            return 0.0, "no_equity", math.nan
        units, reason = self._units(market, side, px, protective, weight, equity, by, vol_stop)
        if reason:
            return 0.0, reason, math.nan
        return self._capped(market, side, px, units, equity)

    def _capped(self, market: Market, side: int, px: float, asked: float, equity: float) -> tuple[float, str, float]:
        units, reason = asked, ""
        for cap, name in self.caps(market, side, px, equity):
            if units > cap:
                units, reason = cap, name
        units = market.lots(units)
        if units <= 0.0:
            return 0.0, reason or "size_zero", asked
        return units, reason, asked

    def caps(
        self, market: Market, side: int, px: float, equity: float, *, counted: float = 0.0
    ) -> list[tuple[float, str]]:
        """Units and names. counted: what the cap of one entry counts beside it."""
        rules, position = self.rules, market.position
        held = position.qty if position is not None and position.side == side else 0.0
        caps = []
        if rules.capital_per_trade is not None:
            caps.append((rules.capital_per_trade / px, "capital_cap"))
        if rules.max_position_size_pct is not None:
            caps.append((max(equity * rules.max_position_size_pct / 100.0 / px - counted, 0.0), "position_cap"))
        if rules.max_symbol_concentration_pct is not None:
            caps.append((max(equity * rules.max_symbol_concentration_pct / 100.0 / px - held, 0.0), "symbol_cap"))
        return caps + self.exposure_caps(market, side, px, equity)

    # --- Exposure (§16)
    def committed(self, market: Market) -> tuple[float, float, float]:
        """Gross, net, and that of this symbol: positions that stay, then working entries of other symbols."""
        gross = net = own = 0.0
        for m in self.markets:
            if m.position is not None:
                worth = self.staying(m) * m.position.mark
                gross, net = gross + abs(worth), net + worth
                own = abs(worth) if m is market else own
        for m in self.markets:
            if m.entry is not None and m is not market:
                worth = m.entry.rest * m.entry.reference * m.entry.side
                gross, net = gross + abs(worth), net + worth
        for m in self.markets:
            for name in ("bid", "ask"):
                if m is not market and name in m.quotes:
                    quote = m.quotes[name]
                    worth = min(quote.rest, quote.opens) * quote.limit_px * quote.side
                    gross, net = gross + abs(worth), net + worth
        return gross, net, own

    def staying(self, market: Market) -> float:
        """The signed quantity without what a working exit will take."""
        if market.position is None:
            return 0.0
        leaving = 0.0 if market.exit is None else market.exit.rest
        return market.position.side * (market.position.qty - leaving)

    def exposure_caps(self, market: Market, side: int, px: float, equity: float) -> list[tuple[float, str]]:
        rules, outside = self.rules, self.outside
        gross, net, own = self.committed(market)
        rooms = []
        if rules.max_gross_exposure_pct is not None:
            rooms.append((equity * rules.max_gross_exposure_pct / 100.0 - gross, "gross_cap"))
        if rules.max_net_exposure_pct is not None:
            rooms.append((equity * rules.max_net_exposure_pct / 100.0 - net * side, "net_cap"))
        if rules.account_gross_cap is not None:
            rooms.append((rules.account_gross_cap - (gross + outside.gross), "account_cap"))
        if rules.account_net_cap is not None:
            rooms.append((rules.account_net_cap - (net + outside.net) * side, "account_cap"))
        if rules.account_symbol_cap is not None:
            elsewhere = outside.symbols.get(market.name, 0.0)
            rooms.append((rules.account_symbol_cap - (own + elsewhere), "account_cap"))
        return [(max(room, 0.0) / px, name) for room, name in rooms]

    def _units(
        self,
        market: Market,
        side: int,
        px: float,
        protective: float,
        weight: float,
        equity: float,
        by: Rules,
        vol_stop: float,
    ) -> tuple[float, str]:
        rules, value = self.rules, self.rules.size_value
        if not math.isnan(weight):
            return abs(weight) * equity / px, ""
        if rules.sizing == "fixed":
            return value, ""
        if rules.sizing == "percentage":
            return equity * value / 100.0 / px, ""
        if rules.sizing == "equal_weight":
            return equity / self.equal_parts() / px, ""
        if rules.sizing == "kelly":
            pct = self._kelly_pct()
            return (equity * pct / 100.0 / px, "") if pct > 0.0 else (0.0, "no_edge")
        if rules.sizing == "risk":
            if not math.isnan(protective):
                distance = (px - protective) * side
            elif by.stop_loss_pct is not None and not math.isnan(vol_stop):
                distance = min(px * by.stop_loss_pct / 100.0, vol_stop)
            elif by.stop_loss_pct is not None:
                distance = px * by.stop_loss_pct / 100.0
            elif not math.isnan(vol_stop):
                distance = vol_stop
            elif by.trailing_stop_pct is not None:
                distance = px * by.trailing_stop_pct / 100.0
            else:
                distance = 0.0
            return (equity * value / 100.0 / distance, "") if distance > 0.0 else (0.0, "no_stop")
        if math.isnan(market.atr) or market.atr == 0.0:
            return 0.0, "no_volatility"
        return equity * value / 100.0 / (market.atr * rules.atr_multiple), ""

    def equal_parts(self) -> float:
        return float(self.rules.max_open_positions or len(self.markets))

    def _kelly_pct(self) -> float:
        rules, n = self.rules, len(self.returns)
        if n < rules.kelly_min_trades:
            return rules.size_value
        wins = losses = 0.0
        won = 0
        for trip, ratio in zip(self.trips, self.returns, strict=True):
            if trip.pnl_net > 0.0:
                won += 1
                wins = wins + ratio
            else:
                losses = losses + -ratio
        if won == 0:
            return 0.0
        share = won / n
        if won == n or losses == 0.0:
            fraction = share
        else:
            ratio = (wins / won) / (losses / (n - won))
            fraction = share - (1.0 - share) / ratio
        pct = fraction * 100.0 * rules.kelly_ratio
        return min(pct, rules.kelly_cap_pct)
