"""Refuses a request body that is too large before a byte of it is written anywhere.

Django spools the whole body of a request to disk before it calls a view; only then do limits of views apply. This
stands in front of it: by Content-Length at once, and for a body without one as soon as it has grown past the limit.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from tradingsite.lib.errors import TooLarge, body

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


class BodyLimit:
    """ASGI middleware for HTTP. `limit_for(path)` gives the most bytes that a body to this path may have."""

    def __init__(self, application: Application, limit_for: Callable[[str], int]) -> None:
        self.application = application
        self.limit_for = limit_for

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.application(scope, receive, send)
            return
        limit = self.limit_for(scope["path"])
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > limit:
            await _refuse(send, scope["path"], limit)
            return
        taken = 0
        refused = False

        async def counted() -> Message:
            nonlocal taken, refused
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > limit:
                refused = True
                # Django drops the request, and what it has spooled of it, when the client goes away; let it think so.
                return {"type": "http.disconnect"}
            return message

        await self.application(scope, counted, send)
        if refused:
            await _refuse(send, scope["path"], limit)


async def _refuse(send: Send, path: str, limit: int) -> None:
    request_id = uuid.uuid4().hex
    text = f"The body has more than {limit} bytes, which is all that this route takes."
    if path.startswith("/api/"):
        kind, content = b"application/json", json.dumps(body(TooLarge.code, text, request_id)).encode()
    else:
        kind, content = b"text/plain; charset=utf-8", f"{text} Go back and choose a smaller file.".encode()
    headers = [
        (b"content-type", kind),
        (b"content-length", str(len(content)).encode()),
        (b"connection", b"close"),
        (b"x-request-id", request_id.encode()),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": TooLarge.status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
