"""How the platform asks a strategy, whether it reads one symbol at a time or several together.

Backtests, sessions and parity reports go through here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import Fault, InputError
from strategies.base import Overlay, Signal, Strategy
from strategies.needs import NEEDS
from strategies.panel import PanelStrategy

if TYPE_CHECKING:
    from engine import Bars


def read(strategy: Strategy, bars: Mapping[str, Bars], *, scored: bool = True) -> dict[str, NDArray[Any]]:
    """Signals of whole series by symbol: arrays of `engine.types.SIGNAL`, one entry a bar.

    scored: False lets a strategy of single symbols answer with plain action codes (int8), which costs less.
    """
    if isinstance(strategy, PanelStrategy):
        return dict(strategy.read(bars))
    ask = strategy.scored_signals if scored else strategy.signals
    return {symbol: ask(series) for symbol, series in bars.items()}


def explain(strategy: Strategy, bars: Mapping[str, Bars], symbols: Iterable[str]) -> dict[str, Signal]:
    """The opinion on the latest bar of each of `symbols`, with its reasons. bars: of every symbol that is traded."""
    wanted = list(symbols)
    if isinstance(strategy, PanelStrategy):
        return strategy.explain_latest(bars, wanted)
    return {symbol: strategy.explain(bars[symbol], -1) for symbol in wanted}


def overlays(strategy: Strategy, bars: Mapping[str, Bars], symbol: str) -> list[Overlay]:
    """The strategy's lines for the chart of one symbol."""
    if isinstance(strategy, PanelStrategy):
        return strategy.overlays_of(bars, symbol)
    return strategy.overlays(bars[symbol])


def legs(strategy: Strategy, symbols: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Groups of symbols whose entries of one bar are one trade: all are placed, or none."""
    if isinstance(strategy, PanelStrategy) and strategy.together:
        return (tuple(symbols),)
    return ()


def refuse_symbols(strategy: type[Strategy], symbols: Iterable[str]) -> None:
    """Raises InputError (path ``symbols``) where the strategy cannot work on so many symbols."""
    count = len(list(symbols))
    if not issubclass(strategy, PanelStrategy) or strategy.least <= count <= strategy.most:
        return
    asked = f"{strategy.least}" if strategy.least == strategy.most else f"{strategy.least} to {strategy.most}"
    message = f"{strategy.label} trades {asked} symbols together, not {count}"
    raise InputError(Fault("symbols", "out_of_range", message, f"Name {asked} symbols"))


def refuse_unavailable(strategy: type[Strategy]) -> None:
    """Raises InputError (path ``strategy``) where the platform has not what the strategy reads beside bars."""
    if why := strategy.unavailable():
        message = f"{strategy.label} is unavailable. {why}"
        raise InputError(Fault("strategy", "unavailable", message, "Choose a strategy that reads bars only"))


def refuse_missing(strategy: Strategy, bars: Mapping[str, Bars]) -> None:
    """Raises InputError (path ``strategy``) where a strategy that cannot do without is not given what it reads."""
    if not strategy.needs:
        return
    for symbol, series in bars.items():
        if missing := [name for name in strategy.extras() if name not in series.extras]:
            message = f"{strategy.label} is unavailable: the bars of {symbol} come without {missing[0]}"
            raise InputError(Fault("strategy", "unavailable", message, NEEDS[strategy.needs[0]].words))


def record(code: int, confidence: float, terms: Mapping[str, float]) -> Any:
    """The engine's record of a signal (`Signal.code`, `.confidence`, `.terms`); 0 where it says nothing."""
    from engine.types import SIGNAL

    if not code and not terms:
        return 0
    row = np.zeros((), SIGNAL)
    for name in (SIGNAL.names or ())[2:]:
        row[name] = terms.get(name, np.nan)
    row["action"], row["confidence"] = code, confidence
    return row[()]
