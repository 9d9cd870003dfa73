"""Files of news, CSV or JSON, to items: every row of them, or the first ten faults by row. Plain Python."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from engine.errors import Fault, InputError
from marketdata.news.base import MAX_SUMMARY, MAX_TITLE, MAX_URL, Item
from marketdata.symbols import clean_symbol
from tradingsite.lib.text import bad_character, printable

MAX_FAULTS = 10
FIELDS = ("published_at", "symbol", "title", "summary", "url", "score")
_NAMES = {
    "published_at": ("published_at", "published", "time", "timestamp", "datetime", "date"),
    "symbol": ("symbol", "ticker"),
    "title": ("title", "headline"),
    "summary": ("summary", "description"),
    "url": ("url", "link"),
    "score": ("score",),
}
_OURS = {name: ours for ours, names in _NAMES.items() for name in names}
_EXAMPLE = "published_at,symbol,title"
_CLOCKS_DIFFER = timedelta(minutes=5)
_FIRST_YEAR = 1980


def read_csv(raw: bytes, *, symbol: str = "", now: datetime, most: int) -> list[Item]:
    """Items of a CSV file: UTF-8, commas, one header line. symbol: that of a file without such a column.

    Raises InputError: paths are ``row 3, column title``, counted as in a spreadsheet.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            Fault("file", "bad_text", f"byte {error.start} does not belong to UTF-8 text", "Save it as UTF-8")
        ) from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = _header(next(reader, []))
        rows: list[tuple[int, dict[str, Any] | Fault]] = []
        for number, cells in enumerate(reader, start=2):
            if not any(cell.strip() for cell in cells):
                continue
            if len(rows) == most:
                raise _too_many(most)
            if len(cells) != len(columns):
                text = f"{len(cells)} cells, the header has {len(columns)}"
                rows.append(
                    (number, Fault(f"row {number}", "wrong_number_of_columns", text, "Quote cells with commas"))
                )
                continue
            named = zip(columns, cells, strict=True)
            rows.append((number, {name: cell.strip() or None for name, cell in named if name}))
    except csv.Error as error:
        raise InputError(Fault("file", "malformed", f"It is not CSV ({error})", "Separate cells by commas")) from None
    return _items(rows, lambda row, name: f"row {row}, column {name}", symbol=symbol, now=now, texts=True)


def read_objects(found: Any, *, symbol: str = "", now: datetime, most: int) -> list[Item]:
    """Items of parsed JSON: a list of objects with the fields of FIELDS, or ``{"items": [...]}``.

    Raises InputError: paths are ``items[3].title``.
    """
    if isinstance(found, Mapping):
        unknown = [name for name in found if name not in ("items", "symbol")]
        if unknown or "items" not in found:
            path = printable(str(unknown[0])) if unknown else "items"
            code = "unknown_field" if unknown else "required"
            raise InputError(Fault(path, code, "Send a list of items, or an object with items", "Known: items, symbol"))
        found = found["items"]
    if not isinstance(found, list):
        raise InputError(Fault("items", "wrong_type", "It is not a list", f"Each item has {', '.join(FIELDS)}"))
    if len(found) > most:
        raise _too_many(most)
    rows: list[tuple[int, dict[str, Any] | Fault]] = []
    for number, one in enumerate(found):
        if not isinstance(one, Mapping):
            rows.append((number, Fault(f"items[{number}]", "wrong_type", "It is not an object", _EXAMPLE)))
            continue
        unknown = [name for name in one if name not in FIELDS]
        if unknown:
            hint = f"Known: {', '.join(FIELDS)}"
            path = f"items[{number}].{printable(str(unknown[0]))}"
            rows.append((number, Fault(path, "unknown_field", "There is no such field", hint)))
            continue
        empty = [name for name, value in one.items() if value is None]
        if empty:
            path = f"items[{number}].{empty[0]}"
            rows.append((number, Fault(path, "wrong_type", "It is null", "Leave the field out where there is nothing")))
            continue
        rows.append((number, dict(one)))
    return _items(rows, lambda row, name: f"items[{row}].{name}", symbol=symbol, now=now, texts=False)


def _header(cells: list[str]) -> list[str]:
    """Our name of each column, "" for one that is not read."""
    if not any(cell.strip() for cell in cells):
        raise InputError(Fault("file", "empty_file", "The file is empty", f"Begin with: {_EXAMPLE}"))
    columns = [_OURS.get(cell.strip().lower(), "") for cell in cells]
    faults = [
        Fault("header", "duplicate_column", f"Two columns are the {name}", "Keep one of them")
        for name in FIELDS
        if columns.count(name) > 1
    ]
    faults += [
        Fault("header", "required", f"There is no column {name}", f"Begin with: {_EXAMPLE}")
        for name in ("published_at", "title")
        if name not in columns
    ]
    if faults:
        raise InputError(faults)
    return columns


def _too_many(most: int) -> InputError:
    hint = "Split the file, or import it by command: manage.py import_news"
    return InputError(Fault("file", "too_many_rows", f"More than {most:,} items", hint))


