"""Statistical arbitrage across a basket: what each symbol does apart from the others, traded back to its average."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import Fault
from strategies.base import BUY, EXIT_LONG, EXIT_SHORT, SELL, Action, Exits, Line, beyond, register
from strategies.panel import Array, Panel, PanelStrategy
from strategies.params import FloatParam, IntParam, PctParam
from strategies.rolling import moments, slope

_AT_ONCE = 8192  # rows whose windows are worked through together; their sums stay in the processor's cache


@register
class StatisticalArbitrage(PanelStrategy):
    """Buy the symbols of a basket that have fallen behind the others, sell as many that have run ahead, and close each
    couple when it has come together again.

    Each symbol's returns are regressed on the mean return of the other symbols over a window. The residuals,
    added up, are taken as a process that returns to its mean (autoregressive, of order one); the s-score is their
    distance from that mean in the process's own deviations. A symbol counts only while its residual returns fast
    enough: in less than half of the window.

    The most fallen symbol (s-score at or below minus the entry) is bought against the one furthest ahead (at or above
    the entry), then the next two, up to a number of couples. Each side of a couple is the same share of equity, so that
    what is bought and what is sold weigh the same when they are entered; this takes the place of the run's sizing. A
    couple is closed when half the distance between its two s-scores is at most the exit. What is entered on one bar is
    one trade: all of it is placed, or nothing. A bar that one of the symbols lacks is left out; selling short must be
    allowed in the settings.

    Source: Avellaneda and Lee, "Statistical arbitrage in the US equities market", Quantitative Finance 10 (2010). They
    hedge each stock with a fund of its sector; here the mean of the others stands for the fund, and a stock of the
    basket that is off to the other side is the hedge.
    """

    slug, label, kind = "stat_arb", "Statistical arbitrage", "arbitrage"
    least, most = 3, 20
    roles = "They should be of one kind, such as the banks of one country; their order plays no part."
    depends_on = ("strategies.panel", "strategies.rolling")

    lookback = IntParam(60, min=20, max=500, unit="bars", help="Returns in the regression and in the s-score")
    entry_s = FloatParam(1.25, min=0.1, max=10, step=0.05, unit="σ", label="Entry score", help="Enter this far out")
    exit_s = FloatParam(0.5, min=0, max=10, step=0.05, unit="σ", label="Exit score", help="Close this near")
    max_pairs = IntParam(3, min=1, max=10, label="Most couples", help="Open at a time; two symbols each")
    leg_pct = PctParam(10.0, min=0.1, max=100, step=1, label="Each side", help="Its size in percent of equity")

    line_info = {"s_score": Line("s-score", "own"), "beta": Line("Beta to the others", "own")}

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> Iterable[Fault]:
        if values["exit_s"] >= values["entry_s"]:
            message = f"The exit ({values['exit_s']:g}) must be nearer than the entry ({values['entry_s']:g})."
            yield Fault("exit_s", "conflict", message, f"Below {values['entry_s']:g}.")

    def warmup(self) -> int:
        return self.lookback + 1

    def panel_lines(self, panel: Panel, symbol: str) -> dict[str, Array]:
        scores, betas = panel.once(self._scores)
        place = sorted(panel.symbols).index(symbol)
        return {"s_score": panel.spread(scores[:, place]), "beta": panel.spread(betas[:, place])}

    def panel_signals(self, panel: Panel) -> dict[str, NDArray[np.void]]:
        rows, names = panel.shared, sorted(panel.symbols)
        scores, _ = panel.once(self._scores)
        codes = self._couples(scores)
        signals = panel.silent()
        for place, symbol in enumerate(names):
            code, score = codes[:, place], np.abs(scores[:, place])
            spoken, entry = code != 0, np.abs(code) == BUY
            said = signals[symbol]
            said["action"][rows] = code
            said["confidence"][rows[spoken]] = np.where(entry, beyond(score, self.entry_s), 1.0)[spoken]
            said["target_weight"][rows[spoken]] = np.where(entry, self.leg_pct / 100.0 * code, 0.0)[spoken]
        return signals

    def panel_reason(self, symbol: str, action: Action, exits: Exits, at: Mapping[str, float]) -> str:
        if "s_score" not in at:
            return "What it does apart from the others does not return to a mean fast enough to be traded."
        if exits:
            verdict = "near enough to its partner, so both are closed"
        else:
            verdict = {
                "BUY": "bought against one that is ahead",
                "SELL": "sold against one that is behind",
                "HOLD": "nothing to do",
            }[action]
        return f"It is {at['s_score']:+.2f} deviations ahead of its mean against the others: {verdict}."

    # --- what it is read from: one row a complete row, one column a symbol by name ------------------------------------

    def _scores(self, panel: Panel) -> tuple[Array, Array]:
        """(s-scores, betas); NaN where there is none. In order of names, so that no sum depends on the order asked."""
        closes = [panel.column(symbol, "close")[panel.shared] for symbol in sorted(panel.symbols)]
        returns = [close[1:] / close[:-1] - 1.0 for close in closes]
        scores, betas = np.full((2, len(panel.shared), len(closes)), np.nan)
        for place, own in enumerate(returns):
            others = np.zeros(len(own))
            for number, other in enumerate(returns):
                if number != place:
                    others += other
            others /= len(returns) - 1
            scores[1:, place], betas[1:, place] = self._score(own, others)
        return scores, betas

    def _score(self, own: Array, others: Array) -> tuple[Array, Array]:
        of = moments(own, others, self.lookback)
        beta = slope(of)
        alpha = of.mean_y - beta * of.mean_x
        score = np.full(len(own), np.nan)
        for start in range(self.lookback - 1, len(own), _AT_ONCE):
            rows = slice(start, min(start + _AT_ONCE, len(own)))
            score[rows] = self._reversion(own, others, alpha, beta, rows)
        return score, beta

    def _reversion(self, own: Array, others: Array, alpha: Array, beta: Array, rows: slice) -> Array:
        """The s-scores of some rows: the autoregression of the residuals added up over each one's window."""
        count, n = rows.stop - rows.start, self.lookback
        level, before = np.zeros(count), np.zeros(count)
        sum_x, sum_y, sum_xx, sum_xy, sum_yy = np.zeros((5, count))
        for k in range(n):
            first = rows.start - n + 1 + k
            part = slice(first, first + count)
            before, level = level, level + (own[part] - alpha[rows] - beta[rows] * others[part])
            if k:
                sum_x += before
                sum_y += level
                sum_xx += before * before
                sum_xy += before * level
                sum_yy += level * level
        pairs = n - 1
        with np.errstate(invalid="ignore", divide="ignore"):
            spread_x = sum_xx - sum_x * sum_x / pairs
            cross = sum_xy - sum_x * sum_y / pairs
            ratio = cross / spread_x
            mean = (sum_y - ratio * sum_x) / pairs / (1.0 - ratio)
            noise = (sum_yy - sum_y * sum_y / pairs - ratio * cross) / pairs
            deviation = np.sqrt(noise / (1.0 - ratio * ratio))
            fast = (ratio > 0) & (ratio < math.exp(-2.0 / n)) & (noise > 0)
            # The residuals of a window add up to nothing, so the process stands at 0 on its last bar.
            return np.where(fast, -mean / deviation, np.nan)

    def _couples(self, scores: Array) -> NDArray[np.int8]:
        """The action of each symbol on each row."""
        codes = np.zeros(scores.shape, np.int8)
        cheap, dear = scores <= -self.entry_s, scores >= self.entry_s
        opens = cheap.any(axis=1) & dear.any(axis=1)
        held: list[tuple[int, int]] = []
        for row in range(len(scores)):
            if not held and not opens[row]:
                continue
            score = scores[row].tolist()
            kept = [
                (low, high) for low, high in held if not (score[high] - score[low]) / 2.0 <= self.exit_s
            ]  # one without a score stays
            for low, high in held:
                if (low, high) not in kept:
                    codes[row, low], codes[row, high] = EXIT_LONG, EXIT_SHORT
            held = kept
            if not opens[row] or len(held) >= self.max_pairs:
                continue
            busy = {place for couple in held for place in couple} | set(np.flatnonzero(codes[row]).tolist())
            lows = sorted((score[k], k) for k in np.flatnonzero(cheap[row]).tolist() if k not in busy)
            highs = sorted((-score[k], k) for k in np.flatnonzero(dear[row]).tolist() if k not in busy)
            for (_, low), (_, high) in list(zip(lows, highs, strict=False))[: self.max_pairs - len(held)]:
                codes[row, low], codes[row, high] = BUY, SELL
                held.append((low, high))
        return codes
