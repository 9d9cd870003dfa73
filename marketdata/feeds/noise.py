"""A made-up market that can be asked for any second: no state, no walk from the start, the same answer for ever.

The logarithm of the price is a sum of value noise over time scales from seconds to days, each scale's size growing
with the square root of its length, as a random walk's does; so the price wanders, and comes back over weeks. Every
random number is a hash of (seed, symbol, scale, position). Only additions, multiplications and square roots of
doubles are used, whose results are the same on every machine; an exponential function's are not.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from marketdata.columns import SECOND

SCALES_S = (2, 7, 20, 60, 180, 600, 1_800, 7_200, 28_800, 115_200, 460_800)
TICK = np.dtype([("ts", "i8"), ("px", "f8"), ("size", "f8"), ("bid", "f8"), ("ask", "f8")])
_MINUTE_MOVE = 0.0012
"""Typical relative move within a minute: like a lively coin, so that a strategy has something to do within minutes."""

U64 = np.uint64


def ticks(seed: int, symbol: str, first_s: int, last_s: int, per_s: int) -> NDArray[np.void]:
    """Trades in the seconds [first_s, last_s) since 1970, `per_s` in each, dtype TICK, by time."""
    key, base = _traits(seed, symbol)
    count = max(last_s - first_s, 0) * per_s
    number = np.arange(first_s * per_s, first_s * per_s + count, dtype=np.int64)
    out = np.empty(count, TICK)
    if not count:
        return out
    slot = SECOND // per_s
    jitter = (_hash(key ^ U64(1), number) % U64(slot)).astype(np.int64)
    out["ts"] = number // per_s * SECOND + number % per_s * slot + jitter
    bits = _hash(key ^ U64(2), number)
    bounce = 0.01 * (((bits >> U64(40)) % U64(5)).astype(np.float64) - 2.0)  # between bid and ask, as trades are
    px = np.maximum(np.round(base * _growth(key, out["ts"]) + bounce, 2), 0.01)
    out["px"] = px
    out["size"] = 1 + (bits % U64(97)).astype(np.float64) + np.where(bits >> U64(60) == 0, 400.0, 0.0)
    half = np.round(0.01 * (1 + ((bits >> U64(32)) % U64(3)).astype(np.float64)), 2)
    out["bid"], out["ask"] = np.round(px - half, 2), np.round(px + half, 2)
    return out


@lru_cache(maxsize=1024)
def _traits(seed: int, symbol: str) -> tuple[np.uint64, float]:
    """The symbol's key for all hashes, and the price around which it moves (20 to 420)."""
    digest = hashlib.sha256(f"{seed}/{symbol}".encode()).digest()
    return U64(int.from_bytes(digest[:8], "little")), 20.0 + int.from_bytes(digest[8:10], "little") % 40_000 / 100.0


def _growth(key: np.uint64, ts: NDArray[np.int64]) -> NDArray[np.float64]:
    total = np.zeros(len(ts))
    for scale, seconds in enumerate(SCALES_S):
        length = seconds * SECOND
        cell = ts // length
        first = int(cell[0])
        at = cell - first
        knots = _normal(key ^ U64((scale + 3) << 8), np.arange(first, first + int(at[-1]) + 2, dtype=np.int64))
        part = (ts - cell * length) / length
        weight = part * part * (3.0 - 2.0 * part)
        size = _MINUTE_MOVE * np.sqrt(seconds / 60.0)
        total += size * (knots[at] + (knots[at + 1] - knots[at]) * weight)
    # (1 + x/64)^64, which is exp(x) for our purpose and positive as long as x > -64.
    growth = 1.0 + total / 64.0
    for _ in range(6):
        growth *= growth
    return growth


def _normal(key: np.uint64, position: NDArray[np.int64]) -> NDArray[np.float64]:
    """About normal, mean 0, deviation 1, within ±3.5: the sum of four 16-bit parts of one hash."""
    bits = _hash(key, position)
    total = np.zeros(len(position))
    for shift in (0, 16, 32, 48):
        total += ((bits >> U64(shift)) & U64(0xFFFF)).astype(np.float64)
    return (total / 65_536.0 - 2.0) * np.sqrt(3.0)


def _hash(key: np.uint64, position: NDArray[np.int64]) -> NDArray[np.uint64]:
    """splitmix64 of key + position."""
    with np.errstate(over="ignore"):
        x = (position.astype(U64) + key) * U64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> U64(30))) * U64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> U64(27))) * U64(0x94D049BB133111EB)
    return x ^ (x >> U64(31))
