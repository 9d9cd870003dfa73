"""Spread and order-book imbalance, where the bars carry quotes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from strategies.base import Action, Line, Strategy, beyond, register, votes
from strategies.indicators import functions as f
from strategies.params import FloatParam, IntParam, RatioParam

if TYPE_CHECKING:
    from engine import Bars

_PRICES, _SIZES = ("bid", "ask"), ("bid_size", "ask_size")


@register
class Microstructure(Strategy):
    """Buy when more wants to buy than to sell at a tight spread; sell on the mirror image.

    Imbalance is (bid size - ask size) ÷ (bid size + ask size), -1 to 1, averaged over the window. The spread is
    (ask - bid) ÷ their middle, in basis points.

    It reads the best bid and ask, with their sizes, as they stood at each bar's close. Bars without them give no
    signal: it says "unavailable", because prices and volumes alone do not tell either. Quotes without sizes have a
    spread and no imbalance, so they give no signal either.
    """

    slug, label, kind = "microstructure", "Microstructure", "microstructure"
    needs = ("quotes",)
    window = IntParam(5, min=1, max=1_000, unit="bars", help="Bars over which the imbalance is averaged")
    imbalance_threshold = RatioParam(0.3, min=0.01, max=1, step=0.05, help="Least mean imbalance, as a ratio")
    max_spread_bps = FloatParam(5.0, min=0, max=1_000, step=0.5, unit="bps", help="Widest spread to trade at")

    line_info = {"spread_bps": Line("Spread", "own"), "imbalance": Line("Imbalance", "own")}

    def warmup(self) -> int:
        return self.window

    def extras(self) -> tuple[str, ...]:
        return (*_PRICES, *_SIZES)

    def lines(self, bars: Bars) -> dict[str, NDArray[np.float64]]:
        nothing = np.full(len(bars), np.nan)
        spread, imbalance = nothing, nothing.copy()
        if all(name in bars.extras for name in _PRICES):
            bid, ask = (bars.extras[name] for name in _PRICES)
            # A crossed quote is an error of its feed.
            fair = (bid > 0) & (ask >= bid)
            np.divide(ask - bid, (ask + bid) / 2 * 1e-4, out=spread, where=fair)
        if all(name in bars.extras for name in _SIZES):
            bid_size, ask_size = (bars.extras[name] for name in _SIZES)
            both = bid_size + ask_size
            seen = np.zeros(len(bars))
            known = (bid_size >= 0) & (ask_size >= 0) & (both > 0)
            np.divide(bid_size - ask_size, both, out=seen, where=known)
            imbalance = _mean_known(seen, known, self.window)
        return {"spread_bps": spread, "imbalance": imbalance}

    def signals(self, bars: Bars) -> NDArray[np.int8]:
        spread, imbalance = self.lines(bars).values()
        tight = spread <= self.max_spread_bps
        return votes(
            tight & (imbalance >= self.imbalance_threshold),
            tight & (imbalance <= -self.imbalance_threshold),
        )

    def confidence(self, bars: Bars) -> NDArray[np.float64]:
        return beyond(np.abs(self.lines(bars)["imbalance"]), self.imbalance_threshold)

    def reason(self, action: Action, at: Mapping[str, float]) -> str:
        if not np.isfinite(at["spread_bps"]):
            return "Unavailable: this bar has no bid and ask quotes."
        spread = f"Spread {at['spread_bps']:.2f} bps (at most {self.max_spread_bps:g})"
        if not np.isfinite(at["imbalance"]):
            return f"{spread}; imbalance unavailable: these quotes have no sizes."
        verdict = {
            "BUY": "more wants to buy",
            "SELL": "more wants to sell",
            "HOLD": "too wide, or neither side outweighs the other",
        }[action]
        return f"{spread}, imbalance {at['imbalance']:+.2f} (at least {self.imbalance_threshold:g}): {verdict}."


def _mean_known(values: NDArray[np.float64], known: NDArray[np.bool_], window: int) -> NDArray[np.float64]:
    """Mean over the last `window` bars; NaN unless all of them are known."""
    whole = f.sma(known.astype(np.float64), window)
    mean = f.sma(values, window)
    # A running mean of ones may miss 1 by its last bits, never by half a bar.
    mean[~(whole > 1 - 0.5 / window)] = np.nan
    return np.clip(mean, -1.0, 1.0)
