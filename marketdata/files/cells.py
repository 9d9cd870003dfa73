"""Cells to numbers and moments, a column at a time, with every wrong cell named."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from engine.errors import Fault, InputError
from marketdata.columns import SECOND, BarColumns

MAX_FAULTS = 10
PRICES = ("open", "high", "low", "close")
TIME_NAMES = ("time", "timestamp", "date", "datetime")
_ZONE = r"(Z|[+-]\d{2}:?\d{2})$"
_SUFFIX = r"(?P<zone>(?:Z|[+-]\d{2}:?\d{2})?)$"
_TIME = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?$"
_NUMBER = r"^[ \t]*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?[ \t]*$"
_NOT_FINITE = r"(?i)^[ \t]*[+-]?(nan|inf(inity)?)[ \t]*$"
_EARLIEST = -2_208_988_800 * SECOND  # 1900-01-01
_LATEST = 7_258_118_400 * SECOND  # 2200-01-01; int64 ns end in 2262
NO_TIME = -(2**63)
"""Stands for a time that could not be read; a number that could not be read is NaN."""


class Faults:
    """Faults by row; keeps the first ten of the file, whatever order columns were looked at in."""

    def __init__(self) -> None:
        self._found: list[tuple[int, int, Fault]] = []

    def __len__(self) -> int:
        return len(self._found)

    def add(self, row: int, fault: Fault) -> None:
        self._found.append((row, len(self._found), fault))

    def stop_if_any(self) -> None:
        """Raises InputError with the first ten."""
        if self._found:
            first = sorted(self._found, key=lambda entry: entry[:2])[:MAX_FAULTS]
            raise InputError(fault for _, _, fault in first)


@dataclass(slots=True)
class Table:
    """All rows of a file, in file order. `first_row`: the number of row 0; `skipped`: numbers, ascending, of lines that
    gave no row."""

    columns: BarColumns
    symbol: NDArray[np.str_] | None
    first_row: int
    skipped: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return len(self.columns)

    def readable(self) -> NDArray[np.bool_]:
        """Rows of which every cell could be read."""
        good = self.columns.ts != NO_TIME
        for array in self.columns.arrays():
            good &= ~np.isnan(array)
        return good

    def row_number(self, i: int) -> int:
        """The number of row `i` as a spreadsheet counts."""
        number = self.first_row + i
        for absent in self.skipped:
            if absent > number:
                break
            number += 1
        return number


@dataclass(frozen=True, slots=True)
class Header:
    """Where the columns we need stand: index by our name (`time`, `open` …), and the file's own names."""

    index: dict[str, int]
    names: list[str]

    @classmethod
    def of(cls, names: list[str], max_columns: int) -> Header:
        """Raises InputError: too_many_columns, missing_header, duplicate_column, required."""
        if len(names) > max_columns:
            raise InputError(
                Fault(
                    "header",
                    "too_many_columns",
                    f"{len(names)} columns; {max_columns} are allowed",
                    "leave out what is not OHLCV",
                )
            )
        plain = [name.strip().lower() for name in names]
        if all(re.fullmatch(r"[\d.:TZ+/ -]*", name, re.IGNORECASE) for name in plain):
            raise InputError(
                Fault(
                    "header",
                    "missing_header",
                    "the first line holds no column names",
                    "begin with: time,open,high,low,close,volume",
                )
            )
        index: dict[str, int] = {}
        faults = []
        for position, name in enumerate(plain):
            ours = "time" if name in TIME_NAMES else name
            if ours not in ("time", "symbol", *PRICES, "volume"):
                continue
            if ours in index:
                faults.append(
                    Fault(
                        "header",
                        "duplicate_column",
                        f"two columns for {ours}: {names[index[ours]]!r} and {names[position]!r}",
                    )
                )
            else:
                index[ours] = position
        faults += [
            Fault("header", "required", f"there is no column {name}", "found: " + ", ".join(names[:12]))
            for name in ("time", *PRICES)
            if name not in index
        ]
        if faults:
            raise InputError(faults[:MAX_FAULTS])
        return cls(index, names)


