"""Strategies that read several symbols together: the bars of all on one line of time, an answer for each.

Plain Python and NumPy. `reading` is how the platform asks any strategy, one of these or one of a single symbol.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.errors import Fault
from strategies.base import ACTIONS, EXITS, Action, Exits, Overlay, Signal, Strategy, utc

if TYPE_CHECKING:
    from engine import Bars

Array = NDArray[np.float64]
T = TypeVar("T")


class Panel:
    """Bars of several symbols on the sorted union of their times.

    symbols: in the order asked for, which tells a pair's first leg from its second. ts: starts, int64 ns UTC, one a
    row. bars: each symbol's own. rows: the row of each of them. Built of bars so far, its rows so far never change: a
    later bar adds rows.
    """

    def __init__(self, bars: Mapping[str, Bars]) -> None:
        self.bars = dict(bars)
        self.symbols = tuple(self.bars)
        starts = [series.ts for series in self.bars.values()]
        self.ts: NDArray[np.int64] = np.unique(np.concatenate(starts)) if starts else np.empty(0, np.int64)
        self.rows: dict[str, NDArray[np.int64]] = {
            symbol: np.searchsorted(self.ts, series.ts) for symbol, series in self.bars.items()
        }
        self._spread: dict[tuple[str, str], Array] = {}
        self._once: dict[Callable[[Panel], Any], Any] = {}

    def __len__(self) -> int:
        return len(self.ts)

    def __getitem__(self, rows: slice) -> Panel:
        """A run of consecutive rows, as the panel of the bars in them."""
        if not isinstance(rows, slice) or rows.step not in (None, 1):
            raise TypeError("a panel is sliced, one row after the other: panel[10:20]")
        first, end, _ = rows.indices(len(self))
        bounds = {symbol: np.searchsorted(places, (first, max(first, end))) for symbol, places in self.rows.items()}
        return Panel({symbol: self.bars[symbol][int(low) : int(high)] for symbol, (low, high) in bounds.items()})

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

    @cached_property
    def shared(self) -> NDArray[np.intp]:
        """The numbers of the complete rows, ascending."""
        return np.flatnonzero(self.complete)

    def spread(self, values: Array) -> Array:
        """`values`, one a complete row, on all rows; NaN between them."""
        whole = np.full(len(self), np.nan)
        whole[self.shared] = values
        return whole

    def silent(self) -> dict[str, NDArray[np.void]]:
        """Signals that say nothing, for every symbol, one a row."""
        from engine.types import SIGNAL

        blank = np.zeros(len(self), SIGNAL)
        for name in (SIGNAL.names or ())[2:]:
            blank[name] = np.nan
        return {symbol: blank.copy() for symbol in self.symbols}

    def once(self, compute: Callable[[Panel], T]) -> T:
        """`compute(self)`, worked out the first time that this panel is asked for it."""
        if compute not in self._once:
            self._once[compute] = compute(self)
        found: T = self._once[compute]
        return found


class PanelStrategy(Strategy):
    """Base of strategies over several symbols. A subclass gives `panel_signals`, and `panel_lines` for charts.

    least, most: how many symbols it takes; one that takes a single symbol too reads each by itself. together: whether
    the entries that it decides for several symbols on one bar are the legs of one trade: all are placed, or none.
    needs_short: whether it is nothing without short positions. roles: what the symbols are, in words, for those who
    name them. unseen: what a simulation on bars cannot show of it, for those who read a result. `warmup()` counts rows
    in which every symbol has a bar (of one that reads each by itself: its own bars).
    """

    least: ClassVar[int] = 2
    most: ClassVar[int] = 2
    together: ClassVar[bool] = True
    needs_short: ClassVar[bool] = True
    roles: ClassVar[str] = ""
    unseen: ClassVar[str] = ""

    def panel_signals(self, panel: Panel) -> dict[str, NDArray[np.void]]:
        """An array of `engine.types.SIGNAL` for each symbol, one entry a row of the panel; the one in row i uses rows
        up to i only. Rows in which a symbol has no bar are not read."""
        raise NotImplementedError

    def panel_lines(self, panel: Panel, symbol: str) -> dict[str, Array]:
        """The values that the symbol's decisions are read from, by name, one a row; NaN where not yet known."""
        return {}

    def panel_reason(self, symbol: str, action: Action, exits: Exits, at: Mapping[str, float]) -> str:
        """One plain sentence for a row; `at` has the symbol's close and each of its lines' values that is known."""
        return f"{self.label} says {action}."

    def signals(self, bars: Bars) -> NDArray[np.int8]:
        """Nothing: one symbol alone is no panel."""
        return np.zeros(len(bars), np.int8)

    @classmethod
    def declaration(cls) -> dict[str, Any]:
        return super().declaration() | {
            "least_symbols": cls.least,
            "most_symbols": cls.most,
            "trades_together": cls.together,
            "needs_short": cls.needs_short,
        }

    @classmethod
    def refusals(cls, parameters: Mapping[str, Any], symbols: Sequence[str]) -> Iterable[Fault]:
        """Faults that cleaned parameters have with these symbols, of which there are neither too few nor too many."""
        return ()

    @classmethod
    def asked(cls) -> str:
        """How many symbols it takes, in words: ``2 symbols together``, ``1 to 20 symbols``."""
        count = f"{cls.least}" if cls.least == cls.most else f"{cls.least} to {cls.most}"
        return f"{count} symbols{' together' if cls.least > 1 else ''}"

    def read(self, bars: Mapping[str, Bars]) -> dict[str, NDArray[np.void]]:
        """`panel_signals`, one entry a bar of each symbol."""
        panel = Panel(bars)
        answers = panel.once(self.panel_signals)
        return {symbol: np.ascontiguousarray(answers[symbol][panel.rows[symbol]]) for symbol in panel.symbols}

    def panel_overlays(self, bars: Mapping[str, Bars]) -> dict[str, list[Overlay]]:
        """The lines at each symbol's bars, as its chart draws them."""
        panel = Panel(bars)
        drawn = {}
        for symbol, rows in panel.rows.items():
            lines = self.panel_lines(panel, symbol)
            drawn[symbol] = [
                Overlay(name=name, label=info.label, pane=info.pane, values=lines[name][rows])
                for name, info in self.line_info.items()
                if name in lines
            ]
        return drawn

    def explain_latest(self, bars: Mapping[str, Bars], symbols: Iterable[str]) -> dict[str, Signal]:
        """Why each of these symbols has the signal that it has on its latest bar."""
        panel = Panel(bars)
        return {symbol: self._told(panel, symbol, [len(panel.bars[symbol]) - 1])[0] for symbol in symbols}

    def generate_panel_signals(self, bars: Mapping[str, Bars]) -> list[Signal]:
        """Every bar of every symbol on which it says something, with its reasoning; a bar with nothing but quotes too.

        In order of time; at one time in the order of the symbols.
        """
        panel = Panel(bars)
        said: list[tuple[int, int, Signal]] = []
        for place, symbol in enumerate(panel.symbols):
            answers = panel.once(self.panel_signals)[symbol][panel.rows[symbol]]
            spoken = answers["action"] != 0
            if "quote_qty" in (answers.dtype.names or ()):
                spoken |= np.isfinite(answers["quote_qty"])
            places = np.flatnonzero(spoken).tolist()
            told = self._told(panel, symbol, places)
            starts = panel.bars[symbol].ts[places].tolist()
            said += [(start, place, signal) for start, signal in zip(starts, told, strict=True)]
        return [signal for _, _, signal in sorted(said, key=lambda entry: entry[:2])]

    def _told(self, panel: Panel, symbol: str, places: list[int]) -> list[Signal]:
        """The signals of a symbol's bars at `places` with their reasons."""
        series, rows = panel.bars[symbol], panel.rows[symbol]
        answers, lines = panel.once(self.panel_signals)[symbol], self.panel_lines(panel, symbol)
        needed, decided = self.warmup(), panel.shared if self.least > 1 else rows
        signals = []
        for i in places:
            row = int(rows[i])
            answer = answers[row]
            code = int(answer["action"])
            at = {"close": float(series.close[i])} | {name: float(values[row]) for name, values in lines.items()}
            known = {name: value for name, value in at.items() if np.isfinite(value)}
            before = int(np.searchsorted(decided, row, side="right"))
            if before < needed:
                why = f"Not enough history: it needs {needed} bars of every symbol and has {before}."
            elif self.least > 1 and not panel.complete[row]:
                why = "Not every symbol has a bar at this time, so nothing is decided."
            else:
                why = self.panel_reason(symbol, ACTIONS[code], EXITS.get(code, ""), known)
            signals.append(
                Signal(
                    symbol=symbol,
                    action=ACTIONS[code],
                    confidence=float(answer["confidence"]),
                    px=at["close"],
                    reasoning=why,
                    strategy=self.slug,
                    ts=utc(int(series.ts_close[i])),
                    metadata={"parameters": self.parameters, "values": known},
                    exits=EXITS.get(code, ""),
                    terms=_terms(answer),
                )
            )
        return signals


def _terms(answer: np.void) -> dict[str, float]:
    names = (name for name in answer.dtype.names or () if name not in ("action", "confidence"))
    return {name: float(answer[name]) for name in names if np.isfinite(answer[name])}
