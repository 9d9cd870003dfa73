"""How long a host takes for what: stopwatches of its sessions, and how much it does in a second."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

# Each in milliseconds. signal: the strategies of one instant. intent: from the moment a bar was known to be closed to
# the order's row. ack: from there to the venue's word. booked: from a fill to its row in the ledger.
TIMES = ("signal", "intent", "ack", "booked")
SHARES = (50, 95, 99)
OF_HOST, OF_SESSION = 1_000, 200  # samples kept
RATE_S = 60.0


class Rate:
    """How many a second over the last minute, or since the first where that is less."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._seen: deque[tuple[float, int]] = deque()

    def add(self, count: int = 1) -> None:
        now = time.monotonic()
        if self._seen and now - self._seen[-1][0] < 1.0:
            at, before = self._seen.pop()
            self._seen.append((at, before + count))
        else:
            self._seen.append((now, count))

    def per_s(self) -> float:
        now = time.monotonic()
        while self._seen and now - self._seen[0][0] > RATE_S:
            self._seen.popleft()
        return sum(count for _, count in self._seen) / max(1.0, min(RATE_S, now - self._began))


class Measures:
    """Written by the trading thread and the newsroom, read by the keeper of leases: every method takes the lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._host: dict[str, deque[float]] = {name: deque(maxlen=OF_HOST) for name in TIMES}
        self._sessions: dict[int, dict[str, deque[float]]] = {}
        self._rates = {name: Rate() for name in ("orders", "fills", "messages")}

    def took(self, session_id: int, name: str, seconds: float, *, times: int = 1) -> None:
        """Note one duration of a session. times: how many orders or fills it was the duration of."""
        with self._lock:
            mine = self._sessions.setdefault(session_id, {})
            kept = mine.setdefault(name, deque(maxlen=OF_SESSION))
            for samples in (self._host[name], kept):
                samples.extend([seconds * 1e3] * times)

    def count(self, name: str, count: int = 1) -> None:
        """Count orders, fills or messages."""
        with self._lock:
            self._rates[name].add(count)

    def forget(self, session_ids: Iterable[int]) -> None:
        """Sessions that this host has no more."""
        with self._lock:
            for session_id in session_ids:
                self._sessions.pop(session_id, None)

    def figures(self) -> dict[str, Any]:
        """{latency_ms: {time: {p50, p95, p99, n}}, sessions_ms: {session: the same}, orders_per_s, fills_per_s,
        messages_per_s}, JSON-ready."""
        with self._lock:
            host = {name: np.array(samples) for name, samples in self._host.items()}
            sessions = {
                str(pk): {name: np.array(samples) for name, samples in mine.items()}
                for pk, mine in self._sessions.items()
            }
            rates = {f"{name}_per_s": round(rate.per_s(), 2) for name, rate in self._rates.items()}
        each = {pk: _percentiles(mine) for pk, mine in sessions.items()}
        return {"latency_ms": _percentiles(host), "sessions_ms": each, **rates}


def _percentiles(samples: Mapping[str, np.ndarray]) -> dict[str, dict[str, float]]:
    found = {}
    for name, values in samples.items():
        if len(values):
            marks = np.percentile(values, SHARES)
            found[name] = {f"p{share}": round(float(mark), 3) for share, mark in zip(SHARES, marks, strict=True)}
            found[name]["n"] = len(values)
    return found
