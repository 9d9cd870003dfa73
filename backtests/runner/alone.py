"""Each symbol by itself on an equal share of the capital, put together as if it were one portfolio."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.result import Result, Rows
from engine.types import EQUITY, NANOS_PER_DAY, Records

# Figures of the book that are sums over the parts.
_SUMS = ("starting_cash", "cash", "equity", "exposure", "bought", "sold", "commission", "slippage", "ambiguous_bars")
_LOGS = ("orders", "fills", "positions", "denials", "open_positions")
# By what the rows of each log are put in order; ties stay in order of symbol.
_ORDER = {"orders": "ts", "fills": "ts", "positions": "exit_ts", "denials": "ts", "open_positions": "entry_ts"}


def combined(parts: Sequence[Result]) -> Result:
    """The sum of runs of one symbol each: money adds up, logs are merged by time, drawdown is that of the sum.

    Before its first bar a part counts with its starting cash, after its last with its last equity.
    """
    parts = sorted(parts, key=lambda part: part.symbols)
    symbols = tuple(symbol for part in parts for symbol in part.symbols)
    times = np.unique(np.concatenate([part.equity["ts"] for part in parts]))
    equity = np.zeros(len(times), dtype=EQUITY)
    equity["ts"] = times
    for part in parts:
        row = np.searchsorted(part.equity["ts"], times, side="right") - 1
        before = row < 0
        for name, start in (("equity", part.starting_cash), ("cash", part.starting_cash), ("exposure", 0.0)):
            equity[name] += np.where(before, start, part.equity[name][np.maximum(row, 0)])
    book = _book(parts, equity)
    logs = {name: Rows.of(_merged(parts, name), symbols, getattr(parts[0], name).reasons) for name in _LOGS}
    dates = times // NANOS_PER_DAY
    last = np.flatnonzero(np.append(dates[1:] != dates[:-1], True))
    daily = np.zeros(len(last), dtype=parts[0].daily.dtype)
    daily["date"], daily["equity"] = dates[last], equity["equity"][last]
    return Result(
        symbols=symbols,
        equity=Rows.of(equity, symbols),
        daily=Rows.of(daily, symbols),
        book=book,
        periods_per_year=min(part.periods_per_year for part in parts),
        **logs,
    )


def _merged(parts: Sequence[Result], name: str) -> Records:
    """The rows of one log of all parts, with their symbol and order numbers counted on."""
    pieces, orders = [], 0
    for index, part in enumerate(parts):
        rows = np.array(getattr(part, name))
        rows["symbol"] = index
        if "order" in (rows.dtype.names or ()):
            rows["order"] = np.where(rows["order"] >= 0, rows["order"] + orders, -1)
        orders += len(part.orders)
        pieces.append(rows)
    whole = np.concatenate(pieces)
    if name == "orders":
        return whole  # fills and denials refer to orders by their place
    return whole[np.argsort(whole[_ORDER[name]], kind="stable")]


def _book(parts: Sequence[Result], equity: Records) -> Records:
    """One BOOK record of the sum: what the metrics read (drawdown, exposure, time in the market, costs)."""
    book = np.array(parts[0].book)
    for name in _SUMS:
        book[name] = sum(part.book[name][0] for part in parts)
    ts, worth = equity["ts"], equity["equity"]
    top = np.maximum(np.maximum.accumulate(worth), book["starting_cash"][0])
    fall = 1.0 - worth / top
    low = int(fall.argmax())
    at_top = np.flatnonzero(worth >= top)
    before = at_top[at_top <= low]
    after = at_top[at_top > low]
    # From each top to the next one; the first bar stands for the start, the last for an end still under water.
    tops = np.concatenate((ts[:1], ts[at_top], ts[-1:]))
    book["steps"], book["steps_invested"] = len(ts), int((equity["exposure"] > 0).sum())
    book["exposure_sum"] = float(np.divide(equity["exposure"], worth, out=np.zeros(len(ts)), where=worth > 0).sum())
    book["first_ts"], book["last_ts"] = ts[0], ts[-1]
    book["top_equity"] = float(top[-1])
    book["max_drawdown"] = float(fall[low])
    book["max_drawdown_top_ts"] = ts[before[-1]] if len(before) else ts[0]
    book["max_drawdown_low_ts"] = ts[low]
    book["max_drawdown_end_ts"] = ts[after[0]] if len(after) else -1
    book["longest_under_ns"] = int(np.diff(tops).max()) if fall.any() else 0
    return book
