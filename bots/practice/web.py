"""A few lines of HTTP over ASGI: requests, answers, and routes that are tables."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

MAX_BODY = 1_000_000


class TooLarge(ValueError):
    """A body that nobody reads to its end."""


@dataclass(frozen=True, slots=True)
class Request:
    """query: the last value of each name. parts: what the route's pattern named."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    parts: Mapping[str, str] = field(default_factory=dict)
    raw_query: str = ""

    def json(self) -> Any:
        """The body. Raises ValueError."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
        """JSON."""
        text = json.dumps(value, separators=(",", ":")).encode()
        return cls(status, text, {"content-type": "application/json", **(headers or {})})


Handler = Callable[[Request], Answer]


class Routes:
    """(method, path pattern) → handler. A pattern's {name} takes one part of a path."""

    def __init__(self) -> None:
        self._table: list[tuple[str, re.Pattern[str], Handler]] = []

    def add(self, method: str, pattern: str, handler: Handler) -> None:
        expression = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern)
        self._table.append((method, re.compile(expression), handler))

    def find(self, method: str, path: str) -> tuple[Handler, dict[str, str]] | None:
        for known, pattern, handler in self._table:
            if known == method and (found := pattern.fullmatch(path)):
                return handler, found.groupdict()
        return None


async def read(scope: Mapping[str, Any], receive: Any) -> Request:
    """The whole request. Raises TooLarge for a body above `MAX_BODY`, ValueError for a query that is no text."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            raise TooLarge("the body is too large")
        if not message.get("more_body"):
            break
    raw = scope["query_string"].decode()
    headers = {name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]}
    return Request(scope["method"], scope["path"], dict(parse_qsl(raw, True)), headers, body, {}, raw)


async def send(answer: Answer, send: Any) -> None:
    headers = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
    headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