class _Refused(Exception):
    def __init__(self, name: str, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.name, self.code, self.message, self.hint = name, code, message, hint


def _items(
    rows: list[tuple[int, dict[str, Any] | Fault]],
    path: Callable[[int, str], str],
    *,
    symbol: str,
    now: datetime,
    texts: bool,
) -> list[Item]:
    if not rows:
        raise InputError(Fault("file", "empty_file", "There is no item in it", f"Each item has {', '.join(FIELDS)}"))
    items, faults = [], []
    for number, row in rows:
        if isinstance(row, Fault):
            faults.append(row)
        else:
            found = list(_read(row, symbol, now, texts))
            faults += [Fault(path(number, f.name), f.code, f.message, f.hint) for f in found if isinstance(f, _Refused)]
            items += [one for one in found if isinstance(one, Item)]
        if len(faults) >= MAX_FAULTS:
            break
    if faults:
        raise InputError(faults[:MAX_FAULTS])
    return items


def _read(row: Mapping[str, Any], symbol: str, now: datetime, texts: bool) -> Iterator[Item | _Refused]:
    """The item, or everything that is wrong with it."""
    values: dict[str, Any] = {}
    readers: dict[str, Callable[[Any], Any]] = {
        "published_at": lambda value: _moment(value, now),
        "symbol": lambda value: _symbol(value, symbol),
        "title": lambda value: _text("title", value, MAX_TITLE, required=True),
        "summary": lambda value: _text("summary", value, MAX_SUMMARY),
        "url": _url,
        "score": lambda value: _score(value, texts),
    }
    refused = False
    for name, read in readers.items():
        try:
            values[name] = read(row.get(name))
        except _Refused as fault:
            refused = True
            yield fault
    if not refused:
        yield Item(**values)


def _moment(value: Any, now: datetime) -> datetime:
    name, example = "published_at", "Write it as 2024-03-01T14:30:00Z"
    if value is None:
        raise _Refused(name, "required", "It is missing", example)
    if not isinstance(value, str):
        raise _Refused(name, "wrong_type", f"{_shown(value)} is not text", example)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise _Refused(name, "bad_time", f"{_shown(value)} is not a time", example) from None
    if len(value) <= 10:
        why = f"{value} has no time of day: bars of that day must not know it too early"
        raise _Refused(name, "bad_time", why, example)
    if moment.tzinfo is None:
        raise _Refused(name, "naive_time", f"{_shown(value)} has no zone", "End it with Z for UTC")
    if moment.year < _FIRST_YEAR:
        raise _Refused(name, "out_of_range", f"{_shown(value)} is before {_FIRST_YEAR}")
    if moment > now + _CLOCKS_DIFFER:
        raise _Refused(name, "out_of_range", f"{_shown(value)} is in the future", "Send it when it is published")
    return moment.astimezone(UTC)


def _symbol(value: Any, default: str) -> str:
    if value is None:
        if not default:
            raise _Refused("symbol", "required", "It is missing", "Name the symbol of the whole file, or one a row")
        return default
    if not isinstance(value, str):
        raise _Refused("symbol", "wrong_type", f"{_shown(value)} is not text")
    try:
        return clean_symbol(value)
    except InputError as error:
        fault = error.faults[0]
        raise _Refused("symbol", fault.code, fault.message, fault.hint) from None


def _text(name: str, value: Any, most: int, *, required: bool = False) -> str:
    if value is None:
        if required:
            raise _Refused(name, "required", "It is missing")
        return ""
    if not isinstance(value, str):
        raise _Refused(name, "wrong_type", f"{_shown(value)} is not text")
    if bad := bad_character(value):
        raise _Refused(name, "bad_text", f"It holds the character {bad}", "Remove it")
    text = " ".join(value.split())
    if required and not text:
        raise _Refused(name, "required", "It is empty")
    if len(text) > most:
        raise _Refused(name, "out_of_range", f"It has {len(text):,} characters", f"At most {most:,}")
    return text


def _url(value: Any) -> str:
    address = _text("url", value, MAX_URL)
    if not address:
        return ""
    try:
        parts = urlsplit(address)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.netloc or " " in address:
        raise _Refused("url", "bad_text", f"{_shown(address)} is not a web address", "Begin it with https://")
    return address


def _score(value: Any, texts: bool) -> float | None:
    if value is None:
        return None
    if texts:
        try:
            value = float(value)
        except ValueError:
            raise _Refused("score", "not_a_number", f"{_shown(value)} is not a number", "From -1 to 1") from None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _Refused("score", "not_a_number", f"{_shown(value)} is not a number", "From -1 to 1")
    if not math.isfinite(value):
        raise _Refused("score", "not_a_finite_number", f"{_shown(value)} is not a finite number", "From -1 to 1")
    if not -1 <= value <= 1:
        raise _Refused("score", "out_of_range", f"{_shown(value)} is out of range", "From -1 to 1")
    return round(float(value), 4)


def _shown(value: Any) -> str:
    return printable(repr(value), 60)
