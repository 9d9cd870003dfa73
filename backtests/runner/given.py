"""Signals that somebody brings in a file, laid onto the bars of a run."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from engine.errors import Fault, InputError
from strategies.readers import shown

if TYPE_CHECKING:
    from engine import Bars

MAX_FAULTS = 10
_VALUES = {"1": 1, "+1": 1, "BUY": 1, "-1": -1, "SELL": -1, "0": 0, "HOLD": 0, "": 0}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read_signals(path: Path, bars: Mapping[str, Bars]) -> dict[str, NDArray[np.int8]]:
    """Signals from a CSV file with the columns time, symbol, signal; one int8 array a symbol, 0 where no row is.

    time: start of the bar at whose close the signal is known, ISO-8601; without a zone it is UTC. symbol: may be left
    out when the run has one symbol. signal: 1 or BUY, -1 or SELL, 0 or HOLD. Rows need no order. Raises InputError with
    the first ten faults by row: header, symbol not in the run, no bar at that time, a bar named twice, another value.
    """
    signals = {symbol: np.zeros(len(series), dtype=np.int8) for symbol, series in bars.items()}
    named = {symbol: np.zeros(len(series), dtype=bool) for symbol, series in bars.items()}
    faults: list[Fault] = []
    with path.open(newline="", encoding="utf-8-sig") as file:
        try:
            for row, values in enumerate(_rows(file), start=2):
                fault = _place(row, values, bars, signals, named)
                if fault is not None:
                    faults.append(fault)
                    if len(faults) == MAX_FAULTS:
                        break
        except (UnicodeDecodeError, csv.Error) as error:
            faults.append(Fault("signals", "malformed", f"It is not a CSV file in UTF-8 ({error})"))
    if faults:
        raise InputError(faults)
    return signals


def _rows(file: Iterator[str]) -> Iterator[dict[str, str]]:
    reader = csv.DictReader(file)
    columns = [name.strip().lower() for name in reader.fieldnames or ()]
    reader.fieldnames = columns
    for name in ("time", "signal"):
        if name not in columns:
            hint = "The first line must be: time,symbol,signal"
            raise InputError(Fault(f"row 1, column {name}", "required", "There is no such column", hint))
    for values in reader:
        yield {name: (values.get(name) or "").strip() for name in ("time", "symbol", "signal")}


def _place(
    row: int,
    values: Mapping[str, str],
    bars: Mapping[str, Bars],
    signals: Mapping[str, NDArray[np.int8]],
    named: Mapping[str, NDArray[np.bool_]],
) -> Fault | None:
    """Put one row's signal on its bar; the fault that keeps it off."""
    symbol = values["symbol"].upper() or (next(iter(bars)) if len(bars) == 1 else "")
    if symbol not in bars:
        known = ", ".join(list(bars)[:5])
        return Fault(
            f"row {row}, column symbol", "not_found", f"{shown(symbol)} is not in this run", f"It has: {known}"
        )
    signal = _VALUES.get(values["signal"].upper().removesuffix(".0"))
    if signal is None:
        message = f"{shown(values['signal'])} is not a signal"
        return Fault(f"row {row}, column signal", "unknown_choice", message, "1 or BUY, -1 or SELL, 0 or HOLD")
    try:
        moment = datetime.fromisoformat(values["time"])
    except ValueError:
        message = f"{shown(values['time'])} is not a time"
        return Fault(f"row {row}, column time", "bad_date", message, "ISO-8601, as in 2013-10-07T13:30:00Z")
    since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
    ts = (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000
    times = bars[symbol].ts
    at = int(np.searchsorted(times, ts))
    if at == len(times) or times[at] != ts:
        message = f"{symbol} has no bar that starts at {values['time']}"
        return Fault(f"row {row}, column time", "not_found", message, "A signal stands at the start of its bar, in UTC")
    if named[symbol][at]:
        return Fault(f"row {row}, column time", "conflict", f"The bar of {symbol} at {values['time']} is named twice")
    named[symbol][at] = True
    signals[symbol][at] = signal
    return None
