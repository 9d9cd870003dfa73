"""Files that a client downloads: a stream of its own media type, and CSV that no spreadsheet takes for formulas."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from django.http import StreamingHttpResponse
from rest_framework.request import Request
from rest_framework.views import APIView

CSV = "text/csv"
# What opens a formula in one spreadsheet or another (OWASP's list and more); compared after compatibility forms
# (full-width "＝", small "﹢") are folded into the plain character.
_FORMULA = ("=", "+", "-", "@", "|", "%", "\u2212")


class Download(APIView):
    """A view whose answer is a stream of its own media type: any Accept header will do; errors are JSON."""

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        return super().perform_content_negotiation(request, force=True)


def csv_response(name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> StreamingHttpResponse:
    """A CSV file called `name`, written row by row."""
    response = StreamingHttpResponse(_lines(columns, rows), content_type=f"{CSV}; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


class _Echo:
    """A file that hands every written line back, for streaming."""

    def write(self, line: str) -> str:
        return line


def _lines(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield writer.writerow(columns)
    for row in rows:
        yield writer.writerow([cell(value) for value in row])


def cell(value: Any) -> Any:
    """`value` as it may stand in a cell: text that would be a formula gets a leading apostrophe, numbers stay numbers.

    A tab or line break at the start counts as an opener, and so does an opener behind blanks or characters that show
    nothing: spreadsheets drop them. Decimals are written plainly, never as 1E+3.
    """
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if not isinstance(value, str):
        return value
    if value[:1] in ("\t", "\r", "\n"):
        return "'" + value
    seen = next((sign for sign in unicodedata.normalize("NFKC", value) if not _unseen(sign)), "")
    return "'" + value if seen in _FORMULA else value


def _unseen(sign: str) -> bool:
    return sign.isspace() or unicodedata.category(sign) in ("Cf", "Cc", "Mn")
