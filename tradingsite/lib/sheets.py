"""CSV that a spreadsheet opens as what it is: text never becomes a formula, figures stay figures."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

# What opens a formula in one spreadsheet or another; compared after compatibility forms (full-width "＝", small "﹢")
# are folded into the plain character.
_OPENERS = ("=", "+", "-", "@", "|", "%", "\u2212")


def cell(value: Any) -> Any:
    """`value` as it may stand in a cell: text that would be a formula gets a leading apostrophe (OWASP).

    A tab or line break at the start counts as an opener, and so does an opener behind blanks or characters that show
    nothing: spreadsheets drop them. Decimals are written plainly, never as 1E+3; None is an empty cell.
    """
    if isinstance(value, Decimal):
        return f"{value.normalize():f}" if value.is_finite() else ""
    if not isinstance(value, str):
        return value
    if value[:1] in ("\t", "\r", "\n"):
        return "'" + value
    seen = next((sign for sign in unicodedata.normalize("NFKC", value) if not _unseen(sign)), "")
    return "'" + value if seen in _OPENERS else value


def lines(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """The file line by line, for streaming: the head, then each row with safe cells."""
    writer = csv.writer(_Echo())
    yield writer.writerow(columns)
    for row in rows:
        yield writer.writerow([cell(value) for value in row])


def _unseen(sign: str) -> bool:
    return sign.isspace() or unicodedata.category(sign) in ("Cf", "Cc", "Zs", "Mn")


class _Echo:
    """A file that hands every written line back."""

    def write(self, line: str) -> str:
        return line
