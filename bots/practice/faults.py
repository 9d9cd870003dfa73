"""What goes wrong on purpose: scripted faults of requests and of streams.

A script is data (JSON over the control address, or made by tests). Faults are used up in the order in which they were
added; one that has no `times` left is gone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from engine.errors import Fault, InputError

RequestFaultKind = Literal["status", "drop", "truncate", "delay"]
When = Literal["before", "after"]
STREAM_KINDS = ("drop", "mute", "duplicate", "swap", "lose", "refuse")


@dataclass(slots=True)
class RequestFault:
    """Something that happens to a request.

    kind: status: answer with `status` (and `body`); drop: close the connection without an answer; truncate: half of
    the answer, then close; delay: only late. when: before the venue has worked on it, so that nothing happened, or
    after, so that only the answer is lost. delay_s: waited before the answer, whatever the kind.
    """

    kind: RequestFaultKind = "status"
    method: str = "*"
    path: str = ".*"
    status: int = 503
    body: str = ""
    when: When = "before"
    delay_s: float = 0.0
    headers: Mapping[str, str] = field(default_factory=dict)
    times: int = 1

    def hits(self, method: str, path: str) -> bool:
        return self.method in ("*", method) and re.fullmatch(self.path, path) is not None


@dataclass(slots=True)
class StreamFault:
    """Something that happens to messages of a stream.

    drop: the connection is cut at the next message, which is lost; mute: nothing is sent any more though the socket
    stays open, for `seconds`; duplicate: a message is sent twice; swap: two messages change places; lose: a message is
    never sent; refuse: new connections are refused. stream: "*" or its name (trade_updates, user_data, data,
    polygon, binance).
    """

    kind: str
    stream: str = "*"
    seconds: float = 0.0
    times: int = 1


class Faults:
    """The script, as it stands."""

    def __init__(self) -> None:
        self.requests: list[RequestFault] = []
        self.streams: list[StreamFault] = []

    def add(self, raw: Mapping[str, Any]) -> None:
        """Add one from JSON: a StreamFault's fields where there is a `stream`, else a RequestFault's.

        Raises InputError.
        """
        kinds: type[RequestFault] | type[StreamFault] = StreamFault if "stream" in raw else RequestFault
        known = set(kinds.__dataclass_fields__)
        unknown = sorted(set(raw) - known)
        if unknown:
            hint = f"Known: {', '.join(sorted(known))}"
            raise InputError(Fault(unknown[0], "unknown_field", "There is no such field", hint))
        allowed = STREAM_KINDS if kinds is StreamFault else ("status", "drop", "truncate", "delay")
        if raw.get("kind") not in allowed:
            raise InputError(Fault("kind", "unknown_choice", "There is no such fault", f"One of: {', '.join(allowed)}"))
        if kinds is StreamFault:
            self.streams.append(StreamFault(**raw))
        else:
            self.requests.append(RequestFault(**raw))

    def clear(self) -> None:
        self.requests.clear()
        self.streams.clear()

    def of_request(self, method: str, path: str) -> RequestFault | None:
        """The next fault that this request runs into; it is used up by that."""
        for fault in self.requests:
            if fault.hits(method, path):
                fault.times -= 1
                if fault.times <= 0:
                    self.requests.remove(fault)
                return fault
        return None

    def of_message(self, stream: str, *kinds: str) -> StreamFault | None:
        """The next fault of these kinds for a message (or a connection) of a stream; it is used up by that."""
        for fault in self.streams:
            if fault.kind in kinds and fault.stream in ("*", stream):
                fault.times -= 1
                if fault.times <= 0:
                    self.streams.remove(fault)
                return fault
        return None
