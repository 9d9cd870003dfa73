"""From the bars of a file to the bars of a run: the asked symbols, days and timeframes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from backtests.runner.config import RunConfig
from engine.errors import Fault, InputError

if TYPE_CHECKING:
    from engine import Bars

_EPOCH = date(1970, 1, 1)
Lines = dict[str, "Bars"]


def choose(
    read: Mapping[str, Bars], config: RunConfig, *, symbols_path: str = "symbols", days_path: str = "start_date"
) -> tuple[Lines, Lines | None]:
    """The bars to decide on, and the finer ones to match on where `config.match_timeframe` asks for them.

    Coarser timeframes than the file's are made from it. Raises InputError under the given paths: a symbol that the
    file does not have, no bars in the days asked for, a timeframe that cannot be made from the file's.
    """
    missing = [symbol for symbol in config.symbols if symbol not in read]
    if missing:
        hint = f"It has: {', '.join(sorted(read)[:10])}"
        raise InputError(Fault(symbols_path, "not_found", f"The file has no {missing[0]}", hint))

    def at(timeframe: str) -> Lines:
        from engine.resample import resample

        first, last = config.start_date, config.end_date
        cut = {symbol: between(read[symbol], first, last, days_path) for symbol in config.symbols}
        return {s: b if b.timeframe == timeframe else resample(b, timeframe) for s, b in cut.items()}

    return at(config.timeframe), at(config.match_timeframe) if config.match_timeframe else None


def between(bars: Bars, first: date | None, last: date | None, path: str) -> Bars:
    """The bars of whole days, both included, on the exchange's clock. Raises InputError when there are none."""
    from marketdata.zones import trading_days

    days = trading_days(bars.ts, bars.timeframe, bars.calendar)
    begin = 0 if first is None else int(np.searchsorted(days, (first - _EPOCH).days, side="left"))
    end = len(bars) if last is None else int(np.searchsorted(days, (last - _EPOCH).days, side="right"))
    if begin >= end:
        raise InputError(Fault(path, "not_found", f"{bars.symbol} has no bars in these days"))
    return bars[begin:end]
