"""From a file to checked bars: what kind of file it is, which series are in it, and whether every row can be true."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from os import PathLike, fspath
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from engine.errors import Fault, InputError
from marketdata.columns import DAY, TIMEFRAME_NS, BarColumns
from marketdata.files.cells import Faults, Table
from marketdata.quality import check_bars
from marketdata.symbols import clean_symbol
from marketdata.zones import local_days


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a file may hold. `not_after_ns`: bars may not start later than this moment (ns UTC)."""

    bytes: int = 256_000_000
    rows: int = 10_000_000
    columns: int = 64
    symbols: int = 500
    not_after_ns: int | None = None


@dataclass(frozen=True, slots=True)
class FileReading:
    """What a good file holds: raw bars by symbol, one timeframe, and notes for the person who brought it."""

    series: dict[str, BarColumns]
    timeframe: str
    rows: int
    notes: list[str] = field(default_factory=list)


def read_file(
    path_or_stream: str | PathLike[str] | IO[bytes],
    *,
    symbol: str | None = None,
    timeframe: str | None = None,
    calendar: str = "XNYS",
    zone: str = "UTC",
    limits: Limits = Limits(),
) -> FileReading:
    """Read and check a whole file.

    symbol: which instrument the file holds, if it has no `symbol` column; with such a column, the one to take.
    timeframe: bar length; None finds it from the smallest distance between two bars. calendar: decides which trading
    day a daily bar with a time of day belongs to. zone: IANA name for times without a zone.

    Raises InputError: `path` is ``row 14, column high``, ``header`` or ``file``.
    """
    from marketdata.files.csv_table import read_csv
    from marketdata.files.parquet_table import read_parquet

    wanted = clean_symbol(symbol) if symbol else None
    if timeframe is not None and timeframe not in TIMEFRAME_NS:
        raise InputError(
            Fault(
                "timeframe", "unknown_choice", f"{timeframe!r} is not a timeframe", "one of " + ", ".join(TIMEFRAME_NS)
            )
        )
    faults = Faults()
    with _opened(path_or_stream, limits) as stream:
        head = stream.read(4)
        stream.seek(0)
        _refuse_archives(head)
        reader = read_parquet if head == b"PAR1" else read_csv
        table = reader(stream, faults=faults, zone=zone, limits=limits)
    if not table.rows:
        faults.stop_if_any()
        raise InputError(Fault("file", "no_rows", "the file has a header but no bars"))
    notes = list(table.notes)
    series, places = _by_symbol(table, wanted, limits, faults)
    if not len(faults) and timeframe is None:
        timeframe = _smallest_step(series)
    for name, columns in series.items():
        place = places[name]
        found = check_bars(
            columns, where=lambda i, column, p=place: f"row {table.row_number(int(p[i]))}, column {column}"
        )
        for fault in found:
            faults.add(_row_of(fault.path), fault)
        if timeframe is not None and not found:
            _check_times(columns, timeframe, limits, table, place, faults)
    faults.stop_if_any()
    assert timeframe is not None  # noqa: S101  (no fault, so it was given or found)
    if timeframe == "1d":
        series = {name: _as_trading_days(columns, calendar) for name, columns in series.items()}
    return FileReading(series, timeframe, table.rows, notes)


class _opened:
    """The file or stream as a seekable binary stream; refuses what is empty or too large before a byte is parsed."""

    def __init__(self, source: str | PathLike[str] | IO[bytes], limits: Limits) -> None:
        self._source = source
        self._limits = limits
        self._own: IO[bytes] | None = None

    def __enter__(self) -> IO[bytes]:
        if isinstance(self._source, (str, PathLike)):
            path = Path(fspath(self._source))
            if not path.is_file():
                raise InputError(Fault("file", "not_found", f"there is no file {path.name}"))
            self._check(path.stat().st_size)
            self._own = path.open("rb")
            return self._own
        stream = self._source
        if not stream.seekable():
            # One byte more than allowed is enough to know, so an endless stream ends here.
            data = stream.read(self._limits.bytes + 1)
            self._check(len(data))
            return io.BytesIO(data)
        size = stream.seek(0, io.SEEK_END)
        stream.seek(0)
        self._check(size)
        return stream

    def __exit__(self, *_: object) -> None:
        if self._own is not None:
            self._own.close()

    def _check(self, size: int) -> None:
        if size == 0:
            raise InputError(Fault("file", "empty_file", "the file is empty (0 bytes)"))
        if size > self._limits.bytes:
            raise InputError(
                Fault(
                    "file",
                    "too_large",
                    f"the file is larger than {self._limits.bytes / 1_000_000:g} MB",
                    "split it by year",
                )
            )


_ARCHIVES = {
    b"PK\x03\x04": "ZIP",
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zX": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"7z\xbc\xaf": "7z",
}


