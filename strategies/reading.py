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


def generate_signals(strategy: Strategy, bars: Mapping[str, Bars]) -> list[Signal]:
    """Every signal of whole series with its reasoning, in order of time; at one time in the order of the symbols."""
    if isinstance(strategy, PanelStrategy):
        return strategy.generate_panel_signals(bars)
    told = [signal for series in bars.values() for signal in strategy.generate_signals(series)]
    return sorted(told, key=lambda signal: signal.ts)


def overlays(strategy: Strategy, bars: Mapping[str, Bars]) -> dict[str, list[Overlay]]:
    """The strategy's lines for the chart of each symbol."""
    if isinstance(strategy, PanelStrategy):
        return strategy.panel_overlays(bars)
    return {symbol: strategy.overlays(series) for symbol, series in bars.items()}


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
    message = f"{strategy.label} trades {strategy.asked()}, not {count}"
    hint = f"Name {strategy.asked().removesuffix(' together')}. {strategy.roles}"
    raise InputError(Fault("symbols", "out_of_range", message, hint))


def refuse_together(strategy: type[Strategy], parameters: Mapping[str, Any], symbols: Iterable[str]) -> None:
    """Raises InputError (paths ``strategy_parameters.…``) where the parameters do not fit the symbols.

    Of a number of symbols that the strategy does not take, `refuse_symbols` says so.
    """
    named = list(symbols)
    if not issubclass(strategy, PanelStrategy) or not strategy.least <= len(named) <= strategy.most:
        return
    if faults := list(strategy.refusals(parameters, named)):
        raise InputError(faults).under("strategy_parameters")


def symbols_words(strategy: type[Strategy]) -> str:
    """What it asks of those who choose its symbols, in sentences; "" where it takes each symbol by itself."""
    if not issubclass(strategy, PanelStrategy):
        return ""
    several = f"It trades {strategy.asked()}."
    short = "It sells some of them short, so the settings must allow that." if strategy.needs_short else ""
    return " ".join(part for part in (several, strategy.roles, short) if part)


def unseen(strategy: type[Strategy]) -> str:
    """What a simulation on bars cannot show of it, in sentences; "" where docs/fills.md says it all."""
    return strategy.unseen if issubclass(strategy, PanelStrategy) else ""


def refuse_alone(strategy: type[Strategy]) -> None:
    """Raises InputError (path ``symbols_alone``) where the strategy cannot run on each symbol by itself."""
    if issubclass(strategy, PanelStrategy) and strategy.least > 1:
        message = f"{strategy.label} reads its symbols together; none of them can be run alone"
        raise InputError(Fault("symbols_alone", "conflict", message, "Leave symbols_alone off"))


def refuse_settings(strategy: type[Strategy], parameters: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Raises InputError (paths ``settings.…``) where the strategy's legs need what the settings forbid.

    Without short positions half of a pair would be placed, and that is a bet, not a hedge; a maker of markets would
    count positions that it cannot have. Under a cap below the larger leg that one alone would be cut, and the legs
    would no longer balance.
    """
    if not issubclass(strategy, PanelStrategy):
        return
    faults = []
    if (strategy.needs_short or parameters.get("may_short")) and not settings["allow_short"]:
        what, hint = "sells one leg short", "Set allow_short to true"
        if not strategy.needs_short:
            what, hint = "is told that it may be short", "Set allow_short to true, or may_short to false"
        message = f"{strategy.label} {what}, and the settings do not allow it"
        faults.append(Fault("settings.allow_short", "conflict", message, hint))
    leg, cap = parameters.get("leg_pct"), settings["max_position_size_pct"]
    if leg is not None and cap is not None and cap < leg:
        message = (
            f"The larger leg is {leg:g} % of equity, and a position may be {cap:g} %: they would no longer balance"
        )
        hint = f"At least {leg:g}, or set leg_pct to {cap:g} at most"
        faults.append(Fault("settings.max_position_size_pct", "conflict", message, hint))
    most = parameters.get("max_weight_pct")
    if most is not None:
        most = max([most, *(bound["max_pct"] or 0.0 for bound in parameters.get("bounds") or ())])
    if most is not None and cap is not None and cap < most:
        message = f"A symbol may weigh {most:g} %, and a position may be {cap:g} %: the weights would not be held"
        hint = f"At least {most:g}, or let no symbol weigh more than {cap:g}"
        faults.append(Fault("settings.max_position_size_pct", "conflict", message, hint))
    if faults:
        raise InputError(faults)


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
