"""A strict reader of OHLCV files. Plain Python: no Django, no pandas, no clock.

CSV (UTF-8, comma, one header line) or Parquet. Columns by name, in any case: a time (`time`, `timestamp`, `date` or
`datetime`), `open`, `high`, `low`, `close`, `volume`, and `symbol` if the file holds several instruments; further
columns are ignored. A bar's time is its START. Times are ISO-8601, all with the same zone suffix or none; `zone` says
what none means. Nothing is repaired: a file with one wrong cell is refused, and the first ten faults are named by row
(as a spreadsheet counts: the header is row 1) and column.

    reading = read_file("bars.csv", symbol="AAPL")      # FileReading: columns, timeframe, notes
    bars = read_bars("bars.csv", symbol="AAPL")         # dict of engine.Bars
"""

from __future__ import annotations

from os import PathLike
from typing import IO, TYPE_CHECKING

from marketdata.files.reader import FileReading, Limits, read_file

if TYPE_CHECKING:
    from engine.bars import Bars

__all__ = ["FileReading", "Limits", "read_bars", "read_file"]


def read_bars(
    path_or_stream: str | PathLike[str] | IO[bytes],
    *,
    symbol: str | None = None,
    timeframe: str | None = None,
    calendar: str = "XNYS",
    zone: str = "UTC",
    limits: Limits | None = None,
) -> dict[str, Bars]:
    """The bars of a file, by symbol. Arguments and faults are those of `read_file`.

    Raises InputError with the first ten faults. Prices are taken as they are (no adjustment).
    """
    from engine.bars import Bars

    reading = read_file(
        path_or_stream, symbol=symbol, timeframe=timeframe, calendar=calendar, zone=zone, limits=limits or Limits()
    )
    return {
        name: Bars.from_arrays(name, reading.timeframe, c.ts, *c.arrays(), calendar=calendar)
        for name, c in reading.series.items()
    }
