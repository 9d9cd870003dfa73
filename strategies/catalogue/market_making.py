"""Market making: two-sided limit quotes around a fair price."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from strategies.base import Action, Exits, Line, register
from strategies.indicators import functions as f
from strategies.panel import Array, Panel, PanelStrategy
from strategies.params import BoolParam, ChoiceParam, FloatParam, IntParam, MoneyParam, RatioParam

if TYPE_CHECKING:
    from engine import Bars


class Quotes(NamedTuple):
    """One value a bar: prices (NaN: none on that side), units of each side (NaN: no quotes), what is thought held."""

    fair: Array
    bid: Array
    ask: Array
    qty: Array
    inventory: Array


@register
class MarketMaking(PanelStrategy):
    """Rest a limit buy order below a fair price and a limit sell order above it, and earn the spread when both are met;
    lean the quotes against what has piled up.

    The fair price is an average of the typical price (high, low and close): exponential over a window, or weighted by
    volume since the start of the trading day. Each quote stands away from it by the half-spread: so many deviations of
    one-bar returns over the window, but never less than a floor. A quote is worth an amount of money, in whole lots.
    Quotes that would hardly move stay as they are, so that they keep their place.

    Inventory moves both quotes against itself: when as much is held as may be they stand lower by the skew, and nothing
    more is bid for; mirrored when short. Unless it may be short it only asks for what it has bought. A strategy sees
    bars, never positions. So the inventory is what its own quotes would have left by the simulator's rule: a bar that
    touches a quote fills it. When an order was refused or cut (cash, limits, hours) or a stop closed the position, what
    it thinks and what is held differ until both have run down.

    What bars cannot show: whether a touched price reached your place in the queue, and which side of a bar came first.
    A simulation on bars fills every touch in full, knows no queue and no one who trades only when he knows more; real
    market making earns less than this shows. Read a good result as "worth trying on paper", never as a promise, use
    the finest bars there are, and put fees into the costs.

    Source of the idea: Avellaneda and Stoikov, "High-frequency trading in a limit order book", Quantitative Finance 8
    (2008), with a skew that is linear in the inventory.
    """

    slug, label, kind = "market_making", "Market making", "market_making"
    least, most = 1, 20
    together = False
    needs_short = False
    roles = "Each is quoted by itself."
    unseen = (
        "On bars every touch of a quote fills it in full. There is no place in a queue, and nobody trades against it "
        "because he knows more. Real market making earns less than this shows."
    )
    depends_on = ("strategies.panel",)

    fair = ChoiceParam(
        "ema", choices=[("ema", "Exponential average"), ("vwap", "Day's volume-weighted")], help="The fair price"
    )
    window = IntParam(20, min=2, max=500, unit="bars", help="Bars in the average and in the volatility")
    spread_vol = FloatParam(
        1.0, min=0, max=20, step=0.1, unit="σ", label="Half-spread", help="In deviations of one bar's return"
    )
    min_half_bps = FloatParam(
        5.0, min=0.1, max=1000, step=1, unit="bp", label="Least half-spread", help="From the fair price"
    )
    quote_value = MoneyParam(1000.0, min=1, max=100_000, label="Value of a quote", help="Money on each side")
    max_quotes = IntParam(5, min=1, max=100, unit="quotes", label="Most inventory", help="No more is bid for then")
    skew = RatioParam(1.0, min=0, max=5, step=0.1, help="Half-spreads that a full inventory moves the quotes by")
    refresh_bps = FloatParam(
        2.0, min=0, max=100, step=0.5, unit="bp", label="Refresh", help="Leave smaller moves alone"
    )
    may_short = BoolParam(
        False, label="May be short", help="Ask without holding; the settings must allow selling short too"
    )

    line_info = {
        "fair": Line("Fair price"),
        "bid": Line("Bid"),
        "ask": Line("Ask"),
        "inventory": Line("Inventory by its own fills", "own"),
    }

    def warmup(self) -> int:
        return self.window + 1

    def panel_lines(self, panel: Panel, symbol: str) -> dict[str, Array]:
        quotes = panel.once(self._quotes)[symbol]
        lines = {"fair": quotes.fair, "bid": quotes.bid, "ask": quotes.ask, "inventory": quotes.inventory}
        return {name: self._on_rows(panel, symbol, values) for name, values in lines.items()}

    def panel_signals(self, panel: Panel) -> dict[str, NDArray[np.void]]:
        signals = panel.silent()
        for symbol, quotes in panel.once(self._quotes).items():
            said = signals[symbol]
            for name, values in (("bid_px", quotes.bid), ("ask_px", quotes.ask), ("quote_qty", quotes.qty)):
                said[name] = self._on_rows(panel, symbol, values)
            said["confidence"] = np.isfinite(said["quote_qty"])
        return signals

    def panel_reason(self, symbol: str, action: Action, exits: Exits, at: Mapping[str, float]) -> str:
        if "bid" not in at and "ask" not in at:
            return "There is no fair price, or a quote would be less than one lot: nothing is quoted."
        sides = [f"{word} {at[name]:.10g}" for word, name in (("bids", "bid"), ("asks", "ask")) if name in at]
        return (
            f"Around a fair price of {at['fair']:.10g}, with {at['inventory']:.10g} units held by its own fills, it "
            f"{' and '.join(sides)}."
        )

    # --- the quotes of one symbol, bar by bar -------------------------------------------------------------------------

    def _quotes(self, panel: Panel) -> dict[str, Quotes]:
        return {symbol: self._quoted(series) for symbol, series in panel.bars.items()}

    def _on_rows(self, panel: Panel, symbol: str, values: Array) -> Array:
        whole = np.full(len(panel), np.nan)
        whole[panel.rows[symbol]] = values
        return whole

    def _fair(self, bars: Bars) -> Array:
        if self.fair == "vwap":
            return f.vwap(bars.high, bars.low, bars.close, bars.volume, bars.trading_day)
        return f.ema((bars.high + bars.low + bars.close) / 3.0, self.window)

    def _quoted(self, bars: Bars) -> Quotes:
        n, tick, lot = len(bars), bars.tick_size, bars.lot_size
        fair = self._fair(bars)
        sigma = f.volatility(bars.close, self.window)
        half = np.maximum(sigma * self.spread_vol, self.min_half_bps / 10_000.0) * fair
        quotes = Quotes(fair, *np.full((4, n), np.nan))
        bid = ask = math.nan
        held = qty = 0.0
        rows = zip(fair.tolist(), half.tolist(), bars.low.tolist(), bars.high.tolist(), strict=True)
        for i, (middle, away, low, high) in enumerate(rows):
            before = held
            # Comparisons with a side that is not quoted, a NaN, are false.
            if low <= bid:
                held += qty
            if high >= ask:
                held -= qty if self.may_short else min(qty, before)  # what was held when it was quoted
            if i >= self.window and math.isfinite(middle) and math.isfinite(away):
                units = math.floor(self.quote_value / middle / lot) * lot
                most = self.max_quotes * units
                lean = self.skew * away * max(-1.0, min(1.0, held / most)) if most > 0 else 0.0
                buys, sells = middle - away - lean, middle + away - lean
                wanted_bid = math.floor(buys / tick) * tick if units > 0 and held + units <= most else math.nan
                wanted_bid = wanted_bid if wanted_bid > 0 else math.nan
                asks = held - units >= -most if self.may_short else held > 0
                wanted_ask = math.ceil(sells / tick) * tick if units > 0 and asks else math.nan
                near = self.refresh_bps / 10_000.0 * middle
                stay = _stays(bid, wanted_bid, near) and _stays(ask, wanted_ask, near)
                if held != before or qty == 0 or not stay:
                    bid, ask, qty = wanted_bid, wanted_ask, units
                quotes.bid[i], quotes.ask[i], quotes.qty[i] = bid, ask, qty
            quotes.inventory[i] = held
        quotes.inventory[: self.window] = np.nan
        return quotes


def _stays(price: float, wanted: float, near: float) -> bool:
    """Whether a quote is near enough to where it should be, or both are none."""
    return abs(price - wanted) <= near or (math.isnan(price) and math.isnan(wanted))
