"""CSV to a `Table`, streaming: a block at a time, so that limits and the tenth fault end the reading early."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from engine.errors import Fault, InputError
from marketdata.columns import FIELDS, BarColumns
from marketdata.files.cells import MAX_FAULTS, Cells, Faults, Header, Table

if TYPE_CHECKING:
    from marketdata.files.reader import Limits

_HEADER_BYTES = 64 * 1024
_BLOCK_BYTES = 4 * 1024 * 1024
_HOPELESS = 10_000
"""After so many lines with the wrong number of cells the rest is not looked at."""


def read_csv(stream: IO[bytes], *, faults: Faults, zone: str, limits: Limits) -> Table:
    """Raises InputError for what makes the file unreadable as a whole; faults of rows and cells go to `faults`."""
    header, start = _header(stream, limits.columns)
    cells = Cells(faults, zone, {ours: header.names[i] for ours, i in header.index.items()})
    skipped: list[int] = []
    parts: list[BarColumns] = []
    symbols: list[np.ndarray] = []
    rows = 0

    def on_bad_row(row: pacsv.InvalidRow) -> str:
        # Arrow counts the lines it was given; the header line was taken off before, so the first of them is row 2.
        number = (row.number or 0) + 1
        skipped.append(number)
        if row.text.strip() and len(faults) < MAX_FAULTS:
            faults.add(
                number,
                Fault(
                    f"row {number}, column {min(row.actual_columns, row.expected_columns)}",
                    "wrong_number_of_columns",
                    f"{row.actual_columns} cells, the header has {row.expected_columns}",
                ),
            )
        return "skip" if len(skipped) < _HOPELESS else "error"

    stream.seek(start)
    needed = [f"c{i}" for i in header.index.values()]
    names = [f"c{i}" for i in range(len(header.names))]
    for batch in _batches(stream, names, needed, on_bad_row, faults):
        batch = _without_blank_lines(batch, rows + 2, skipped)
        table = Table(BarColumns.empty(), None, rows + 2, skipped)
        columns = dict(zip(header.index, batch.columns, strict=True))
        ts = cells.times(columns["time"], table.row_number)
        prices = [
            cells.numbers(columns[name], name, table.row_number) if name in columns else np.zeros(len(ts))
            for name in FIELDS
        ]
        parts.append(BarColumns(ts, *prices))
        if "symbol" in columns:
            symbols.append(np.asarray(columns["symbol"].to_numpy(zero_copy_only=False), dtype=np.str_))
        rows += batch.num_rows
        if rows > limits.rows:
            raise InputError(
                Fault("file", "too_many_rows", f"more than {limits.rows:,} rows", "split the file by year")
            )
        if len(faults) >= MAX_FAULTS:
            break
    notes = [] if "volume" in header.index else ["The file has no volume column: volumes are 0."]
    symbol = None
    if "symbol" in header.index:
        symbol = np.concatenate(symbols) if symbols else np.empty(0, np.str_)
    return Table(BarColumns.concat(parts), symbol, 2, skipped, notes)


def _batches(
    stream: IO[bytes],
    names: list[str],
    needed: list[str],
    on_bad_row: Callable[[pacsv.InvalidRow], str],
    faults: Faults,
) -> Iterator[pa.RecordBatch]:
    """Blocks of the needed columns as text. What Arrow itself refuses becomes an InputError."""
    try:
        reader = pacsv.open_csv(
            stream,
            read_options=pacsv.ReadOptions(column_names=names, block_size=_BLOCK_BYTES, use_threads=False),
            parse_options=pacsv.ParseOptions(invalid_row_handler=on_bad_row, ignore_empty_lines=False),
            convert_options=pacsv.ConvertOptions(
                column_types={name: pa.string() for name in needed},
                include_columns=needed,
                strings_can_be_null=False,
                quoted_strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as error:
        faults.stop_if_any()
        if "empty" in str(error).lower():
            return
        raise _unreadable(str(error)) from error
    while True:
        try:
            batch = reader.read_next_batch()
        except StopIteration:
            return
        except pa.ArrowInvalid as error:
            faults.stop_if_any()
            raise _unreadable(str(error)) from error
        if batch.num_rows:
            yield batch


def _without_blank_lines(batch: pa.RecordBatch, first_row: int, skipped: list[int]) -> pa.RecordBatch:
    """Lines with nothing on them say nothing; their numbers go to `skipped`, so that later rows keep theirs."""
    empty = np.ones(batch.num_rows, bool)
    for column in batch.columns:
        if not empty.any():
            return batch
        empty &= pc.equal(column, "").to_numpy(zero_copy_only=False)
    if not empty.any():
        return batch
    before = Table(BarColumns.empty(), None, first_row, list(skipped))
    skipped.extend(before.row_number(i) for i in np.flatnonzero(empty).tolist())
    skipped.sort()
    return batch.filter(pa.array(~empty))


def _header(stream: IO[bytes], max_columns: int) -> tuple[Header, int]:
    """The header, and where the first data line begins."""
    head = stream.read(_HEADER_BYTES)
    bom = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
    if b"\x00" in head:
        utf16 = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        hint = "save it as UTF-8" if utf16 else "send CSV text or a Parquet file"
        raise InputError(Fault("file", "not_text", "this is not UTF-8 text", hint))
    end = head.find(b"\n")
    if end < 0 and len(head) == _HEADER_BYTES:
        raise InputError(
            Fault(
                "header",
                "too_many_columns",
                f"the first line is longer than {_HEADER_BYTES:,} bytes",
                f"at most {max_columns} columns",
            )
        )
    line = head[bom : len(head) if end < 0 else end]
    try:
        text = line.decode("utf-8").rstrip("\r")
    except UnicodeDecodeError:
        raise InputError(Fault("file", "not_text", "this is not UTF-8 text", "save it as UTF-8")) from None
    if not text.strip():
        raise InputError(
            Fault("header", "missing_header", "the first line is empty", "begin with: time,open,high,low,close,volume")
        )
    for separator, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if text.count(separator) > text.count(","):
            raise InputError(Fault("header", "wrong_separator", f"columns are separated by {name}", "use commas"))
    names = next(csv.reader(io.StringIO(text)))
    return Header.of(names, max_columns), len(head) if end < 0 else end + 1


def _unreadable(reason: str) -> InputError:
    if "UTF8" in reason or "UTF-8" in reason:
        return InputError(Fault("file", "not_text", "a cell is not UTF-8 text", "save the file as UTF-8"))
    if "block" in reason:
        return InputError(Fault("file", "line_too_long", "a line is longer than 4 MB"))
    return InputError(Fault("file", "unreadable", f"the file cannot be read as CSV: {reason[:160]}"))