class Cells:
    """Turns one batch of text columns into arrays; faults go to `faults` under their row and the file's column name.

    Keeps what must be the same in the whole file: the zone suffix of times.
    """

    def __init__(self, faults: Faults, zone: str, names: dict[str, str]) -> None:
        try:
            self._zone = ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise InputError(
                Fault(
                    "zone",
                    "unknown_choice",
                    f"{zone[:40]!r} is not a time zone",
                    "an IANA name like America/New_York or UTC",
                )
            ) from None
        self._faults = faults
        self._names = names
        self._suffix: str | None = None

    def fault(self, row: int, column: str, code: str, message: str, hint: str = "") -> None:
        self._faults.add(row, Fault(f"row {row}, column {self._names.get(column, column)}", code, message, hint))

    def numbers(self, cells: pa.Array, column: str, row_of: Callable[[int], int]) -> NDArray[np.float64]:
        """Text to float64, correctly rounded, NaN where it is no number.

        Faults: required, not_a_finite_number, not_a_number.
        """
        good = pc.match_substring_regex(cells, _NUMBER)
        if pc.all(good).as_py() is not True or cells.null_count:
            bad = np.flatnonzero(~_bools(good))
            for i in bad[:MAX_FAULTS].tolist():
                text = cells[i].as_py()
                if text is None or not text.strip():
                    self.fault(row_of(i), column, "required", "the cell is empty")
                elif re.fullmatch(_NOT_FINITE, text):
                    self.fault(row_of(i), column, "not_a_finite_number", f"{text.strip()[:20]} is not a finite number")
                else:
                    self.fault(row_of(i), column, "not_a_number", f"{text[:40]!r} is not a number", "write 1234.5")
            cells = pc.if_else(good, cells, pa.scalar(None, cells.type))
        values = pc.cast(pc.utf8_trim_whitespace(cells), pa.float64())
        numbers = _floats(values)
        for i in np.flatnonzero(np.isinf(numbers))[:MAX_FAULTS].tolist():
            self.fault(row_of(i), column, "not_a_finite_number", f"{cells[i].as_py()[:20]} is too large")
        return np.where(np.isinf(numbers), np.nan, numbers)

    def times(self, cells: pa.Array, row_of: Callable[[int], int]) -> NDArray[np.int64]:
        """ISO-8601 text to ns UTC, NO_TIME where it is none.

        Faults: required, bad_time, out_of_range, mixed_zones, nonexistent_time, ambiguous_time.
        """
        good = _bools(pc.match_substring_regex(cells, _TIME))
        for i in np.flatnonzero(~good)[:MAX_FAULTS].tolist():
            self._bad_time(cells[i].as_py(), row_of(i))
        if not good.all():
            cells = pc.if_else(pa.array(good), cells, pa.scalar(None, cells.type))
        if cells.null_count == len(cells):
            return np.full(len(cells), NO_TIME)
        good &= self._same_suffix(cells, row_of)
        wall = pc.replace_substring(pc.replace_substring_regex(cells, _ZONE, ""), " ", "T")
        try:
            stamps = pc.cast(wall, pa.timestamp("ns"))
        except pa.ArrowInvalid:
            real = self._real_dates(wall, row_of)
            good &= real
            stamps = pc.cast(pc.if_else(pa.array(real), wall, pa.scalar(None, wall.type)), pa.timestamp("ns"))
        ts = _ints(pc.fill_null(stamps.cast(pa.int64()), 0))
        far = good & ((ts < _EARLIEST) | (ts > _LATEST))
        for i in np.flatnonzero(far)[:MAX_FAULTS].tolist():
            self.fault(row_of(i), "time", "out_of_range", f"{cells[i].as_py()} is not between 1900 and 2200")
        good &= ~far
        dates_only = int(pc.max(pc.binary_length(cells)).as_py()) == len("2024-03-01")
        return np.where(good, self.to_utc(ts, row_of, dates_only=dates_only), NO_TIME)

    def to_utc(self, ts: NDArray[np.int64], row_of: Callable[[int], int], *, dates_only: bool) -> NDArray[np.int64]:
        """Wall-clock ns to ns UTC by the file's zone suffix, or by `zone` where the file has none."""
        if self._suffix:
            return ts - _offset_ns(self._suffix)
        if dates_only or self._zone.key == "UTC":
            return ts
        # Whole hours share an offset, so only as many zone look-ups as there are hours in the file.
        hours, inverse = np.unique(ts // (3_600 * SECOND), return_inverse=True)
        offsets = np.zeros(len(hours), np.int64)
        for k, hour in enumerate(hours.tolist()):
            wall = datetime.fromtimestamp(hour * 3_600, UTC).replace(tzinfo=self._zone)
            before, after = wall.replace(fold=0).utcoffset(), wall.replace(fold=1).utcoffset()
            if before is None or after is None:
                continue
            offsets[k] = int(before.total_seconds()) * SECOND
            if before != after:
                i = int(np.flatnonzero(inverse == k)[0])
                missing = after > before  # clocks went forward: this hour was skipped
                self.fault(
                    row_of(i),
                    "time",
                    "nonexistent_time" if missing else "ambiguous_time",
                    f"{wall:%Y-%m-%d %H:%M} {'does not exist' if missing else 'happens twice'} in {self._zone.key}",
                    "clocks change there: write times in UTC",
                )
        return ts - offsets[inverse]

    def _same_suffix(self, cells: pa.Array, row_of: Callable[[int], int]) -> NDArray[np.bool_]:
        """Which times carry the zone suffix of the file's first one (dates alone carry none)."""
        suffix = pc.struct_field(pc.extract_regex(pc.drop_null(cells), _SUFFIX), "zone")
        if self._suffix is None:
            self._suffix = _normal(suffix[0].as_py())
        if all(_normal(kind) == self._suffix for kind in pc.unique(suffix).to_pylist()):
            return np.ones(len(cells), bool)
        whole = pc.struct_field(pc.extract_regex(pc.fill_null(cells, ""), _SUFFIX), "zone").to_pylist()
        same = np.array([_normal(kind or "") == self._suffix for kind in whole])
        for i in np.flatnonzero(~same & _bools(cells.is_valid()))[:MAX_FAULTS].tolist():
            self.fault(
                row_of(i),
                "time",
                "mixed_zones",
                f"{cells[i].as_py()} is in another zone than the first row ({self._suffix or 'none'})",
                "write all times in UTC, ending in Z",
            )
        return same

    def _bad_time(self, text: str | None, row: int) -> None:
        if text is None or not text.strip():
            self.fault(row, "time", "required", "the cell is empty")
        else:
            self.fault(
                row, "time", "bad_time", f"{text[:40]!r} is not a time", "write 2024-03-01 or 2024-03-01T14:30:00Z"
            )

    def _real_dates(self, wall: pa.Array, row_of: Callable[[int], int]) -> NDArray[np.bool_]:
        """Which wall-clock times exist and fit into int64 ns; names those that do not (30 February, year 3000)."""
        real = np.ones(len(wall), bool)
        named = 0
        for i, text in enumerate(wall.to_pylist()):
            if text is None:
                continue
            try:
                moment = datetime.fromisoformat(text[:19])
                reason = "" if 1900 <= moment.year < 2200 else "not between 1900 and 2200"
            except ValueError as error:
                reason = str(error)
            if reason:
                real[i] = False
                if named < MAX_FAULTS:
                    self.fault(row_of(i), "time", "bad_time", f"{text[:40]!r} is not a usable time: {reason}")
                    named += 1
        return real


def _normal(suffix: str) -> str:
    return suffix.replace(":", "").replace("+0000", "Z").replace("-0000", "Z")


def _offset_ns(suffix: str) -> int:
    if suffix == "Z":
        return 0
    sign = -1 if suffix[0] == "-" else 1
    return sign * (int(suffix[1:3]) * 3_600 + int(suffix[3:5]) * 60) * SECOND


def _bools(array: pa.Array) -> NDArray[np.bool_]:
    return np.asarray(pc.fill_null(array, False).to_numpy(zero_copy_only=False), bool)


def _floats(array: pa.Array) -> NDArray[np.float64]:
    return np.asarray(array.to_numpy(zero_copy_only=False), np.float64)


def _ints(array: pa.Array) -> NDArray[np.int64]:
    return np.asarray(array.to_numpy(zero_copy_only=False), np.int64)
