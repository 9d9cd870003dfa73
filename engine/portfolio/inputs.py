"""The inputs of one step, checked."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any

import numpy as np

from engine.bars import COLUMNS, Bars
from engine.errors import Fault, InputError
from engine.signals import ACTIONS, Signals, read_signals
from engine.types import BLOCK_NAMES, DENIAL_NAMES

Checked = tuple[tuple[float, ...], int | Signals]  # open, high, low, close, volume; the signal


def check_step(
    ts: int,
    bars: Mapping[str, Any],
    signals: Mapping[str, Any],
    markets: Mapping[str, Bars],
    before: int | None,
) -> dict[str, Checked]:
    """Prices and signal of each symbol of a step; `before`: when the step before opened. Raises InputError."""
    if not bars:
        raise InputError(Fault("bars", "required", "a step needs at least one symbol with a bar"))
    if before is not None and ts <= before:
        raise InputError(Fault("ts", "unsorted", f"{ts} is not later than the step before"))
    unknown = [symbol for symbol in bars if symbol not in markets]
    unknown += [symbol for symbol in signals if symbol not in bars]
    if unknown:
        raise InputError(Fault(str(name), "unknown_field", "this symbol has no bar here") for name in unknown)
    checked: dict[str, Checked] = {}
    for symbol in sorted(bars):
        prices = tuple(float(value) for value in bars[symbol])
        if not _makes_a_bar(ts, prices):  # Bars says what is wrong with it
            market = markets[symbol]
            Bars(symbol, market.timeframe, market.calendar, np.array([ts]), *([value] for value in prices))
        checked[symbol] = (prices, _read_signal(signals[symbol], symbol) if symbol in signals else 0)
    return checked


def read_blocks(blocked: Mapping[str, str] | str, index: Mapping[str, int]) -> dict[int, int]:
    """Denial codes by symbol number; index: the number of each symbol. Raises InputError."""
    named = dict.fromkeys(index, blocked) if isinstance(blocked, str) else blocked
    faults = [Fault("blocked", "unknown_field", f"{name!r} is not traded here") for name in named if name not in index]
    faults += [
        Fault("blocked", "unknown_choice", f"{name!r} blocks nothing", "one of " + ", ".join(BLOCK_NAMES))
        for name in dict.fromkeys(named.values())
        if name not in BLOCK_NAMES
    ]
    if faults:
        raise InputError(faults)
    return {index[symbol]: DENIAL_NAMES.index(name) for symbol, name in named.items()}


def _makes_a_bar(ts: int, prices: tuple[float, ...]) -> bool:
    """Whether Bars would take them; no NaN passes these comparisons."""
    if len(prices) != len(COLUMNS) or not isinstance(ts, (int, np.integer)) or isinstance(ts, bool):
        return False
    first, high, low, last, volume = prices
    return 0.0 < low <= first <= high < inf and low <= last <= high and 0.0 <= volume < inf


def _read_signal(raw: Any, symbol: str) -> int | Signals:
    """A plain action as it is; all else as simulate() reads it. Raises InputError."""
    if type(raw) is int and raw in ACTIONS:
        return raw
    return read_signals(np.atleast_1d(raw), 1, symbol)
