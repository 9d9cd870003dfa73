"""Lists in pages: ``?page=2&limit=50`` → ``{count, page, pages, limit, results}``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

from engine.errors import Fault, InputError

if TYPE_CHECKING:  # REST framework's views import this module by its setting
    from rest_framework.views import APIView

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
MAX_PAGE = 1_000_000


class Pages(BasePagination):
    """The one pagination of the API. `limit` is cut to 200; a page past the last is empty; nonsense is a 400."""

    def paginate_queryset(
        self, queryset: QuerySet[Any] | list[Any], request: Request, view: APIView | None = None
    ) -> list[Any]:
        self.limit = min(_whole(request, "limit", DEFAULT_LIMIT), MAX_LIMIT)
        self.page = _whole(request, "page", 1, MAX_PAGE)
        self.count = len(queryset) if isinstance(queryset, list) else queryset.count()
        start = (self.page - 1) * self.limit
        return list(queryset[start : start + self.limit]) if start < self.count else []

    def get_paginated_response(self, data: list[Any]) -> Response:
        return Response(
            {
                "count": self.count,
                "page": self.page,
                "pages": max(1, -(-self.count // self.limit)),
                "limit": self.limit,
                "results": data,
            }
        )

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        whole = {"type": "integer", "minimum": 1}
        return {
            "type": "object",
            "required": ["count", "page", "pages", "limit", "results"],
            "properties": {
                "count": {"type": "integer", "minimum": 0},
                "page": whole,
                "pages": whole,
                "limit": {**whole, "maximum": MAX_LIMIT},
                "results": schema,
            },
        }

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        return [
            {
                "name": "page",
                "in": "query",
                "required": False,
                "description": "Which page, from 1 on",
                "schema": {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": 1},
            },
            {
                "name": "limit",
                "in": "query",
                "required": False,
                "description": f"Rows on a page; more than {MAX_LIMIT} counts as {MAX_LIMIT}",
                "schema": {"type": "integer", "minimum": 1, "default": DEFAULT_LIMIT},
            },
        ]


def _whole(request: Request, name: str, default: int, maximum: int | None = None) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    allowed = f"a whole number from 1 to {maximum}" if maximum else "a whole number from 1 on"
    if not (text.isascii() and text.isdigit()) or int(text[:20]) < 1 or (maximum and int(text[:20]) > maximum):
        raise InputError(Fault(name, "out_of_range", f"{text[:40]!r} is not {allowed}", f"Send {allowed}."))
    return int(text[:18])
