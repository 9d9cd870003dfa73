"""Files that a client downloads: a stream of its own media type, and CSV that no spreadsheet takes for formulas."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from django.http import StreamingHttpResponse
from rest_framework.request import Request
from rest_framework.views import APIView

CSV = "text/csv"
# OWASP's list, and the same characters in full width, which spreadsheets read alike.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")


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
    """Text that a spreadsheet would take for a formula gets a leading apostrophe; numbers stay numbers."""
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return "'" + value if isinstance(value, str) and value[:1] in _FORMULA else value
