"""Parquet to a `Table`. What the footer promises is checked before a page is unpacked; what comes out is counted."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.errors import Fault, InputError
from marketdata.columns import DAY, FIELDS, BarColumns
from marketdata.files.cells import MAX_FAULTS, NO_TIME, Cells, Faults, Header, Table

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from marketdata.files.reader import Limits

_UNPACKED_FACTOR = 4
"""Unpacked, a file may be this many times the size limit: real bars pack about 2:1, a bomb 1000:1."""


def read_parquet(stream: IO[bytes], *, faults: Faults, zone: str, limits: Limits) -> Table:
    """Raises InputError for what makes the file unreadable as a whole; faults of rows and cells go to `faults`.

    Row 1 is the first row: a Parquet file has no header line.
    """
    try:
        file = pq.ParquetFile(stream)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(error) from error
    footer = file.metadata
    if footer.num_columns > limits.columns:
        raise InputError(
            Fault("header", "too_many_columns", f"{footer.num_columns} columns; {limits.columns} are allowed")
        )
    if footer.num_rows > limits.rows:
        raise InputError(Fault("file", "too_many_rows", f"{footer.num_rows:,} rows; {limits.rows:,} are allowed"))
    unpacked = sum(footer.row_group(i).total_byte_size for i in range(footer.num_row_groups))
    if unpacked > _UNPACKED_FACTOR * limits.bytes:
        raise InputError(Fault("file", "too_large", f"unpacked it is {unpacked / 1_000_000:,.0f} MB"))
    header = Header.of(file.schema_arrow.names, limits.columns)
    cells = Cells(faults, zone, {ours: header.names[i] for ours, i in header.index.items()})
    parts: list[BarColumns] = []
    symbols: list[NDArray[np.str_]] = []
    rows = 0
    try:
        for batch in file.iter_batches(batch_size=131_072, columns=[header.names[i] for i in header.index.values()]):
            table = Table(BarColumns.empty(), None, rows + 1)
            column = {ours: batch.column(header.names[i]) for ours, i in header.index.items()}
            ts = _times(column["time"], cells, table.row_number)
            values = [
                _numbers(column[name], name, cells, table.row_number) if name in column else np.zeros(len(ts))
                for name in FIELDS
            ]
            parts.append(BarColumns(ts, *values))
            if "symbol" in column:
                symbols.append(_texts(column["symbol"]))
            rows += batch.num_rows
            if rows > limits.rows:
                raise InputError(Fault("file", "too_many_rows", f"more than {limits.rows:,} rows"))
            if len(faults) >= MAX_FAULTS:
                break
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(error) from error
    notes = [] if "volume" in header.index else ["The file has no volume column: volumes are 0."]
    symbol = None
    if "symbol" in header.index:
        symbol = np.concatenate(symbols) if symbols else np.empty(0, np.str_)
    return Table(BarColumns.concat(parts), symbol, 1, notes=notes)


def _times(column: pa.Array, cells: Cells, row_of: Callable[[int], int]) -> NDArray[np.int64]:
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return cells.times(column.cast(pa.string()), row_of)
    if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        raise InputError(
            Fault("column time", "wrong_type", f"times of type {kind}", "use timestamps, dates or ISO-8601 text")
        )
    for i in np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[:MAX_FAULTS].tolist():
        cells.fault(row_of(i), "time", "required", "the cell is empty")
    try:
        stamps = column.cast(pa.timestamp("ns", tz=getattr(kind, "tz", None))).cast(pa.int64())
    except pa.ArrowInvalid:
        cells.fault(row_of(0), "time", "out_of_range", "times must lie between 1900 and 2200")
        return np.full(len(column), NO_TIME)
    ts = np.asarray(pc.fill_null(stamps, 0).to_numpy(zero_copy_only=False), np.int64)
    if not getattr(kind, "tz", None):  # Arrow keeps zoned moments in UTC
        ts = cells.to_utc(ts, row_of, dates_only=pa.types.is_date(kind) or not (ts % DAY).any())
    return np.where(column.is_valid().to_numpy(zero_copy_only=False), ts, NO_TIME)


def _numbers(column: pa.Array, name: str, cells: Cells, row_of: Callable[[int], int]) -> NDArray[np.float64]:
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return cells.numbers(column.cast(pa.string()), name, row_of)
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        raise InputError(Fault(f"column {name}", "wrong_type", f"{name} of type {kind}", "use numbers"))
    for i in np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[:MAX_FAULTS].tolist():
        cells.fault(row_of(i), name, "required", "the cell is empty")
    values = np.asarray(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)
    wrong = ~np.isfinite(values) & column.is_valid().to_numpy(zero_copy_only=False)
    for i in np.flatnonzero(wrong)[:MAX_FAULTS].tolist():
        cells.fault(row_of(i), name, "not_a_finite_number", f"{values[i]} is not a finite number")
    return np.where(np.isfinite(values), values, np.nan)


def _texts(column: pa.Array) -> NDArray[np.str_]:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        raise InputError(Fault("column symbol", "wrong_type", f"symbols of type {column.type}", "use text"))
    return np.asarray(pc.fill_null(column, "").to_numpy(zero_copy_only=False), np.str_)


def _unreadable(error: BaseException) -> InputError:
    return InputError(Fault("file", "unreadable", f"the file cannot be read as Parquet: {str(error)[:160]}"))
