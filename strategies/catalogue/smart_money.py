"""Traces of large buyers and sellers: volume against the price, and order blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from strategies.base import Action, Line, Strategy, register, votes
from strategies.indicators import flow
from strategies.indicators import functions as f
from strategies.indicators.blocks import order_blocks
from strategies.params import ChoiceParam, FloatParam, IntParam, RatioParam

if TYPE_CHECKING:
    from engine import Bars

_TRIGGERS = [
    ("either", "Either"),
    ("order_blocks", "Order blocks"),
    ("divergence", "Divergence"),
    ("both", "Both at once"),
]


@register
class SmartMoney(Strategy):
    """Buy where large buyers seem to have been: on the return to an order block, or when volume flows in while the
    price falls. Sell on the mirror image.

    Order block: an impulsive move up is a close above the highest high of the bars before it that lies the given number
    of ATR above the low of the last down bar (close below open) within the longest move. The range of that down bar is
    the demand zone, valid from the next bar on. It ends when a bar closes below it. The first bar whose low comes back
    into it and whose close is not below it is the return: it buys, and uses the zone up. A newer zone takes an older
    one's place. Supply zones mirror this and sell.

    Divergence: over the divergence window the close fell by the least change while net flow (volume of rising bars
    minus volume of falling ones, as a share of all) is at least the least flow: somebody collects. A rise on outgoing
    flow sells.
    """

    slug, label, kind = "smart_money", "Smart money", "smart_money"
    trigger = ChoiceParam("either", choices=_TRIGGERS, help="What makes a signal; opposite ones cancel out")
    lookback = IntParam(20, min=2, max=1_000, unit="bars", help="Bars whose high or low an impulsive move must break")
    impulse_atr = FloatParam(
        2.0, min=0.1, max=20, step=0.1, unit="× ATR", label="Impulse", help="Least size of an impulsive move"
    )
    impulse_bars = IntParam(3, min=1, max=50, unit="bars", help="Longest impulsive move")
    atr_period = IntParam(14, min=1, max=500, unit="bars", label="ATR period", help="Bars in the average true range")
    divergence_window = IntParam(20, min=2, max=1_000, unit="bars", help="Bars over which price and flow are compared")
    min_price_change = RatioParam(0.02, min=0.001, max=0.5, step=0.005, help="Least change of the close, as a ratio")
    min_flow = RatioParam(0.1, min=0.01, max=1, step=0.05, help="Least opposite net flow, as a share of all volume")

    line_info = {
        "demand_low": Line("Demand zone, low"),
        "demand_high": Line("Demand zone, high"),
        "supply_low": Line("Supply zone, low"),
        "supply_high": Line("Supply zone, high"),
        "returned": Line("Return to a zone", "own"),
        "change": Line("Change", "own"),
        "flow": Line("Net flow", "own"),
    }

    def warmup(self) -> int:
        blocks = max(self.lookback, self.atr_period + 1, self.impulse_bars) + 1
        divergence = self.divergence_window + 1
        if self.trigger == "order_blocks":
            return blocks
        return divergence if self.trigger == "divergence" else max(blocks, divergence)

    def lines(self, bars: Bars) -> dict[str, NDArray[np.float64]]:
        blocks = order_blocks(
            bars.open,
            bars.high,
            bars.low,
            bars.close,
            lookback=self.lookback,
            impulse_atr=self.impulse_atr,
            impulse_bars=self.impulse_bars,
            atr_period=self.atr_period,
        )
        return {
            **dict(zip(("demand_low", "demand_high", "supply_low", "supply_high", "returned"), blocks, strict=True)),
            "change": f.returns(bars.close, self.divergence_window),
            "flow": flow.flow_ratio(bars.close, bars.volume, self.divergence_window),
        }

    def signals(self, bars: Bars) -> NDArray[np.int8]:
        lines = self.lines(bars)
        returned, change, net = lines["returned"], lines["change"], lines["flow"]
        blocks = returned > 0, returned < 0
        divergence = (
            (change <= -self.min_price_change) & (net >= self.min_flow),
            (change >= self.min_price_change) & (net <= -self.min_flow),
        )
        match self.trigger:
            case "order_blocks":
                chosen = blocks
            case "divergence":
                chosen = divergence
            case "both":
                chosen = blocks[0] & divergence[0], blocks[1] & divergence[1]
            case _:
                chosen = blocks[0] | divergence[0], blocks[1] | divergence[1]
        said = votes(*chosen)
        said[: self.warmup() - 1] = 0
        return said

    def confidence(self, bars: Bars) -> NDArray[np.float64]:
        """0.6 for one of the two, and more the stronger the flow against the price is."""
        change = f.returns(bars.close, self.divergence_window)
        net = flow.flow_ratio(bars.close, bars.volume, self.divergence_window)
        against = np.where(np.sign(change) * np.sign(net) < 0, np.abs(net), 0.0)
        return 0.6 + 0.4 * np.nan_to_num(against)

    def reason(self, action: Action, at: Mapping[str, float]) -> str:
        zone = {1.0: "The price came back into a demand zone", -1.0: "The price came back into a supply zone"}.get(
            at["returned"], "No return to an order block"
        )
        flow_part = f"net flow {at['flow']:+.0%}" if np.isfinite(at["flow"]) else "no volume"
        moved = f"{at['change']:+.2%}" if np.isfinite(at["change"]) else "an unknown change"
        verdict = {"BUY": "a buy", "SELL": "a sell", "HOLD": "neither a buy nor a sell"}[action]
        return f"{zone}; {moved} in {self.divergence_window} bars with {flow_part}: {verdict}."