def _refuse_archives(head: bytes) -> None:
    for magic, name in _ARCHIVES.items():
        if head.startswith(magic):
            raise InputError(
                Fault(
                    "file",
                    "compressed_file",
                    f"this is a {name} archive",
                    "unpack it, or send Parquet, which is compressed inside",
                )
            )


def _by_symbol(
    table: Table, wanted: str | None, limits: Limits, faults: Faults
) -> tuple[dict[str, BarColumns], dict[str, NDArray[np.intp]]]:
    """Series by symbol, and for each the positions of its rows in the table."""
    readable = np.flatnonzero(table.readable())
    if table.symbol is None:
        if wanted is None:
            raise InputError(Fault("symbol", "required", "the file has no symbol column", "say which symbol it holds"))
        return {wanted: table.columns.take(readable)}, {wanted: readable}
    names, codes = np.unique(table.symbol[readable], return_inverse=True)
    if len(names) > limits.symbols:
        raise InputError(
            Fault("file", "too_many_symbols", f"the file holds {len(names)} symbols; {limits.symbols} are allowed")
        )
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(len(names) + 1))
    series, places = {}, {}
    for k, raw in enumerate(names.tolist()):
        place = readable[order[bounds[k] : bounds[k + 1]]]
        try:
            name = clean_symbol(raw)
        except InputError as error:
            row = table.row_number(int(place[0]))
            faults.add(
                row, Fault(f"row {row}, column symbol", "bad_symbol", error.faults[0].message, error.faults[0].hint)
            )
            continue
        if wanted is not None and name != wanted:
            continue
        if name in series:
            row = table.row_number(int(place[0]))
            faults.add(
                row,
                Fault(
                    f"row {row}, column symbol",
                    "bad_symbol",
                    f"{raw!r} and {name!r} are the same symbol",
                    "write it in capitals everywhere",
                ),
            )
            continue
        series[name], places[name] = table.columns.take(place), place
    if not series:
        faults.stop_if_any()
        raise InputError(
            Fault(
                "symbol",
                "not_found",
                f"the file holds no {wanted}",
                "it holds " + ", ".join(map(str, names[:10].tolist())),
            )
        )
    return series, places


def _steps(series: dict[str, BarColumns]) -> Iterator[int]:
    for columns in series.values():
        step = np.diff(columns.ts)
        step = step[step > 0]
        if len(step):
            yield int(step.min())


def _smallest_step(series: dict[str, BarColumns]) -> str:
    """The longest timeframe that is not longer than the smallest distance between two bars."""
    smallest = min(_steps(series), default=0)
    if not smallest:
        whole_days = all((c.ts % DAY == 0).all() for c in series.values())
        if whole_days:
            return "1d"
        raise InputError(Fault("timeframe", "required", "one bar does not tell the timeframe", "say which it is"))
    if smallest > DAY - TIMEFRAME_NS["4h"]:
        return "1d"  # a day across a change of clocks is 23 hours long
    fitting = [name for name, ns in TIMEFRAME_NS.items() if ns <= smallest]
    if not fitting:
        raise InputError(
            Fault("timeframe", "out_of_range", "bars are less than a second apart", "ticks cannot be imported")
        )
    return fitting[-1]


def _check_times(
    columns: BarColumns, timeframe: str, limits: Limits, table: Table, place: NDArray[np.intp], faults: Faults
) -> None:
    """Bars must not overlap in this timeframe, nor lie in the future."""
    least = TIMEFRAME_NS[timeframe] if timeframe != "1d" else DAY - TIMEFRAME_NS["4h"]
    early = np.flatnonzero(np.diff(columns.ts) < least)[:10] + 1
    for i in early.tolist():
        row = table.row_number(int(place[i]))
        apart = int(columns.ts[i] - columns.ts[i - 1]) // 1_000_000_000
        faults.add(
            row,
            Fault(
                f"row {row}, column time",
                "wrong_timeframe",
                f"only {apart} s after the bar before it, in {timeframe} bars",
            ),
        )
    if limits.not_after_ns is not None:
        for i in np.flatnonzero(columns.ts > limits.not_after_ns)[:10].tolist():
            row = table.row_number(int(place[i]))
            faults.add(row, Fault(f"row {row}, column time", "in_the_future", "this bar has not begun yet"))


def _as_trading_days(columns: BarColumns, calendar: str) -> BarColumns:
    """Daily bars at 00:00 UTC of their trading day.

    A bar stamped at UTC midnight already names its day; any other time of day (the session's open, midnight in New
    York) is a moment on that day of the exchange's clock.
    """
    of_day = columns.ts % DAY
    if not of_day.any():
        return columns
    days = np.where(of_day == 0, columns.ts // DAY, local_days(columns.ts, calendar).astype(np.int64))
    if (np.diff(days) <= 0).any():
        raise InputError(
            Fault("column time", "duplicate_time", "two daily bars fall on one trading day", "write dates only")
        )
    return BarColumns(days * DAY, *columns.arrays())


def _row_of(path: str) -> int:
    return int(path.split(",", 1)[0].removeprefix("row "))
