"""What a portfolio needs of its past to go on, and its form as bytes: plain buffers behind a header in JSON."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from typing import Any, Final

import numpy as np

from engine.errors import Fault, InputError
from engine.guards import PACE_NS, PACE_ROOM
from engine.portfolio.columns import ROW
from engine.rules import Costs, Rules
from engine.state import HOLDING, QUOTE
from engine.types import BOOK, DAILY, DENIAL, ORDER, Records
from engine.world import World

_MAGIC: Final = b"TWPF"
_VERSION: Final = 1
_DTYPES: Final[dict[str, np.dtype[Any]]] = {
    "book": BOOK,
    "holdings": HOLDING,
    "quotes": QUOTE,
    "lists": np.dtype(np.int32),
    "orders": ORDER,
    "serials": np.dtype(np.int64),
    "denials": DENIAL,
    "daily": DAILY,
    "recent_ts": np.dtype(np.int64),
    "recent_px": np.dtype(np.float64),
    "pace": np.dtype(np.int64),
    "bars": ROW,
}
# Counts of rows that nothing refers back to.
_FORGOTTEN: Final = ("n_fills", "n_trips", "n_equity")


@dataclass(slots=True)
class Essence:
    """A portfolio without its past: working orders, each symbol's last denial and last bar, the last daily mark.

    holdings: their row numbers and bar numbers are those of what is kept. recent_ts, recent_px: closes for
    correlations. pace: how many entries the last minute had, and when. bars: ROW, at most one a symbol, in name order.
    last_ts: of the last step, None before the first. counts: numbers of Portfolio that are no arrays.
    """

    book: Records
    holdings: Records
    quotes: Records
    lists: Records
    orders: Records
    serials: Records
    denials: Records
    daily: Records
    recent_ts: Records
    recent_px: Records
    pace: Records
    bars: list[Records]
    last_ts: int | None
    counts: dict[str, float | int | None]


def essence(
    world: World,
    serials: Records,
    bars: list[Records],
    dropped: Records,
    last_ts: int | None,
    counts: dict[str, float | int | None],
    *,
    finer: bool,
) -> Essence:
    """Copies of what is kept. serials: of the rows of orders. dropped: how many bars of each symbol are left out."""
    book, holdings, quotes = world.book.copy(), world.holdings.copy(), world.quotes.copy()
    kept = {}
    for name, referring in (
        ("orders", (holdings["entry_order"], holdings["exit_order"], quotes["order"])),
        ("denials", (holdings["last_denial"], quotes["last_denial"])),
    ):
        rows = np.unique(np.concatenate(referring))
        rows = kept[name] = rows[rows >= 0]
        for numbers in referring:
            numbers[numbers >= 0] = np.searchsorted(rows, numbers[numbers >= 0])
        book[f"n_{name}"] = len(rows)
    for field in ("next_at", "entry_at") + (() if finer else ("entry_clock", "exit_clock")):
        holdings[field] -= dropped
    for field in ("at", "volume_t", "opened_inside"):
        holdings[field] = -1
    for name in _FORGOTTEN:
        book[name] = 0
    days = int(book["n_daily"][0])
    book["n_daily"] = min(days, 1)
    return Essence(
        book,
        holdings,
        quotes,
        world.lists.copy(),
        world.logs.rows["orders"][kept["orders"]],
        serials[kept["orders"]],
        world.logs.rows["denials"][kept["denials"]],
        world.logs.daily[max(days - 1, 0) : days].copy(),
        *world.straighten(holdings, len(world.recent_ts) // len(holdings)),
        _last_minute(world.pace, last_ts),
        bars,
        last_ts,
        counts,
    )


def _last_minute(pace: Records, last_ts: int | None) -> Records:
    """The part of World.pace that still counts, the oldest entry first."""
    count = int(pace[0])
    times = pace[1 + np.arange(max(count - PACE_ROOM, 0), count) % PACE_ROOM]
    times = times[times > (last_ts or 0) - PACE_NS]
    return np.concatenate(([len(times)], times))


def pack(state: Essence, kind: Mapping[str, Any], rules: Rules, costs: Costs) -> bytes:
    """`kind`: what the portfolio must be made with to take the state over, JSON-ready."""
    arrays = {name: getattr(state, name) for name in _DTYPES if name != "bars"}
    # Joined as bytes: to join records NumPy compares their fields one by one.
    arrays["bars"] = np.frombuffer(b"".join(one.tobytes() for one in state.bars), dtype=ROW)
    header = {
        "version": _VERSION,
        "fingerprint": _fingerprint(),
        "kind": kind,
        "rules": {f.name: getattr(rules, f.name) for f in fields(rules) if f.name != "window"},
        "costs": asdict(costs),
        "last_ts": state.last_ts,
        "counts": state.counts,
        "bars": [len(one) for one in state.bars],
        "lengths": {name: array.size for name, array in arrays.items()},
    }
    text = json.dumps(header, allow_nan=False, separators=(",", ":")).encode()
    body = b"".join((len(text).to_bytes(4, "little"), text, *(_without_padding(array) for array in arrays.values())))
    return b"".join((_MAGIC, zlib.crc32(body).to_bytes(4, "little"), body))


def unpack(data: bytes, kind: Mapping[str, Any]) -> tuple[Essence, Rules, Costs]:
    """What `pack` packed. Raises InputError: `damaged`, or `version_changed` for another engine or another `kind`."""
    body = bytes(data[8:])
    if data[:4] != _MAGIC or zlib.crc32(body) != int.from_bytes(data[4:8], "little"):
        raise InputError(
            Fault("checkpoint", "damaged", "is not whole", "start from the checkpoint before, or from the fills")
        )
    start = 4 + int.from_bytes(body[:4], "little")
    header = json.loads(body[4:start])
    if (header["version"], header["fingerprint"]) != (_VERSION, _fingerprint()):
        raise InputError(
            Fault(
                "checkpoint",
                "version_changed",
                "was written by another version of the engine",
                "close the session with the version that wrote it, or rebuild it by replaying its bars",
            )
        )
    theirs: dict[str, Any] = header["kind"]
    changed = [name for name in {**kind, **theirs} if theirs.get(name) != kind.get(name)]
    if changed:
        raise InputError(
            Fault(
                f"checkpoint.{name}",
                "version_changed",
                f"was {theirs.get(name)!r}, the portfolio has {kind.get(name)!r}",
                "make the portfolio as it was when the checkpoint was written",
            )
            for name in changed
        )
    arrays: dict[str, Records] = {}
    for name, dtype in _DTYPES.items():
        count = header["lengths"][name]
        arrays[name] = np.frombuffer(body, dtype=dtype, count=count, offset=start).copy()
        start += count * dtype.itemsize
    bars = np.split(arrays.pop("bars"), np.cumsum(header["bars"])[:-1])
    arrays["lists"] = arrays["lists"].reshape(4, -1)
    state = Essence(bars=bars, last_ts=header["last_ts"], counts=header["counts"], **arrays)
    return state, Rules(**header["rules"]), Costs(**header["costs"])


def _without_padding(array: Records) -> bytes:
    """The bytes of an array, with zeros between the fields: equal states have equal bytes."""
    data = array.tobytes()
    padding = _padding(array.dtype)
    if not len(padding):
        return data
    rows = np.frombuffer(bytearray(data), dtype=np.uint8).reshape(len(array), array.dtype.itemsize)
    rows[:, padding] = 0
    return rows.tobytes()


@cache
def _padding(dtype: np.dtype[Any]) -> Records:
    """Places in a record that belong to no field."""
    is_free = np.full(dtype.itemsize, dtype.names is not None)
    for kind, offset, *_ in (dtype.fields or {}).values():
        is_free[offset : offset + kind.itemsize] = False
    return np.flatnonzero(is_free)


@cache
def _fingerprint() -> str:
    """Changes with every change of a stored record, of the rules or of the costs."""
    parts = [f"{name} {dtype.itemsize} {sorted((dtype.fields or {}).items())}" for name, dtype in _DTYPES.items()]
    parts += [f.name for kind in (Rules, Costs) for f in fields(kind)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
