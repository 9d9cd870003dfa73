"""Strategies that read several symbols together: the bars of all on one line of time, an answer for each.

Plain Python and NumPy. `reading` is how the platform asks any strategy, one of these or one of a single symbol.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from strategies.base import ACTIONS, EXITS, Action, Overlay, Signal, Strategy, utc

if TYPE_CHECKING:
    from engine import Bars

Array = NDArray[np.float64]


class Panel:
    """Bars of several symbols on the sorted union of their times.

    symbols: in the order asked for, which tells a pair's first leg from its second. ts, ts_close: int64 ns UTC, one a
    row. bars: each symbol's own. Built of bars so far, its rows so far never change: a later bar adds rows.
    """

    def __init__(self, bars: Mapping[str, Bars]) -> None:
        self.bars = dict(bars)
        self.symbols = tuple(self.bars)
        starts = [series.ts for series in self.bars.values()]
        self.ts: NDArray[np.int64] = np.unique(np.concatenate(starts)) if starts else np.empty(0, np.int64)
        self.rows: dict[str, NDArray[np.int64]] = {
            symbol: np.searchsorted(self.ts, series.ts) for symbol, series in self.bars.items()
        }
        self.ts_close: NDArray[np.int64] = np.zeros(len(self.ts), np.int64)
        for symbol, series in self.bars.items():
            self.ts_close[self.rows[symbol]] = series.ts_close
        self._spread: dict[tuple[str, str], Array] = {}

    def __len__(self) -> int:
        return len(self.ts)

    def column(self, symbol: str, name: str) -> Array:
        """open, high, low, close or volume of a symbol, one a row; NaN in rows in which it has no bar."""
        key = (symbol, name)
        if key not in self._spread:
            values = np.full(len(self.ts), np.nan)
            values[self.rows[symbol]] = getattr(self.bars[symbol], name)
            self._spread[key] = values
        return self._spread[key]

    def matrix(self, name: str) -> Array:
        """`column` of every symbol, shape (rows, symbols)."""
        if not self.symbols:
            return np.empty((0, 0))
        return np.stack([self.column(symbol, name) for symbol in self.symbols], axis=1)

    @cached_property
    def complete(self) -> NDArray[np.bool_]:
        """Rows in which every symbol has a bar."""
        found = np.zeros(len(self.ts), np.int64)
        for rows in self.rows.values():
            found[rows] += 1
        complete: NDArray[np.bool_] = found == len(self.symbols)
        return complete


class PanelStrategy(Strategy):
    """Base of strategies over several symbols. A subclass gives `panel_signals`, and `panel_lines` for charts.

    least, most: how many symbols it takes. together: whether the entries that it decides for several symbols on one bar
    are the legs of one trade: all are placed, or none. `warmup()` counts rows in which every symbol has a bar.
    """

    least: ClassVar[int] = 2
    most: ClassVar[int] = 2
    together: ClassVar[bool] = True

    def panel_signals(self, panel: Panel) -> dict[str, NDArray[np.void]]:
        """An array of `engine.types.SIGNAL` for each symbol, one entry a row of the panel; the one in row i uses rows
        up to i only. Rows in which a symbol has no bar are not read."""
        raise NotImplementedError

    def panel_lines(self, panel: Panel) -> dict[str, Array]:
        """The values that the decision is read from, by name, one a row; NaN where not yet known."""
        return {}

    def panel_reason(self, symbol: str, action: Action, at: Mapping[str, float]) -> str:
        """One plain sentence for a row; `at` has the symbol's close and each line's value."""
        return f"{self.label} says {action}."

    def signals(self, bars: Bars) -> NDArray[np.int8]:
        """Nothing: one symbol alone is no panel."""
        return np.zeros(len(bars), np.int8)

    def read(self, bars: Mapping[str, Bars]) -> dict[str, NDArray[np.void]]:
        """`panel_signals`, one entry a bar of each symbol."""
        panel = Panel(bars)
        answers = self.panel_signals(panel)
        return {symbol: np.ascontiguousarray(answers[symbol][panel.rows[symbol]]) for symbol in panel.symbols}

    def overlays_of(self, bars: Mapping[str, Bars], symbol: str) -> list[Overlay]:
        """The lines at one symbol's bars, as a chart draws them."""
        panel = Panel(bars)
        rows = panel.rows[symbol]
        return [
            Overlay(name=name, label=self.line_info[name].label, pane=self.line_info[name].pane, values=values[rows])
            for name, values in self.panel_lines(panel).items()
        ]

    def explain_latest(self, bars: Mapping[str, Bars], symbols: list[str]) -> dict[str, Signal]:
        """Why each of these symbols has the signal that it has on its latest bar."""
        panel = Panel(bars)
        answers, lines = self.panel_signals(panel), self.panel_lines(panel)
        needed, rows = self.warmup(), int(np.count_nonzero(panel.complete))
        told = {}
        for symbol in symbols:
            row = int(panel.rows[symbol][-1])
            answer = answers[symbol][row]
            code, terms = int(answer["action"]), _terms(answer)
            at = {"close": float(panel.bars[symbol].close[-1])}
            at |= {name: float(values[row]) for name, values in lines.items()}
            short = f"Not enough history: it needs {needed} bars of every symbol and has {rows}."
            told[symbol] = Signal(
                symbol=symbol,
                action=ACTIONS[code],
                confidence=float(answer["confidence"]) if code or "quote_qty" in terms else 0.0,
                px=at["close"],
                reasoning=short if rows < needed else self.panel_reason(symbol, ACTIONS[code], at),
                strategy=self.slug,
                ts=utc(int(panel.ts_close[row])),
                metadata={
                    "parameters": self.parameters,
                    "values": {name: value for name, value in at.items() if np.isfinite(value)},
                },
                exits=EXITS.get(code, ""),
                terms=terms,
            )
        return told


def _terms(answer: np.void) -> dict[str, float]:
    names = (name for name in answer.dtype.names or () if name not in ("action", "confidence"))
    return {name: float(answer[name]) for name in names if np.isfinite(answer[name])}
